//! The hands of [`super::machine`]: starts processes, watches them until they end, and sends signals to
//! nobody else.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use kith_core::machine::Machine as _;
use kith_model::daemon::{DaemonId, DaemonSeen, DaemonWish};
use kith_model::role::Supervision;
use kith_role::clock::SystemClock;
use nix::sys::stat::Mode;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::cgroup::Cgroups;
use super::machine::{Daemons, Input, Output};
use super::record::{self, Record};
use super::table;
use crate::logs::Logs;
use crate::logs::pump::{Source, pump};
use crate::process;
use crate::run::chain;
use crate::watch::until;

/// What is wanted of the keeper.
#[derive(Debug)]
pub(crate) enum Ask {
    /// These shall run and no others.
    Wished(Vec<DaemonWish>),
    /// A daemon does not answer.
    Hung(DaemonId),
    /// All shall end, and the keeper with them.
    Stop,
    /// The keeper shall end and the daemons run on.
    Leave,
}

/// How a daemon is started. Something else in tests, which have no radios.
pub(crate) trait Starter: Send {
    /// The command that becomes it, in `group` if there is one.
    ///
    /// # Errors
    /// In words, that its program is missing.
    fn command(
        &self,
        id: &DaemonId,
        generation: u64,
        group: Option<&Path>,
    ) -> Result<Command, String>;
}

/// What the keeper is built from.
pub(crate) struct Parts<S> {
    pub(crate) starter: S,
    pub(crate) run: PathBuf,
    pub(crate) cgroups: Option<Cgroups>,
    pub(crate) logs: Logs,
    pub(crate) clock: SystemClock,
    pub(crate) asks: mpsc::Receiver<Ask>,
    pub(crate) seen: watch::Sender<Arc<[DaemonSeen]>>,
    pub(crate) board: watch::Sender<Supervision>,
}

/// Looks after the daemons.
pub(crate) struct Keeper<S> {
    parts: Parts<S>,
    machine: Daemons,
    /// Those that run.
    processes: BTreeMap<DaemonId, Process>,
    ends: JoinSet<(DaemonId, String)>,
    pumps: JoinSet<()>,
    pumped: BTreeMap<DaemonId, AbortHandle>,
}

/// A process that is a daemon, held so that its number cannot become somebody else's.
struct Process {
    handle: OwnedFd,
    /// The number of its process group, if it is our child.
    child: Option<Pid>,
}

impl<S: Starter> Keeper<S> {
    /// Takes over what runs already.
    pub(crate) fn new(parts: Parts<S>) -> Self {
        let mut keeper = Self {
            parts,
            machine: Daemons::default(),
            processes: BTreeMap::new(),
            ends: JoinSet::new(),
            pumps: JoinSet::new(),
            pumped: BTreeMap::new(),
        };
        for id in record::all(&keeper.parts.run) {
            match Record::read(&keeper.parts.run, &id)
                .and_then(|found| Some((found.process()?, found)))
            {
                Some((handle, found)) => keeper.adopt(id, handle, &found),
                // Whoever has its number now is none of our business.
                None => record::forget(&keeper.parts.run, &id),
            }
        }
        keeper
    }

    /// Works until asked to end.
    pub(crate) async fn run(mut self) {
        loop {
            while let Some(output) = self.machine.poll_output() {
                if self.perform(output) {
                    return self.publish();
                }
            }
            self.publish();
            tokio::select! {
                biased;
                Some(ended) = self.ends.join_next() => {
                    if let Ok((id, how)) = ended {
                        self.ended(id, &how);
                    }
                }
                ask = self.parts.asks.recv() => match ask {
                    Some(Ask::Wished(wishes)) => self.tell(Input::Wished(wishes)),
                    Some(Ask::Hung(id)) => self.tell(Input::Hung(id)),
                    Some(Ask::Stop) => self.tell(Input::Stop),
                    Some(Ask::Leave) | None => return,
                },
                Some(_) = self.pumps.join_next() => {}
                () = until(self.parts.clock, self.machine.poll_timeout()) => {
                    self.machine.handle_timeout(self.parts.clock.now());
                }
            }
        }
    }

