//! What pages and commands read: the types and their functions over rows.

mod board;
mod file;
mod tree;

use kith_core::cid::Cid;
use kith_core::fold::{Order, ReadRows, Row};
use kith_core::identity::AuthorId;
use kith_core::record::{Class, RecordId, SpaceId};
use kith_core::time::{Hlc, MAX_AHEAD, UnixTime};
use serde::{Deserialize, Serialize};

pub use board::{activity, post, posts};
pub use file::{collections, file, files, live_roots};

use super::key::{self, table};
use super::row::{self, GovernanceRow};
use crate::governance::Governance;

/// Rows read at once. Scans are bounded, since an index keeps in memory what it reads.
const PAGE: usize = 256;

/// Rows looked at for one page before it is given up as not worth it: what removed members and the
/// future hide has to be passed over.
const MAX_ROWS: usize = 20_000;

/// From when on records lie in the future and are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible {
    /// The wall clock.
    pub now: UnixTime,
    /// Whether it has been confirmed; with a clock that is not, everything is shown.
    pub trusted: bool,
}

impl Visible {
    /// Whether a record of this time is shown; the rule of [`kith_core::time::HlcClock::held_back`].
    #[must_use]
    pub fn shows(&self, time: Hlc) -> bool {
        !self.trusted || time.time() <= self.now + MAX_AHEAD
    }
}

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Its id.
    pub id: RecordId,
    /// When it was written. With the id the cursor for what comes before it.
    pub time: Hlc,
    /// Its author.
    pub author: AuthorId,
    /// What it says.
    pub text: String,
    /// The notice it answers.
    pub re: Option<RecordId>,
}

/// What was put at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The record.
    pub id: RecordId,
    /// When.
    pub time: Hlc,
    /// By whom.
    pub author: AuthorId,
    /// The path it was put at.
    pub path: String,
    /// The `UnixFS` root.
    pub root: Cid,
    /// Bytes of content.
    pub size: u64,
    /// Whether the root is a directory.
    pub folder: bool,
    /// The media type its author gave.
    pub mime: Option<String>,
}

/// One line of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name in the folder.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
}

/// What a line of a folder is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Put there, a file or a folder.
    Put(Box<Put>),
    /// A folder that only exists as part of other paths.
    Implied,
}

/// A put and the path inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// The put that covers the path.
    pub put: Put,
    /// The path inside that directory; empty for its top.
    pub inside: String,
    /// Whether something put later lies below the path, so that it is a folder even when the
    /// directory has nothing there.
    pub overlaid: bool,
}

/// What is in a folder of a collection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Lines, by name.
    pub entries: Vec<FileEntry>,
    /// Names removed after the covering folder was put: they hide what it has of this name.
    pub removed: Vec<String>,
    /// Where more lines come from, below and between `entries`: a directory of a put folder.
    pub cover: Option<Cover>,
    /// Whether there is more behind the last name.
    pub more: bool,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// Nothing.
    Nothing,
    /// A put covers it: the put itself when `inside` is empty, else look for `inside` in its directory.
    Put(Cover),
    /// A folder that only exists as part of other paths.
    Implied,
}

/// A collection of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// How many entries were put into it and are still there; counting stops at 10,000.
    pub entries: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The record.
    pub id: RecordId,
    /// When.
    pub time: Hlc,
    /// Whose doing.
    pub author: AuthorId,
    /// What.
    pub deed: Deed,
}

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// Made the space.
    MadeSpace {
        /// Its name.
        name: String,
    },
    /// Came in.
    Joined,
    /// Changed somebody's role or name.
    ChangedMember {
        /// Whose.
        member: AuthorId,
        /// The name from there on.
        name: String,
    },
    /// Removed somebody.
    RemovedMember {
        /// Whom.
        member: AuthorId,
    },
    /// Changed what visitors may read.
    ChangedPolicy,
    /// Put up a notice.
    Posted {
        /// Its first 200 characters.
        text: String,
    },
    /// Took a notice back.
    RemovedPost,
    /// Put a file or folder.
    PutFile {
        /// Which collection.
        collection: String,
        /// Where.
        path: String,
    },
    /// Removed a file or folder.
    RemovedFile {
        /// Which collection.
        collection: String,
        /// Where it was.
        path: String,
    },
}

