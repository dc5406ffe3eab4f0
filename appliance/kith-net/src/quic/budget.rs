//! How much memory the frames that have begun and not ended may take, over all connections.
//!
//! Strangers and peers that were admitted have a budget each, so that the former cannot starve the
//! latter. Whoever waits comes in turn. A frame that is not complete after [`HOLD`] gives way to those
//! that wait, and only then: a slow line is no offence while there is room. What such a frame has
//! gathered is freed when its reader is polled next.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kith_core::buffers::Buffers;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Frames below this many bytes are not counted.
pub(super) const SMALL: usize = 4 << 10;

/// How long a frame that others wait for may take to arrive.
pub(super) const HOLD: Duration = Duration::from_secs(30);

/// A budget for strangers and one for peers that were admitted, and the buffers of the latter.
#[derive(Debug)]
pub(super) struct Budgets {
    pub(super) strangers: Arc<Budget>,
    pub(super) admitted: Arc<Budget>,
    pub(super) buffers: Buffers,
}

/// Bytes to be shared by frames under way.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    state: Mutex<State>,
    freed: Notify,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    next: u64,
    /// Bytes of each lease, when it has to give way, and where it is told.
    leases: BTreeMap<u64, (usize, Instant, Arc<AtomicBool>)>,
}

/// Room for one frame, until dropped.
#[derive(Debug)]
pub(super) struct Lease {
    budget: Arc<Budget>,
    number: u64,
    ended: Arc<AtomicBool>,
}

impl Budget {
    /// A budget of `limit` bytes; no lease may be larger.
    pub(super) fn new(limit: usize) -> Arc<Self> {
        let (state, freed, turn) = (Mutex::default(), Notify::new(), tokio::sync::Mutex::default());
        Arc::new(Self { limit, state, freed, turn })
    }

    /// Waits for room. May be cancelled, which loses the turn and nothing else.
    pub(super) async fn lease(self: &Arc<Self>, size: usize) -> Lease {
        let _turn = self.turn.lock().await;
        loop {
            let freed = self.freed.notified();
            let until = match self.try_lease(size, Instant::now()) {
                Ok(lease) => return lease,
                Err(until) => until,
            };
            // Whether room came or the oldest lease is overdue, it is looked at again.
            let _overdue = timeout_at(until, freed).await;
        }
    }

    /// A lease, or when the oldest one in the way has to go.
    fn try_lease(self: &Arc<Self>, size: usize, now: Instant) -> Result<Lease, Instant> {
        let mut state = self.locked();
        while state.used.saturating_add(size) > self.limit
            && let Some(oldest) = state.leases.first_entry()
        {
            let (_, until, ended) = oldest.get();
            if *until > now {
                return Err(*until);
            }
            ended.store(true, Ordering::Relaxed);
            let (bytes, ..) = oldest.remove();
            state.used -= bytes;
        }
        let (number, ended) = (state.next, Arc::<AtomicBool>::default());
        state.next += 1;
        state.used += size;
        state.leases.insert(number, (size, now + HOLD, ended.clone()));
        Ok(Lease { budget: self.clone(), number, ended })
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// Whether it had to give way.
    pub(super) fn is_over(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.budget.locked();
        if let Some((bytes, ..)) = state.leases.remove(&self.number) {
            state.used -= bytes;
        }
        drop(state);
        // One that waits is enough, since they wait in turn.
        self.budget.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_is_leased_than_there_is_and_room_is_given_on() {
        let budget = Budget::new(10);
        let first = budget.lease(6).await;
        let second = budget.lease(4).await;
        let mut waits = Box::pin(budget.lease(5));
        let until = Instant::now() + HOLD / 2;
        assert!(timeout_at(until, &mut waits).await.is_err(), "there is no room");
        assert!(timeout_at(Instant::now(), budget.lease(1)).await.is_err(), "it has to queue");
        drop(first);
        let third = waits.await;
        assert_eq!(budget.locked().used, 9);
        assert!(!second.is_over() && !third.is_over());
        drop((second, third));
        assert_eq!(budget.locked().used, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_never_ends_gives_way_once_somebody_waits() {
        let budget = Budget::new(10);
        let hoarder = budget.lease(10).await;
        tokio::time::advance(HOLD * 10).await;
        assert!(!hoarder.is_over(), "nobody waits");
        let next = budget.lease(10).await;
        assert!(hoarder.is_over() && !next.is_over());
        drop(hoarder);
        assert_eq!(budget.locked().used, 10, "it is not given back twice");

        let begun = Instant::now();
        let last = budget.lease(10).await;
        assert_eq!(begun.elapsed().as_secs(), HOLD.as_secs());
        assert!(next.is_over() && !last.is_over());
    }
}
