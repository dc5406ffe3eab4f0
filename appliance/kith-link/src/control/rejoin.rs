//! A mesh interface that went down and came up again: wpa_supplicant 2.10 then stays `SCANNING` for ever,
//! and its mesh is told so by an interface that is up without a carrier.
//!
//! Such a supplicant is told to rejoin, with growing pauses.

use std::collections::BTreeMap;
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::daemon::{DaemonId, Program};
use kith_model::network::status::DaemonHealth;

use crate::desired::WifiMode;
use crate::seen::{Seen, SeenKind};
use crate::step::Step;

/// How long a mesh may take to come up by itself.
const PATIENCE: Duration = Duration::from_secs(15);

/// The longest pause between two tries.
const LONGEST: Duration = Duration::from_secs(300);

#[derive(Debug)]
struct Lonely {
    next: Instant,
    pause: Duration,
}

/// The mesh interfaces that have not joined, and since when.
#[derive(Debug, Default)]
pub(super) struct Rejoin {
    lonely: BTreeMap<String, Lonely>,
}

impl Rejoin {
    /// Takes what is there.
    pub(super) fn see(&mut self, now: Instant, seen: &Seen) {
        let lonely: Vec<&String> = seen.links.keys().filter(|name| is_lonely(seen, name)).collect();
        self.lonely.retain(|name, _| lonely.contains(&name));
        for name in lonely {
            let first = || Lonely { next: now + PATIENCE, pause: PATIENCE };
            self.lonely.entry(name.clone()).or_insert_with(first);
        }
    }

    /// A step that is due.
    pub(super) fn next(&mut self, now: Instant) -> Option<Step> {
        let (name, lonely) = self.lonely.iter_mut().find(|(_, lonely)| lonely.next <= now)?;
        lonely.pause = (lonely.pause * 2).min(LONGEST);
        lonely.next = now + lonely.pause;
        Some(Step::Rejoin(supplicant(name)?))
    }

    /// When one is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.lonely.values().map(|lonely| lonely.next).min()
    }
}

fn supplicant(interface: &str) -> Option<DaemonId> {
    Some(DaemonId { program: Program::WpaSupplicant, instance: interface.parse().ok()? })
}

fn is_lonely(seen: &Seen, name: &str) -> bool {
    let Some(link) = seen.links.get(name) else { return false };
    let mesh = matches!(link.kind, SeenKind::Wifi { mode: Some(WifiMode::MeshPoint), .. });
    let runs = supplicant(name)
        .and_then(|id| seen.daemons.get(&id))
        .is_some_and(|daemon| daemon.state == DaemonHealth::Running);
    mesh && link.up && !link.carrier && runs
}
