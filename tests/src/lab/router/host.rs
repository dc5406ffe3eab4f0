//! A network of its own with somebody in it who sends whatever there is to send, and sees all that arrives.

use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::thread;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6,
    recvfrom, sendto, setsockopt, socket, sockopt,
};

use super::packet::Arrived;
pub(super) use crate::lab::namespace::{get, inside, make, set};

/// `PACKET_OUTGOING` (linux/if_packet.h): a copy of what the host itself has sent.
const OUTGOING: u8 = 4;
/// Bytes that wait to be looked at, if the machine allows so many.
const ROOM: usize = 8 << 20;
/// The device by which each host is reached.
pub(super) const DEVICE: &str = "eth0";

/// Who can send and see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    /// A device of the family, the one to which ports lead.
    Lan,
    /// Another device of the family.
    Lan2,
    /// A device of the family that is kept off.
    Paused,
    /// A visitor.
    Guest,
    /// Another visitor.
    Guest2,
    /// Another box.
    Mesh,
    /// The internet: the provider's router and servers behind it.
    Wan,
}

impl Who {
    /// All of them.
    pub(super) const ALL: [Self; 7] =
        [Self::Lan, Self::Lan2, Self::Paused, Self::Guest, Self::Guest2, Self::Mesh, Self::Wan];

    /// The name of its network namespace.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Lan2 => "lan2",
            Self::Paused => "paused",
            Self::Guest => "guest",
            Self::Guest2 => "guest2",
            Self::Mesh => "mesh",
            Self::Wan => "wan",
        }
    }
}

/// Sockets in a host's network.
#[derive(Debug)]
pub(super) struct Host {
    /// Who it is.
    pub(super) who: Who,
    index: u32,
    ipv4: OwnedFd,
    ipv6: OwnedFd,
    all: OwnedFd,
}

impl Host {
    /// Opens the sockets; its device has to be there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn open(who: Who) -> Result<Self> {
        inside(who.name(), || {
            let raw = |family, kind, protocol| {
                socket(family, kind, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, protocol)
                    .with_context(|| format!("a raw socket of {}", who.name()))
            };
            let all = raw(AddressFamily::Packet, SockType::Datagram, SockProtocol::EthAll)?;
            setsockopt(&all, sockopt::RcvBuf, &ROOM).context("room for packets")?;
            let ipv4 = raw(AddressFamily::Inet, SockType::Raw, SockProtocol::Raw)?;
            setsockopt(&ipv4, sockopt::Broadcast, &true).context("may send to all")?;
            Ok(Self {
                who,
                index: if_nametoindex(DEVICE).context("its device")?,
                ipv4,
                ipv6: raw(AddressFamily::Inet6, SockType::Raw, SockProtocol::Raw)?,
                all,
            })
        })
    }

    /// Sends a whole packet; one for which the network has no room is sent again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn send(&self, to: IpAddr, packet: &[u8]) -> Result<()> {
        loop {
            let none = MsgFlags::empty();
            let sent = match to {
                IpAddr::V4(to) => {
                    let to = SockaddrIn::from(SocketAddrV4::new(to, 0));
                    sendto(self.ipv4.as_raw_fd(), packet, &to, none)
                }
                IpAddr::V6(to) => {
                    let scope = if to.is_unicast_link_local() || to.is_multicast() {
                        self.index
                    } else {
                        0
                    };
                    let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, scope));
                    sendto(self.ipv6.as_raw_fd(), packet, &to, none)
                }
            };
            match sent {
                Ok(_) => return Ok(()),
                Err(Errno::EAGAIN | Errno::ENOBUFS) => thread::yield_now(),
                Err(why) => {
                    return Err(why).with_context(|| format!("{} sends to {to}", self.who.name()));
                }
            }
        }
    }

    /// What has arrived since it was last asked.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn arrived(&self) -> Result<Vec<Arrived>> {
        let mut arrived = Vec::new();
        let mut room = vec![0; 1 << 16];
        loop {
            match recvfrom::<LinkAddr>(self.all.as_raw_fd(), &mut room) {
                Ok((length, Some(link))) if link.pkttype() != OUTGOING => {
                    arrived.extend(room.get(..length).and_then(Arrived::read));
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(arrived),
                Err(why) => return Err(why).context("look at what arrives"),
            }
        }
    }
}
