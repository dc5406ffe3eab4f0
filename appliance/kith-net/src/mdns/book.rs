//! Who is on the local network, as far as one can tell from what they say. Pure and bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use kith_core::identity::NodeId;
use mdns_sd::{ResolvedService, ScopedIp};

use super::VERSION;
use crate::interfaces::is_link_local;

/// Announcements kept; further ones are passed over.
pub const MAX_NEIGHBOURS: usize = 256;

/// Addresses kept of one box.
pub const MAX_ADDRESSES: usize = 16;

/// What was heard on the local network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A box says it is here, or that its addresses have changed.
    Heard {
        /// Its key, if it tells the truth.
        node: NodeId,
        /// Where it may be dialled, nearest first. Never empty.
        addresses: Vec<SocketAddr>,
        /// Whether it was heard on loopback, and so runs on this host. Only then are there loopback
        /// addresses among the others.
        on_loopback: bool,
    },
    /// A box said goodbye or was not heard for long.
    Gone {
        /// Its key, if it told the truth.
        node: NodeId,
    },
}

/// What one announcement says.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    node: NodeId,
    addresses: BTreeSet<(Nearness, SocketAddr)>,
}

/// Where an address leads, and the order in which to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Loopback,
    Network,
    Link,
}

#[derive(Debug)]
pub(super) struct Book {
    own: NodeId,
    entries: BTreeMap<String, Entry>,
    /// At most one event a box: a later one replaces an earlier one.
    events: VecDeque<Event>,
}

