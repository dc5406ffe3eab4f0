//! How one record becomes rows. Nothing here asks who may be seen: rows are the same on every box.

use kith_core::body::Body;
use kith_core::fold::{Fold, Order, Rows};
use kith_core::record::{Class, Record};

use super::key::{self, table};
use super::read::Deed;
use super::row::{self, ActivityRow, FileRow, GovernanceRow, PostRow, PutRow};
use crate::governance::{Fact, Governance};

/// Characters of a notice that the list of activity keeps.
const EXCERPT: usize = 200;

/// More governance records than any space has.
const ALL: usize = usize::MAX;

/// The fold of every class this build knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Views;

impl Fold for Views {
    fn version(&self) -> u32 {
        1
    }

    fn fold(&self, record: &Record, rows: &mut dyn Rows) {
        fold_number(record, rows);
        match record.class() {
            Class::Gov => fold_governance(record, rows),
            Class::Board => fold_board(record, rows),
            Class::Files(collection) => fold_file(record, collection, rows),
        }
        let deed = deed(record);
        let key = key::of_space(table::ACTIVITY, &record.space());
        let row = row::encode(&ActivityRow { author: record.author(), deed });
        rows.put(&key::with_stamp(key, record.time(), &record.id()), &row);
    }
}

fn fold_number(record: &Record, rows: &mut dyn Rows) {
    let (space, class) = (record.space(), record.class());
    let author = record.author();
    let number = key::of_number(table::NUMBER, &space, class, (&author, record.seq()));
    rows.put(&[&number[..], &record.id().0].concat(), &[]);
    if rows.scan(&number, None, 2, Order::Ascending).len() > 1 {
        rows.put(&key::of_number(table::FORK, &space, class, (&author, record.seq())), &[]);
    }
}

fn fold_governance(record: &Record, rows: &mut dyn Rows) {
    let Some(fact) = Fact::of(record) else { return };
    let space = record.space();
    let facts_key = key::of_space(table::FACT, &space);
    let stamped = key::with_stamp(facts_key.clone(), record.time(), &record.id());
    if rows.get(&stamped).is_some() {
        return;
    }
    rows.put(&stamped, &row::encode(&fact));
    let facts: Vec<Fact> = rows
        .scan(&facts_key, None, ALL, Order::Ascending)
        .iter()
        .filter_map(|(_, value)| row::decode(value))
        .collect();
    let governance = GovernanceRow::from(Governance::of(&space, &facts));
    rows.put(&key::of_space(table::GOVERNANCE, &space), &row::encode(&governance));
}

fn fold_board(record: &Record, rows: &mut dyn Rows) {
    let (space, id, time) = (record.space(), record.id(), record.time());
    match record.body() {
        Body::Post { text, re } => {
            let row = PostRow { author: record.author(), text: text.clone(), re: *re };
            let key = key::of_space(table::BOARD, &space);
            rows.put(&key::with_stamp(key, time, &id), &row::encode(&row));
            let mut by_id = key::of_space(table::POST_ID, &space);
            by_id.extend(id.0);
            rows.put(&by_id, &time.bits().to_be_bytes());
        }
        Body::PostDel { post } => {
            let mut key = key::of_space(table::TAKEN_BACK, &space);
            key.extend(post.0);
            rows.put(&key::with_stamp(key, time, &id), &row::encode(&record.author()));
        }
        Body::Genesis { .. }
        | Body::Join { .. }
        | Body::MemberSet { .. }
        | Body::MemberDel { .. }
        | Body::PolicySet { .. }
        | Body::Put { .. }
        | Body::FileDel { .. } => {}
    }
}

fn fold_file(record: &Record, collection: &str, rows: &mut dyn Rows) {
    let (path, put) = match record.body() {
        Body::Put { path, root, size, folder, mime } => {
            let put = PutRow { root: *root, size: *size, folder: *folder, mime: mime.clone() };
            (path, Some(put))
        }
        Body::FileDel { path } => (path, None),
        Body::Genesis { .. }
        | Body::Join { .. }
        | Body::MemberSet { .. }
        | Body::MemberDel { .. }
        | Body::PolicySet { .. }
        | Body::Post { .. }
        | Body::PostDel { .. } => return,
    };
    let space = record.space();
    let mut key = key::of_collection(&space, collection);
    key.extend(key::path_bytes(path));
    key.push(key::END);
    let row = FileRow { author: record.author(), put };
    rows.put(&key::with_stamp(key, record.time(), &record.id()), &row::encode(&row));
    let mut name = key::of_space(table::COLLECTION, &space);
    name.extend(collection.as_bytes());
    rows.put(&name, &[]);
}

fn deed(record: &Record) -> Deed {
    let collection = || match record.class() {
        Class::Files(name) => name.clone(),
        Class::Gov | Class::Board => String::new(),
    };
    match record.body() {
        Body::Genesis { name, .. } => Deed::MadeSpace { name: name.clone() },
        Body::Join { .. } => Deed::Joined,
        Body::MemberSet { member, name, .. } => {
            Deed::ChangedMember { member: *member, name: name.clone() }
        }
        Body::MemberDel { member } => Deed::RemovedMember { member: *member },
        Body::PolicySet { .. } => Deed::ChangedPolicy,
        Body::Post { text, .. } => Deed::Posted { text: text.chars().take(EXCERPT).collect() },
        Body::PostDel { .. } => Deed::RemovedPost,
        Body::Put { path, .. } => Deed::PutFile { collection: collection(), path: path.clone() },
        Body::FileDel { path } => {
            Deed::RemovedFile { collection: collection(), path: path.clone() }
        }
    }
}
