//! What is fuzzed of what comes over the air and by cable: one function for each thing that strangers say to
//! the hands of the link role.
//!
//! As in `targets.rs`, each answers whether it took the bytes and panics where taking them breaks a promise.
//! The fuzzer's binaries and the replay in `appliance/kith-link/tests/fuzz_replay.rs` share this file.

#![allow(dead_code, reason = "each of the fuzzer's binaries uses one function")]

use std::collections::BTreeMap;

use kith_link::hands::real::{dhcpcd, strangers};

/// Characters of an SSID at most: 32 bytes (IEEE 802.11, 9.4.2.2), each of which may be no UTF-8. A mesh's id
/// is as long.
const NAME: usize = 32;

/// A message of a scan.
pub(crate) fn scan(data: &[u8]) -> bool {
    let heard = strangers::scan(data);
    assert!(heard.len() <= 1);
    for network in &heard {
        assert!(network.ssid.chars().count() <= NAME && network.count == 1 && network.channel > 0);
    }
    !heard.is_empty()
}

/// What dhcpcd tells its hook of DHCP, DHCPv6 and router advertisements: `NAME=VALUE` lines.
pub(crate) fn offer(data: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(data) else { return false };
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let environment: BTreeMap<_, _> =
        text.lines().filter_map(|line| line.split_once('=')).map(owned).collect();
    let Some(event) = dhcpcd::read(&environment) else { return false };
    assert_eq!(dhcpcd::read(&environment).as_ref(), Some(&event));
    assert_eq!(environment.get("interface").map(String::as_str), Some(event.device.as_str()));
    true
}

/// The file of leases, in which devices name themselves.
pub(crate) fn leases(data: &[u8]) -> bool {
    let names = strangers::names(data);
    for (_, _, name) in &names {
        let sound = |c: char| !c.is_control() && !('\u{202a}'..='\u{202e}').contains(&c);
        assert!(name.iter().all(|name| name.chars().count() <= 63 && name.chars().all(sound)));
    }
    !names.is_empty()
}
