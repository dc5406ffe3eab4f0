//! Spaces: made, named, shown; their members, rules and invites.

use std::time::Duration;

use kith_core::body::{Body, SpaceRole, check_name};
use kith_core::identity::{AuthorId, SecretKey};
use kith_core::invite::{Contact, Invite, Terms};
use kith_core::record::{Class, Record, SpaceId};
use kith_core::time::UnixTime;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::{self, Reply};
use kith_proto::replica::Input;

use super::Desk;
use super::reading::{Place, first_words};
use crate::account::Who;
use crate::keys::Keys;
use crate::ledger::{self, SpaceEntry};
use crate::{secret, words};

/// How long an invite is good when nobody says.
const INVITE_DAYS: u32 = 7;

/// How long an invite may be good.
const MAX_INVITE_DAYS: u32 = 30;

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Desk {
    #[expect(clippy::wildcard_enum_match_arm, reason = "access::room_of names every command")]
    pub(super) fn space_command(
        &mut self,
        now: UnixTime,
        who: &Who,
        command: Command,
    ) -> Result<Reply, Refusal> {
        match command {
            Command::Spaces => Ok(Reply::Spaces(self.shown_spaces(who))),
            Command::SpaceCreate { name } => self.create_space(now, who, &name),
            Command::Members { space } => {
                let place = self.readable(who, space.as_deref(), &Class::Gov)?;
                Ok(Reply::Members(members(&place)))
            }
            Command::MemberSet { space, member, role } => {
                self.set_member(who, space.as_deref(), (&member, &role))
            }
            Command::MemberRemove { space, member } => {
                let (place, key) = self.as_owner(who, space.as_deref())?;
                let member = existing_member(&place, &member)?;
                if member == key.author_id() {
                    return Err(invalid("nobody removes themselves; ask another owner"));
                }
                self.write(&key, &place, (Class::Gov, Body::MemberDel { member })).map(done)
            }
            Command::PolicySet { space, public } => {
                let (place, key) = self.as_owner(who, space.as_deref())?;
                let classes = public.into_iter().map(public_class).collect::<Result<_, _>>()?;
                self.write(&key, &place, (Class::Gov, Body::PolicySet { public: classes }))
                    .map(done)
            }
            Command::Invite { space, many, days } => {
                self.invite(now, who, space.as_deref(), (many, days))
            }
            other => Err(super::accounts::misrouted(&other)),
        }
    }

    /// Makes the owner's account, key and space if this is the first start.
    pub(super) fn first_start(&mut self) -> Result<(), Refusal> {
        let now = self.clock.wall();
        if self.accounts.owner().is_none() {
            let keys = Keys::new(&*self.files, &self.state);
            let key = keys.new_author().map_err(|error| words::of_key(&error))?;
            self.accounts.found(now, key.author_id());
            self.save()?;
        }
        if self.spaces().is_empty() {
            let owner = self.accounts.owner().ok_or_else(super::busy)?;
            let key = self.key_of(&owner)?;
            let name = format!("{} neighbourhood", first_words(&owner.words()));
            self.make_space(now, &key, (&name, true))?;
        }
        Ok(())
    }

    /// Gives the owner their name in the box's own space.
    pub(super) fn name_owner(&mut self, name: &str) -> Result<(), Refusal> {
        let owner = self.accounts.owner().ok_or_else(super::busy)?;
        let key = self.key_of(&owner)?;
        for (id, entry) in self.spaces() {
            if entry.own {
                let place = self.place(Some(&id.to_string()))?;
                let body =
                    Body::MemberSet { member: owner, role: SpaceRole::Owner, name: name.into() };
                self.write(&key, &place, (Class::Gov, body))?;
            }
        }
        Ok(())
    }

    /// Makes somebody with a new account a member of the spaces the box's owner is in.
    pub(super) fn let_into_spaces(
        &mut self,
        now: UnixTime,
        author: &AuthorId,
        name: &str,
    ) -> Result<(), Refusal> {
        let owner = self.accounts.owner().ok_or_else(super::busy)?;
        let issuer = self.key_of(&owner)?;
        let key = self.key_of(author)?;
        self.hub.tell(Input::AuthorAdded { key: key.clone() });
        for (id, entry) in self.spaces() {
            let place = self.place(Some(&id.to_string()))?;
            if entry.joining.is_some() || place.gov.role(&owner).is_none() {
                continue;
            }
            let invite = self.issue(now, &issuer, (&id, false, DAY));
            let body = invite.join(author, &self.hub.node(), name.to_owned());
            self.write(&key, &place, (Class::Gov, body))?;
        }
        Ok(())
    }

    /// Writes a record and tells the network side.
    pub(super) fn write(
        &mut self,
        key: &SecretKey,
        place: &Place,
        (class, body): (Class, Body),
    ) -> Result<Record, Refusal> {
        let written = self.pen.write(key, (Some(place.id), class), body);
        let record = written.map_err(|refusal| self.disk_refused(refusal))?;
        self.disk = None;
        self.hub.tell(Input::Authored { record: Box::new(record.clone()) });
        self.revisions.board += 1;
        self.revisions.files += 1;
        Ok(record)
    }

    fn make_space(
        &self,
        now: UnixTime,
        key: &SecretKey,
        (name, own): (&str, bool),
    ) -> Result<SpaceId, Refusal> {
        let body = Body::Genesis { nonce: secret::random(), name: name.to_owned() };
        let genesis = self.pen.write(key, (None, Class::Gov), body)?;
        let id = genesis.space();
        let entry = SpaceEntry { since: now, own, joining: None };
        let change = ledger::set(ledger::space_key(&id), &entry);
        ledger::write(&self.store, &[change]).map_err(|error| words::of_store(&error))?;
        self.hub.tell(Input::SpaceOpened {
            space: id,
            gov: vec![genesis],
            classes: vec![Class::Gov],
        });
        Ok(id)
    }

    fn create_space(&mut self, now: UnixTime, who: &Who, name: &str) -> Result<Reply, Refusal> {
        check_name(name).map_err(|error| invalid(&error.to_string()))?;
        let (_, author) = who.account.as_ref().ok_or_else(super::busy)?;
        let key = self.key_of(author)?;
        let id = self.make_space(now, &key, (name, false))?;
        let place = self.place(Some(&id.to_string()))?;
        if let Some(own_name) = who.principal.account.clone().filter(|name| !name.is_empty()) {
            let body = Body::MemberSet { member: *author, role: SpaceRole::Owner, name: own_name };
            self.write(&key, &place, (Class::Gov, body))?;
        }
        self.revisions.peers += 1;
        self.shown_space(who, &id).map(Reply::Space)
    }

    fn set_member(
        &mut self,
        who: &Who,
        space: Option<&str>,
        (member, role): (&str, &str),
    ) -> Result<Reply, Refusal> {
        let (place, key) = self.as_owner(who, space)?;
        let member = existing_member(&place, member)?;
        let role = match role {
            "owner" => SpaceRole::Owner,
            "member" => SpaceRole::Member,
            _ => return Err(invalid("a role is owner or member")),
        };
        let owners = place.gov.members.iter().filter(|(author, _)| **author != member);
        let another_owner =
            owners.into_iter().any(|(a, _)| place.gov.role(a) == Some(SpaceRole::Owner));
        if role != SpaceRole::Owner && !another_owner {
            return Err(Refusal::new(RefusalKind::NotAllowed, "a space keeps at least one owner"));
        }
        let name = place.name_of(&member);
        self.write(&key, &place, (Class::Gov, Body::MemberSet { member, role, name })).map(done)
    }

    fn invite(
        &self,
        now: UnixTime,
        who: &Who,
        space: Option<&str>,
        (many, days): (bool, Option<u32>),
    ) -> Result<Reply, Refusal> {
        let (place, key, _) = self.writable(who, space)?;
        let days = days.unwrap_or(INVITE_DAYS);
        if days == 0 || days > MAX_INVITE_DAYS {
            return Err(invalid("an invite is good for 1 to 30 days"));
        }
        let invite = self.issue(now, &key, (&place.id, many, DAY * days));
        Ok(Reply::Invite(reply::InviteCode {
            code: invite.to_string(),
            space: place.id.to_string(),
            expires: invite.expires().as_millis(),
            many,
        }))
    }

    fn issue(
        &self,
        now: UnixTime,
        issuer: &SecretKey,
        (space, many, life): (&SpaceId, bool, Duration),
    ) -> Invite {
        /// A clock a little behind ours must still accept a fresh invite.
        const SLACK: u64 = 3_600_000;
        let terms = Terms {
            space: *space,
            many,
            not_before: UnixTime::from_millis(now.as_millis().saturating_sub(SLACK)),
            expires: now + life,
            nonce: secret::random(),
        };
        let contact = Contact { node: self.hub.node(), addresses: self.hub.addresses() };
        Invite::issue(issuer, SecretKey::from_seed(&secret::random()), &terms, contact)
    }

    fn as_owner(&self, who: &Who, space: Option<&str>) -> Result<(Place, SecretKey), Refusal> {
        let (place, key, role) = self.writable(who, space)?;
        if role != SpaceRole::Owner {
            return Err(Refusal::new(
                RefusalKind::NotAllowed,
                "only an owner of the space may do that",
            ));
        }
        Ok((place, key))
    }

    /// The spaces a caller knows of: a visitor those with something public.
    fn shown_spaces(&self, who: &Who) -> Vec<reply::Space> {
        let ids = self.spaces().into_iter().map(|(id, _)| id);
        ids.filter_map(|id| self.shown_space(who, &id).ok()).collect()
    }

    pub(super) fn shown_space(&self, who: &Who, id: &SpaceId) -> Result<reply::Space, Refusal> {
        let place = self.place(Some(&id.to_string()))?;
        let entry: Option<SpaceEntry> = ledger::get(&self.store, &ledger::space_key(id));
        let joining = entry.is_some_and(|entry| entry.joining.is_some());
        let role = who.account.as_ref().and_then(|(_, author)| place.gov.role(author));
        if role.is_none() && place.gov.public.is_empty() && !(joining && who.principal.is_owner()) {
            return Err(super::reading::no_space());
        }
        Ok(reply::Space {
            id: id.to_string(),
            name: place.gov.name.clone(),
            role: role.map(|role| role_name(role).to_owned()),
            members: place.gov.count() as u64,
            public: place.gov.public.iter().map(ToString::to_string).collect(),
            default: self.default_space().is_ok_and(|default| default == *id),
            pending: joining,
        })
    }
}

