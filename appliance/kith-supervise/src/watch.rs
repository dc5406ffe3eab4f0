//! One role being looked after: what it does and people want goes into its policy, the orders go to its
//! process.

use std::sync::Arc;
use std::time::Duration;

use kith_core::machine::Machine as _;
use kith_core::time::Instant;
use kith_model::daemon::{DaemonId, DaemonSeen, DaemonWish};
use kith_model::role::{Report, RoleState, RoleStatus, Supervision};
use kith_role::clock::SystemClock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::logs::Logs;
use crate::logs::pump::{Source, pump};
use crate::policy::{Event, Order, Policy, Rules};
use crate::process::{Process, Recipe, Sign};
use crate::roles::Role;
use crate::run::chain;
use crate::safe::SafeMode;

/// What a role makes the supervisor do.
#[derive(Debug)]
pub(crate) enum News {
    /// It serves; with what people are told of it.
    Ready {
        /// The address of the panel, from the node.
        panel: String,
        /// The secret to claim the box with, from the node.
        claim: Option<String>,
    },
    /// It wants these daemons to run and no others.
    Daemons(Vec<DaemonWish>),
    /// It finds that a daemon hangs.
    DaemonHung(DaemonId),
}

/// How a role came to its end.
#[derive(Debug)]
pub(crate) enum End {
    /// As it was asked to.
    Requested,
    /// It failed too often and stays down; why it failed the last time.
    GivenUp(String),
}

/// What a role is looked after with.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) role: Role,
    pub(crate) clock: SystemClock,
    pub(crate) recipe: Recipe,
    pub(crate) rules: Rules,
    /// Where its status is published.
    pub(crate) board: watch::Sender<Supervision>,
    /// Where it is heard.
    pub(crate) news: mpsc::Sender<(Role, News)>,
    /// How often the end was requested.
    pub(crate) stops: watch::Receiver<u32>,
    /// How the daemons are.
    pub(crate) daemons: watch::Receiver<Arc<[DaemonSeen]>>,
    /// Where it is heard what it says for the log.
    pub(crate) logs: Logs,
    /// Whether settings are left aside. A role without one gives up when it fails too often.
    pub(crate) safe_mode: SafeMode,
}

/// One role being looked after.
#[derive(Debug)]
pub(crate) struct Watch {
    parts: Parts,
    policy: Policy,
    process: Option<Process>,
    started: u64,
    /// How many requests to end were heard.
    heard_stops: u32,
    status: RoleStatus,
    /// What the process said before it ended.
    complaint: Option<String>,
    /// Changes of safe mode.
    safe_mode: watch::Receiver<Option<String>>,
    /// Whether the process was started in safe mode.
    safe: bool,
    /// What read the log of this process and those before; each ends with its process.
    pumps: JoinSet<()>,
}

/// How long the last words of a role are waited for.
const LAST_WORDS: Duration = Duration::from_millis(200);

impl Watch {
    pub(crate) fn new(parts: Parts) -> Self {
        let status = RoleStatus {
            role: parts.role.name().to_owned(),
            state: RoleState::Starting,
            pid: None,
            since: parts.clock.wall().as_millis(),
            restarts: 0,
            last_end: None,
        };
        let policy = Policy::new(parts.rules);
        let safe_mode = parts.safe_mode.changes();
        let watch = Self {
            parts,
            policy,
            process: None,
            started: 0,
            heard_stops: 0,
            status,
            complaint: None,
            safe_mode,
            safe: false,
            pumps: JoinSet::new(),
        };
        watch.publish();
        watch
    }

    /// Looks after the role until it is over.
    pub(crate) async fn run(mut self) -> (Role, End) {
        let end = self.look_after().await;
        let last_words = async { while self.pumps.join_next().await.is_some() {} };
        tokio::time::timeout(LAST_WORDS, last_words).await.ok();
        (self.parts.role, end)
    }

