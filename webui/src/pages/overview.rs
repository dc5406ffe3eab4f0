//! The box at a glance, in sentences: the street of boxes, the disk, what is on its way, what is new.

use askama::Template;
use kith_model::command::Command;
use kith_model::reply::{Activity, Deed, Space};
use kith_model::status::{NetworkGlance, Peer, PeerState};

use crate::answer::{Answer, Failure, page};
use crate::ask::{Ask, expect_reply};
use crate::figures::percent;
use crate::lang::msg;
use crate::pages::activity::Line;
use crate::pages::glance::{self, Sentence};
use crate::view::{Nav, View, aside};

/// How many lines of activity the overview shows.
const LINES: u32 = 6;

/// How many houses stand in the street.
const HOUSES: usize = 11;

/// How a house looks that shares no space with this box.
const STRANGER: &str = "c-stranger";

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    v: View,
    houses: Vec<House>,
    /// Whether one of the houses shares a space with this box.
    neighbours: bool,
    more: usize,
    lines: Vec<Line>,
    spaces: Vec<Space>,
    disk_used: Option<u64>,
    fresh: bool,
    sentences: Vec<Sentence>,
    /// Whether the network still waits for its owner to set it up.
    set_up: bool,
}

/// A box in the street.
struct House {
    name: String,
    state: &'static str,
    class: &'static str,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let v = View::new(&ask, Nav::Overview);
    let space = ask.space();
    // All at once: the node wakes up for them together.
    let (peers, spaces, activity, curves) = tokio::try_join!(
        ask.call(Command::Peers),
        ask.call(Command::Spaces),
        ask.call(Command::Activity { space, limit: Some(LINES) }),
        glance::curves(&ask),
    )?;
    let sentences = glance::sentences(&v, &curves);
    let peers = expect_reply!(peers, Peers);
    let mut spaces = expect_reply!(spaces, Spaces);
    spaces.sort_by_key(aside);
    let activity = expect_reply!(activity, Activity);
    let alone = spaces.iter().any(|space| v.is_current(space) && space.members < 2);
    let fresh = alone || is_new(&activity);
    let lines = activity.into_iter().map(|done| Line::new(&v, done)).collect();
    let mut houses: Vec<House> =
        peers.iter().filter(|peer| peer.node.is_some()).map(house).collect();
    houses.sort_by_key(|house| (house.class == STRANGER, house.class));
    let neighbours = houses.iter().any(|house| house.class != STRANGER);
    let more = houses.len().saturating_sub(HOUSES);
    houses.truncate(HOUSES);
    let store = &v.status.store;
    let disk_used = store
        .free_bytes
        .map(|free| percent(store.block_bytes, store.block_bytes.saturating_add(free)));
    let idle = |network: &NetworkGlance| network.managed && network.mesh.is_none();
    let set_up = v.principal.is_owner() && v.status.network.as_ref().is_some_and(idle);
    Ok(page(&Page {
        v,
        houses,
        neighbours,
        more,
        lines,
        spaces,
        disk_used,
        fresh,
        sentences,
        set_up,
    }))
}

/// Whether so little has happened that somebody may wonder what to do: no notice yet, or no file.
fn is_new(activity: &[Activity]) -> bool {
    let posted = activity.iter().any(|done| matches!(done.what, Deed::Posted { .. }));
    let filed = activity.iter().any(|done| matches!(done.what, Deed::PutFile { .. }));
    activity.len() < LINES as usize && !(posted && filed)
}

fn house(peer: &Peer) -> House {
    let (class, state) = match peer.state {
        _ if peer.spaces.is_empty() => (STRANGER, msg("not in your spaces")),
        PeerState::Connected => ("a-lit", msg("connected")),
        PeerState::Connecting => ("b-waking", msg("connecting")),
        PeerState::Stranger => (STRANGER, msg("not in your spaces")),
        PeerState::Away => ("d-away", msg("out of reach")),
    };
    let name = peer.name.clone().or_else(|| peer.words.as_deref().map(two_words));
    House { name: name.unwrap_or_default(), state, class }
}

/// The first two of a key's six words.
pub(crate) fn two_words(words: &str) -> String {
    words.split([' ', '-']).filter(|word| !word.is_empty()).take(2).collect::<Vec<_>>().join(" ")
}
