//! Whether something answers through one uplink, asked without any capability.
//!
//! ICMP echo by the kernel's own ping sockets (`SOCK_DGRAM`, `IPPROTO_ICMP`), which it opens to groups in
//! `net.ipv4.ping_group_range`; the hands put their own group there when they start. Where it does not, a
//! TCP connection to port 53 is tried: accepted or refused, either is a sign of life. A socket is bound to the
//! uplink's device before it is used, which Linux has allowed to everybody since 5.7.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use kith_model::settings::values::InterfaceName;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, bind, setsockopt,
    socket, sockopt,
};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::Instant;

use super::sysctl::Sysctls;

/// The longest wait for a sign of life.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where a TCP connection is tried.
const DNS: u16 = 53;

/// What our own echoes carry besides their number, so that no other answer is taken for one.
const MARK: &[u8; 8] = b"kith-hi\n";

/// Lets this process's group ping.
pub(crate) fn allow() {
    let group = nix::unistd::getegid();
    // Not among the settings that are planned and looked after.
    let set = Sysctls::default().set("ipv4/ping_group_range", &format!("{group} {group}"));
    if let Err(error) = set {
        tracing::info!(%error, "uplinks are checked by TCP, since this process may not ping");
    }
}

/// Asks `target` through `device`; the round trip.
pub(crate) async fn probe(device: &str, target: IpAddr, number: u16) -> Option<Duration> {
    // It becomes an argument to the kernel alone; still, only a name is a name.
    let device: InterfaceName = device.parse().ok()?;
    let began = Instant::now();
    let asking = async {
        match ping(device.as_str(), target, number).await {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                knock(device.as_str(), target).await
            }
            other => other,
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(())) => Some(began.elapsed()),
        Ok(Err(_)) | Err(_) => None,
    }
}

/// The same of a neighbour on a device's own link, where no other sign will do.
///
/// # Errors
/// When this process may not ping.
pub(crate) async fn echo(
    device: &str,
    target: Ipv6Addr,
    number: u16,
) -> io::Result<Option<Duration>> {
    let began = Instant::now();
    match tokio::time::timeout(PATIENCE, ping(device, target.into(), number)).await {
        Ok(Ok(())) => Ok(Some(began.elapsed())),
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        Ok(Err(_)) | Err(_) => Ok(None),
    }
}

/// An echo request, and the wait for its answer.
async fn ping(device: &str, target: IpAddr, number: u16) -> io::Result<()> {
    let socket = ping_socket(device, target)?;
    socket.connect(SocketAddr::new(target, 0)).await?;
    socket.send(&request(target, number)).await?;
    let mut answer = [0; 64];
    loop {
        let size = socket.recv(&mut answer).await?;
        if is_answer(target, number, answer.get(..size).unwrap_or_default()) {
            return Ok(());
        }
    }
}

/// A ping socket that speaks through one device only.
fn ping_socket(device: &str, target: IpAddr) -> io::Result<UdpSocket> {
    let (family, protocol) = match target {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd: OwnedFd = socket(family, SockType::Datagram, flags, protocol)?;
    setsockopt(&fd, sockopt::BindToDevice, &device.into())?;
    match target {
        IpAddr::V4(_) => bind(fd.as_raw_fd(), &SockaddrIn::from(any_v4()))?,
        IpAddr::V6(_) => bind(fd.as_raw_fd(), &SockaddrIn6::from(any_v6()))?,
    }
    UdpSocket::from_std(fd.into())
}

const fn any_v4() -> std::net::SocketAddrV4 {
    std::net::SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)
}

const fn any_v6() -> std::net::SocketAddrV6 {
    std::net::SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0)
}

/// RFC 792 and RFC 4443, 4.1. The kernel fills in the identifier and the checksum.
fn request(target: IpAddr, number: u16) -> Vec<u8> {
    let kind = match target {
        IpAddr::V4(_) => 8,
        IpAddr::V6(_) => 128,
    };
    let [high, low] = number.to_be_bytes();
    [&[kind, 0, 0, 0, 0, 0, high, low], &MARK[..]].concat()
}

fn is_answer(target: IpAddr, number: u16, bytes: &[u8]) -> bool {
    let kind = match target {
        IpAddr::V4(_) => 0,
        IpAddr::V6(_) => 129,
    };
    bytes.first() == Some(&kind)
        && bytes.get(6..8) == Some(&number.to_be_bytes()[..])
        && bytes.get(8..) == Some(&MARK[..])
}

/// A TCP connection; that it is refused is an answer too.
async fn knock(device: &str, target: IpAddr) -> io::Result<()> {
    let socket = match target {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.bind_device(Some(device.as_bytes()))?;
    match socket.connect(SocketAddr::new(target, DNS)).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    #[test]
    fn only_the_answer_to_this_very_request_counts() {
        for (target, answer) in [(V4, 0), (V6, 129)] {
            let mut bytes = request(target, 515);
            assert!(!is_answer(target, 515, &bytes), "a request is no answer");
            bytes[0] = answer;
            // The kernel has filled these in.
            bytes[2..6].fill(9);
            assert!(is_answer(target, 515, &bytes));
            assert!(!is_answer(target, 516, &bytes));
            bytes.push(0);
            assert!(!is_answer(target, 515, &bytes));
        }
        assert!(!is_answer(V4, 1, &[]));
    }

    #[tokio::test]
    async fn loopback_answers_and_a_device_that_is_not_there_does_not() {
        assert!(probe("lo", V4, 1).await.is_some());
        assert_eq!(probe("no-such0", V4, 1).await, None);
        assert_eq!(probe("../lo", V4, 1).await, None);
    }
}