    async fn look_after(&mut self) -> End {
        loop {
            while let Some(order) = self.policy.poll_output() {
                match order {
                    Order::Start => self.start().await,
                    Order::Stop => self.stop(),
                    Order::Kill => self.kill(),
                    Order::Alarm => self.alarm(),
                    Order::GiveUp => return self.give_up(),
                    Order::Finish => return End::Requested,
                }
            }
            self.publish();
            tokio::select! {
                // What a role says comes before the time: a supervisor that was stopped for a while finds
                // the beats of that while, and must not take them for silence.
                biased;
                sign = sign_of(&mut self.process) => self.heed(sign).await,
                Ok(()) = self.parts.stops.changed() => self.hear_stops(),
                Ok(()) = self.safe_mode.changed() => self.hear_safe_mode(),
                Some(_) = self.pumps.join_next() => {}
                () = until(self.parts.clock, self.policy.poll_timeout()) => {
                    self.policy.handle_timeout(self.parts.clock.now());
                }
            }
        }
    }

    fn hear_stops(&mut self) {
        let asked = *self.parts.stops.borrow_and_update();
        for _ in std::mem::replace(&mut self.heard_stops, asked)..asked {
            self.policy.handle_input(self.parts.clock.now(), Event::StopRequested);
        }
    }

    /// Link is started anew when safe mode begins or ends, since it alone carries settings out.
    fn hear_safe_mode(&mut self) {
        let safe = self.safe_mode.borrow_and_update().is_some();
        let other = self.parts.role == Role::Link && self.process.is_some() && safe != self.safe;
        if other && self.status.state != RoleState::Stopping {
            self.policy.handle_input(self.parts.clock.now(), Event::RestartRequested);
        }
    }

    async fn start(&mut self) {
        self.status.restarts = self.started;
        self.started += 1;
        self.status.since = self.parts.clock.wall().as_millis();
        self.status.state = RoleState::Starting;
        let daemons = (self.parts.role == Role::Link).then(|| self.parts.daemons.clone());
        let safe_mode = self.safe_mode.borrow_and_update().clone();
        self.safe = safe_mode.is_some();
        match Process::start(&self.parts.recipe, safe_mode, daemons).await {
            Ok(mut process) => {
                if let Some(log) = process.log() {
                    let name = self.parts.role.name().to_owned();
                    let source = Source { name, named: false };
                    self.pumps.spawn(pump(log, source, self.parts.logs.clone()));
                }
                self.status.pid = process.pid();
                tracing::debug!(role = %self.parts.role, pid = self.status.pid, "started");
                self.process = Some(process);
            }
            Err(error) => self.ended(format!("it could not be started: {}", chain(&error))),
        }
    }

    fn stop(&mut self) {
        self.status.state = RoleState::Stopping;
        self.process.iter().for_each(Process::stop);
    }

    fn kill(&mut self) {
        if self.policy.is_hung() {
            let silent = self.parts.rules.patience;
            self.complaint =
                Some(format!("it hung: it said nothing for {} seconds", silent.as_secs()));
            tracing::warn!(role = %self.parts.role, ?silent, "hangs and is killed");
        } else {
            tracing::warn!(role = %self.parts.role, "does not end by itself and is killed");
        }
        self.process.iter_mut().for_each(Process::kill);
    }

    /// It goes on without the settings, which may be what it fails over.
    fn alarm(&self) {
        let why = self.status.last_end.as_deref().unwrap_or("it ended");
        let Rules { failures, window, .. } = self.parts.rules;
        let minutes = window.as_secs() / 60;
        let role = self.parts.role;
        self.parts.safe_mode.enter(&format!(
            "the {role} failed {failures} times within {minutes} minutes; the last time because {why}"
        ));
    }

    fn give_up(&mut self) -> End {
        self.status.state = RoleState::GivenUp;
        self.publish();
        End::GivenUp(self.status.last_end.clone().unwrap_or_else(|| "it ended".to_owned()))
    }

