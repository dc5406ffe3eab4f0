//! The rows of the index: their keys, their values, and changes to them that go in together.
//!
//! Every key begins with one letter for its table; all that follows is big-endian, so that rows lie in
//! the order in which they are read. The progress row goes in with every change, and holds a sum over
//! all other rows: an index that lost something in a power cut no longer fits its own sum.

use std::collections::BTreeMap;

use kith_core::cid::Cid;
use kith_core::fold::{Order, ReadRows, Row, Rows};
use kith_core::record::{Class, Record, RecordId, SpaceId};
use kith_core::time::Hlc;

use crate::error::IndexError;
use crate::index::Index;
use crate::segments::{Location, Mark};

/// Grows whenever rows of the store's own tables would differ from before.
const LAYOUT: u32 = 1;

/// Where the progress row is.
const PROGRESS: &[u8] = b"p";

/// space, class, time, id -> location of a record.
pub(crate) const BY_TIME: u8 = b'r';
/// id -> location of a record.
const BY_ID: u8 = b'i';
/// space, class, author, counter, id -> nothing.
const BY_AUTHOR: u8 = b'n';
/// cid -> where a block is and who may see it.
const BLOCK: u8 = b'b';
/// The rows of the fold.
const VIEW: u8 = b'v';

/// What the index covers, and what is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) fold: u32,
    pub(crate) log: Mark,
    pub(crate) packs: Mark,
    pub(crate) records: u64,
    pub(crate) blocks: u64,
    pub(crate) block_bytes: u64,
    pub(crate) sum: u64,
}

impl Progress {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let marks =
            [self.log, self.packs].map(|mark| [mark.segment, mark.end, mark.last, mark.crc]);
        let words = [LAYOUT, self.fold].into_iter().chain(marks.into_iter().flatten());
        let mut bytes: Vec<u8> = words.flat_map(u32::to_be_bytes).collect();
        let counts = [self.records, self.blocks, self.block_bytes, self.sum];
        bytes.extend(counts.into_iter().flat_map(u64::to_be_bytes));
        bytes
    }

    /// `None` when another version wrote it.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let count = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let mark = |at: usize| {
            let [segment, end, last, crc] =
                [word(at)?, word(at + 4)?, word(at + 8)?, word(at + 12)?];
            Some(Mark { segment, end, last, crc })
        };
        if word(0)? != LAYOUT || bytes.len() != 72 {
            return None;
        }
        Some(Self {
            fold: word(4)?,
            log: mark(8)?,
            packs: mark(24)?,
            records: count(40)?,
            blocks: count(48)?,
            block_bytes: count(56)?,
            sum: count(64)?,
        })
    }

    pub(crate) fn read(index: &Index) -> Result<Option<Self>, IndexError> {
        Ok(index.get(PROGRESS)?.and_then(|bytes| Self::from_bytes(&bytes)))
    }
}

/// All rows but the progress row, in pieces of `limit`; what [`Progress::sum`] is taken over.
pub(crate) fn each_row(
    index: &Index,
    limit: usize,
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), IndexError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = index.scan(b"", after.as_deref(), (limit, Order::Ascending))?;
        rows.iter().filter(|(key, _)| key != PROGRESS).for_each(|(key, value)| visit(key, value));
        match rows.into_iter().next_back() {
            Some((key, _)) => after = Some(key),
            None => return Ok(()),
        }
    }
}

/// The part of one row in [`Progress::sum`].
pub(crate) fn weight(key: &[u8], value: &[u8]) -> u64 {
    let half = |seed: &[u8]| {
        let head = [seed, &(key.len() as u32).to_be_bytes()].concat();
        crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&head), key), value)
    };
    // One polynomial gives two halves that depend on each other; mixing makes sums of them differ.
    let mixed = u64::from(half(b"a")).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29) ^ u64::from(half(b"b")).rotate_left(32)
}

/// Changes that go into the index together, readable before they do.
#[derive(Debug)]
pub(crate) struct Changes<'a> {
    index: &'a Index,
    rows: BTreeMap<Vec<u8>, Change>,
    /// [`Rows`] cannot fail, so the first failure waits here.
    failed: std::cell::RefCell<Option<IndexError>>,
}

