//! The sockets the supervisor opens for the node: the panel's listener and the peers' UDP socket.
//!
//! They outlive the node, so a browser's connection waits while the node is started again instead of
//! being refused, and peers find it at the same port. Nothing is ever read from them here.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use kith_files::{FileError, PRIVATE_FILE, RealFiles, read_whole, write_durably};

/// Where the panel and the peers' socket look for a free port: few enough for a firewall rule, enough
/// for a demonstration on one machine, and below the range from which kernels give out ports.
pub const PORTS: RangeInclusive<u16> = 8480..=8499;

/// How often a port that is taken is looked at, and for how long: a node has ten seconds to end.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: u32 = 200;

/// Where the state keeps the peers' port, in decimal digits.
const PORT_FILE: &str = "peer-port";

/// Why a socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The panel cannot have the address that was asked for.
    #[error("the panel cannot listen on {address}: {why}; choose another address with --panel")]
    Panel {
        /// Which address.
        address: SocketAddr,
        /// Why.
        why: io::Error,
    },
    /// None of the usual ports is free.
    #[error("the panel finds no free port from 8480 to 8499: choose an address with --panel")]
    NoPanelPort,
    /// The peers' socket cannot have the address that was asked for.
    #[error(
        "peers cannot be listened for on {address}: {why}; choose another address with --listen"
    )]
    Peers {
        /// Which address.
        address: SocketAddr,
        /// Why.
        why: io::Error,
    },
    /// No UDP socket can be had at all.
    #[error("cannot open a UDP socket for peers")]
    NoPeerPort(#[source] io::Error),
}

/// The panel's listener at `wanted`, or else at the first free port of [`PORTS`]: on all addresses of an
/// appliance, which comes by them and loses them later and whose firewall says who may, and on the
/// loopback elsewhere.
///
/// # Errors
/// [`SocketError`] when `wanted` is taken or no port is free.
pub fn bind_panel(wanted: Option<SocketAddr>, appliance: bool) -> Result<TcpListener, SocketError> {
    if let Some(address) = wanted {
        return listen(address).map_err(|why| SocketError::Panel { address, why });
    }
    let at = |port: u16| {
        if !appliance {
            return listen((Ipv4Addr::LOCALHOST, port).into());
        }
        match listen((Ipv6Addr::UNSPECIFIED, port).into()) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                listen((Ipv4Addr::UNSPECIFIED, port).into())
            }
            bound => bound,
        }
    };
    PORTS.into_iter().find_map(|port| at(port).ok()).ok_or(SocketError::NoPanelPort)
}

/// Waits until whoever has the panel's usual port has let go of it, but not for ever: the node of a supervisor
/// that was killed ends by itself a moment later, and the panel shall stay where people know it to be.
pub(crate) fn wait_for_predecessor() {
    if !is_let_go(*PORTS.start(), LOOKS) {
        tracing::warn!(port = PORTS.start(), "another program has the panel's usual port");
    }
}

fn is_let_go(port: u16, looks: u32) -> bool {
    (0..looks).any(|_| match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            std::thread::sleep(LOOK);
            false
        }
        Ok(_) | Err(_) => true,
    })
}

/// The peers' UDP socket at `wanted`; else on all addresses, at the port kept in `STATE/peer-port`, or
/// the first free one, which is then kept.
///
/// # Errors
/// [`SocketError`] when `wanted` is taken or there are no sockets.
pub fn bind_peers(state: &Path, wanted: Option<SocketAddr>) -> Result<UdpSocket, SocketError> {
    if let Some(address) = wanted {
        return bind(address).map_err(|why| SocketError::Peers { address, why });
    }
    if let Some(port) = read_port(state) {
        match bind_everywhere(port) {
            Ok(socket) => return Ok(socket),
            Err(error) => tracing::warn!(port, %error, "the port kept for peers is not free"),
        }
    }
    let socket = PORTS
        .into_iter()
        .find_map(|port| bind_everywhere(port).ok())
        .map_or_else(|| bind_everywhere(0), Ok)
        .map_err(SocketError::NoPeerPort)?;
    let port = socket.local_addr().map_err(SocketError::NoPeerPort)?.port();
    // A full or read-only disk costs the port at the next start, not the panel that says so now.
    if let Err(error) = keep_port(state, port) {
        tracing::warn!(port, %error, "the port for peers cannot be kept in the state");
    }
    Ok(socket)
}