    async fn heed(&mut self, sign: Sign) {
        match sign {
            Sign::Report(report) => self.hear(report).await,
            Sign::Silent => {}
            Sign::Babble(error) => {
                let error = chain(&error);
                let role = self.parts.role;
                tracing::error!(%role, error, "says what nobody understands and is killed");
                self.process.iter_mut().for_each(Process::kill);
            }
            Sign::Ended(how) => self.ended(how),
        }
    }

    async fn hear(&mut self, report: Report) {
        let now = self.parts.clock.now();
        match report {
            Report::Beat => self.policy.handle_input(now, Event::Beat),
            Report::Ready { claim, panel } => {
                self.policy.handle_input(now, Event::Ready);
                let at = (!panel.is_empty()).then_some(&panel);
                tracing::info!(role = %self.parts.role, panel = at, "serves");
                self.status.state = RoleState::Ready;
                self.tell(News::Ready { panel, claim }).await;
            }
            Report::Failed { message } => self.complaint = Some(message),
            Report::Daemons(wishes) if self.parts.role == Role::Link => {
                self.tell(News::Daemons(wishes)).await;
            }
            Report::Hung(daemon) if self.parts.role == Role::Link => {
                self.tell(News::DaemonHung(daemon)).await;
            }
            Report::Daemons(_) | Report::Hung(_) => {
                tracing::warn!(role = %self.parts.role, "has no say about daemons");
            }
        }
    }

    async fn tell(&self, news: News) {
        // Whoever listens has ended only when everything else has.
        self.parts.news.send((self.parts.role, news)).await.ok();
    }

    fn ended(&mut self, how: String) {
        self.process = None;
        self.status.pid = None;
        let now = self.parts.clock.now();
        self.policy.handle_input(now, Event::Exited);
        self.status.last_end = Some(self.complaint.take().unwrap_or(how));
        if let Some(pause) = self.policy.waiting_until().map(|until| until.since(now)) {
            let why = self.status.last_end.as_deref();
            tracing::warn!(role = %self.parts.role, why, ?pause, "ended and is started again");
            self.status.state = RoleState::Waiting;
        }
    }

    fn publish(&self) {
        self.parts.board.send_if_modified(|board| {
            match board.roles.iter_mut().find(|role| role.role == self.status.role) {
                Some(shown) if *shown == self.status => return false,
                Some(shown) => *shown = self.status.clone(),
                None => board.roles.push(self.status.clone()),
            }
            true
        });
    }
}

/// Waits until `at`, if ever.
pub(crate) async fn until(clock: SystemClock, at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(clock.deadline(at)).await,
        None => std::future::pending().await,
    }
}

