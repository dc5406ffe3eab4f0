//! The world and its clockwork: one queue of events, taken in the order of time and chance.

use std::collections::{BTreeMap, BTreeSet};

use kith_core::cid::Cid;
use kith_core::identity::NodeId;
use kith_core::invite::Invite;
use kith_core::machine::Machine as _;
use kith_core::record::SpaceId;
use kith_core::seal::End;
use kith_core::time::{HlcClock, Instant};
use kith_core::wire::frame::StreamKind;
use kith_proto::replica::{DialId, Input, LinkId, LinkUp, Output, Replica, Setup, StreamId};
use kith_proto::views;

use super::chance::Chance;
use super::net::{self, Place, Wire};
use super::node::Node;
use super::scenario::Scenario;

/// After this a connection whose other end is gone is noticed to be dead.
const DEAD_AFTER: (u64, u64) = (2_000_000, 20_000_000);

/// Something that is to happen.
#[derive(Debug)]
pub enum Event {
    /// A machine asked to be woken.
    Wake(Place, u32),
    /// A machine is told something by its own hands.
    Tell(Place, u32, Box<Input>),
    /// Something arrives over a link.
    Arrive(u64, Place, Box<Input>),
    /// A dialled box is reached, or not.
    Reach(Place, u32, DialId, Place, Option<NodeId>),
    /// Both ends notice that a connection is dead.
    Dead(u64),
    /// Records become durable.
    Commit(Place, u32, Vec<kith_core::record::Record>),
    /// A box comes back on.
    Start(Place),
    /// A step of the scenario.
    Step(usize),
}

/// A world under way.
#[derive(Debug)]
pub struct World {
    /// What it plays.
    pub scenario: Scenario,
    /// Microseconds since the dawn.
    pub now: u64,
    /// All boxes.
    pub nodes: Vec<Node>,
    /// Where chance comes from.
    pub chance: Chance,
    /// The space everybody is about.
    pub space: SpaceId,
    /// In how many parts the network is.
    pub parts: usize,
    /// All content there ever was, to check what arrived.
    pub content: BTreeSet<Cid>,
    /// Invites by name.
    pub invites: BTreeMap<String, Invite>,
    /// Connections by number.
    pub wires: BTreeMap<u64, Wire>,
    /// Which operation a stream is, for who tampers with it: (link, opened by the dialler, number).
    pub kinds: BTreeMap<(u64, bool, u64), StreamKind>,
    /// Frames carried.
    pub frames: u64,
    /// Bytes of frames carried.
    pub bytes: u64,
    /// Events delivered to each box, and at which of them it is killed.
    pub delivered: Vec<u64>,
    /// Kill this box at its so-many-th event.
    pub kill_at: Option<(Place, u64)>,
    /// Machines hear of people's records before those are durable: what a box must never do, for tests
    /// that show why.
    pub careless: bool,
    queue: BTreeMap<(u64, u64), Event>,
    events: u64,
    links: u64,
}

impl World {
    /// A world at its dawn, with the first step ahead.
    #[must_use]
    pub fn new(scenario: Scenario, seed: u64) -> Self {
        let mut world = Self {
            now: 0,
            nodes: Vec::new(),
            chance: Chance::new(seed),
            space: SpaceId([0; 32]),
            parts: 1,
            content: BTreeSet::new(),
            invites: BTreeMap::new(),
            wires: BTreeMap::new(),
            kinds: BTreeMap::new(),
            frames: 0,
            bytes: 0,
            delivered: Vec::new(),
            kill_at: None,
            careless: false,
            queue: BTreeMap::new(),
            events: 0,
            links: 0,
            scenario,
        };
        world.populate();
        let steps = world.scenario.steps.len();
        for step in 0..steps {
            let at = world.scenario.steps[step].at_s * 1_000_000;
            world.schedule(at, Event::Step(step));
        }
        for place in 0..world.nodes.len() {
            world.start(place);
        }
        world
    }

    /// Adds an event.
    pub fn schedule(&mut self, at: u64, event: Event) {
        self.events += 1;
        self.queue.insert((at.max(self.now), self.events), event);
    }

