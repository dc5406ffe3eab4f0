//! What the rest of the node sees of the hub: a way to tell it facts, and figures that change.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kith_core::cid::Cid;
use kith_core::identity::NodeId;
use kith_core::record::SpaceId;
use kith_core::time::UnixTime;
use kith_net::quic::Connection;
use kith_proto::replica::{Counters, Input, LinkId};
use tokio::sync::mpsc;

/// What does not change while the node runs.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The box's key.
    pub node: NodeId,
    /// The UDP port for peers.
    pub port: u16,
    /// The panel's address, `http://…/`.
    pub panel: String,
    /// When the node started.
    pub started: UnixTime,
}

/// Figures of the network side that others read.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    links: Mutex<BTreeMap<LinkId, Connection>>,
    counters: Mutex<Counters>,
    addresses: Mutex<Vec<SocketAddr>>,
    /// Roots whose content is not known to be here whole and durable, and its bytes.
    wanted: Mutex<BTreeMap<(SpaceId, Cid), u64>>,
}

/// The way to the hub. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct HubHandle {
    facts: mpsc::Sender<Input>,
    shared: Arc<Facts>,
    identity: Arc<Identity>,
}

impl HubHandle {
    /// A handle for `identity` that tells its facts through `facts`.
    #[must_use]
    pub(crate) fn new(facts: mpsc::Sender<Input>, shared: Arc<Facts>, identity: Identity) -> Self {
        Self { facts, shared, identity: Arc::new(identity) }
    }

    /// Tells the replica a fact. From a thread, not from a task: it waits when the hub is behind.
    pub(crate) fn tell(&self, fact: Input) {
        // The hub ends before the desk when the node stops; nobody needs the fact then.
        let _ = self.facts.blocking_send(fact);
    }

    /// Wants content held, like [`HubHandle::tell`]; until it is, [`HubHandle::is_wanted`].
    pub(crate) fn want(&self, space: SpaceId, root: Cid, size: u64) {
        self.shared.want(space, root, size);
        self.tell(Input::WantRoot { space, root, size });
    }

    /// No longer wants content held.
    pub(crate) fn stop(&self, space: SpaceId, root: Cid) {
        self.tell(Input::StopRoot { space, root });
        self.shared.settle(space, root);
    }

    /// Whether content is not known to be here whole and durable.
    pub(crate) fn is_wanted(&self, space: &SpaceId, root: &Cid) -> bool {
        locked(&self.shared.wanted).contains_key(&(*space, *root))
    }

    /// The box's key.
    #[must_use]
    pub(crate) fn node(&self) -> NodeId {
        self.identity.node
    }

    /// The UDP port for peers.
    #[must_use]
    pub(crate) fn port(&self) -> u16 {
        self.identity.port
    }

    /// The panel's address.
    #[must_use]
    pub(crate) fn panel(&self) -> &str {
        &self.identity.panel
    }

    /// When the node started.
    #[must_use]
    pub(crate) fn started(&self) -> UnixTime {
        self.identity.started
    }

    /// Where peers may reach this box, the likeliest first.
    #[must_use]
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        locked(&self.shared.addresses).clone()
    }

    /// Sets what [`HubHandle::addresses`] answers.
    pub(crate) fn set_addresses(&self, addresses: Vec<SocketAddr>) {
        *locked(&self.shared.addresses) = addresses;
    }

    /// The round-trip time of a connection that is up.
    #[must_use]
    pub(crate) fn link_figures(&self, link: LinkId) -> Option<Duration> {
        locked(&self.shared.links).get(&link).map(Connection::rtt)
    }

    /// The replica's counters, as of the last change.
    #[must_use]
    pub(crate) fn counters(&self) -> Counters {
        *locked(&self.shared.counters)
    }
}

impl Facts {
    /// Content of a space, of so many bytes, is wanted from here on.
    pub(crate) fn want(&self, space: SpaceId, root: Cid, size: u64) {
        locked(&self.wanted).insert((space, root), size);
    }

    /// All content that is not known to be here whole and durable.
    pub(crate) fn wanted(&self) -> Vec<((SpaceId, Cid), u64)> {
        locked(&self.wanted).iter().map(|(root, size)| (*root, *size)).collect()
    }

    /// Content is here whole and durable, or no longer wanted.
    pub(crate) fn settle(&self, space: SpaceId, root: Cid) {
        locked(&self.wanted).remove(&(space, root));
    }

    pub(super) fn link_up(&self, link: LinkId, connection: Connection) {
        locked(&self.links).insert(link, connection);
    }

    pub(super) fn link_down(&self, link: LinkId) {
        locked(&self.links).remove(&link);
    }

    pub(super) fn set_counters(&self, counters: Counters) {
        *locked(&self.counters) = counters;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Values are replaced whole, so a panic elsewhere leaves them good.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
