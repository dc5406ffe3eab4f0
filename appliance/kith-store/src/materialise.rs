//! Facts of the logs as rows of the index: records, blocks, and what the fold makes of records.
//!
//! The same functions run when a fact is new and when it is replayed, in any order and however often,
//! which is what makes a rebuilt index equal to the one it replaces.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use kith_core::cid::Cid;
use kith_core::fold::Fold;
use kith_core::record::{Record, SpaceId};

use crate::error::IndexError;
use crate::rows::{
    BlockRow, Changes, Home, Progress, ViewChanges, block_key, counter_prefix, id_key,
    location_value, time_key,
};
use crate::segments::Location;

/// How many rows go into the index at once: sled's memory follows the size of its batches.
pub(crate) const ROWS_AT_ONCE: usize = 256;

/// Files a record.
pub(crate) fn record(
    changes: &mut Changes<'_>,
    progress: &mut Progress,
    (record, location): (&Record, Location),
    fold: &dyn Fold,
) {
    let (id, value) = (record.id(), location_value(location));
    let by_id = id_key(&id);
    if changes.get(&by_id).is_none() {
        progress.records += 1;
    }
    changes.set(by_id, Some(value.clone()));
    changes.set(time_key(&record.space(), record.class(), record.time(), &id), Some(value));
    changes.set([&counter_prefix(record)[..], &id.0].concat(), Some(Vec::new()));
    // A record that some view cannot take must not keep all others out. What it wrote before it failed
    // stays, as it will when the index is made anew.
    let folded = catch_unwind(AssertUnwindSafe(|| fold.fold(record, &mut ViewChanges(changes))));
    if folded.is_err() {
        tracing::error!("a view failed at record {id}, which is stored but not shown");
    }
}

/// What a frame of a pack says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BlockFact {
    pub(crate) cid: Cid,
    pub(crate) space: Option<SpaceId>,
    pub(crate) what: BlockIs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BlockIs {
    /// In this very frame.
    Here(Bytes),
    /// In a file of its own, with this many bytes.
    File(u32),
    /// Known already; one more space may have it.
    Tagged,
    /// Found damaged or gone; it counts as missing until it comes again.
    Gone,
}

/// What precedes a block's bytes in its frame.
pub(crate) fn block_head(cid: &Cid, space: Option<&SpaceId>, kind: u8) -> Vec<u8> {
    let mut head = vec![kind, u8::from(space.is_some())];
    space.iter().for_each(|space| head.extend(space.0));
    head.extend(cid.to_bytes());
    head
}

pub(crate) const HERE: u8 = 1;
pub(crate) const FILE: u8 = 2;
pub(crate) const TAGGED: u8 = 3;
pub(crate) const GONE: u8 = 4;

impl BlockFact {
    /// `None` for a frame of a kind this build does not know.
    pub(crate) fn parse(payload: &Bytes) -> Option<Self> {
        let (kind, tagged) = (*payload.first()?, *payload.get(1)?);
        let at = if tagged == 1 { 34 } else { 2 };
        let space = payload.get(2..at).and_then(|space| space.try_into().ok()).map(SpaceId);
        let cid = Cid::from_bytes(payload.get(at..at + 36)?).ok()?;
        let rest = payload.slice(at + 36..);
        let what = match kind {
            HERE => BlockIs::Here(rest),
            FILE => BlockIs::File(u32::from_le_bytes(rest.as_ref().try_into().ok()?)),
            TAGGED => BlockIs::Tagged,
            GONE => BlockIs::Gone,
            _ => return None,
        };
        Some(Self { cid, space, what })
    }
}

/// Files a block, or one more space that may have it.
pub(crate) fn block(
    changes: &mut Changes<'_>,
    progress: &mut Progress,
    (fact, location): (&BlockFact, Location),
) -> Result<(), IndexError> {
    let key = block_key(&fact.cid);
    let known = changes.get(&key).map(|bytes| BlockRow::from_bytes(&bytes)).transpose()?;
    let place = match &fact.what {
        BlockIs::Here(bytes) => Some((bytes.len() as u32, Home::Pack(location))),
        BlockIs::File(size) => Some((*size, Home::File)),
        BlockIs::Tagged => known.as_ref().map(|row| (row.size, row.home)),
        BlockIs::Gone => {
            if let Some(row) = known {
                progress.blocks -= 1;
                progress.block_bytes -= u64::from(row.size);
                changes.set(key, None);
            }
            return Ok(());
        }
    };
    // A space's tag on a block that is damaged or gone means nothing.
    let Some((size, home)) = place else { return Ok(()) };
    if known.is_none() {
        progress.blocks += 1;
        progress.block_bytes += u64::from(size);
    }
    let mut spaces = known.map(|row| row.spaces).unwrap_or_default();
    if let Some(space) = fact.space
        && let Err(at) = spaces.binary_search(&space)
    {
        spaces.insert(at, space);
    }
    changes.set(key, Some(BlockRow { size, home, spaces }.to_bytes()));
    Ok(())
}
