//! The machine that drives the network: what people ask and what is seen goes in, orders to the hands, to
//! the disk and answers come out.
//!
//! It waits for nothing, reads no clock and throws no dice. One job of the hands and one order to the
//! disk are under way at a time, so that everything happens in one order that a test can repeat.

mod answers;
mod changes;
mod claims;
mod clients;
mod document;
mod drafts;
mod facts;
mod graphs;
mod input;
mod pings;
mod reconcile;
mod rejoin;
mod status;
mod storm;
mod survey;
mod transaction;
mod uplinks;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kith_core::machine::Machine;
use kith_core::time::{Instant, UnixTime};
use kith_model::network::ask::{Identity, LinkAnswer, LinkAsk};
use kith_model::network::status::NetworkStatus;
use kith_model::profile::Profile;
use kith_model::sentence::patterns;
use kith_model::settings::values::Passphrase;

use self::changes::{OldLan, Then};
use self::claims::Claims;
use self::document::Document;
use self::drafts::Drafts;
use self::graphs::Graphs;
pub use self::input::{AskId, Input, Job, Outcome, Output};
use self::pings::Pings;
use self::reconcile::Reconcile;
use self::rejoin::Rejoin;
use self::storm::Storm;
use self::survey::Survey;
pub use self::transaction::Boot;
use self::transaction::{Found, Transaction};
use self::uplinks::Uplinks;
use self::watch::Watch;
use crate::desire::desire;
use crate::desired::Desired;
use crate::facts::Offer;
use crate::hands::Event;
use crate::plan::plan;
use crate::seen::Seen;
use crate::store::{Current, Loaded, Order, Past};

/// What the machine is told when it begins.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The board.
    pub profile: Profile,
    /// Whether the hands are simulated.
    pub simulated: bool,
    /// Why none of the settings is to be applied, if so.
    pub safe_mode: Option<String>,
    /// The folder of the run, as daemons shall read it in their files.
    pub run: String,
    /// What uplinks were offered in this boot, before this process was started: a daemon that runs on does
    /// not say it again.
    pub offers: BTreeMap<String, Offer>,
    /// The boot that this is.
    pub boot: Boot,
    /// The secret of the setup Wi-Fi that is printed for the box.
    pub printed: Printed,
}

/// The secret of the setup Wi-Fi that is printed for a box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Printed {
    /// There is none: then that Wi-Fi is open.
    #[default]
    None,
    /// This one.
    Secret(Passphrase),
    /// There is one that cannot be used, and why: then there is no such Wi-Fi, since whoever flashed the box
    /// did not want an open one.
    Unusable(String),
}

/// A question that waits for the disk.
type Later = (AskId, Box<LinkAsk>, [u8; 32]);

/// The machine.
#[derive(Debug)]
pub struct Control {
    setup: Setup,
    now: Instant,
    wall: (Instant, UnixTime),
    in_force: Document,
    current: Current,
    past: Vec<Past>,
    drafts: Drafts,
    identity: Option<Identity>,
    complaints: Vec<String>,

    transaction: Transaction,
    old_lan: Option<OldLan>,
    /// A change that was taken back but is still on flash: when to try again.
    owed: Option<Instant>,

    reconcile: Reconcile,
    uplinks: Uplinks,
    watch: Watch,
    rejoin: Rejoin,
    claims: Claims,
    storm: Storm,
    graphs: Graphs,
    traffic: (Instant, Instant),

    seen: Seen,
    desired: Desired,
    survey: Survey,
    pings: Pings,
    shown: NetworkStatus,

    job: Option<Job>,
    storing: Option<Then>,
    orders: VecDeque<(Order, Then)>,
    later: VecDeque<Later>,
    outputs: VecDeque<Output>,
}

