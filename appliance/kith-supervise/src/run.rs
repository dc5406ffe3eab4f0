//! The loop of the supervisor: what roles do and people want goes into the policy, its orders go to the
//! process.

use std::error::Error;
use std::iter::successors;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use kith_core::machine::Machine as _;
use kith_core::time::Instant;
use kith_model::role::{Report, RoleState, RoleStatus, Spawned, Supervision};
use kith_role::clock::SystemClock;
use tokio::sync::{mpsc, watch};

use crate::policy::{Event, FAILURES, Order, Policy};
use crate::process::{Process, Recipe, Sign};
use crate::sockets::{self, SocketError};
use crate::state::{self, Lock, StateError};
use crate::status;

/// What a supervisor is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the box keeps everything; an absolute path.
    pub state: PathBuf,
    /// Where the panel shall listen.
    pub panel: Option<SocketAddr>,
    /// Where peers are listened for.
    pub listen: Option<SocketAddr>,
    /// What the node is told.
    pub spawned: Spawned,
}

/// Why a supervisor cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A socket cannot be opened.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A role failed too often.
    #[error(
        "the {role} failed {FAILURES} times within a minute and stays down; the last time because {why}"
    )]
    GivenUp {
        /// Which.
        role: &'static str,
        /// How it ended the last time.
        why: String,
    },
}

/// What people are told when the box serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The address of the panel, `http://…/`.
    pub panel: String,
    /// The one-time secret to claim the box with, while nobody has.
    pub claim: Option<String>,
}

impl std::fmt::Display for Announcement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "panel {}", self.panel)?;
        self.claim.as_ref().map_or(Ok(()), |claim| write!(f, " claim {claim}"))
    }
}

/// The name of the one role there is so far.
const NODE: &str = "node";

/// A supervisor that holds its state and its sockets and has started nothing yet.
#[derive(Debug)]
pub struct Supervisor {
    state: PathBuf,
    lock: Lock,
    recipe: Recipe,
}

impl Supervisor {
    /// Makes and locks the state and opens the sockets.
    ///
    /// # Errors
    /// [`SuperviseError`] in words for whoever typed the command.
    pub fn prepare(options: Options) -> Result<Self, SuperviseError> {
        state::create(&options.state)?;
        let lock = Lock::take(&options.state)?;
        let panel = sockets::bind_panel(options.panel)?;
        let peers = sockets::bind_peers(&options.state, options.listen)?;
        let state = options.state.clone().into_os_string();
        let arguments = vec!["--state".into(), state, "role".into(), NODE.into()];
        let sockets = vec![OwnedFd::from(panel), OwnedFd::from(peers)];
        let recipe = Recipe { arguments, spawned: options.spawned, sockets };
        Ok(Self { state: options.state, lock, recipe })
    }

    /// Runs the roles until they end on request, or one is given up. Each message on `stops` is one
    /// request; the second does not wait. `announce` is called when the box serves, and again when it
    /// has a fresh secret to claim it with.
    ///
    /// # Errors
    /// [`SuperviseError::GivenUp`].
    pub async fn run(
        self,
        stops: mpsc::Receiver<()>,
        announce: impl FnMut(&Announcement),
    ) -> Result<(), SuperviseError> {
        let clock = SystemClock::start();
        let role = RoleStatus {
            role: NODE.to_owned(),
            state: RoleState::Starting,
            pid: None,
            since: clock.wall().as_millis(),
            restarts: 0,
            last_end: None,
        };
        let pid = std::process::id();
        let since = role.since;
        let (publish, status) = watch::channel(Supervision { pid, since, roles: Vec::new() });
        let watch = Watch {
            clock,
            recipe: self.recipe,
            policy: Policy::new(),
            process: None,
            started: 0,
            role,
            complaint: None,
            publish,
            announced: None,
            announce,
        };
        let result = tokio::select! {
            result = watch.run(stops) => result,
            never = status::serve(&self.state, status) => match never {},
        };
        // Held until the node is gone, so that no second supervisor meets it.
        drop(self.lock);
        result
    }
}

/// One role being looked after.
struct Watch<A> {
    clock: SystemClock,
    recipe: Recipe,
    policy: Policy,
    process: Option<Process>,
    started: u64,
    role: RoleStatus,
    /// What the process said before it ended.
    complaint: Option<String>,
    publish: watch::Sender<Supervision>,
    announced: Option<Announcement>,
    announce: A,
}

