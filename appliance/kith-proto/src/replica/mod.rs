//! The replica: everything a box decides about its peers, in one machine.
//!
//! It owns the rooms beside it (discovery, session, membership, sync, blocks), tells them what happened
//! and turns what they want into [`Output`]s. It owns no socket, file, clock or random source: the seed
//! and the time are arguments.

mod compare;
mod fetch;
mod greet;
mod input;
mod links;
mod output;
mod records;
mod snapshot;
mod spaces;
mod streams;

#[cfg(test)]
mod tests;

pub use input::{DialId, HaveBlock, Input, Link, LinkId, LinkUp, StreamId, Ticket, Via};
pub use output::{Change, Close, JoinFailure, Output};
pub use snapshot::{Counters, PeerSnapshot, PeerState, TransferSnapshot};

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kith_core::identity::{AuthorId, NodeId, SecretKey};
use kith_core::machine::Machine;
use kith_core::record::SpaceId;
use kith_core::time::Instant;

use crate::blocks::Blocks;
use crate::discovery::{Discovery, Target};
use crate::governance::Governance;
use crate::membership::{Space, Wall};
use crate::rng::Rng;
use crate::session::{self, Stream};
use crate::sync::ingest::Ingest;
use records::Load;

/// What a replica starts with.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The key of this box.
    pub node: NodeId,
    /// 32 bytes from the system's random source.
    pub seed: [u8; 32],
}

/// The machine of one box.
#[derive(Debug)]
pub struct Replica {
    me: NodeId,
    rng: Rng,
    wall: Wall,
    /// Whether three members' clocks have confirmed ours.
    time_confirmed: bool,
    hands: Hands,
    authors: BTreeMap<AuthorId, SecretKey>,
    spaces: BTreeMap<SpaceId, Space>,
    discovery: Discovery,
    links: BTreeMap<LinkId, session::Link>,
    streams: BTreeMap<StreamId, Stream>,
    ingest: Ingest,
    loads: BTreeMap<Ticket, Load>,
    blocks: Blocks,
    /// Who broke the protocol, and until when they are not let in.
    banned: BTreeMap<NodeId, Instant>,
    /// Links whose outbox may have something to do.
    dirty: BTreeSet<LinkId>,
    /// When the last notice about transfers went out.
    transfers_told: Option<Instant>,
    /// Takes anybody for a member: for the test that shows why not.
    #[cfg(test)]
    careless: bool,
}

/// What goes out, and the numbers on it.
#[derive(Debug, Default)]
struct Hands {
    out: VecDeque<Output>,
    tickets: u64,
    counters: Counters,
}

impl Hands {
    fn push(&mut self, output: Output) {
        self.out.push_back(output);
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }
}

