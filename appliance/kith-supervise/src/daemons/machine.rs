//! Which daemons run, as a machine without processes: wishes and ends go in, starts and signals come out.

use std::collections::{BTreeMap, VecDeque};

use kith_core::machine::Machine;
use kith_core::time::Instant;
use kith_model::daemon::{DaemonId, DaemonSeen, DaemonWish};
use kith_model::network::status::DaemonHealth;

use crate::policy::{Event, Order, Policy, Rules};

/// More daemons than a box with eight radios needs.
const MOST: usize = 32;

/// What happened, or what is wanted.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// These shall run and no others.
    Wished(Vec<DaemonWish>),
    /// It runs already, from before we were started.
    Adopted { id: DaemonId, generation: u64, pid: u32 },
    /// It was started.
    Started { id: DaemonId, pid: u32 },
    /// It cannot be started: its program is not there.
    Missing { id: DaemonId, why: String },
    /// It ended, or could not be started.
    Ended { id: DaemonId, how: String },
    /// It does not answer.
    Hung(DaemonId),
    /// All shall end.
    Stop,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Start it.
    Start { id: DaemonId, generation: u64 },
    /// Ask it to end.
    Terminate(DaemonId),
    /// End it.
    Kill(DaemonId),
    /// It fails too often; it is tried once a minute from here on.
    Failing { id: DaemonId, why: String },
    /// All have ended, after [`Input::Stop`].
    Over,
}

/// All daemons.
#[derive(Debug, Default)]
pub(crate) struct Daemons {
    daemons: BTreeMap<DaemonId, Daemon>,
    stopping: bool,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Daemon {
    /// What it is started with the next time.
    generation: u64,
    /// What it was started with.
    running: u64,
    /// Nothing while its program is missing: it is tried when it is wished for again.
    policy: Option<Policy>,
    wished: bool,
    pid: Option<u32>,
    starts: u64,
    error: Option<String>,
}

impl Daemons {
    /// All daemons as they are.
    pub(crate) fn seen(&self) -> Vec<DaemonSeen> {
        self.daemons.iter().map(|(id, daemon)| daemon.seen(id)).collect()
    }

    fn wished(&mut self, now: Instant, wishes: Vec<DaemonWish>) {
        if self.stopping {
            return;
        }
        let wishes: BTreeMap<_, _> =
            wishes.into_iter().take(MOST).map(|wish| (wish.id, wish.generation)).collect();
        for (id, daemon) in &mut self.daemons {
            if !wishes.contains_key(id) {
                daemon.unwish(now);
            }
        }
        for (id, generation) in wishes {
            self.daemons
                .entry(id)
                .and_modify(|daemon| daemon.wish(now, generation))
                .or_insert_with(|| Daemon::new(generation));
        }
    }

    fn adopted(&mut self, id: DaemonId, generation: u64, pid: u32) {
        self.daemons.entry(id).or_insert_with(|| Daemon {
            running: generation,
            policy: Some(Policy::adopted(Rules::DAEMON)),
            pid: Some(pid),
            starts: 1,
            ..Daemon::new(generation)
        });
    }

    fn started(&mut self, now: Instant, id: &DaemonId, pid: u32) {
        if let Some(daemon) = self.daemons.get_mut(id) {
            daemon.pid = Some(pid);
            // Whether it answers is for link to say; that it runs is all that shows here.
            daemon.tell(now, Event::Ready);
        }
    }

    fn missing(&mut self, id: &DaemonId, why: String) {
        if let Some(daemon) = self.daemons.get_mut(id) {
            daemon.policy = None;
            daemon.pid = None;
            daemon.error = Some(why);
        }
    }

    fn ended(&mut self, now: Instant, id: &DaemonId, how: String) {
        if let Some(daemon) = self.daemons.get_mut(id) {
            let hung = daemon.policy.as_ref().is_some_and(Policy::is_hung);
            daemon.pid = None;
            daemon.error = Some(if hung { "it did not answer and was killed".into() } else { how });
            daemon.tell(now, Event::Exited);
        }
    }

