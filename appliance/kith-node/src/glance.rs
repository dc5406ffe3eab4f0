//! Keeps the node and whoever drives the network acquainted: it hears who the box is, and the status of
//! the box says in short how its network is.

use std::sync::Arc;
use std::time::Duration;

use kith_core::identity::NodeId;
use kith_model::network::ask::{Identity, LinkAsk, NetworkAsk, NetworkReply};
use kith_model::network::change::ChangeState;
use kith_model::network::status::{Network, NetworkStatus};
use kith_model::status::{NetworkGlance, Status};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::desk::{Message, News};
use crate::gate::{Keeper, Reach};
use crate::pace::Pace;
use crate::router::Router;

/// The least time between two looks that somebody at the gate wants.
const BREATH: Duration = Duration::from_secs(1);

/// Who asks; the link role's history never sees it, since it changes nothing there.
const NODE: &str = "the box";

/// What this box is to its network.
#[derive(Debug)]
pub(crate) struct Acquainted {
    /// The box's key.
    pub(crate) node: NodeId,
    /// The panel's port.
    pub(crate) panel_port: u16,
    /// The status, which says who owns the box and what it is called.
    pub(crate) status: watch::Receiver<Arc<Status>>,
    /// The way to whoever drives the network.
    pub(crate) router: Router,
    /// Hears which network each address of the box is in.
    pub(crate) gate: Keeper,
    /// Says when to look.
    pub(crate) pace: Pace,
}

/// Runs until told to stop.
pub(crate) async fn keep(
    mut this: Acquainted,
    desk: mpsc::Sender<Message>,
    stop: CancellationToken,
) {
    let mut told = None;
    let mut shown = None;
    let mut page = Page::default();
    loop {
        let last = Instant::now();
        let identity = this.identity();
        if told.as_ref() != Some(&identity) {
            let said = this.say(NetworkAsk::Identify(identity.clone())).await;
            told = said.map(|_| identity);
        }
        let mut restless = false;
        let glance = match this.say(NetworkAsk::Status).await {
            Some(NetworkReply::Status(status)) => {
                this.gate.tell(Reach::of(&status));
                restless = under_way(&status);
                let mut glance = glance(&status);
                glance.revision = page.revision(*status, this.pace.aims());
                Some(glance)
            }
            Some(_) | None => None,
        };
        // Whoever was started anew has to hear it again.
        told = told.filter(|_| glance.is_some());
        if shown.as_ref() != Some(&glance) {
            shown = Some(glance.clone());
            if desk.send(Message::News(News::Network(glance))).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = this.pace.next(last, restless) => {}
            () = wanted(&this.gate) => {}
        }
    }
}

/// What pages show of the network, and how often that has changed.
#[derive(Debug, Default)]
struct Page {
    shown: Option<NetworkStatus>,
    revision: u64,
}

impl Page {
    /// Counts up if a page would show something else. What grows by itself is no change, but for who
    /// aims an antenna.
    fn revision(&mut self, mut status: NetworkStatus, aims: bool) -> u64 {
        status.revision = 0;
        for link in &mut status.links {
            // Every 64 KiB is often enough.
            (link.received_bytes, link.sent_bytes) =
                (link.received_bytes >> 16, link.sent_bytes >> 16);
        }
        if let Some(change) = &mut status.change {
            change.seconds_left = None;
        }
        if !aims {
            status.mesh.neighbours.iter_mut().for_each(|neighbour| neighbour.heard_ms = 0);
            status.mesh.nodes.iter_mut().for_each(|node| node.heard_ms = 0);
        }
        if self.shown.as_ref() != Some(&status) {
            self.revision += 1;
            self.shown = Some(status);
        }
        self.revision
    }
}

/// Whether something is being done that takes seconds.
fn under_way(status: &NetworkStatus) -> bool {
    status.listening
        || status.pinged.as_ref().is_some_and(|pinged| pinged.running)
        || status.change.as_ref().is_some_and(|c| c.state == ChangeState::Armed)
}

