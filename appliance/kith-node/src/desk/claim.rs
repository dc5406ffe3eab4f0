//! Commands that carry a passphrase: claim, sign in, change, and the use of a link.
//!
//! The passphrase is hashed on the hasher's thread. Before that come the checks that cost nothing and
//! the limiter; after it the command goes on with the result. Whether a name exists shows neither in
//! the words nor in the time.

use kith_core::time::UnixTime;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::Reply;

use super::{Answerer, Desk, Message, Outcome, answer};
use crate::account::passphrase::{Hash, acceptable};
use crate::account::session::Browser;
use crate::account::{NewAccount, OWNER, Who, already_claimed};
use crate::keys::Keys;
use crate::{ledger, secret, words};

/// What the hasher is asked to do.
enum Work {
    /// Hash a new passphrase.
    Make(String),
    /// Compare with a hash; with nothing, take as long and fail.
    Compare(String, Option<Hash>),
    /// Compare with a hash, and if it fits hash a new passphrase.
    Change { old: String, hash: Hash, new: String },
}

/// What comes of it: the new hash where one was asked for, or `None` for a passphrase that does not fit.
type Worked = Result<Option<Option<Hash>>, Refusal>;

/// How the command goes on.
type GoOn = Box<dyn FnOnce(&mut Desk, Option<Hash>) -> Result<Reply, Refusal> + Send>;

impl Desk {
    #[expect(clippy::wildcard_enum_match_arm, reason = "access::room_of names every command")]
    pub(super) fn with_passphrase(
        &mut self,
        now: UnixTime,
        who: &Who,
        (command, source): (Command, String),
        reply: &mut Option<Answerer>,
    ) -> Outcome {
        let plan = match command {
            Command::Claim { secret, name, box_name, passphrase } => {
                self.plan_claim(now, (secret, source), (name, box_name, passphrase))
            }
            Command::Login { name, passphrase, device, agent } => {
                self.plan_login(now, (name, passphrase), (device, agent, source))
            }
            Command::Passphrase { old, new } => self.plan_change(now, who, (old, new)),
            Command::AccountJoin { secret, name, passphrase } => {
                self.plan_join(now, (secret, source), (name, passphrase))
            }
            other => Err(super::accounts::misrouted(&other)),
        };
        match plan {
            Ok((work, go_on)) => self.hash(work, go_on, reply),
            Err(refusal) => Outcome::Now(Err(refusal)),
        }
    }

    /// Queues the work. When the queue is full the job is dropped, and with it the way to the caller,
    /// whom the door then tells that the box is busy.
    fn hash(&self, work: Work, go_on: GoOn, reply: &mut Option<Answerer>) -> Outcome {
        let Some(reply) = reply.take() else { return Outcome::Later };
        let (queue, cost) = (self.queue.clone(), self.cost);
        let job = Box::new(move || {
            let worked = work.run(cost);
            let finish = Box::new(move |desk: &mut Desk| answer(reply, desk.finish(worked, go_on)));
            let _ = queue.blocking_send(Message::Hashed(finish));
        });
        if self.hasher.submit(job).is_err() {
            tracing::warn!("passphrases come faster than they can be checked");
        }
        Outcome::Later
    }

    fn finish(&mut self, worked: Worked, go_on: GoOn) -> Result<Reply, Refusal> {
        let Some(hash) = worked? else {
            return Err(Refusal::new(RefusalKind::WrongSecret, "name or passphrase is wrong"));
        };
        let result = go_on(self, hash);
        match (result, self.save()) {
            (Ok(_), Err(refusal)) => Err(refusal),
            (result, _) => result,
        }
    }

    fn plan_claim(
        &mut self,
        now: UnixTime,
        (typed, source): (String, String),
        (name, box_name, passphrase): (String, String, String),
    ) -> Result<(Work, GoOn), Refusal> {
        if self.accounts.claimed() {
            return Err(already_claimed());
        }
        self.try_from(now, &from(&source))?;
        let typed = secret::digest(&secret::normal_claim(&typed));
        let wanted = self.claim.as_ref().map(|claim| secret::digest(&secret::normal_claim(claim)));
        if wanted.is_none_or(|wanted| !secret::same(&wanted, &typed)) {
            return Err(Refusal::new(
                RefusalKind::WrongSecret,
                "the claim secret is wrong; it is printed where the box was started, and is new after every start",
            ));
        }
        acceptable(&passphrase, &name).map_err(invalid)?;
        let check =
            |text: &str| kith_core::body::check_name(text).map_err(|e| invalid(&e.to_string()));
        check(&name)?;
        check(&box_name)?;
        let go_on: GoOn = Box::new(move |desk, hash| {
            let hash = hash.ok_or_else(super::busy)?;
            desk.accounts.claim(&name, hash)?;
            desk.limiter.give_back(&from(&source));
            desk.name_box(now, &box_name)?;
            desk.name_owner(&name)?;
            desk.claim = None;
            let browser = Browser { agent: "", source: &source, device: None };
            desk.accounts.open_session(now, OWNER, browser).map(Reply::LoggedIn)
        });
        Ok((Work::Make(passphrase), go_on))
    }

