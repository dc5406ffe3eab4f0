//! The set of records of one (space, class): sorted by (time, id), in chunks that know the sum of their
//! ids, so that the fingerprint of any range costs a walk over chunks and two partial ones.
//!
//! The fingerprint is that of negentropy's protocol version 1: the first 16 bytes of sha2-256 over the
//! sum of the ids modulo 2^256 (little-endian) and their count as a varint. The `negentropy` crate has
//! a trait for storages, but the type of its fingerprints is private and only its own walk over all
//! items makes one; that is why ranges are compared by the code beside this file.

use core::ops::Range;

use kith_core::record::RecordId;
use kith_core::time::Hlc;
use sha2::{Digest as _, Sha256};

use super::varint;

/// Items in a chunk at most. Two partial chunks are summed for a fingerprint: about 2 us.
const CHUNK: usize = 512;

/// 16 bytes that two equal sets share and two others do not, but for an attacker who grinds ids.
pub type Fingerprint = [u8; 16];

/// A record as sets know it; 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The record's time, as the bits of its HLC.
    pub time: u64,
    /// The record's id.
    pub id: [u8; 32],
}

impl Item {
    /// The item of a record.
    #[must_use]
    pub const fn new(time: Hlc, id: RecordId) -> Self {
        Self { time: time.bits(), id: id.0 }
    }
}

/// A sum of ids modulo 2^256, in four little-endian lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum([u64; 4]);

impl Sum {
    fn add(&mut self, other: Self) {
        let mut carry = false;
        for (lane, more) in self.0.iter_mut().zip(other.0) {
            let (sum, over) = lane.overflowing_add(more);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            (*lane, carry) = (sum, over || over_again);
        }
    }

    fn of(id: &[u8; 32]) -> Self {
        let mut lanes = [0; 4];
        for (lane, bytes) in lanes.iter_mut().zip(id.chunks_exact(8)) {
            let mut le = [0; 8];
            le.copy_from_slice(bytes);
            *lane = u64::from_le_bytes(le);
        }
        Self(lanes)
    }

    fn fingerprint(self, count: usize) -> Fingerprint {
        let mut hash = Sha256::new();
        for lane in self.0 {
            hash.update(lane.to_le_bytes());
        }
        let mut length = Vec::new();
        varint::write(&mut length, count as u64);
        hash.update(&length);
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&hash.finalize()[..16]);
        fingerprint
    }
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    items: Vec<Item>,
    sum: Sum,
}

impl Chunk {
    fn of(items: Vec<Item>) -> Self {
        let sum = sum_of(&items);
        Self { items, sum }
    }
}

fn sum_of(items: &[Item]) -> Sum {
    let mut sum = Sum::default();
    for item in items {
        sum.add(Sum::of(&item.id));
    }
    sum
}

/// The records of one (space, class).
#[derive(Clone, Debug, Default)]
pub struct RecordSet {
    /// None of them is empty.
    chunks: Vec<Chunk>,
    len: usize,
    sum: Sum,
}

impl RecordSet {
    /// The set of these items, given in any order.
    #[must_use]
    pub fn of(mut items: Vec<Item>) -> Self {
        items.sort_unstable();
        items.dedup();
        let len = items.len();
        let chunks: Vec<Chunk> = items.chunks(CHUNK).map(|c| Chunk::of(c.to_vec())).collect();
        let mut sum = Sum::default();
        for chunk in &chunks {
            sum.add(chunk.sum);
        }
        Self { chunks, len, sum }
    }

    /// Adds an item; tells whether it is new.
    pub fn insert(&mut self, item: Item) -> bool {
        let at = self.chunks.partition_point(|c| c.items.last().is_some_and(|last| *last < item));
        if at == self.chunks.len() {
            self.append(item);
        } else {
            let chunk = &mut self.chunks[at];
            let Err(place) = chunk.items.binary_search(&item) else { return false };
            chunk.items.insert(place, item);
            chunk.sum.add(Sum::of(&item.id));
            if chunk.items.len() > CHUNK {
                let upper = Chunk::of(chunk.items.split_off(CHUNK / 2));
                *chunk = Chunk::of(core::mem::take(&mut chunk.items));
                self.chunks.insert(at + 1, upper);
            }
        }
        self.len += 1;
        self.sum.add(Sum::of(&item.id));
        true
    }

