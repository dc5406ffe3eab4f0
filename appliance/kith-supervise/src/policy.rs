//! When a role or daemon is started, started again, stopped and given up, as a machine without processes.
//!
//! It never looks at why a process ended: one that ends without being asked has failed. It knows no
//! signals either; the hands turn its orders into them.

use std::collections::VecDeque;
use std::time::Duration;

use kith_core::machine::Machine;
use kith_core::time::Instant;
use kith_model::role::HUNG_SECONDS;

/// The first pause before starting again: long enough not to spin, too short to be noticed.
pub const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause: what somebody who waits for the panel still puts up with.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How many failures within [`FAILURE_WINDOW`] make it pointless to go on where somebody watches. With
/// pauses that double from 100 ms, a role that dies at once gets there within two seconds, before anybody
/// walks away.
pub const FAILURES: usize = 5;

/// How long a failure counts towards [`FAILURES`].
pub const FAILURE_WINDOW: Duration = Duration::from_secs(60);

/// A process that has served so long is sound: its next pause is its first.
pub const HEALTHY: Duration = Duration::from_secs(60);

/// How long a process may take to end when asked. A store commits every 200 ms, so five seconds are
/// ample, and service managers wait ten at least.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// How long a process that has beaten once may be silent.
pub const PATIENCE: Duration = Duration::from_secs(HUNG_SECONDS);

/// What too many failures lead to, and how many are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// So many failures...
    pub failures: usize,
    /// ...within this time are too many.
    pub window: Duration,
    /// What follows.
    pub then: Then,
    /// How long it may be silent once it has beaten.
    pub patience: Duration,
}

/// What follows too many failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It stays down.
    GiveUp,
    /// It is said once, and starting goes on with pauses that double from one to the other.
    GoOn {
        /// The next pause.
        first: Duration,
        /// The longest.
        longest: Duration,
    },
}

impl Rules {
    /// For a role while somebody sits before the terminal: giving up is noticed.
    pub const WATCHED: Self =
        Self { failures: FAILURES, window: FAILURE_WINDOW, then: Then::GiveUp, patience: PATIENCE };

    /// For a role of a box on a shelf: nobody would notice that it gave up, so it goes on in safe mode.
    pub const ALONE: Self = Self {
        failures: 3,
        window: Duration::from_secs(300),
        then: Then::GoOn { first: FIRST_PAUSE, longest: LONGEST_PAUSE },
        patience: PATIENCE,
    };

    /// For a daemon: what is wrong with it may end without us, so it is tried once a minute.
    pub const DAEMON: Self = Self {
        failures: FAILURES,
        window: FAILURE_WINDOW,
        then: Then::GoOn { first: FAILURE_WINDOW, longest: FAILURE_WINDOW },
        patience: PATIENCE,
    };
}

/// What happened to the process, or what somebody wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It says that it serves.
    Ready,
    /// It says that it is alive.
    Beat,
    /// Somebody found that it hangs.
    Hung,
    /// It ended, or could not be started.
    Exited,
    /// It shall end and stay down. Asked a second time, it is not waited for.
    StopRequested,
    /// It shall end and be started anew; one that is down is started now. What it did before is forgiven.
    RestartRequested,
}

/// What the hands are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Start the process.
    Start,
    /// Ask the process to end (SIGTERM).
    Stop,
    /// End the process (SIGKILL).
    Kill,
    /// Say that it fails too often. It goes on all the same.
    Alarm,
    /// Say that it stays down after too many failures. Nothing follows.
    GiveUp,
    /// It has ended as requested. Nothing follows.
    Finish,
}

/// The restart policy of one process.
#[derive(Debug)]
pub struct Policy {
    rules: Rules,
    phase: Phase,
    /// When it beat last, since it was started.
    beat: Option<Instant>,
    failures: VecDeque<Instant>,
    pause: Duration,
    failing: bool,
    orders: VecDeque<Order>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// To be started, or started and not serving yet.
    Starting,
    /// Serving; forgiven its past at the given time, if it still has one.
    Serving { sound_at: Option<Instant> },
    /// Killed because it hangs; its end is a failure.
    Hung,
    /// Ended; to be started again at the given time.
    Waiting { until: Instant },
    /// Asked to end; no longer waited for at the given time.
    Stopping { kill_at: Instant, again: bool },
    /// Killed; its end is a matter of the kernel.
    Killed { again: bool },
    /// Ended for good.
    Over,
}