    fn stop(&mut self, now: Instant) {
        self.stopping = true;
        for daemon in self.daemons.values_mut() {
            daemon.unwish(now);
        }
    }

    /// Takes the orders of all policies.
    fn collect(&mut self) {
        let mut over = Vec::new();
        for (id, daemon) in &mut self.daemons {
            while let Some(order) = daemon.policy.as_mut().and_then(Policy::poll_output) {
                match order {
                    Order::Start => {
                        daemon.running = daemon.generation;
                        daemon.starts += 1;
                        let generation = daemon.generation;
                        self.outputs.push_back(Output::Start { id: id.clone(), generation });
                    }
                    Order::Stop => self.outputs.push_back(Output::Terminate(id.clone())),
                    Order::Kill => self.outputs.push_back(Output::Kill(id.clone())),
                    Order::Alarm => {
                        let why = daemon.error.clone().unwrap_or_default();
                        self.outputs.push_back(Output::Failing { id: id.clone(), why });
                    }
                    Order::Finish | Order::GiveUp => over.push(id.clone()),
                }
            }
            if daemon.policy.is_none() && !daemon.wished {
                over.push(id.clone());
            }
        }
        for id in over {
            self.daemons.remove(&id);
        }
        if self.stopping && self.daemons.is_empty() {
            self.stopping = false;
            self.outputs.push_back(Output::Over);
        }
    }
}

impl Daemon {
    fn new(generation: u64) -> Self {
        Self {
            generation,
            running: generation,
            policy: Some(Policy::new(Rules::DAEMON)),
            wished: true,
            pid: None,
            starts: 0,
            error: None,
        }
    }

    fn tell(&mut self, now: Instant, event: Event) {
        if let Some(policy) = &mut self.policy {
            policy.handle_input(now, event);
        }
    }

    fn wish(&mut self, now: Instant, generation: u64) {
        let again = !std::mem::replace(&mut self.wished, true);
        let changed = std::mem::replace(&mut self.generation, generation) != generation
            || self.running != generation;
        if self.policy.is_none() {
            self.policy = Some(Policy::new(Rules::DAEMON));
        } else if again || changed {
            self.tell(now, Event::RestartRequested);
        }
    }

    fn unwish(&mut self, now: Instant) {
        // Once: a second request would not wait for its end.
        if std::mem::replace(&mut self.wished, false) {
            self.tell(now, Event::StopRequested);
        }
    }

    fn seen(&self, id: &DaemonId) -> DaemonSeen {
        DaemonSeen {
            id: id.clone(),
            generation: self.running,
            pid: self.pid,
            state: self.health(),
            restarts: self.starts.saturating_sub(1),
            error: self.error.clone(),
        }
    }

    fn health(&self) -> DaemonHealth {
        let Some(policy) = &self.policy else { return DaemonHealth::Missing };
        if policy.is_hung() {
            DaemonHealth::Hung
        } else if policy.is_failing() {
            DaemonHealth::Failing
        } else if policy.waiting_until().is_some() {
            DaemonHealth::Waiting
        } else if self.pid.is_some() {
            DaemonHealth::Running
        } else {
            DaemonHealth::Starting
        }
    }
}

impl Machine for Daemons {
    type Input = Input;
    type Output = Output;

    fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Wished(wishes) => self.wished(now, wishes),
            Input::Adopted { id, generation, pid } => self.adopted(id, generation, pid),
            Input::Started { id, pid } => self.started(now, &id, pid),
            Input::Missing { id, why } => self.missing(&id, why),
            Input::Ended { id, how } => self.ended(now, &id, how),
            Input::Hung(id) => {
                if let Some(daemon) = self.daemons.get_mut(&id) {
                    daemon.tell(now, Event::Hung);
                }
            }
            Input::Stop => self.stop(now),
        }
        self.collect();
    }

    fn handle_timeout(&mut self, now: Instant) {
        for policy in self.daemons.values_mut().filter_map(|daemon| daemon.policy.as_mut()) {
            policy.handle_timeout(now);
        }
        self.collect();
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let policies = self.daemons.values().filter_map(|daemon| daemon.policy.as_ref());
        policies.filter_map(Machine::poll_timeout).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kith_model::daemon::Program;

    use super::*;
    use crate::policy::STOP_GRACE;

    #[test]
    fn wishes_are_started_and_what_is_no_longer_wished_for_ends() {
        let mut world = World::default();
        world.wish(&[("phy0", 1), ("phy1", 1)]);
        assert_eq!(world.orders(), [start("phy0", 1), start("phy1", 1)]);
        world.run("phy0", 10);
        world.run("phy1", 11);
        world.wish(&[("phy1", 1)]);
        assert_eq!(world.orders(), [Output::Terminate(id("phy0"))]);
        world.wish(&[("phy1", 1)]);
        assert_eq!(world.orders(), [], "asked once, and the other is left alone");
        world.end("phy0");
        assert_eq!(world.states(), [("phy1".to_owned(), DaemonHealth::Running)]);
    }

    #[test]
    fn another_generation_is_a_restart_and_no_failure() {
        let mut world = World::default();
        world.wish(&[("phy0", 1)]);
        for generation in 1..50 {
            assert_eq!(world.orders(), [start("phy0", generation)]);
            world.run("phy0", 10);
            world.wish(&[("phy0", generation + 1)]);
            assert_eq!(world.orders(), [Output::Terminate(id("phy0"))]);
            assert_eq!(world.machine.seen()[0].generation, generation, "until it is started anew");
            world.end("phy0");
        }
        assert_eq!(world.machine.seen()[0].state, DaemonHealth::Starting);
    }

    #[test]
    fn one_that_ignores_the_request_is_killed_after_five_seconds() {
        let mut world = World::default();
        world.wish(&[("phy0", 1)]);
        world.orders();
        world.run("phy0", 10);
        world.wish(&[]);
        assert_eq!(world.orders(), [Output::Terminate(id("phy0"))]);
        world.pass(STOP_GRACE);
        assert_eq!(world.orders(), [Output::Kill(id("phy0"))]);
    }

    #[test]
    fn a_hung_one_is_killed_and_started_again_and_says_why() {
        let mut world = World::default();
        world.wish(&[("phy0", 1)]);
        world.orders();
        world.run("phy0", 10);
        world.tell(Input::Hung(id("phy0")));
        world.tell(Input::Hung(id("phy0")));
        assert_eq!(world.orders(), [Output::Kill(id("phy0"))]);
        assert_eq!(world.machine.seen()[0].state, DaemonHealth::Hung);
        world.end("phy0");
        assert_eq!(world.machine.seen()[0].state, DaemonHealth::Waiting);
        assert_eq!(
            world.machine.seen()[0].error.as_deref(),
            Some("it did not answer and was killed")
        );
        world.pass(Duration::from_millis(100));
        assert_eq!(world.orders(), [start("phy0", 1)]);
    }

    #[test]
    fn one_that_always_dies_is_tried_once_a_minute_and_at_once_with_another_generation() {
        let mut world = World::default();
        world.wish(&[("phy0", 1)]);
        let mut starts = 0;
        for _ in 0..6_000 {
            for order in world.orders() {
                if order == start("phy0", 1) {
                    starts += 1;
                    world.run("phy0", 10);
                    world.end("phy0");
                }
            }
            world.pass(Duration::from_millis(100));
        }
        assert_eq!(starts, 5 + 9, "five at once, then nine in the rest of ten minutes");
        assert_eq!(world.machine.seen()[0].state, DaemonHealth::Failing);
        world.wish(&[("phy0", 2)]);
        assert_eq!(world.orders(), [start("phy0", 2)]);
        assert_eq!(world.machine.seen()[0].state, DaemonHealth::Starting);
    }

    #[test]
    fn a_missing_program_is_said_and_tried_again_with_the_next_wish_only() {
        let mut world = World::default();
        world.wish(&[("phy0", 1)]);
        world.orders();
        let missing = Input::Missing { id: id("phy0"), why: "hostapd is not here".into() };
        world.tell(missing.clone());
        assert_eq!(world.machine.seen()[0].state, DaemonHealth::Missing);
        assert_eq!(world.machine.poll_timeout(), None);
        world.wish(&[("phy0", 1)]);
        assert_eq!(world.orders(), [start("phy0", 1)]);
        world.tell(missing);
        world.wish(&[]);
        assert!(world.machine.seen().is_empty());
    }

    #[test]
    fn one_from_before_is_left_alone_when_it_is_what_is_wished_for() {
        let mut world = World::default();
        for (instance, generation) in [("phy0", 1), ("phy1", 1), ("phy2", 1)] {
            world.tell(Input::Adopted { id: id(instance), generation, pid: 10 });
        }
        assert_eq!(world.orders(), [], "until link has said what it wants");
        world.wish(&[("phy0", 1), ("phy1", 2)]);
        assert_eq!(world.orders(), [Output::Terminate(id("phy1")), Output::Terminate(id("phy2"))]);
        world.end("phy1");
        assert_eq!(world.orders(), [start("phy1", 2)]);
        let seen = world.machine.seen();
        assert_eq!((seen[0].pid, seen[0].restarts), (Some(10), 0));
    }

    #[test]
    fn all_end_when_asked_and_nothing_is_started_after_that() {
        let mut world = World::default();
        world.wish(&[("phy0", 1), ("phy1", 1)]);
        world.orders();
        world.run("phy0", 10);
        world.tell(Input::Stop);
        world.wish(&[("phy9", 1)]);
        world.end("phy0");
        world.run("phy1", 11);
        assert!(!world.orders().contains(&Output::Over), "one still runs");
        world.end("phy1");
        assert_eq!(world.orders(), [Output::Over]);
        let mut empty = World::default();
        empty.tell(Input::Stop);
        assert_eq!(empty.orders(), [Output::Over]);
    }

    #[test]
    fn a_flood_of_wishes_is_bounded() {
        let mut world = World::default();
        let names: Vec<_> = (0..1_000).map(|n| format!("phy{n}")).collect();
        let wishes: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
        world.wish(&wishes);
        assert_eq!(world.machine.seen().len(), MOST);
    }

    #[derive(Default)]
    struct World {
        machine: Daemons,
        now: Instant,
    }

    impl World {
        fn tell(&mut self, input: Input) {
            self.machine.handle_input(self.now, input);
        }

        fn wish(&mut self, wishes: &[(&str, u64)]) {
            let wish = |(instance, generation): &(&str, u64)| DaemonWish {
                id: id(instance),
                generation: *generation,
            };
            self.tell(Input::Wished(wishes.iter().map(wish).collect()));
        }

        fn run(&mut self, instance: &str, pid: u32) {
            self.tell(Input::Started { id: id(instance), pid });
        }

        fn end(&mut self, instance: &str) {
            self.tell(Input::Ended { id: id(instance), how: "it ended".into() });
        }

        fn pass(&mut self, time: Duration) {
            self.now = self.now + time;
            self.machine.handle_timeout(self.now);
        }

        fn orders(&mut self) -> Vec<Output> {
            let orders = std::iter::from_fn(|| self.machine.poll_output());
            orders.filter(|order| !matches!(order, Output::Failing { .. })).collect()
        }

        fn states(&self) -> Vec<(String, DaemonHealth)> {
            let seen = self.machine.seen().into_iter();
            seen.map(|seen| (seen.id.instance.to_string(), seen.state)).collect()
        }
    }

    fn id(instance: &str) -> DaemonId {
        DaemonId { program: Program::Hostapd, instance: instance.parse().unwrap() }
    }

    fn start(instance: &str, generation: u64) -> Output {
        Output::Start { id: id(instance), generation }
    }
}
