//! What passes through the box, by where it comes from and where it goes.

use kith_model::settings::Pinhole;

use super::text::Chain;
use super::{Rules, WayOut, guest, household, mesh, protocol, quoted};

/// Connections that a visitor may have at once.
const GUEST_FLOWS: u32 = 1_000;

/// The smallest burst lets a TCP window of ordinary size through; the largest is one that the kernel takes
/// for sure (it holds 32 bits). In bytes.
const BURST: std::ops::RangeInclusive<u64> = 64 << 10..=64 << 20;

/// The fastest that is bounded at all: 10 Gbit/s in bytes a second.
const FASTEST: u64 = 1_250_000_000;

/// Everything that passes through.
pub(super) fn forward() -> Chain {
    let mut chain =
        Chain::base("forward", "type filter hook forward priority filter; policy drop;");
    chain.rule("rt type 0 drop");
    chain.why("a paused device is kept off, whatever it has open");
    for people in [household(), guest()] {
        chain.rule(format!(
            "iifname {people} oifname != {people} ether saddr @paused reject with icmpx \
             admin-prohibited"
        ));
    }
    chain.rule("jump limits");
    chain.rule("ct state vmap { established : accept, related : accept, invalid : drop }");
    chain.rule(format!("iifname {} goto household_to", household()));
    chain.rule(format!("iifname {} goto guest_to", guest()));
    chain.rule(format!("iifname {} goto mesh_to", mesh()));
    chain.rule("iifname @wan goto wan_to");
    chain
}

/// How much visitors and those who share the way may take, each way; before connections that are open
/// are let through.
pub(super) fn limits(rules: &Rules) -> Chain {
    let mut chain = Chain::new("limits");
    if let Some(rate) = rules.guest.as_ref().and_then(|guest| guest.rate_kbit) {
        chain.rule(format!("iifname {} {} drop", guest(), over(rate)));
        chain.rule(format!("oifname {} {} drop", guest(), over(rate)));
    }
    if let Some((down, up)) = rules.mesh.as_ref().and_then(|mesh| mesh.share) {
        chain.rule(format!("iifname @wan oifname {} {} drop", mesh(), over(down)));
        chain.rule(format!("iifname {} oifname @wan {} drop", mesh(), over(up)));
    }
    chain
}

/// A limit in bytes, with a quarter of a second of burst.
fn over(rate_kbit: u32) -> String {
    let bytes = (u64::from(rate_kbit) * 1_000 / 8).clamp(1, FASTEST);
    let burst = (bytes / 4).clamp(*BURST.start(), *BURST.end());
    format!("limit rate over {bytes} bytes/second burst {burst} bytes")
}

/// From the family.
pub(super) fn household_to(rules: &Rules) -> Chain {
    let mut chain = Chain::new("household_to");
    chain.why("an address of nobody's (RFC 2827)");
    chain.rule("ip6 saddr fe80::/10 drop");
    chain.rule("meta nfproto ipv6 fib saddr . iif oif missing reject with icmpv6 policy-fail");
    chain.rule(format!("oifname {} accept", household()));
    if rules.forwarding {
        if rules.mesh.is_some() {
            chain.why("IPv6 is not translated, and no other box knows the way back");
            chain.rule(format!("oifname {} meta nfproto ipv6 reject with icmpv6 no-route", mesh()));
            chain.rule(format!("oifname {} accept", mesh()));
        }
        chain.rule("oifname @wan goto to_wan");
    }
    chain.rule("reject with icmpx admin-prohibited");
    chain
}

/// From visitors: not to the family, and not to each other.
pub(super) fn guest_to(rules: &Rules) -> Chain {
    let mut chain = Chain::new("guest_to");
    let Some(network) = rules.guest.as_ref().filter(|_| rules.forwarding) else {
        chain.rule("reject with icmpx admin-prohibited");
        return chain;
    };
    chain.rule("ip6 saddr fe80::/10 drop");
    chain.rule("meta nfproto ipv6 fib saddr . iif oif missing reject with icmpv6 policy-fail");
    chain.rule(format!(
        "ct state new add @guest_flows {{ ether saddr ct count over {GUEST_FLOWS} }} \
         reject with icmpx admin-prohibited"
    ));
    if let Some(boxes) = &rules.mesh {
        chain.why("the pages that other boxes have for visitors");
        chain.rule(format!(
            "oifname {} ip daddr {} tcp dport {} accept",
            mesh(),
            boxes.address.trunc(),
            rules.panel_port
        ));
    }
    if network.internet {
        chain.why("the internet, but no network that somebody has on the way there");
        chain.rule("ip daddr @private_ipv4 reject with icmpx admin-prohibited");
        if rules.way_out == WayOut::Mesh {
            chain.rule(format!("oifname {} meta nfproto ipv4 accept", mesh()));
        }
        chain.rule("oifname @wan goto to_wan");
    }
    chain.rule("reject with icmpx admin-prohibited");
    chain
}

