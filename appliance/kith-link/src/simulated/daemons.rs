//! The model of the supervisor and the daemons: they run a moment after they are wished for, read their
//! files at the start, and fail where their files are missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::daemon::{DaemonId, DaemonSeen, DaemonWish, Program};
use kith_model::network::status::DaemonHealth;

use crate::desired::{FileSpec, OnChange};

/// How long a daemon takes to begin.
pub(super) const BEGINS: Duration = Duration::from_millis(400);

/// A daemon that was wished for.
#[derive(Clone, Debug)]
pub(super) struct Daemon {
    generation: u64,
    pid: u32,
    pub(super) started: Instant,
    /// What it read: at its start, or when it was told to read again. Nothing when there was no file.
    pub(super) config: Option<String>,
    /// How often its interface had been switched off when it joined its network the last time.
    pub(super) joined_at_downs: u32,
    /// When it joins, or joined.
    pub(super) joins: Instant,
    restarts: u64,
    /// Whether it hangs.
    pub(super) hung: bool,
}

/// All daemons and the files they read.
#[derive(Clone, Debug, Default)]
pub(super) struct Daemons {
    pub(super) files: BTreeMap<String, String>,
    /// Files of which their daemon has not been told yet.
    untold: BTreeSet<String>,
    pub(super) running: BTreeMap<DaemonId, Daemon>,
    /// Programs that are not on the machine.
    pub(super) uninstalled: BTreeSet<Program>,
    next_pid: u32,
}

impl Daemons {
    /// Writes a file.
    pub(super) fn write(&mut self, path: &str, file: &FileSpec) {
        if matches!(file.on_change, OnChange::Reload(_)) {
            self.untold.insert(path.to_owned());
        }
        self.files.insert(path.to_owned(), file.content.clone());
    }

    /// The files whose daemons know them.
    pub(super) fn seen_files(&self) -> BTreeMap<String, String> {
        let mut files = self.files.clone();
        files.retain(|path, _| !self.untold.contains(path));
        files
    }

    /// Starts, restarts and stops; answers which were stopped, with what they had read, and which were
    /// started.
    pub(super) fn wish(
        &mut self,
        now: Instant,
        wishes: &[DaemonWish],
    ) -> (Vec<(DaemonId, String)>, Vec<DaemonId>) {
        let same = |id: &DaemonId, daemon: &Daemon| {
            wishes.iter().any(|wish| wish.id == *id && wish.generation == daemon.generation)
        };
        let ended: Vec<DaemonId> = self
            .running
            .iter()
            .filter(|(id, daemon)| !same(id, daemon))
            .map(|(id, _)| id.clone())
            .collect();
        let stopped = ended
            .into_iter()
            .filter_map(|id| Some((id.clone(), self.running.remove(&id)?.config?)))
            .collect();
        let mut started = Vec::new();
        for wish in wishes.iter().filter(|wish| !self.running.contains_key(&wish.id)) {
            started.push((wish.id.clone(), wish.generation));
        }
        for (id, generation) in &started {
            self.start(now, id, *generation, 0);
        }
        (stopped, started.into_iter().map(|(id, _)| id).collect())
    }

    fn start(&mut self, now: Instant, id: &DaemonId, generation: u64, restarts: u64) {
        self.next_pid += 1;
        self.untold.remove(&id.file());
        let daemon = Daemon {
            generation,
            pid: 1_000 + self.next_pid,
            started: now,
            config: self.files.get(&id.file()).cloned(),
            joined_at_downs: u32::MAX,
            joins: now + BEGINS,
            restarts,
            hung: false,
        };
        self.running.insert(id.clone(), daemon);
    }

    /// Kills one; the supervisor starts it again.
    pub(super) fn replace(&mut self, now: Instant, id: &DaemonId) {
        if let Some(daemon) = self.running.get(id) {
            let (generation, restarts) = (daemon.generation, daemon.restarts + 1);
            self.start(now, id, generation, restarts);
        }
    }

    /// Reads its file again.
    pub(super) fn reload(&mut self, now: Instant, id: &DaemonId) -> bool {
        let config = self.files.get(&id.file()).cloned();
        let Self { running, untold, .. } = self;
        running.get_mut(id).is_some_and(|daemon| {
            untold.remove(&id.file());
            daemon.config = config;
            daemon.joins = now + BEGINS;
            true
        })
    }

    /// What a daemon that runs has read.
    pub(super) fn config(&self, now: Instant, id: &DaemonId) -> Option<&str> {
        let daemon = self.running.get(id)?;
        let gone = self.uninstalled.contains(&id.program);
        if daemon.started + BEGINS > now || daemon.hung || gone {
            return None;
        }
        daemon.config.as_deref()
    }

    /// As the supervisor sees them.
    pub(super) fn seen(&self, now: Instant) -> BTreeMap<DaemonId, DaemonSeen> {
        let seen = |(id, daemon): (&DaemonId, &Daemon)| {
            let gone = self.uninstalled.contains(&id.program);
            let missing = daemon.config.is_none() || gone;
            let begins = daemon.started + BEGINS > now;
            let (state, error) = match (gone, missing, begins) {
                (true, ..) => {
                    let name = id.program.name();
                    (
                        DaemonHealth::Missing,
                        Some(format!(
                            "{name} is not on this machine: install the package that has it"
                        )),
                    )
                }
                (false, true, _) => {
                    (DaemonHealth::Waiting, Some("it has no file to read".to_owned()))
                }
                (false, false, true) => (DaemonHealth::Starting, None),
                (false, false, false) => (DaemonHealth::Running, None),
            };
            let daemon = DaemonSeen {
                id: id.clone(),
                generation: daemon.generation,
                pid: (!missing).then_some(daemon.pid),
                state,
                restarts: daemon.restarts,
                error,
            };
            (id.clone(), daemon)
        };
        self.running.iter().map(seen).collect()
    }
}
