//! What crosses the node's Unix socket: the same commands as everywhere, and the bytes of files.
//!
//! Messages are length-prefixed DAG-CBOR; some carry open descriptors (`SCM_RIGHTS`), so that the node
//! never opens a path that somebody else named. One connection carries one [`Ask`] at a time.

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::refusal::Refusal;
use crate::reply::Reply;

/// The largest message on the socket, in bytes.
pub const MAX_MESSAGE: usize = 1 << 20;

/// Where a file or folder is, or shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Which space.
    pub space: Option<String>,
    /// Which collection.
    pub collection: Option<String>,
    /// The path in it.
    pub path: String,
}

/// What the client says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Carries out a command as the owner.
    Command(Command),
    /// Begins to add a file or a folder; [`Ask::ImportFile`] and [`Ask::ImportEnd`] follow.
    Import {
        /// Where it shall be.
        place: Place,
        /// Whether it is a folder.
        folder: bool,
    },
    /// One file of the import; carries one descriptor, open for reading.
    ImportFile {
        /// Its path in the folder; empty when the import is a single file.
        path: String,
    },
    /// The import is complete. Answered by [`Reply::File`].
    ImportEnd,
    /// Copies a file out; carries one descriptor, open for writing. Answered by [`Reply::File`].
    Get(Place),
    /// Writes a file or folder as a CAR (version 1) with its root; carries one descriptor, open for
    /// writing. Answered by [`Reply::File`].
    Export(Place),
}

/// What the node answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// How far it is; more answers follow.
    Progress {
        /// Bytes done.
        done: u64,
        /// Bytes in all, where known.
        total: Option<u64>,
    },
    /// Done. Boxed, since replies are large beside the others.
    Reply(Box<Reply>),
    /// Not done.
    Refused(Refusal),
}
