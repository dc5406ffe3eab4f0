//! The box at a glance, in sentences: the street of boxes, the disk, what is on its way, what is new.

use askama::Template;
use kith_model::command::Command;
use kith_model::reply::{Activity, Space};
use kith_model::status::{Peer, PeerState};

use crate::answer::{Answer, Failure, page};
use crate::ask::{Ask, expect_reply};
use crate::figures::percent;
use crate::lang::msg;
use crate::pages::activity::Line;
use crate::view::{Nav, View};

/// How many lines of activity the overview shows.
const LINES: u32 = 6;

/// How many houses stand in the street.
const HOUSES: usize = 11;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    v: View,
    houses: Vec<House>,
    more: usize,
    lines: Vec<Line>,
    spaces: Vec<Space>,
    disk_used: Option<u64>,
    fresh: bool,
}

/// A box in the street.
struct House {
    name: String,
    state: &'static str,
    class: &'static str,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let v = View::new(&ask, Nav::Overview);
    let command = Command::Activity { space: ask.space(), limit: Some(LINES) };
    // All at once: the node wakes up for them together.
    let (peers, spaces, activity) =
        tokio::try_join!(ask.call(Command::Peers), ask.call(Command::Spaces), ask.call(command))?;
    let peers = expect_reply!(peers, Peers);
    let spaces = expect_reply!(spaces, Spaces);
    let activity = expect_reply!(activity, Activity);
    let fresh = untouched(&activity) && peers.iter().all(|peer| peer.spaces.is_empty());
    let lines = activity.into_iter().map(|done| Line::new(&v, done)).collect();
    let mut houses: Vec<House> =
        peers.iter().filter(|peer| peer.node.is_some()).map(house).collect();
    houses.sort_by_key(|house| house.class);
    let more = houses.len().saturating_sub(HOUSES);
    houses.truncate(HOUSES);
    let store = &v.status.store;
    let disk_used = store
        .free_bytes
        .map(|free| percent(store.block_bytes, store.block_bytes.saturating_add(free)));
    Ok(page(&Page { v, houses, more, lines, spaces, disk_used, fresh }))
}

/// Whether nobody did anything yet but make the space.
fn untouched(activity: &[Activity]) -> bool {
    activity.len() < 3
}

fn house(peer: &Peer) -> House {
    let (class, state) = match peer.state {
        PeerState::Connected => ("a-lit", msg("connected")),
        PeerState::Connecting => ("b-waking", msg("connecting")),
        PeerState::Stranger => ("c-stranger", msg("not in your spaces")),
        PeerState::Away => ("d-away", msg("out of reach")),
    };
    let name = peer.name.clone().or_else(|| peer.words.as_deref().map(two_words));
    House { name: name.unwrap_or_default(), state, class }
}

/// The first two of a key's six words.
pub(crate) fn two_words(words: &str) -> String {
    words.split([' ', '-']).filter(|word| !word.is_empty()).take(2).collect::<Vec<_>>().join(" ")
}
