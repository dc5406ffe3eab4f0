//! Packets as they go over the wire: made byte by byte, so that no kernel of a sender puts them right, and
//! read again where they arrive.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes by which a packet is known again, wherever it arrives and whatever became of its addresses.
pub(super) type Token = [u8; 8];

const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
const UDP: u8 = 17;
const TCP: u8 = 6;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const ROUTING: u8 = 43;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// What is in a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// A datagram from port to port.
    Udp(u16, u16),
    /// The first segment of a connection, from port to port.
    Syn(u16, u16),
    /// A segment in the middle of a connection.
    Ack(u16, u16),
    /// ICMP of a type and a code, with an identifier or whatever else follows.
    Icmp(u8, u8, u32),
    /// An ICMP error of a type and a code about this packet.
    Error(u8, u8, u32, Box<Packet>),
    /// Some other protocol.
    Protocol(u8),
    /// A datagram behind a routing header of type 0 (RFC 5095).
    Routed(u16, u16),
}

/// A packet to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// Who it says it comes from.
    pub(super) from: IpAddr,
    /// Where to.
    pub(super) to: IpAddr,
    /// TTL or hop limit.
    pub(super) hops: u8,
    /// Bytes that follow the token, to make it long.
    pub(super) filler: usize,
    /// Whether routers may not cut it (IPv4).
    pub(super) whole: bool,
    /// What is in it.
    pub(super) body: Body,
}

impl Packet {
    fn new(from: IpAddr, to: IpAddr, body: Body) -> Self {
        Self { from, to, hops: 64, filler: 0, whole: true, body }
    }

    /// A datagram.
    pub(super) fn udp(from: SocketAddr, to: SocketAddr) -> Self {
        Self::new(from.ip(), to.ip(), Body::Udp(from.port(), to.port()))
    }

    /// The first segment of a connection.
    pub(super) fn syn(from: SocketAddr, to: SocketAddr) -> Self {
        Self::new(from.ip(), to.ip(), Body::Syn(from.port(), to.port()))
    }

    /// An echo request.
    pub(super) fn echo(from: IpAddr, to: IpAddr) -> Self {
        let kind = if to.is_ipv4() { 8 } else { 128 };
        Self::icmp(from, to, kind, 0)
    }

    /// ICMP of a type and a code.
    pub(super) fn icmp(from: IpAddr, to: IpAddr, kind: u8, code: u8) -> Self {
        Self::new(from, to, Body::Icmp(kind, code, 0x4b69_0001))
    }

    /// An error about `about`.
    pub(super) fn error(from: IpAddr, to: IpAddr, (kind, code): (u8, u8), about: Self) -> Self {
        let rest = if kind == 2 { 1280 } else { 0 };
        Self::new(from, to, Body::Error(kind, code, rest, Box::new(about)))
    }

    /// A packet of another protocol.
    pub(super) fn protocol(from: IpAddr, to: IpAddr, number: u8) -> Self {
        Self::new(from, to, Body::Protocol(number))
    }

