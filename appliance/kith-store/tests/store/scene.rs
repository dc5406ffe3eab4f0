//! What the tests of the store are made of: a fold, records, blocks, and disks to keep them on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use kith_core::body::Body;
use kith_core::cid::{Cid, Codec};
use kith_core::fold::{Fold, Order, Rows};
use kith_core::identity::SecretKey;
use kith_core::record::{Class, Draft, Record, SpaceId};
use kith_core::time::Hlc;
use kith_files::Files;
use kith_store::{Options, Store, StoreError};

/// The store's directory on the disks of tests.
pub(crate) const DIR: &str = "/box";

/// Posts by id, and the newest post of every author: one row that stays and one that changes.
#[derive(Debug)]
pub(crate) struct Posts(pub(crate) u32);

impl Fold for Posts {
    fn version(&self) -> u32 {
        self.0
    }

    fn fold(&self, record: &Record, rows: &mut dyn Rows) {
        let Body::Post { text, .. } = record.body() else { return };
        rows.put(&[b"post/", &record.id().0[..]].concat(), text.as_bytes());
        let newest = [b"newest/", &record.author().0[..]].concat();
        let rank = [&record.time().bits().to_be_bytes()[..], &record.id().0].concat();
        if rows.get(&newest).is_none_or(|known| known < rank) {
            rows.put(&newest, &rank);
        }
        // Reading its own writes is part of what a fold may do.
        if rows.scan(&newest, None, 1, Order::Descending).len() != 1 {
            rows.put(b"broken", b"a fold does not read what it wrote");
        }
        assert!(!text.starts_with("a view fails here"));
    }
}

/// A real directory for sled, which tests keep out of the simulated disks.
#[derive(Debug)]
pub(crate) struct IndexDir {
    keep: tempfile::TempDir,
}

impl IndexDir {
    pub(crate) fn new() -> Self {
        // In memory where that is possible: sled's own files are no part of what is tested.
        let shm = Path::new("/dev/shm");
        let keep = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() };
        Self { keep: keep.unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.keep.path().join("index")
    }
}

pub(crate) fn options(index: &IndexDir) -> Options {
    Options { index_dir: Some(index.path()), segment: 4_096, ..Options::default() }
}

pub(crate) fn open(files: &(impl Files + Clone + 'static), index: &IndexDir) -> Store {
    try_open(files, &options(index)).unwrap()
}

pub(crate) fn try_open(
    files: &(impl Files + Clone + 'static),
    options: &Options,
) -> Result<Store, StoreError> {
    let files: Arc<dyn Files> = Arc::new(files.clone());
    Store::open(files, Path::new(DIR), Arc::new(Posts(1)), options, &mut |_| ())
}

pub(crate) fn author(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

pub(crate) fn genesis() -> Record {
    let body = Body::Genesis { nonce: [7; 16], name: "Street".into() };
    let (space, prev, gov_heads) = (None, None, Vec::new());
    let draft =
        Draft { space, class: Class::Gov, seq: 0, prev, time: Hlc::from_bits(1), gov_heads, body };
    Record::sign(&author(1), draft)
}

pub(crate) fn space() -> SpaceId {
    genesis().space()
}

/// `count` posts of one author, one behind the other.
pub(crate) fn posts(seed: u8, count: u64) -> Vec<Record> {
    let mut prev = None;
    (0..count)
        .map(|seq| {
            let record =
                post(seed, seq, prev, &format!("Post {seq} of {seed}. {}", ".".repeat(200)));
            prev = Some(record.id());
            record
        })
        .collect()
}

pub(crate) fn post(
    seed: u8,
    seq: u64,
    prev: Option<kith_core::record::RecordId>,
    text: &str,
) -> Record {
    let draft = Draft {
        space: Some(space()),
        class: Class::Board,
        seq,
        prev,
        time: Hlc::from_bits(1_000 + (seq << 4) + u64::from(seed)),
        gov_heads: vec![genesis().id()],
        body: Body::Post { text: text.into(), re: None },
    };
    Record::sign(&author(seed), draft)
}

pub(crate) fn block(number: u32, size: usize) -> (Cid, Bytes) {
    let byte = |i: usize| (number as usize * 31 + i / 7) as u8;
    let mut bytes: Vec<u8> = (0..size).map(byte).collect();
    bytes.splice(..4.min(size), number.to_be_bytes().into_iter().take(size));
    (Cid::of(Codec::Raw, &bytes), bytes.into())
}
