//! UnixFS: files and directories as DAGs of blocks (profile `unixfs-v1-2025`).
//!
//! The profile (IPIP-499) fixes every choice, so that the same bytes get the same cid here as in any
//! other program that follows it: `CIDv1`, sha2-256, raw leaves of 1 MiB, balanced file trees of 1,024
//! links, directories that become hash tries of 256 slots once their block would exceed 256 KiB, and
//! neither modes nor times.
//!
//! Everything is without input or output of its own. Builders hand finished blocks to a closure,
//! children before parents; readers name the block they need next ([`Step::Need`]) and are given it.
//! Whoever supplies a block has verified it against its cid.

pub mod car;
pub mod dag_pb;
mod directory;
mod file;
mod hamt;
mod links;
mod list;
mod read;
mod resolve;

use bytes::Bytes;

use crate::cid::Cid;

pub use directory::{DirectoryBuilder, TreeBuilder};
pub use file::FileImporter;
pub use links::{Link, Stat, links, stat};
pub use list::{ListReader, Listed};
pub use read::RangeReader;
pub use resolve::Resolver;

/// Bytes in every leaf of a file but the last (IPIP-499).
pub const CHUNK: usize = 1 << 20;

/// The most children of an inner node of a file (IPIP-499).
pub const WIDTH: usize = 1_024;

/// A directory whose block would be longer than this, in bytes, is a hash trie instead (IPIP-499).
pub const SHARD_ABOVE: usize = 256 * 1024;

/// The most links read from one block. A plain directory of 256 KiB holds at most 5,825: each takes 45 bytes or more.
pub const MAX_LINKS: usize = 8_192;

/// The most levels of blocks in a file; four hold an exabyte in the profile.
pub const MAX_FILE_DEPTH: usize = 8;

/// The most levels of blocks in a hash trie: its hash has 8 bytes, and a level uses one.
pub const MAX_SHARD_DEPTH: usize = 8;

/// The most folders inside each other.
pub const MAX_FOLDER_DEPTH: usize = 64;

/// The most files and folders in one tree.
pub const MAX_ENTRIES: usize = 1_000_000;

/// Takes the blocks a builder makes, children before their parents.
pub type Emit<'a> = dyn FnMut(Cid, Bytes) + 'a;

/// A file or folder, as its directory knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The root of its blocks.
    pub cid: Cid,
    /// Bytes of content; of a folder all its files together.
    pub size: u64,
    /// Bytes of all its blocks together, repeated ones counted each time.
    pub tsize: u64,
}

/// What a builder made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The root of the blocks.
    pub root: Cid,
    /// Bytes of content; of a folder all its files together.
    pub size: u64,
    /// Bytes of all its blocks together, repeated ones counted each time.
    pub tsize: u64,
}

impl Imported {
    /// What was made, as an entry for its directory.
    #[must_use]
    pub const fn entry(&self) -> Entry {
        Entry { cid: self.root, size: self.size, tsize: self.tsize }
    }
}

/// What a reader wants or has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step<T> {
    /// Supply this block, then step again.
    Need(Cid),
    /// The next of what was asked for.
    Item(T),
    /// That was all.
    Done,
}

/// Why a file or folder cannot be read or built.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnixfsError {
    /// A block above the limit.
    #[error("a block of {0} bytes is longer than 1 MiB")]
    TooLarge(usize),
    /// A block that is not UnixFS in DAG-PB.
    #[error("a block is not UnixFS in DAG-PB: {0}")]
    Malformed(&'static str),
    /// A block of another codec than files and folders have.
    #[error("a block of files and folders is raw or DAG-PB, not DAG-CBOR")]
    Codec,
    /// A block that was not asked for.
    #[error("block {0} was not asked for")]
    NotAskedFor(Cid),
    /// A folder where a file is wanted.
    #[error("{0} is a folder, not a file")]
    NotAFile(Cid),
    /// A file where a folder is wanted.
    #[error("{0} is a file, not a folder")]
    NotAFolder(Cid),
    /// A size in a parent differs from what its child has.
    #[error("block {cid} should hold {declared} bytes of content and holds {seen}")]
    Size {
        /// The child.
        cid: Cid,
        /// What its parent or record says, in bytes.
        declared: u64,
        /// What it holds, in bytes.
        seen: u64,
    },
    /// More levels than allowed.
    #[error("blocks or folders lie too many levels deep")]
    TooDeep,
    /// A name that no file may have.
    #[error(
        "a name has 1 to 255 bytes, is not “.” or “..”, and holds no slashes, backslashes or control characters"
    )]
    Name,
    /// Two entries of one name.
    #[error("two entries are called “{0}”")]
    Twice(String),
    /// More entries than allowed.
    #[error("a folder holds at most 1,000,000 files and folders")]
    TooMany,
    /// Names chosen so that their hashes are equal.
    #[error("the hashes of two names are equal: “{0}”")]
    Collision(String),
}