fn members(place: &Place) -> Vec<reply::Member> {
    let shown = place.gov.members.iter().map(|(author, member)| reply::Member {
        author: author.to_string(),
        name: place.name_of(author),
        words: author.words(),
        role: role_name(member.role).to_owned(),
        since: member.since.time().as_millis(),
        invited_by: member.invited_by.map(|by| by.to_string()),
        removed: !member.is_in(),
    });
    shown.collect()
}

fn existing_member(place: &Place, text: &str) -> Result<AuthorId, Refusal> {
    let parsed: Option<AuthorId> = text.parse().ok();
    parsed
        .filter(|author| place.gov.members.contains_key(author))
        .ok_or_else(|| Refusal::new(RefusalKind::NotFound, "nobody in this space has that key"))
}

fn public_class(text: String) -> Result<Class, Refusal> {
    match Class::try_from(text) {
        Ok(class @ (Class::Board | Class::Files(_))) => Ok(class),
        Ok(Class::Gov) | Err(_) => Err(invalid("what can be public is board and files/NAME")),
    }
}

const fn role_name(role: SpaceRole) -> &'static str {
    match role {
        SpaceRole::Member => "member",
        SpaceRole::Owner => "owner",
    }
}

fn done(_: Record) -> Reply {
    Reply::Done
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(RefusalKind::Invalid, message)
}
