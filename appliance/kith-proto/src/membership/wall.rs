//! The wall clock as the replica knows it, and three members agreeing on what it should be.

use core::time::Duration;

use kith_core::time::{Instant, UnixTime};

/// Clocks that differ by less agree.
const AGREEMENT: Duration = Duration::from_secs(600);

/// Members whose clocks have to agree.
const QUORUM: usize = 3;

/// The wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wall {
    read_at: Instant,
    read: UnixTime,
    trusted: bool,
}

impl Wall {
    pub(crate) const fn new(read_at: Instant, read: UnixTime, trusted: bool) -> Self {
        Self { read_at, read, trusted }
    }

    pub(crate) fn now(&self, now: Instant) -> UnixTime {
        self.read + now.since(self.read_at)
    }

    pub(crate) const fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// The present, if it can be relied on.
    pub(crate) fn trusted(&self, now: Instant) -> Option<UnixTime> {
        self.trusted.then(|| self.now(now))
    }
}

/// The middle of three clocks that agree, if there are three.
pub(crate) fn agreed(mut clocks: Vec<UnixTime>) -> Option<UnixTime> {
    clocks.sort_unstable();
    let close = |w: &&[UnixTime]| w[QUORUM - 1].since(w[0]) <= AGREEMENT;
    clocks.windows(QUORUM).find(close).map(|w| w[QUORUM / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clocks_or_three_apart_confirm_nothing() {
        let clocks = |minutes: &[u64]| {
            minutes.iter().map(|m| UnixTime::from_millis(m * 60_000)).collect::<Vec<_>>()
        };
        assert_eq!(agreed(clocks(&[1, 2])), None);
        assert_eq!(agreed(clocks(&[1, 2, 30])), None);
        assert_eq!(agreed(clocks(&[2, 9_999, 1, 7])), Some(UnixTime::from_millis(120_000)));
    }
}
