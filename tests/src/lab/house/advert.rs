//! What routers on the family's cable say of themselves (RFC 4861), and a device that asks them to.

use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, recv, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::lab::namespace::inside;
use crate::lab::wait_asking;

/// How long what shall follow may take: a client asks again every four seconds here.
pub(super) const SOON: Duration = Duration::from_secs(20);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// What a router says of itself (RFC 4861, 4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Advert {
    /// For how many seconds it may be used as a way out.
    pub(super) router: u16,
    /// What addresses are made of.
    pub(super) prefixes: Vec<Prefix>,
    /// Who answers questions about names (RFC 8106).
    pub(super) resolvers: Vec<Ipv6Addr>,
}

/// A prefix in it, with its lifetimes in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    /// Its address.
    pub(super) prefix: Ipv6Addr,
    /// Its size.
    pub(super) size: u8,
    /// Whether addresses are made of it (flag A).
    pub(super) autonomous: bool,
    /// For how long they hold.
    pub(super) valid: u32,
    /// For how long they are used for what is new.
    pub(super) preferred: u32,
}

impl Advert {
    fn read(message: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_be_bytes(*message.get(at..)?.first_chunk()?));
        let address = |at: usize| Some(Ipv6Addr::from(*message.get(at..)?.first_chunk::<16>()?));
        if message.first()? != &134 {
            return None;
        }
        let router = u16::from_be_bytes(*message.get(6..)?.first_chunk()?);
        let mut advert = Self { router, ..Self::default() };
        let mut at = 16;
        while let Some([kind, length]) = message.get(at..).and_then(|rest| rest.first_chunk()) {
            match kind {
                3 => advert.prefixes.push(Prefix {
                    prefix: address(at + 16)?,
                    size: *message.get(at + 2)?,
                    autonomous: message.get(at + 3)? & 0x40 != 0,
                    valid: number(at + 4)?,
                    preferred: number(at + 8)?,
                }),
                25 => {
                    let count = usize::from(*length).saturating_sub(1) / 2;
                    let each = (0..count).filter_map(|n| address(at + 8 + 16 * n));
                    advert.resolvers.extend(each);
                }
                _ => {}
            }
            at += 8 * usize::from((*length).max(1));
        }
        Some(advert)
    }

    /// The prefix of this address in it.
    pub(super) fn of(&self, prefix: Ipv6Addr) -> Option<&Prefix> {
        self.prefixes.iter().find(|one| one.prefix == prefix)
    }
}

/// A device that asks routers to speak up.
#[derive(Debug)]
pub(super) struct Asker {
    socket: OwnedFd,
    index: u32,
}

impl Asker {
    /// The one there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn open(space: &str) -> Result<Self> {
        inside(space, || {
            let flags = SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Inet6, SockType::Raw, flags, SockProtocol::IcmpV6);
            let socket = socket.context("a socket for advertisements")?;
            setsockopt(&socket, sockopt::Ipv6MulticastHops, &255).context("hop limit")?;
            setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(1, 0)).context("a limit")?;
            Ok(Self { socket, index: if_nametoindex("eth0").context("its device")? })
        })
    }

    /// What the router says when asked; the last that it says within a second.
    fn hears(&self) -> Result<Option<Advert>> {
        let to = SockaddrIn6::from(SocketAddrV6::new(ALL_ROUTERS, 0, 0, self.index));
        // One that was heard before says nothing of now.
        while recv(self.socket.as_raw_fd(), &mut [0; 2_048], MsgFlags::MSG_DONTWAIT).is_ok() {}
        let question = [133, 0, 0, 0, 0, 0, 0, 0];
        sendto(self.socket.as_raw_fd(), &question, &to, MsgFlags::empty()).context("ask")?;
        let mut room = [0; 2_048];
        for _ in 0..20 {
            match recv(self.socket.as_raw_fd(), &mut room, MsgFlags::empty()) {
                Ok(length) => {
                    if let Some(advert) = room.get(..length).and_then(Advert::read) {
                        return Ok(Some(advert));
                    }
                }
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Waits until it says something that fits.
    ///
    /// # Errors
    /// When it does not; with what it says instead.
    pub(super) fn until(&self, what: &str, fits: impl Fn(&Advert) -> bool) -> Result<Advert> {
        self.within(SOON, what, fits)
    }

    /// The same within a time.
    ///
    /// # Errors
    /// As above.
    pub(super) fn within(
        &self,
        limit: Duration,
        what: &str,
        fits: impl Fn(&Advert) -> bool,
    ) -> Result<Advert> {
        let mut last = None;
        let heard = || {
            last = self.hears()?.or_else(|| last.clone());
            Ok(last.as_ref().is_some_and(&fits))
        };
        let waited = wait_asking(Duration::from_millis(300), (limit, what), heard);
        waited.with_context(|| format!("{last:?}"))?;
        last.context("nothing was heard")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xbb00, 0, 0, 0, 0, 0);

    #[test]
    fn an_advertisement_is_read() {
        let message = crate::lab::house::provider6::advertisement(1_800, Some(PREFIX), false);
        let advert = Advert::read(&message).unwrap();
        assert_eq!(advert.router, 1_800);
        let prefix = advert.of(PREFIX).unwrap();
        assert_eq!((prefix.size, prefix.autonomous), (64, true));
        assert_eq!((prefix.valid, prefix.preferred), (1_800, 900));
        assert_eq!(Advert::read(&[133, 0, 0, 0, 0, 0, 0, 0]), None);
        // An option of length 0, and one that is cut.
        assert!(Advert::read(&[&message[..16], &[9, 0], &[0; 6]].concat()).is_some());
        assert_eq!(Advert::read(&message[..20]), None);
    }
}
