//! Puts a node together and runs it until it is told to stop.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use kith_core::identity::{NodeId, SecretKey};
use kith_files::{Files, RealFiles, Switches};
use kith_model::control::MAX_MESSAGE;
use kith_model::refusal::Refusal;
use kith_model::role::{Mode, Report};
use kith_net::interfaces;
use kith_net::quic::{self, Endpoint};
use kith_proto::replica::{Replica, Setup};
use kith_proto::views::Views;
use kith_role::clock::SystemClock;
use kith_role::socket;
use kith_store::Store;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
use crate::clock::Clock;
use crate::desk::{self, Desk, Message};
use crate::door::Door;
use crate::gate::{Gate, Keeper};
use crate::hub::{self, Facts, Hub, HubHandle, Identity};
use crate::keys::{KeyError, Keys};
use crate::pace::{Ear, Pace};
use crate::pulse::{self, Pulse};
use crate::recall::{self, Publisher, Recall};
use crate::router::Router;
use crate::{control, gate, glance, neighbours, opening, pace, secret};

/// Facts that may wait for the hub.
const FACTS: usize = 256;

/// What a node is given.
#[derive(Debug)]
pub struct Options {
    /// Where it keeps everything.
    pub state: PathBuf,
    /// The panel's listener.
    pub panel: TcpListener,
    /// Names besides its own by which browsers may address the panel.
    pub hosts: Vec<String>,
    /// How far the box manages the machine: on an appliance the panel looks at whom it serves where.
    pub mode: Mode,
    /// The socket for peers.
    pub peers: UdpSocket,
    /// The channel to the supervisor; the node ends when it closes.
    pub supervisor: Option<OwnedFd>,
    /// Test-only: leave out what makes writes last.
    pub switches: Switches,
}

