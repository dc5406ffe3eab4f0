//! Brings what is there to what shall be: look, decide, one step at a time, look again, until nothing is
//! left to do.
//!
//! What differs although it was right before and nobody wanted anything else is drift: it is put right
//! and remembered. A step that fails, or that has no effect, is left alone for a growing while.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::network::status::{Problem, Repair};

use super::input::Job;
use crate::desired::Desired;
use crate::hands::HandsError;
use crate::step::Step;

/// How often to look when nothing has happened.
pub(super) const EVERY: Duration = Duration::from_secs(30);

/// How often to look while somebody watches a page.
pub(super) const WATCHED: Duration = Duration::from_secs(5);

/// How often to look while somebody aims an antenna.
pub(super) const AIMED: Duration = Duration::from_secs(1);

/// How long to wait for more of the kind when something has changed.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// The first and the longest pause before a failed step is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long what daemons do after they were told something is not somebody else's doing.
const SETTLES: Duration = Duration::from_secs(10);

/// How often a step may be done in a row without a moment at which all was right.
const IN_VAIN: u32 = 4;

/// Repairs that are remembered.
const REPAIRS: usize = 50;

/// What is being done about the differences.
#[derive(Debug, Default)]
pub(super) struct Reconcile {
    /// When to look next.
    look_at: Instant,
    queue: VecDeque<Step>,
    /// Steps that failed, by their words, which name what they are about.
    failing: BTreeMap<String, Failing>,
    /// How often each step was done since all was right.
    done: BTreeMap<String, u32>,
    /// What was there when all was right the last time.
    right: Option<Desired>,
    /// Whether the steps under way are repairs.
    drift: bool,
    /// Until when differences may come of what daemons were told.
    settles: Instant,
    settled: bool,
    repairs: VecDeque<Repair>,
    blind: Option<String>,
}

#[derive(Debug)]
struct Failing {
    times: u32,
    until: Instant,
    message: String,
}

impl Reconcile {
    /// Something else shall be: look at once, and give what failed another try.
    pub(super) fn wanted_anew(&mut self, now: Instant) {
        self.queue.clear();
        self.failing.clear();
        self.done.clear();
        self.settled = false;
        self.drift = false;
        self.look_at = now;
    }

    /// Something has changed.
    pub(super) fn changed(&mut self, now: Instant) {
        self.look_by(now + DEBOUNCE);
    }

    /// Look at `at` at the latest.
    pub(super) fn look_by(&mut self, at: Instant) {
        self.look_at = self.look_at.min(at);
    }

    /// Whether all has been tried since something was wanted anew.
    pub(super) const fn settled(&self) -> bool {
        self.settled
    }

    /// Whether nothing fails.
    pub(super) fn flawless(&self) -> bool {
        self.failing.is_empty() && self.blind.is_none()
    }