impl Book {
    pub(super) fn new(own: NodeId) -> Self {
        Self { own, entries: BTreeMap::new(), events: VecDeque::new() }
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// `loopback` names the interfaces that lead nowhere else.
    pub(super) fn resolved(&mut self, service: &ResolvedService, loopback: &BTreeSet<String>) {
        let Some(entry) = read(service, loopback).filter(|entry| entry.node != self.own) else {
            return;
        };
        let known = self.entries.get(&service.fullname);
        if known == Some(&entry) || (known.is_none() && self.entries.len() >= MAX_NEIGHBOURS) {
            return;
        }
        let node = entry.node;
        let before = self.entries.insert(service.fullname.clone(), entry);
        if let Some(before) = before.filter(|before| before.node != node) {
            self.tell(before.node);
        }
        self.tell(node);
    }

    pub(super) fn removed(&mut self, name: &str) {
        if let Some(entry) = self.entries.remove(name) {
            self.tell(entry.node);
        }
    }

    pub(super) fn forget_all(&mut self) {
        while let Some((_, entry)) = self.entries.pop_first() {
            self.tell(entry.node);
        }
    }

    fn tell(&mut self, node: NodeId) {
        // Several announcements of one key add up, so that a false one cannot displace the true one.
        let entries = self.entries.values().filter(|entry| entry.node == node);
        let all: BTreeSet<_> = entries.flat_map(|entry| entry.addresses.iter().copied()).collect();
        let on_loopback = all.first().is_some_and(|(near, _)| *near == Nearness::Loopback);
        let addresses: Vec<_> = all.into_iter().map(|(_, a)| a).take(MAX_ADDRESSES).collect();
        self.events.retain(|event| match event {
            Event::Heard { node: about, .. } | Event::Gone { node: about } => *about != node,
        });
        self.events.push_back(if addresses.is_empty() {
            Event::Gone { node }
        } else {
            Event::Heard { node, addresses, on_loopback }
        });
    }
}

fn read(service: &ResolvedService, loopback: &BTreeSet<String>) -> Option<Entry> {
    if service.get_property_val_str("v") != Some(VERSION) || service.port == 0 {
        return None;
    }
    let node = service.get_property_val_str("id")?.parse().ok()?;
    let addresses: BTreeSet<_> =
        service.addresses.iter().filter_map(|ip| dialable(ip, service.port, loopback)).collect();
    let addresses: BTreeSet<_> = addresses.into_iter().take(MAX_ADDRESSES).collect();
    (!addresses.is_empty()).then_some(Entry { node, addresses })
}

/// The address to dial. Nothing for what cannot be a host, for loopback that somebody names from
/// elsewhere, and for link-local IPv6 of an unknown link.
fn dialable(
    ip: &ScopedIp,
    port: u16,
    loopback: &BTreeSet<String>,
) -> Option<(Nearness, SocketAddr)> {
    let address = ip.to_ip_addr().to_canonical();
    let (here, scope) = match ip {
        ScopedIp::V4(v4) => (v4.interface_ids().iter().any(|i| loopback.contains(&i.name)), 0),
        ScopedIp::V6(v6) => (loopback.contains(&v6.scope_id().name), v6.scope_id().index),
        _ => return None,
    };
    if address.is_unspecified() || address.is_multicast() || address == IpAddr::from([255; 4]) {
        return None;
    }
    if address.is_loopback() {
        return here.then(|| (Nearness::Loopback, SocketAddr::new(address, port)));
    }
    match address {
        IpAddr::V6(v6) if is_link_local(address) => {
            let scoped = SocketAddrV6::new(v6, port, 0, scope);
            (scope != 0).then(|| (Nearness::Link, scoped.into()))
        }
        IpAddr::V4(_) if is_link_local(address) => {
            Some((Nearness::Link, SocketAddr::new(address, port)))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => Some((Nearness::Network, SocketAddr::new(address, port))),
    }
}

#[cfg(test)]
mod tests {
    use kith_core::identity::SecretKey;
    use mdns_sd::{InterfaceId, ScopedIpV4, ServiceInfo};

    use super::*;
    use crate::mdns::SERVICE;

    #[test]
    fn a_box_is_heard_once_and_then_gone() {
        let mut book = Book::new(node(0));
        let service = service("a", node(1), &["192.168.1.7"]);
        book.resolved(&service, &lo());
        book.resolved(&service, &lo());
        let addresses = vec!["192.168.1.7:9".parse().unwrap()];
        let heard = Event::Heard { node: node(1), addresses, on_loopback: false };
        assert_eq!(book.poll_event(), Some(heard));
        assert_eq!(book.poll_event(), None);
        book.removed(&service.fullname);
        assert_eq!(book.poll_event(), Some(Event::Gone { node: node(1) }));
    }

    #[test]
    fn our_own_announcement_is_passed_over() {
        let mut book = Book::new(node(1));
        book.resolved(&service("a", node(1), &["192.168.1.7"]), &lo());
        assert_eq!(book.poll_event(), None);
    }

    #[test]
    fn loopback_named_from_elsewhere_is_dropped_and_from_loopback_kept() {
        for (interface, kept) in [("eth0", false), ("lo", true)] {
            let mut book = Book::new(node(0));
            let mut service = service("a", node(1), &[]);
            let id = InterfaceId { name: interface.into(), index: 1 };
            let ip = ScopedIpV4::new([127, 0, 0, 1].into(), id);
            service.addresses.insert(ScopedIp::V4(ip));
            book.resolved(&service, &lo());
            let heard = matches!(book.poll_event(), Some(Event::Heard { on_loopback: true, .. }));
            assert_eq!(heard, kept, "{interface}");
        }
    }

    #[test]
    fn what_cannot_be_a_host_is_dropped() {
        let bad = ["0.0.0.0", "255.255.255.255", "224.0.0.251", "::", "ff02::1", "fe80::1"];
        let mut book = Book::new(node(0));
        book.resolved(&service("a", node(1), &bad), &lo());
        assert_eq!(book.poll_event(), None);
    }

    #[test]
    fn a_false_announcement_does_not_displace_the_true_one() {
        let mut book = Book::new(node(0));
        book.resolved(&service("true", node(1), &["192.168.1.7"]), &lo());
        book.resolved(&service("false", node(1), &["192.168.1.66"]), &lo());
        let Some(Event::Heard { addresses, .. }) = book.poll_event() else { panic!() };
        assert_eq!(addresses.len(), 2);
        assert_eq!(book.poll_event(), None, "the later event replaces the earlier");
        book.removed(&service("false", node(1), &[]).fullname);
        let Some(Event::Heard { addresses, .. }) = book.poll_event() else { panic!() };
        assert_eq!(addresses, ["192.168.1.7:9".parse().unwrap()]);
    }

    #[test]
    fn a_crowd_and_its_addresses_are_bounded() {
        let mut book = Book::new(node(0));
        let ips: Vec<String> = (1..=100).map(|i| format!("10.0.0.{i}")).collect();
        let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
        for i in 0..1_000 {
            book.resolved(&service(&i.to_string(), node((i % 250) as u8 + 1), &ips), &lo());
        }
        assert_eq!(book.entries.len(), MAX_NEIGHBOURS);
        let mut events = 0;
        while let Some(event) = book.poll_event() {
            let Event::Heard { addresses, .. } = event else { panic!() };
            assert_eq!(addresses.len(), MAX_ADDRESSES);
            events += 1;
        }
        assert!(events <= MAX_NEIGHBOURS, "{events}");
    }

    #[test]
    fn strange_texts_are_passed_over() {
        let mut book = Book::new(node(0));
        let long = "z".repeat(250);
        let texts: [&[(&str, &str)]; 4] = [
            &[],
            &[("v", "1"), ("id", "did:key:z6Mk")],
            &[("v", "1"), ("id", &long)],
            &[("v", "2"), ("id", &node(1).to_string())],
        ];
        for properties in texts {
            let info = ServiceInfo::new(SERVICE, "a", "a.local.", "10.0.0.1", 9, properties);
            book.resolved(&info.unwrap().as_resolved_service(), &lo());
        }
        assert_eq!(book.poll_event(), None);
    }

    fn lo() -> BTreeSet<String> {
        BTreeSet::from(["lo".to_owned()])
    }

    fn node(seed: u8) -> NodeId {
        SecretKey::from_seed(&[seed; 32]).node_id()
    }

    fn service(instance: &str, node: NodeId, ips: &[&str]) -> ResolvedService {
        let properties = [("v", "1".to_owned()), ("id", node.to_string())];
        let ips = ips.join(",");
        ServiceInfo::new(SERVICE, instance, "a.local.", ips.as_str(), 9, &properties[..])
            .unwrap()
            .as_resolved_service()
    }
}