/// What the process does next; never, while there is none.
async fn sign_of(process: &mut Option<Process>) -> Sign {
    match process {
        Some(process) => process.sign().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kith_model::daemon::Program;
    use kith_model::network::status::DaemonHealth;
    use kith_model::role::{MAX_MESSAGE, Spawned, Told};
    use kith_role::socket::Channel;
    use tokio::time::timeout;

    use super::*;
    use crate::role;

    /// Longer than anything here takes; only a failing test waits so long.
    const FOREVER: Duration = Duration::from_secs(60);

    /// What the stand-in is told with, among arguments that the test harness does not mind.
    const ACT: &str = "act:";

    #[tokio::test]
    async fn a_role_that_beat_and_falls_silent_is_killed_and_started_again() {
        let mut world = World::new(Role::Link, "falls-silent", Duration::from_millis(300));
        world.until(|role| role.restarts == 1).await;
        let end = world.status().last_end.unwrap();
        assert!(end.starts_with("it hung: "), "{end}");
        world.stop().await;
    }

    #[tokio::test]
    async fn a_role_that_beats_is_left_alone_and_one_that_never_did_as_well() {
        for act in ["beats", "never-beats"] {
            let mut world = World::new(Role::Link, act, Duration::from_millis(300));
            world.until(|role| role.state == RoleState::Ready).await;
            tokio::time::sleep(Duration::from_millis(700)).await;
            assert_eq!((world.status().restarts, world.status().last_end), (0, None), "{act}");
            world.stop().await;
        }
    }

    #[tokio::test]
    async fn link_is_told_of_the_daemons_and_has_its_say_about_them() {
        let mut world = World::new(Role::Link, "echoes", FOREVER);
        world.seen.send_replace(Arc::from([seen(7)]));
        let wish = DaemonWish { id: seen(7).id, generation: 7 };
        let wished = async {
            loop {
                match world.news.recv().await.unwrap() {
                    (Role::Link, News::Daemons(wishes)) if !wishes.is_empty() => return wishes,
                    (_, _) => {}
                }
            }
        };
        assert_eq!(timeout(FOREVER, wished).await.unwrap(), [wish]);
        world.stop().await;
    }

    #[tokio::test]
    async fn the_node_has_no_say_about_daemons() {
        let mut world = World::new(Role::Node, "wishes", FOREVER);
        world.until(|role| role.state == RoleState::Ready).await;
        world.stop().await;
        while let Some((_, news)) = world.news.recv().await {
            assert!(matches!(news, News::Ready { .. }), "{news:?}");
        }
    }

    #[tokio::test]
    async fn a_role_that_talks_nonsense_is_killed() {
        let mut world = World::new(Role::Link, "babbles", FOREVER);
        world.until(|role| role.restarts == 1).await;
        assert_eq!(world.status().last_end.unwrap(), "it was killed by signal 9");
        world.stop().await;
    }

    #[tokio::test]
    async fn a_box_on_a_shelf_goes_on_in_safe_mode_and_one_before_somebody_gives_up() {
        let mut world = World::of(Role::Link, "dies-unless-safe", Rules::ALONE);
        world.until(|role| role.state == RoleState::Ready && role.restarts == 3).await;
        let reason = world.safe_mode.reason().unwrap();
        let expected = "the link failed 3 times within 5 minutes; the last time because it ended";
        assert!(reason.starts_with(expected), "{reason}");
        // Out of it, it fails again and comes back.
        world.safe_mode.end();
        world.until(|role| role.state == RoleState::Ready && role.restarts >= 6).await;
        assert!(world.safe_mode.reason().is_some());
        world.stop().await;

        let mut watched = World::new(Role::Link, "dies", FOREVER);
        let (_, end) = timeout(FOREVER, watched.ended.join_next()).await.unwrap().unwrap().unwrap();
        assert!(matches!(end, End::GivenUp(_)), "{end:?}");
        assert_eq!(watched.status().state, RoleState::GivenUp);
    }

    /// Becomes a role when a test above starts this program again; on its own it does nothing.
    #[test]
    fn stand_in() {
        let Some(act) = std::env::args().find_map(|a| a.strip_prefix(ACT).map(str::to_owned))
        else {
            return;
        };
        let entered = role::enter_link(Path::new("/nonexistent"), false).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        if act == "dies-unless-safe" && entered.spawned.safe_mode.is_none() {
            return;
        }
        let channel = entered.supervisor;
        runtime.block_on(async {
            perform(&act, Channel::from_fd(channel, MAX_MESSAGE).unwrap()).await;
        });
    }

    #[tokio::test]
    async fn what_a_role_says_is_in_the_log_up_to_its_last_words() {
        let mut world = World::new(Role::Link, "dies-with-words", FOREVER);
        timeout(FOREVER, world.ended.join_next()).await.unwrap();
        let page = world.logs.page(None, 99);
        let words = page.lines.iter().filter(|line| line.text == "last words: \u{fffd}[2J");
        assert_eq!(words.count(), crate::policy::FAILURES, "{page:?}");
    }

    async fn perform(act: &str, channel: Channel) {
        let (mut sender, mut receiver) = channel.into_split();
        let ready = Report::Ready { claim: None, panel: String::new() };
        sender.send(&ready, &[]).await.unwrap();
        match act {
            "falls-silent" => sender.send(&Report::Beat, &[]).await.unwrap(),
            "never-beats" => {}
            "beats" => loop {
                sender.send(&Report::Beat, &[]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(50)).await;
            },
            "wishes" => sender.send(&Report::Daemons(Vec::new()), &[]).await.unwrap(),
            "babbles" => sender.send(&"what?", &[]).await.unwrap(),
            "dies" => return,
            "dies-with-words" => return eprintln!("last words: \x1b[2J"),
            "dies-unless-safe" => {}
            other => assert_eq!(other, "echoes"),
        }
        while let Ok(Some((Told::Daemons(seen), _))) = receiver.receive::<Told>().await {
            let wish = |seen: DaemonSeen| DaemonWish { id: seen.id, generation: seen.generation };
            let wishes = seen.into_iter().map(wish).collect();
            sender.send(&Report::Daemons(wishes), &[]).await.unwrap();
        }
    }

    fn seen(generation: u64) -> DaemonSeen {
        DaemonSeen {
            id: DaemonId { program: Program::Hostapd, instance: "phy0".parse().unwrap() },
            generation,
            pid: None,
            state: DaemonHealth::Starting,
            restarts: 0,
            error: None,
        }
    }

    /// A supervisor of one stand-in.
    struct World {
        ended: JoinSet<(Role, End)>,
        news: mpsc::Receiver<(Role, News)>,
        board: watch::Receiver<Supervision>,
        stops: watch::Sender<u32>,
        seen: watch::Sender<Arc<[DaemonSeen]>>,
        logs: Logs,
        safe_mode: SafeMode,
        _run: tempfile::TempDir,
    }

    impl World {
        fn new(role: Role, act: &str, patience: Duration) -> Self {
            Self::of(role, act, Rules { patience, ..Rules::WATCHED })
        }

        fn of(role: Role, act: &str, rules: Rules) -> Self {
            let (board, watching) = watch::channel(Supervision::default());
            let (news, heard) = mpsc::channel(16);
            let (stops, stopped) = watch::channel(0);
            let (seen, daemons) = watch::channel(Arc::from([]));
            // The harness is to run this one test; what it shall skip matches none.
            let arguments = [
                "--exact",
                "watch::tests::stand_in",
                "--nocapture",
                "--skip",
                &format!("{ACT}{act}"),
            ]
            .map(Into::into)
            .to_vec();
            let recipe = Recipe { arguments, spawned: Spawned::default(), sockets: Vec::new() };
            let clock = SystemClock::start();
            let (logs, run) = (Logs::new(), tempfile::tempdir().unwrap());
            let safe_mode = SafeMode::resume(run.path());
            let parts = Parts {
                role,
                clock,
                recipe,
                rules,
                board,
                news,
                stops: stopped,
                daemons,
                logs: logs.clone(),
                safe_mode: safe_mode.clone(),
            };
            let mut ended = JoinSet::new();
            ended.spawn(Watch::new(parts).run());
            Self { ended, news: heard, board: watching, stops, seen, logs, safe_mode, _run: run }
        }

        fn status(&self) -> RoleStatus {
            self.board.borrow().roles[0].clone()
        }

        async fn until(&mut self, is_so: impl Fn(&RoleStatus) -> bool) {
            let so = self.board.wait_for(|board| board.roles.first().is_some_and(&is_so));
            timeout(FOREVER, so).await.unwrap().unwrap();
        }

        /// Asks twice, so that stand-ins that do not listen are not waited for.
        async fn stop(&mut self) {
            self.stops.send_replace(2);
            let ended = timeout(FOREVER, self.ended.join_next()).await.unwrap().unwrap();
            assert!(matches!(ended, Ok((_, End::Requested))), "{ended:?}");
        }
    }
}
