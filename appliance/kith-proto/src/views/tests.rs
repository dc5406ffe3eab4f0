//! Rows do not depend on the order of records, and reading them gives what people expect.

use std::collections::BTreeMap;

use kith_core::body::{Body, SpaceRole};
use kith_core::cid::{Cid, Codec};
use kith_core::fold::{Fold as _, Order, ReadRows, Row, Rows};
use kith_core::identity::SecretKey;
use kith_core::invite::{Contact, Invite, Terms};
use kith_core::record::{Class, Draft, Record, RecordId, SpaceId};
use kith_core::time::{Hlc, UnixTime};
use proptest::prelude::*;

use super::*;

const ALL: Visible = Visible { now: UnixTime::from_millis(0), trusted: false };

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

impl ReadRows for Memory {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).cloned()
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, order: Order) -> Vec<Row> {
        let behind = |key: &[u8]| match (after, order) {
            (None, _) => true,
            (Some(after), Order::Ascending) => key > after,
            (Some(after), Order::Descending) => key < after,
        };
        let mut rows: Vec<Row> = self
            .0
            .iter()
            .filter(|(key, _)| key.starts_with(prefix) && behind(key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if order == Order::Descending {
            rows.reverse();
        }
        rows.truncate(limit);
        rows
    }
}

impl Rows for Memory {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.insert(key.to_vec(), value.to_vec());
    }

    fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn rows_are_the_same_in_whatever_order_records_come_and_however_often(
        order in Just((0..RECORDS).collect::<Vec<usize>>()).prop_shuffle(),
        again in prop::collection::vec(0..RECORDS, 0..20),
    ) {
        let records = history();
        prop_assert_eq!(records.len(), RECORDS);
        let shuffled = order.iter().chain(&again).map(|i| records[*i].clone()).collect::<Vec<_>>();
        prop_assert_eq!(folded(&shuffled), folded(&records));
    }
}

#[test]
fn a_fold_that_kept_only_what_came_last_would_be_noticed() {
    let records = history();
    let mut wrong = folded(&records);
    wrong.put(b"A-last", &records[3].id().0);
    assert_ne!(wrong, folded(&records));
    assert_ne!(folded(&records[1..]), folded(&records));
}

#[test]
fn a_newer_folder_hides_what_older_records_say_below_it_and_newer_ones_lie_over_it() {
    let mut story = Story::new();
    story.put("a/old", 1, false);
    story.put("a/b/deep", 2, false);
    story.put("a", 3, true);
    story.put("a/new", 4, false);
    story.del("a/gone");
    story.put("z", 5, false);
    let rows = story.rows();
    let top = files(&rows, story.at(""), ALL, None, 10);
    assert_eq!(names(&top), ["a", "z"]);
    assert!(top.cover.is_none());
    let inside = files(&rows, story.at("a"), ALL, None, 10);
    assert_eq!(names(&inside), ["new"]);
    assert_eq!(inside.removed, ["gone"]);
    assert_eq!(inside.cover.unwrap().put.root, root(3));
    let Located::Put(cover) = file(&rows, story.at("a/b/deep"), ALL) else { panic!() };
    assert_eq!((cover.put.root, cover.inside.as_str()), (root(3), "b/deep"));
    let Located::Put(cover) = file(&rows, story.at("a/new"), ALL) else { panic!() };
    assert_eq!((cover.put.root, cover.inside.as_str()), (root(4), ""));
    assert_eq!(file(&rows, story.at("a/gone"), ALL), Located::Nothing);
    let live: Vec<Cid> = live_roots(&rows, &story.space, ALL).iter().map(|r| r.root).collect();
    assert_eq!(live, [root(3), root(4), root(5)]);
}

#[test]
fn folders_that_were_never_put_are_listed_once_and_in_pages() {
    let mut story = Story::new();
    for n in 0..30 {
        story.put(&format!("d{n:02}/x/y"), n, false);
        story.put(&format!("d{n:02}.txt"), n, false);
    }
    let rows = story.rows();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = files(&rows, story.at(""), ALL, after.as_deref(), 7);
        seen.extend(page.entries.iter().map(|e| e.name.clone()));
        if !page.more {
            break;
        }
        after = seen.last().cloned();
    }
    assert_eq!(seen.len(), 60);
    assert!(seen.is_sorted());
    assert_eq!(file(&rows, story.at("d03/x"), ALL), Located::Implied);
    assert_eq!(collections(&rows, &story.space, ALL)[0].entries, 60);
}

