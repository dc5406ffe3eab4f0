//! The one place that reads the clocks.

use std::time::{SystemTime, UNIX_EPOCH};

use kith_core::time::{Instant, UnixTime};

/// The clocks of this host. Its epoch is the moment it was made, so that instants of two clocks do not
/// compare: make one a process and hand out copies.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    epoch: tokio::time::Instant,
}

impl SystemClock {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { epoch: tokio::time::Instant::now() }
    }

    /// The monotonic clock. Stands still while tokio's time is paused.
    #[must_use]
    pub fn now(&self) -> Instant {
        let micros = self.epoch.elapsed().as_micros();
        Instant::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }

    /// The wall clock, as wrong as it may be; 1970 when it is set before.
    #[must_use]
    pub fn wall(&self) -> UnixTime {
        #[expect(clippy::disallowed_methods, reason = "this is the hand that reads the wall clock")]
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixTime::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// When tokio is to wake somebody at `at`; never before it.
    #[must_use]
    pub fn deadline(&self, at: Instant) -> tokio::time::Instant {
        self.epoch
            .checked_add(at.since(Instant::ZERO))
            // Centuries away: as good as never.
            .unwrap_or_else(|| self.epoch + FAR)
    }
}

/// Thirty years.
const FAR: std::time::Duration = std::time::Duration::from_secs(30 * 365 * 86_400);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_follows_tokios_time() {
        let clock = SystemClock::start();
        assert_eq!(clock.now(), Instant::ZERO);
        let at = Instant::ZERO + Duration::from_millis(1_500);
        tokio::time::sleep_until(clock.deadline(at)).await;
        assert_eq!(clock.now(), at);
    }

    #[tokio::test]
    async fn the_end_of_time_is_no_panic() {
        let clock = SystemClock::start();
        assert!(clock.deadline(Instant::from_micros(u64::MAX)) > clock.deadline(Instant::ZERO));
    }

    #[test]
    fn the_wall_clock_is_after_this_was_written() {
        assert!(SystemClock::start().wall().as_secs() > 1_700_000_000);
    }
}