/// Why a node cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Store(#[from] kith_store::StoreError),
    /// The box's key cannot be read or made.
    #[error("the box's key cannot be read or made")]
    Key(#[from] KeyError),
    /// The socket for peers is of no use.
    #[error("the socket for peers is of no use")]
    Peers(#[from] quic::BindError),
    /// The node's Unix socket cannot be made.
    #[error("the node's own socket cannot be made")]
    Socket(#[from] socket::SocketError),
    /// The desk cannot be set up.
    #[error("the box cannot be set up")]
    Desk(#[from] Refusal),
    /// A part of the node ended that should have run on.
    #[error("a part of the node broke; the log says which")]
    Broken,
    /// The system refused.
    #[error("the system refused")]
    System(#[from] std::io::Error),
}

/// Runs a node until its supervisor's channel closes.
///
/// # Errors
/// [`RunError`] when it cannot start, or its panel breaks.
pub async fn run(options: Options) -> Result<(), RunError> {
    let files: Arc<dyn Files> = Arc::new(RealFiles::with(options.switches));
    kith_files::create_dir_durably(&*files, &options.state, kith_files::PRIVATE_DIR)
        .map_err(KeyError::from)?;
    let store = open_store(&files, &options.state).await?;
    let key = Keys::new(&*files, &options.state).node()?;
    let clock = Arc::new(Clock::resume(SystemClock::start(), &store));
    let parts = Parts { files, store, clock, key, stop: CancellationToken::new() };
    parts.run(options).await
}

/// Opens the store on a thread of its own, since replaying a long log takes a while.
async fn open_store(files: &Arc<dyn Files>, state: &Path) -> Result<Store, RunError> {
    let (files, state) = (Arc::clone(files), state.to_owned());
    let open = move || {
        let mut report = |step: kith_store::Step| tracing::info!(?step, "the store opens");
        let options = kith_store::Options::default();
        Store::open(files, &state, Arc::new(Views), &options, &mut report)
    };
    let opened = tokio::task::spawn_blocking(open).await.map_err(std::io::Error::other)?;
    Ok(opened?)
}

/// What the neighbours hear of the node.
fn announced(identity: &Identity, panel: SocketAddr, door: &Door) -> neighbours::Announced {
    let (node, port) = (identity.node, identity.port);
    neighbours::Announced { node, port, panel, status: door.watch() }
}

/// What the node is to the network of its machine.
fn acquainted(
    options: &Options,
    node: NodeId,
    (door, gate, pace): (&Door, Keeper, Pace),
) -> Result<glance::Acquainted, RunError> {
    let panel_port = options.panel.local_addr()?.port();
    let router = Router::new(options.state.clone());
    Ok(glance::Acquainted { node, panel_port, status: door.watch(), router, gate, pace })
}

/// What everything in a node is built on.
struct Parts {
    files: Arc<dyn Files>,
    store: Store,
    clock: Arc<Clock>,
    key: SecretKey,
    stop: CancellationToken,
}

impl Parts {
    async fn run(self, options: Options) -> Result<(), RunError> {
        let identity = self.identity(&options)?;
        let (facts, for_hub) = mpsc::channel(FACTS);
        let (queue, messages) = mpsc::channel(desk::QUEUE);
        let (pulse, turns) = Pulse::new(queue.clone());
        let shared = Arc::new(Facts::default());
        let handle = HubHandle::new(facts.clone(), Arc::clone(&shared), identity.clone());
        let claim = secret::claim();
        let (published, watching) = recall::pair(Arc::clone(&self.clock));
        let (claimed, desk) = self
            .start_desk(
                (&options, handle.clone()),
                (queue.clone(), messages),
                (published, claim.clone()),
            )
            .await?;
        let (archive, archiving) = Archive::start(
            self.store.clone(),
            Arc::clone(&self.clock),
            (facts.clone(), Arc::clone(&shared)),
            (queue.clone(), self.stop.clone().drop_guard()),
        )?;
        let (gate, keeper) = gate::pair(options.mode, watching.status.clone());
        let (ear, pace) = pace::pair();
        let door = self.door(&options, queue.clone(), (watching, gate, ear));
        let acquainted = acquainted(&options, identity.node, (&door, keeper, pace))?;
        let parts = hub::Parts {
            endpoint: Endpoint::bind(options.peers, &self.key, quic::Config::default())?,
            archive,
            desk: queue.clone(),
            facts: for_hub,
            turns,
            shared,
        };
        let hub = Hub::new(parts, self.stop.clone());
        let listener = socket::bind(&options.state, control::SOCKET, MAX_MESSAGE)?;

        let mut tasks = JoinSet::new();
        tasks.spawn(hub.run(self.replica(), self.clock.system()));
        // Before anybody can ask: what is not here whole must not look as if it were.
        self.tell_the_hub(handle, options.state.clone()).await;
        let announced = announced(&identity, options.panel.local_addr()?, &door);
        let host = neighbours::Host { port: identity.port, clock: Arc::clone(&self.clock) };
        tasks.spawn(neighbours::listen(announced, facts.clone(), self.stop.clone()));
        tasks.spawn(neighbours::watch_host(host, queue.clone(), facts, self.stop.clone()));
        tasks.spawn(glance::keep(acquainted, queue.clone(), self.stop.clone()));
        tasks.spawn(control::serve(listener, door.clone(), self.stop.clone()));
        tasks.spawn(self.serve_panel((options.panel, options.hosts), door));
        let ready = Report::Ready { claim: (!claimed).then_some(claim), panel: identity.panel };
        let ended = tokio::select! {
            () = pulse::heed_supervisor(options.supervisor, ready, pulse) => Ok(()),
            // Each part runs until it is told to stop. One that ends by itself, or takes the token with
            // it when its thread dies, has broken: the supervisor then starts the node anew.
            () = self.stop.cancelled() => Err(RunError::Broken),
            _ = tasks.join_next() => Err(RunError::Broken),
        };

        self.stop.cancel();
        while tasks.join_next().await.is_some() {}
        let _ = queue.send(Message::Stop).await;
        drop(queue);
        let _ = tokio::task::spawn_blocking(move || (desk.join(), archiving.join())).await;
        ended
    }

    fn door(
        &self,
        options: &Options,
        queue: mpsc::Sender<Message>,
        (watching, gate, ear): (Recall, Gate, Ear),
    ) -> Door {
        let router = Router::new(options.state.clone());
        Door::new(queue, watching, self.store.clone(), (router, gate, ear))
    }

    fn replica(&self) -> Replica {
        Replica::new(Setup { node: self.key.node_id(), seed: secret::random() })
    }

    fn identity(&self, options: &Options) -> Result<Identity, RunError> {
        Ok(Identity {
            node: self.key.node_id(),
            port: options.peers.local_addr()?.port(),
            panel: format!("http://{}/", shown(options.panel.local_addr()?)),
            started: self.clock.wall(),
        })
    }

    /// Sets the desk up and starts its thread; answers whether the box is claimed.
    async fn start_desk(
        &self,
        (options, hub): (&Options, HubHandle),
        (queue, messages): (mpsc::Sender<Message>, mpsc::Receiver<Message>),
        (published, claim): (Publisher, String),
    ) -> Result<(bool, thread::JoinHandle<()>), RunError> {
        let parts = desk::Parts {
            store: self.store.clone(),
            files: Arc::clone(&self.files),
            state: options.state.clone(),
            clock: Arc::clone(&self.clock),
            hub,
            queue,
            published,
            claim: Some(claim),
        };
        let opened = tokio::task::spawn_blocking(|| Desk::open(parts)).await;
        let desk = opened.map_err(std::io::Error::other)??;
        let claimed = desk.claimed();
        let alive = self.stop.clone().drop_guard();
        let work = move || {
            let _alive = alive;
            desk.run(messages);
        };
        let thread = thread::Builder::new().name("desk".into()).spawn(work)?;
        Ok((claimed, thread))
    }

    /// Tells the hub what the box remembers, on a thread, since it waits when the hub is behind.
    async fn tell_the_hub(&self, handle: HubHandle, state: PathBuf) {
        let (store, clock, files) =
            (self.store.clone(), Arc::clone(&self.clock), Arc::clone(&self.files));
        let tell = move || opening::tell_all((&store, &clock, &handle), (&*files, &state));
        if tokio::task::spawn_blocking(tell).await.is_err() {
            self.stop.cancel();
        }
    }

    fn serve_panel(
        &self,
        (listener, hosts): (TcpListener, Vec<String>),
        door: Door,
    ) -> impl Future<Output = ()> + Send + 'static {
        let id = data_encoding::HEXLOWER.encode(&self.key.node_id().0[..4]);
        let config = kith_webui::Config { extra_hosts: hosts, ..kith_webui::Config::new(id) };
        let stop = self.stop.clone();
        async move {
            if let Err(error) = kith_webui::serve(listener, Arc::new(door), config, stop).await {
                tracing::error!(%error, "the panel broke");
            }
        }
    }
}

/// Where a browser finds a listener: on all addresses, at the one other hosts reach it by.
fn shown(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let reachable = interfaces::reachable_at(address.port()).unwrap_or_default();
    let same_family = |found: &&SocketAddr| address.is_ipv6() || found.is_ipv4();
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    reachable.iter().find(same_family).copied().unwrap_or(loopback)
}
