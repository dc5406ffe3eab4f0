//! Where requests come from, as limits count it: a plain IPv4 address, or the /64 of an IPv6 address.
//!
//! One machine has a whole /64 to choose addresses from (RFC 4291, section 2.5.4), so a limit for each
//! single address would be none. Nothing is decided here; [`crate::server`] and the node count.

use std::net::{IpAddr, Ipv6Addr};

/// The network or address that limits are kept for.
pub(crate) fn key(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// The same as text: `192.0.2.1` or `2001:db8::/64`.
pub(crate) fn text(ip: IpAddr) -> String {
    match key(ip) {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(network) => format!("{network}/64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_addresses_of_one_network_are_one_source() {
        let text = |ip: &str| text(ip.parse().unwrap());
        assert_eq!(text("2001:db8:1:2::1"), "2001:db8:1:2::/64");
        assert_eq!(text("2001:db8:1:2:ffff:ffff:ffff:ffff"), text("2001:db8:1:2::1"));
        assert_ne!(text("2001:db8:1:3::1"), text("2001:db8:1:2::1"));
        assert_eq!(text("192.0.2.1"), "192.0.2.1");
        assert_eq!(text("::ffff:192.0.2.1"), "192.0.2.1");
        assert_ne!(text("192.0.2.1"), text("192.0.2.2"));
        assert_eq!(key("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
    }
}