    /// The same with another body.
    pub(super) fn with(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// The same with another hop limit.
    pub(super) const fn hops(mut self, hops: u8) -> Self {
        self.hops = hops;
        self
    }

    /// The same, longer.
    pub(super) const fn longer(mut self, filler: usize) -> Self {
        self.filler = filler;
        self
    }

    /// Whether it tells of another packet.
    pub(super) const fn is_error(&self) -> bool {
        matches!(self.body, Body::Error(..))
    }

    /// The whole packet with its header of IP.
    pub(super) fn bytes(&self, token: &Token) -> Vec<u8> {
        let (protocol, payload) = self.payload(token);
        match (self.from, self.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let more = if self.whole { 0x40 } else { 0 };
                ipv4((from, to), (self.hops, protocol), [more, 0], 0, &payload)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => ipv6((from, to), self.hops, protocol, &payload),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Vec::new(),
        }
    }

    /// The same in two pieces, cut after `cut` bytes of what IP carries, a multiple of 8 (IPv4).
    pub(super) fn pieces(&self, token: &Token, cut: usize, id: u16) -> Vec<Vec<u8>> {
        let (protocol, payload) = self.payload(token);
        let (IpAddr::V4(from), IpAddr::V4(to)) = (self.from, self.to) else { return Vec::new() };
        let (first, second) = payload.split_at(cut.min(payload.len()));
        let [high, low] = u16::try_from(cut / 8).unwrap_or(0).to_be_bytes();
        let kind = (self.hops, protocol);
        vec![
            ipv4((from, to), kind, [0x20, 0], id, first),
            ipv4((from, to), kind, [high, low], id, second),
        ]
    }

    fn payload(&self, token: &Token) -> (u8, Vec<u8>) {
        let mut data = token.to_vec();
        data.resize(token.len() + self.filler, b'.');
        let (protocol, mut bytes, sum_at) = match &self.body {
            Body::Udp(from, to) => (UDP, udp(*from, *to, &data), Some(6)),
            Body::Syn(from, to) => (TCP, tcp(*from, *to, SYN, &data), Some(16)),
            Body::Ack(from, to) => (TCP, tcp(*from, *to, ACK, &data), Some(16)),
            Body::Icmp(kind, code, rest) => {
                (self.icmp_protocol(), icmp(*kind, *code, *rest, &data), Some(2))
            }
            Body::Error(kind, code, rest, about) => {
                (self.icmp_protocol(), icmp(*kind, *code, *rest, &about.bytes(token)), Some(2))
            }
            Body::Protocol(number) => {
                // An SPI and a sequence number, as ESP has them; AH would say more.
                let head = [vec![0, 0, 1, 0, 0, 0, 0, 1], data].concat();
                (*number, head, None)
            }
            Body::Routed(from, to) => (UDP, udp(*from, *to, &data), Some(6)),
        };
        if let Some(at) = sum_at {
            let sum = self.checksum(protocol, &bytes);
            bytes.splice(at..at + 2, sum.to_be_bytes());
        }
        if matches!(self.body, Body::Routed(..)) {
            let mut routed = vec![protocol, 2, 0, 1, 0, 0, 0, 0];
            if let IpAddr::V6(to) = self.to {
                routed.extend(to.octets());
            }
            routed.extend(bytes);
            return (ROUTING, routed);
        }
        (protocol, bytes)
    }

    const fn icmp_protocol(&self) -> u8 {
        if self.to.is_ipv4() { ICMP } else { ICMPV6 }
    }

    fn checksum(&self, protocol: u8, bytes: &[u8]) -> u16 {
        let mut head = Vec::new();
        if protocol != ICMP {
            for address in [self.from, self.to] {
                match address {
                    IpAddr::V4(address) => head.extend(address.octets()),
                    IpAddr::V6(address) => head.extend(address.octets()),
                }
            }
            head.extend(length(bytes.len()));
            head.extend([0, protocol]);
        }
        match internet_checksum(&[head.as_slice(), bytes].concat()) {
            0 if protocol == UDP => 0xffff,
            sum => sum,
        }
    }
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes()
}

fn udp(from: u16, to: u16, data: &[u8]) -> Vec<u8> {
    [&from.to_be_bytes(), &to.to_be_bytes(), &length(8 + data.len()), &[0, 0][..], data].concat()
}

fn tcp(from: u16, to: u16, flags: u8, data: &[u8]) -> Vec<u8> {
    let sequence = [0, 0, 0, 1, 0, 0, 0, if flags == ACK { 1 } else { 0 }];
    let rest = [0x50, flags, 0xff, 0xff, 0, 0, 0, 0];
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &sequence, &rest, data].concat()
}

fn icmp(kind: u8, code: u8, rest: u32, data: &[u8]) -> Vec<u8> {
    [&[kind, code, 0, 0][..], &rest.to_be_bytes(), data].concat()
}

