//! The leases of dnsmasq, as its file has them. What a device calls itself is hostile.

use std::net::{Ipv4Addr, Ipv6Addr};

use kith_model::settings::values::Mac;

/// A lease of an IPv4 address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) mac: Mac,
    pub(crate) ip: Ipv4Addr,
    /// What the device calls itself.
    pub(crate) hostname: Option<String>,
    /// Milliseconds since 1970; nothing when it never ends.
    pub(crate) until: Option<u64>,
}

/// The largest file that is read, in bytes: ten thousand leases.
pub(crate) const LARGEST: u64 = 1 << 20;

/// More than the largest pool holds.
const MOST: usize = 10_000;

/// Labels have at most this many characters (RFC 1035).
const LONGEST_NAME: usize = 63;

/// Reads the file; lines that are none are left out. Lines of IPv6, which come after `duid`, name no
/// device by its address and are left to the neighbour table.
pub(crate) fn read(file: &[u8]) -> Vec<Lease> {
    let text = String::from_utf8_lossy(file);
    text.lines().filter_map(lease).take(MOST).collect()
}

/// `EXPIRY MAC IP HOSTNAME CLIENT-ID`, the expiry in seconds since 1970.
fn lease(line: &str) -> Option<Lease> {
    let mut words = line.split(' ');
    let expiry: u64 = words.next()?.parse().ok()?;
    let mac: Mac = words.next()?.parse().ok()?;
    let ip: Ipv4Addr = words.next()?.parse().ok()?;
    let until =
        Some(expiry).filter(|expiry| *expiry != 0).map(|expiry| expiry.saturating_mul(1_000));
    Some(Lease { mac, ip, hostname: words.next().and_then(hostname), until })
}

/// A name as people may see it: `*` is none.
fn hostname(word: &str) -> Option<String> {
    let shown = |c: &char| !c.is_control() && !is_invisible(*c);
    let name: String = word.chars().filter(shown).take(LONGEST_NAME).collect();
    (!name.is_empty() && name != "*").then_some(name)
}

/// Signs that turn text around or hide in it.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// An address of a device on a network of the box.
pub(crate) const fn is_worth_showing(ip: &Ipv6Addr) -> bool {
    !ip.is_unicast_link_local() && !ip.is_multicast() && !ip.is_loopback()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_of_dnsmasq_is_read() {
        let file = "1789000000 52:54:00:12:34:56 192.168.77.114 phone 01:52:54:00:12:34:56\n\
                    0 52:54:00:12:34:57 192.168.77.115 * *\n\
                    duid 00:01:00:01:2c:aa:bb:cc:52:54:00:12:34:00\n\
                    1789000000 1193046 fd00::114 phone 00:01:00:01:2c:aa\n";
        let leases = read(file.as_bytes());
        assert_eq!(leases.len(), 2);
        assert_eq!(leases[0].hostname.as_deref(), Some("phone"));
        assert_eq!(leases[0].until, Some(1_789_000_000_000));
        assert_eq!((leases[1].hostname.clone(), leases[1].until), (None, None));
    }

    #[test]
    fn hostile_names_are_cut_and_cleaned() {
        let long = format!("1 52:54:00:12:34:56 10.0.0.1 {}\n", "x".repeat(500));
        assert_eq!(read(long.as_bytes())[0].hostname.as_deref().map(str::len), Some(63));
        let odd = b"1 52:54:00:12:34:56 10.0.0.1 a\x1b[31m\xe2\x80\xaeb\xff\n";
        assert_eq!(read(odd)[0].hostname.as_deref(), Some("a[31mb\u{fffd}"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(file in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = read(&file);
        }

        #[test]
        fn any_name_stays_short_and_visible(name in "[^ \n]{1,200}") {
            let file = format!("1 52:54:00:12:34:56 10.0.0.1 {name}\n");
            for lease in read(file.as_bytes()) {
                let name = lease.hostname.unwrap_or_default();
                prop_assert!(name.chars().count() <= LONGEST_NAME);
                prop_assert!(!name.chars().any(|c| c.is_control() || is_invisible(c)));
            }
        }
    }
}
