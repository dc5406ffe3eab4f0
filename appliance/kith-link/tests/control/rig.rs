//! A box in virtual time: the machine, its disk and the model of all around it.
//!
//! Every job and every order takes a little while. A [`Fault`] strikes at a chosen output of the machine:
//! then the role or the whole box is gone for a while and starts again from what is on the disk.

use std::path::Path;
use std::time::Duration;

use kith_core::machine::Machine as _;
use kith_core::time::{Instant, UnixTime};
use kith_files::cut::CutFiles;
use kith_link::control::{AskId, Boot, Control, Input, Job, Outcome, Output, Printed, Setup};
use kith_link::hands::Event;
use kith_link::simulated::World;
use kith_link::store::{Loaded, Order, carry_out, load};
use kith_model::network::ask::{Identity, LinkAnswer, LinkAsk, NetworkAsk, NetworkReply};
use kith_model::network::change::{ChangeStatus, Review};
use kith_model::network::status::NetworkStatus;
use kith_model::profile;
use kith_model::refusal::Refusal;

/// How long one job of the hands takes.
const JOB: Duration = Duration::from_millis(5);

/// How long an order to the disk takes.
const ORDER: Duration = Duration::from_millis(20);

/// How long the supervisor takes to start the role again.
pub(crate) const RESTART: Duration = Duration::from_millis(200);

