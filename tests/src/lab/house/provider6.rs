//! The IPv6 side of a provider: router advertisements and a DHCPv6 server that delegates a prefix, told
//! from one moment to the next what to offer.
//!
//! A stock server does not take a prefix back before its time; this one does, so that what the box makes of
//! it is seen within seconds.

use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, sendto, setsockopt,
    socket, sockopt,
};

use crate::lab::namespace::inside;

/// All nodes, and all DHCPv6 servers of a link (RFC 4291, RFC 8415).
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
const SERVER_PORT: u16 = 547;

/// Time between advertisements; short, so that nobody waits.
const EVERY: Duration = Duration::from_secs(1);
/// When a client is to ask again, in seconds (T1 and T2).
const AGAIN: (u32, u32) = (4, 8);
/// DUID-LL (RFC 8415, 11.4).
const DUID: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 1];

/// What is offered right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// For how many seconds the router may be used; nothing to advertise nothing.
    pub(super) router_seconds: Option<u16>,
    /// A prefix to make addresses of (RFC 4862), a /64.
    pub(super) on_link: Option<Ipv6Addr>,
    /// An address that is given (IA_NA).
    pub(super) address: Option<Ipv6Addr>,
    /// Prefixes of a size that are delegated, with their preferred and valid lifetimes.
    pub(super) prefixes: Vec<(Ipv6Addr, u8, u32, u32)>,
}

/// A message of a client, as far as it counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// Its type.
    pub(super) kind: u8,
    /// DUID of who asks.
    pub(super) client: Vec<u8>,
    /// Size of the prefix that is hinted at.
    pub(super) hint: Option<u8>,
    transaction: [u8; 3],
    rapid: bool,
    address: Option<[u8; 4]>,
    prefix: Option<[u8; 4]>,
}

#[derive(Debug, Default)]
struct Shared {
    offer: Mutex<Offer>,
    asked: Mutex<Vec<Asked>>,
    over: AtomicBool,
}

/// The provider's server, which runs until this is dropped.
#[derive(Debug)]
pub(super) struct Provider6 {
    shared: Arc<Shared>,
    serving: Option<JoinHandle<()>>,
}

impl Provider6 {
    /// Starts it with nothing on offer.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub(super) fn start(space: &str) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let sockets = inside(space, Sockets::open)?;
        let told = Arc::clone(&shared);
        let serving = std::thread::spawn(move || sockets.serve(&told));
        Ok(Self { shared, serving: Some(serving) })
    }

    /// Offers something else from now on.
    pub(super) fn offer(&self, offer: Offer) {
        *self.shared.offer.lock().unwrap_or_else(PoisonError::into_inner) = offer;
    }

    /// What was asked since this was called last.
    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Provider6 {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

struct Sockets {
    dhcp: UdpSocket,
    icmp: OwnedFd,
    index: u32,
}

impl Sockets {
    fn open() -> Result<Self> {
        let index = if_nametoindex("eth0").context("its device")?;
        let dhcp = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, SERVER_PORT)).context("listen")?;
        dhcp.join_multicast_v6(&ALL_SERVERS, index).context("hear all")?;
        dhcp.set_read_timeout(Some(Duration::from_millis(100))).context("do not wait for ever")?;
        let flags = SockFlag::SOCK_CLOEXEC;
        let icmp = socket(AddressFamily::Inet6, SockType::Raw, flags, SockProtocol::IcmpV6);
        let icmp = icmp.context("a socket for advertisements")?;
        // RFC 4861, 6.1.2: nobody believes an advertisement that was forwarded.
        setsockopt(&icmp, sockopt::Ipv6MulticastHops, &255).context("hop limit")?;
        Ok(Self { dhcp, icmp, index })
    }

    fn serve(&self, shared: &Shared) {
        let mut next = Instant::now();
        let mut room = [0; 2_048];
        while !shared.over.load(Ordering::Relaxed) {
            let offer = shared.offer.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if next <= Instant::now() {
                next = Instant::now() + EVERY;
                self.advertise(&offer);
            }
            let Ok((length, from)) = self.dhcp.recv_from(&mut room) else { continue };
            let Some(asked) = room.get(..length).and_then(read) else { continue };
            if let Some(answer) = answer(&asked, &offer) {
                // A client that hears nothing asks again.
                let _ = self.dhcp.send_to(&answer, from);
            }
            shared.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        }
    }

    fn advertise(&self, offer: &Offer) {
        let Some(seconds) = offer.router_seconds else { return };
        let message = advertisement(seconds, offer.on_link, offer.address.is_some());
        let to = SockaddrIn6::from(SocketAddrV6::new(ALL_NODES, 0, 0, self.index));
        // The next one follows in a second.
        let _ = sendto(self.icmp.as_raw_fd(), &message, &to, MsgFlags::empty());
    }
}

