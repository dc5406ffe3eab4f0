//! The UDP socket under the endpoint: both address families on one port, and room in the kernel.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};
use tracing::debug;

/// A socket on every address of this host, IPv6 and IPv4 alike, or IPv4 alone where the kernel has no
/// IPv6. `port` 0 takes a free one.
///
/// # Errors
/// When the port is taken or the kernel refuses.
pub fn open_socket(port: u16) -> io::Result<UdpSocket> {
    match open_socket_at((Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            debug!(%error, "no socket for IPv6");
            open_socket_at((Ipv4Addr::UNSPECIFIED, port).into())
        }
        other => other,
    }
}

/// A socket on `address`. On `[::]` it takes IPv4 as well.
///
/// # Errors
/// When the address is taken, is not this host's, or the kernel refuses.
pub fn open_socket_at(address: SocketAddr) -> io::Result<UdpSocket> {
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Datagram, flags, None)?;
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &false)?;
    }
    use std::os::fd::AsRawFd as _;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(fd.into())
}

/// Asks for `bytes` of buffer in both directions. The kernel may give less: above `rmem_max` only
/// CAP_NET_ADMIN helps.
pub(super) fn widen(socket: &UdpSocket, bytes: usize) {
    let received = setsockopt(socket, sockopt::RcvBufForce, &bytes)
        .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &bytes));
    let sent = setsockopt(socket, sockopt::SndBufForce, &bytes)
        .or_else(|_| setsockopt(socket, sockopt::SndBuf, &bytes));
    for error in [received, sent].into_iter().filter_map(Result::err) {
        debug!(%error, "the socket keeps its buffers");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_socket_takes_both_families() {
        let socket = open_socket(0).unwrap();
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(b"four", ("127.0.0.1", port)).unwrap();
        let (size, from) = socket.recv_from(&mut [0; 9]).unwrap();
        assert_eq!((size, from.ip().to_canonical()), (4, Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn a_taken_port_is_an_error() {
        let port = open_socket(0).unwrap();
        let port_again = open_socket(port.local_addr().unwrap().port());
        assert_eq!(port_again.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_kernel_gives_more_room_when_asked() {
        let socket = open_socket(0).unwrap();
        let room = || nix::sys::socket::getsockopt(&socket, sockopt::RcvBuf).unwrap();
        setsockopt(&socket, sockopt::RcvBuf, &4096).unwrap();
        let before = room();
        widen(&socket, 1 << 20);
        assert!(room() > before);
    }
}
