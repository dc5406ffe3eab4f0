//! What becomes durable, and what follows when it has: changes that are armed, kept and taken back.

use std::time::Duration;

use ipnet::Ipv4Net;
use kith_core::time::Instant;
use kith_files::Kind;
use kith_model::network::ask::{Identity, NetworkReply};
use kith_model::network::change::{ChangeState, ChangeStatus};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::sentence::Sentence;

use super::document::Document;
use super::input::{AskId, Output};
use super::{Control, transaction};
use crate::store::{Armed, Current, Draft, FormerLan, Order, Past, StoreError, VERSIONS};

/// How long to wait before writing again what could not be written.
const WRITE_AGAIN: Duration = Duration::from_secs(10);

/// An address of the household that still answers for a while.
#[derive(Clone, Debug)]
pub(super) struct OldLan {
    pub(super) address: Ipv4Net,
    /// Until when: one lease after the change was kept.
    pub(super) until: Instant,
}

/// What follows when an order has been carried out.
#[derive(Debug)]
pub(super) enum Then {
    /// A change may begin.
    Armed { ask: AskId, token: Option<String> },
    /// A change waits longer.
    Extended { ask: AskId, armed: Armed },
    /// Other settings are in force.
    Kept(Box<Kept>),
    /// A change is taken back.
    Reverted(Option<AskId>),
    /// A draft is as people wanted it.
    Draft { ask: AskId, who: String, draft: Option<Draft>, instead_of: Option<String>, say: bool },
    /// The node's word about the box is kept.
    Identity { ask: AskId, identity: Identity },
}

/// Settings that are in force once they are written.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) ask: Option<AskId>,
    pub(super) document: Document,
    pub(super) current: Current,
    pub(super) past: Past,
    pub(super) drafts: Vec<(String, Option<Draft>)>,
    /// The change that this ends, if it is one that waited.
    pub(super) change: Option<ChangeStatus>,
}

impl Control {
    /// Has `order` carried out, after those that wait already.
    pub(super) fn store(&mut self, order: Order, then: Then) {
        if self.storing.is_some() {
            self.orders.push_back((order, then));
            return;
        }
        self.storing = Some(then);
        self.outputs.push_back(Output::Store(Box::new(order)));
    }

    /// Takes what became of the order under way.
    pub(super) fn stored(&mut self, now: Instant, result: Result<(), StoreError>) {
        let Some(then) = self.storing.take() else { return };
        if let Err(error) = &result {
            tracing::error!(%error, "cannot keep the settings");
        }
        match then {
            Then::Armed { ask, token } => self.armed(now, ask, token, result),
            Then::Extended { ask, armed } => {
                if result.is_ok() {
                    self.transaction.extended(armed);
                }
                let change = NetworkReply::Change(self.transaction.status(now));
                self.answer(ask, result.map(|()| change).map_err(|error| refusal(&error)));
            }
            Then::Kept(kept) => self.kept(now, *kept, result),
            Then::Reverted(ask) => self.reverted(now, ask, result),
            Then::Draft { ask, who, draft, instead_of, say } => {
                let answer = match result {
                    Ok(()) => {
                        self.drafts.put(&who, draft, instead_of.as_deref());
                        let reply = || NetworkReply::Settings(self.settings_text(&who));
                        Ok(if say { reply() } else { NetworkReply::Done })
                    }
                    Err(error) => Err(refusal(&error)),
                };
                self.answer(ask, answer);
            }
            Then::Identity { ask, identity } => {
                // What it said holds for now even if it cannot be kept.
                self.identity = Some(identity);
                self.reconcile.look_by(now);
                let done = result.map(|()| NetworkReply::Done);
                self.answer(ask, done.map_err(|error| refusal(&error)));
            }
        }
        if self.storing.is_none()
            && let Some((order, then)) = self.orders.pop_front()
        {
            self.store(order, then);
        }
        while self.storing.is_none()
            && let Some(later) = self.later.pop_front()
        {
            self.asked(now, later);
        }
    }