/// The kernel fills in the checksum of the header.
fn ipv4(
    (from, to): (Ipv4Addr, Ipv4Addr),
    (hops, protocol): (u8, u8),
    fragment: [u8; 2],
    id: u16,
    payload: &[u8],
) -> Vec<u8> {
    let all = length(IPV4_HEADER + payload.len());
    let mut head = vec![0x45, 0];
    head.extend(all);
    head.extend(id.to_be_bytes());
    head.extend(fragment);
    head.extend([hops, protocol, 0, 0]);
    head.extend(from.octets());
    head.extend(to.octets());
    let sum = internet_checksum(&head);
    head.splice(10..12, sum.to_be_bytes());
    head.extend(payload);
    head
}

fn ipv6((from, to): (Ipv6Addr, Ipv6Addr), hops: u8, next: u8, payload: &[u8]) -> Vec<u8> {
    let mut head = vec![0x60, 0, 0, 0];
    head.extend(length(payload.len()));
    head.extend([next, hops]);
    head.extend(from.octets());
    head.extend(to.octets());
    head.extend(payload);
    head
}

/// RFC 1071.
fn internet_checksum(bytes: &[u8]) -> u16 {
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

/// What is in a packet that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// UDP from port to port.
    Udp(u16, u16),
    /// TCP from port to port, with its flags.
    Tcp(u16, u16, u8),
    /// ICMP or ICMPv6: type and code.
    Icmp(u8, u8),
    /// Another protocol.
    Other(u8),
}

/// A packet that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrived {
    /// From whom, as it says.
    pub(super) from: IpAddr,
    /// For whom.
    pub(super) to: IpAddr,
    /// What is in it.
    pub(super) kind: Kind,
    /// The whole packet.
    pub(super) bytes: Vec<u8>,
}

