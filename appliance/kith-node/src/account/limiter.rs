//! How often somebody may try a secret: token buckets, bounded in number.
//!
//! A browser that has signed in before has a bucket of its own, so that somebody who guesses from the
//! same address does not lock the owner out.

use std::collections::BTreeMap;
use std::time::Duration;

use kith_core::time::UnixTime;

/// Tries in a row before waiting.
const BURST: u32 = 5;

/// One more try every so often: five a minute.
const REFILL: Duration = Duration::from_secs(12);

/// Buckets kept; the one untouched longest goes first.
const MAX_BUCKETS: usize = 1_024;

/// All tries together, from wherever: what one slow core can hash without the panel suffering.
const GLOBAL_BURST: u32 = 30;

/// The name of the bucket that all tries share.
const EVERYBODY: &str = "*";

/// How the buckets of those begin who have not signed in here before.
const STRANGERS: &str = "source/";

/// The bucket of the box's own command line.
const SOCKET: &str = "source/socket";

/// Counts tries.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    buckets: BTreeMap<String, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u32,
    since: UnixTime,
}

impl Limiter {
    /// Takes a try from the bucket `who`.
    ///
    /// # Errors
    /// How long to wait when the bucket is empty.
    pub(crate) fn take(&mut self, now: UnixTime, who: &str) -> Result<(), Duration> {
        // First from one's own, or a guesser who is turned away would still empty everybody's.
        self.take_from(now, who, BURST)?;
        if who.starts_with(STRANGERS) && who != SOCKET {
            self.take_from(now, EVERYBODY, GLOBAL_BURST)?;
        }
        Ok(())
    }

    /// Gives `who` back the try that succeeded; not more, or a guesser with an account of their own
    /// could go on for ever.
    pub(crate) fn give_back(&mut self, who: &str) {
        if let Some(bucket) = self.buckets.get_mut(who) {
            bucket.left = bucket.left.saturating_add(1).min(BURST);
        }
    }

    fn take_from(&mut self, now: UnixTime, who: &str, burst: u32) -> Result<(), Duration> {
        self.make_room(who);
        let full = Bucket { left: burst, since: now };
        let bucket = self.buckets.entry(who.to_owned()).or_insert(full);
        // A wall clock that went back must not lock anybody out for the years between.
        bucket.since = bucket.since.min(now);
        let refill = REFILL * BURST / burst;
        let refills = now.since(bucket.since).as_millis() / refill.as_millis().max(1);
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        bucket.left = bucket.left.saturating_add(refills).min(burst);
        if refills > 0 {
            bucket.since = if bucket.left == burst { now } else { bucket.since + refill * refills };
        }
        if bucket.left == 0 {
            return Err(refill.saturating_sub(now.since(bucket.since)));
        }
        bucket.left -= 1;
        Ok(())
    }

    fn make_room(&mut self, who: &str) {
        if self.buckets.len() < MAX_BUCKETS || self.buckets.contains_key(who) {
            return;
        }
        let oldest = self.buckets.iter().filter(|(name, _)| *name != EVERYBODY);
        let oldest = oldest.min_by_key(|(_, bucket)| bucket.since).map(|(name, _)| name.clone());
        if let Some(oldest) = oldest {
            self.buckets.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime::from_millis(1_800_000_000_000);

    #[test]
    fn five_tries_and_then_one_every_twelve_seconds() {
        let mut limiter = Limiter::default();
        assert_eq!((0..10).filter(|_| limiter.take(NOON, "a").is_ok()).count(), 5);
        assert_eq!(limiter.take(NOON, "a"), Err(REFILL));
        assert!(limiter.take(NOON + REFILL, "a").is_ok());
        assert!(limiter.take(NOON + REFILL, "a").is_err());
    }

    #[test]
    fn a_known_device_is_not_locked_out_by_a_guesser() {
        let mut limiter = Limiter::default();
        for i in 0..10_000 {
            let _ = limiter.take(NOON, &format!("source/{}", i % 300));
        }
        assert!(limiter.take(NOON, "device/mine").is_ok());
        assert!(limiter.buckets.len() <= MAX_BUCKETS);
    }

    #[test]
    fn distributed_guesses_share_one_bound() {
        let mut limiter = Limiter::default();
        let taken =
            (0..1_000).filter(|i| limiter.take(NOON, &format!("source/{i}")).is_ok()).count();
        assert_eq!(taken, 30);
        assert!(limiter.take(NOON, SOCKET).is_ok());
        assert!(limiter.take(NOON, "change/owner").is_ok());
    }

    #[test]
    fn one_guesser_who_is_turned_away_locks_nobody_else_out() {
        let mut limiter = Limiter::default();
        for _ in 0..1_000 {
            let _ = limiter.take(NOON, "source/guesser");
        }
        assert!(limiter.take(NOON, "source/neighbour").is_ok());
    }

    #[test]
    fn a_success_gives_back_one_try_and_no_more() {
        let mut limiter = Limiter::default();
        for _ in 0..5 {
            limiter.take(NOON, "source/a").unwrap();
        }
        limiter.give_back("source/a");
        assert!(limiter.take(NOON, "source/a").is_ok());
        assert!(limiter.take(NOON, "source/a").is_err());
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out() {
        let mut limiter = Limiter::default();
        while limiter.take(NOON, "a").is_ok() {}
        let past = UnixTime::from_millis(1_000);
        let _ = limiter.take(past, "a");
        assert!(limiter.take(past + REFILL, "a").is_ok());
    }
}
