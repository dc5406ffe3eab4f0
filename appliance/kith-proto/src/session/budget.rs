//! What a peer may cost before it is dropped: a leaky bucket for what nobody asked for.
//!
//! Only unsolicited data, failed checks and requests by non-members are charged; whatever a member
//! sends within its windows is free.

use core::time::Duration;

use kith_core::time::Instant;

/// Bytes a stranger may send in one go.
const BURST: u64 = 1 << 20;

/// Bytes forgiven a second.
const PER_SECOND: u64 = 16 * 1024;

/// What a frame costs besides its bytes.
const FRAME: u64 = 4 * 1024;

/// The bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    spent: u64,
    at: Instant,
}

impl Budget {
    /// Charges a frame of `bytes`; tells whether the peer is still within its budget.
    pub(crate) fn charge(&mut self, now: Instant, bytes: usize) -> bool {
        let forgiven = now.since(self.at).as_millis() as u64 * PER_SECOND / 1_000;
        self.spent = self.spent.saturating_sub(forgiven).saturating_add(bytes as u64 + FRAME);
        self.at = now;
        self.spent <= BURST
    }
}

/// A stream of whoever opened it may stay without a frame for this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_ends_and_a_trickle_does_not() {
        let mut budget = Budget::default();
        let mut now = Instant::from_micros(1);
        let flood = (0..1_000).take_while(|_| budget.charge(now, 1_000)).count();
        assert!(flood < 250, "{flood}");
        let mut budget = Budget::default();
        for _ in 0..10_000 {
            now = now + Duration::from_secs(1);
            assert!(budget.charge(now, 1_000));
        }
    }
}