impl Control {
    /// Begins with what was kept. A change that waited goes on waiting if this is still the boot in which
    /// it was armed and its deadline is ahead; otherwise it is taken back before anything is done.
    #[must_use]
    pub fn new(now: Instant, wall: UnixTime, setup: Setup, loaded: Loaded) -> Self {
        let Loaded { text, current, past, armed, armed_unreadable, drafts, identity, .. } = loaded;
        let mut complaints = loaded.complaints;
        let in_force = changes::in_force(&text, &past, &mut complaints);
        let current = changes::current(current, &in_force, &past, armed.as_ref());
        let last = current.last.clone();
        let mut control = Self {
            transaction: Transaction::new(setup.boot.clone(), last),
            now,
            wall: (now, wall),
            in_force,
            current,
            past,
            drafts: Drafts::new(drafts),
            identity,
            complaints,
            setup,
            old_lan: None,
            owed: None,
            reconcile: Reconcile::default(),
            uplinks: Uplinks::default(),
            watch: Watch::default(),
            rejoin: Rejoin::default(),
            claims: Claims::default(),
            storm: Storm::default(),
            graphs: Graphs::default(),
            traffic: (Instant::ZERO, Instant::ZERO),
            seen: Seen::default(),
            desired: Desired::default(),
            survey: Survey::default(),
            pings: Pings::default(),
            shown: NetworkStatus::default(),
            job: None,
            storing: None,
            orders: VecDeque::new(),
            later: VecDeque::new(),
            outputs: VecDeque::new(),
        };
        control.resume_lan(now);
        control.resume(now, armed, armed_unreadable);
        control.retarget(now);
        for (device, offer) in std::mem::take(&mut control.setup.offers) {
            control.uplinks.offered(now, &device, offer);
        }
        control.go_on(now);
        control
    }

    fn resume(&mut self, now: Instant, armed: Option<crate::store::Armed>, armed_unreadable: bool) {
        // Replacing the settings is what keeps a change; that its mark is still there means nothing.
        let kept = armed.as_ref().is_some_and(|armed| armed.revision == self.in_force.revision);
        if kept || armed_unreadable {
            self.store(self.revert_order(), Then::Reverted(None));
            return;
        }
        let safe = self.setup.safe_mode.is_some();
        if let Found::TakeBack(armed, why) = self.transaction.resume(now, armed, safe) {
            let wall = self.wall_ms(now);
            tracing::warn!(who = armed.who, why, "a change is taken back");
            self.current.last = Some(self.transaction.reverted(&armed, wall, why.into()));
            self.store(self.revert_order(), Then::Reverted(None));
        }
    }

    /// What shall be right now: a change that is tried, or what is in force.
    fn target(&self) -> &Document {
        self.transaction.target().unwrap_or(&self.in_force)
    }

    /// Whether none of the settings is applied right now. A change can be tried even then, since it is
    /// taken back by itself.
    fn safe_mode(&self) -> Option<&str> {
        self.setup.safe_mode.as_deref().filter(|_| self.transaction.target().is_none())
    }

    /// Something else shall be from now on.
    fn retarget(&mut self, now: Instant) {
        self.want_uplinks(now);
        self.reconcile.wanted_anew(now);
    }

    fn want_uplinks(&mut self, now: Instant) {
        let wanted = facts::ways(&self.target().settings, &self.setup.profile);
        self.uplinks.want(now, wanted);
    }

    /// What the wall clock shows, in milliseconds since 1970.
    fn wall_ms(&self, now: Instant) -> u64 {
        let (at, wall) = self.wall;
        (wall + now.since(at)).as_millis()
    }

    fn answer(&mut self, id: AskId, answer: LinkAnswer) {
        self.outputs.push_back(Output::Answer { id, answer: Box::new(answer) });
    }

    /// Gives the hands their next job, if they have none.
    fn go_on(&mut self, now: Instant) {
        if self.job.is_some() {
            return;
        }
        let Some(job) = self.next_job(now) else { return };
        self.job = Some(job.clone());
        self.outputs.push_back(Output::Do(job));
    }

    fn next_job(&mut self, now: Instant) -> Option<Job> {
        if let Some(job) = self.reconcile.next(now) {
            return Some(job);
        }
        if self.survey.wanted() {
            return Some(Job::Survey);
        }
        if let Some(mac) = self.pings.wanted() {
            return Some(Job::Ping(mac));
        }
        if let Some(step) = self.rejoin.next(now) {
            return Some(Job::Perform(step));
        }
        if let Some(job) = self.watch.next(now) {
            return Some(job);
        }
        if let Some(address) = self.claims.next(now) {
            return Some(Job::AskFor(address));
        }
        let known = &self.transaction.target().unwrap_or(&self.in_force).settings.dns.upstream;
        let (device, target) = self.uplinks.next(now, &self.seen, known)?;
        Some(Job::Probe { device, target })
    }