    fn tell(&mut self, input: Input) {
        self.machine.handle_input(self.parts.clock.now(), input);
    }

    /// Carries out one output; whether that was the last.
    fn perform(&mut self, output: Output) -> bool {
        match output {
            Output::Start { id, generation } => self.start(id, generation),
            Output::Terminate(id) => self.signal(&id, Signal::TERM),
            Output::Kill(id) => self.kill(&id),
            Output::Failing { id, why } => {
                tracing::error!(daemon = %id, why, "fails too often; it is tried once a minute");
            }
            Output::Over => return true,
        }
        false
    }

    fn start(&mut self, id: DaemonId, generation: u64) {
        // One that our predecessor was just starting when it ended has left its file by now.
        let run = &self.parts.run;
        if let Some((handle, found)) =
            Record::read(run, &id).and_then(|found| Some((found.process()?, found)))
        {
            let other = found.generation != generation;
            self.watch_adopted(&id, handle);
            self.tell(Input::Started { id: id.clone(), pid: found.pid });
            if other {
                self.signal(&id, Signal::TERM);
            }
            return;
        }
        match self.spawn(&id, generation) {
            Ok(pid) => {
                tracing::info!(daemon = %id, pid, "started");
                self.tell(Input::Started { id, pid });
            }
            Err(NotStarted::Missing(why)) => {
                tracing::warn!(daemon = %id, why, "cannot be started");
                self.tell(Input::Missing { id, why });
            }
            Err(NotStarted::Failed(error)) => {
                let how = format!("it could not be started: {}", chain(&error));
                self.tell(Input::Ended { id, how });
            }
        }
    }

    fn spawn(&mut self, id: &DaemonId, generation: u64) -> Result<u32, NotStarted> {
        let limits = table::limits(id.program);
        let group =
            self.parts.cgroups.as_ref().map(|groups| groups.make(id, limits)).transpose()?;
        let mut command = self
            .parts
            .starter
            .command(id, generation, group.as_deref())
            .map_err(NotStarted::Missing)?;
        let pipe = self.pipe(id)?;
        let child = command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(pipe.try_clone()?)
            .stderr(pipe)
            .kill_on_drop(false)
            .spawn()?;
        let number = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let number = number.ok_or_else(|| io::Error::other("it has no number"))?;
        // Still ours to be collected, so no other process can be meant.
        let handle = pidfd_open(number, PidfdFlags::empty()).map_err(io::Error::from)?;
        self.processes.insert(id.clone(), Process { handle, child: Some(number) });
        self.ends.spawn(end_of_child(id.clone(), child));
        Ok(number.as_raw_nonzero().get().unsigned_abs())
    }

    fn adopt(&mut self, id: DaemonId, handle: OwnedFd, found: &Record) {
        tracing::info!(daemon = %id, pid = found.pid, "runs already and is looked after again");
        self.watch_adopted(&id, handle);
        if let Err(error) = self.pipe(&id) {
            tracing::warn!(daemon = %id, %error, "what it says is lost");
        }
        let (generation, pid) = (found.generation, found.pid);
        self.tell(Input::Adopted { id, generation, pid });
    }

    fn watch_adopted(&mut self, id: &DaemonId, handle: OwnedFd) {
        match handle.try_clone() {
            Ok(watched) => self.ends.spawn(end_of_adopted(id.clone(), watched)),
            Err(error) => {
                tracing::error!(daemon = %id, %error, "cannot be watched");
                return;
            }
        };
        self.processes.insert(id.clone(), Process { handle, child: None });
    }

    /// The writing end of the pipe into the log. A daemon outlives us, and would die of a pipe that nobody
    /// reads any more; so it is one with a name, which its writer can read itself, and which is full at
    /// worst.
    fn pipe(&mut self, id: &DaemonId) -> io::Result<OwnedFd> {
        let path = self.parts.run.join("log").join(id.file());
        match nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = nix::fcntl::OFlag::O_NONBLOCK | nix::fcntl::OFlag::O_NOFOLLOW;
        let pipe =
            OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(&path)?;
        if !pipe.metadata()?.file_type().is_fifo() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if !self.pumped.contains_key(id) {
            let reader = pipe::OpenOptions::new().read_write(true).open_receiver(&path)?;
            let source = Source { name: id.file(), named: true };
            let pumping = self.pumps.spawn(pump(reader, source, self.parts.logs.clone()));
            self.pumped.insert(id.clone(), pumping);
        }
        Ok(pipe.into())
    }

