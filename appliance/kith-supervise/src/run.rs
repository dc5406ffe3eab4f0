//! The supervisor put together: it takes the state and the sockets, starts the looking after, and hears
//! what roles want until all of them have ended.

use std::convert::Infallible;
use std::error::Error;
use std::iter::successors;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kith_model::daemon::DaemonSeen;
use kith_model::role::{Mode, Spawned, Supervision};
use kith_role::clock::SystemClock;
use kith_role::users;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::daemons::cgroup::Cgroups;
use crate::daemons::keeper::{self, Ask, Keeper};
use crate::folders::{self, FolderError};
use crate::logs::{self, Logs};
use crate::policy::{FAILURES, Rules};
use crate::process::Recipe;
use crate::roles::Role;
use crate::safe::SafeMode;
use crate::sockets::{self, SocketError};
use crate::state::{self, Lock, StateError};
use crate::status;
use crate::watch::{End, News, Parts, Watch};
use crate::watchdog::Watchdog;

/// What a supervisor is to run.
#[derive(Clone, Debug, Default)]
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
    /// What the roles are told; `run` and `safe_mode` are filled in.
    pub spawned: Spawned,
    /// For labs only: on an appliance, roles and daemons stay who the supervisor is, and what belongs to the
    /// whole machine (control groups, watchdog) is left alone. Refused outside of a user namespace.
    pub keep_privileges: bool,
    /// Daemons run on when the box is asked to stop.
    pub keep_daemons: bool,
    /// Where the supervisor's own lines go, if somebody passes them on.
    pub logs: Option<Logs>,
}

/// Why a supervisor cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The run directory or the state cannot be laid out.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Only root can look after a machine's network.
    #[error("the profile appliance needs root: it becomes other users and looks after the network")]
    NotRoot,
    /// Roles shall keep privileges over the whole machine.
    #[error(
        "--no-privilege-drop is for labs in a user namespace (unshare -Urnm), and this is not one: roles \
         would stay root of this machine; leave it out"
    )]
    NotALab,
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
    run: PathBuf,
    lock: Lock,
    spawned: Spawned,
    sockets: Vec<OwnedFd>,
    /// Whether roles and daemons become users of their own.
    drop: bool,
    keep_daemons: bool,
    logs: Logs,
}

impl Supervisor {
    /// Makes and locks the state, lays out its folders and opens the sockets.
    ///
    /// # Errors
    /// [`SuperviseError`] in words for whoever typed the command.
    pub fn prepare(options: Options) -> Result<Self, SuperviseError> {
        let Options { state, spawned, .. } = options;
        let appliance = spawned.mode == Mode::Appliance;
        if appliance && !nix::unistd::geteuid().is_root() {
            return Err(SuperviseError::NotRoot);
        }
        if appliance && options.keep_privileges {
            if !users::in_namespace() {
                return Err(SuperviseError::NotALab);
            }
            tracing::warn!("a lab: roles and daemons stay root of this namespace");
        }
        let drop = appliance && !options.keep_privileges;
        state::create(&state)?;
        let lock = Lock::take(&state)?;
        let run = options.run.unwrap_or_else(|| default_run(spawned.mode, &state));
        let text = run.to_str().ok_or_else(|| SuperviseError::RunName(run.clone()))?.to_owned();
        folders::prepare_run(&run, drop)?;
        if appliance {
            folders::place_hook(&run)?;
        }
        if appliance && options.panel.is_none() {
            sockets::wait_for_predecessor();
        }
        let panel = sockets::bind_panel(options.panel, appliance)?;
        let peers = sockets::bind_peers(&state, options.listen)?;
        if drop {
            folders::prepare_state(&state)?;
        }
        let logs = options.logs.unwrap_or_default();
        logs.set_capacity(if appliance { logs::APPLIANCE_BYTES } else { logs::TRYOUT_BYTES });
        Ok(Self {
            state,
            run,
            lock,
            spawned: Spawned { run: text, ..spawned },
            sockets: vec![OwnedFd::from(panel), OwnedFd::from(peers)],
            drop,
            keep_daemons: options.keep_daemons,
            logs,
        })
    }

    /// Runs the roles until they end on request, or one is given up. Each message on `stops` is one
    /// request; the second does not wait. `announce` is called when the box serves, and again when it
    /// has a fresh secret to claim it with.
    ///
    /// # Errors
    /// [`SuperviseError::GivenUp`].
    pub async fn run(
        mut self,
        stops: mpsc::Receiver<()>,
        announce: impl FnMut(&Announcement),
    ) -> Result<(), SuperviseError> {
        let clock = SystemClock::start();
        let appliance = self.spawned.mode == Mode::Appliance;
        let (board, status) = watch::channel(Supervision {
            pid: std::process::id(),
            since: clock.wall().as_millis(),
            mode: self.spawned.mode,
            ..Supervision::default()
        });
        let safe_mode = SafeMode::resume(&self.run);
        let (news, heard) = mpsc::channel(NEWS);
        let (stop, stopped) = watch::channel(0);
        let (seen, daemons) = watch::channel(Arc::from([]));
        let keeper = appliance.then(|| self.keep_daemons(clock, seen, &board));
        let mut roles = JoinSet::new();
        for &role in Role::of(self.spawned.mode) {
            let parts = Parts {
                role,
                clock,
                recipe: self.recipe(role),
                rules: if appliance { Rules::ALONE } else { Rules::WATCHED },
                board: board.clone(),
                news: news.clone(),
                stops: stopped.clone(),
                daemons: daemons.clone(),
                logs: self.logs.clone(),
                safe_mode: safe_mode.clone(),
            };
            roles.spawn(Watch::new(parts).run());
        }
        let centre = Centre { roles, heard, stops, stop, keeper, announced: None, announce };
        let desk = status::Desk { board: status.clone(), logs: self.logs.clone(), safe_mode };
        // A lab's box is not the machine, which shall not start anew because of it.
        let mut watchdog = if appliance && self.drop { Watchdog::open() } else { None };
        let result = tokio::select! {
            result = centre.run(self.keep_daemons) => result,
            never = status::serve(&self.state, self.drop, desk) => match never {},
            never = feed(&mut watchdog, clock, status) => match never {},
        };
        if let (Ok(()), Some(watchdog)) = (&result, watchdog) {
            watchdog.close();
        }
        // Held until the roles are gone, so that no second supervisor meets them.
        drop(self.lock);
        result
    }