impl<A: FnMut(&Announcement)> Watch<A> {
    async fn run(mut self, mut stops: mpsc::Receiver<()>) -> Result<(), SuperviseError> {
        loop {
            while let Some(order) = self.policy.poll_output() {
                match order {
                    Order::Start => self.start().await,
                    Order::Stop => self.stop(),
                    Order::Kill => self.kill(),
                    Order::GiveUp => return Err(self.give_up()),
                    Order::Finish => return Ok(()),
                }
            }
            self.publish();
            tokio::select! {
                biased;
                sign = sign_of(&mut self.process) => self.heed(sign),
                Some(()) = stops.recv() => {
                    self.policy.handle_input(self.clock.now(), Event::StopRequested);
                }
                () = alarm(self.clock, self.policy.poll_timeout()) => {
                    self.policy.handle_timeout(self.clock.now());
                }
            }
        }
    }

    async fn start(&mut self) {
        self.role.restarts = self.started;
        self.started += 1;
        self.role.since = self.clock.wall().as_millis();
        self.role.state = RoleState::Starting;
        match Process::start(&self.recipe).await {
            Ok(process) => {
                self.role.pid = process.pid();
                tracing::debug!(role = NODE, pid = self.role.pid, "started");
                self.process = Some(process);
            }
            Err(error) => self.ended(format!("it could not be started: {}", chain(&error))),
        }
    }

    fn stop(&mut self) {
        self.role.state = RoleState::Stopping;
        self.process.iter().for_each(Process::stop);
    }

    fn kill(&mut self) {
        tracing::warn!(role = NODE, "does not end by itself and is killed");
        self.process.iter_mut().for_each(Process::kill);
    }

    fn give_up(&mut self) -> SuperviseError {
        self.role.state = RoleState::GivenUp;
        self.publish();
        let why = self.role.last_end.clone().unwrap_or_else(|| "it ended".to_owned());
        SuperviseError::GivenUp { role: NODE, why }
    }

    fn heed(&mut self, sign: Sign) {
        match sign {
            Sign::Report(Report::Ready { claim, panel }) => {
                self.ready(Announcement { panel, claim })
            }
            Sign::Report(Report::Failed { message }) => self.complaint = Some(message),
            Sign::Report(Report::Beat | Report::Daemons(_) | Report::Hung(_)) => {}
            Sign::Silent => {}
            Sign::Babble(error) => {
                let error = chain(&error);
                tracing::error!(role = NODE, error, "says what nobody understands and is killed");
                self.process.iter_mut().for_each(Process::kill);
            }
            Sign::Ended(how) => self.ended(how),
        }
    }

    fn ready(&mut self, announcement: Announcement) {
        self.policy.handle_input(self.clock.now(), Event::Ready);
        tracing::info!(role = NODE, panel = announcement.panel, "serves");
        self.role.state = RoleState::Ready;
        // Once claimed, or with the same secret, there is nothing to tell again.
        let fresh = announcement.claim.is_some() || self.announced.is_none();
        if fresh && self.announced.as_ref() != Some(&announcement) {
            (self.announce)(&announcement);
            self.announced = Some(announcement);
        }
    }

    fn ended(&mut self, how: String) {
        self.process = None;
        self.role.pid = None;
        let now = self.clock.now();
        self.policy.handle_input(now, Event::Exited);
        self.role.last_end = Some(self.complaint.take().unwrap_or(how));
        if let Some(until) = self.policy.waiting_until() {
            let (why, pause) = (self.role.last_end.as_deref(), until.since(now));
            tracing::warn!(role = NODE, why, ?pause, "ended and is started again");
            self.role.state = RoleState::Waiting;
        }
    }

    fn publish(&self) {
        self.publish.send_modify(|supervision| supervision.roles = vec![self.role.clone()]);
    }
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Waits until `at`, if ever.
async fn alarm(clock: SystemClock, at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(clock.deadline(at)).await,
        None => std::future::pending().await,
    }
}

/// What the process does next; never, while there is none.
async fn sign_of(process: &mut Option<Process>) -> Sign {
    match process {
        Some(process) => process.sign().await,
        None => std::future::pending().await,
    }
}