    /// Lets time pass until `end`, or until nothing is left to happen.
    pub fn run_until(&mut self, end: u64) {
        while let Some(((at, _), _)) = self.queue.first_key_value()
            && *at <= end
            && let Some(((at, _), event)) = self.queue.pop_first()
        {
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(place, life) => {
                if self.nodes[place].life == life && self.nodes[place].wake == Some(self.now) {
                    self.nodes[place].wake = None;
                    self.touch(place, None);
                }
            }
            Event::Tell(place, life, input) => {
                if self.nodes[place].life == life {
                    self.touch(place, Some(*input));
                }
            }
            Event::Arrive(wire, place, input) => {
                let alive = self.wires.get(&wire).is_some_and(|w| w.alive);
                if alive && self.passes(wire) {
                    self.touch(place, Some(*input));
                }
            }
            Event::Reach(place, life, dial, to, expect) => {
                if self.nodes[place].life == life {
                    self.reach(place, dial, to, expect);
                }
            }
            Event::Dead(wire) => self.bury(wire),
            Event::Commit(place, life, records) => {
                if self.nodes[place].life == life {
                    for record in records {
                        self.nodes[place].disk.put(&record);
                    }
                    self.hold_content(place);
                }
            }
            Event::Start(place) => self.start(place),
            Event::Step(step) => {
                let deed = self.scenario.steps[step].deed.clone();
                self.act(&deed);
            }
        }
    }

    /// Whether both ends are still the boxes that made the connection, in one part of the network.
    fn passes(&mut self, wire: u64) -> bool {
        let Some(w) = self.wires.get(&wire) else { return false };
        let [a, b] = w.ends;
        let same = self.nodes[a].life == w.lives[0] && self.nodes[b].life == w.lives[1];
        let joined = self.joined(a, b);
        if !(same && joined) {
            self.cut(wire);
        }
        same && joined
    }

    /// Whether a path leads from one box to the other.
    #[must_use]
    pub const fn joined(&self, a: Place, b: Place) -> bool {
        a % self.parts == b % self.parts
    }

    /// A connection carries nothing any more; both ends notice later.
    pub fn cut(&mut self, wire: u64) {
        let after = self.chance.between(DEAD_AFTER.0, DEAD_AFTER.1);
        if let Some(w) = self.wires.get_mut(&wire)
            && w.alive
        {
            w.alive = false;
            self.schedule(self.now + after, Event::Dead(wire));
        }
    }

    fn bury(&mut self, wire: u64) {
        let Some(gone) = self.wires.remove(&wire) else { return };
        self.kinds.retain(|(link, _, _), _| *link != wire);
        for (end, place) in gone.ends.into_iter().enumerate() {
            if self.nodes[place].life == gone.lives[end] {
                let link = LinkId(wire);
                let reason = "the connection timed out".to_owned();
                self.touch(place, Some(Input::LinkDown { link, reason }));
            }
        }
    }

    fn reach(&mut self, place: Place, dial: DialId, to: Place, expect: Option<NodeId>) {
        let there = self.nodes.get(to).filter(|n| n.replica.is_some() && self.joined(place, to));
        let key = there.map(|n| n.key.node_id());
        let good = key.filter(|key| expect.is_none_or(|e| e == *key));
        let Some(peer) = good.filter(|_| place != to) else {
            let error = "no answer".to_owned();
            self.touch(place, Some(Input::DialFailed { dial, error }));
            return;
        };
        self.links += 1;
        let link = LinkId(self.links);
        let lives = [self.nodes[place].life, self.nodes[to].life];
        let links = self.scenario.links;
        let wire = Wire::new([place, to], lives, &links, &mut self.chance);
        let later = self.now + wire.latency();
        self.wires.insert(link.0, wire);
        let exporter = self.chance.seed();
        let up = |dial, peer, address, end| LinkUp { link, dial, peer, address, end, exporter };
        let me = self.nodes[place].key.node_id();
        let theirs = up(None, me, net::address(place), End::Acceptor);
        self.schedule(later, Event::Arrive(link.0, to, Box::new(Input::LinkUp(theirs))));
        let ours = up(Some(dial), peer, net::address(to), End::Dialler);
        self.touch(place, Some(Input::LinkUp(ours)));
    }

