//! Reading a file: which blocks a range of bytes needs, in order, and the bytes themselves.
//!
//! It holds the links of one node a level and never goes into a block that adds no byte to the range,
//! so a hostile tree costs at most eight small blocks for each leaf that is really there. Every size
//! that a parent states is compared with what its child has.

use core::ops::Range;

use bytes::Bytes;

use super::dag_pb::{Data, Node};
use super::{MAX_FILE_DEPTH, Step, UnixfsError};
use crate::cid::{Cid, Codec, MAX_BLOCK};

/// Streams a range of a file.
#[derive(Debug)]
pub struct RangeReader {
    range: Range<u64>,
    /// Parts of the file not read yet, the next one last.
    parts: Vec<Part>,
    ready: Option<Bytes>,
    size: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    cid: Cid,
    start: u64,
    /// Bytes of content, as the parent says; not known of a root.
    size: Option<u64>,
    depth: usize,
}

impl RangeReader {
    /// Reads the bytes of `range` of the file at `root`; what lies behind its end is left out.
    #[must_use]
    pub fn new(root: Cid, range: Range<u64>) -> Self {
        let part = Part { cid: root, start: 0, size: None, depth: 1 };
        Self { range, parts: vec![part], ready: None, size: None }
    }

    /// Reads the whole file at `root`.
    #[must_use]
    pub fn whole(root: Cid) -> Self {
        Self::new(root, 0..u64::MAX)
    }

    /// Refuses the file when it does not have `size` bytes of content, as a record says.
    #[must_use]
    pub fn expect_size(mut self, size: u64) -> Self {
        if let Some(root) = self.parts.first_mut() {
            root.size = Some(size);
        }
        // The root is read even when the range is empty or lies behind the end it should have.
        self
    }