impl Policy {
    /// The policy of a process that is to be started now.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            phase: Phase::Starting,
            beat: None,
            failures: VecDeque::new(),
            pause: FIRST_PAUSE,
            failing: false,
            orders: VecDeque::from([Order::Start]),
        }
    }

    /// The policy of a process that runs already.
    #[must_use]
    pub fn adopted(rules: Rules) -> Self {
        let phase = Phase::Serving { sound_at: None };
        Self { phase, orders: VecDeque::new(), ..Self::new(rules) }
    }

    /// The pause before the next start, while there is one.
    #[must_use]
    pub const fn waiting_until(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting { until } => Some(until),
            Phase::Starting
            | Phase::Serving { .. }
            | Phase::Hung
            | Phase::Stopping { .. }
            | Phase::Killed { .. }
            | Phase::Over => None,
        }
    }

    /// Whether it has failed too often and has not been sound since.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.failing
    }

    /// Whether it was killed because it hangs and has not ended yet.
    #[must_use]
    pub const fn is_hung(&self) -> bool {
        matches!(self.phase, Phase::Hung)
    }

    fn ready(&mut self, now: Instant) {
        if self.phase == Phase::Starting {
            self.phase = Phase::Serving { sound_at: Some(now + HEALTHY) };
        }
    }

    fn hung(&mut self) {
        if matches!(self.phase, Phase::Starting | Phase::Serving { .. }) {
            self.phase = Phase::Hung;
            self.orders.push_back(Order::Kill);
        }
    }

    fn exited(&mut self, now: Instant) {
        self.beat = None;
        match self.phase {
            Phase::Starting | Phase::Serving { .. } | Phase::Hung => self.failed(now),
            Phase::Stopping { again: true, .. } | Phase::Killed { again: true } => self.start(),
            Phase::Stopping { .. } | Phase::Killed { .. } => self.end(Order::Finish),
            Phase::Waiting { .. } | Phase::Over => {}
        }
    }

    fn failed(&mut self, now: Instant) {
        self.failures.retain(|failure| now.since(*failure) < self.rules.window);
        self.failures.push_back(now);
        // No more than these can ever matter, and the list shall not grow for ever.
        while self.failures.len() > self.rules.failures {
            self.failures.pop_front();
        }
        let mut longest = LONGEST_PAUSE;
        match self.rules.then {
            Then::GiveUp if self.too_many() => return self.end(Order::GiveUp),
            Then::GoOn { first, .. } if self.too_many() && !self.failing => {
                self.failing = true;
                self.pause = first;
                self.orders.push_back(Order::Alarm);
            }
            Then::GiveUp | Then::GoOn { .. } => {}
        }
        if let (true, Then::GoOn { longest: slow, .. }) = (self.failing, self.rules.then) {
            longest = slow;
        }
        self.phase = Phase::Waiting { until: now + self.pause };
        self.pause = (self.pause * 2).min(longest);
    }

    fn too_many(&self) -> bool {
        self.failures.len() >= self.rules.failures
    }

    fn stop(&mut self, now: Instant) {
        match self.phase {
            Phase::Starting | Phase::Serving { .. } => {
                self.phase = Phase::Stopping { kill_at: now + STOP_GRACE, again: false };
                self.orders.push_back(Order::Stop);
            }
            Phase::Stopping { kill_at, again: true } => {
                self.phase = Phase::Stopping { kill_at, again: false };
            }
            Phase::Stopping { again: false, .. } => self.kill(false),
            Phase::Waiting { .. } => self.end(Order::Finish),
            Phase::Hung | Phase::Killed { .. } => self.phase = Phase::Killed { again: false },
            Phase::Over => {}
        }
    }

    fn restart(&mut self, now: Instant) {
        self.forgive_all();
        match self.phase {
            Phase::Starting | Phase::Serving { .. } => {
                self.phase = Phase::Stopping { kill_at: now + STOP_GRACE, again: true };
                self.orders.push_back(Order::Stop);
            }
            Phase::Stopping { kill_at, .. } => {
                self.phase = Phase::Stopping { kill_at, again: true };
            }
            Phase::Hung | Phase::Killed { .. } => self.phase = Phase::Killed { again: true },
            Phase::Waiting { .. } | Phase::Over => self.start(),
        }
    }

    fn start(&mut self) {
        self.phase = Phase::Starting;
        self.orders.push_back(Order::Start);
    }

    fn kill(&mut self, again: bool) {
        self.phase = Phase::Killed { again };
        self.orders.push_back(Order::Kill);
    }

    fn end(&mut self, order: Order) {
        self.phase = Phase::Over;
        self.orders.push_back(order);
    }

    /// Failures stay on the list until they are too old to count.
    fn forgive(&mut self) {
        self.pause = FIRST_PAUSE;
        self.failing = false;
        self.phase = Phase::Serving { sound_at: None };
    }

    fn forgive_all(&mut self) {
        self.failures.clear();
        self.pause = FIRST_PAUSE;
        self.failing = false;
    }

    /// When silence is no longer put up with.
    fn hung_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Starting | Phase::Serving { .. } => {
                self.beat.map(|beat| beat + self.rules.patience)
            }
            Phase::Hung
            | Phase::Waiting { .. }
            | Phase::Stopping { .. }
            | Phase::Killed { .. }
            | Phase::Over => None,
        }
    }

    fn due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Serving { sound_at } => sound_at,
            Phase::Waiting { until } => Some(until),
            Phase::Stopping { kill_at, .. } => Some(kill_at),
            Phase::Starting | Phase::Hung | Phase::Killed { .. } | Phase::Over => None,
        }
    }
}

