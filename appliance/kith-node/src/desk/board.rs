//! Notices, and the list of what happened.

use kith_core::body::{Body, SpaceRole};
use kith_core::record::{Class, RecordId};
use kith_core::time::Hlc;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::{self, Reply};
use kith_proto::views;

use super::Desk;
use super::reading::Place;
use crate::account::Who;

/// Notices or deeds shown when nobody says how many.
const USUAL: u32 = 50;

/// The most shown at once.
const MOST: u32 = 200;

impl Desk {
    #[expect(clippy::wildcard_enum_match_arm, reason = "access::room_of names every command")]
    pub(super) fn board_command(&mut self, who: &Who, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::Posts { space, before, limit } => {
                let place = self.readable(who, space.as_deref(), &Class::Board)?;
                let before = before.as_deref().map(cursor).transpose()?;
                let limit = limit.unwrap_or(USUAL).min(MOST) as usize;
                let visible = self.clock.visible();
                let posts = views::posts(&self.store.views(), &place.id, visible, before, limit);
                Ok(Reply::Posts(posts.into_iter().map(|post| shown(who, &place, post)).collect()))
            }
            Command::Post { space, text, re } => self.post(who, space.as_deref(), (text, re)),
            Command::PostRemove { space, id } => self.remove_post(who, space.as_deref(), &id),
            Command::Activity { space, limit } => self.activity(who, space.as_deref(), limit),
            other => Err(super::accounts::misrouted(&other)),
        }
    }

    fn post(
        &mut self,
        who: &Who,
        space: Option<&str>,
        (text, re): (String, Option<String>),
    ) -> Result<Reply, Refusal> {
        let (place, key, _) = self.writable(who, space)?;
        let re = re.as_deref().map(|re| self.existing(&place, re)).transpose()?;
        let text = text.trim().replace("\r\n", "\n");
        let body = Body::Post { text, re: re.map(|post| post.id) };
        let record = self.write(&key, &place, (Class::Board, body))?;
        let post = views::post(&self.store.views(), &place.id, self.clock.visible(), &record.id());
        let post = post.ok_or_else(super::busy)?;
        Ok(Reply::Posted(shown(who, &place, post)))
    }

    fn remove_post(&mut self, who: &Who, space: Option<&str>, id: &str) -> Result<Reply, Refusal> {
        let (place, key, role) = self.writable(who, space)?;
        let post = self.existing(&place, id)?;
        if post.author != key.author_id() && role != SpaceRole::Owner {
            return Err(Refusal::new(
                RefusalKind::NotAllowed,
                "only who wrote a notice, or an owner of the space, takes it back",
            ));
        }
        self.write(&key, &place, (Class::Board, Body::PostDel { post: post.id }))?;
        Ok(Reply::Done)
    }

    fn existing(&self, place: &Place, id: &str) -> Result<views::Post, Refusal> {
        let none = || Refusal::new(RefusalKind::NotFound, "this notice is gone, or never was");
        let id: RecordId = id.parse().map_err(|_| none())?;
        views::post(&self.store.views(), &place.id, self.clock.visible(), &id).ok_or_else(none)
    }

    fn activity(
        &self,
        who: &Who,
        space: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Reply, Refusal> {
        let place = self.readable(who, space, &Class::Gov)?;
        let limit = limit.unwrap_or(USUAL).min(MOST) as usize;
        let deeds = views::activity(&self.store.views(), &place.id, self.clock.visible(), limit);
        let shown = deeds.into_iter().map(|deed| reply::Activity {
            time: deed.time.time().as_millis(),
            who: place.name_of(&deed.author),
            author: deed.author.to_string(),
            what: told(&place, deed.deed, &deed.id),
        });
        Ok(Reply::Activity(shown.collect()))
    }
}

fn shown(who: &Who, place: &Place, post: views::Post) -> reply::Post {
    let me = who.account.as_ref().map(|(_, author)| *author);
    let role = me.and_then(|me| place.gov.role(&me));
    let removable = role.is_some() && (me == Some(post.author) || role == Some(SpaceRole::Owner));
    reply::Post {
        id: post.id.to_string(),
        text: post.text,
        author: post.author.to_string(),
        author_name: place.name_of(&post.author),
        time: post.time.time().as_millis(),
        re: post.re.map(|re| re.to_string()),
        cursor: format!("{}-{}", post.time, post.id),
        removable,
    }
}

fn cursor(text: &str) -> Result<(Hlc, RecordId), Refusal> {
    let parts = text
        .split_once('-')
        .and_then(|(time, id)| Some((Hlc::from_bits(time.parse().ok()?), id.parse().ok()?)));
    parts.ok_or_else(|| Refusal::new(RefusalKind::Invalid, "this is not the cursor of a notice"))
}

fn told(place: &Place, deed: views::Deed, id: &RecordId) -> reply::Deed {
    match deed {
        views::Deed::MadeSpace { name } => reply::Deed::MadeSpace { name },
        views::Deed::Joined => reply::Deed::Joined,
        views::Deed::ChangedMember { name, .. } => reply::Deed::ChangedMember { name },
        views::Deed::RemovedMember { member } => {
            reply::Deed::RemovedMember { name: place.name_of(&member) }
        }
        views::Deed::ChangedPolicy => reply::Deed::ChangedPolicy,
        views::Deed::Posted { text } => reply::Deed::Posted { text, id: id.to_string() },
        views::Deed::RemovedPost => reply::Deed::RemovedPost,
        views::Deed::PutFile { collection, path } => reply::Deed::PutFile { collection, path },
        views::Deed::RemovedFile { collection, path } => {
            reply::Deed::RemovedFile { collection, path }
        }
    }
}
