//! What a caller may read: spaces by name or default, and the classes a visitor sees.

use std::collections::BTreeMap;
use std::sync::Arc;

use kith_core::body::SpaceRole;
use kith_core::identity::{AuthorId, SecretKey};
use kith_core::record::{Class, SpaceId};
use kith_model::DEFAULT_COLLECTION;
use kith_model::caller::{Credential, Scope};
use kith_model::command::Right;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_proto::governance::Governance;
use kith_proto::views;

use super::Desk;
use crate::account::Who;
use crate::keys::Keys;
use crate::ledger::{self, SpaceEntry};
use crate::words;

/// A space as a command means it.
#[derive(Debug)]
pub(super) struct Place {
    /// Its id.
    pub id: SpaceId,
    /// Its people and rules.
    pub gov: Arc<Governance>,
}

impl Place {
    /// The name of `author` in the space; words of the key for somebody without one.
    pub(super) fn name_of(&self, author: &AuthorId) -> String {
        let name = self.gov.members.get(author).map(|member| member.name.clone());
        name.filter(|name| !name.is_empty()).unwrap_or_else(|| first_words(&author.words()))
    }
}

impl Desk {
    /// The spaces of this box with their entries, the box's own first.
    pub(super) fn spaces(&self) -> Vec<(SpaceId, SpaceEntry)> {
        let entries = ledger::tree::<SpaceEntry>(&self.store, ledger::SPACES);
        let typed = entries.into_iter().filter_map(|(id, entry)| Some((id.parse().ok()?, entry)));
        let mut spaces: Vec<_> = typed.collect();
        spaces.sort_by_key(|(id, entry): &(SpaceId, SpaceEntry)| (!entry.own, entry.since, *id));
        spaces
    }

    /// The space meant when none is named: the newest joined one while the box's own is untouched, else
    /// the box's own.
    pub(super) fn default_space(&self) -> Result<SpaceId, Refusal> {
        let spaces = self.spaces();
        let own = spaces.iter().find(|(_, entry)| entry.own).map(|(id, _)| *id);
        let joined = spaces.iter().rev().find(|(_, entry)| !entry.own && entry.joining.is_none());
        let chosen = match (own, joined) {
            (Some(own), Some((joined, _))) if self.untouched(&own) => Some(*joined),
            (Some(own), _) => Some(own),
            (None, joined) => joined.map(|(id, _)| *id),
        };
        chosen.ok_or_else(no_space)
    }

    /// The space a command means.
    pub(super) fn place(&self, named: Option<&str>) -> Result<Place, Refusal> {
        let id = match named {
            Some(text) => text.parse().map_err(|_| no_space())?,
            None => self.default_space()?,
        };
        let known = ledger::get::<SpaceEntry>(&self.store, &ledger::space_key(&id));
        known.ok_or_else(no_space)?;
        Ok(Place { id, gov: self.governance(&id) })
    }

    /// A space's people and rules. Kept until there is another record in the store, since every page
    /// asks for them several times.
    pub(super) fn governance(&self, space: &SpaceId) -> Arc<Governance> {
        let records = self.store.counts().records;
        let mut kept = self.governed.borrow_mut();
        if kept.0 != records {
            *kept = (records, BTreeMap::new());
        }
        let read = || Arc::new(views::governance(&self.store.views(), space).unwrap_or_default());
        Arc::clone(kept.1.entry(*space).or_insert_with(read))
    }

    /// The space a command means, if the caller may read `class` of it.
    pub(super) fn readable(
        &self,
        who: &Who,
        named: Option<&str>,
        class: &Class,
    ) -> Result<Place, Refusal> {
        let place = self.place(named)?;
        let member = who.account.as_ref().is_some_and(|(_, a)| place.gov.role(a).is_some());
        if member || place.gov.public.contains(class) {
            return Ok(place);
        }
        Err(match who.account {
            None => Refusal::new(RefusalKind::SignIn, "sign in to see this"),
            // The same words whether the space exists or not.
            Some(_) => no_space(),
        })
    }

    /// The space a command means and the caller's key, if they may write there.
    pub(super) fn writable(
        &self,
        who: &Who,
        named: Option<&str>,
    ) -> Result<(Place, SecretKey, SpaceRole), Refusal> {
        let place = self.place(named)?;
        let (_, author) = who.account.as_ref().ok_or_else(super::busy)?;
        let role = place.gov.role(author).ok_or_else(|| {
            Refusal::new(RefusalKind::NotAllowed, "you are not a member of this space")
        })?;
        Ok((place, self.key_of(author)?, role))
    }

    /// The space somebody may write content for.
    pub(super) fn where_to_write(
        &mut self,
        credential: &Credential,
        space: Option<&str>,
    ) -> Result<SpaceId, Refusal> {
        let who = self.accounts.who(self.clock.wall(), credential)?;
        let right = (Right::Account, Scope::Write);
        super::access::check(credential, &who, right)?;
        self.writable(&who, space).map(|(place, _, _)| place.id)
    }

    /// The secret key of somebody with an account here.
    pub(super) fn key_of(&self, author: &AuthorId) -> Result<SecretKey, Refusal> {
        let key = Keys::new(&*self.files, &self.state).author(author);
        key.map_err(|error| words::of_key(&error))?.ok_or_else(|| {
            Refusal::new(RefusalKind::Internal, "the key of this account is missing from the box")
        })
    }

    fn untouched(&self, space: &SpaceId) -> bool {
        self.store
            .classes(space)
            .is_ok_and(|classes| classes.iter().all(|class| *class == Class::Gov))
    }
}

/// The class of a collection by the name a command gives.
pub(super) fn collection(named: Option<&str>) -> Result<Class, Refusal> {
    let name = named.unwrap_or(DEFAULT_COLLECTION);
    Class::files(name).map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))
}

pub(super) fn no_space() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "this box is in no such space")
}

/// The first two words of a key, as a name for who has none.
pub(super) fn first_words(words: &str) -> String {
    let mut two = words.split(' ').take(2).map(capital);
    [two.next(), two.next()].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