impl Machine for Policy {
    type Input = Event;
    type Output = Order;

    fn handle_input(&mut self, now: Instant, input: Event) {
        match input {
            Event::Ready => self.ready(now),
            Event::Beat => self.beat = Some(now),
            Event::Hung => self.hung(),
            Event::Exited => {
                // The pardon may be due although its timer has not been looked at yet.
                if matches!(self.phase, Phase::Serving { sound_at: Some(at) } if at <= now) {
                    self.forgive();
                }
                self.exited(now);
            }
            Event::StopRequested => self.stop(now),
            Event::RestartRequested => self.restart(now),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self.phase {
            Phase::Serving { sound_at: Some(at) } if at <= now => self.forgive(),
            Phase::Waiting { until } if until <= now => self.start(),
            Phase::Stopping { kill_at, again } if kill_at <= now => self.kill(again),
            Phase::Starting
            | Phase::Serving { .. }
            | Phase::Hung
            | Phase::Waiting { .. }
            | Phase::Stopping { .. }
            | Phase::Killed { .. }
            | Phase::Over => {}
        }
        if self.hung_at().is_some_and(|at| at <= now) {
            self.hung();
        }
    }

    fn poll_output(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.due(), self.hung_at()].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_role_that_dies_at_once_is_given_up_within_two_seconds() {
        let mut world = World::new();
        let starts = world.run(MINUTE, |_| Life::Dies { after: Duration::ZERO });
        assert_eq!(starts.len(), FAILURES);
        assert_eq!(world.last, Some(Order::GiveUp));
        assert!(world.now.since(Instant::ZERO) < Duration::from_secs(2));
        assert_eq!(world.policy.poll_timeout(), None);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut world = World::new();
        // Dies every 16 s: four times in a window, so it is never given up.
        let life = Duration::from_secs(16);
        let starts = world.run(10 * MINUTE, |_| Life::Dies { after: life });
        let pauses: Vec<_> = starts.windows(2).map(|w| w[1].since(w[0]) - life).collect();
        assert_eq!(pauses[..4], [100, 200, 400, 800].map(Duration::from_millis));
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
        assert!(pauses.is_sorted());
        assert_ne!(world.last, Some(Order::GiveUp));
    }

    #[test]
    fn a_minute_of_health_wipes_the_slate() {
        let mut world = World::new();
        let starts = world.run(20 * MINUTE, |_| Life::Serves { then_dies_after: HEALTHY });
        let pauses: Vec<_> = starts.windows(2).map(|w| w[1].since(w[0]) - HEALTHY).collect();
        assert!(starts.len() > FAILURES, "it goes on for ever");
        assert!(pauses.iter().all(|pause| *pause == FIRST_PAUSE), "{pauses:?}");
    }

    #[test]
    fn a_second_less_of_health_does_not() {
        let mut world = World::new();
        let almost = HEALTHY - Duration::from_secs(1);
        let starts = world.run(20 * MINUTE, |_| Life::Serves { then_dies_after: almost });
        let last = starts.windows(2).map(|w| w[1].since(w[0]) - almost).next_back();
        assert_eq!(last, Some(LONGEST_PAUSE));
    }

    #[test]
    fn four_failures_in_a_minute_are_borne_and_a_fifth_is_not() {
        let mut world = World::new();
        let five = |n: usize| {
            if n < 5 { Life::Dies { after: Duration::from_secs(1) } } else { Life::Stays }
        };
        world.run(MINUTE, five);
        assert_eq!(world.last, Some(Order::GiveUp));

        let mut world = World::new();
        let four = |n: usize| {
            if n < 4 { Life::Dies { after: Duration::from_secs(1) } } else { Life::Stays }
        };
        let starts = world.run(MINUTE, four);
        assert_eq!((starts.len(), world.last), (5, Some(Order::Start)));
    }

    #[test]
    fn a_role_that_ignores_the_request_is_killed_after_the_grace() {
        let mut policy = Policy::new(Rules::WATCHED);
        assert_eq!(policy.poll_output(), Some(Order::Start));
        policy.handle_input(Instant::ZERO, Event::StopRequested);
        assert_eq!(policy.poll_output(), Some(Order::Stop));
        let end = Instant::ZERO + STOP_GRACE;
        policy.handle_timeout(end - Duration::from_micros(1));
        assert_eq!(policy.poll_output(), None);
        assert_eq!(policy.poll_timeout(), Some(end));
        policy.handle_timeout(end);
        assert_eq!(policy.poll_output(), Some(Order::Kill));
        policy.handle_input(end, Event::Exited);
        assert_eq!(policy.poll_output(), Some(Order::Finish));
    }

    #[test]
    fn a_second_request_does_not_wait_and_a_third_changes_nothing() {
        let mut policy = Policy::new(Rules::WATCHED);
        for _ in 0..3 {
            policy.handle_input(Instant::ZERO, Event::StopRequested);
        }
        let orders: Vec<_> = std::iter::from_fn(|| policy.poll_output()).collect();
        assert_eq!(orders, [Order::Start, Order::Stop, Order::Kill]);
    }

    #[test]
    fn a_request_between_two_starts_ends_it_at_once() {
        let mut policy = Policy::new(Rules::WATCHED);
        assert_eq!(policy.poll_output(), Some(Order::Start));
        policy.handle_input(Instant::ZERO, Event::Exited);
        assert_eq!(policy.waiting_until(), Some(Instant::ZERO + FIRST_PAUSE));
        policy.handle_input(Instant::ZERO, Event::StopRequested);
        assert_eq!(policy.poll_output(), Some(Order::Finish));
        policy.handle_timeout(Instant::ZERO + MINUTE);
        assert_eq!(policy.poll_output(), None, "it stays down");
    }

    #[test]
    fn a_box_on_a_shelf_says_it_at_the_third_failure_and_never_gives_up() {
        let mut world = World::of(Rules::ALONE);
        let starts = world.run(60 * MINUTE, |_| Life::Dies { after: Duration::ZERO });
        assert_eq!(world.alarms, [starts[2]], "once, and at the third");
        let pauses: Vec<_> = starts.windows(2).map(|w| w[1].since(w[0])).collect();
        assert_eq!(pauses[..4], [100, 200, 100, 200].map(Duration::from_millis));
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
        assert_ne!(world.last, Some(Order::GiveUp));
    }

    #[test]
    fn failures_that_are_minutes_apart_still_add_up_on_a_shelf() {
        let every = |seconds| {
            let mut world = World::of(Rules::ALONE);
            let life = Duration::from_secs(seconds);
            world.run(60 * MINUTE, |_| Life::Serves { then_dies_after: life });
            world.alarms.len()
        };
        assert!(every(145) > 0, "three within five minutes, each after more than two of service");
        assert_eq!(every(151), 0);
    }

    #[test]
    fn a_daemon_that_fails_is_tried_once_a_minute_and_is_sound_again_after_one() {
        let mut world = World::of(Rules::DAEMON);
        let mended = |n: usize| {
            if n < 8 { Life::Dies { after: Duration::ZERO } } else { Life::Stays }
        };
        let starts = world.run(10 * MINUTE, mended);
        let pauses: Vec<_> = starts.windows(2).map(|w| w[1].since(w[0])).collect();
        assert_eq!(pauses[4..], [MINUTE; 4]);
        assert!(world.policy.is_failing());
        world.policy.handle_input(world.now, Event::Ready);
        world.run(MINUTE + FIRST_PAUSE, |_| Life::Stays);
        assert!(!world.policy.is_failing());
    }

    #[test]
    fn one_that_beat_once_and_is_silent_is_killed_and_that_is_a_failure() {
        let mut policy = Policy::new(Rules::WATCHED);
        assert_eq!(policy.poll_output(), Some(Order::Start));
        policy.handle_input(Instant::ZERO, Event::Ready);
        let beat = Instant::ZERO + Duration::from_secs(3);
        policy.handle_input(beat, Event::Beat);
        policy.handle_timeout(beat + PATIENCE - Duration::from_micros(1));
        assert_eq!(policy.poll_output(), None);
        assert_eq!(policy.poll_timeout(), Some(beat + PATIENCE));
        policy.handle_timeout(beat + PATIENCE);
        assert_eq!(policy.poll_output(), Some(Order::Kill));
        assert!(policy.is_hung());
        assert_eq!(policy.poll_timeout(), None, "killed once");
        policy.handle_input(beat + PATIENCE, Event::Exited);
        assert_eq!(policy.waiting_until(), Some(beat + PATIENCE + FIRST_PAUSE));
        policy.handle_timeout(beat + PATIENCE + FIRST_PAUSE);
        assert_eq!(policy.poll_output(), Some(Order::Start));
        assert_eq!(policy.poll_timeout(), None, "the next one has not beaten yet");
    }

    #[test]
    fn beats_keep_it_alive_and_one_that_never_beats_is_left_alone() {
        let mut policy = Policy::new(Rules::WATCHED);
        assert_eq!(policy.poll_output(), Some(Order::Start));
        policy.handle_timeout(Instant::ZERO + 60 * MINUTE);
        assert_eq!(policy.poll_output(), None);
        for second in (0..600).step_by(19) {
            policy.handle_timeout(Instant::ZERO + Duration::from_secs(second));
            policy.handle_input(Instant::ZERO + Duration::from_secs(second), Event::Beat);
            assert_eq!(policy.poll_output(), None);
        }
    }

    #[test]
    fn a_beat_that_comes_with_a_late_timer_counts() {
        // The supervisor itself may have been stopped for an hour.
        let mut policy = Policy::new(Rules::WATCHED);
        assert_eq!(policy.poll_output(), Some(Order::Start));
        policy.handle_input(Instant::ZERO, Event::Beat);
        let late = Instant::ZERO + 60 * MINUTE;
        policy.handle_input(late, Event::Beat);
        policy.handle_timeout(late);
        assert_eq!(policy.poll_output(), None);
    }

    #[test]
    fn a_wanted_restart_is_no_failure_and_waits_for_the_end() {
        let mut policy = Policy::new(Rules::DAEMON);
        assert_eq!(policy.poll_output(), Some(Order::Start));
        for _ in 0..9 {
            policy.handle_input(Instant::ZERO, Event::RestartRequested);
            policy.handle_input(Instant::ZERO, Event::RestartRequested);
            assert_eq!(policy.poll_output(), Some(Order::Stop));
            assert_eq!(policy.poll_output(), None, "not before it has ended");
            policy.handle_input(Instant::ZERO, Event::Exited);
            assert_eq!(policy.poll_output(), Some(Order::Start));
        }
        assert!(!policy.is_failing());
    }

    #[test]
    fn the_last_wish_counts() {
        let mut policy = Policy::new(Rules::DAEMON);
        policy.handle_input(Instant::ZERO, Event::RestartRequested);
        policy.handle_input(Instant::ZERO, Event::StopRequested);
        policy.handle_input(Instant::ZERO, Event::Exited);
        let orders: Vec<_> = std::iter::from_fn(|| policy.poll_output()).collect();
        assert_eq!(orders, [Order::Start, Order::Stop, Order::Finish]);
        // Wished for again after its end, or while it is still ending.
        policy.handle_input(Instant::ZERO, Event::RestartRequested);
        policy.handle_input(Instant::ZERO, Event::StopRequested);
        policy.handle_input(Instant::ZERO, Event::RestartRequested);
        policy.handle_input(Instant::ZERO, Event::Exited);
        let orders: Vec<_> = std::iter::from_fn(|| policy.poll_output()).collect();
        assert_eq!(orders, [Order::Start, Order::Stop, Order::Start]);
    }

    #[test]
    fn a_restart_of_one_that_waits_does_not_wait() {
        let mut policy = Policy::new(Rules::DAEMON);
        assert_eq!(policy.poll_output(), Some(Order::Start));
        policy.handle_input(Instant::ZERO, Event::Exited);
        policy.handle_input(Instant::ZERO, Event::RestartRequested);
        assert_eq!(policy.poll_output(), Some(Order::Start));
        assert_eq!(policy.waiting_until(), None);
    }

    #[test]
    fn a_restart_that_is_ignored_becomes_a_kill() {
        let mut policy = Policy::adopted(Rules::DAEMON);
        assert_eq!(policy.poll_output(), None, "it runs already");
        policy.handle_input(Instant::ZERO, Event::RestartRequested);
        assert_eq!(policy.poll_output(), Some(Order::Stop));
        policy.handle_timeout(Instant::ZERO + STOP_GRACE);
        assert_eq!(policy.poll_output(), Some(Order::Kill));
        policy.handle_input(Instant::ZERO + STOP_GRACE, Event::Exited);
        assert_eq!(policy.poll_output(), Some(Order::Start));
    }

    /// How one life of the role goes.
    enum Life {
        Dies { after: Duration },
        Serves { then_dies_after: Duration },
        Stays,
    }

    /// A world of one role, in virtual time.
    struct World {
        policy: Policy,
        now: Instant,
        dies_at: Option<Instant>,
        last: Option<Order>,
        alarms: Vec<Instant>,
    }

    impl World {
        fn new() -> Self {
            Self::of(Rules::WATCHED)
        }

        fn of(rules: Rules) -> Self {
            Self {
                policy: Policy::new(rules),
                now: Instant::ZERO,
                dies_at: None,
                last: None,
                alarms: Vec::new(),
            }
        }

        /// Runs for `span` and answers when the role was started; `life` is given the number of each.
        fn run(&mut self, span: Duration, life: impl Fn(usize) -> Life) -> Vec<Instant> {
            let end = self.now + span;
            let mut starts = Vec::new();
            loop {
                while let Some(order) = self.policy.poll_output() {
                    self.last = Some(order);
                    if order == Order::Alarm {
                        self.alarms.push(self.now);
                    }
                    if order == Order::Start {
                        self.live(&life(starts.len()));
                        starts.push(self.now);
                    }
                }
                let next = [self.policy.poll_timeout(), self.dies_at].into_iter().flatten().min();
                let Some(next) = next.filter(|next| *next < end) else { return starts };
                self.now = next;
                if self.dies_at == Some(next) {
                    self.dies_at = None;
                    self.policy.handle_input(next, Event::Exited);
                }
                self.policy.handle_timeout(next);
            }
        }

        fn live(&mut self, life: &Life) {
            self.dies_at = match life {
                Life::Dies { after } => Some(self.now + *after),
                Life::Serves { then_dies_after } => {
                    self.policy.handle_input(self.now, Event::Ready);
                    Some(self.now + *then_dies_after)
                }
                Life::Stays => None,
            };
        }
    }
}
