//! Connections that are open although nobody would be let begin them any more.
//!
//! The firewall lets pass what is established. So when something is not allowed any more (a port forward, a
//! device that is paused, a box that is given away), the kernel has to forget the connections that were
//! allowed by it (conntrack). What is allowed is kept as a list, one permission a line, so that what was
//! taken away is known even after the role was started again; all other connections go on.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv6Net};
use kith_model::settings::Protocol;
use kith_model::settings::values::Mac;

use crate::render::nft::Rules;

/// Which connections are to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flows {
    /// All.
    All,
    /// Those that somebody in a network began with somebody outside of it.
    Through(IpNet),
    /// Those of a device, whoever began them.
    Of(IpAddr),
    /// Those of a port forward.
    Forward {
        /// TCP or UDP.
        protocol: Protocol,
        /// The port outside.
        port: u16,
        /// The device.
        to: Ipv4Addr,
        /// Its port.
        to_port: u16,
    },
    /// Those to a port of a device over IPv6; an address whose first half is 0 is an interface id.
    Pinhole {
        /// TCP or UDP.
        protocol: Protocol,
        /// The port.
        port: u16,
        /// The device.
        to: Ipv6Addr,
    },
}

/// A connection as conntrack knows it: its first packet, and who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Who began it.
    pub source: IpAddr,
    /// With whom.
    pub destination: IpAddr,
    /// `IPPROTO_*`.
    pub protocol: u8,
    /// The port of the destination; 0 for what has none.
    pub port: u16,
    /// Who answers: another one than the destination when that was translated.
    pub answers: IpAddr,
    /// From which port.
    pub answers_port: u16,
}

impl Flows {
    /// Whether a connection is one of them.
    #[must_use]
    pub fn have(&self, flow: &Flow) -> bool {
        match self {
            Self::All => true,
            Self::Through(net) => net.contains(&flow.source) && !net.contains(&flow.destination),
            Self::Of(device) => [flow.source, flow.destination, flow.answers].contains(device),
            Self::Forward { protocol, port, to, to_port } => {
                flow.protocol == number(*protocol)
                    && (flow.port, flow.answers_port) == (*port, *to_port)
                    && flow.answers == IpAddr::V4(*to)
                    && flow.destination != flow.answers
            }
            Self::Pinhole { protocol, port, to } => {
                flow.protocol == number(*protocol)
                    && flow.port == *port
                    && is_device(*to, flow.destination)
            }
        }
    }
}

fn is_device(device: Ipv6Addr, address: IpAddr) -> bool {
    let IpAddr::V6(address) = address else { return false };
    let (device, address) = (u128::from(device), u128::from(address));
    device == address || device >> 64 == 0 && device == address & u128::from(u64::MAX)
}

const fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
    }
}

const fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// Something that is allowed, or forbidden for one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Permission {
    Forwarding,
    Internet(IpNet),
    Forward(Protocol, u16, Ipv4Addr, u16),
    Pinhole(Protocol, u16, Ipv6Addr),
    Paused(Mac),
}

/// What the rules allow, a line for each permission.
#[must_use]
pub fn allowed(rules: &Rules, visitors: impl Iterator<Item = Ipv6Net>) -> String {
    let mut all = BTreeSet::new();
    if rules.forwarding {
        all.insert(Permission::Forwarding);
        if let Some(guest) = rules.guest.as_ref().filter(|guest| guest.internet) {
            all.insert(Permission::Internet(guest.address.trunc().into()));
            all.extend(visitors.map(|net| Permission::Internet(net.into())));
        }
        let mesh = rules.mesh.as_ref().filter(|mesh| mesh.share.is_some());
        all.extend(mesh.map(|mesh| Permission::Internet(mesh.address.trunc().into())));
        all.extend(rules.forwards.iter().map(|forward| {
            let to_port = forward.to_port.unwrap_or(forward.port);
            Permission::Forward(forward.protocol, forward.port, forward.to, to_port)
        }));
        all.extend(
            rules
                .pinholes
                .iter()
                .map(|hole| Permission::Pinhole(hole.protocol, hole.port, hole.to)),
        );
    }
    all.extend(rules.paused.iter().map(|mac| Permission::Paused(*mac)));
    all.into_iter().fold(String::new(), |mut text, permission| {
        let _ = writeln!(text, "{permission}");
        text
    })
}

