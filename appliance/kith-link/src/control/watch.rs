//! Whether each daemon answers: asked every ten seconds, reported after two silences.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::daemon::{DaemonId, DaemonSeen};

use super::input::Job;

/// Time between two questions to one daemon.
const EVERY: Duration = Duration::from_secs(10);

/// Silences in a row before the supervisor is told.
const SILENCES: u32 = 2;

#[derive(Debug)]
struct Watched {
    pid: u32,
    due: Instant,
    silences: u32,
    hung: bool,
}

/// What is known of each daemon's answers.
#[derive(Debug, Default)]
pub(super) struct Watch {
    watched: BTreeMap<DaemonId, Watched>,
    asked: Option<DaemonId>,
    to_report: VecDeque<DaemonId>,
}

impl Watch {
    /// Takes the daemons that run; one with another process starts with a clean slate, and some time to
    /// begin.
    pub(super) fn see(&mut self, now: Instant, daemons: &BTreeMap<DaemonId, DaemonSeen>) {
        self.watched.retain(|id, _| daemons.get(id).is_some_and(|daemon| daemon.pid.is_some()));
        for (id, pid) in daemons.iter().filter_map(|(id, daemon)| Some((id, daemon.pid?))) {
            let fresh = || Watched { pid, due: now + EVERY, silences: 0, hung: false };
            let watched = self.watched.entry(id.clone()).or_insert_with(fresh);
            if watched.pid != pid {
                *watched = fresh();
            }
        }
    }

    /// What to do now, if anything.
    pub(super) fn next(&mut self, now: Instant) -> Option<Job> {
        if let Some(id) = self.to_report.pop_front() {
            return Some(Job::ReportHung(id));
        }
        let (id, _) = self.watched.iter().find(|(_, watched)| watched.due <= now)?;
        self.asked = Some(id.clone());
        Some(Job::Check(id.clone()))
    }

    /// Takes the answer of the one that was asked.
    pub(super) fn answered(&mut self, now: Instant, answers: bool) {
        let Some(id) = self.asked.take() else { return };
        let Some(watched) = self.watched.get_mut(&id) else { return };
        watched.due = now + EVERY;
        watched.silences = if answers { 0 } else { watched.silences + 1 };
        let hung = watched.silences >= SILENCES;
        if hung && !watched.hung {
            tracing::warn!(daemon = %id, "does not answer");
            self.to_report.push_back(id);
        }
        watched.hung = hung;
    }

    /// Whether a daemon is silent for too long.
    pub(super) fn hung(&self, id: &DaemonId) -> bool {
        self.watched.get(id).is_some_and(|watched| watched.hung)
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        if !self.to_report.is_empty() {
            return Some(Instant::ZERO);
        }
        self.watched.values().map(|watched| watched.due).min()
    }
}