/// Two records of one author with one number: a copied key or a restored backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The class.
    pub class: Class,
    /// The author.
    pub author: AuthorId,
    /// The number.
    pub seq: u64,
}

/// Content that a box of the space holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRoot {
    /// The root.
    pub root: Cid,
    /// Bytes of content as the record says.
    pub size: u64,
    /// The collection it was put into.
    pub collection: String,
    /// The path it was put at.
    pub path: String,
}

/// Which folder or file of which collection.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The space.
    pub space: &'a SpaceId,
    /// The collection.
    pub collection: &'a str,
    /// The path in it; empty for the top.
    pub path: &'a str,
}

/// A space's people and rules; nothing when the space is not here.
#[must_use]
pub fn governance(rows: &dyn ReadRows, space: &SpaceId) -> Option<Governance> {
    let row = rows.get(&key::of_space(table::GOVERNANCE, space))?;
    row::decode::<GovernanceRow>(&row).map(Governance::from)
}

/// At most `limit` forks.
#[must_use]
pub fn forks(rows: &dyn ReadRows, space: &SpaceId, limit: usize) -> Vec<Fork> {
    let prefix = key::of_space(table::FORK, space);
    let found = rows.scan(&prefix, None, limit, Order::Ascending);
    found.iter().filter_map(|(key, _)| read_fork(key.get(prefix.len()..)?)).collect()
}

fn read_fork(key: &[u8]) -> Option<Fork> {
    let (rest, seq) = key.split_last_chunk::<8>()?;
    let (class, author) = rest.split_last_chunk::<32>()?;
    let class = core::str::from_utf8(class.strip_suffix(&[key::END])?).ok()?;
    let class = Class::try_from(class.to_owned()).ok()?;
    Some(Fork { class, author: AuthorId(*author), seq: u64::from_be_bytes(*seq) })
}

/// Who reads: what governance and the clock let be seen.
struct Reader<'a> {
    rows: &'a dyn ReadRows,
    governance: Governance,
    visible: Visible,
}

impl<'a> Reader<'a> {
    fn new(rows: &'a dyn ReadRows, space: &SpaceId, visible: Visible) -> Option<Self> {
        Some(Self { rows, governance: governance(rows, space)?, visible })
    }

    fn shows(&self, author: &AuthorId, time: Hlc) -> bool {
        self.visible.shows(time) && self.governance.shows(author, time)
    }

    /// The rows of a prefix behind `after`, page by page.
    fn pages(&self, prefix: &[u8], after: Option<Vec<u8>>, order: Order) -> Pages<'a> {
        let (rows, prefix) = (self.rows, prefix.to_vec());
        Pages {
            rows,
            prefix,
            after,
            order,
            page: Vec::new().into_iter(),
            left: MAX_ROWS,
            end: false,
        }
    }

    /// All rows of a prefix, however many.
    fn all_pages(&self, prefix: &[u8]) -> Pages<'a> {
        Pages { left: usize::MAX, ..self.pages(prefix, None, Order::Ascending) }
    }
}

/// Reads rows in bounded scans.
struct Pages<'a> {
    rows: &'a dyn ReadRows,
    prefix: Vec<u8>,
    after: Option<Vec<u8>>,
    order: Order,
    page: std::vec::IntoIter<Row>,
    left: usize,
    end: bool,
}

impl Pages<'_> {
    /// Leaves out everything up to `key`.
    fn skip_to(&mut self, key: Vec<u8>) {
        let kept: Vec<Row> = self.page.by_ref().filter(|(k, _)| *k > key).collect();
        if kept.is_empty() {
            self.after = Some(key);
        }
        self.page = kept.into_iter();
    }

    /// Whether rows were left unread because there are too many.
    const fn gave_up(&self) -> bool {
        self.left == 0
    }
}

impl Iterator for Pages<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        if self.left == 0 {
            return None;
        }
        if self.page.len() == 0 {
            if self.end {
                return None;
            }
            let page = self.rows.scan(&self.prefix, self.after.as_deref(), PAGE, self.order);
            self.end = page.len() < PAGE;
            self.page = page.into_iter();
        }
        let row = self.page.next()?;
        self.left -= 1;
        self.after = Some(row.0.clone());
        Some(row)
    }
}
