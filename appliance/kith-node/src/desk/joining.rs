//! Joining a space by an invite: begun here, finished by the network side.

use kith_core::body::check_name;
use kith_core::invite::Invite;
use kith_core::record::{Class, SpaceId};
use kith_core::time::UnixTime;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::Reply;
use kith_proto::replica::Input;

use super::{Answerer, Desk, Outcome, answer};
use crate::account::Who;
use crate::ledger::{self, SpaceEntry};
use crate::{opening, words};

/// Spaces one box is in.
const MAX_SPACES: usize = 32;

impl Desk {
    /// Writes the join record and waits for the first reconciliation.
    pub(super) fn join(
        &mut self,
        now: UnixTime,
        who: &Who,
        code: &str,
        reply: &mut Option<Answerer>,
    ) -> Outcome {
        match self.begin_join(now, who, code) {
            Ok((space, true)) => {
                self.joining.entry(space).or_default().extend(reply.take());
                Outcome::Later
            }
            Ok((space, false)) => Outcome::Now(self.shown_space(who, &space).map(Reply::Space)),
            Err(refusal) => Outcome::Now(Err(refusal)),
        }
    }

    /// The space, and whether it still has to answer.
    fn begin_join(
        &mut self,
        now: UnixTime,
        who: &Who,
        code: &str,
    ) -> Result<(SpaceId, bool), Refusal> {
        let bad = |message: String| Refusal::new(RefusalKind::BadInvite, message);
        let invite: Invite =
            code.parse().map_err(|error: kith_core::invite::InviteError| bad(error.to_string()))?;
        let space = invite.space();
        let (_, author) = who.account.clone().ok_or_else(super::busy)?;
        let known: Option<SpaceEntry> = ledger::get(&self.store, &ledger::space_key(&space));
        match known {
            Some(entry) if entry.joining.is_none() => return Ok((space, false)),
            Some(_) if self.has_asked(&space, &author)? => return Ok((space, true)),
            // Begun and broken off before the join record was written: begun again.
            Some(_) | None => {}
        }
        if self.clock.trusted() && invite.expires() <= now {
            return Err(bad("this invite has expired; ask for a new one".into()));
        }
        if invite.node == self.hub.node() {
            return Err(bad("this invite is from this very box; use it on another".into()));
        }
        if self.spaces().len() >= MAX_SPACES {
            return Err(Refusal::new(
                RefusalKind::TooMany,
                "this box is in 32 spaces, the most it keeps",
            ));
        }
        self.start_join(now, (&invite, code), &author)?;
        Ok((space, true))
    }

    fn start_join(
        &mut self,
        now: UnixTime,
        (invite, code): (&Invite, &str),
        author: &kith_core::identity::AuthorId,
    ) -> Result<(), Refusal> {
        let key = self.key_of(author)?;
        let space = invite.space();
        let name = self.name_for_joining();
        let body = invite.join(author, &self.hub.node(), name);
        let entry = SpaceEntry { since: now, own: false, joining: Some(code.to_owned()) };
        let change = ledger::set(ledger::space_key(&space), &entry);
        ledger::write(&self.store, &[change]).map_err(|error| words::of_store(&error))?;
        let join = self.pen.write(&key, (Some(space), Class::Gov), body).inspect_err(|_| {
            let _ = ledger::write(&self.store, &[ledger::unset(ledger::space_key(&space))]);
        })?;
        self.hub.tell(Input::JoinStarted {
            invite: Box::new(invite.clone()),
            join: Box::new(join.clone()),
            gov: vec![join],
        });
        self.revisions.peers += 1;
        Ok(())
    }

    /// Whether a join record of `author` in the space is written.
    fn has_asked(
        &self,
        space: &SpaceId,
        author: &kith_core::identity::AuthorId,
    ) -> Result<bool, Refusal> {
        let last = self.store.last_of(space, &Class::Gov, author);
        Ok(last.map_err(|error| words::of_store(&error))?.is_some())
    }

    /// The name the owner goes by; before the claim the box's words.
    fn name_for_joining(&self) -> String {
        let named = self
            .accounts
            .list()
            .into_iter()
            .find(|account| account.role == kith_model::caller::AccountRole::Owner);
        let name = named.map(|account| account.name).filter(|name| check_name(name).is_ok());
        name.unwrap_or_else(|| super::reading::first_words(&self.hub.node().words()))
    }

    pub(super) fn joined(&mut self, space: SpaceId) {
        let entry: Option<SpaceEntry> = ledger::get(&self.store, &ledger::space_key(&space));
        if let Some(entry) = entry {
            let entry = SpaceEntry { joining: None, ..entry };
            let change = ledger::set(ledger::space_key(&space), &entry);
            if let Err(error) = ledger::write(&self.store, &[change]) {
                self.disk_refused(words::of_store(&error));
            }
        }
        opening::want_content(&self.store, &self.hub, &space);
        self.revisions.peers += 1;
        let who = self.accounts.who(self.clock.wall(), &kith_model::caller::Credential::Socket);
        let shown = who.and_then(|who| self.shown_space(&who, &space)).map(Reply::Space);
        for waiting in self.joining.remove(&space).unwrap_or_default() {
            answer(waiting, shown.clone());
        }
    }

    pub(super) fn join_failed(&mut self, space: SpaceId, why: &str) {
        let change = ledger::unset(ledger::space_key(&space));
        if let Err(error) = ledger::write(&self.store, &[change]) {
            self.disk_refused(words::of_store(&error));
        }
        self.hub.tell(Input::SpaceClosed { space });
        self.revisions.peers += 1;
        for waiting in self.joining.remove(&space).unwrap_or_default() {
            answer(waiting, Err(Refusal::new(RefusalKind::BadInvite, why)));
        }
    }
}