/// RFC 4861, 4.2; the kernel fills in the checksum.
pub(super) fn advertisement(seconds: u16, prefix: Option<Ipv6Addr>, managed: bool) -> Vec<u8> {
    let flags = if managed { 0x80 } else { 0 };
    let mut message = vec![134, 0, 0, 0, 64, flags];
    message.extend(seconds.to_be_bytes());
    message.extend([0; 8]);
    if let Some(prefix) = prefix {
        // On link, and to make addresses of.
        message.extend([3, 4, 64, 0xc0]);
        message.extend(1_800_u32.to_be_bytes());
        message.extend(900_u32.to_be_bytes());
        message.extend([0; 4]);
        message.extend(prefix.octets());
    }
    message
}

/// The options of a message or of an option, as (code, what is in it).
fn options(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let Some(([a, b, c, d], rest)) = bytes.split_first_chunk::<4>() {
        let Some((value, rest)) = rest.split_at_checked(u16::from_be_bytes([*c, *d]).into()) else {
            break;
        };
        found.push((u16::from_be_bytes([*a, *b]), value));
        bytes = rest;
    }
    found
}

fn read(message: &[u8]) -> Option<Asked> {
    let ([kind, transaction @ ..], rest) = message.split_first_chunk::<4>()?;
    let mut asked = Asked { kind: *kind, transaction: *transaction, ..Asked::default() };
    for (code, value) in options(rest) {
        match code {
            1 => asked.client = value.to_vec(),
            3 => asked.address = value.first_chunk().copied(),
            14 => asked.rapid = true,
            25 => {
                asked.prefix = value.first_chunk().copied();
                let inside = options(value.get(12..).unwrap_or_default());
                let hint = inside.iter().find(|(code, _)| *code == 26);
                asked.hint = hint.and_then(|(_, value)| value.get(8)).copied();
            }
            _ => {}
        }
    }
    Some(asked)
}

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    [&code.to_be_bytes(), &length.to_be_bytes(), value].concat()
}

/// What is answered (RFC 8415, 18.3); nothing to what is no question.
fn answer(asked: &Asked, offer: &Offer) -> Option<Vec<u8>> {
    let kind = match asked.kind {
        1 if !asked.rapid => 2,
        1 | 3..=6 | 8 | 11 => 7,
        _ => return None,
    };
    let [a, b, c] = asked.transaction;
    let mut message = vec![kind, a, b, c];
    message.extend(option(1, &asked.client));
    message.extend(option(2, &DUID));
    if asked.kind == 1 && asked.rapid {
        message.extend(option(14, &[]));
    }
    let times = [AGAIN.0.to_be_bytes(), AGAIN.1.to_be_bytes()].concat();
    if let Some(id) = asked.address {
        let inside = match offer.address {
            Some(address) => {
                let lifetimes = [900_u32.to_be_bytes(), 1_800_u32.to_be_bytes()].concat();
                option(5, &[&address.octets()[..], &lifetimes].concat())
            }
            None => option(13, &[0, 2]),
        };
        message.extend(option(3, &[&id[..], &times, &inside].concat()));
    }
    if let Some(id) = asked.prefix {
        let mut inside = Vec::new();
        for (prefix, size, preferred, valid) in &offer.prefixes {
            let lifetimes = [preferred.to_be_bytes(), valid.to_be_bytes()].concat();
            inside.extend(option(26, &[&lifetimes[..], &[*size], &prefix.octets()].concat()));
        }
        if inside.is_empty() {
            // RFC 8415, 21.13: NoPrefixAvail.
            inside = option(13, &[0, 6]);
        }
        message.extend(option(25, &[&id[..], &times, &inside].concat()));
    }
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_and_answered() {
        let ia =
            [&[0, 0, 0, 2][..], &[0; 8], &option(26, &[&[0; 8][..], &[56], &[0; 16]].concat())];
        let solicit = [&[1, 9, 8, 7][..], &option(1, b"who"), &option(25, &ia.concat())].concat();
        let asked = read(&solicit).unwrap();
        assert_eq!((asked.kind, &*asked.client, asked.hint), (1, &b"who"[..], Some(56)));
        let prefix: Ipv6Addr = "2001:db8:bb00::".parse().unwrap();
        let offer = Offer { prefixes: vec![(prefix, 56, 10, 20)], ..Offer::default() };
        let answer = answer(&asked, &offer).unwrap();
        assert_eq!(answer.get(..4), Some(&[2, 9, 8, 7][..]));
        let found = options(answer.get(4..).unwrap());
        let delegated = found.iter().find(|(code, _)| *code == 25).unwrap().1;
        let inside = options(delegated.get(12..).unwrap());
        assert_eq!(inside.first().unwrap().1.get(9..), Some(&prefix.octets()[..]));
    }

    #[test]
    fn rubbish_is_no_question() {
        assert_eq!(read(b"abc"), None);
        assert_eq!(options(&[0, 1, 0, 9, 1]), []);
        assert_eq!(answer(&Asked { kind: 7, ..Asked::default() }, &Offer::default()), None);
    }
}