/// Which connections nobody would be let begin any more, when `before` was allowed and now `now` is.
/// `addresses` are a device's.
pub(crate) fn over(
    before: &str,
    now: &str,
    addresses: impl Fn(Mac) -> Vec<IpAddr>,
) -> BTreeSet<Flows> {
    let read = |text: &str| -> BTreeSet<Permission> {
        text.lines().filter_map(|line| line.parse().ok()).collect()
    };
    let (before, now) = (read(before), read(now));
    let mut over = BTreeSet::new();
    for gone in before.difference(&now) {
        match *gone {
            Permission::Forwarding => return [Flows::All].into(),
            Permission::Internet(net) => _ = over.insert(Flows::Through(net)),
            Permission::Forward(protocol, port, to, to_port) => {
                over.insert(Flows::Forward { protocol, port, to, to_port });
            }
            Permission::Pinhole(protocol, port, to) => {
                over.insert(Flows::Pinhole { protocol, port, to });
            }
            // Let on again.
            Permission::Paused(_) => {}
        }
    }
    for fresh in now.difference(&before) {
        if let Permission::Paused(mac) = fresh {
            over.extend(addresses(*mac).into_iter().map(Flows::Of));
        }
    }
    over
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forwarding => f.write_str("forwarding"),
            Self::Internet(net) => write!(f, "internet {net}"),
            Self::Forward(protocol, port, to, to_port) => {
                write!(f, "forward {} {port} {to} {to_port}", word(*protocol))
            }
            Self::Pinhole(protocol, port, to) => {
                write!(f, "pinhole {} {port} {to}", word(*protocol))
            }
            Self::Paused(mac) => write!(f, "paused {mac}"),
        }
    }
}

impl FromStr for Permission {
    type Err = ();