    fn done(&mut self, now: Instant, outcome: Outcome) {
        let Some(job) = self.job.take() else { return };
        match (job, outcome) {
            (Job::Look, Outcome::Looked(Ok(seen))) => self.looked(now, *seen),
            (Job::Look, Outcome::Looked(Err(error))) => self.reconcile.blinded(now, &error),
            (Job::Perform(step), Outcome::Performed(result)) => {
                let wall = self.wall_ms(now);
                self.reconcile.performed(now, wall, &step, result);
            }
            (Job::Survey, Outcome::Surveyed(result)) => {
                self.survey.done(self.wall_ms(now), result);
            }
            (Job::Ping(_), Outcome::Pinged(result)) => self.pings.done(result),
            (Job::Probe { .. }, Outcome::Probed(rtt)) => {
                let wall = self.wall_ms(now);
                if self.uplinks.probed(now, wall, rtt) {
                    self.reconcile.look_by(now);
                }
            }
            (Job::Check(_), Outcome::Answers(answers)) => self.watch.answered(now, answers),
            (Job::ReportHung(_), Outcome::Reported) => {}
            (Job::AskFor(_), Outcome::AskedFor(result)) => {
                if let Some(at) = self.claims.asked(now, result) {
                    self.reconcile.look_by(at);
                }
            }
            (job, _) => tracing::error!(?job, "the hands did something else"),
        }
    }

    fn looked(&mut self, now: Instant, seen: Seen) {
        self.storm.see(now, &seen);
        self.rejoin.see(now, &seen);
        self.watch.see(now, &seen.daemons);
        self.seen = seen;
        self.want_uplinks(now);
        let facts = self.settled_facts(now);
        self.desired = desire(&self.target().settings, &self.setup.profile, &facts);
        let steps = plan(&self.desired, &self.seen);
        let again = self.look_again(now);
        self.reconcile.looked(now, steps, &self.desired, again);
        if let Some(at) = self.claims.answered_by() {
            self.reconcile.look_by(at.max(now));
        }
        if self.reconcile.settled() {
            self.transaction.applied(self.reconcile.flawless());
            if self.transaction.keeps_itself() {
                self.keep(now, None);
            }
        }
    }

    fn look_again(&self, now: Instant) -> Duration {
        let (aimed, watched) = self.traffic;
        if now < aimed {
            reconcile::AIMED
        } else if now < watched {
            reconcile::WATCHED
        } else {
            reconcile::EVERY
        }
    }

    fn happened(&mut self, now: Instant, event: Event) {
        match event {
            Event::Changed => self.reconcile.changed(now),
            Event::Offered { device, offer } => {
                self.uplinks.offered(now, &device, offer);
                self.reconcile.changed(now);
            }
            // The role ends by itself then.
            Event::SupervisorGone => {}
        }
    }

    /// Times at which something outside the hands' jobs is due.
    fn deadlines(&self) -> impl Iterator<Item = Instant> {
        let now = self.now;
        [
            self.transaction.deadline(),
            self.owed,
            self.old_lan.as_ref().map(|old| old.until),
            self.setup_wifi_ends(now),
            self.uplinks.hold_down_ends(now),
            Some(self.graphs.due()),
        ]
        .into_iter()
        .flatten()
    }

    fn pass(&mut self, now: Instant) {
        let before = std::mem::replace(&mut self.now, now);
        if self.transaction.deadline().is_some_and(|at| at <= now) {
            self.revert(now, None, patterns::NOBODY_CONFIRMED.said());
        }
        if self.owed.is_some_and(|at| at <= now) {
            self.owed = None;
            self.store(self.revert_order(), Then::Reverted(None));
        }
        if self.old_lan.as_ref().is_some_and(|old| old.until <= now) {
            self.old_lan = None;
            self.reconcile.look_by(now);
        }
        if self.facts_expire(before, now) {
            self.reconcile.look_by(now);
        }
        if self.graphs.due() <= now {
            let wall = self.wall_ms(now);
            self.graphs.take(now, wall, self.sample(now));
        }
    }
}

impl Machine for Control {
    type Input = Input;
    type Output = Output;

    fn handle_input(&mut self, now: Instant, input: Input) {
        match input {
            Input::Wall(wall) => self.wall = (now, wall),
            Input::Asked { id, ask, random } => self.asked(now, (id, ask, random)),
            Input::Done(outcome) => self.done(now, outcome),
            Input::Stored(result) => self.stored(now, result),
            Input::Happened(event) => self.happened(now, event),
        }
        self.pass(now);
        self.go_on(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.pass(now);
        self.go_on(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let of_hands = [
            Some(self.reconcile.due()),
            self.rejoin.due(),
            self.watch.due(),
            self.claims.due(),
            self.uplinks.due(&self.seen),
        ];
        let of_hands = of_hands.into_iter().flatten().filter(|_| self.job.is_none());
        self.deadlines().chain(of_hands).min()
    }
}
