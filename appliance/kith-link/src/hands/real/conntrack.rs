//! Connections that the kernel shall forget (`NFNL_SUBSYS_CTNETLINK`).
//!
//! The kernel cannot be told "those of this port forward" at all, and "those of this address" only since
//! 5.8; so all are listed, and those that are meant are deleted one by one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use nix::errno::Errno;

use super::attributes::{Attribute, Attributes, Writer};
use super::netlink::{DUMP, Netlink, NetlinkError};
use super::words;
use crate::flows::{Flow, Flows};
use crate::hands::HandsError;

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_*`.
const GET: u16 = (1 << 8) | 1;
const DELETE: u16 = (1 << 8) | 2;
/// `CTA_*`.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const ID: u16 = 12;
const ZONE: u16 = 18;
/// `CTA_TUPLE_*`, `CTA_IP_*`, `CTA_PROTO_*`.
const IP: u16 = 1;
const PROTOCOL: u16 = 2;
const V4: (u16, u16) = (1, 2);
const V6: (u16, u16) = (3, 4);
const NUMBER: u16 = 1;
const SOURCE_PORT: u16 = 2;
const DESTINATION_PORT: u16 = 3;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;
/// `struct nfgenmsg`: any family, version 0, no resource.
const HEAD: [u8; 4] = [0; 4];

/// Forgets them. More connections than can be listed are forgotten altogether: no one that is not
/// allowed any more may stay.
pub(crate) async fn forget(flows: &BTreeSet<Flows>) -> Result<(), HandsError> {
    let opened = Netlink::open(netlink_sys::protocols::NETLINK_NETFILTER);
    let mut netlink = opened.map_err(|error| words(error.into()))?;
    if flows.contains(&Flows::All) {
        return delete(&mut netlink, &HEAD).await;
    }
    let all = match netlink.ask(GET, DUMP, &HEAD).await {
        Ok(all) => all,
        Err(NetlinkError::TooMuch) => return delete(&mut netlink, &HEAD).await,
        Err(error) => return Err(words(error)),
    };
    for message in all {
        let meant =
            flow(&message.payload).is_some_and(|flow| flows.iter().any(|flows| flows.have(&flow)));
        if let Some(named) = named(&message.payload).filter(|_| meant) {
            delete(&mut netlink, &named).await?;
        }
    }
    Ok(())
}

/// Deletes the one that is named, or all. That it is gone is fine.
async fn delete(netlink: &mut Netlink, named: &[u8]) -> Result<(), HandsError> {
    match netlink.ask(DELETE, 0, named).await {
        Err(error) if !error.is(&[Errno::ENOENT]) => Err(words(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What names a connection: its first packet, its number and its zone.
fn named(message: &[u8]) -> Option<Vec<u8>> {
    let (head, attributes) = message.split_at_checked(HEAD.len())?;
    let attributes = Attributes::new(attributes);
    let mut named = Writer::after(head).bytes(ORIGINAL | NESTED, attributes.get(ORIGINAL)?.value);
    for kind in [ID, ZONE] {
        if let Some(attribute) = attributes.get(kind) {
            named = named.bytes(kind, attribute.value);
        }
    }
    Some(named.done())
}

fn flow(message: &[u8]) -> Option<Flow> {
    let attributes = Attributes::new(message.get(HEAD.len()..)?);
    let original = Tuple::read(&attributes.get(ORIGINAL)?)?;
    let reply = Tuple::read(&attributes.get(REPLY)?)?;
    Some(Flow {
        source: original.source,
        destination: original.destination,
        protocol: original.protocol,
        port: original.destination_port,
        answers: reply.source,
        answers_port: reply.source_port,
    })
}

/// Who says something to whom.
struct Tuple {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    source_port: u16,
    destination_port: u16,
}

impl Tuple {
    fn read(attribute: &Attribute<'_>) -> Option<Self> {
        let tuple = attribute.nested();
        let (ip, protocol) = (tuple.get(IP)?.nested(), tuple.get(PROTOCOL)?.nested());
        let kinds = if ip.get(V4.0).is_some() { V4 } else { V6 };
        let port = |kind| protocol.get(kind).and_then(|port| port.value.first_chunk().copied());
        Some(Self {
            source: address(&ip.get(kinds.0)?)?,
            destination: address(&ip.get(kinds.1)?)?,
            protocol: protocol.get(NUMBER)?.u8()?,
            source_port: port(SOURCE_PORT).map_or(0, u16::from_be_bytes),
            destination_port: port(DESTINATION_PORT).map_or(0, u16::from_be_bytes),
        })
    }
}

fn address(attribute: &Attribute<'_>) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(attribute.value).ok().map(IpAddr::from);
    four().or_else(|| <[u8; 16]>::try_from(attribute.value).ok().map(IpAddr::from))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tuple(from: [u8; 4], to: [u8; 4], ports: (u16, u16)) -> Writer {
        let ip = Writer::default().bytes(V4.0, &from).bytes(V4.1, &to);
        let protocol = Writer::default()
            .u8(NUMBER, 6)
            .bytes(SOURCE_PORT, &ports.0.to_be_bytes())
            .bytes(DESTINATION_PORT, &ports.1.to_be_bytes());
        Writer::default().nested(IP, ip).nested(PROTOCOL, protocol)
    }

    #[test]
    fn a_connection_is_read_and_named() {
        let (device, outside, us) = ([192, 168, 77, 30], [198, 51, 100, 7], [203, 0, 113, 5]);
        let original = tuple(outside, us, (50_000, 8_080));
        let message = Writer::after(&[2, 0, 0, 0])
            .nested(ORIGINAL, original.clone())
            .nested(REPLY, tuple(device, outside, (80, 50_000)))
            .u32(3, 0x188)
            .u32(ID, 0xdead)
            .done();
        let flow = flow(&message).unwrap();
        assert_eq!((flow.source, flow.destination), (outside.into(), us.into()));
        assert_eq!((flow.protocol, flow.port), (6, 8_080));
        assert_eq!((flow.answers, flow.answers_port), (device.into(), 80));
        let named = named(&message).unwrap();
        let expected = Writer::after(&[2, 0, 0, 0]).nested(ORIGINAL, original).u32(ID, 0xdead);
        assert_eq!(named, expected.done());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (flow(&bytes), named(&bytes));
        }
    }
}