    fn armed(
        &mut self,
        now: Instant,
        ask: AskId,
        token: Option<String>,
        result: Result<(), StoreError>,
    ) {
        self.transaction.armed(result.is_ok());
        match (result, self.transaction.status(now)) {
            (Ok(()), Some(change)) => {
                self.retarget(now);
                self.answer(ask, Ok(NetworkReply::Applied { change, token }));
            }
            (Ok(()), None) => self.answer(ask, Err(broken())),
            (Err(error), _) => {
                // A part of it may be there all the same, and must not be found by the next start.
                self.store(self.revert_order(), Then::Reverted(None));
                self.answer(ask, Err(refusal(&error)));
            }
        }
    }

    /// Keeps the change that waits. `ask` is answered when that is durable.
    pub(super) fn keep(&mut self, now: Instant, ask: Option<AskId>) {
        let Some(waiting) = self.transaction.keep() else { return };
        let wall = self.wall_ms(now);
        let armed = &waiting.armed;
        let change = transaction::ended(armed, ChangeState::Confirmed, wall, None);
        let current = Current {
            revision: armed.revision.clone(),
            since: wall,
            who: armed.who.clone(),
            words: armed.words.clone(),
            last: Some(change.clone()),
            former_lan: self.former_lan(now, &waiting.document),
        };
        let done = self.drafts.get(&armed.who).is_some_and(|draft| draft.text == armed.text);
        let drafts = if done { vec![(armed.who.clone(), None)] } else { Vec::new() };
        self.put_in_force(Kept {
            ask,
            document: waiting.document,
            current,
            past: self.past_of_current(),
            drafts,
            change: Some(change),
        });
    }

    pub(super) fn put_in_force(&mut self, kept: Kept) {
        let order = Order::Keep {
            text: kept.document.text.clone(),
            current: kept.current.clone(),
            past: kept.past.clone(),
            drafts: kept.drafts.clone(),
        };
        self.store(order, Then::Kept(Box::new(kept)));
    }

    /// The settings in force as they will be remembered.
    pub(super) fn past_of_current(&self) -> Past {
        Past {
            number: self.past.last().map_or(1, |past| past.number + 1),
            revision: self.in_force.revision.clone(),
            since: self.current.since,
            who: self.current.who.clone(),
            words: self.current.words.clone(),
            text: self.in_force.text.clone(),
        }
    }

    /// The address that is to answer for one lease more when `document` comes into force.
    fn former_lan(&self, now: Instant, document: &Document) -> Option<FormerLan> {
        let lan = &self.in_force.settings.lan;
        if lan.address == document.settings.lan.address || self.safe_mode().is_some() {
            return self.current.former_lan.clone();
        }
        let lease_seconds = lan.dhcp.lease_seconds;
        let lease = u64::from(lease_seconds) * 1_000;
        Some(FormerLan {
            address: lan.address,
            lease_seconds,
            boot: self.setup.boot.id.clone(),
            until_ms: self.setup.boot.ms(now).saturating_add(lease),
            until: self.wall_ms(now).saturating_add(lease),
        })
    }

    /// The address before, if it shall still answer.
    pub(super) fn resume_lan(&mut self, now: Instant) {
        let wall = self.wall_ms(now);
        let former = self.current.former_lan.as_ref();
        self.old_lan = former.and_then(|former| {
            let left = left(former, &self.setup.boot, now, wall);
            let address = former.address;
            (!left.is_zero()).then(|| OldLan { address, until: now + left })
        });
    }

    fn kept(&mut self, now: Instant, kept: Kept, result: Result<(), StoreError>) {
        if let Err(error) = result {
            if let Some(change) = kept.change {
                self.transaction.kept(false, change);
            }
            if let Some(ask) = kept.ask {
                self.answer(ask, Err(refusal(&error)));
            }
            return;
        }
        self.in_force = kept.document;
        self.current = kept.current;
        self.resume_lan(now);
        self.past.push(kept.past);
        self.past.drain(..self.past.len().saturating_sub(VERSIONS));
        for (who, draft) in kept.drafts {
            self.drafts.put(&who, draft, None);
        }
        self.complaints.clear();
        let reply = match kept.change {
            Some(change) => {
                self.setup.safe_mode = None;
                self.transaction.kept(true, change);
                NetworkReply::Change(self.transaction.status(now))
            }
            None => NetworkReply::Done,
        };
        self.reconcile.look_by(now);
        if let Some(ask) = kept.ask {
            self.answer(ask, Ok(reply));
        }
    }

