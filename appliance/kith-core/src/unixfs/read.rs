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
