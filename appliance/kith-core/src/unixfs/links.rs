//! What one block says of itself: its children, and whether it is a file or a folder.

use super::UnixfsError;
use super::dag_pb::{Data, Node};
use crate::cid::{Cid, Codec, MAX_BLOCK};

pub use super::dag_pb::Link;

/// The children of a block, in order; a raw block has none.
///
/// # Errors
/// [`UnixfsError`] when it is longer than 1 MiB, has more than 8,192 links or is no `UnixFS`.
pub fn links(codec: Codec, block: &[u8]) -> Result<Vec<Link>, UnixfsError> {
    match codec {
        Codec::Raw if block.len() > MAX_BLOCK => Err(UnixfsError::TooLarge(block.len())),
        Codec::Raw => Ok(Vec::new()),
        Codec::DagPb => Ok(Node::decode(block)?.links),
        Codec::DagCbor => Err(UnixfsError::Codec),
    }
}

/// What the root of a file or folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stat {
    /// A file.
    File {
        /// Bytes of content.
        size: u64,
    },
    /// A folder, plain or as a hash trie.
    Folder,
}

/// Whether a root is a file or a folder.
///
/// # Errors
/// [`UnixfsError`] as for [`links`].
pub fn stat(root: &Cid, block: &[u8]) -> Result<Stat, UnixfsError> {
    match root.codec() {
        Codec::Raw if block.len() > MAX_BLOCK => Err(UnixfsError::TooLarge(block.len())),
        Codec::Raw => Ok(Stat::File { size: block.len() as u64 }),
        Codec::DagPb => {
            let node = Node::decode(block)?;
            match node.data {
                Data::File { .. } => Ok(Stat::File { size: node.file_size().unwrap_or(0) }),
                Data::Directory | Data::Shard => Ok(Stat::Folder),
            }
        }
        Codec::DagCbor => Err(UnixfsError::Codec),
    }
}