    /// Newest records come last and are most of what ever comes, so full chunks stay full.
    fn append(&mut self, item: Item) {
        match self.chunks.last_mut().filter(|c| c.items.len() < CHUNK) {
            Some(last) => {
                last.items.push(item);
                last.sum.add(Sum::of(&item.id));
            }
            None => self.chunks.push(Chunk::of(vec![item])),
        }
    }

    /// Whether the item is here.
    #[must_use]
    pub fn contains(&self, item: &Item) -> bool {
        let at = self.chunks.partition_point(|c| c.items.last().is_some_and(|last| last < item));
        self.chunks.get(at).is_some_and(|c| c.items.binary_search(item).is_ok())
    }

    /// How many items there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The fingerprint of the whole set, without looking at any item.
    #[must_use]
    pub fn whole(&self) -> Fingerprint {
        self.sum.fingerprint(self.len)
    }

    /// The fingerprint of the items at these places.
    #[must_use]
    pub fn fingerprint(&self, range: Range<usize>) -> Fingerprint {
        let count = range.len();
        let mut sum = Sum::default();
        self.for_chunks(range, |chunk, inner| {
            let whole = inner.len() == chunk.items.len();
            sum.add(if whole { chunk.sum } else { sum_of(&chunk.items[inner]) });
        });
        sum.fingerprint(count)
    }

    /// The items at these places, in order.
    #[must_use]
    pub fn items(&self, range: Range<usize>) -> Vec<Item> {
        let mut items = Vec::with_capacity(range.len().min(self.len));
        self.for_chunks(range, |chunk, inner| items.extend_from_slice(&chunk.items[inner]));
        items
    }

    /// The place of the first item that is not less than `item`.
    #[must_use]
    pub fn lower_bound(&self, item: &Item) -> usize {
        let at = self.chunks.partition_point(|c| c.items.last().is_some_and(|last| last < item));
        let before: usize = self.chunks[..at].iter().map(|c| c.items.len()).sum();
        before + self.chunks.get(at).map_or(0, |c| c.items.partition_point(|i| i < item))
    }

    /// Calls `each` for every chunk that overlaps the range, with the places inside it.
    fn for_chunks(&self, range: Range<usize>, mut each: impl FnMut(&Chunk, Range<usize>)) {
        let mut start = 0;
        for chunk in &self.chunks {
            let end = start + chunk.items.len();
            if start >= range.end {
                break;
            }
            if end > range.start {
                each(chunk, range.start.saturating_sub(start)..range.end.min(end) - start);
            }
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use negentropy::{Id, NegentropyStorageBase as _, NegentropyStorageVector};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fingerprints_are_those_of_the_negentropy_crate(
            times in prop::collection::vec(0_u64..500, 0..1500), cut in any::<(u16, u16)>()
        ) {
            let items: Vec<Item> = times.iter().enumerate().map(|(i, t)| item(*t, i as u64)).collect();
            let mut set = RecordSet::of(items[..items.len() / 2].to_vec());
            let mut theirs = NegentropyStorageVector::new();
            for item in &items {
                set.insert(*item);
                theirs.insert(item.time, Id::from_byte_array(item.id)).unwrap();
            }
            theirs.seal().unwrap();
            prop_assert_eq!(set.len(), theirs.size().unwrap());
            let place = |cut: u16| cut as usize % (set.len() + 1);
            let (a, b) = (place(cut.0).min(place(cut.1)), place(cut.0).max(place(cut.1)));
            prop_assert_eq!(set.fingerprint(a..b), theirs.fingerprint(a, b).unwrap().to_bytes());
            prop_assert_eq!(set.whole(), theirs.fingerprint(0, set.len()).unwrap().to_bytes());
            prop_assert_eq!(set.items(a..b).len(), b - a);
        }
    }

    #[test]
    fn an_item_counts_once_and_is_found_at_its_place() {
        let mut set = RecordSet::default();
        for n in (0..3_000).rev() {
            assert!(set.insert(item(n, n)));
        }
        assert!(!set.insert(item(7, 7)));
        assert!(set.contains(&item(2_999, 2_999)) && !set.contains(&item(3_000, 3_000)));
        assert_eq!(set.lower_bound(&item(1_234, 1_234)), 1_234);
        assert_eq!(set.len(), 3_000);
    }

    fn item(time: u64, seed: u64) -> Item {
        Item { time, id: Sha256::digest(seed.to_le_bytes()).into() }
    }
}