/// Both families on one socket; IPv4 alone where the kernel has no IPv6.
fn bind_everywhere(port: u16) -> io::Result<UdpSocket> {
    match bind((Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            bind((Ipv4Addr::UNSPECIFIED, port).into())
        }
        bound => bound,
    }
}

// Both are handed over ready for an event loop.

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn read_port(state: &Path) -> Option<u16> {
    let bytes = read_whole(&RealFiles::new(), &state.join(PORT_FILE), 16).ok()??;
    str::from_utf8(&bytes).ok()?.trim().parse().ok().filter(|port| *port != 0)
}

fn keep_port(state: &Path, port: u16) -> Result<(), FileError> {
    let text = format!("{port}\n");
    write_durably(&RealFiles::new(), state, PORT_FILE, text.as_bytes(), PRIVATE_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_address_that_is_taken_is_an_error_in_words() {
        let first = bind_panel(Some(loopback(0)), true).unwrap();
        let taken = first.local_addr().unwrap();
        let message = bind_panel(Some(taken), true).unwrap_err().to_string();
        assert!(message.starts_with(&format!("the panel cannot listen on {taken}")), "{message}");
        assert!(message.contains("--panel"), "{message}");
    }

    #[test]
    fn without_a_wish_the_panel_takes_the_next_free_port() {
        let one = bind_panel(None, false).unwrap();
        let two = bind_panel(None, false).unwrap();
        let ports = [&one, &two].map(|panel| panel.local_addr().unwrap().port());
        assert_ne!(ports[0], ports[1]);
        assert!(ports.iter().all(|port| PORTS.contains(port)), "{ports:?}");
        assert!(one.local_addr().unwrap().ip().is_loopback());
        let everywhere = bind_panel(None, true).unwrap().local_addr().unwrap();
        assert!(everywhere.ip().is_unspecified() && PORTS.contains(&everywhere.port()));
    }

    #[test]
    fn a_port_is_waited_for_while_somebody_has_it() {
        let taken = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert!(!is_let_go(port, 2));
        drop(taken);
        assert!(is_let_go(port, 1));
    }

    #[test]
    fn the_peers_port_is_kept_in_the_state_and_found_again() {
        let state = tempfile::tempdir().unwrap();
        let port = port_of(&bind_peers(state.path(), None).unwrap());
        let again = bind_peers(state.path(), None).unwrap();
        assert_eq!(port_of(&again), port);

        // While another program has it, another port is taken, and kept from then on.
        let other = port_of(&bind_peers(state.path(), None).unwrap());
        assert_ne!(other, port);
        assert_eq!(read_port(state.path()), Some(other));
    }

    #[test]
    fn a_kept_port_that_is_garbage_is_not_believed() {
        let state = tempfile::tempdir().unwrap();
        for garbage in ["", "0", "66000", "8480 8481", "\u{0}"] {
            std::fs::write(state.path().join(PORT_FILE), garbage).unwrap();
            let port = port_of(&bind_peers(state.path(), None).unwrap());
            assert_eq!(read_port(state.path()), Some(port), "{garbage:?}");
        }
    }

    #[test]
    fn a_state_that_cannot_be_written_still_gets_a_socket() {
        let missing = Path::new("/nonexistent/state");
        assert_ne!(port_of(&bind_peers(missing, None).unwrap()), 0);
    }

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    fn port_of(socket: &UdpSocket) -> u16 {
        socket.local_addr().unwrap().port()
    }
}
