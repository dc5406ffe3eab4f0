//! Paths of a collection: which record holds at a path, and what lives below one.
//!
//! The newest record at a path or at any folder above it decides. A put at `a` hides whatever older
//! records say below `a/`; a newer put at `a/b` lies over it.

use kith_core::fold::{Order, Row};
use kith_core::identity::AuthorId;
use kith_core::record::RecordId;
use kith_core::time::Hlc;

use super::{Pages, Put, Reader};
use crate::views::key;
use crate::views::row::{self, FileRow, PutRow};

/// What orders versions of a path.
pub(super) type Stamp = (Hlc, RecordId);

/// One record about a path.
pub(super) struct Version {
    pub(super) stamp: Stamp,
    author: AuthorId,
    pub(super) put: Option<PutRow>,
}

impl Version {
    /// The version as pages show it; nothing when it removes.
    pub(super) fn into_put(self, path: &[u8]) -> Option<Put> {
        let PutRow { root, size, folder, mime } = self.put?;
        let (time, id) = self.stamp;
        let path = key::path_text(path);
        Some(Put { id, time, author: self.author, path, root, size, folder, mime })
    }
}

/// A path in bytes and the version that holds there.
pub(super) type Held = (Vec<u8>, Version);

/// The folders above a path, outermost first.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, b)| **b == key::SLASH).map(|(i, _)| &path[..i])
}

/// Where the rows below a folder start; the top has no name.
pub(super) fn below(collection: &[u8], folder: &[u8]) -> Vec<u8> {
    if folder.is_empty() {
        return collection.to_vec();
    }
    [collection, folder, &[key::SLASH]].concat()
}

impl Reader<'_> {
    /// The newest version of exactly this path that is shown.
    pub(super) fn newest(&self, collection: &[u8], path: &[u8]) -> Option<Version> {
        let prefix = [collection, path, &[key::END]].concat();
        self.pages(&prefix, None, Order::Descending).find_map(|row| self.version(&row))
    }

    /// The newest version of any folder above the path.
    pub(super) fn newest_above(&self, collection: &[u8], path: &[u8]) -> Option<Held> {
        let held = |folder: &[u8]| Some((folder.to_vec(), self.newest(collection, folder)?));
        above(path).filter_map(held).max_by_key(|(_, version)| version.stamp)
    }

    /// The puts below a folder that are newer than `floor` and not hidden by one another.
    pub(super) fn live(&self, collection: &[u8], folder: &[u8], floor: Option<Stamp>) -> Live<'_> {
        let prefix = below(collection, folder);
        let pages = self.pages(&prefix, None, Order::Ascending);
        Live { reader: self, skip: collection.len(), pages, floor, above: Vec::new(), next: None }
    }

    /// All puts of a collection that are not hidden, however many.
    pub(super) fn all_live(&self, collection: &[u8]) -> Live<'_> {
        let pages = self.all_pages(collection);
        Live {
            reader: self,
            skip: collection.len(),
            pages,
            floor: None,
            above: Vec::new(),
            next: None,
        }
    }

    fn version(&self, (key, value): &Row) -> Option<Version> {
        let stamp = key::stamp(key)?;
        let FileRow { author, put } = row::decode(value)?;
        self.shows(&author, stamp.0).then_some(Version { stamp, author, put })
    }
}

/// Walks rows in the order of keys, in which folders come before what is in them.
pub(super) struct Live<'a> {
    reader: &'a Reader<'a>,
    /// Length of the collection's part of each key.
    skip: usize,
    pages: Pages<'a>,
    floor: Option<Stamp>,
    /// The folders around the row at hand and the newest stamp among them.
    above: Vec<(Vec<u8>, Stamp)>,
    /// A row of the next path, already read.
    next: Option<Row>,
}

impl Live<'_> {
    /// The next path that has rows, and its newest version that is shown.
    fn next_path(&mut self) -> Option<(Vec<u8>, Option<Version>)> {
        let first = self.next.take().or_else(|| self.pages.next())?;
        let path = self.path_of(&first.0)?;
        let mut newest = self.reader.version(&first);
        for row in self.pages.by_ref() {
            if row
                .0
                .get(self.skip..)
                .is_some_and(|k| k.starts_with(&path) && k[path.len()] == key::END)
            {
                newest = self.reader.version(&row).or(newest);
            } else {
                self.next = Some(row);
                break;
            }
        }
        Some((path, newest))
    }

    fn path_of(&self, key: &[u8]) -> Option<Vec<u8>> {
        /// The end mark, a time and an id.
        const TAIL: usize = 1 + 8 + 32;
        key.get(self.skip..key.len().checked_sub(TAIL)?).map(<[u8]>::to_vec)
    }

    fn floor_of(&mut self, path: &[u8]) -> Option<Stamp> {
        let holds =
            |folder: &[u8]| path.starts_with(folder) && path.get(folder.len()) == Some(&key::SLASH);
        while self.above.last().is_some_and(|(folder, _)| !holds(folder)) {
            self.above.pop();
        }
        self.above.last().map(|(_, stamp)| *stamp).max(self.floor)
    }
}

impl Iterator for Live<'_> {
    type Item = Held;

    fn next(&mut self) -> Option<Held> {
        loop {
            let (path, newest) = self.next_path()?;
            let floor = self.floor_of(&path);
            let Some(version) = newest.filter(|v| floor.is_none_or(|f| v.stamp > f)) else {
                continue;
            };
            self.above.push((path.clone(), version.stamp));
            if version.put.is_some() {
                return Some((path, version));
            }
        }
    }
}
