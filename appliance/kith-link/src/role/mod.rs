//! The link process: its socket, its hands and the machine between them, until the supervisor goes.

mod boot;
mod disk;
mod door;
mod drive;
mod offers;
mod printed;
mod supervisor;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use kith_files::{Files, PRIVATE_DIR, RealFiles, Switches, create_dir_durably};
use kith_model::daemon::Program;
use kith_model::network::ask::{MAX_MESSAGE, SOCKET};
use kith_model::profile::{self, Profile};
use kith_model::role::{Mode, Spawned};
use kith_role::clock::SystemClock;
use kith_role::driver::drive;
use kith_role::socket::{self, SocketError};
use kith_role::users;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::drive::{Desk, Fact};
use self::offers::Offers;
pub use self::supervisor::Supervised;
use crate::control::{Control, Printed, Setup};
use crate::hands::real::{self, RealHands};
use crate::hands::{Hands, HandsError};
use crate::simulated::{SimulatedHands, World};
use crate::store::{FOLDER, load};

/// Facts that may wait for the machine.
const FACTS: usize = 64;

/// Where an image says which board it is for: the name of a hardware profile.
const BOARD: &str = "/etc/kith/board";

/// Why the role cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its socket cannot be made.
    #[error("the socket for questions about the network cannot be made")]
    Socket(#[from] SocketError),
    /// The channel to the supervisor is of no use.
    #[error("the supervisor cannot be reached")]
    Supervisor(#[source] std::io::Error),
    /// The random source is not there.
    #[error("the system has no random source")]
    Random(#[source] std::io::Error),
    /// The hands cannot begin.
    #[error(transparent)]
    Hands(#[from] HandsError),
    /// A part of it ended that should have run on.
    #[error("a part of the link role broke; the log says which")]
    Broken,
}

/// Runs the role until `supervisor` closes.
///
/// # Errors
/// [`RunError`] in words for whoever reads the log.
pub async fn run(state: &Path, spawned: Spawned, supervisor: OwnedFd) -> Result<(), RunError> {
    let clock = SystemClock::start();
    let (facts, inbox) = mpsc::channel(FACTS);
    let mut tasks = JoinSet::new();
    let supervised =
        supervisor::attend(supervisor, facts.clone(), &mut tasks).map_err(RunError::Supervisor)?;
    let role = Role { state, spawned, clock, facts, inbox, supervised };
    match role.spawned.mode {
        Mode::Tryout => {
            let profile = profile::tryout();
            let (neighbours, devices) = crowd(state);
            let world = World::booted(seed(state), &profile).crowded(neighbours, devices);
            role.go(profile, SimulatedHands::new(world, clock), tasks).await
        }
        Mode::Appliance => {
            let folder = Path::new(&role.spawned.run).join("link");
            let supervisor = Some(role.supervised.clone());
            let setup = real::Setup { folder: &folder, groups: groups(), supervisor, clock };
            let hands = RealHands::start(setup).await?;
            role.go(board(), hands, tasks).await
        }
        // On a machine that is not managed the supervisor starts no link.
        Mode::Host => {
            let refused = "the system manages this machine's network, so there is nothing to drive";
            Err(HandsError::Refused(refused.to_owned()).into())
        }
    }
}

/// The board that the image says it is for.
fn board() -> Profile {
    let name = std::fs::read_to_string(BOARD).unwrap_or_default();
    let name = name.trim();
    let known = profile::by_name(name);
    if name.is_empty() {
        tracing::info!("no board is named in {BOARD}: all ports are the household's");
    } else if known.is_none() {
        tracing::warn!(board = name, "an unknown board: all its ports are the household's");
    }
    known.unwrap_or_else(profile::generic)
}

/// The groups of daemons, where this process has become the user who is in all of them.
fn groups() -> BTreeMap<Program, u32> {
    let dropped = nix::unistd::geteuid().as_raw() == users::LINK;
    Program::ALL
        .into_iter()
        .filter(|_| dropped)
        .map(|program| (program, users::of(program)))
        .collect()
}

/// The same box that is not there every time, but not the same as in another state.
fn seed(state: &Path) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

/// For measuring only: so many more neighbours and devices as the state's file `crowd` names.
fn crowd(state: &Path) -> (u8, u8) {
    let text = std::fs::read_to_string(state.join("crowd")).unwrap_or_default();
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// All that the parts of the role are made of.
struct Role<'a> {
    state: &'a Path,
    spawned: Spawned,
    clock: SystemClock,
    facts: mpsc::Sender<Fact>,
    inbox: mpsc::Receiver<Fact>,
    supervised: Supervised,
}

impl Role<'_> {
    /// The printed secret; a box that is not there has none.
    fn printed(&self) -> Printed {
        match self.spawned.mode {
            Mode::Appliance => printed::read(Path::new(printed::PLACE)),
            Mode::Tryout | Mode::Host => Printed::None,
        }
    }

    async fn go<H: Hands + 'static>(
        self,
        profile: Profile,
        hands: H,
        mut tasks: JoinSet<()>,
    ) -> Result<(), RunError> {
        let spawned = &self.spawned;
        // A box that is not there begins anew with its process.
        let folder = Path::new(&spawned.run).join("link");
        let offers = (spawned.mode != Mode::Tryout).then(|| Offers::read(&folder));
        let switches = Switches { no_fsync: spawned.no_fsync, no_dirsync: spawned.no_dirsync };
        let files: Arc<dyn Files> = Arc::new(RealFiles::with(switches));
        let folder = self.state.join(FOLDER);
        if let Err(error) = create_dir_durably(&*files, &folder, PRIVATE_DIR) {
            tracing::error!(%error, "the settings cannot be kept");
        }
        let loaded = load(&*files, &folder);
        for complaint in &loaded.complaints {
            tracing::error!(complaint, "in the settings");
        }
        let setup = Setup {
            simulated: spawned.mode == Mode::Tryout,
            safe_mode: spawned.safe_mode.clone(),
            run: spawned.run.clone(),
            boot: boot::this(self.clock.now()),
            offers: offers.as_ref().map(|offers| offers.all().clone()).unwrap_or_default(),
            printed: self.printed(),
            profile,
        };
        let control = Control::new(self.clock.now(), self.clock.wall(), setup, loaded);
        let guests = kith_role::users::guests_of_link();
        let listener = socket::bind_for(self.state, SOCKET, MAX_MESSAGE, guests)?;
        let jobs = worker::start(hands, offers, self.facts.clone(), &mut tasks);
        let orders = disk::start((files, folder), self.facts.clone(), &mut tasks);
        tasks.spawn(door::serve(listener, self.facts.clone()));
        let desk = Desk::new(self.clock, self.inbox, (jobs, orders), self.supervised.reports)?;
        // The desk must be the only one that ends by itself.
        drop(self.facts);
        let ended = tokio::select! {
            (_, desk) = drive(control, desk, self.clock) => desk.ended(),
            _ = tasks.join_next() => Err(RunError::Broken),
        };
        tasks.shutdown().await;
        ended
    }
}