#[test]
fn removing_a_folder_removes_what_was_below_it() {
    let mut story = Story::new();
    story.put("a/b", 1, false);
    story.put("a/c", 2, false);
    story.del("a");
    let rows = story.rows();
    assert!(files(&rows, story.at(""), ALL, None, 10).entries.is_empty());
    assert_eq!(file(&rows, story.at("a/b"), ALL), Located::Nothing);
    assert!(live_roots(&rows, &story.space, ALL).is_empty());
    assert!(collections(&rows, &story.space, ALL).is_empty());
}

#[test]
fn a_notice_goes_when_its_author_or_an_owner_takes_it_back_and_nobody_else() {
    let mut story = Story::new();
    let mine = story.post(1, "mine");
    let other = story.post(1, "another");
    let third = story.post(2, "third");
    story.take_back(1, mine);
    story.take_back(0, other);
    story.take_back(1, third);
    let shown = posts(&story.rows(), &story.space, ALL, None, 10);
    assert_eq!(shown.iter().map(|p| p.text.as_str()).collect::<Vec<_>>(), ["third"]);
    assert!(post(&story.rows(), &story.space, ALL, &mine).is_none());
    assert_eq!(post(&story.rows(), &story.space, ALL, &third).unwrap().id, third);
}

#[test]
fn notices_come_newest_first_and_the_cursor_goes_on() {
    let mut story = Story::new();
    for n in 0..25 {
        story.post(1, &n.to_string());
    }
    let rows = story.rows();
    let mut texts = Vec::new();
    let mut before = None;
    loop {
        let page = posts(&rows, &story.space, ALL, before, 10);
        let Some(last) = page.last() else { break };
        before = Some((last.time, last.id));
        texts.extend(page.into_iter().map(|p| p.text));
    }
    assert_eq!(texts, (0..25).rev().map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn what_a_removed_member_said_before_stays_and_what_they_say_later_is_hidden() {
    let mut story = Story::new();
    story.post(1, "before");
    story.remove(1);
    story.post(1, "after");
    let rows = story.rows();
    let shown = posts(&rows, &story.space, ALL, None, 10);
    assert_eq!(shown.iter().map(|p| p.text.as_str()).collect::<Vec<_>>(), ["before"]);
    let governance = governance(&rows, &story.space).unwrap();
    assert_eq!(governance.role(&story.people[1].author_id()), None);
    assert_eq!(governance.role(&story.people[0].author_id()), Some(SpaceRole::Owner));
    assert_eq!(governance.count(), 2);
}

#[test]
fn a_trusted_clock_hides_the_future_and_another_does_not() {
    let mut story = Story::new();
    story.post(1, "now");
    story.millis += 3_600_000;
    story.post(1, "in an hour");
    let rows = story.rows();
    let now = UnixTime::from_millis(10_000);
    let shown = |trusted| posts(&rows, &story.space, Visible { now, trusted }, None, 10).len();
    assert_eq!((shown(true), shown(false)), (1, 2));
    assert_eq!(activity(&rows, &story.space, Visible { now, trusted: true }, 2).len(), 2);
}

#[test]
fn two_records_with_one_number_show_as_a_fork() {
    let mut story = Story::new();
    story.post(1, "one");
    assert!(forks(&story.rows(), &story.space, 10).is_empty());
    story.seqs.clear();
    story.post(1, "the same number");
    let found = forks(&story.rows(), &story.space, 10);
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].class, found[0].seq), (&Class::Board, 0));
}

/// Records in the history of the property test.
const RECORDS: usize = 17;

fn history() -> Vec<Record> {
    let mut story = Story::new();
    let first = story.post(1, "one");
    story.put("a/b", 1, false);
    story.put("a", 2, true);
    story.del("a/b");
    story.take_back(0, first);
    story.remove(1);
    story.post(1, "late");
    story.put("a/c", 3, false);
    story.rename(2, "Cleo");
    story.seqs.clear();
    story.post(2, "fork");
    story.seqs.clear();
    story.post(2, "forked");
    story.put("x", 4, false);
    story.policy();
    story.take_back(2, RecordId([9; 32]));
    story.records
}