impl Acquainted {
    fn identity(&mut self) -> Identity {
        let status = self.status.borrow_and_update();
        Identity {
            node: data_encoding::HEXLOWER.encode(&self.node.0),
            host_name: kith_webui::host_label(&status.name),
            claimed: status.claimed,
            visitor_pages: status.visitor_pages,
            panel_port: self.panel_port,
            peer_port: status.peer_port,
        }
    }

    async fn say(&self, ask: NetworkAsk) -> Option<NetworkReply> {
        self.router.ask(&LinkAsk { who: NODE.to_owned(), from: None, ask }).await.ok()
    }
}

/// Somebody came to an address that nobody has named yet.
async fn wanted(gate: &Keeper) {
    tokio::time::sleep(BREATH).await;
    gate.wanted().await;
}

fn glance(status: &NetworkStatus) -> NetworkGlance {
    let here = |network| {
        let clients = status.clients.iter();
        clients.filter(|client| client.here && client.network == network).count() as u64
    };
    NetworkGlance {
        simulated: status.simulated,
        managed: status.managed,
        safe_mode: status.safe_mode.is_some(),
        internet: status.internet,
        radios: status.radios.len() as u64,
        devices: here(Network::Household),
        visitors: here(Network::Guest),
        mesh: status.mesh.enabled.then(|| status.mesh.id.clone().unwrap_or_default()),
        neighbours: status.mesh.neighbours.len() as u64,
        nodes: status.mesh.nodes.len() as u64,
        problems: status.problems.len() as u64,
        waiting: status.change.as_ref().is_some_and(|c| c.state <= ChangeState::Applied),
        revision: status.revision,
    }
}

#[cfg(test)]
mod tests {
    use kith_model::network::change::ChangeStatus;
    use kith_model::network::status::{Internet, Link, Mesh, MeshNeighbour};

    use super::*;

    #[test]
    fn a_glance_says_what_the_overview_needs() {
        let change = ChangeStatus {
            id: 1,
            state: ChangeState::Applied,
            who: "Ada".into(),
            applied_at: None,
            seconds_left: Some(100),
            ended_at: None,
            words: Vec::new(),
            reason: None,
            moves_to: None,
        };
        let mesh = Mesh {
            enabled: true,
            id: Some("Valley".into()),
            neighbours: vec![MeshNeighbour::default(); 3],
            ..Mesh::default()
        };
        let status = NetworkStatus {
            internet: Internet::Shared,
            mesh,
            change: Some(change.clone()),
            ..NetworkStatus::default()
        };
        let seen = glance(&status);
        assert_eq!((seen.mesh.as_deref(), seen.neighbours), (Some("Valley"), 3));
        assert!(seen.waiting && seen.internet == Internet::Shared);
        let over = ChangeStatus { state: ChangeState::Confirmed, ..change };
        assert!(!glance(&NetworkStatus { change: Some(over), ..status }).waiting);
    }

    #[test]
    fn what_grows_by_itself_reloads_no_page() {
        let neighbour = MeshNeighbour { heard_ms: 100, ..MeshNeighbour::default() };
        let mesh = Mesh { neighbours: vec![neighbour], ..Mesh::default() };
        let before =
            NetworkStatus { mesh, links: vec![Link::default()], ..NetworkStatus::default() };
        let mut page = Page::default();
        assert_eq!(page.revision(before.clone(), false), 1);
        let mut after = NetworkStatus { revision: 9, ..before.clone() };
        after.links[0].received_bytes = 1_000;
        after.mesh.neighbours[0].heard_ms = 900;
        assert_eq!(page.revision(after.clone(), false), 1);
        assert_eq!(page.revision(after.clone(), true), 2, "who aims wants to know");
        after.mesh.neighbours[0].signal_dbm = Some(-60);
        assert_eq!(page.revision(after, true), 3);
    }
}