impl Arrived {
    /// Reads a packet with its header of IP.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (from, to, protocol, at): (IpAddr, IpAddr, u8, usize) = match bytes.first()? >> 4 {
            4 => {
                let from: [u8; 4] = bytes.get(12..16)?.try_into().ok()?;
                let to: [u8; 4] = bytes.get(16..20)?.try_into().ok()?;
                let length = usize::from(bytes.first()? & 0xf) * 4;
                (from.into(), to.into(), *bytes.get(9)?, length)
            }
            6 => {
                let from: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
                let to: [u8; 16] = bytes.get(24..40)?.try_into().ok()?;
                (from.into(), to.into(), *bytes.get(6)?, IPV6_HEADER)
            }
            _ => return None,
        };
        let inner = bytes.get(at..)?;
        let port = |at: usize| Some(u16::from_be_bytes(inner.get(at..at + 2)?.try_into().ok()?));
        let kind = match protocol {
            UDP => Kind::Udp(port(0)?, port(2)?),
            TCP => Kind::Tcp(port(0)?, port(2)?, *inner.get(13)?),
            ICMP | ICMPV6 => Kind::Icmp(*inner.first()?, *inner.get(1)?),
            other => Kind::Other(other),
        };
        Some(Self { from, to, kind, bytes: bytes.to_vec() })
    }

    /// Whether the token is anywhere in it.
    pub(super) fn has(&self, token: &Token) -> bool {
        self.bytes.windows(token.len()).any(|window| window == token)
    }

    /// Whether it tells of another packet.
    pub(super) const fn is_error(&self) -> bool {
        match (self.from.is_ipv4(), self.kind) {
            (true, Kind::Icmp(kind, _)) => matches!(kind, 3 | 4 | 5 | 11 | 12),
            (false, Kind::Icmp(kind, _)) => kind < 128,
            (_, Kind::Udp(..) | Kind::Tcp(..) | Kind::Other(_)) => false,
        }
    }

    /// Whether it answers a packet: the same ports the other way round, or an echo.
    pub(super) fn answers(&self, packet: &Packet) -> bool {
        match (&packet.body, self.kind) {
            (Body::Syn(from, to) | Body::Ack(from, to), Kind::Tcp(answer_from, answer_to, _))
            | (Body::Udp(from, to), Kind::Udp(answer_from, answer_to)) => {
                (*from, *to) == (answer_to, answer_from) && packet.from == self.to
            }
            _ => false,
        }
    }

    /// What it is, in the words of the rules.
    pub(super) fn what(&self) -> String {
        match (self.from.is_ipv4(), self.kind) {
            (_, Kind::Tcp(_, _, flags)) if flags & RST != 0 => "reset".into(),
            (_, Kind::Tcp(_, _, flags)) if flags & (SYN | ACK) == SYN | ACK => "syn-ack".into(),
            (_, Kind::Tcp(from, to, _)) => format!("tcp {from} to {to}"),
            (_, Kind::Udp(from, to)) => format!("udp {from} to {to}"),
            (true, Kind::Icmp(0, _)) | (false, Kind::Icmp(129, _)) => "echo-reply".into(),
            (true, Kind::Icmp(3, code)) => match code {
                0 => "net-unreachable".into(),
                1 => "host-unreachable".into(),
                3 => "port-unreachable".into(),
                4 => "too-big".into(),
                13 => "admin-prohibited".into(),
                code => format!("unreachable/{code}"),
            },
            (false, Kind::Icmp(1, code)) => match code {
                0 => "no-route".into(),
                1 => "admin-prohibited".into(),
                3 => "host-unreachable".into(),
                4 => "port-unreachable".into(),
                5 => "policy-fail".into(),
                6 => "reject-route".into(),
                code => format!("unreachable/{code}"),
            },
            (false, Kind::Icmp(2, _)) => "too-big".into(),
            (_, Kind::Icmp(kind, code)) => format!("icmp {kind}/{code}"),
            (_, Kind::Other(protocol)) => format!("protocol {protocol}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = *b"ATOKEN!!";

    #[test]
    fn what_is_made_is_read_again() {
        let (from, to) = ("192.0.2.1:40000".parse().unwrap(), "192.0.2.2:53".parse().unwrap());
        let seen = Arrived::read(&Packet::udp(from, to).bytes(&TOKEN)).unwrap();
        assert_eq!((seen.from, seen.to, seen.kind), (from.ip(), to.ip(), Kind::Udp(40_000, 53)));
        assert!(seen.has(&TOKEN) && !seen.has(b"another!") && !seen.is_error());
        let error = Packet::error(to.ip(), from.ip(), (3, 3), Packet::udp(from, to));
        let seen = Arrived::read(&error.bytes(&TOKEN)).unwrap();
        assert!(seen.is_error() && seen.has(&TOKEN));
        assert_eq!(seen.what(), "port-unreachable");
    }

    #[test]
    fn a_checksum_over_a_whole_segment_is_zero() {
        let (from, to) = ("[2001:db8::1]:1".parse().unwrap(), "[2001:db8::2]:2".parse().unwrap());
        let packet = Packet::syn(from, to);
        let bytes = packet.bytes(&TOKEN);
        assert_eq!(packet.checksum(TCP, bytes.get(IPV6_HEADER..).unwrap()), 0);
        assert_eq!(internet_checksum(b"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7"), 0x220d);
    }

    #[test]
    fn pieces_hold_the_whole() {
        let (from, to) = ("192.0.2.1:1".parse().unwrap(), "192.0.2.2:2".parse().unwrap());
        let packet = Packet::udp(from, to).longer(64);
        let pieces = packet.pieces(&TOKEN, 24, 7);
        let whole = packet.bytes(&TOKEN);
        let parts: Vec<u8> =
            pieces.iter().flat_map(|piece| piece.get(IPV4_HEADER..).unwrap().to_vec()).collect();
        assert_eq!(parts, whole.get(IPV4_HEADER..).unwrap());
    }

    #[test]
    fn rubbish_is_no_packet() {
        for length in 0..60 {
            Arrived::read(&vec![0x45; length]);
            Arrived::read(&vec![0x60; length]);
        }
        assert!(Arrived::read(b"").is_none());
    }
}
