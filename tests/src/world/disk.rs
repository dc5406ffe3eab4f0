//! A box's store in memory: what is durable, and the rows folded from it.
//!
//! Blocks here are not real `UnixFS`: a node is a list of cids and sizes. Only the hand reads it, so the
//! machine sees what it would see with real ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kith_core::cid::{Cid, Codec};
use kith_core::fold::{Fold as _, Order, ReadRows, Row, Rows};
use kith_core::record::{Class, Record, RecordId, SpaceId};
use kith_core::time::Hlc;
use kith_proto::replica::{HaveBlock, Link};
use kith_proto::views::Views;

use super::chance::Chance;

/// Rows in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryRows(pub BTreeMap<Vec<u8>, Vec<u8>>);

impl ReadRows for MemoryRows {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).cloned()
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, order: Order) -> Vec<Row> {
        let row = |(k, v): (&Vec<u8>, &Vec<u8>)| (k.clone(), v.clone());
        let all = self.0.range(prefix.to_vec()..).take_while(|(k, _)| k.starts_with(prefix));
        match order {
            Order::Ascending => {
                let start = after.unwrap_or_default().max(prefix).to_vec();
                let behind = self.0.range(start..).take_while(|(k, _)| k.starts_with(prefix));
                behind
                    .filter(|(k, _)| after.is_none_or(|a| &k[..] > a))
                    .take(limit)
                    .map(row)
                    .collect()
            }
            Order::Descending => {
                let below = all.filter(|(k, _)| after.is_none_or(|a| &k[..] < a));
                let mut rows: Vec<Row> = below.map(row).collect();
                rows.reverse();
                rows.truncate(limit);
                rows
            }
        }
    }
}

impl Rows for MemoryRows {
    fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.insert(key.to_vec(), value.to_vec());
    }

    fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }
}

/// What survives a crash.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// Records by id.
    pub records: BTreeMap<RecordId, Arc<Record>>,
    /// Blocks by cid.
    pub blocks: BTreeMap<Cid, Bytes>,
    /// Rows; an index that could be folded anew from the records.
    pub rows: MemoryRows,
    /// The clock's ceiling.
    pub ceiling: Hlc,
}

impl Disk {
    /// Makes a record durable and folds it.
    pub fn put(&mut self, record: &Record) {
        if self.records.insert(record.id(), Arc::new(record.clone())).is_none() {
            Views.fold(record, &mut self.rows);
        }
    }

    /// Folds all rows anew, in some other order.
    pub fn rebuild(&mut self, chance: &mut Chance) {
        let mut records: Vec<&Arc<Record>> = self.records.values().collect();
        chance.shuffle(&mut records);
        let mut rows = MemoryRows::default();
        for record in records {
            Views.fold(record, &mut rows);
        }
        self.rows = rows;
    }

    /// Every governance record of the space.
    #[must_use]
    pub fn gov(&self, space: &SpaceId) -> Vec<Record> {
        let gov = self.records.values().filter(|r| *r.class() == Class::Gov && r.space() == *space);
        gov.map(|r| Record::clone(r)).collect()
    }

    /// The classes with records.
    #[must_use]
    pub fn classes(&self) -> Vec<Class> {
        let mut classes: Vec<Class> = self.records.values().map(|r| r.class().clone()).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// What the store says of a block it has.
    #[must_use]
    pub fn have(&self, cid: &Cid) -> Option<HaveBlock> {
        let block = self.blocks.get(cid)?;
        Some(HaveBlock { cid: *cid, size: block.len() as u64, links: links(cid, block) })
    }

    /// Whether everything below a root is here.
    #[must_use]
    pub fn is_complete(&self, root: &Cid) -> bool {
        let Some(block) = self.blocks.get(root) else { return false };
        links(root, block).iter().all(|link| self.is_complete(&link.cid))
    }
}

/// What a node links to.
#[must_use]
pub fn links(cid: &Cid, block: &[u8]) -> Vec<Link> {
    if cid.codec() != Codec::DagPb {
        return Vec::new();
    }
    let link = |entry: &[u8; 44]| {
        let (cid, size) = entry.split_at(36);
        let size = u64::from_be_bytes(size.try_into().ok()?);
        Some(Link { cid: Cid::from_bytes(cid).ok()?, size })
    };
    block.as_chunks::<44>().0.iter().filter_map(link).collect()
}

/// A file of `leaves` leaves of `size` bytes each, all different; answers its root and blocks.
#[must_use]
pub fn file(chance: &mut Chance, leaves: u64, size: usize) -> (Cid, BTreeMap<Cid, Bytes>) {
    let mut blocks = BTreeMap::new();
    let mut node = Vec::new();
    for _ in 0..leaves {
        let seed = chance.seed();
        let leaf = Bytes::from(seed.iter().copied().cycle().take(size).collect::<Vec<u8>>());
        let cid = Cid::of(Codec::Raw, &leaf);
        node.extend(cid.to_bytes());
        node.extend((size as u64).to_be_bytes());
        blocks.insert(cid, leaf);
    }
    let node = Bytes::from(node);
    let root = Cid::of(Codec::DagPb, &node);
    blocks.insert(root, node);
    (root, blocks)
}
