//! Content: files in and out of the store. The hands of `kith_core::unixfs`.

pub(crate) mod bring;
pub(crate) mod folders;
pub(crate) mod give;
pub(crate) mod walk;

use kith_core::cid::Cid;
use kith_core::unixfs::UnixfsError;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_store::StoreError;

use crate::words;

/// Why content cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContentError {
    /// The store refused.
    #[error("the store refused")]
    Store(#[from] StoreError),
    /// A block has not arrived yet.
    #[error("block {0} is not on this box yet")]
    NotHere(Cid),
    /// The blocks are no good file or folder.
    #[error("the blocks are no good file or folder")]
    Unixfs(#[from] UnixfsError),
    /// More names in the folders of one upload than are kept.
    #[error("more files and folders than one upload may have")]
    TooMany,
    /// The bytes could not be read or written outside the store.
    #[error("the bytes could not be read or written")]
    Io(#[from] std::io::Error),
}

impl From<ContentError> for Refusal {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::Store(store) => words::of_store(&store),
            ContentError::NotHere(_) => Self::new(
                RefusalKind::NotHereYet,
                "this has not arrived on this box yet; it comes when a box that has it is in reach",
            ),
            ContentError::Unixfs(unixfs) => Self::new(RefusalKind::Invalid, unixfs.to_string()),
            ContentError::TooMany => Self::new(
                RefusalKind::Invalid,
                "more than 50,000 files and folders in one upload: upload it in parts, or with “kith files add”",
            ),
            ContentError::Io(io) => words::of_io(io),
        }
    }
}
