//! Passphrases: what is acceptable, and what is kept of them (argon2id, RFC 9106).
//!
//! There is no rule of composition and no meter: ten characters that are not on the list of what
//! everybody tries first (NIST SP 800-63B, section 5.1.1.2).

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::secret;

/// The shortest passphrase, in characters.
const MIN_CHARS: usize = 10;

/// The longest passphrase, in bytes; hashing time must not be the sender's choice.
const MAX_BYTES: usize = 1_024;

/// What everybody tries first, of ten characters and more, in lower case.
const COMMON: &str = include_str!("common.txt");

/// How much work a guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes.
    pub passes: u32,
}

impl Cost {
    /// The OWASP figure of 2023: 19 MiB and two passes.
    pub(crate) const NORMAL: Self = Self { memory: 19 * 1024, passes: 2 };
    /// For boards of at most 160 MiB of memory: as much work in less of it.
    pub(crate) const SMALL: Self = Self { memory: 12 * 1024, passes: 3 };
}

/// What is kept of a passphrase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hash {
    cost: Cost,
    salt: ByteArray<16>,
    hash: ByteArray<32>,
}

/// Why a passphrase is not accepted, in words for the person.
///
/// # Errors
/// The words.
pub(crate) fn acceptable(passphrase: &str, name: &str) -> Result<(), &'static str> {
    let lower = passphrase.to_lowercase();
    if passphrase.chars().count() < MIN_CHARS {
        return Err("a passphrase has at least 10 characters; three or four words are good");
    }
    if passphrase.len() > MAX_BYTES {
        return Err("a passphrase has at most 1,024 bytes");
    }
    let one_character = lower.chars().all(|c| lower.starts_with(c));
    if one_character || COMMON.lines().any(|common| common == lower) || lower == name.to_lowercase()
    {
        return Err("this passphrase is among the first that anybody tries; choose another");
    }
    Ok(())
}

impl Hash {
    /// Hashes a passphrase. Takes a second on a slow board, and [`Cost::memory`].
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn make(passphrase: &str, cost: Cost) -> Result<Self, argon2::Error> {
        let salt = secret::random::<16>();
        Ok(Self { cost, salt: salt.into(), hash: work(passphrase, &salt, cost)?.into() })
    }

    /// Whether this is the passphrase. Takes as long as [`Hash::make`].
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn fits(&self, passphrase: &str) -> Result<bool, argon2::Error> {
        let hash = work(passphrase, &self.salt, self.cost)?;
        Ok(secret::same(&hash, &self.hash))
    }
}

fn work(passphrase: &str, salt: &[u8; 16], cost: Cost) -> Result<[u8; 32], argon2::Error> {
    let bytes = passphrase.as_bytes();
    let bytes = &bytes[..bytes.len().min(MAX_BYTES)];
    let params = Params::new(cost.memory, cost.passes, 1, Some(32))?;
    let mut hash = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(bytes, salt, &mut hash)?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: Cost = Cost { memory: 64, passes: 1 };

    #[test]
    fn what_everybody_tries_first_is_refused() {
        for bad in ["short", "aaaaaaaaaaaa", "Password123", "1234567890", &"x".repeat(2_000)] {
            assert!(acceptable(bad, "ada").is_err(), "{bad:.20}");
        }
        assert!(acceptable("Ada Lovelace", "ada lovelace").is_err());
        assert!(acceptable("three old bicycles", "ada").is_ok());
    }

    #[test]
    fn only_the_right_passphrase_fits() {
        let hash = Hash::make("three old bicycles", TINY).unwrap();
        assert!(hash.fits("three old bicycles").unwrap());
        assert!(!hash.fits("three old bicycle").unwrap());
        assert_ne!(hash, Hash::make("three old bicycles", TINY).unwrap(), "salted");
    }
}
