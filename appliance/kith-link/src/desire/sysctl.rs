//! Kernel settings: paths below `/proc/sys/net/` and values.

use crate::desired::{Desired, LinkKind};
use crate::names::{BRIDGE_NETFILTER, GUEST_BRIDGE, LAN_BRIDGE, MESH};

use super::scene::Scene;

/// What holds on every box.
const ALWAYS: &[(&str, &str)] = &[
    // Each interface answers for its own addresses only, and asks with them: the mesh and the internet
    // learn nothing of the household.
    ("ipv4/conf/all/arp_announce", "2"),
    ("ipv4/conf/all/arp_ignore", "1"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/all/accept_source_route", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    // An address that goes takes none of the same network with it.
    ("ipv4/conf/all/promote_secondaries", "1"),
    // The largest of this and the interface's own holds: each interface says.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "2"),
    // A router has one address, not a new one each day.
    ("ipv6/conf/all/use_tempaddr", "0"),
    ("ipv6/conf/default/use_tempaddr", "0"),
    ("ipv6/conf/all/accept_redirects", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
    ("ipv6/conf/all/accept_source_route", "0"),
    ("ipv6/conf/default/accept_source_route", "0"),
    // RFC 4787, REQ-5 and RFC 6092, REC-14: at least two minutes, five advised. Linux forgets after 30 s.
    ("netfilter/nf_conntrack_udp_timeout", "300"),
    ("netfilter/nf_conntrack_udp_timeout_stream", "300"),
    // RFC 5382, REQ-5 and RFC 6092, REC-35: 2 hours 4 minutes; 4 minutes while opening or closing.
    ("netfilter/nf_conntrack_tcp_timeout_established", "7440"),
    ("netfilter/nf_conntrack_tcp_timeout_syn_sent", "240"),
    ("netfilter/nf_conntrack_tcp_timeout_syn_recv", "240"),
    ("netfilter/nf_conntrack_tcp_timeout_fin_wait", "240"),
    ("netfilter/nf_conntrack_tcp_timeout_close_wait", "240"),
    ("netfilter/nf_conntrack_tcp_timeout_last_ack", "240"),
    ("netfilter/nf_conntrack_tcp_timeout_time_wait", "240"),
    // RFC 5508, REQ-2: at least 60 seconds.
    ("netfilter/nf_conntrack_icmp_timeout", "60"),
    ("netfilter/nf_conntrack_icmpv6_timeout", "60"),
];

pub(super) fn add(scene: &Scene<'_>, desired: &mut Desired) {
    let mut set = |path: String, value: &str| {
        desired.sysctls.insert(path, value.to_owned());
    };
    for (path, value) in ALWAYS {
        set((*path).to_owned(), value);
    }
    let forwarding = if scene.forwarding() { "1" } else { "0" };
    set("ipv4/ip_forward".into(), forwarding);
    set("ipv6/conf/all/forwarding".into(), forwarding);
    let people = [LAN_BRIDGE, GUEST_BRIDGE];
    for bridge in people.iter().filter(|bridge| desired.links.contains_key(**bridge)) {
        // The family and visitors have one network each: strict (RFC 3704, 2.2).
        set(format!("ipv4/conf/{bridge}/rp_filter"), "1");
        set(format!("ipv6/conf/{bridge}/accept_ra"), "0");
    }
    // Answers come by the way that was asked, even if traffic goes another way meanwhile: loose
    // (RFC 3704, 2.4) where there are several.
    let several = scene.ways.len() + usize::from(scene.mesh.is_some()) > 1;
    for way in &scene.ways {
        let device = &way.device;
        set(format!("ipv4/conf/{device}/rp_filter"), if several { "2" } else { "1" });
        set(format!("ipv4/conf/{device}/send_redirects"), "0");
        // dhcpcd hears router advertisements and the box acts on them. The kernel must not act beside it,
        // and dhcpcd sees to that, too: it sets 0 even with `noconfigure` (9.4.1), so that any other value
        // would be put right for ever.
        set(format!("ipv6/conf/{device}/accept_ra"), "0");
        set(format!("ipv6/conf/{device}/use_tempaddr"), "0");
        set(format!("ipv6/conf/{device}/accept_redirects"), "0");
        if way.ipv6 {
            // Without an address on the link nobody is asked for IPv6. dhcpcd means to make it itself and
            // stops the kernel (9.4.1), but with `noconfigure` it makes none: a port whose cable comes
            // later would never have one.
            set(format!("ipv6/conf/{device}/addr_gen_mode"), "0");
        }
    }
    if desired.links.contains_key(MESH) {
        set(format!("ipv4/conf/{MESH}/rp_filter"), "2");
        set(format!("ipv4/conf/{MESH}/send_redirects"), "0");
        set(format!("ipv6/conf/{MESH}/accept_ra"), "0");
    }
    // What stays within a bridge is no business of the firewall: its rules tell networks apart, and a
    // device's frames that come twice (`br_netfilter`) break hairpins and what keeps visitors apart.
    for path in BRIDGE_NETFILTER.iter().filter(|_| scene.facts.bridge_netfilter) {
        set((*path).to_owned(), "0");
    }
    // What carries the mesh carries frames of batman-adv and nothing else.
    let carriers = desired.links.iter().filter(|(_, link)| {
        link.master.as_deref() == Some(MESH) && !matches!(link.kind, LinkKind::Batadv(_))
    });
    for name in carriers.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
        desired.sysctls.insert(format!("ipv6/conf/{name}/disable_ipv6"), "1".to_owned());
    }
}
