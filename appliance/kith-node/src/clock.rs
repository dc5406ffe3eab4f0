//! The box's clock: the system's wall clock behind the hybrid logical clock, whose ceiling is durable
//! before any timestamp below it is given out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kith_core::time::{Hlc, HlcClock, MAX_AHEAD, Tick, UnixTime};
use kith_proto::views::Visible;
use kith_role::clock::SystemClock;
use kith_store::{Store, StoreError};

use crate::ledger;

/// Before this the program did not exist, so no wall clock that says so is right: 2026-11-01.
const BUILT: UnixTime = UnixTime::from_millis(1_793_491_200_000);

/// The clock; cheap to ask from any thread.
#[derive(Debug)]
pub(crate) struct Clock {
    system: SystemClock,
    hybrid: Mutex<HlcClock>,
}

impl Clock {
    /// Continues from the ceiling in the store.
    #[must_use]
    pub(crate) fn resume(system: SystemClock, store: &Store) -> Self {
        Self { system, hybrid: Mutex::new(HlcClock::resume(ledger::clock_ceiling(store))) }
    }

    /// The system's wall clock, but never before this program was made. What others say of the time
    /// does not move it: sessions and tokens end by it.
    #[must_use]
    pub(crate) fn wall(&self) -> UnixTime {
        self.system.wall().max(BUILT)
    }

    /// Whether the wall clock is confirmed.
    #[must_use]
    pub(crate) fn trusted(&self) -> bool {
        self.hybrid().trusted()
    }

    /// The wall clock is confirmed: by the system's time service, by members, or by a browser.
    pub(crate) fn trust(&self) {
        self.hybrid().set_trusted(true);
    }

    /// Trusts the wall clock if `seen`, a time somebody vouches for, agrees with it.
    pub(crate) fn confirm(&self, seen: UnixTime) -> bool {
        let wall = self.system.wall();
        let apart = wall.since(seen).max(seen.since(wall));
        let agrees = apart <= MAX_AHEAD;
        if agrees {
            self.trust();
        }
        agrees
    }

    /// A timestamp never given out before, in this life of the box or an earlier one.
    ///
    /// # Errors
    /// When the ceiling cannot be written.
    pub(crate) fn tick(&self, store: &Store) -> Result<Hlc, StoreError> {
        let mut hybrid = self.hybrid();
        let now = hybrid.now(self.wall());
        loop {
            match hybrid.tick(now) {
                Tick::Ready(time) => return Ok(time),
                Tick::Lease(ceiling) => {
                    let change = ledger::set(ledger::CLOCK.into(), &ceiling);
                    ledger::write(store, &[change])?;
                    hybrid.leased(ceiling);
                }
            }
        }
    }

    /// Learns the timestamp of a record that arrived.
    pub(crate) fn observe(&self, seen: Hlc) {
        let now = self.system.wall();
        self.hybrid().observe(now, seen);
    }

    /// What may be shown at present.
    #[must_use]
    pub(crate) fn visible(&self) -> Visible {
        Visible { now: self.wall(), trusted: self.trusted() }
    }

    /// The monotonic clock beneath.
    #[must_use]
    pub(crate) fn system(&self) -> SystemClock {
        self.system
    }

    /// Time since the process started.
    #[must_use]
    pub(crate) fn uptime(&self) -> Duration {
        self.system.now().since(kith_core::time::Instant::ZERO)
    }

    fn hybrid(&self) -> std::sync::MutexGuard<'_, HlcClock> {
        // A panic while the lock was held cannot leave the clock half changed.
        self.hybrid.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