#[derive(Debug)]
struct Change {
    old: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
}

impl<'a> Changes<'a> {
    pub(crate) fn new(index: &'a Index) -> Self {
        Self { index, rows: BTreeMap::new(), failed: None.into() }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.rows.get(key) {
            Some(change) => change.new.clone(),
            None => self.try_or_default(self.index.get(key)),
        }
    }

    pub(crate) fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        if let Some(change) = self.rows.get_mut(&key) {
            change.new = value;
            return;
        }
        let old = self.try_or_default(self.index.get(&key));
        self.rows.insert(key, Change { old, new: value });
    }

    /// Puts everything into the index, and `progress` with it.
    pub(crate) fn finish(&mut self, progress: &mut Progress) -> Result<(), IndexError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let rows = std::mem::take(&mut self.rows);
        for (key, change) in &rows {
            let part =
                |value: &Option<Vec<u8>>| value.as_ref().map_or(0, |value| weight(key, value));
            progress.sum =
                progress.sum.wrapping_sub(part(&change.old)).wrapping_add(part(&change.new));
        }
        let bytes = progress.to_bytes();
        let changed = rows.iter().filter(|(_, change)| change.old != change.new);
        let changed = changed.map(|(key, change)| (key.as_slice(), change.new.as_deref()));
        self.index.apply(changed.chain([(PROGRESS, Some(bytes.as_slice()))]))
    }

    fn try_or_default<T: Default>(&self, result: Result<T, IndexError>) -> T {
        result.unwrap_or_else(|error| {
            self.failed.borrow_mut().get_or_insert(error);
            T::default()
        })
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, order: Order) -> Vec<Row> {
        let behind = |key: &[u8]| match (order, after) {
            (_, None) => true,
            (Order::Ascending, Some(after)) => key > after,
            (Order::Descending, Some(after)) => key < after,
        };
        let ours = self.rows.range(prefix.to_vec()..);
        let ours: Vec<_> = ours
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(key, _)| behind(key))
            .collect();
        // Each of our rows hides at most one of the index's.
        let theirs = self.index.scan(prefix, after, (limit.saturating_add(ours.len()), order));
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> =
            self.try_or_default(theirs).into_iter().collect();
        for (key, change) in ours {
            match &change.new {
                Some(value) => merged.insert(key.clone(), value.clone()),
                None => merged.remove(key),
            };
        }
        match order {
            Order::Ascending => merged.into_iter().take(limit).collect(),
            Order::Descending => merged.into_iter().rev().take(limit).collect(),
        }
    }
}

/// What a fold sees of [`Changes`]: its own table.
#[derive(Debug)]
pub(crate) struct ViewChanges<'a, 'b>(pub(crate) &'a mut Changes<'b>);

impl ReadRows for ViewChanges<'_, '_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(&view_key(key))
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, order: Order) -> Vec<Row> {
        let after = after.map(view_key);
        bare(self.0.scan(&view_key(prefix), after.as_deref(), limit, order))
    }
}

impl Rows for ViewChanges<'_, '_> {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.set(view_key(key), Some(value.to_vec()));
    }

    fn remove(&mut self, key: &[u8]) {
        self.0.set(view_key(key), None);
    }
}

pub(crate) fn view_key(key: &[u8]) -> Vec<u8> {
    [&[VIEW], key].concat()
}

/// Rows of the fold without the letter of its table.
pub(crate) fn bare(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(|(key, value)| (key[1..].to_vec(), value)).collect()
}

/// What all records of a space and class have in front of their time.
pub(crate) fn class_prefix(space: &SpaceId, class: &Class) -> Vec<u8> {
    [&[BY_TIME], &space.0[..], class.to_string().as_bytes(), &[0]].concat()
}

pub(crate) fn time_key(space: &SpaceId, class: &Class, time: Hlc, id: &RecordId) -> Vec<u8> {
    [&class_prefix(space, class), &time.bits().to_be_bytes()[..], &id.0].concat()
}

