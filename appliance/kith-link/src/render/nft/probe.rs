//! The rule that makes the kernel's questions for an address of the mesh probes (RFC 5227, 2.1.1), in a table
//! of its own: kernels without ARP tables keep their firewall.

use std::net::Ipv4Addr;

use super::mesh;
use crate::names::TABLE;

/// For how long questions for an address are probes, in seconds: the kernel asks for three.
const SECONDS: u32 = 10;

/// The transaction after which whoever asks for `address` in the mesh does not say who it is.
#[must_use]
pub fn probe(address: Ipv4Addr) -> String {
    let mesh = mesh();
    format!(
        "\
# Questions for an address that the box would like to have name no sender (RFC 5227).
add table arp {TABLE}
add set arp {TABLE} asked {{ type ipv4_addr; flags timeout; timeout {SECONDS}s; }}
add chain arp {TABLE} probes {{ type filter hook output priority filter; policy accept; }}
flush chain arp {TABLE} probes
add rule arp {TABLE} probes oifname {mesh} arp operation request arp daddr ip @asked arp saddr ip set 0.0.0.0
add element arp {TABLE} asked {{ {address} }}
"
    )
}