    fn plan_login(
        &mut self,
        now: UnixTime,
        (name, passphrase): (String, String),
        (device, agent, source): (Option<String>, String, String),
    ) -> Result<(Work, GoOn), Refusal> {
        if !self.accounts.claimed() {
            return Err(Refusal::new(
                RefusalKind::NotClaimed,
                "nobody owns this box yet: claim it first",
            ));
        }
        let known = self.accounts.named(&name).map(|(id, hash)| (id.to_owned(), hash.clone()));
        let id = known.as_ref().map(|(id, _)| id.clone());
        let bucket = self.accounts.bucket(id.as_deref(), device.as_deref(), &source);
        self.try_from(now, &bucket)?;
        let hash = known.map(|(_, hash)| hash);
        let go_on: GoOn = Box::new(move |desk, _| {
            desk.limiter.give_back(&bucket);
            let id = id.ok_or_else(super::busy)?;
            let browser = Browser { agent: &agent, source: &source, device: device.as_deref() };
            desk.accounts.open_session(now, &id, browser).map(Reply::LoggedIn)
        });
        Ok((Work::Compare(passphrase, hash), go_on))
    }

    fn plan_change(
        &mut self,
        now: UnixTime,
        who: &Who,
        (old, new): (String, String),
    ) -> Result<(Work, GoOn), Refusal> {
        let (id, _) = who.account.clone().ok_or_else(super::busy)?;
        self.try_from(now, &format!("change/{id}"))?;
        acceptable(&new, who.principal.account.as_deref().unwrap_or_default()).map_err(invalid)?;
        let hash = self.accounts.passphrase(&id).cloned().ok_or_else(|| {
            Refusal::new(RefusalKind::NotClaimed, "nobody owns this box yet: claim it first")
        })?;
        let keep = who.principal.session.clone();
        let go_on: GoOn = Box::new(move |desk, hash| {
            desk.accounts.set_passphrase(&id, hash.ok_or_else(super::busy)?, keep.as_deref());
            Ok(Reply::Done)
        });
        Ok((Work::Change { old, hash, new }, go_on))
    }

    fn plan_join(
        &mut self,
        now: UnixTime,
        (link, source): (String, String),
        (name, passphrase): (String, String),
    ) -> Result<(Work, GoOn), Refusal> {
        self.try_from(now, &from(&source))?;
        self.accounts.check_join(now, &link, &name)?;
        acceptable(&passphrase, &name).map_err(invalid)?;
        let go_on: GoOn = Box::new(move |desk, hash| {
            let passphrase = hash.ok_or_else(super::busy)?;
            let keys = Keys::new(&*desk.files, &desk.state);
            let author = keys.new_author().map_err(|error| words::of_key(&error))?.author_id();
            let new = NewAccount { name: name.clone(), author, passphrase };
            let id = desk.accounts.join(now, &link, new)?;
            desk.limiter.give_back(&from(&source));
            desk.let_into_spaces(now, &author, &name)?;
            let browser = Browser { agent: "", source: &source, device: None };
            desk.accounts.open_session(now, &id, browser).map(Reply::LoggedIn)
        });
        Ok((Work::Make(passphrase), go_on))
    }

    fn try_from(&mut self, now: UnixTime, bucket: &str) -> Result<(), Refusal> {
        self.limiter.take(now, bucket).map_err(|wait| {
            tracing::warn!(bucket, "too many tries of a secret");
            too_many(wait.as_secs().max(1))
        })
    }

    fn name_box(&self, now: UnixTime, name: &str) -> Result<(), Refusal> {
        let entry = ledger::BoxEntry { name: name.to_owned(), claimed: now };
        let change = ledger::set(ledger::BOX.into(), &entry);
        ledger::write(&self.store, &[change]).map_err(|error| words::of_store(&error))
    }
}

impl Work {
    fn run(self, cost: crate::account::passphrase::Cost) -> Worked {
        match self {
            Self::Make(new) => Hash::make(&new, cost).map(|hash| Some(Some(hash))),
            Self::Compare(tried, Some(hash)) => hash.fits(&tried).map(|fits| fits.then_some(None)),
            Self::Compare(tried, None) => Hash::make(&tried, cost).map(|_| None),
            Self::Change { old, hash, new } => match hash.fits(&old) {
                Ok(true) => Hash::make(&new, cost).map(|hash| Some(Some(hash))),
                Ok(false) => Ok(None),
                Err(error) => Err(error),
            },
        }
        .map_err(|error| {
            Refusal::new(
                RefusalKind::Internal,
                format!("no memory to check the passphrase ({error}); try again"),
            )
        })
    }
}

/// The bucket of whoever has not signed in here before.
fn from(source: &str) -> String {
    format!("source/{source}")
}

fn invalid(words: &str) -> Refusal {
    Refusal::new(RefusalKind::Invalid, words)
}

fn too_many(wait: u64) -> Refusal {
    let message = format!("too many tries; wait {wait} seconds and try again");
    Refusal { retry_after: Some(wait), ..Refusal::new(RefusalKind::TooMany, message) }
}
