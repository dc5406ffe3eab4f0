//! Time as an argument: the monotonic [`Instant`], the wall clock [`UnixTime`] and the hybrid logical
//! clock [`Hlc`] that orders records.
//!
//! The hybrid clock follows Kulkarni et al., "Logical Physical Clocks" (2014), packed into 64 bits as
//! 48 bits of milliseconds and a 16-bit counter.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on a monotonic clock, in microseconds since an epoch the driver chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The driver's epoch.
    pub const ZERO: Self = Self(0);

    /// `micros` microseconds after the driver's epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the driver's epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// Wall-clock time, in milliseconds since 1970-01-01T00:00:00Z without leap seconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixTime(u64);

impl UnixTime {
    /// `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for UnixTime {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// A hybrid logical timestamp: 48 bits of milliseconds since 1970, then a 16-bit counter.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Hlc(u64);

/// The largest number of milliseconds that 48 bits hold: the year 10889.
const MAX_MILLIS: u64 = (1 << 48) - 1;

impl Hlc {
    /// The timestamp with these 64 bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits: milliseconds in the upper 48, counter in the lower 16.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The first timestamp of `time`'s millisecond.
    #[must_use]
    pub fn at(time: UnixTime) -> Self {
        Self(time.as_millis().min(MAX_MILLIS) << 16)
    }

    /// The wall-clock part.
    #[must_use]
    pub const fn time(self) -> UnixTime {
        UnixTime(self.0 >> 16)
    }

    const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How far ahead of our clock a record may be before it is held back from view.
pub const MAX_AHEAD: Duration = Duration::from_secs(600);

/// The year 2200: no clock that is right says so.
const NEVER: UnixTime = UnixTime(7_258_118_400_000);

/// How far one lease of the clock's ceiling reaches.
pub const LEASE: Duration = Duration::from_secs(60);

/// What [`HlcClock::tick`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Tick {
    /// The next timestamp, never given out before.
    Ready(Hlc),
    /// Write this ceiling durably, call [`HlcClock::leased`] and tick again.
    Lease(Hlc),
}

/// The node's hybrid logical clock.
///
/// A timestamp is only given out below a ceiling that is already on disk, so a box that restarts with
/// its clock in 1970 still never goes back. Start it with the last ceiling.
///
/// What records showed is kept apart from what was given out: while nobody has confirmed the wall
/// clock it is all there is to go by, and once somebody has, a liar's year no longer counts.
#[derive(Clone, Debug)]
pub struct HlcClock {
    given: Hlc,
    seen: Hlc,
    ceiling: Hlc,
    trusted: bool,
}

impl HlcClock {
    /// Continues from the ceiling found on disk; `Hlc::default()` on a first start.
    #[must_use]
    pub const fn resume(ceiling: Hlc) -> Self {
        Self { given: ceiling, seen: Hlc(0), ceiling, trusted: false }
    }

    /// Says whether the wall clock has been confirmed (NTP, three members, or an operator's browser).
    ///
    /// What was only seen before that no longer counts; what was given out always does.
    pub const fn set_trusted(&mut self, trusted: bool) {
        if trusted && !self.trusted {
            self.seen = Hlc(0);
        }
        self.trusted = trusted;
    }

    /// Whether the wall clock has been confirmed.
    #[must_use]
    pub const fn trusted(&self) -> bool {
        self.trusted
    }

    /// The next timestamp, or the ceiling that has to be written first.
    pub fn tick(&mut self, now: UnixTime) -> Tick {
        let next = Hlc::at(now).max(self.given.max(self.seen).next());
        if next > self.ceiling {
            return Tick::Lease(Hlc::at(next.time() + LEASE));
        }
        self.given = next;
        Tick::Ready(next)
    }

    /// The ceiling is on disk.
    pub fn leased(&mut self, ceiling: Hlc) {
        self.ceiling = self.ceiling.max(ceiling);
    }

    /// Learns a timestamp seen in a record. One that is held back never moves the clock, and neither
    /// does one of a year that nobody lives in: from the last of them there would be no next.
    pub fn observe(&mut self, now: UnixTime, seen: Hlc) {
        if !self.held_back(now, seen) && seen.time() < NEVER {
            self.seen = self.seen.max(seen);
        }
    }

    /// The best guess of the present: the wall clock, but never before what this clock has seen.
    #[must_use]
    pub fn now(&self, system: UnixTime) -> UnixTime {
        if self.trusted { system } else { system.max(self.given.max(self.seen).time()) }
    }

