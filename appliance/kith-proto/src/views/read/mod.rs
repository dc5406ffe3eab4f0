//! What pages and commands read: the types and their functions over rows.

use kith_core::cid::Cid;
use kith_core::fold::ReadRows;
use kith_core::identity::AuthorId;
use kith_core::record::{Class, RecordId, SpaceId};
use kith_core::time::{Hlc, MAX_AHEAD, UnixTime};

use crate::governance::Governance;

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

/// A put folder and the path inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cover {
    /// The put whose `UnixFS` directory covers the path.
    pub put: Put,
    /// The path inside that directory; empty for its top.
    pub inside: String,
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A space's people and rules; nothing when the space is not here.
#[must_use]
pub fn governance(_rows: &dyn ReadRows, _space: &SpaceId) -> Option<Governance> {
    None
}

/// At most `limit` notices, newest first, older than `before`.
#[must_use]
pub fn posts(
    _rows: &dyn ReadRows,
    _space: &SpaceId,
    _visible: Visible,
    _before: Option<(Hlc, RecordId)>,
    _limit: usize,
) -> Vec<Post> {
    Vec::new()
}

/// One notice, if it is shown.
#[must_use]
pub fn post(
    _rows: &dyn ReadRows,
    _space: &SpaceId,
    _visible: Visible,
    _id: &RecordId,
) -> Option<Post> {
    None
}

/// The collections that have a live entry, by name.
#[must_use]
pub fn collections(_rows: &dyn ReadRows, _space: &SpaceId, _visible: Visible) -> Vec<Collection> {
    Vec::new()
}

/// Which folder of which collection.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The space.
    pub space: &'a SpaceId,
    /// The collection.
    pub collection: &'a str,
    /// The path in it; empty for the top.
    pub path: &'a str,
}

/// At most `limit` lines of the folder, by name, behind the name `after`.
#[must_use]
pub fn files(
    _rows: &dyn ReadRows,
    _at: At<'_>,
    _visible: Visible,
    _after: Option<&str>,
    _limit: usize,
) -> Listing {
    Listing::default()
}

/// What is at a path.
#[must_use]
pub fn file(_rows: &dyn ReadRows, _at: At<'_>, _visible: Visible) -> Located {
    Located::Nothing
}

/// Content that a box should hold; each put once.
#[must_use]
pub fn live_roots(_rows: &dyn ReadRows, _space: &SpaceId, _visible: Visible) -> Vec<LiveRoot> {
    Vec::new()
}

/// At most `limit` things that happened, newest first.
#[must_use]
pub fn activity(
    _rows: &dyn ReadRows,
    _space: &SpaceId,
    _visible: Visible,
    _limit: usize,
) -> Vec<Activity> {
    Vec::new()
}

/// At most `limit` forks.
#[must_use]
pub fn forks(_rows: &dyn ReadRows, _space: &SpaceId, _limit: usize) -> Vec<Fork> {
    Vec::new()
}
