//! How often the network is looked at: as often as somebody looks at it.
//!
//! Pages do not ask by themselves; they hear on the one stream of their browser that something changed.
//! So somebody has to look meanwhile, and on a box at rest nobody does.

use std::time::Duration;

use kith_model::network::ask::NetworkAsk;
use tokio::sync::watch;
use tokio::time::Instant;

/// Often enough for the overview, seldom enough for a box at rest.
const AT_REST: Duration = Duration::from_secs(10);

/// While somebody has a page about the network before them.
const WATCHED: Duration = Duration::from_secs(2);

/// While they aim an antenna, or wait for something that takes seconds.
const AIMED: Duration = Duration::from_secs(1);

/// The least time between two looks.
const BREATH: Duration = Duration::from_millis(250);

/// A page that nobody reloads for so long is not looked at any more. Whatever changes reloads it.
const LOOKS_ON: Duration = Duration::from_secs(60);

/// What people did last.
#[derive(Clone, Copy, Debug, Default)]
struct Lately {
    looked: Option<Instant>,
    aimed: Option<Instant>,
    changed: Option<Instant>,
}

/// The end that hears what people ask. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Ear(watch::Sender<Lately>);

/// The end that says when to look again.
#[derive(Debug)]
pub(crate) struct Pace(watch::Receiver<Lately>);

pub(crate) fn pair() -> (Ear, Pace) {
    let (sender, receiver) = watch::channel(Lately::default());
    (Ear(sender), Pace(receiver))
}

impl Ear {
    /// Somebody asks this.
    pub(crate) fn hear(&self, ask: &NetworkAsk) {
        let now = Some(Instant::now());
        self.0.send_modify(|lately| match ask {
            NetworkAsk::Status | NetworkAsk::Surveyed | NetworkAsk::Change => lately.looked = now,
            NetworkAsk::Aim => lately.aimed = now,
            NetworkAsk::Settings
            | NetworkAsk::Draft
            | NetworkAsk::Review
            | NetworkAsk::Check { .. }
            | NetworkAsk::History
            | NetworkAsk::Graphs => {}
            NetworkAsk::DraftSet { .. }
            | NetworkAsk::DraftReplace { .. }
            | NetworkAsk::DraftDiscard
            | NetworkAsk::Apply { .. }
            | NetworkAsk::Confirm { .. }
            | NetworkAsk::Revert
            | NetworkAsk::Extend
            | NetworkAsk::Restore { .. }
            | NetworkAsk::Survey
            | NetworkAsk::Ping { .. }
            | NetworkAsk::ClientSet { .. }
            | NetworkAsk::Identify(_) => lately.changed = now,
        });
    }
}

impl Lately {
    /// When to look after a look at `last`; `restless` where something is under way.
    fn next(&self, last: Instant, restless: bool) -> Instant {
        let lately = |at: Option<Instant>| at.is_some_and(|at| last < at + LOOKS_ON);
        if self.changed.is_some_and(|at| at >= last) {
            return last + BREATH;
        }
        let looked = lately(self.looked);
        last + match () {
            () if lately(self.aimed) || looked && restless => AIMED,
            () if looked => WATCHED,
            () => AT_REST,
        }
    }

    fn aims(&self, now: Instant) -> bool {
        self.aimed.is_some_and(|at| now < at + LOOKS_ON)
    }
}

impl Pace {
    /// Waits until it is time to look after a look at `last`.
    pub(crate) async fn next(&mut self, last: Instant, restless: bool) {
        loop {
            let at = self.0.borrow_and_update().next(last, restless);
            tokio::select! {
                () = tokio::time::sleep_until(at) => return,
                changed = self.0.changed() => if changed.is_err() {
                    return tokio::time::sleep_until(at).await;
                }
            }
        }
    }

    /// Whether somebody aims an antenna.
    pub(crate) fn aims(&self) -> bool {
        self.0.borrow().aims(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn waited(pace: &mut Pace, restless: bool) -> Duration {
        let last = Instant::now();
        pace.next(last, restless).await;
        last.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_looked_as_often_as_somebody_looks() {
        let (ear, mut pace) = pair();
        assert_eq!(waited(&mut pace, true).await, AT_REST);
        ear.hear(&NetworkAsk::Status);
        assert_eq!(waited(&mut pace, false).await, WATCHED);
        assert_eq!(waited(&mut pace, true).await, AIMED);
        assert!(!pace.aims());
        ear.hear(&NetworkAsk::Aim);
        assert_eq!(waited(&mut pace, false).await, AIMED);
        assert!(pace.aims());
        tokio::time::sleep(LOOKS_ON).await;
        assert_eq!(waited(&mut pace, true).await, AT_REST);
        assert!(!pace.aims());
    }

    #[tokio::test(start_paused = true)]
    async fn who_changes_something_is_not_kept_waiting() {
        let (ear, mut pace) = pair();
        let last = Instant::now();
        let change = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            ear.hear(&NetworkAsk::Survey);
        };
        let ((), ()) = tokio::join!(pace.next(last, false), change);
        assert_eq!(last.elapsed(), Duration::from_secs(3));
        // Once is enough.
        assert_eq!(waited(&mut pace, false).await, BREATH);
        assert_eq!(waited(&mut pace, false).await, AT_REST);
    }

    #[tokio::test(start_paused = true)]
    async fn somebody_who_comes_to_look_shortens_the_wait() {
        let (ear, mut pace) = pair();
        let last = Instant::now();
        let look = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            ear.hear(&NetworkAsk::Status);
        };
        let ((), ()) = tokio::join!(pace.next(last, false), look);
        assert_eq!(last.elapsed(), Duration::from_secs(5));
    }
}