    /// Whether a record of this timestamp is stored and reconciled but not shown yet.
    ///
    /// With an untrusted wall clock nothing is held back, since the clock itself may be years behind.
    #[must_use]
    pub fn held_back(&self, now: UnixTime, seen: Hlc) -> bool {
        self.trusted && seen.time() > now + MAX_AHEAD
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: UnixTime = UnixTime::from_millis(1_800_000_000_000);

    #[test]
    fn no_timestamp_is_given_out_above_the_ceiling_on_disk() {
        let mut clock = HlcClock::resume(Hlc::default());
        let Tick::Lease(ceiling) = clock.tick(NOON) else { panic!("a fresh clock has no lease") };
        assert_eq!(ceiling, Hlc::at(NOON + LEASE));
        clock.leased(ceiling);
        assert_eq!(clock.tick(NOON), Tick::Ready(Hlc::at(NOON)));
    }

    #[test]
    fn a_restart_in_1970_goes_on_above_what_was_given_out() {
        let before = ready(&mut HlcClock::resume(Hlc::default()), NOON);
        let mut after_restart = HlcClock::resume(Hlc::at(NOON + LEASE));
        assert!(ready(&mut after_restart, UnixTime::default()) > before);
    }

    #[test]
    fn a_trusted_clock_is_not_moved_by_the_far_future() {
        let mut clock = HlcClock::resume(Hlc::default());
        clock.set_trusted(true);
        let far = Hlc::at(NOON + Duration::from_secs(601));
        assert!(clock.held_back(NOON, far));
        clock.observe(NOON, far);
        assert!(ready(&mut clock, NOON) < far);
    }

    #[test]
    fn an_untrusted_clock_follows_what_it_sees() {
        let mut clock = HlcClock::resume(Hlc::default());
        let seen = Hlc::at(NOON);
        clock.observe(UnixTime::default(), seen);
        assert!(ready(&mut clock, UnixTime::default()) > seen);
        assert_eq!(clock.now(UnixTime::default()).as_secs(), NOON.as_secs());
    }

    #[test]
    fn what_was_only_seen_before_the_clock_was_set_does_not_count_after_it() {
        let hostile = Hlc::at(UnixTime::from_millis(4_102_444_800_000));
        let mut clock = HlcClock::resume(Hlc::default());
        clock.observe(NOON, hostile);
        clock.set_trusted(true);
        assert_eq!(ready(&mut clock, NOON), Hlc::at(NOON));

        let seen_since = Hlc::at(NOON + Duration::from_secs(5));
        clock.observe(NOON, seen_since);
        clock.set_trusted(true);
        assert!(ready(&mut clock, NOON) > seen_since);
    }

    #[test]
    fn what_was_given_out_before_the_clock_was_set_still_counts_after_it() {
        let hostile = Hlc::at(UnixTime::from_millis(4_102_444_800_000));
        let mut clock = HlcClock::resume(Hlc::default());
        clock.observe(NOON, hostile);
        let given = ready(&mut clock, NOON);
        assert!(given > hostile);
        clock.set_trusted(true);
        assert!(ready(&mut clock, NOON) > given);
    }

    #[test]
    fn the_end_of_time_does_not_stop_a_clock() {
        let mut clock = HlcClock::resume(Hlc::default());
        clock.observe(NOON, Hlc::from_bits(u64::MAX));
        let first = ready(&mut clock, NOON);
        assert_eq!(first, Hlc::at(NOON));
        assert!(ready(&mut clock, NOON) > first);
    }

    proptest! {
        /// Whatever the wall clock does, whatever is seen and however often the box restarts.
        #[test]
        fn no_timestamp_is_ever_given_out_twice_or_out_of_order(
            steps in prop::collection::vec((0..4_u8, 0..2_000_000_u64), 1..200),
        ) {
            let mut clock = HlcClock::resume(Hlc::default());
            let (mut on_disk, mut last) = (Hlc::default(), Hlc::default());
            for (what, millis) in steps {
                let now = UnixTime::from_millis(NOON.as_millis() + millis - 1_000_000);
                match what {
                    0 => clock.set_trusted(!clock.trusted()),
                    1 => clock.observe(now, Hlc::at(now + Duration::from_secs(millis / 1_000))),
                    2 => clock = HlcClock::resume(on_disk),
                    _ => {
                        let next = loop {
                            match clock.tick(now) {
                                Tick::Ready(next) => break next,
                                Tick::Lease(ceiling) => {
                                    on_disk = on_disk.max(ceiling);
                                    clock.leased(ceiling);
                                }
                            }
                        };
                        prop_assert!(next > last, "{} after {}", next, last);
                        prop_assert!(next <= on_disk);
                        last = next;
                    }
                }
            }
        }
    }

    fn ready(clock: &mut HlcClock, now: UnixTime) -> Hlc {
        loop {
            match clock.tick(now) {
                Tick::Ready(hlc) => return hlc,
                Tick::Lease(ceiling) => clock.leased(ceiling),
            }
        }
    }
}
