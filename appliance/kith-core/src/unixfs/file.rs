//! Importing a file: bytes in, raw leaves and the balanced tree above them out.
//!
//! It holds one chunk and, for each level of the tree, the one node that is still open (about 50 KiB),
//! however long the file is.

use bytes::{Bytes, BytesMut};

use super::dag_pb::NodeWriter;
use super::{CHUNK, Emit, Entry, Imported, WIDTH};
use crate::cid::{Cid, Codec};

/// Cuts a file into blocks.
#[derive(Debug)]
pub struct FileImporter {
    chunk: usize,
    width: usize,
    buffer: BytesMut,
    /// The open node of each level, leaves' parents first.
    levels: Vec<Open>,
}

#[derive(Debug, Default)]
struct Open {
    node: NodeWriter,
    block_sizes: Vec<u64>,
    last: Option<Entry>,
}

impl Default for FileImporter {
    fn default() -> Self {
        Self::new()
    }
}

impl FileImporter {
    /// An importer with the profile's chunks of 1 MiB and nodes of 1,024 links.
    #[must_use]
    pub fn new() -> Self {
        Self::with_layout(CHUNK, WIDTH)
    }

    /// An importer with other chunks (in bytes) and nodes (in links) than the profile's, for small
    /// trees of many levels; both are taken to be at least 1 and 2.
    #[must_use]
    pub fn with_layout(chunk: usize, width: usize) -> Self {
        let (chunk, width) = (chunk.clamp(1, CHUNK), width.max(2));
        Self { chunk, width, buffer: BytesMut::new(), levels: Vec::new() }
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, mut bytes: &[u8], emit: &mut Emit<'_>) {
        while !bytes.is_empty() {
            if self.buffer.is_empty() && !self.levels.is_empty() {
                // Gets the same memory again when whoever took the last block has dropped it.
                self.buffer.reserve(self.chunk);
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.chunk - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == self.chunk {
                self.cut(emit);
            }
        }
    }

    /// Takes the next bytes of the file; whole chunks among them are not copied.
    pub fn push_bytes(&mut self, mut bytes: Bytes, emit: &mut Emit<'_>) {
        if !self.buffer.is_empty() {
            let missing = self.chunk - self.buffer.len();
            self.push(&bytes.split_to(bytes.len().min(missing)), emit);
        }
        while bytes.len() >= self.chunk {
            let chunk = bytes.split_to(self.chunk);
            self.leaf(chunk, emit);
        }
        self.push(&bytes, emit);
    }

    /// The file has ended.
    #[must_use]
    pub fn finish(mut self, emit: &mut Emit<'_>) -> Imported {
        if !self.buffer.is_empty() || self.levels.is_empty() {
            self.cut(emit);
        }
        let mut level = 0;
        loop {
            let open = core::mem::take(&mut self.levels[level]);
            let top = level + 1 == self.levels.len();
            match open.last {
                Some(only) if top && open.block_sizes.len() == 1 => {
                    return Imported { root: only.cid, size: only.size, tsize: only.tsize };
                }
                Some(_) => {
                    let entry = open.close(emit);
                    self.add(level + 1, entry, emit);
                }
                None => {}
            }
            level += 1;
        }
    }

    fn cut(&mut self, emit: &mut Emit<'_>) {
        let chunk = self.buffer.split().freeze();
        self.leaf(chunk, emit);
    }

    fn leaf(&mut self, chunk: Bytes, emit: &mut Emit<'_>) {
        let cid = Cid::of(Codec::Raw, &chunk);
        let size = chunk.len() as u64;
        emit(cid, chunk);
        self.add(0, Entry { cid, size, tsize: size }, emit);
    }

    fn add(&mut self, level: usize, child: Entry, emit: &mut Emit<'_>) {
        if level == self.levels.len() {
            self.levels.push(Open::default());
        }
        let open = &mut self.levels[level];
        open.node.link(&child.cid, ["", ""], child.tsize);
        open.block_sizes.push(child.size);
        open.last = Some(child);
        if open.block_sizes.len() == self.width {
            let full = core::mem::take(open).close(emit);
            self.add(level + 1, full, emit);
        }
    }
}

impl Open {
    fn close(self, emit: &mut Emit<'_>) -> Entry {
        let size = self.block_sizes.iter().sum();
        let (cid, block, tsize) = self.node.file(&self.block_sizes);
        emit(cid, block);
        Entry { cid, size, tsize }
    }
}