    /// Bytes of content in the whole file; known once the root has been supplied.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        self.size
    }

    /// What is next.
    pub fn step(&mut self) -> Step<Bytes> {
        if let Some(bytes) = self.ready.take() {
            return Step::Item(bytes);
        }
        while let Some(part) = self.parts.last() {
            if self.size.is_none() || self.wants(part) {
                return Step::Need(part.cid);
            }
            self.parts.pop();
        }
        Step::Done
    }

    /// At most `limit` blocks that will be needed next, the first of them first: for fetching ahead.
    /// Those whose parents are not read yet are not known.
    pub fn ahead(&self, limit: usize) -> impl Iterator<Item = Cid> {
        let wanted = |part: &&Part| self.size.is_none() || self.wants(part);
        self.parts.iter().rev().filter(wanted).map(|part| part.cid).take(limit)
    }

    /// Takes the block that [`RangeReader::step`] asked for, verified against its cid.
    ///
    /// # Errors
    /// [`UnixfsError`] when it was not asked for or does not fit; the reader is then at its end.
    pub fn supply(&mut self, cid: &Cid, block: &Bytes) -> Result<(), UnixfsError> {
        let Some(part) = self.parts.pop_if(|part| part.cid == *cid && self.ready.is_none()) else {
            return Err(UnixfsError::NotAskedFor(*cid));
        };
        self.read(part, block).inspect_err(|_| self.parts.clear())
    }

    fn read(&mut self, part: Part, block: &Bytes) -> Result<(), UnixfsError> {
        if block.len() > MAX_BLOCK {
            return Err(UnixfsError::TooLarge(block.len()));
        }
        let (content, size) = match part.cid.codec() {
            Codec::Raw => (block.clone(), block.len() as u64),
            Codec::DagPb => self.open(part, block)?,
            Codec::DagCbor => return Err(UnixfsError::Codec),
        };
        if let Some(declared) = part.size.filter(|declared| *declared != size) {
            return Err(UnixfsError::Size { cid: part.cid, declared, seen: size });
        }
        self.size.get_or_insert(size);
        let clip = |at: u64| at.saturating_sub(part.start).min(content.len() as u64) as usize;
        let (start, end) = (clip(self.range.start), clip(self.range.end));
        self.ready = (start < end).then(|| content.slice(start..end));
        Ok(())
    }

    /// Puts the children of an inner block before the parts that follow it.
    fn open(&mut self, part: Part, block: &[u8]) -> Result<(Bytes, u64), UnixfsError> {
        let node = Node::decode(block)?;
        let size = node.file_size().ok_or(UnixfsError::NotAFile(part.cid))?;
        let Data::File { block_sizes, inline } = node.data else {
            return Err(UnixfsError::NotAFile(part.cid));
        };
        if part.depth == MAX_FILE_DEPTH && !node.links.is_empty() {
            return Err(UnixfsError::TooDeep);
        }
        let first = self.parts.len();
        let mut start = part.start;
        for (link, size) in node.links.iter().zip(block_sizes) {
            let depth = part.depth + 1;
            self.parts.push(Part { cid: link.cid, start, size: Some(size), depth });
            start = start.saturating_add(size);
        }
        self.parts[first..].reverse();
        Ok((Bytes::from(inline), size))
    }

    fn wants(&self, part: &Part) -> bool {
        let size = part.size.unwrap_or(0);
        let end = part.start.saturating_add(size);
        size > 0 && part.start < self.range.end && end > self.range.start
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::dag_pb::NodeWriter;
    use super::*;
    use crate::unixfs::{DirectoryBuilder, FileImporter};

    type Blocks = BTreeMap<Cid, Bytes>;

    proptest! {
        #[test]
        fn any_range_of_any_tree_is_what_was_put_in(
            size in 0..2_000_usize,
            (chunk, width) in (1..150_usize, 4..8_usize),
            range in (0..2_100_u64, 0..2_100_u64),
        ) {
            // Deeper trees are refused, and have a test of their own.
            prop_assume!(size.div_ceil(chunk) <= width.pow(MAX_FILE_DEPTH as u32 - 1));
            let content: Vec<u8> = (0..size).map(|i| (i * 7 % 251) as u8).collect();
            let (root, blocks) = import(&content, chunk, width);
            let mut reader = RangeReader::new(root, range.0..range.1);
            let (seen, fetched) = drain(&mut reader, &blocks).unwrap();
            let end = size.min(range.1 as usize);
            let start = end.min(range.0 as usize);
            prop_assert_eq!(seen, &content[start..end]);
            prop_assert_eq!(reader.size(), Some(size as u64));
            let leaves = (end - start).div_ceil(chunk) + 1;
            prop_assert!(fetched <= leaves * MAX_FILE_DEPTH, "{} blocks for {}", fetched, leaves);
        }
    }

    #[test]
    fn what_is_needed_next_is_known_ahead() {
        let (root, blocks) = import(&[[1; 10], [2; 10], [3; 10], [4; 10]].concat(), 10, 8);
        let mut reader = RangeReader::new(root, 10..35);
        assert_eq!(reader.ahead(9).collect::<Vec<_>>(), [root]);
        reader.supply(&root, &blocks[&root]).unwrap();
        let leaf = |byte| Cid::of(Codec::Raw, &[byte; 10]);
        assert_eq!(reader.ahead(9).collect::<Vec<_>>(), [leaf(2), leaf(3), leaf(4)]);
        assert_eq!(reader.ahead(1).collect::<Vec<_>>(), [leaf(2)]);
    }

    #[test]
    fn a_block_that_was_not_asked_for_is_refused_and_changes_nothing() {
        let (root, blocks) = import(b"some bytes", 4, 4);
        let other = Cid::of(Codec::Raw, b"some");
        let mut reader = RangeReader::whole(root);
        assert_eq!(reader.supply(&other, &blocks[&other]), Err(UnixfsError::NotAskedFor(other)));
        assert_eq!(drain(&mut reader, &blocks).unwrap().0, b"some bytes");
        assert_eq!(reader.supply(&root, &blocks[&root]), Err(UnixfsError::NotAskedFor(root)));
    }

    #[test]
    fn a_file_of_another_size_than_recorded_is_refused() {
        let (root, blocks) = import(b"some bytes", 4, 4);
        for (size, good) in [(10, true), (9, false), (11, false), (0, false)] {
            for range in [0..0, 0..10, 50..60] {
                let mut reader = RangeReader::new(root, range).expect_size(size);
                assert_eq!(drain(&mut reader, &blocks).is_ok(), good, "{size}");
            }
        }
    }

    #[test]
    fn a_child_of_another_size_than_its_parent_says_is_refused() {
        let leaf = Bytes::from_static(b"four");
        let cid = Cid::of(Codec::Raw, &leaf);
        for declared in [3, 5] {
            let (root, block) = parent(&[(cid, declared)]);
            let blocks = Blocks::from([(cid, leaf.clone()), (root, block)]);
            let refused = drain(&mut RangeReader::whole(root), &blocks);
            assert_eq!(refused, Err(UnixfsError::Size { cid, declared, seen: 4 }));
        }
    }

    #[test]
    fn parts_said_to_be_empty_are_never_fetched() {
        let leaf = Bytes::from_static(b"four");
        let cid = Cid::of(Codec::Raw, &leaf);
        let absent = Cid::from_digest(Codec::DagPb, [0; 32]);
        let (root, block) = parent(&[(absent, 0), (cid, 4), (absent, 0)]);
        let blocks = Blocks::from([(cid, leaf), (root, block)]);
        assert_eq!(drain(&mut RangeReader::whole(root), &blocks), Ok((b"four".to_vec(), 2)));
    }

    #[test]
    fn more_than_eight_levels_are_refused() {
        let leaf = Bytes::from_static(b"leaf");
        let mut root = Cid::of(Codec::Raw, &leaf);
        let mut blocks = Blocks::from([(root, leaf)]);
        for level in 2..=9 {
            let (cid, block) = parent(&[(root, 4)]);
            blocks.insert(cid, block);
            root = cid;
            let read = drain(&mut RangeReader::whole(root), &blocks);
            if level <= MAX_FILE_DEPTH {
                assert_eq!(read, Ok((b"leaf".to_vec(), level)));
            } else {
                assert_eq!(read, Err(UnixfsError::TooDeep));
            }
        }
    }

    /// On each of four levels 8,192 links to one block: five blocks that pose as 4 PiB.
    #[test]
    fn a_file_that_repeats_itself_costs_no_more_than_the_range_asked_for() {
        let leaf = Bytes::from_static(b"x");
        let mut child = (Cid::of(Codec::Raw, &leaf), 1_u64);
        let mut blocks = Blocks::from([(child.0, leaf)]);
        for _ in 0..4 {
            let (cid, block) = parent(&vec![child; 8_192]);
            child = (cid, child.1 * 8_192);
            blocks.insert(cid, block);
        }
        let mut reader = RangeReader::new(child.0, 1 << 51..(1 << 51) + 3);
        assert_eq!(drain(&mut reader, &blocks), Ok((b"xxx".to_vec(), 4 + 3)));
        assert_eq!(reader.size(), Some(1 << 52));
    }

    #[test]
    fn folders_and_records_are_no_files() {
        let mut blocks = Blocks::new();
        let directory = DirectoryBuilder::new();
        let root =
            directory.finish(&mut |cid, block| drop(blocks.insert(cid, block))).unwrap().root;
        let refused = drain(&mut RangeReader::whole(root), &blocks);
        assert_eq!(refused, Err(UnixfsError::NotAFile(root)));
        let record = Cid::from_digest(Codec::DagCbor, [0; 32]);
        let blocks = Blocks::from([(record, Bytes::new())]);
        let mut reader = RangeReader::whole(record);
        assert_eq!(drain(&mut reader, &blocks), Err(UnixfsError::Codec));
        assert_eq!(reader.step(), Step::Done, "a refused file is at its end");
    }

    fn parent(children: &[(Cid, u64)]) -> (Cid, Bytes) {
        let mut node = NodeWriter::default();
        for (cid, size) in children {
            node.link(cid, ["", ""], *size);
        }
        let sizes: Vec<u64> = children.iter().map(|(_, size)| *size).collect();
        let (cid, block, _) = node.file(&sizes);
        (cid, block)
    }

    fn import(content: &[u8], chunk: usize, width: usize) -> (Cid, Blocks) {
        let mut blocks = Blocks::new();
        let mut importer = FileImporter::with_layout(chunk, width);
        importer.push(content, &mut |cid, block| drop(blocks.insert(cid, block)));
        let made = importer.finish(&mut |cid, block| drop(blocks.insert(cid, block)));
        (made.root, blocks)
    }

    fn drain(reader: &mut RangeReader, blocks: &Blocks) -> Result<(Vec<u8>, usize), UnixfsError> {
        let (mut seen, mut fetched) = (Vec::new(), 0);
        loop {
            match reader.step() {
                Step::Need(cid) => {
                    fetched += 1;
                    reader.supply(&cid, &blocks[&cid])?;
                }
                Step::Item(bytes) => seen.extend(bytes),
                Step::Done => return Ok((seen, fetched)),
            }
        }
    }
}