    /// What to do now, if anything.
    pub(super) fn next(&self, now: Instant) -> Option<Job> {
        match self.queue.front() {
            Some(step) => Some(Job::Perform(step.clone())),
            None => (self.look_at <= now).then_some(Job::Look),
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Instant {
        if self.queue.is_empty() { self.look_at } else { Instant::ZERO }
    }

    /// Takes what was seen: `steps` lead from there to `desired`.
    pub(super) fn looked(
        &mut self,
        now: Instant,
        steps: Vec<Step>,
        desired: &Desired,
        again: Duration,
    ) {
        self.blind = None;
        self.look_at = now + again;
        if steps.is_empty() {
            self.failing.clear();
            self.done.clear();
            self.right = Some(desired.clone());
            self.drift = false;
            self.settled = true;
            return;
        }
        if self.settled && self.done.is_empty() {
            self.drift = self.right.as_ref() == Some(desired) && self.settles <= now;
        }
        let planned: Vec<String> = steps.iter().map(name).collect();
        self.failing.retain(|words, _| planned.contains(words));
        let free = |step: &Step| self.failing.get(&name(step)).is_none_or(|f| f.until <= now);
        // Without its firewall nothing is opened; the old state stays.
        let fenced = steps.iter().all(|step| free(step) || !matches!(step, Step::LoadRuleset(_)));
        self.queue = steps.into_iter().filter(|step| fenced && free(step)).collect();
        if self.queue.is_empty() {
            self.settled = true;
            if let Some(until) = self.failing.values().map(|failing| failing.until).min() {
                self.look_by(until);
            }
        }
    }

    /// Looking failed.
    pub(super) fn blinded(&mut self, now: Instant, error: &HandsError) {
        self.blind = Some(error.to_string());
        self.look_at = now + Duration::from_secs(2);
    }

    /// Takes what became of the step under way.
    pub(super) fn performed(
        &mut self,
        now: Instant,
        wall: u64,
        step: &Step,
        result: Result<(), HandsError>,
    ) {
        let words = step.to_string();
        if self.queue.front() != Some(step) {
            // Nothing else is done outside the plan but a mesh that is joined again.
            if result.is_ok() && matches!(step, Step::Rejoin(_)) {
                self.remember(wall, &words);
            }
            self.look_at = now;
            return;
        }
        self.queue.pop_front();
        let told = matches!(step, Step::WishDaemons(_) | Step::Reload(_) | Step::Rejoin(_));
        if told {
            self.settles = now + SETTLES;
        }
        match result {
            Ok(()) => {
                if self.drift {
                    self.remember(wall, &words);
                }
                let times = self.done.entry(name(step)).or_default();
                *times += 1;
                if *times > IN_VAIN {
                    self.fail(now, name(step), "it has no effect".to_owned());
                }
            }
            Err(error) => {
                tracing::warn!(step = words, %error, "failed");
                self.fail(now, name(step), error.to_string());
                if matches!(step, Step::LoadRuleset(_)) {
                    self.queue.clear();
                }
            }
        }
        if self.queue.is_empty() {
            // The supervisor takes a moment to say how the daemons are.
            self.look_at = if told { now + DEBOUNCE } else { now };
        }
    }

    fn fail(&mut self, now: Instant, name: String, message: String) {
        let times = self.failing.get(&name).map_or(0, |failing| failing.times) + 1;
        let pause = PAUSES.0.saturating_mul(1 << times.saturating_sub(1).min(6)).min(PAUSES.1);
        self.failing.insert(name, Failing { times, until: now + pause, message });
    }

    /// Remembers that something was put right.
    pub(super) fn remember(&mut self, at: u64, words: &str) {
        tracing::info!(what = words, "put right");
        self.repairs.push_front(Repair { at, what: words.to_owned() });
        self.repairs.truncate(REPAIRS);
    }

    /// What was put right, newest first.
    pub(super) fn repairs(&self) -> Vec<Repair> {
        self.repairs.iter().cloned().collect()
    }

    /// What fails, in words.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let blind = self.blind.iter().map(|why| Problem {
            code: "blind".to_owned(),
            message: format!("The box cannot see its own network: {why}."),
        });
        let failing = self.failing.iter().map(|(name, failing)| Problem {
            code: "step-failed".to_owned(),
            message: format!(
                "The box could not {}: {}. It tries again by itself.",
                name.split('\n').next().unwrap_or(name),
                failing.message
            ),
        });
        blind.chain(failing).collect()
    }
}

/// What a step is known by: its words, and what they leave out that tells it from another.
fn name(step: &Step) -> String {
    match step {
        Step::WishDaemons(wishes) => {
            let wishes = wishes.iter().map(|wish| format!("{}:{:x}", wish.id, wish.generation));
            format!("{step}\n{}", wishes.collect::<Vec<_>>().join(" "))
        }
        Step::LoadRuleset(_)
        | Step::ForgetFlows(_)
        | Step::SetPower { .. }
        | Step::SetSysctl { .. }
        | Step::SetCountry(_)
        | Step::WriteFile { .. }
        | Step::RemoveFile { .. }
        | Step::AddBridge { .. }
        | Step::AddBatadv { .. }
        | Step::AddWifi { .. }
        | Step::RemoveLink { .. }
        | Step::SetBatadv { .. }
        | Step::SetMtu { .. }
        | Step::SetMaster { .. }
        | Step::SetIsolated { .. }
        | Step::SetUp { .. }
        | Step::AddAddress { .. }
        | Step::RemoveAddress { .. }
        | Step::AddRoute(_)
        | Step::RemoveRoute(_)
        | Step::Reload(_)
        | Step::Rejoin(_) => step.to_string(),
    }
}
