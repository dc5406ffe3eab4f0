//! The supervisor put together: it takes the state and the sockets, starts the looking after, and hears
//! what roles want until all of them have ended.

use std::error::Error;
use std::iter::successors;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kith_files::{FileError, PRIVATE_DIR, RealFiles, create_dir_durably};
use kith_model::role::{Mode, Spawned, Supervision};
use kith_role::clock::SystemClock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::policy::{FAILURES, Rules};
use crate::process::Recipe;
use crate::roles::Role;
use crate::sockets::{self, SocketError};
use crate::state::{self, Lock, StateError};
use crate::status;
use crate::watch::{End, News, Parts, Watch};

/// What a supervisor is to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the box keeps everything; an absolute path.
    pub state: PathBuf,
    /// Where what lasts until the next boot is kept, an absolute path; by default `/run/kith` on an
    /// appliance and `run` in the state elsewhere.
    pub run: Option<PathBuf>,
    /// Where the panel shall listen.
    pub panel: Option<SocketAddr>,
    /// Where peers are listened for.
    pub listen: Option<SocketAddr>,
    /// What the roles are told; its `run` is filled in.
    pub spawned: Spawned,
}

/// Why a supervisor cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The run directory cannot be made.
    #[error("cannot make {}: choose another directory with --run", path.display())]
    Run {
        /// Which.
        path: PathBuf,
        /// Why.
        source: FileError,
    },
    /// The run directory has a name that is no text.
    #[error("{} is not a name in UTF-8: choose another directory with --run", .0.display())]
    RunName(PathBuf),
    /// A socket cannot be opened.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A role failed too often.
    #[error(
        "the {role} failed {FAILURES} times within a minute and stays down; the last time because {why}"
    )]
    GivenUp {
        /// Which.
        role: Role,
        /// How it ended the last time.
        why: String,
    },
    /// A part of the supervisor itself broke.
    #[error("the supervisor broke; the log says how")]
    Broken,
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

/// News that may wait: a role says little, and the supervisor hears it at once.
const NEWS: usize = 16;

/// A supervisor that holds its state and its sockets and has started nothing yet.
#[derive(Debug)]
pub struct Supervisor {
    state: PathBuf,
    lock: Lock,
    spawned: Spawned,
    sockets: Vec<OwnedFd>,
}

impl Supervisor {
    /// Makes and locks the state and opens the sockets.
    ///
    /// # Errors
    /// [`SuperviseError`] in words for whoever typed the command.
    pub fn prepare(options: Options) -> Result<Self, SuperviseError> {
        state::create(&options.state)?;
        let lock = Lock::take(&options.state)?;
        let run = options.run.unwrap_or_else(|| default_run(options.spawned.mode, &options.state));
        create_dir_durably(&RealFiles::new(), &run, PRIVATE_DIR)
            .map_err(|source| SuperviseError::Run { path: run.clone(), source })?;
        let run = run.into_os_string().into_string();
        let run = run.map_err(|name| SuperviseError::RunName(name.into()))?;
        let panel = sockets::bind_panel(options.panel)?;
        let peers = sockets::bind_peers(&options.state, options.listen)?;
        let sockets = vec![OwnedFd::from(panel), OwnedFd::from(peers)];
        let spawned = Spawned { run, ..options.spawned };
        Ok(Self { state: options.state, lock, spawned, sockets })
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
        let Self { state, lock, spawned, sockets } = self;
        let clock = SystemClock::start();
        let since = clock.wall().as_millis();
        let (board, status) =
            watch::channel(Supervision { pid: std::process::id(), since, ..Default::default() });
        let (news, heard) = mpsc::channel(NEWS);
        let (stop, stopped) = watch::channel(0);
        let (_seen, daemons) = watch::channel(Arc::from([]));
        let rules = match spawned.mode {
            Mode::Appliance => Rules::ALONE,
            Mode::Tryout | Mode::Host => Rules::WATCHED,
        };
        let mut sockets = Some(sockets);
        let mut roles = JoinSet::new();
        for &role in Role::of(spawned.mode) {
            let parts = Parts {
                role,
                clock,
                recipe: recipe(role, &state, &spawned, &mut sockets),
                rules,
                board: board.clone(),
                news: news.clone(),
                stops: stopped.clone(),
                daemons: daemons.clone(),
            };
            roles.spawn(Watch::new(parts).run());
        }
        drop(news);
        let centre = Centre { roles, heard, stops, stop, announced: None, announce };
        let result = tokio::select! {
            result = centre.run() => result,
            never = status::serve(&state, status) => match never {},
        };
        // Held until the roles are gone, so that no second supervisor meets them.
        drop(lock);
        result
    }
}

fn default_run(mode: Mode, state: &Path) -> PathBuf {
    match mode {
        Mode::Appliance => PathBuf::from("/run/kith"),
        Mode::Tryout | Mode::Host => state.join("run"),
    }
}

/// What a role is started with; the sockets are the node's.
fn recipe(
    role: Role,
    state: &Path,
    spawned: &Spawned,
    sockets: &mut Option<Vec<OwnedFd>>,
) -> Recipe {
    let sockets = match role {
        Role::Link => Vec::new(),
        Role::Node => sockets.take().unwrap_or_default(),
    };
    Recipe { arguments: role.arguments(state), spawned: spawned.clone(), sockets }
}

/// Where everything comes together.
struct Centre<A> {
    roles: JoinSet<(Role, End)>,
    heard: mpsc::Receiver<(Role, News)>,
    stops: mpsc::Receiver<()>,
    stop: watch::Sender<u32>,
    announced: Option<Announcement>,
    announce: A,
}

impl<A: FnMut(&Announcement)> Centre<A> {
    async fn run(mut self) -> Result<(), SuperviseError> {
        let mut result = Ok(());
        loop {
            tokio::select! {
                ended = self.roles.join_next() => match ended {
                    None => return result,
                    Some(Ok((_, End::Requested))) => {}
                    Some(Ok((role, End::GivenUp(why)))) => {
                        // The others serve nobody alone, and the first reason is the one to tell.
                        result = result.and(Err(SuperviseError::GivenUp { role, why }));
                        self.stop_roles();
                    }
                    Some(Err(error)) => {
                        tracing::error!(%error, "a part of the supervisor broke");
                        result = result.and(Err(SuperviseError::Broken));
                        self.stop_roles();
                    }
                },
                Some((role, news)) = self.heard.recv() => self.hear(role, news),
                Some(()) = self.stops.recv() => self.stop_roles(),
            }
        }
    }

    fn stop_roles(&self) {
        self.stop.send_modify(|times| *times += 1);
    }

    fn hear(&mut self, role: Role, news: News) {
        match news {
            News::Ready { panel, claim } => match role {
                Role::Node => self.serves(Announcement { panel, claim }),
                Role::Link => {}
            },
            News::Daemons(wishes) => tracing::debug!(?wishes, "no daemons are run yet"),
            News::DaemonHung(daemon) => tracing::debug!(%daemon, "no daemons are run yet"),
        }
    }

    fn serves(&mut self, announcement: Announcement) {
        // Once claimed, or with the same secret, there is nothing to tell again.
        let fresh = announcement.claim.is_some() || self.announced.is_none();
        if fresh && self.announced.as_ref() != Some(&announcement) {
            (self.announce)(&announcement);
            self.announced = Some(announcement);
        }
    }
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
