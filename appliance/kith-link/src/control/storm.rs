//! After an outage a whole street asks for addresses at once. While that lasts, leases are given without
//! asking first whether somebody uses the address, which would take three seconds each.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::settings::values::Mac;

use crate::seen::Seen;

/// So many devices that come within [`WINDOW`] are a storm.
const MANY: usize = 40;

/// See [`MANY`].
const WINDOW: Duration = Duration::from_secs(60);

/// How long it is quiet before a storm is over; changing back costs the name service a second.
const CALM: Duration = Duration::from_secs(180);

/// Whether a storm is on.
#[derive(Debug, Default)]
pub(super) struct Storm {
    here: Option<BTreeSet<Mac>>,
    arrivals: VecDeque<(Instant, usize)>,
    until: Option<Instant>,
}

impl Storm {
    /// Takes what is there; whether it has begun or ended.
    pub(super) fn see(&mut self, now: Instant, seen: &Seen) -> bool {
        let here: BTreeSet<Mac> =
            seen.clients.iter().filter(|client| client.here).map(|client| client.mac).collect();
        // Who is here when we start to look has not just come.
        let came = self.here.as_ref().map_or(0, |before| here.difference(before).count());
        self.here = Some(here);
        self.arrivals.push_back((now, came));
        self.arrivals.retain(|(at, _)| now.since(*at) < WINDOW);
        let before = self.until.is_some();
        if self.arrivals.iter().map(|(_, came)| came).sum::<usize>() >= MANY {
            self.until = Some(now + CALM);
        } else if self.until.is_some_and(|until| until <= now) {
            self.until = None;
        }
        before != self.until.is_some()
    }

    /// Whether one is on.
    pub(super) const fn on(&self) -> bool {
        self.until.is_some()
    }
}
