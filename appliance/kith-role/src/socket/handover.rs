//! Sockets that the supervisor opens and hands to a role.
//!
//! What arrives is only a number to the kernel, so each descriptor is asked what it is before it is
//! believed.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockType, SockaddrLike as _, SockaddrStorage, getsockname, getsockopt, sockopt,
};
use serde::{Deserialize, Serialize};

use super::{Channel, ChannelError};

/// Why the sockets handed over are of no use.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The channel.
    #[error("the sockets did not arrive")]
    Channel(#[from] ChannelError),
    /// The other side ended first, or sent another number of descriptors than it said.
    #[error("the sockets are missing")]
    Missing,
    /// Not what it should be.
    #[error("a descriptor is not a {0}")]
    NotA(&'static str),
    /// The kernel does not say what it is.
    #[error("a descriptor is no socket")]
    NoSocket(#[from] Errno),
}

/// What the message with the descriptors says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Handover {
    listeners: u8,
    sockets: u8,
}

/// Hands over listening TCP sockets and UDP sockets.
///
/// # Errors
/// When there are too many or the channel fails.
pub async fn send_sockets(
    channel: &mut Channel,
    listeners: &[TcpListener],
    sockets: &[UdpSocket],
) -> Result<(), ChannelError> {
    let too_many = |_| ChannelError::TooManyDescriptors;
    let message = Handover {
        listeners: listeners.len().try_into().map_err(too_many)?,
        sockets: sockets.len().try_into().map_err(too_many)?,
    };
    let tcp = listeners.iter().map(|listener| listener.as_fd());
    let descriptors: Vec<_> = tcp.chain(sockets.iter().map(|socket| socket.as_fd())).collect();
    channel.send(&message, &descriptors).await
}

/// Takes what [`send_sockets`] handed over, in its order.
///
/// # Errors
/// [`HandoverError`] when anything is missing or is not what it should be.
pub async fn receive_sockets(
    channel: &mut Channel,
) -> Result<(Vec<TcpListener>, Vec<UdpSocket>), HandoverError> {
    let (message, descriptors) =
        channel.receive::<Handover>().await?.ok_or(HandoverError::Missing)?;
    let listeners = usize::from(message.listeners);
    if descriptors.len() != listeners + usize::from(message.sockets) {
        return Err(HandoverError::Missing);
    }
    let mut descriptors = descriptors.into_iter();
    let tcp = descriptors.by_ref().take(listeners).map(tcp_listener).collect::<Result<_, _>>()?;
    let udp = descriptors.map(udp_socket).collect::<Result<_, _>>()?;
    Ok((tcp, udp))
}

/// A listening TCP socket, if the descriptor is one.
///
/// # Errors
/// When it is anything else.
pub fn tcp_listener(fd: OwnedFd) -> Result<TcpListener, HandoverError> {
    if kind(&fd)? != Some(SockType::Stream) || !getsockopt(&fd, sockopt::AcceptConn)? {
        return Err(HandoverError::NotA("listening TCP socket"));
    }
    Ok(fd.into())
}

/// A UDP socket, if the descriptor is one.
///
/// # Errors
/// When it is anything else.
pub fn udp_socket(fd: OwnedFd) -> Result<UdpSocket, HandoverError> {
    if kind(&fd)? != Some(SockType::Datagram) {
        return Err(HandoverError::NotA("UDP socket"));
    }
    Ok(fd.into())
}

/// The kind of an internet socket; nothing for sockets of other families.
fn kind(fd: &OwnedFd) -> Result<Option<SockType>, Errno> {
    use std::os::fd::AsRawFd as _;
    let address: SockaddrStorage = getsockname(fd.as_raw_fd())?;
    match address.family() {
        Some(AddressFamily::Inet | AddressFamily::Inet6) => {
            getsockopt(fd, sockopt::SockType).map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_and_a_socket_cross_and_still_work() {
        let (mut parent, child) = Channel::pair(99).unwrap();
        let mut child = Channel::from_fd(child, 99).unwrap();
        let panel = TcpListener::bind("127.0.0.1:0").unwrap();
        let peers = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (panel_at, peers_at) = (panel.local_addr().unwrap(), peers.local_addr().unwrap());
        send_sockets(&mut parent, &[panel], &[peers]).await.unwrap();
        let (tcp, udp) = receive_sockets(&mut child).await.unwrap();
        assert_eq!(tcp[0].local_addr().unwrap(), panel_at);
        assert_eq!(udp[0].local_addr().unwrap(), peers_at);
        let _client = std::net::TcpStream::connect(panel_at).unwrap();
        tcp[0].accept().unwrap();
    }

    #[tokio::test]
    async fn other_descriptors_are_refused() {
        let udp = || OwnedFd::from(UdpSocket::bind("127.0.0.1:0").unwrap());
        let tcp = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap());
        let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let unix = || OwnedFd::from(std::os::unix::net::UnixDatagram::unbound().unwrap());
        assert!(tcp_listener(tcp()).is_ok() && udp_socket(udp()).is_ok());
        for other in [udp(), file(), unix()] {
            assert!(tcp_listener(other).is_err());
        }
        for other in [tcp(), file(), unix()] {
            assert!(udp_socket(other).is_err());
        }
    }

    #[tokio::test]
    async fn fewer_descriptors_than_announced_are_refused() {
        let (mut parent, child) = Channel::pair(99).unwrap();
        let mut child = Channel::from_fd(child, 99).unwrap();
        parent.send(&Handover { listeners: 1, sockets: 0 }, &[]).await.unwrap();
        let received = receive_sockets(&mut child).await;
        assert!(matches!(received, Err(HandoverError::Missing)));
        drop(parent);
        assert!(matches!(receive_sockets(&mut child).await, Err(HandoverError::Missing)));
    }
}
