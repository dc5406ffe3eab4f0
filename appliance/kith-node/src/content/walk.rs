//! Finding one's way in folders whose blocks are in the store.
//!
//! Every block is read as one of a space: a record of one space may name the root of another's folder,
//! and must not open it.

use kith_core::cid::Cid;
use kith_core::record::SpaceId;
use kith_core::unixfs::{ListReader, Listed, Resolver, Stat, Step, stat};
use kith_store::Store;

use super::ContentError;

/// The store, and the space whose blocks are read.
pub(crate) type Of<'a> = (&'a Store, &'a SpaceId);

/// What lies at a path below a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its root.
    pub root: Cid,
    /// What it is.
    pub stat: Stat,
}

/// Looks for `path` below the folder at `root`; the empty path is the folder itself.
///
/// # Errors
/// When blocks on the way are missing or no good.
pub(crate) fn find(
    (store, space): Of<'_>,
    root: Cid,
    path: &str,
) -> Result<Option<Found>, ContentError> {
    let mut resolver = Resolver::new(root, path)?;
    loop {
        match resolver.step() {
            Step::Need(cid) => resolver.supply(&cid, &block((store, space), &cid)?)?,
            Step::Item(root) => return describe((store, space), root).map(Some),
            Step::Done => return Ok(None),
        }
    }
}

/// What a root is.
///
/// # Errors
/// When its block is missing or no good.
pub(crate) fn describe((store, space): Of<'_>, root: Cid) -> Result<Found, ContentError> {
    Ok(Found { root, stat: stat(&root, &block((store, space), &root)?)? })
}

/// Everything in the folder at `root`, by name. At most as many as one folder may hold.
///
/// # Errors
/// When blocks are missing or no good.
pub(crate) fn list((store, space): Of<'_>, root: Cid) -> Result<Vec<Listed>, ContentError> {
    let mut reader = ListReader::new(root);
    let mut listed = Vec::new();
    loop {
        match reader.step() {
            Step::Need(cid) => reader.supply(&cid, &block((store, space), &cid)?)?,
            Step::Item(item) => listed.push(item),
            Step::Done => break,
        }
    }
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listed)
}

/// A block from the store.
///
/// # Errors
/// When it is missing or the disk fails.
pub(crate) fn block((store, space): Of<'_>, cid: &Cid) -> Result<bytes::Bytes, ContentError> {
    store.block_in(space, cid)?.ok_or(ContentError::NotHere(*cid))
}