/// How long the box takes to start.
pub(crate) const BOOT: Duration = Duration::from_secs(25);

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9` of the role.
    Kill,
    /// The box is started again properly.
    Reboot,
    /// The power is cut: what was not flushed is lost or not, as the seed says.
    PowerCut(u64),
}

/// The box.
pub(crate) struct Rig {
    pub(crate) now: Instant,
    pub(crate) world: World,
    pub(crate) files: CutFiles,
    pub(crate) control: Option<Control>,
    pub(crate) setup: Setup,
    /// What the wall clock shows minus what it should.
    pub(crate) clock_error_ms: i64,
    job: Option<(Instant, Job)>,
    order: Option<(Instant, Order)>,
    starts: Option<(Instant, bool)>,
    answers: Vec<(AskId, LinkAnswer)>,
    asked: u64,
    boots: u64,
    booted: Instant,
    /// Outputs for hands and disk since the count was set, and at which the fault strikes.
    pub(crate) outputs: usize,
    fault: Option<(usize, Fault)>,
    /// Steps that were done, for tests that count.
    pub(crate) steps: Vec<String>,
    /// Orders that were carried out.
    pub(crate) orders: Vec<Order>,
    /// Addresses that the mesh was asked for.
    pub(crate) asked_for: Vec<std::net::Ipv4Addr>,
    /// Told to the supervisor.
    pub(crate) hung: Vec<String>,
    /// From where people ask.
    pub(crate) from: Option<std::net::IpAddr>,
    /// Whether the role hears that time passes; without that nothing is ever taken back.
    pub(crate) deaf: bool,
}

/// 1 November 2026.
const WALL: u64 = 1_793_491_200_000;

impl Rig {
    /// A box that starts for the first time.
    pub(crate) fn fresh(seed: u64) -> Self {
        Self::fresh_with(seed, Printed::None)
    }

    /// The same, with what was printed for it.
    pub(crate) fn fresh_with(seed: u64, printed: Printed) -> Self {
        let profile = profile::tryout();
        let world = World::booted(seed, &profile);
        let mut rig = Self::with(world, CutFiles::new());
        rig.setup.printed = printed;
        rig.start();
        rig
    }

    fn with(world: World, files: CutFiles) -> Self {
        let now = Instant::from_micros(40_000_000);
        Self {
            now,
            world,
            files,
            control: None,
            setup: Setup { profile: profile::tryout(), simulated: true, ..Setup::default() },
            clock_error_ms: 0,
            job: None,
            order: None,
            starts: None,
            answers: Vec::new(),
            asked: 0,
            boots: 1,
            booted: Instant::ZERO,
            outputs: 0,
            fault: None,
            steps: Vec::new(),
            orders: Vec::new(),
            asked_for: Vec::new(),
            hung: Vec::new(),
            from: None,
            deaf: false,
        }
    }

    /// Another box that is just like this one, whose role has just been started again.
    pub(crate) fn twin(&self) -> Self {
        let mut twin = Self::with(self.world.clone(), self.files.crashed(0));
        twin.now = self.now;
        twin.booted = self.booted;
        twin.boots = self.boots;
        twin.setup = self.setup.clone();
        twin.start();
        twin
    }

    /// What the wall clock shows.
    pub(crate) fn wall(&self) -> UnixTime {
        let ms = i64::try_from(WALL + self.now.as_micros() / 1_000).unwrap();
        UnixTime::from_millis(u64::try_from(ms + self.clock_error_ms).unwrap_or(0))
    }

    pub(crate) fn folder() -> &'static Path {
        Path::new("/box/settings")
    }

    /// What is on the disk.
    pub(crate) fn kept(&self) -> Loaded {
        load(&self.files, Self::folder())
    }

    fn start(&mut self) {
        let boot = Boot {
            id: format!("boot-{}", self.boots),
            since_ms: u64::try_from(self.now.since(self.booted).as_millis()).unwrap(),
            at: self.now,
        };
        let setup = Setup { boot, ..self.setup.clone() };
        self.control = Some(Control::new(self.now, self.wall(), setup, self.kept()));
        self.collect();
    }

    /// The role is gone, and perhaps the box with it.
    pub(crate) fn strike(&mut self, fault: Fault) {
        self.control = None;
        self.job = None;
        let order = self.order.take();
        match fault {
            Fault::Kill => self.starts = Some((self.now + RESTART, false)),
            Fault::Reboot | Fault::PowerCut(_) => {
                if let Fault::PowerCut(seed) = fault {
                    self.cut(order.as_ref().map(|(_, order)| order), seed);
                }
                self.world.reboot();
                self.setup.offers.clear();
                self.starts = Some((self.now + BOOT, true));
            }
        }
    }

    /// Cuts the power somewhere within `order`, if one is under way.
    fn cut(&mut self, order: Option<&Order>, seed: u64) {
        let before = self.files.operations();
        if let Some(order) = order {
            drop(carry_out(&self.files, Self::folder(), order));
        }
        let within = self.files.operations() - before;
        let at = before + usize::try_from(seed).unwrap_or(0) % (within + 1);
        self.files = self.files.crashed_at(at, seed);
    }

    /// Lets `fault` strike right before the `at`th output from now on is carried out.
    pub(crate) fn arm_fault(&mut self, at: usize, fault: Fault) {
        self.outputs = 0;
        self.fault = Some((at, fault));
    }

    /// No fault strikes any more.
    pub(crate) const fn disarm_fault(&mut self) {
        self.fault = None;
    }

    /// Whether the fault is still to come.
    pub(crate) const fn fault_pending(&self) -> bool {
        self.fault.is_some()
    }

    fn collect(&mut self) {
        while let Some(output) = self.control.as_mut().and_then(Control::poll_output) {
            match output {
                Output::Answer { id, answer } => {
                    self.answers.push((id, *answer));
                    continue;
                }
                Output::Do(job) => {
                    assert!(self.job.is_none(), "one job at a time");
                    self.job = Some((self.now + JOB, job));
                }
                Output::Store(order) => {
                    assert!(self.order.is_none(), "one order at a time");
                    self.order = Some((self.now + ORDER, *order));
                }
            }
            self.outputs += 1;
            if let Some((at, fault)) = self.fault
                && self.outputs > at
            {
                self.fault = None;
                self.strike(fault);
            }
        }
    }

    fn tell(&mut self, input: Input) {
        let wall = self.wall();
        let Some(control) = &mut self.control else { return };
        control.handle_input(self.now, Input::Wall(wall));
        control.handle_input(self.now, input);
        self.collect();
    }

    fn carry_out(&mut self, job: Job) {
        let (now, wall) = (self.now, self.wall());
        let outcome = match job {
            Job::Look => Outcome::Looked(Ok(Box::new(self.world.look(now, wall)))),
            Job::Perform(step) => {
                self.steps.push(step.to_string());
                Outcome::Performed(self.world.perform(now, &step))
            }
            Job::Survey => Outcome::Surveyed(Ok(self.world.survey(now))),
            Job::Ping(mac) => Outcome::Pinged(Ok(self.world.ping(now, mac))),
            Job::Probe { device, target } => {
                Outcome::Probed(self.world.probe(now, &device, target))
            }
            Job::Check(id) => Outcome::Answers(self.world.answers(now, &id)),
            Job::AskFor(address) => {
                self.asked_for.push(address);
                Outcome::AskedFor(self.world.ask_for(now, address))
            }
            Job::ReportHung(id) => {
                self.hung.push(id.to_string());
                self.world.replace(now, &id);
                Outcome::Reported
            }
        };
        self.tell(Input::Done(outcome));
    }

    /// The next moment at which something happens.
    fn next(&self) -> Option<Instant> {
        let machine = self.control.as_ref().filter(|_| !self.deaf).and_then(Control::poll_timeout);
        [
            machine,
            self.job.as_ref().map(|(at, _)| *at),
            self.order.as_ref().map(|(at, _)| *at),
            self.starts.map(|(at, _)| at),
            self.world.next_event().filter(|_| self.control.is_some()),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Lets time pass until `until`.
    pub(crate) fn run_until(&mut self, until: Instant) {
        while let Some(next) = self.next().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            self.turn();
        }
        self.now = self.now.max(until);
    }

    /// Lets `span` pass.
    pub(crate) fn run(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    fn turn(&mut self) {
        let now = self.now;
        if let Some((_, reboot)) = self.starts.take_if(|(at, _)| *at <= now) {
            if reboot {
                self.boots += 1;
                self.booted = now;
            }
            return self.start();
        }
        if let Some((_, order)) = self.order.take_if(|(at, _)| *at <= now) {
            let result = carry_out(&self.files, Self::folder(), &order);
            self.orders.push(order);
            return self.tell(Input::Stored(result));
        }
        if let Some((_, job)) = self.job.take_if(|(at, _)| *at <= now) {
            return self.carry_out(job);
        }
        if self.control.is_some()
            && let Some(event) = self.world.event(now)
        {
            if let Event::Offered { device, offer } = &event {
                self.setup.offers.insert(device.clone(), offer.clone());
            }
            return self.tell(Input::Happened(event));
        }
        if let Some(control) = self.control.as_mut().filter(|_| !self.deaf) {
            control.handle_timeout(now);
            self.collect();
        }
    }

    /// Asks something and waits for the answer; nothing when the role is gone before that.
    pub(crate) fn try_ask(&mut self, who: &str, ask: NetworkAsk) -> Option<LinkAnswer> {
        self.asked += 1;
        let id = AskId(self.asked);
        let ask = Box::new(LinkAsk { who: who.to_owned(), from: self.from, ask });
        let random = [u8::try_from(self.asked % 251).unwrap(); 32];
        self.tell(Input::Asked { id, ask, random });
        let patience = self.now + Duration::from_secs(30);
        loop {
            if let Some(at) = self.answers.iter().position(|(of, _)| *of == id) {
                return Some(self.answers.swap_remove(at).1);
            }
            self.control.as_ref()?;
            let next = self.next().filter(|next| *next <= patience).expect("an answer");
            self.now = self.now.max(next);
            self.turn();
        }
    }

    /// Asks something whose answer nobody waits for.
    pub(crate) fn ask_and_forget(&mut self, who: &str, ask: NetworkAsk) {
        self.asked += 1;
        let ask = Box::new(LinkAsk { who: who.to_owned(), from: self.from, ask });
        self.tell(Input::Asked { id: AskId(self.asked), ask, random: [7; 32] });
    }

    pub(crate) fn ask(&mut self, who: &str, ask: NetworkAsk) -> LinkAnswer {
        self.try_ask(who, ask).expect("the role is there")
    }

    pub(crate) fn status(&mut self) -> NetworkStatus {
        match self.ask("ada", NetworkAsk::Status).unwrap() {
            NetworkReply::Status(status) => *status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn change(&mut self) -> Option<ChangeStatus> {
        match self.ask("ada", NetworkAsk::Change).unwrap() {
            NetworkReply::Change(change) => change,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn review(&mut self, who: &str) -> Review {
        match self.ask(who, NetworkAsk::Review).unwrap() {
            NetworkReply::Review(review) => review,
            other => panic!("{other:?}"),
        }
    }

    /// Puts `text` into a draft and applies it; the token, if it needs one.
    pub(crate) fn apply(
        &mut self,
        who: &str,
        text: &str,
        seconds: Option<u32>,
    ) -> Result<Option<String>, Refusal> {
        self.ask(who, NetworkAsk::DraftReplace { text: text.to_owned() })?;
        let digest = self.review(who).digest;
        self.apply_reviewed(who, digest, seconds).expect("the role is there")
    }

    /// Applies what was reviewed; nothing when the role is gone before it answers.
    pub(crate) fn apply_reviewed(
        &mut self,
        who: &str,
        digest: String,
        seconds: Option<u32>,
    ) -> Option<Result<Option<String>, Refusal>> {
        let ask = NetworkAsk::Apply { digest, confirm_seconds: seconds };
        Some(match self.try_ask(who, ask)? {
            Ok(NetworkReply::Applied { token, .. }) => Ok(token),
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => Err(refusal),
        })
    }

    pub(crate) fn confirm(&mut self, token: &str) -> LinkAnswer {
        self.ask("ada", NetworkAsk::Confirm { token: token.to_owned() })
    }

    /// Somebody owns the box, and the node has said so.
    pub(crate) fn identify(&mut self) {
        let identity = Identity {
            node: "11".repeat(32),
            host_name: "mill-house".to_owned(),
            claimed: true,
            visitor_pages: true,
            panel_port: 80,
            peer_port: 8_480,
        };
        self.ask("node", NetworkAsk::Identify(identity)).unwrap();
    }

    /// Applies `text` and keeps it.
    pub(crate) fn settle(&mut self, text: &str) {
        let token = self.apply("ada", text, None).unwrap();
        self.run(Duration::from_secs(8));
        if let Some(token) = token {
            self.confirm(&token).unwrap();
        }
        self.run(Duration::from_secs(8));
        assert_eq!(self.kept().text, text);
    }
}