impl Replica {
    /// A replica that knows nobody yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            me: setup.node,
            rng: Rng::new(setup.seed),
            wall: Wall::default(),
            time_confirmed: false,
            hands: Hands::default(),
            authors: BTreeMap::new(),
            spaces: BTreeMap::new(),
            discovery: Discovery::new(setup.node),
            links: BTreeMap::new(),
            streams: BTreeMap::new(),
            ingest: Ingest::default(),
            loads: BTreeMap::new(),
            blocks: Blocks::default(),
            banned: BTreeMap::new(),
            dirty: BTreeSet::new(),
            transfers_told: None,
            #[cfg(test)]
            careless: false,
        }
    }

    /// A space's people and rules as they are right now.
    #[must_use]
    pub fn governance(&self, space: &SpaceId) -> Option<&Governance> {
        self.spaces.get(space).map(|space| &space.governance)
    }

    /// Does what the last input made possible.
    fn settle(&mut self, now: Instant) {
        let shared = self.links.values().filter(|link| !link.spaces.is_empty()).count();
        self.discovery.set_shared(shared);
        while let Some(attempt) = self.discovery.poll(now, &mut self.rng) {
            let crate::discovery::Attempt { dial, address, expect } = attempt;
            self.hands.push(Output::Dial { dial, address, expect });
        }
        self.store_verified();
        self.fetch(now);
        while let Some(link) = self.dirty.pop_first() {
            self.empty_outbox(now, link);
        }
    }

    fn learn(&mut self, now: Instant, input: Input) {
        match input {
            Input::Heard { node, addresses, loopback } => {
                self.discovery.heard(now, node, &addresses, loopback);
                self.changed(Change::Peers);
            }
            Input::HeardGone { node } => self.discovery.heard_gone(node),
            Input::AddressTyped { address } => self.discovery.typed(now, address),
            Input::AddressForgotten { address } => self.discovery.forget(Target::Address(address)),
            Input::PeerKnown { node, addresses } => {
                self.discovery.known(now, node, &addresses, Via::Known);
            }
            Input::PeerForgotten { node } => self.forget_peer(now, node),
            Input::NetworkChanged => self.discovery.network_changed(now),
            Input::WallClock { now: read, trusted } => {
                self.wall = Wall::new(now, read, trusted);
            }
            Input::LinkUp(up) => self.link_up(now, &up),
            Input::LinkDown { link, .. } => self.drop_link(now, link),
            Input::DialFailed { dial, error } => {
                self.discovery.dial_failed(dial, error);
                self.changed(Change::Peers);
            }
            Input::StreamOpened { stream, kind } => self.stream_opened(now, stream, kind),
            Input::Frame { stream, frame } => self.frame(now, stream, &frame),
            Input::StreamEnded { stream, clean } => self.stream_ended(now, stream, clean),
            Input::AuthorAdded { key } => self.author_added(now, key),
            Input::AuthorRemoved { author } => {
                self.authors.remove(&author);
            }
            Input::SpaceOpened { space, gov, classes } => {
                self.open_space(now, Space::open(space, &gov, classes));
            }
            Input::JoinStarted { invite, join, gov } => self.start_join(now, &invite, &join, &gov),
            Input::SpaceClosed { space } => self.close_space(&space),
            Input::Authored { record } => self.authored(now, *record),
            Input::SetLoaded { space, class, items } => self.learn_set(now, space, &class, items),
            Input::RecordsLoaded { ticket, records } => self.records_loaded(now, ticket, records),
            Input::RecordsStored { ticket } => {
                self.records_stored(now, ticket, true);
            }
            Input::StoreFailed { ticket, error } => self.store_failed(now, ticket, &error),
            Input::WantRoot { space, root, size } => self.blocks.want(space, root, size),
            Input::StopRoot { space, root } => self.blocks.stop(space, root),
            Input::BlocksChecked { ticket, have } => self.blocks.checked(ticket, have),
            Input::BlockStored { ticket, links } => self.block_stored(now, ticket, &links),
            Input::BlockRefused { ticket } => self.block_refused(now, ticket),
            Input::Served { stream, bytes } => self.served(stream, bytes),
        }
    }

    fn changed(&mut self, change: Change) {
        let same = |o: &Output| matches!(o, Output::Changed(c) if *c == change);
        if !self.hands.out.iter().rev().take(8).any(same) {
            self.hands.push(Output::Changed(change));
        }
    }
}

impl Machine for Replica {
    type Input = Input;
    type Output = Output;

    fn handle_input(&mut self, now: Instant, input: Input) {
        self.learn(now, input);
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.verify_slice(now);
        self.expire_streams(now);
        self.greet_due(now);
        self.compare_due(now);
        self.fetch_due(now);
        self.banned.retain(|_, until| *until > now);
        self.settle(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.hands.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.ingest.is_busy() {
            return Some(Instant::ZERO);
        }
        let links = self.links.values().filter_map(|link| self.link_due(link));
        let streams = self.streams.values().filter_map(|stream| stream.deadline);
        let rooms = self.discovery.next_due().into_iter().chain(self.blocks.next_due());
        links.chain(streams).chain(rooms).chain(self.banned.values().copied()).min()
    }
}
