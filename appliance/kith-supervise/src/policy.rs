//! When a role is started, started again, stopped and given up, as a machine without processes.
//!
//! It never looks at why a role ended: a role that ends without being asked has failed. It knows no
//! signals either; the hands in [`crate::process`] turn its orders into them.

use std::collections::VecDeque;
use std::time::Duration;

use kith_core::machine::Machine;
use kith_core::time::Instant;

/// The first pause before starting again: long enough not to spin, too short to be noticed.
pub const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause: what somebody who waits for the panel still puts up with.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How many failures within [`FAILURE_WINDOW`] make it pointless to go on. With pauses that double from
/// 100 ms, a role that dies at once gets there within two seconds, before anybody walks away.
pub const FAILURES: usize = 5;

/// How long a failure counts towards [`FAILURES`].
pub const FAILURE_WINDOW: Duration = Duration::from_secs(60);

/// A role that has served so long is sound: its next failure is treated as its first.
pub const HEALTHY: Duration = Duration::from_secs(60);

/// How long a role may take to end when asked. A store commits every 200 ms, so five seconds are
/// ample, and service managers wait ten at least.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// What happened to the role, or what somebody wants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It says that it serves.
    Ready,
    /// Its process ended, or could not be started.
    Exited,
    /// It shall end and stay down. Asked a second time, it is not waited for.
    StopRequested,
}

/// What the hands are to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Start its process.
    Start,
    /// Ask its process to end (SIGTERM).
    Stop,
    /// End its process (SIGKILL).
    Kill,
    /// Say that it stays down after too many failures. Nothing follows.
    GiveUp,
    /// It has ended as requested. Nothing follows.
    Finish,
}

/// The restart policy of one role.
#[derive(Debug)]
pub struct Policy {
    phase: Phase,
    failures: VecDeque<Instant>,
    pause: Duration,
    orders: VecDeque<Order>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// To be started, or started and not serving yet.
    Starting,
    /// Serving; forgiven its past at the given time, if it still has one.
    Serving { sound_at: Option<Instant> },
    /// Ended; to be started again at the given time.
    Waiting { until: Instant },
    /// Asked to end; no longer waited for at the given time.
    Stopping { kill_at: Instant },
    /// Killed; its end is a matter of the kernel.
    Killed,
    /// Ended for good.
    Over,
}

impl Policy {
    /// The policy of a role that is to be started now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            phase: Phase::Starting,
            failures: VecDeque::new(),
            pause: FIRST_PAUSE,
            orders: VecDeque::from([Order::Start]),
        }
    }

    /// The pause before the next start, while there is one.
    #[must_use]
    pub const fn waiting_until(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting { until } => Some(until),
            Phase::Starting
            | Phase::Serving { .. }
            | Phase::Stopping { .. }
            | Phase::Killed
            | Phase::Over => None,
        }
    }

    fn ready(&mut self, now: Instant) {
        if self.phase == Phase::Starting {
            self.phase = Phase::Serving { sound_at: Some(now + HEALTHY) };
        }
    }

    fn exited(&mut self, now: Instant) {
        match self.phase {
            Phase::Starting | Phase::Serving { .. } => self.failed(now),
            Phase::Stopping { .. } | Phase::Killed => self.end(Order::Finish),
            Phase::Waiting { .. } | Phase::Over => {}
        }
    }

    fn failed(&mut self, now: Instant) {
        self.failures.retain(|failure| now.since(*failure) < FAILURE_WINDOW);
        self.failures.push_back(now);
        if self.failures.len() >= FAILURES {
            self.end(Order::GiveUp);
            return;
        }
        self.phase = Phase::Waiting { until: now + self.pause };
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn stop(&mut self, now: Instant) {
        match self.phase {
            Phase::Starting | Phase::Serving { .. } => {
                self.phase = Phase::Stopping { kill_at: now + STOP_GRACE };
                self.orders.push_back(Order::Stop);
            }
            Phase::Stopping { .. } => self.kill(),
            Phase::Waiting { .. } => self.end(Order::Finish),
            Phase::Killed | Phase::Over => {}
        }
    }

    fn kill(&mut self) {
        self.phase = Phase::Killed;
        self.orders.push_back(Order::Kill);
    }

    fn end(&mut self, order: Order) {
        self.phase = Phase::Over;
        self.orders.push_back(order);
    }

    fn forgive(&mut self) {
        self.failures.clear();
        self.pause = FIRST_PAUSE;
        self.phase = Phase::Serving { sound_at: None };
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine for Policy {
    type Input = Event;
    type Output = Order;

    fn handle_input(&mut self, now: Instant, input: Event) {
        match input {
            Event::Ready => self.ready(now),
            Event::Exited => {
                // The pardon may be due although its timer has not been looked at yet.
                self.handle_timeout(now);
                self.exited(now);
            }
            Event::StopRequested => self.stop(now),
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        match self.phase {
            Phase::Serving { sound_at: Some(at) } if at <= now => self.forgive(),
            Phase::Waiting { until } if until <= now => {
                self.phase = Phase::Starting;
                self.orders.push_back(Order::Start);
            }
            Phase::Stopping { kill_at } if kill_at <= now => self.kill(),
            Phase::Starting
            | Phase::Serving { .. }
            | Phase::Waiting { .. }
            | Phase::Stopping { .. }
            | Phase::Killed
            | Phase::Over => {}
        }
    }

    fn poll_output(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Serving { sound_at } => sound_at,
            Phase::Waiting { until } => Some(until),
            Phase::Stopping { kill_at } => Some(kill_at),
            Phase::Starting | Phase::Killed | Phase::Over => None,
        }
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
        let mut policy = Policy::new();
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
        let mut policy = Policy::new();
        for _ in 0..3 {
            policy.handle_input(Instant::ZERO, Event::StopRequested);
        }
        let orders: Vec<_> = std::iter::from_fn(|| policy.poll_output()).collect();
        assert_eq!(orders, [Order::Start, Order::Stop, Order::Kill]);
    }

    #[test]
    fn a_request_between_two_starts_ends_it_at_once() {
        let mut policy = Policy::new();
        assert_eq!(policy.poll_output(), Some(Order::Start));
        policy.handle_input(Instant::ZERO, Event::Exited);
        assert_eq!(policy.waiting_until(), Some(Instant::ZERO + FIRST_PAUSE));
        policy.handle_input(Instant::ZERO, Event::StopRequested);
        assert_eq!(policy.poll_output(), Some(Order::Finish));
        policy.handle_timeout(Instant::ZERO + MINUTE);
        assert_eq!(policy.poll_output(), None, "it stays down");
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
    }

    impl World {
        fn new() -> Self {
            Self { policy: Policy::new(), now: Instant::ZERO, dies_at: None, last: None }
        }

        /// Runs for `span` and answers when the role was started; `life` is given the number of each.
        fn run(&mut self, span: Duration, life: impl Fn(usize) -> Life) -> Vec<Instant> {
            let end = self.now + span;
            let mut starts = Vec::new();
            loop {
                while let Some(order) = self.policy.poll_output() {
                    self.last = Some(order);
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
