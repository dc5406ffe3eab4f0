//! What reaches the box itself, by where it comes from.

use super::text::Chain;
use super::{Rules, guest, household, mesh};

/// Everything that is for the box.
pub(super) fn input() -> Chain {
    let mut chain = Chain::base("input", "type filter hook input priority filter; policy drop;");
    chain.rule("iifname \"lo\" accept");
    chain.rule("rt type 0 drop");
    chain.rule("ct state vmap { established : accept, related : accept, invalid : drop }");
    chain.rule(format!("iifname {} goto from_household", household()));
    chain.rule(format!("iifname {} goto from_guest", guest()));
    chain.rule(format!("iifname {} goto from_mesh", mesh()));
    chain.rule("iifname @wan goto from_wan");
    chain
}

/// The family: panel, DNS, DHCP, NTP, mDNS, peers.
pub(super) fn from_household(rules: &Rules) -> Chain {
    let mut chain = Chain::new("from_household");
    chain.why("DHCP, before a device has an address");
    chain.rule("meta nfproto ipv4 udp sport 68 udp dport 67 accept");
    chain.rule("meta l4proto ipv6-icmp goto icmpv6_to_the_box");
    chain.why("no address but one of this network (RFC 2827)");
    chain.rule("ip6 saddr != fe80::/10 fib saddr . iif oif missing drop");
    chain.rule("icmp type echo-request limit rate 100/second accept");
    chain.rule("ip protocol igmp accept");
    chain.why("DNS, then DHCP, NTP, DHCPv6, mDNS");
    chain.rule("meta l4proto { tcp, udp } th dport 53 accept");
    chain.rule("udp dport { 67, 123, 547, 5353 } accept");
    chain.rule(format!("tcp dport {} accept", rules.panel_port));
    if let Some(port) = rules.peer_port {
        chain.rule(format!("udp dport {port} accept"));
    }
    refuse(&mut chain);
    chain
}

/// Visitors: DNS, DHCP, the pages for them.
pub(super) fn from_guest(rules: &Rules) -> Chain {
    let mut chain = Chain::new("from_guest");
    chain.rule("meta nfproto ipv4 udp sport 68 udp dport 67 accept");
    chain.rule("meta l4proto ipv6-icmp goto icmpv6_to_the_box");
    chain.why("only the box's addresses in this very network: the panel knows visitors by them");
    chain.rule("fib daddr . iif type != { local, broadcast, multicast } drop");
    chain.rule("ip6 saddr != fe80::/10 fib saddr . iif oif missing drop");
    chain.rule("meta l4proto { tcp, udp } th dport 53 accept");
    chain.rule("udp dport { 67, 547 } accept");
    chain.rule(format!("tcp dport {} accept", rules.panel_port));
    refuse(&mut chain);
    chain
}

/// Other boxes: peers, and mDNS by which they find each other.
pub(super) fn from_mesh(rules: &Rules) -> Chain {
    let mut chain = Chain::new("from_mesh");
    chain.rule("fib daddr . iif type != { local, broadcast, multicast } drop");
    chain.rule("meta l4proto ipv6-icmp goto icmpv6_to_the_box");
    if let Some(mesh) = &rules.mesh {
        chain.why("boxes have addresses of the mesh, and nobody behind one speaks with his own");
        chain.rule(format!("ip saddr != {} drop", mesh.address.trunc()));
    }
    chain.rule("icmp type echo-request limit rate 100/second accept");
    if let Some(port) = rules.peer_port {
        chain.why("peers (QUIC and STUN on one port), and mDNS by which they find each other");
        chain.rule(format!("udp dport {port} accept"));
        chain.rule("ip daddr 224.0.0.251 udp dport 5353 accept");
        chain.rule("ip6 daddr ff02::fb udp dport 5353 accept");
    }
    if rules.mesh.as_ref().is_some_and(|mesh| mesh.pages) {
        chain.why("the pages for visitors, which the owner shows to the mesh");
        chain.rule(format!("tcp dport {} accept", rules.panel_port));
    }
    chain
}

/// The internet: peers, what IPv6 cannot do without, answers of DHCPv6 servers; nothing else.
pub(super) fn from_wan(rules: &Rules) -> Chain {
    let mut chain = Chain::new("from_wan");
    chain.rule("jump spoofed");
    chain.why("only the box's addresses on this very interface; over IPv6 it may have none there");
    chain.rule("meta nfproto ipv4 fib daddr . iif type != local drop");
    chain.rule("meta l4proto ipv6-icmp goto icmpv6_to_the_box");
    chain.why("DHCPv6 answers to a question that went to everybody, which conntrack cannot match");
    chain.rule("ip6 daddr fe80::/10 udp sport 547 udp dport 546 accept");
    if let Some(port) = rules.peer_port {
        chain.why("peers (QUIC and STUN on one port)");
        chain.rule(format!("udp dport {port} accept"));
    }
    chain
}

/// What IPv6 needs of a host (RFC 4890, 4.4).
pub(super) fn icmpv6_to_the_box() -> Chain {
    let mut chain = Chain::new("icmpv6_to_the_box");
    chain.why(
        "RFC 4890, 4.4: errors, echo, neighbours and routers on the link, multicast listeners",
    );
    chain.rule(
        "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } \
         limit rate 1000/second accept",
    );
    chain.rule("icmpv6 type { echo-request, echo-reply } limit rate 100/second accept");
    chain.rule(
        "ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, \
         nd-neighbor-advert, ind-neighbor-solicit, ind-neighbor-advert } accept",
    );
    chain.rule(
        "ip6 saddr { ::, fe80::/10 } icmpv6 type { mld-listener-query, mld-listener-report, \
         mld-listener-done, mld2-listener-report } accept",
    );
    chain
}

/// What cannot truthfully come from outside.
pub(super) fn spoofed() -> Chain {
    let mut chain = Chain::new("spoofed");
    for (family, set) in
        [("ip", "bogons_ipv4"), ("ip", "own_ipv4"), ("ip6", "bogons_ipv6"), ("ip6", "own_ipv6")]
    {
        chain.rule(format!("{family} saddr @{set} drop"));
    }
    chain
}

/// The end of a chain for people's devices: they are told at once.
fn refuse(chain: &mut Chain) {
    chain.rule("meta pkttype { broadcast, multicast } drop");
    chain.rule("reject with icmpx admin-prohibited");
}
