//! Which addresses are worth dialling, and in which order.
//!
//! Addresses are hints from strangers. One that leads back into this box, or to many, is never dialled
//! on somebody else's word.

use std::net::{IpAddr, SocketAddr};

use crate::replica::Via;

/// Addresses kept of one box.
pub(super) const MAX_ADDRESSES: usize = 16;

/// Whether an address may be dialled, given who named it. `on_loopback` says that mDNS heard it on the
/// loopback interface.
pub(super) fn is_dialable(address: &SocketAddr, via: Via, on_loopback: bool) -> bool {
    let ip = address.ip().to_canonical();
    if address.port() == 0 || ip.is_unspecified() || ip.is_multicast() {
        return false;
    }
    if let IpAddr::V4(v4) = ip
        && v4.is_broadcast()
    {
        return false;
    }
    let own_word = matches!(via, Via::Typed | Via::Invite);
    !ip.is_loopback() || own_word || on_loopback
}

/// Addresses in the order of trying (RFC 8305): IPv6 first, link-local ones last.
pub(super) fn in_order(addresses: &mut [SocketAddr]) {
    addresses.sort_by_key(|address| match address.ip().to_canonical() {
        IpAddr::V6(ip) => (ip.is_unicast_link_local(), 0, *address),
        IpAddr::V4(ip) => (ip.is_link_local(), 1, *address),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_needs_our_own_word_or_to_be_heard_there() {
        let loopback: SocketAddr = "127.0.0.1:7000".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:7000".parse().unwrap();
        for address in [loopback, mapped, "[::1]:7000".parse().unwrap()] {
            assert!(is_dialable(&address, Via::Typed, false));
            assert!(is_dialable(&address, Via::Invite, false));
            assert!(is_dialable(&address, Via::Lan, true));
            assert!(!is_dialable(&address, Via::Lan, false));
            assert!(!is_dialable(&address, Via::Known, false));
        }
    }

    #[test]
    fn addresses_of_many_or_of_nobody_are_never_dialled() {
        for text in
            ["224.0.0.251:5353", "[ff02::fb]:1", "0.0.0.0:1", "10.0.0.1:0", "255.255.255.255:9"]
        {
            let address = text.parse().unwrap();
            assert!(!is_dialable(&address, Via::Typed, true), "{text}");
        }
    }
}
