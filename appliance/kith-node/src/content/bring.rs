//! Content into the store: files cut into blocks as they come, folders built over them.

use std::io::Read;

use bytes::Bytes;
use kith_core::body::normal_path;
use kith_core::cid::Cid;
use kith_core::record::SpaceId;
use kith_core::unixfs::{FileImporter, Imported, TreeBuilder, UnixfsError};
use kith_store::{BlockBatch, Hashed, Store};

use super::ContentError;

/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// Bytes after which blocks are made durable while more come.
const COMMIT_EVERY: u64 = 32 << 20;

/// Brings content into the store for one space. Nothing counts before [`Bring::finish`].
#[derive(Debug)]
pub(crate) struct Bring {
    batch: BlockBatch,
    space: SpaceId,
    made: Vec<(Cid, Bytes)>,
    waiting: u64,
}

impl Bring {
    /// Begins to bring content for `space`.
    #[must_use]
    pub(crate) fn new(store: &Store, space: SpaceId) -> Self {
        Self { batch: store.block_batch(), space, made: Vec::new(), waiting: 0 }
    }

    /// Brings one file that is read to its end.
    ///
    /// # Errors
    /// When it cannot be read or the disk refuses.
    pub(crate) fn file(
        &mut self,
        mut from: impl Read,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Imported, ContentError> {
        let mut importer = FileImporter::new();
        let mut done = 0;
        loop {
            let piece = read_piece(&mut from)?;
            done += piece.len() as u64;
            let last = piece.len() < PIECE;
            self.push(&mut importer, piece)?;
            progress(done);
            if last {
                return self.end(importer);
            }
        }
    }

    /// Takes the next bytes of a file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn push(
        &mut self,
        importer: &mut FileImporter,
        bytes: Bytes,
    ) -> Result<(), ContentError> {
        importer.push_bytes(bytes, &mut |cid, block| self.made.push((cid, block)));
        self.keep()
    }

    /// A file has ended.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn end(&mut self, importer: FileImporter) -> Result<Imported, ContentError> {
        let imported = importer.finish(&mut |cid, block| self.made.push((cid, block)));
        self.keep()?;
        Ok(imported)
    }

    /// Builds a folder over files that were brought.
    ///
    /// # Errors
    /// When its names are no good or the disk refuses.
    pub(crate) fn folder(&mut self, tree: TreeBuilder) -> Result<Imported, ContentError> {
        let imported = tree.finish(&mut |cid, block| self.made.push((cid, block)))?;
        self.keep()?;
        Ok(imported)
    }

    /// Makes everything brought durable.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn finish(mut self) -> Result<(), ContentError> {
        Ok(self.batch.commit()?)
    }

    fn keep(&mut self) -> Result<(), ContentError> {
        for (cid, block) in self.made.drain(..) {
            self.waiting += block.len() as u64;
            self.batch.put_hashed(Some(self.space), Hashed::just_computed(cid, block))?;
        }
        if self.waiting >= COMMIT_EVERY {
            self.waiting = 0;
            self.batch.commit()?;
        }
        Ok(())
    }
}

/// The normal form of a path inside a folder that somebody adds.
///
/// # Errors
/// When no good path comes of it.
pub(crate) fn inner_path(path: &str) -> Result<String, ContentError> {
    normal_path(path).map_err(|_| ContentError::Unixfs(UnixfsError::Name))
}

fn read_piece(from: &mut impl Read) -> Result<Bytes, std::io::Error> {
    let mut piece = Vec::with_capacity(PIECE);
    from.take(PIECE as u64).read_to_end(&mut piece)?;
    Ok(Bytes::from(piece))
}
