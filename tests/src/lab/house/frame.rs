//! Frames of Ethernet, sent and seen as they are: many devices with addresses of their own on one cable.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvfrom, sendto,
    setsockopt, socket, sockopt,
};

use crate::lab::namespace::inside;

/// An address of Ethernet.
pub(super) type Mac = [u8; 6];

/// Everybody.
pub(super) const BROADCAST: Mac = [0xff; 6];
/// `PACKET_OUTGOING` (linux/if_packet.h): a copy of what was sent here.
const OUTGOING: u8 = 4;
/// Bytes that wait to be looked at, if the machine allows so many.
const ROOM: usize = 8 << 20;
const HEADERS: usize = 14 + 20 + 8;

/// One end of a cable.
#[derive(Debug)]
pub(super) struct Cable {
    socket: OwnedFd,
    end: LinkAddr,
}

impl Cable {
    /// That of the device there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn open(space: &str) -> Result<Self> {
        inside(space, || {
            let index = if_nametoindex("eth0").context("its device")?;
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll);
            let socket = socket.context("a socket for frames")?;
            setsockopt(&socket, sockopt::RcvBuf, &ROOM).context("room for frames")?;
            let end = end_of(&socket, usize::try_from(index).context("its number")?)?;
            Ok(Self { socket, end })
        })
    }

    /// Sends a frame; one for which there is no room is sent again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn send(&self, frame: &[u8]) -> Result<()> {
        loop {
            match sendto(self.socket.as_raw_fd(), frame, &self.end, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::EAGAIN | Errno::ENOBUFS) => std::thread::yield_now(),
                Err(why) => return Err(why).context("send a frame"),
            }
        }
    }

    /// The next frame that has arrived, if one has.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn arrived<'a>(&self, room: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
        loop {
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), room) {
                Ok((length, Some(link))) if link.pkttype() != OUTGOING => {
                    return Ok(room.get(..length));
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(why) => return Err(why).context("see frames"),
            }
        }
    }
}

/// The cable as the kernel calls it: as nobody makes such an address but the kernel, one is taken from what
/// has just been sent.
fn end_of(socket: &OwnedFd, index: usize) -> Result<LinkAddr> {
    let anybody = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("a socket")?;
    anybody.set_broadcast(true).context("may send to all")?;
    setsockopt(&anybody, sockopt::BindToDevice, &"eth0".into()).context("its device")?;
    let mut room = [0; 2_048];
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        anybody.send_to(b"hello", SocketAddrV4::new(Ipv4Addr::BROADCAST, 9)).context("send")?;
        std::thread::sleep(Duration::from_millis(10));
        while let Ok((_, Some(link))) = recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut room) {
            if link.ifindex() == index && link.protocol() == 0x0800_u16.to_be() {
                return Ok(link);
            }
        }
    }
    bail!("nothing passes on the cable")
}

/// A datagram over IPv4 in a frame.
pub(super) fn udp(
    (from, to): (Mac, Mac),
    (source, target): (SocketAddrV4, SocketAddrV4),
    data: &[u8],
) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes();
    let mut head = vec![0x45, 0];
    head.extend(length(28 + data.len()));
    head.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    head.extend(source.ip().octets());
    head.extend(target.ip().octets());
    let sum = checksum(&head);
    head.splice(10..12, sum.to_be_bytes());
    // Without a checksum of its own (RFC 768).
    let ports = [source.port().to_be_bytes(), target.port().to_be_bytes()].concat();
    [&to[..], &from, &[8, 0], &head, &ports, &length(8 + data.len()), &[0, 0], data].concat()
}

/// What a frame carries, if it is a datagram for `port` over IPv4.
pub(super) fn datagram(frame: &[u8], port: u16) -> Option<&[u8]> {
    let for_port = frame.get(12..14)? == [8, 0]
        && frame.get(14)? == &0x45
        && frame.get(23)? == &17
        && frame.get(36..38)? == port.to_be_bytes();
    frame.get(HEADERS..).filter(|_| for_port)
}

/// RFC 1071.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(!sum & 0xffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_read_again() {
        let from: SocketAddrV4 = "0.0.0.0:68".parse().unwrap();
        let to: SocketAddrV4 = "255.255.255.255:67".parse().unwrap();
        let frame = udp(([2; 6], BROADCAST), (from, to), b"hello");
        assert_eq!(datagram(&frame, 67), Some(&b"hello"[..]));
        assert_eq!(datagram(&frame, 68), None);
        assert_eq!(checksum(frame.get(14..34).unwrap()), 0);
        assert_eq!(datagram(b"short", 67), None);
    }
}