fn folded(records: &[Record]) -> Memory {
    let mut rows = Memory::default();
    for record in records {
        Views.fold(record, &mut rows);
    }
    rows
}

fn root(n: u64) -> Cid {
    Cid::of(Codec::Raw, &n.to_be_bytes())
}

fn names(listing: &Listing) -> Vec<&str> {
    listing.entries.iter().map(|e| e.name.as_str()).collect()
}

/// Three people in a space, and what they do, a second after another.
struct Story {
    people: Vec<SecretKey>,
    space: SpaceId,
    millis: u64,
    seqs: BTreeMap<(usize, Class), (u64, RecordId)>,
    records: Vec<Record>,
}

impl Story {
    fn new() -> Self {
        let people: Vec<SecretKey> = (1..4).map(|n| SecretKey::from_seed(&[n; 32])).collect();
        let mut story = Self {
            people,
            space: SpaceId([0; 32]),
            millis: 0,
            seqs: BTreeMap::new(),
            records: Vec::new(),
        };
        let body = Body::Genesis { nonce: [1; 16], name: "Home".into() };
        story.space = SpaceId(story.say(0, Class::Gov, body).0);
        for person in 1..3 {
            let terms = Terms {
                space: story.space,
                many: false,
                not_before: UnixTime::default(),
                expires: UnixTime::from_millis(u64::MAX),
                nonce: [0; 16],
            };
            let node = SecretKey::from_seed(&[40; 32]).node_id();
            let secret = SecretKey::from_seed(&[50 + person as u8; 32]);
            let contact = Contact { node, addresses: vec![] };
            let invite = Invite::issue(&story.people[0], secret, &terms, contact);
            let author = story.people[person].author_id();
            story.say(person, Class::Gov, invite.join(&author, &node, format!("p{person}")));
        }
        story
    }

    fn say(&mut self, who: usize, class: Class, body: Body) -> RecordId {
        self.millis += 1_000;
        let last = self.seqs.get(&(who, class.clone()));
        let (seq, prev) = last.map_or((0, None), |(seq, id)| (seq + 1, Some(*id)));
        let space = (!matches!(body, Body::Genesis { .. })).then_some(self.space);
        let time = Hlc::at(UnixTime::from_millis(self.millis));
        let gov_heads = self.records.last().filter(|r| *r.class() == Class::Gov).map(Record::id);
        let gov_heads = gov_heads.into_iter().collect();
        let draft = Draft { space, class: class.clone(), seq, prev, time, gov_heads, body };
        let record = Record::sign(&self.people[who], draft);
        self.seqs.insert((who, class), (seq, record.id()));
        self.records.push(record.clone());
        record.id()
    }

    fn post(&mut self, who: usize, text: &str) -> RecordId {
        self.say(who, Class::Board, Body::Post { text: text.into(), re: None })
    }

    fn take_back(&mut self, who: usize, post: RecordId) {
        self.say(who, Class::Board, Body::PostDel { post });
    }

    fn put(&mut self, path: &str, n: u64, folder: bool) {
        let body = Body::Put { path: path.into(), root: root(n), size: 1, folder, mime: None };
        self.say(1, Class::Files("shared".into()), body);
    }

    fn del(&mut self, path: &str) {
        self.say(2, Class::Files("shared".into()), Body::FileDel { path: path.into() });
    }

    fn remove(&mut self, who: usize) {
        let member = self.people[who].author_id();
        self.say(0, Class::Gov, Body::MemberDel { member });
    }

    fn rename(&mut self, who: usize, name: &str) {
        let member = self.people[who].author_id();
        let body = Body::MemberSet { member, role: SpaceRole::Member, name: name.into() };
        self.say(who, Class::Gov, body);
    }

    fn policy(&mut self) {
        self.say(0, Class::Gov, Body::PolicySet { public: vec![Class::Board] });
    }

    fn rows(&self) -> Memory {
        folded(&self.records)
    }

    fn at<'a>(&'a self, path: &'a str) -> At<'a> {
        At { space: &self.space, collection: "shared", path }
    }
}