/// Time and id at the end of a [`time_key`].
pub(crate) fn time_and_id(key: &[u8]) -> Result<(Hlc, RecordId), IndexError> {
    let (rest, id) = key.split_last_chunk::<32>().ok_or(IndexError::Row)?;
    let (_, time) = rest.split_last_chunk::<8>().ok_or(IndexError::Row)?;
    Ok((Hlc::from_bits(u64::from_be_bytes(*time)), RecordId(*id)))
}

/// Space and class at the beginning of a [`time_key`].
pub(crate) fn space_and_class(key: &[u8]) -> Result<(SpaceId, Class), IndexError> {
    let (space, rest) =
        key.get(1..).and_then(|key| key.split_first_chunk::<32>()).ok_or(IndexError::Row)?;
    let class = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    let class = String::from_utf8(class.to_vec()).map_err(|_| IndexError::Row)?;
    Ok((SpaceId(*space), class.try_into().map_err(|_| IndexError::Row)?))
}

pub(crate) fn id_key(id: &RecordId) -> Vec<u8> {
    [&[BY_ID], &id.0[..]].concat()
}

/// What an author's records in a class have in front of their counter.
pub(crate) fn author_prefix(space: &SpaceId, class: &Class, author: &[u8; 32]) -> Vec<u8> {
    [&[BY_AUTHOR], &space.0[..], class.to_string().as_bytes(), &[0], author].concat()
}

/// What the records with one counter have in front of their ids: more than one is a fork.
pub(crate) fn counter_prefix(record: &Record) -> Vec<u8> {
    let mut key = author_prefix(&record.space(), record.class(), &record.author().0);
    key.extend(record.seq().to_be_bytes());
    key
}

/// Counter and id at the end of an author's key.
pub(crate) fn counter_and_id(key: &[u8]) -> Result<(u64, RecordId), IndexError> {
    let (time, id) = time_and_id(key)?;
    Ok((time.bits(), id))
}

pub(crate) fn location_value(location: Location) -> Vec<u8> {
    let words = [location.segment, location.offset, location.len];
    words.into_iter().flat_map(u32::to_be_bytes).collect()
}

pub(crate) fn location_of(value: &[u8]) -> Result<Location, IndexError> {
    let word = |at: usize| {
        let bytes = value.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_be_bytes).ok_or(IndexError::Row)
    };
    Ok(Location { segment: word(0)?, offset: word(4)?, len: word(8)? })
}

pub(crate) fn block_key(cid: &Cid) -> Vec<u8> {
    [&[BLOCK, cid.codec() as u8], &cid.digest()[..]].concat()
}

/// Where a block's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// In a frame of a pack.
    Pack(Location),
    /// In a file of its own.
    File,
}

/// What is known of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockRow {
    /// Length in bytes.
    pub(crate) size: u32,
    pub(crate) home: Home,
    /// The spaces whose members may have it, sorted.
    pub(crate) spaces: Vec<SpaceId>,
}

impl BlockRow {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.size.to_be_bytes().to_vec();
        match self.home {
            Home::File => bytes.push(0),
            Home::Pack(location) => {
                bytes.push(1);
                bytes.extend(location_value(location));
            }
        }
        self.spaces.iter().for_each(|space| bytes.extend(space.0));
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, IndexError> {
        let (size, rest) = bytes.split_first_chunk::<4>().ok_or(IndexError::Row)?;
        let (home, spaces) = match rest.split_first() {
            Some((0, rest)) => (Home::File, rest),
            Some((1, rest)) => {
                (Home::Pack(location_of(rest)?), rest.get(12..).ok_or(IndexError::Row)?)
            }
            Some(_) | None => return Err(IndexError::Row),
        };
        let (spaces, []) = spaces.as_chunks::<32>() else { return Err(IndexError::Row) };
        let spaces = spaces.iter().map(|space| SpaceId(*space)).collect();
        Ok(Self { size: u32::from_be_bytes(*size), home, spaces })
    }
}
