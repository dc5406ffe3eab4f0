//! Content out of the store: a file's bytes in order, or everything below a root as a CAR.

use std::collections::BTreeSet;
use std::io::Write;
use std::ops::Range;

use bytes::Bytes;
use kith_core::cid::{Cid, Codec};
use kith_core::unixfs::{RangeReader, Step, car, links};

use super::{ContentError, walk};

/// Writes bytes `range` of a file, piece by piece, until `give` says stop.
///
/// # Errors
/// When a block is missing or no good, or `give` fails.
pub(crate) fn file(
    of: walk::Of<'_>,
    (root, range): (Cid, Range<u64>),
    give: &mut dyn FnMut(Bytes) -> Result<(), ContentError>,
) -> Result<(), ContentError> {
    let mut reader = RangeReader::new(root, range);
    loop {
        match reader.step() {
            Step::Need(cid) => reader.supply(&cid, &walk::block(of, &cid)?)?,
            Step::Item(bytes) => give(bytes)?,
            Step::Done => return Ok(()),
        }
    }
}

/// Writes everything below `root` as a CAR of version 1, parents before children, each block once.
///
/// # Errors
/// When a block is missing or no good, or the bytes cannot be written.
pub(crate) fn export(
    of: walk::Of<'_>,
    root: Cid,
    to: &mut impl Write,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ContentError> {
    to.write_all(&car::header(&root))?;
    let mut written = BTreeSet::new();
    let mut left = vec![root];
    let mut done = 0;
    while let Some(cid) = left.pop() {
        if !written.insert(*cid.digest()) {
            continue;
        }
        let block = walk::block(of, &cid)?;
        to.write_all(&car::frame_head(&cid, block.len()))?;
        to.write_all(&block)?;
        done += block.len() as u64;
        progress(done);
        if cid.codec() == Codec::DagPb {
            left.extend(links(cid.codec(), &block)?.into_iter().rev().map(|link| link.cid));
        }
    }
    to.flush()?;
    Ok(())
}
