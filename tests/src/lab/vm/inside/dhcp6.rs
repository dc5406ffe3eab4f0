//! A provider's DHCPv6 server: an address and a prefix for each customer, and the route to it (RFC 8415).
//!
//! dnsmasq delegates no prefixes. This one knows as much as a provider's must that has no enemies.

use std::collections::BTreeMap;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::{Context, Result};

use crate::lab::namespace::call;

/// Where servers listen, and the group in which customers look for them.
const PORT: u16 = 547;
const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// Messages and options (RFC 8415, 7.3 and 21).
const SOLICIT: u8 = 1;
const ADVERTISE: u8 = 2;
const REPLY: u8 = 7;
const ASKED: [u8; 4] = [SOLICIT, 3, 5, 6];
const CLIENT: u16 = 1;
const SERVER: u16 = 2;
const ADDRESSES: u16 = 3;
const ADDRESS: u16 = 5;
const PREFIXES: u16 = 25;
const PREFIX: u16 = 26;

/// The server's own identifier: DUID-EN of a number for documentation (RFC 5612).
const OWN: [u8; 10] = [0, 2, 0, 0, 0x7e, 0xd9, 1, 2, 3, 4];

/// For how many seconds things hold: renewed after, asked of others after, preferred, valid.
const TIMES: [u32; 4] = [1_800, 2_880, 3_600, 7_200];

/// Serves at `device` until it is killed.
pub(super) fn serve(device: &str) -> Result<()> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, PORT)).context("listen")?;
    let index = nix::net::if_::if_nametoindex(device).context("its device")?;
    socket.join_multicast_v6(&SERVERS, index).context("join the servers")?;
    let mut customers: BTreeMap<Vec<u8>, u16> = BTreeMap::new();
    println!("serving");
    loop {
        let mut room = [0; 1_500];
        let (length, from) = socket.recv_from(&mut room).context("hear somebody")?;
        let asked = &room[..length];
        let Some(client) = options(asked.get(4..).unwrap_or_default(), CLIENT).pop() else {
            continue;
        };
        let next = u16::try_from(customers.len() + 1).context("so many customers")?;
        let customer = *customers.entry(client.to_vec()).or_insert(next);
        let Some((answer, gives)) = answer(asked, client, customer) else { continue };
        if let (true, SocketAddr::V6(from)) = (gives, from) {
            let route = format!("{}/56", prefix(customer));
            let via = from.ip().to_string();
            call("ip", &["-6", "route", "replace", &route, "via", &via, "dev", device])?;
        }
        socket.send_to(&answer, from).context("answer")?;
    }
}

/// The prefix of a customer, a /56, and its address at the provider.
fn prefix(customer: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0xa000, customer << 8, 0, 0, 0, 0)
}

fn address(customer: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x100 + customer)
}

/// What to say to somebody, and whether it gives what it names.
fn answer(asked: &[u8], client: &[u8], customer: u16) -> Option<(Vec<u8>, bool)> {
    let (kind, rest) = (asked.first().filter(|kind| ASKED.contains(kind))?, asked.get(4..)?);
    let says = if *kind == SOLICIT { ADVERTISE } else { REPLY };
    let [renew, rebind, preferred, valid] = TIMES.map(u32::to_be_bytes);
    let mut answer = [&[says][..], asked.get(1..4)?].concat();
    answer.extend([option(CLIENT, client), option(SERVER, &OWN)].concat());
    let named = |wanted: u16, inner: Vec<u8>| {
        let of = |association: &[u8]| {
            let name = association.get(..4)?;
            Some(option(wanted, &[name, &renew, &rebind, &inner].concat()))
        };
        options(rest, wanted).into_iter().filter_map(of).collect::<Vec<_>>().concat()
    };
    let at = [&address(customer).octets()[..], &preferred, &valid].concat();
    answer.extend(named(ADDRESSES, option(ADDRESS, &at)));
    let whole = [&preferred[..], &valid, &[56], &prefix(customer).octets()].concat();
    answer.extend(named(PREFIXES, option(PREFIX, &whole)));
    Some((answer, says == REPLY))
}

fn option(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    [&kind.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
}

/// The values of the options of a kind.
fn options(mut rest: &[u8], wanted: u16) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some(&[a, b, c, d]) = rest.first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([c, d]));
        let Some(value) = rest.get(4..4 + length) else { break };
        if u16::from_be_bytes([a, b]) == wanted {
            found.push(value);
        }
        rest = &rest[4 + length..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_is_promised_a_prefix_and_then_gets_it() {
        let wants = [option(CLIENT, b"box"), option(PREFIXES, &[0, 0, 0, 2, 9, 9, 9, 9])].concat();
        let asks = |kind: u8| [&[kind, 1, 2, 3], &wants[..]].concat();
        for (kind, says, gives) in [(1, 2, false), (3, 7, true), (5, 7, true)] {
            let (said, given) = answer(&asks(kind), b"box", 3).unwrap();
            assert_eq!((&said[..4], given), (&[says, 1, 2, 3][..], gives));
            assert_eq!(options(&said[4..], CLIENT), [b"box"]);
            assert!(options(&said[4..], ADDRESSES).is_empty(), "nobody asked for one");
            let association = options(&said[4..], PREFIXES)[0];
            assert_eq!(association[..4], [0, 0, 0, 2]);
            let inner = options(&association[12..], PREFIX)[0];
            assert_eq!((inner[8], &inner[9..]), (56, &prefix(3).octets()[..]));
        }
        assert!(answer(&asks(4), b"box", 3).is_none(), "a message for somebody else");
        assert!(options(&[0, 1, 0, 9, 1], CLIENT).is_empty(), "cut off");
    }

    #[test]
    fn customers_do_not_share() {
        assert_eq!(prefix(2).to_string(), "2001:db8:a000:200::");
        assert_ne!(address(1), address(2));
    }
}
