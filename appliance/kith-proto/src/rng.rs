//! Random numbers from a seed: sha2-256 in counter mode.
//!
//! What is drawn pads HELLO and makes nonces, so it must be unpredictable when the seed is; the seed
//! comes from the system's random source, or from a scenario that is to be repeated.

use core::time::Duration;

use sha2::{Digest as _, Sha256};

/// A stream of random numbers.
#[derive(Clone)]
pub(crate) struct Rng {
    seed: [u8; 32],
    drawn: u64,
}

impl Rng {
    pub(crate) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    pub(crate) fn bytes32(&mut self) -> [u8; 32] {
        self.drawn += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.drawn.to_be_bytes());
        hash.finalize().into()
    }

    pub(crate) fn bytes16(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.bytes32()[..16]);
        bytes
    }

    /// `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::with_capacity(len + 32);
        while bytes.len() < len {
            bytes.extend(self.bytes32());
        }
        bytes.truncate(len);
        bytes
    }

    /// A number below `end`; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        let mut low = [0; 8];
        low.copy_from_slice(&self.bytes32()[..8]);
        u64::from_be_bytes(low).checked_rem(end).unwrap_or(0)
    }

    /// A time from `least` to `most`.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = most.saturating_sub(least).as_micros();
        least + Duration::from_micros(self.below(u64::try_from(span).unwrap_or(u64::MAX)))
    }
}

impl core::fmt::Debug for Rng {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Rng({} drawn)", self.drawn)
    }
}
