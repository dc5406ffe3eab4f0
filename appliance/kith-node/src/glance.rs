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
use tokio_util::sync::CancellationToken;

use crate::desk::{Message, News};
use crate::router::Router;

/// How often the network is looked at: often enough for the overview, seldom enough for a box at rest.
const LOOK_EVERY: Duration = Duration::from_secs(10);

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
}

/// Runs until told to stop.
pub(crate) async fn keep(
    mut this: Acquainted,
    desk: mpsc::Sender<Message>,
    stop: CancellationToken,
) {
    let mut told = None;
    let mut shown = None;
    loop {
        let identity = this.identity();
        if told.as_ref() != Some(&identity) {
            let said = this.say(NetworkAsk::Identify(identity.clone())).await;
            told = said.map(|_| identity);
        }
        let glance = match this.say(NetworkAsk::Status).await {
            Some(NetworkReply::Status(status)) => Some(glance(&status)),
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
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

impl Acquainted {
    fn identity(&mut self) -> Identity {
        let status = self.status.borrow_and_update();
        Identity {
            node: data_encoding::HEXLOWER.encode(&self.node.0),
            host_name: kith_webui::host_label(&status.name),
            claimed: status.claimed,
            visitor_pages: true,
            panel_port: self.panel_port,
            peer_port: status.peer_port,
        }
    }

    async fn say(&self, ask: NetworkAsk) -> Option<NetworkReply> {
        self.router.ask(&LinkAsk { who: NODE.to_owned(), from: None, ask }).await.ok()
    }
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
    use kith_model::network::status::{Internet, Mesh, MeshNeighbour};

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
}