    fn from_str(line: &str) -> Result<Self, ()> {
        fn of<T: FromStr>(text: &str) -> Result<T, ()> {
            text.parse().map_err(drop)
        }
        let protocol = |text: &str| match text {
            "tcp" => Ok(Protocol::Tcp),
            "udp" => Ok(Protocol::Udp),
            _ => Err(()),
        };
        match *line.split(' ').collect::<Vec<_>>() {
            ["forwarding"] => Ok(Self::Forwarding),
            ["internet", net] => Ok(Self::Internet(of(net)?)),
            ["forward", over, port, to, to_port] => {
                Ok(Self::Forward(protocol(over)?, of(port)?, of(to)?, of(to_port)?))
            }
            ["pinhole", over, port, to] => Ok(Self::Pinhole(protocol(over)?, of(port)?, of(to)?)),
            ["paused", mac] => Ok(Self::Paused(of(mac)?)),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "forwarding\ninternet 192.168.78.0/24\nforward tcp 8080 192.168.77.30 80\n\
                          pinhole udp 5000 ::1\npaused 02:00:00:00:00:01\n";

    fn gone(line: &str) -> BTreeSet<Flows> {
        assert!(BEFORE.contains(line), "{line}");
        over(BEFORE, &BEFORE.replace(&format!("{line}\n"), ""), |_| Vec::new())
    }

    fn flow(protocol: u8, from: &str, to: (&str, u16), answers: (&str, u16)) -> Flow {
        Flow {
            source: from.parse().unwrap(),
            destination: to.0.parse().unwrap(),
            protocol,
            port: to.1,
            answers: answers.0.parse().unwrap(),
            answers_port: answers.1,
        }
    }

    #[test]
    fn each_line_is_read_as_it_is_written() {
        for line in BEFORE.lines() {
            assert_eq!(line.parse::<Permission>().unwrap().to_string(), line);
        }
        for odd in ["", "forwarding ", "internet", "forward sctp 1 192.0.2.1 1", "paused all"] {
            assert_eq!(odd.parse::<Permission>(), Err(()), "{odd:?}");
        }
    }

    #[test]
    fn nothing_is_forgotten_while_nothing_is_taken_away() {
        assert!(over(BEFORE, BEFORE, |_| Vec::new()).is_empty());
        let more = format!("{BEFORE}forward udp 1 192.168.77.31 1\n");
        assert!(over(BEFORE, &more, |_| Vec::new()).is_empty());
        assert!(gone("paused 02:00:00:00:00:01").is_empty(), "let on again");
    }

    #[test]
    fn a_box_that_is_given_away_knows_nobody_any_more() {
        assert_eq!(gone("forwarding"), [Flows::All].into());
        assert_eq!(over(BEFORE, "", |_| Vec::new()), [Flows::All].into());
    }

    #[test]
    fn of_a_forward_that_is_gone_only_its_own_connections_are_over() {
        let over: Vec<Flows> = gone("forward tcp 8080 192.168.77.30 80").into_iter().collect();
        let [forward] = over[..] else { panic!("{over:?}") };
        let outside = "198.51.100.7";
        assert!(forward.have(&flow(6, outside, ("203.0.113.5", 8_080), ("192.168.77.30", 80))));
        assert!(!forward.have(&flow(17, outside, ("203.0.113.5", 8_080), ("192.168.77.30", 80))));
        assert!(!forward.have(&flow(6, outside, ("203.0.113.5", 8_081), ("192.168.77.30", 80))));
        assert!(!forward.have(&flow(
            6,
            "192.168.77.9",
            ("192.168.77.30", 80),
            ("192.168.77.30", 80)
        )));
    }

    #[test]
    fn a_pinhole_is_told_by_the_interface_id_or_the_address() {
        let over: Vec<Flows> = gone("pinhole udp 5000 ::1").into_iter().collect();
        let [pinhole] = over[..] else { panic!("{over:?}") };
        let to = |device: &str| flow(17, "2001:db8:9::1", (device, 5_000), (device, 5_000));
        assert!(pinhole.have(&to("2001:db8:1:2::1")) && !pinhole.have(&to("2001:db8:1:2::2")));
        let to: Ipv6Addr = "2001:db8::5".parse().unwrap();
        assert!(is_device(to, "2001:db8::5".parse().unwrap()));
        assert!(!is_device(to, "2001:db8:1::5".parse().unwrap()));
    }

    #[test]
    fn visitors_without_internet_keep_what_they_have_among_themselves() {
        let over: Vec<Flows> = gone("internet 192.168.78.0/24").into_iter().collect();
        let [through] = over[..] else { panic!("{over:?}") };
        assert!(through.have(&flow(6, "192.168.78.20", ("192.0.2.1", 443), ("192.0.2.1", 443))));
        assert!(!through.have(&flow(
            17,
            "192.168.78.20",
            ("192.168.78.1", 53),
            ("192.168.78.1", 53)
        )));
        assert!(!through.have(&flow(6, "192.168.77.20", ("192.0.2.1", 443), ("192.0.2.1", 443))));
    }

    #[test]
    fn a_device_that_is_paused_loses_all_it_has_open() {
        let mac = Mac([2, 0, 0, 0, 0, 7]);
        let now = format!("{BEFORE}paused {mac}\n");
        let address: IpAddr = [192, 168, 77, 20].into();
        let over = over(BEFORE, &now, |of| if of == mac { vec![address] } else { Vec::new() });
        assert_eq!(over, [Flows::Of(address)].into());
    }
}