    /// Takes the change back: at once in what shall be, then on flash, then for who asked.
    pub(super) fn revert(&mut self, now: Instant, ask: Option<AskId>, reason: Sentence) {
        let wall = self.wall_ms(now);
        match self.transaction.revert(wall, reason) {
            Ok(change) => {
                let why = change.reason.as_deref();
                tracing::warn!(who = change.who, why, "a change is taken back");
                self.current.last = Some(change);
                self.retarget(now);
                self.store(self.revert_order(), Then::Reverted(ask));
            }
            Err(refusal) => {
                if let Some(ask) = ask {
                    self.answer(ask, Err(refusal));
                }
            }
        }
    }

    /// What makes sure that the settings in force are on flash and nothing waits there.
    pub(super) fn revert_order(&self) -> Order {
        Order::Revert { text: self.in_force.text.clone(), current: self.current.clone() }
    }

    fn reverted(&mut self, now: Instant, ask: Option<AskId>, result: Result<(), StoreError>) {
        let answer = match result {
            Ok(()) => Ok(NetworkReply::Change(self.transaction.status(now))),
            Err(error) => {
                // Nothing that waits may be found by the next start, unless another change does by then.
                if self.transaction.waiting().is_none() {
                    self.owed = Some(now + WRITE_AGAIN);
                }
                Err(Refusal {
                    message: format!("the old settings are applied again, but {}", error.message),
                    ..refusal(&error)
                })
            }
        };
        if let Some(ask) = ask {
            self.answer(ask, answer);
        }
    }
}

/// For how long a former address still answers. Of another boot only the wall clock tells; one that was set
/// back since then tells nothing, and then it is a whole lease.
fn left(former: &FormerLan, boot: &transaction::Boot, now: Instant, wall: u64) -> Duration {
    let lease = u64::from(former.lease_seconds) * 1_000;
    let left = if former.boot == boot.id {
        former.until_ms.saturating_sub(boot.ms(now))
    } else {
        former.until.saturating_sub(wall)
    };
    Duration::from_millis(left.min(lease))
}

/// The settings in force: what was kept, or if that cannot be read the newest version before that can.
pub(super) fn in_force(text: &str, past: &[Past], complaints: &mut Vec<String>) -> Document {
    match Document::read(text) {
        Ok(document) => return document,
        Err(findings) => {
            let why = findings.first().map_or("it cannot be read", |finding| &finding.message);
            complaints.push(format!("the settings cannot be used, so older ones are: {why}"));
        }
    }
    let older = past.iter().rev().find_map(|past| Document::read(&past.text).ok());
    older.unwrap_or_else(Document::empty)
}

/// What is known about the settings in force, whatever moment a power cut has chosen.
pub(super) fn current(
    current: Option<Current>,
    in_force: &Document,
    past: &[Past],
    armed: Option<&Armed>,
) -> Current {
    let current = current.unwrap_or_default();
    if current.revision == in_force.revision {
        return current;
    }
    let (last, former_lan) = (current.last, current.former_lan);
    if let Some(armed) = armed.filter(|armed| armed.revision == in_force.revision) {
        let kept = transaction::ended(armed, ChangeState::Confirmed, armed.at, None);
        return Current {
            revision: armed.revision.clone(),
            since: armed.at,
            who: armed.who.clone(),
            words: armed.words.clone(),
            last: Some(kept),
            former_lan,
        };
    }
    let known = past.iter().rev().find(|past| past.revision == in_force.revision);
    Current {
        revision: in_force.revision.clone(),
        since: known.map_or(0, |past| past.since),
        who: known.map_or_else(String::new, |past| past.who.clone()),
        words: known.map_or_else(Vec::new, |past| past.words.clone()),
        last,
        former_lan,
    }
}

/// A failure of the disk, for who asked.
pub(super) fn refusal(error: &StoreError) -> Refusal {
    let kind = match error.kind {
        Kind::NoSpace => RefusalKind::NoSpace,
        Kind::ReadOnly | Kind::Io => RefusalKind::DiskFailed,
        Kind::NotFound | Kind::Exists | Kind::Locked | Kind::Denied => RefusalKind::Internal,
    };
    Refusal::new(kind, format!("nothing was changed: {}", error.message))
}

fn broken() -> Refusal {
    Refusal::new(RefusalKind::Internal, "the change got lost; look at the changes again")
}