    fn ended(&mut self, id: DaemonId, how: &str) {
        self.processes.remove(&id);
        record::forget(&self.parts.run, &id);
        if let Some(groups) = &self.parts.cgroups {
            groups.remove(&id);
        }
        let how = match self.parts.logs.last_of(&id.file()) {
            Some(words) => format!("{how}; its last words: {words}"),
            None => how.to_owned(),
        };
        tracing::warn!(daemon = %id, how, "ended");
        self.tell(Input::Ended { id, how });
    }

    fn signal(&self, id: &DaemonId, signal: Signal) {
        if let Some(process) = self.processes.get(id)
            && let Err(error) = pidfd_send_signal(&process.handle, signal)
        {
            // It has just ended by itself.
            tracing::debug!(daemon = %id, %error, "cannot be sent a signal");
        }
    }

    fn kill(&self, id: &DaemonId) {
        let Some(process) = self.processes.get(id) else { return };
        tracing::warn!(daemon = %id, "is killed");
        let killed = pidfd_send_signal(&process.handle, Signal::KILL);
        if let Some(groups) = &self.parts.cgroups
            && groups.kill(id).is_ok()
        {
            return;
        }
        // Only while our child has not been collected: then its number is nobody else's.
        if let (Ok(()), Some(child)) = (killed, process.child) {
            kill_process_group(child, Signal::KILL).ok();
        }
    }

    fn publish(&mut self) {
        let seen: Arc<[_]> = self.machine.seen().into();
        let changed = self.parts.seen.send_if_modified(|shown| {
            let changed = *shown != seen;
            shown.clone_from(&seen);
            changed
        });
        if changed {
            self.parts.board.send_modify(|board| board.daemons = seen.to_vec());
            self.pumped.retain(|id, pumping| {
                let known = seen.iter().any(|daemon| daemon.id == *id);
                if !known {
                    pumping.abort();
                    fs::remove_file(self.parts.run.join("log").join(id.file())).ok();
                }
                known
            });
        }
    }
}

enum NotStarted {
    Missing(String),
    Failed(io::Error),
}

impl From<io::Error> for NotStarted {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

async fn end_of_child(id: DaemonId, mut child: Child) -> (DaemonId, String) {
    let how = match child.wait().await {
        Ok(status) => process::words(status),
        Err(error) => format!("nobody knows how it ended: {error}"),
    };
    (id, how)
}

/// A process that is not our child says that it ended, and not how.
async fn end_of_adopted(id: DaemonId, handle: OwnedFd) -> (DaemonId, String) {
    #[allow(
        deprecated,
        reason = "its replacement is unsafe, for types that change their descriptor"
    )]
    let handle = AsyncFd::with_interest(handle, Interest::READABLE);
    let ended = match handle {
        Ok(handle) => handle.readable().await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::error!(daemon = %id, %error, "cannot be watched any more");
    }
    (id, "it ended".to_owned())
}

/// Starts daemons by becoming them: this program again, which then drops privileges and executes.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) run: PathBuf,
    pub(crate) drop: bool,
}

impl Starter for Program {
    fn command(
        &self,
        id: &DaemonId,
        generation: u64,
        group: Option<&Path>,
    ) -> Result<Command, String> {
        if table::find(id.program).is_none() {
            let name = id.program.name();
            return Err(format!("{name} is not on this machine: install the package that has it"));
        }
        let mut command = Command::new("/proc/self/exe");
        // It has no home to look for a state in, and needs none.
        command
            .arg("--state")
            .arg(&self.run)
            .args(["role", "exec-daemon", id.program.name(), &id.instance.to_string()])
            .args(["--generation", &generation.to_string()])
            .arg("--run")
            .arg(&self.run);
        if let Some(group) = group {
            command.arg("--group").arg(group);
        }
        if self.drop {
            command.arg("--drop");
        }
        Ok(command)
    }
}