    /// Gives a machine an input, or the time, and does what it wants.
    pub fn touch(&mut self, place: Place, input: Option<Input>) {
        let now = Instant::from_micros(self.now);
        let node = &mut self.nodes[place];
        let Some(replica) = &mut node.replica else { return };
        self.delivered[place] += 1;
        if self.kill_at == Some((place, self.delivered[place])) {
            self.kill_at = None;
            self.kill(place);
            self.schedule(self.now + 1_000_000, Event::Start(place));
            return;
        }
        match input {
            Some(input) => replica.handle_input(now, input),
            None => replica.handle_timeout(now),
        }
        let mut outputs: Vec<Output> = Vec::new();
        while let Some(output) = replica.poll_output() {
            outputs.push(output);
        }
        node.most_waiting = node.most_waiting.max(replica.counters().records_waiting);
        if let Some(at) = replica.poll_timeout() {
            let at = at.as_micros().max(self.now + 1);
            if node.wake.is_none_or(|wake| at < wake) {
                node.wake = Some(at);
                let life = node.life;
                self.schedule(at, Event::Wake(place, life));
            }
        }
        for output in outputs {
            self.perform(place, output);
        }
    }

    /// Switches a box on.
    pub fn start(&mut self, place: Place) {
        if self.nodes[place].replica.is_some() {
            return;
        }
        let seed = self.chance.seed();
        let node = &mut self.nodes[place];
        node.life += 1;
        node.wake = None;
        node.wanted.clear();
        node.clock = HlcClock::resume(node.disk.ceiling);
        node.clock.set_trusted(node.trusted);
        node.replica = Some(Replica::new(Setup { node: node.key.node_id(), seed }));
        if self.scenario.rebuild {
            node.disk.rebuild(&mut self.chance);
        }
        let now = node.guess(self.now);
        let trusted = node.trusted;
        let key = node.author.clone();
        self.touch(place, Some(Input::WallClock { now, trusted }));
        self.touch(place, Some(Input::AuthorAdded { key }));
        self.enter_space(place);
        self.hear(place);
        self.hold_content(place);
    }

    /// Tells a machine of its space.
    pub fn enter_space(&mut self, place: Place) {
        let node = &self.nodes[place];
        let (space, gov) = (self.space, node.disk.gov(&self.space));
        let input = match &node.joining {
            _ if !node.in_space => return,
            Some((invite, join)) => Input::JoinStarted {
                invite: Box::new(invite.clone()),
                join: Box::new(join.clone()),
                gov,
            },
            None => Input::SpaceOpened { space, gov, classes: node.disk.classes() },
        };
        self.touch(place, Some(input));
    }

    fn hear(&mut self, place: Place) {
        let mut others: Vec<Place> = (0..self.nodes.len()).filter(|p| *p != place).collect();
        if let Some(hears) = self.scenario.hears {
            // A ring keeps the network in one piece; the rest is chance.
            let next = (place + 1) % self.nodes.len();
            self.chance.shuffle(&mut others);
            others.truncate(hears.saturating_sub(1));
            others.push(next);
        }
        for other in others {
            let node = self.nodes[other].key.node_id();
            let addresses = vec![net::address(other)];
            let input = Input::Heard { node, addresses, loopback: false };
            self.touch(place, Some(input));
        }
    }

    /// Switches a box off without warning: what was not durable is lost.
    pub fn kill(&mut self, place: Place) {
        let node = &mut self.nodes[place];
        (node.dropped, node.fetched) = node.totals();
        node.replica = None;
        node.life += 1;
        let wires: Vec<u64> =
            self.wires.iter().filter(|(_, w)| w.ends.contains(&place)).map(|(id, _)| *id).collect();
        for wire in wires {
            self.cut(wire);
        }
    }

    /// Tells a machine of content its box should hold.
    pub fn hold_content(&mut self, place: Place) {
        let node = &mut self.nodes[place];
        if self.content.is_empty() || node.replica.is_none() {
            return;
        }
        let visible = node.visible(self.now);
        for live in views::live_roots(&node.disk.rows, &self.space, visible) {
            if self.nodes[place].wanted.insert(live.root) {
                let (space, root, size) = (self.space, live.root, live.size);
                self.touch(place, Some(Input::WantRoot { space, root, size }));
            }
        }
    }

    /// The stream as the other end calls it.
    #[must_use]
    pub const fn mirrored(stream: StreamId) -> StreamId {
        StreamId { ours: !stream.ours, ..stream }
    }
}
