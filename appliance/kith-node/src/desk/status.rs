//! The status, published whenever something a page shows has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kith_core::record::SpaceId;
use kith_core::time::UnixTime;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::Reply;
use kith_model::status::{Alert, AlertKind, Status, StoreStatus, Transfer};
use kith_proto::replica::PeerState;
use kith_proto::views;

use super::{Desk, accounts, reading};
use crate::account::Who;
use crate::ledger;
use crate::opening::EVERYTHING;

/// Less than this many bytes free is worth a word.
const LITTLE_SPACE: u64 = 128 << 20;

impl Desk {
    #[expect(clippy::wildcard_enum_match_arm, reason = "access::room_of names every command")]
    pub(super) fn box_command(&self, who: &Who, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::Status => {
                let status = self.build_status();
                let status = if who.principal.signed_in() { status } else { for_visitors(status) };
                Ok(Reply::Status(Box::new(status)))
            }
            Command::Metrics => Ok(Reply::Metrics(self.metrics())),
            other => Err(accounts::misrouted(&other)),
        }
    }

    /// Publishes the status if it differs from the last one in more than the time of day.
    pub(super) fn publish(&self) {
        let fresh = self.build_status();
        self.published.status.send_if_modified(|last| {
            let same_time = Status { time: last.time, ..fresh.clone() };
            let changed = **last != same_time;
            if changed {
                *last = Arc::new(fresh);
            }
            changed
        });
    }

    fn build_status(&self) -> Status {
        let node = self.hub.node();
        let entry: Option<ledger::BoxEntry> = ledger::get(&self.store, ledger::BOX.as_bytes());
        let counts = self.store.counts();
        let connected = |p: &&kith_proto::replica::PeerSnapshot| p.state == PeerState::Connected;
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: entry.map_or_else(|| reading::first_words(&node.words()), |entry| entry.name),
            node: node.to_string(),
            words: node.words(),
            claimed: self.accounts.claimed(),
            started: self.hub.started().as_millis(),
            time: self.clock.wall().as_millis(),
            time_trusted: self.clock.trusted(),
            peer_port: self.hub.port(),
            addresses: self.hub.addresses().iter().map(ToString::to_string).collect(),
            panel: self.hub.panel().to_owned(),
            peers_connected: self.peers.iter().filter(connected).count() as u64,
            peers_heard: self.peers.iter().filter(|peer| peer.heard).count() as u64,
            store: StoreStatus {
                records: counts.records,
                blocks: counts.blocks,
                block_bytes: counts.block_bytes,
                free_bytes: self.store.free_space().ok().map(|space| space.free),
                rebuilding: None,
            },
            transfers: self.shown_transfers(),
            alerts: self.alerts(),
            visitor_pages: self.shows_anything(),
            network: self.network.clone(),
            revisions: self.revisions,
        }
    }

    /// Whether a space shows anything to everybody: only then need others of the mesh reach the panel.
    fn shows_anything(&self) -> bool {
        self.spaces().iter().any(|(space, _)| !self.governance(space).public.is_empty())
    }

    fn shown_transfers(&self) -> Vec<Transfer> {
        // The status is the same for all accounts, so it names only what all of them may see.
        let everybodys = |space: &SpaceId| {
            let gov = self.governance(space);
            self.accounts.authors().all(|author| gov.role(&author).is_some())
        };
        let spaces: BTreeSet<_> = self.transfers.iter().map(|transfer| transfer.space).collect();
        let spaces: BTreeSet<_> = spaces.into_iter().filter(everybodys).collect();
        let roots = spaces
            .iter()
            .flat_map(|space| views::live_roots(&self.store.views(), space, self.clock.visible()));
        let paths: BTreeMap<_, _> = roots.map(|root| (root.root, root.path)).collect();
        let shown = self.transfers.iter().map(|transfer| Transfer {
            root: transfer.root.to_string(),
            path: paths.get(&transfer.root).cloned().unwrap_or_default(),
            here: transfer.here,
            size: transfer.size,
            peers: transfer.peers,
            stalled: transfer.stalled.clone(),
        });
        shown.collect()
    }

    /// Stops fetching what nobody lists any more.
    pub(super) fn stop_unlisted(&self) {
        let spaces: BTreeSet<_> = self.transfers.iter().map(|transfer| transfer.space).collect();
        let live = spaces.into_iter().flat_map(|space| {
            let roots = views::live_roots(&self.store.views(), &space, EVERYTHING);
            roots.into_iter().map(move |root| (space, root.root))
        });
        let live: BTreeSet<_> = live.collect();
        for transfer in &self.transfers {
            if !live.contains(&(transfer.space, transfer.root)) {
                self.hub.stop(transfer.space, transfer.root);
            }
        }
    }

    fn alerts(&self) -> Vec<Alert> {
        let since = self.hub.started();
        let mut alerts = Vec::new();
        let mut alert = |kind, message: &str, since: UnixTime| {
            let (message, since) = (message.to_owned(), since.as_millis());
            alerts.push(Alert { kind, message, since });
        };
        if !self.accounts.claimed() {
            alert(
                AlertKind::NotClaimed,
                "nobody owns this box yet: open its panel and claim it",
                since,
            );
        }
        match &self.disk {
            Some((refusal, when)) => {
                let full = refusal.kind == RefusalKind::NoSpace;
                let kind = if full { AlertKind::DiskFull } else { AlertKind::DiskFailed };
                alert(kind, &refusal.message, *when);
            }
            None if self.store.free_space().is_ok_and(|space| space.free < LITTLE_SPACE) => {
                alert(AlertKind::DiskFull, "less than 128 MiB are free on the disk", since);
            }
            None => {}
        }
        let forked =
            |(space, _): &(SpaceId, _)| !views::forks(&self.store.views(), space, 1).is_empty();
        if self.spaces().iter().any(forked) {
            alert(
                AlertKind::Fork,
                "somebody's key writes on two boxes at once: a backup was restored beside its original",
                since,
            );
        }
        alerts
    }
}

/// What somebody without an account learns: that there is a box, and whether it is claimed.
fn for_visitors(status: Status) -> Status {
    Status {
        version: status.version,
        name: status.name,
        claimed: status.claimed,
        time: status.time,
        ..Status::default()
    }
}
