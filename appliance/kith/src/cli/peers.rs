//! `kith peers`: the other boxes, who they are, how they are reached and how fresh.

use clap::{Args, Subcommand};
use kith_model::command::Command;
use kith_model::reply::Reply;
use kith_model::status::{Peer, PeerState, PeerVia};

use super::Desk;
use crate::failure::{Failure, Outcome};
use crate::show;

/// The other boxes
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kith peers\n  kith peers add 192.168.77.1:8480\n  kith peers --json"
)]
pub(crate) struct Peers {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Keep an address to dial always
    #[command(after_help = "Example:\n  kith peers add 192.168.77.1:8480")]
    Add {
        /// The other box, as IP:PORT or HOST:PORT
        address: String,
    },
    /// Forget a box, or an address that was added
    #[command(after_help = "Example:\n  kith peers forget 192.168.77.1:8480")]
    Forget {
        /// Its did:key, or the address
        peer: String,
    },
}

impl Peers {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        match self.what {
            None => list(desk).await,
            Some(What::Add { address }) => {
                let words =
                    format!("{address} is dialled from now on; kith peers shows how it goes.");
                desk.done(Command::PeerAdd { address }, &words).await
            }
            Some(What::Forget { peer }) => {
                let words = format!("{peer} is forgotten.");
                desk.done(Command::PeerForget { peer }, &words).await
            }
        }
    }
}

async fn list(desk: &Desk) -> Outcome {
    let Reply::Peers(peers) = desk.connect().await?.command(Command::Peers).await? else {
        return Err(Failure::off_topic());
    };
    if desk.json {
        return show::print_json(&peers);
    }
    if peers.is_empty() {
        return show::print(
            "No other box yet: those on this network appear by themselves, others with \
             kith join or kith peers add.\n",
        );
    }
    let now = show::now();
    let rows: Vec<_> = peers.iter().map(|peer| row(now, peer)).collect();
    show::print(&show::table(
        &["BOX", "STATE", "KNOWN BY", "ADDRESS", "DELAY", "SEEN", "SPACES"],
        &rows,
    ))
}

fn row(now: u64, peer: &Peer) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let name = peer.name.as_ref().or(peer.words.as_ref()).or(peer.node.as_ref());
    let seen = match peer.state {
        PeerState::Connected => "now".to_owned(),
        PeerState::Stranger | PeerState::Connecting | PeerState::Away => {
            peer.seen.map_or_else(|| "never".to_owned(), |seen| show::when(now, seen))
        }
    };
    vec![
        name.cloned().unwrap_or_else(|| "nobody yet".to_owned()),
        state(peer),
        via(peer.via).to_owned(),
        text(&peer.address),
        peer.rtt_us.map(delay).unwrap_or_default(),
        seen,
        peer.spaces.join(", "),
    ]
}

fn state(peer: &Peer) -> String {
    let state = match peer.state {
        PeerState::Connected => "connected",
        PeerState::Stranger => "no space shared",
        PeerState::Connecting => "dialling",
        PeerState::Away => "away",
    };
    match &peer.error {
        Some(error) if peer.state != PeerState::Connected => format!("{state} ({error})"),
        Some(_) | None => state.to_owned(),
    }
}

const fn via(via: PeerVia) -> &'static str {
    match via {
        PeerVia::Lan => "this network",
        PeerVia::Typed => "added by hand",
        PeerVia::Invite => "an invite",
        PeerVia::Incoming => "it dialled us",
        PeerVia::Known => "before",
    }
}

fn delay(micros: u64) -> String {
    if micros < 1_000 { format!("{micros} µs") } else { format!("{} ms", micros / 1_000) }
}
