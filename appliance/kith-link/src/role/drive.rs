//! Drives the machine: facts from everywhere go in one after the other, outputs go where they belong.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use kith_model::network::ask::{LinkAnswer, LinkAsk};
use kith_model::role::{BEAT_SECONDS, Report};
use kith_role::clock::SystemClock;
use kith_role::driver::{Hands, Next};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::RunError;
use crate::control::{AskId, Control, Input, Job, Output};
use crate::store::Order;

/// Something for the machine.
#[derive(Debug)]
pub(super) enum Fact {
    /// A fact.
    Input(Input),
    /// Somebody asks.
    Asked(Box<LinkAsk>, oneshot::Sender<LinkAnswer>),
    /// The role ends.
    SupervisorGone,
}

/// Between the machine and everybody else.
pub(super) struct Desk {
    clock: SystemClock,
    inbox: mpsc::Receiver<Fact>,
    jobs: mpsc::Sender<Job>,
    orders: mpsc::Sender<Box<Order>>,
    reports: mpsc::Sender<Report>,
    beats: Interval,
    said_ready: bool,
    next: VecDeque<Input>,
    asking: BTreeMap<AskId, oneshot::Sender<LinkAnswer>>,
    asked: u64,
    failed: Option<RunError>,
}

impl Desk {
    pub(super) fn new(
        clock: SystemClock,
        inbox: mpsc::Receiver<Fact>,
        (jobs, orders): (mpsc::Sender<Job>, mpsc::Sender<Box<Order>>),
        reports: mpsc::Sender<Report>,
    ) -> Result<Self, RunError> {
        random().map_err(RunError::Random)?;
        let mut beats = interval(Duration::from_secs(BEAT_SECONDS));
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            clock,
            inbox,
            jobs,
            orders,
            reports,
            beats,
            said_ready: false,
            next: VecDeque::new(),
            asking: BTreeMap::new(),
            asked: 0,
            failed: None,
        })
    }

    /// How it ended.
    pub(super) fn ended(self) -> Result<(), RunError> {
        self.failed.map_or(Ok(()), Err)
    }

    fn take(&mut self, fact: Option<Fact>) -> Next<Input> {
        match fact {
            Some(Fact::Input(input)) => self.next.push_back(input),
            Some(Fact::Asked(ask, reply)) => {
                let random = match random() {
                    Ok(random) => random,
                    Err(error) => {
                        self.failed = Some(RunError::Random(error));
                        return Next::Stop;
                    }
                };
                self.asked += 1;
                let id = AskId(self.asked);
                // Who gave up waiting is not waited for.
                self.asking.retain(|_, reply| !reply.is_closed());
                self.asking.insert(id, reply);
                self.next.push_back(Input::Asked { id, ask, random });
            }
            Some(Fact::SupervisorGone) => return Next::Stop,
            None => {
                self.failed = Some(RunError::Broken);
                return Next::Stop;
            }
        }
        Next::Input(Input::Wall(self.clock.wall()))
    }

    fn report(&self, report: Report) {
        if self.reports.try_send(report).is_err() {
            tracing::debug!("the supervisor does not keep up with what it is told");
        }
    }
}

impl Hands<Control> for Desk {
    async fn next(&mut self) -> Next<Input> {
        if let Some(input) = self.next.pop_front() {
            return Next::Input(input);
        }
        tokio::select! {
            fact = self.inbox.recv() => self.take(fact),
            _ = self.beats.tick() => {
                if !std::mem::replace(&mut self.said_ready, true) {
                    self.report(Report::Ready { claim: None, panel: String::new() });
                }
                self.report(Report::Beat);
                Next::Nothing
            }
        }
    }

    fn perform(&mut self, output: Output) {
        let lost = match output {
            Output::Do(job) => self.jobs.try_send(job).is_err(),
            Output::Store(order) => self.orders.try_send(order).is_err(),
            Output::Answer { id, answer } => {
                if let Some(reply) = self.asking.remove(&id) {
                    // Whoever hung up does not want it.
                    drop(reply.send(*answer));
                }
                false
            }
        };
        if lost {
            // There is one at a time, so there is always room unless the other side has died.
            tracing::error!("nobody takes what the machine wants done");
        }
    }
}

fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}
