//! What the door answers without waking the desk: who a session is, and replies that cannot have changed.
//!
//! A page asks who looks and a few things that all who look see; each such question would cost two
//! changes of thread and, mostly, the same work again. The desk publishes the roll of sessions and counts
//! every change before it makes it; a reply is good until the next one, and for a second at most, since
//! some of what it holds changes by itself (round-trip times, records whose time comes).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kith_core::identity::AuthorId;
use kith_core::time::UnixTime;
use kith_model::caller::{Credential, Principal};
use kith_model::command::{Command, Request};
use kith_model::reply::Reply;
use kith_model::status::Status;
use tokio::sync::watch;

use crate::account::roll::Roll;
use crate::clock::Clock;

/// How long a reply is good while nothing changes.
const FRESH: Duration = Duration::from_secs(1);

/// Replies kept at one time.
const KEPT: usize = 16;

/// The desk's end.
#[derive(Debug)]
pub(crate) struct Publisher {
    /// The box at a glance.
    pub status: watch::Sender<Arc<Status>>,
    roll: watch::Sender<Arc<Roll>>,
    changes: Arc<AtomicU64>,
}

impl Publisher {
    /// Something is about to change: replies so far are good no longer.
    pub(crate) fn about_to_change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Sessions or accounts have changed.
    pub(crate) fn publish(&self, roll: Roll) {
        self.roll.send_replace(Arc::new(roll));
    }
}

/// The door's end. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Recall {
    /// The box at a glance.
    pub status: watch::Receiver<Arc<Status>>,
    roll: watch::Receiver<Arc<Roll>>,
    changes: Arc<AtomicU64>,
    clock: Arc<Clock>,
    kept: Arc<Mutex<Vec<Kept>>>,
}

#[derive(Debug)]
struct Kept {
    ticket: Ticket,
    reply: Reply,
}

/// A question that somebody puts to the desk, to remember the answer by.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    author: AuthorId,
    command: Command,
    /// The changes that there had been before it was put.
    changes: u64,
    at: UnixTime,
}

impl Ticket {
    fn same(&self, author: &AuthorId, command: &Command) -> bool {
        self.author == *author && self.command == *command
    }

    fn good(&self, changes: u64, now: UnixTime) -> bool {
        self.changes == changes && now >= self.at && now.since(self.at) < FRESH
    }
}

/// What there is to a question.
#[derive(Debug)]
pub(crate) enum Look {
    /// The answer.
    Known(Reply),
    /// The desk has to be asked; with a ticket, its answer is worth keeping.
    Ask(Option<Ticket>),
}

/// Both ends, over an empty roll.
#[must_use]
pub(crate) fn pair(clock: Arc<Clock>) -> (Publisher, Recall) {
    let (status, seen) = watch::channel(Arc::default());
    let (roll, listed) = watch::channel(Arc::default());
    let changes = Arc::new(AtomicU64::new(0));
    let publisher = Publisher { status, roll, changes: changes.clone() };
    (publisher, Recall { status: seen, roll: listed, changes, clock, kept: Arc::default() })
}

impl Recall {
    /// Looks whether the answer to a question is known.
    pub(crate) fn look(&self, request: &Request) -> Look {
        let whoami = request.command == Command::WhoAmI;
        let secret = match &request.credential {
            Credential::Session(secret) if whoami || worth_keeping(&request.command) => secret,
            Credential::Visitor if whoami => {
                return Look::Known(Reply::Principal(Principal::visitor()));
            }
            Credential::Session(_)
            | Credential::Visitor
            | Credential::Socket
            | Credential::Bearer(_) => return Look::Ask(None),
        };
        let now = self.clock.wall();
        // In this order: an answer that a later change made old is never taken for a new one.
        let changes = self.changes.load(Ordering::Acquire);
        let roll = self.roll.borrow().clone();
        let Some(listed) = roll.find(now, secret) else { return Look::Ask(None) };
        if whoami {
            return Look::Known(Reply::Principal(listed.principal(secret)));
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().find(|kept| kept.ticket.same(&listed.author, &request.command));
        match found {
            Some(kept) if kept.ticket.good(changes, now) => Look::Known(kept.reply.clone()),
            Some(_) | None => {
                let (author, command) = (listed.author, request.command.clone());
                Look::Ask(Some(Ticket { author, command, changes, at: now }))
            }
        }
    }

    /// Keeps the desk's answer.
    pub(crate) fn keep(&self, ticket: Ticket, reply: &Reply) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|old| {
            old.ticket.good(ticket.changes, ticket.at)
                && !old.ticket.same(&ticket.author, &ticket.command)
        });
        if kept.len() < KEPT {
            kept.push(Kept { ticket, reply: reply.clone() });
        }
    }
}

/// Whether a command only reads what all pages show again and again.
fn worth_keeping(command: &Command) -> bool {
    matches!(command, Command::Peers | Command::Spaces | Command::Activity { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime::from_millis(1_800_000_000_000);

    fn ticket(author: u8, changes: u64) -> Ticket {
        Ticket { author: AuthorId([author; 32]), command: Command::Peers, changes, at: NOON }
    }

    #[test]
    fn an_answer_is_good_until_the_next_change_and_for_a_second_at_most() {
        let ticket = ticket(1, 7);
        let almost = FRESH - Duration::from_millis(1);
        assert!(ticket.good(7, NOON) && ticket.good(7, NOON + almost));
        assert!(!ticket.good(8, NOON) && !ticket.good(7, NOON + FRESH));
        assert!(!ticket.good(7, UnixTime::from_millis(NOON.as_millis() - 1)), "a clock set back");
        assert!(ticket.same(&AuthorId([1; 32]), &Command::Peers));
        assert!(!ticket.same(&AuthorId([2; 32]), &Command::Peers));
        assert!(!ticket.same(&AuthorId([1; 32]), &Command::Spaces));
    }

    #[test]
    fn few_answers_are_kept_and_old_ones_go_first() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let clock = {
            let _entered = runtime.enter();
            kith_role::clock::SystemClock::start()
        };
        let folder = tempfile::tempdir().unwrap();
        let files = Arc::new(kith_files::RealFiles::new());
        let views = Arc::new(kith_proto::views::Views);
        let options = kith_store::Options::default();
        let store = kith_store::Store::open(files, folder.path(), views, &options, &mut |_| ());
        let (_publisher, recall) = pair(Arc::new(Clock::resume(clock, &store.unwrap())));
        let kept = || recall.kept.lock().unwrap().len();
        for author in 0..100 {
            recall.keep(ticket(author % 50, 1), &Reply::Done);
        }
        assert_eq!(kept(), KEPT);
        recall.keep(ticket(99, 2), &Reply::Done);
        assert_eq!(kept(), 1, "what was kept before a change makes room");
    }
}