/// From other boxes: to the internet, if this box shares its way there. What is for other boxes is
/// forwarded by batman-adv, below IP.
pub(super) fn mesh_to(rules: &Rules) -> Chain {
    let mut chain = Chain::new("mesh_to");
    let shared = rules.mesh.as_ref().filter(|mesh| rules.forwarding && mesh.share.is_some());
    if let (Some(boxes), WayOut::Uplink(device)) = (shared, &rules.way_out) {
        chain.why("the way to the internet is shared, not the networks on the way there");
        chain.rule("ip daddr @private_ipv4 reject with icmpx admin-prohibited");
        chain.rule(format!(
            "oifname {} ip saddr {} accept",
            quoted(device.as_str()),
            boxes.address.trunc()
        ));
    }
    chain.rule("reject with icmpx admin-prohibited");
    chain
}

/// From the internet: what the owner has opened. Everything else is dropped without a word.
pub(super) fn wan_to(rules: &Rules) -> Chain {
    let mut chain = Chain::new("wan_to");
    chain.rule("jump spoofed");
    if rules.forwarding {
        chain.why("port forwards");
        chain.rule(format!("oifname {} ct status dnat accept", household()));
        chain.rule(format!("oifname {} meta nfproto ipv6 goto wan_to_household_ipv6", household()));
    }
    chain
}

/// The same over IPv6, where nothing is translated: simple security (RFC 6092).
pub(super) fn wan_to_household_ipv6(rules: &Rules) -> Chain {
    let mut chain = Chain::new("wan_to_household_ipv6");
    if !rules.forwarding {
        return chain;
    }
    chain.why("local addresses do not cross (RFC 4193, 4.3)");
    chain.rule("ip6 saddr fc00::/7 drop");
    chain.rule("ip6 daddr fc00::/7 drop");
    chain.why("RFC 4890, 4.3: errors and echo pass");
    chain.rule(
        "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } \
         limit rate 1000/second accept",
    );
    chain.rule("icmpv6 type { echo-request, echo-reply } limit rate 1000/second accept");
    chain.why("RFC 6092: what protects itself passes: ESP, AH, HIP, Mobile IPv6, IKE");
    chain.rule("meta l4proto { esp, ah, 139, 135 } accept");
    chain.rule("udp dport 500 accept");
    if !rules.pinholes.is_empty() {
        chain.why("ports that the owner has opened");
    }
    for pinhole in &rules.pinholes {
        chain.rule(hole(pinhole));
    }
    chain
}

/// A port of a device: by its whole address, or by its interface id in whatever prefix.
fn hole(pinhole: &Pinhole) -> String {
    let [a, b, c, d, ..] = pinhole.to.segments();
    let to = if [a, b, c, d] == [0; 4] {
        format!("& ::ffff:ffff:ffff:ffff == {}", pinhole.to)
    } else {
        pinhole.to.to_string()
    };
    format!(
        "ip6 daddr {to} {} dport {} accept comment {}",
        protocol(pinhole.protocol),
        pinhole.port,
        quoted(pinhole.name.as_str())
    )
}

/// To the internet: only with an address that belongs there, and fast to fail when there is no way.
pub(super) fn to_wan(rules: &Rules) -> Chain {
    let mut chain = Chain::new("to_wan");
    if rules.way_out == WayOut::None {
        chain.why("no way works: only what stands before the box is reached");
        chain.rule("meta nfproto ipv6 reject with icmpv6 no-route");
        chain.rule("ip daddr != @private_ipv4 reject with icmp net-unreachable");
    }
    chain.rule("ip6 daddr fc00::/7 reject with icmpv6 no-route");
    if !rules.uplinks.is_empty() {
        chain.why("with addresses of its own prefix only (RFC 7084, S-2 and L-14)");
    }
    for uplink in &rules.uplinks {
        let device = quoted(uplink.device.as_str());
        chain.rule(match uplink.prefix {
            Some(prefix) => {
                format!("oifname {device} ip6 saddr != {prefix} reject with icmpv6 policy-fail")
            }
            None => format!("oifname {device} meta nfproto ipv6 reject with icmpv6 no-route"),
        });
    }
    chain.rule("accept");
    chain
}

/// Segments that fit the way (RFC 4459): some networks swallow what tells the sender.
pub(super) fn segment_size() -> Chain {
    let mut chain =
        Chain::base("segment_size", "type filter hook forward priority mangle; policy accept;");
    chain.rule("tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu");
    chain
}
