//! From typed descriptions to the text that a program reads: one room for each format, and in each one
//! function that quotes. Nothing here decides.
//!
//! Values come in as types that cannot hold a line break; each room still has to keep them in their place
//! among the format's own signs, and `tests/quoting.rs` tries to break out of every one.

pub mod dhcpcd;
pub mod dnsmasq;
pub mod hostapd;
pub mod nft;
pub mod wpa_supplicant;

use sha2::{Digest as _, Sha256};

/// A digest of what a daemon reads only at its start.
#[must_use]
pub fn generation(text: &str) -> u64 {
    let digest = Sha256::new().chain_update(b"kith/generation/1\0").chain_update(text).finalize();
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}