    /// What a role is started with; the sockets are the node's.
    fn recipe(&mut self, role: Role) -> Recipe {
        let sockets = match role {
            Role::Link => Vec::new(),
            Role::Node => std::mem::take(&mut self.sockets),
        };
        let arguments = role.arguments(&self.state, self.drop);
        Recipe { arguments, spawned: self.spawned.clone(), sockets }
    }

    /// Starts looking after the daemons.
    fn keep_daemons(
        &self,
        clock: SystemClock,
        seen: watch::Sender<Arc<[DaemonSeen]>>,
        board: &watch::Sender<Supervision>,
    ) -> (mpsc::Sender<Ask>, JoinSet<()>) {
        let cgroups = if self.drop {
            Cgroups::open()
        } else {
            Err("a lab leaves the machine's control groups alone".to_owned())
        };
        board.send_modify(|board| board.notes = notes(&cgroups, self.drop));
        for note in &board.borrow().notes {
            tracing::warn!(note, "not as protected as it could be");
        }
        let (asks, asked) = mpsc::channel(NEWS);
        let keeper = Keeper::new(keeper::Parts {
            starter: keeper::Program { run: self.run.clone(), drop: self.drop },
            run: self.run.clone(),
            cgroups: cgroups.ok(),
            logs: self.logs.clone(),
            clock,
            asks: asked,
            seen,
            board: board.clone(),
        });
        let mut keeping = JoinSet::new();
        keeping.spawn(keeper.run());
        (asks, keeping)
    }
}

/// What does not protect the box as it should.
fn notes(cgroups: &Result<Cgroups, String>, drop: bool) -> Vec<String> {
    let groups = match cgroups {
        Ok(groups) if groups.limit_memory() => None,
        Ok(_) => Some(
            "The kernel does not limit the memory of groups (cgroup_enable=memory switches it on): each \
             daemon limits its own."
                .to_owned(),
        ),
        Err(why) => Some(format!("Daemons are limited one process at a time, since {why}.")),
    };
    let privileges =
        "Roles and daemons keep all privileges, as --no-privilege-drop says: for labs only.";
    groups.into_iter().chain((!drop).then(|| privileges.to_owned())).collect()
}

fn default_run(mode: Mode, state: &Path) -> PathBuf {
    match mode {
        Mode::Appliance => PathBuf::from("/run/kith"),
        Mode::Tryout | Mode::Host => state.join("run"),
    }
}

/// Feeds the watchdog, if there is one.
async fn feed(
    watchdog: &mut Option<Watchdog>,
    clock: SystemClock,
    board: watch::Receiver<Supervision>,
) -> Infallible {
    match watchdog {
        Some(watchdog) => watchdog.feed(clock, board).await,
        None => std::future::pending().await,
    }
}

/// Where everything comes together.
struct Centre<A> {
    roles: JoinSet<(Role, End)>,
    heard: mpsc::Receiver<(Role, News)>,
    stops: mpsc::Receiver<()>,
    stop: watch::Sender<u32>,
    keeper: Option<(mpsc::Sender<Ask>, JoinSet<()>)>,
    announced: Option<Announcement>,
    announce: A,
}

impl<A: FnMut(&Announcement)> Centre<A> {
    async fn run(mut self, keep_daemons: bool) -> Result<(), SuperviseError> {
        let result = self.until_the_roles_end().await;
        if let Some((asks, mut keeping)) = self.keeper.take() {
            let ask = if keep_daemons { Ask::Leave } else { Ask::Stop };
            // A keeper that is gone has nothing left to end.
            asks.send(ask).await.ok();
            keeping.join_next().await;
        }
        result
    }

    async fn until_the_roles_end(&mut self) -> Result<(), SuperviseError> {
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
                Some((role, news)) = self.heard.recv() => self.hear(role, news).await,
                Some(()) = self.stops.recv() => self.stop_roles(),
            }
        }
    }

    fn stop_roles(&self) {
        self.stop.send_modify(|times| *times += 1);
    }

    async fn hear(&mut self, role: Role, news: News) {
        match news {
            News::Ready { panel, claim } => match role {
                Role::Node => self.serves(Announcement { panel, claim }),
                Role::Link => {}
            },
            News::Daemons(wishes) => self.ask(Ask::Wished(wishes)).await,
            News::DaemonHung(daemon) => self.ask(Ask::Hung(daemon)).await,
        }
    }

    async fn ask(&self, ask: Ask) {
        match &self.keeper {
            Some((asks, _)) if asks.send(ask).await.is_ok() => {}
            Some(_) => tracing::error!("nobody looks after the daemons any more"),
            None => tracing::debug!("daemons are run on an appliance only"),
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
