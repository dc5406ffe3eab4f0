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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::unixfs::links;

    #[test]
    fn a_chunk_is_handed_over_as_soon_as_it_is_full() {
        let mut leaves = 0;
        let mut importer = FileImporter::with_layout(100, 4);
        for i in 1..=350 {
            importer.push(&[7], &mut |_, block| leaves += usize::from(block.len() == 100));
            assert_eq!(leaves, i / 100, "after {i} bytes");
        }
        assert_eq!(importer.buffer.len(), 50);
    }

    #[test]
    fn whole_chunks_are_not_copied() {
        let content = Bytes::from(vec![1; 300]);
        let mut importer = FileImporter::with_layout(100, 4);
        let mut at = 0;
        importer.push_bytes(content.clone(), &mut |_, block| {
            assert_eq!(block.as_ptr(), content[at..].as_ptr());
            at += block.len();
        });
        assert_eq!(at, 300);
    }

    #[test]
    fn a_small_file_is_one_raw_leaf_and_nothing_else() {
        for size in [0, 1, CHUNK] {
            let (made, blocks) = import(FileImporter::new(), &[&vec![3; size]]);
            assert_eq!(blocks.len(), 1);
            assert_eq!((made.root.codec(), made.size), (Codec::Raw, size as u64));
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference_and_children_come_before_parents(
            content in prop::collection::vec(any::<u8>(), 0..3_000),
            cuts in prop::collection::vec(1..400_usize, 1..20),
            (chunk, width) in (1..200_usize, 2..6_usize),
        ) {
            let whole = import(FileImporter::with_layout(chunk, width), &[&content]);
            let mut pieces = FileImporter::with_layout(chunk, width);
            let mut blocks = Vec::new();
            let mut rest = Bytes::from(content.clone());
            for (i, cut) in cuts.iter().cycle().enumerate() {
                let piece = rest.split_to(rest.len().min(*cut));
                let mut emit = |cid, block| blocks.push((cid, block));
                if i % 2 == 0 {
                    pieces.push(&piece, &mut emit);
                } else {
                    pieces.push_bytes(piece, &mut emit);
                }
                if rest.is_empty() {
                    break;
                }
            }
            let made = pieces.finish(&mut |cid, block| blocks.push((cid, block)));
            prop_assert_eq!(&(made, blocks), &whole);
            prop_assert_eq!(made.size, content.len() as u64);
            let total: usize = whole.1.iter().map(|(_, block)| block.len()).sum();
            prop_assert_eq!(made.tsize, total as u64);
            for (i, (cid, block)) in whole.1.iter().enumerate() {
                for link in links(cid.codec(), block).unwrap() {
                    prop_assert!(whole.1[..i].iter().any(|(child, _)| *child == link.cid));
                }
            }
        }
    }

    fn import(mut importer: FileImporter, pieces: &[&[u8]]) -> (Imported, Vec<(Cid, Bytes)>) {
        let mut blocks = Vec::new();
        let mut emit = |cid, block| blocks.push((cid, block));
        for piece in pieces {
            importer.push(piece, &mut emit);
        }
        let made = importer.finish(&mut emit);
        (made, blocks)
    }
}
