//! Why the store could not do something, in words.

use std::path::PathBuf;
use std::time::Duration;

use kith_core::cid::Cid;
use kith_files::{FileError, Kind};

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the file system on it.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process, or another store in this one, has the directory open.
    #[error("another kith is using {}; stop it first", .0.display())]
    InUse(PathBuf),
    /// Too little room is left to take more blocks.
    #[error(
        "only {free} bytes are free and {reserve} are kept for the box itself: free some space, or add a disk"
    )]
    Full {
        /// What is free, in bytes.
        free: u64,
        /// What is kept, in bytes.
        reserve: u64,
    },
    /// What was written is not what is read.
    #[error("{} is damaged at byte {offset}: {what}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where in it, in bytes.
        offset: u64,
        /// What does not hold.
        what: &'static str,
    },
    /// The bytes are not those the cid names.
    #[error("these bytes are not the block {0}")]
    WrongHash(Cid),
    /// More than the store takes in one piece.
    #[error("{size} bytes in one piece are more than the {limit} the store takes")]
    TooLarge {
        /// What came, in bytes.
        size: usize,
        /// What is taken, in bytes.
        limit: usize,
    },
    /// The system gave no random bytes for a new store.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
    /// Several callers shared one flush, and it failed.
    #[error("{0}")]
    Shared(std::sync::Arc<StoreError>),
    /// The index failed. Nothing is lost: it is rebuilt from the logs.
    #[error("the index of the store failed; it is rebuilt by itself, and nothing is lost")]
    Index(#[from] IndexError),
}

/// Why the index could not be used. It is never the only copy of anything.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IndexError {
    /// What sled says.
    #[error("sled: {0}")]
    Sled(String),
    /// sled panicked.
    #[error("sled panicked: {0}")]
    Panicked(String),
    /// sled did not open in time.
    #[error("sled did not open within {0:?}")]
    Timeout(Duration),
    /// A directory could not be moved aside or flushed.
    #[error("the index's directory: {0}")]
    Directory(String),
    /// A row that no version of the store wrote.
    #[error("a row of the index makes no sense")]
    Row,
}

impl StoreError {
    /// What to do about it, where the disk is to blame.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::File(error) => Some(error.kind()),
            Self::Full { .. } => Some(Kind::NoSpace),
            Self::InUse(_) => Some(Kind::Locked),
            Self::Shared(error) => error.kind(),
            Self::Damaged { .. }
            | Self::WrongHash(_)
            | Self::TooLarge { .. }
            | Self::Random(_)
            | Self::Index(_) => None,
        }
    }
}
