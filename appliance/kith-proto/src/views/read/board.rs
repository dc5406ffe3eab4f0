//! Reading notices and the list of what happened.

use kith_core::body::SpaceRole;
use kith_core::fold::{Order, ReadRows};
use kith_core::identity::AuthorId;
use kith_core::record::{RecordId, SpaceId};
use kith_core::time::Hlc;

use super::{Activity, Post, Reader, Visible};
use crate::views::key::{self, table};
use crate::views::row::{self, ActivityRow, PostRow};

/// At most `limit` notices, newest first, older than `before`.
#[must_use]
pub fn posts(
    rows: &dyn ReadRows,
    space: &SpaceId,
    visible: Visible,
    before: Option<(Hlc, RecordId)>,
    limit: usize,
) -> Vec<Post> {
    let Some(reader) = Reader::new(rows, space, visible) else { return Vec::new() };
    let prefix = key::of_space(table::BOARD, space);
    let before = before.map(|(time, id)| key::with_stamp(prefix.clone(), time, &id));
    let found = reader.pages(&prefix, before, Order::Descending);
    found.filter_map(|(key, value)| reader.read_post(space, &key, &value)).take(limit).collect()
}

/// One notice, if it is shown.
#[must_use]
pub fn post(rows: &dyn ReadRows, space: &SpaceId, visible: Visible, id: &RecordId) -> Option<Post> {
    let reader = Reader::new(rows, space, visible)?;
    let mut by_id = key::of_space(table::POST_ID, space);
    by_id.extend(id.0);
    let time = u64::from_be_bytes(rows.get(&by_id)?.try_into().ok()?);
    let key = key::of_space(table::BOARD, space);
    let key = key::with_stamp(key, Hlc::from_bits(time), id);
    reader.read_post(space, &key, &rows.get(&key)?)
}

/// At most `limit` things that happened, newest first.
#[must_use]
pub fn activity(
    rows: &dyn ReadRows,
    space: &SpaceId,
    visible: Visible,
    limit: usize,
) -> Vec<Activity> {
    let Some(reader) = Reader::new(rows, space, visible) else { return Vec::new() };
    let prefix = key::of_space(table::ACTIVITY, space);
    let read = |(key, value): (Vec<u8>, Vec<u8>)| {
        let (time, id) = key::stamp(&key)?;
        let ActivityRow { author, deed } = row::decode(&value)?;
        reader.shows(&author, time).then_some(Activity { id, time, author, deed })
    };
    reader.pages(&prefix, None, Order::Descending).filter_map(read).take(limit).collect()
}

impl Reader<'_> {
    fn read_post(&self, space: &SpaceId, key: &[u8], value: &[u8]) -> Option<Post> {
        let (time, id) = key::stamp(key)?;
        let PostRow { author, text, re } = row::decode(value)?;
        let shown = self.shows(&author, time) && !self.taken_back(space, &id, &author);
        shown.then_some(Post { id, time, author, text, re })
    }

    /// Whether the author, or an owner, took the notice back.
    fn taken_back(&self, space: &SpaceId, post: &RecordId, author: &AuthorId) -> bool {
        let mut prefix = key::of_space(table::TAKEN_BACK, space);
        prefix.extend(post.0);
        let holds = |(key, value): (Vec<u8>, Vec<u8>)| {
            let (time, _) = key::stamp(&key)?;
            let by: AuthorId = row::decode(&value)?;
            let owner =
                || self.governance.members.get(&by).is_some_and(|m| m.role == SpaceRole::Owner);
            Some(self.shows(&by, time) && (by == *author || owner()))
        };
        self.pages(&prefix, None, Order::Ascending).any(|row| holds(row).unwrap_or(false))
    }
}
