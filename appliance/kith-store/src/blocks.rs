//! Blocks: small ones as frames of a pack, large ones as files, each with the spaces that may have it.
//!
//! A block's tag says which space brought it here, so that a member of one space cannot fetch what is
//! only in another. Nothing is removed here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use kith_core::cid::{Cid, MAX_BLOCK};
use kith_core::record::SpaceId;
use kith_files::{File, FileError, Files, Kind, Open, PRIVATE_DIR, PRIVATE_FILE};

use crate::error::StoreError;
use crate::keeper::Moved;
use crate::materialise::{self, BlockFact, BlockIs, FILE, GONE, HERE, TAGGED, block_head};
use crate::rows::{BlockRow, block_key};
use crate::segments::{Location, Log, Mark, Replay};
use crate::store::{Inner, Store, locked};
use crate::writer::Writer;

/// Blocks of this size and above get a file of their own, in bytes.
pub const LARGE: usize = 64 * 1024;

/// The largest payload of a pack's frame: a block and what precedes it, in bytes.
pub(crate) const MAX_FRAME: usize = LARGE + 128;

/// Where files are written before they get their name.
pub(crate) const STAGING: &str = "blocks/staging";

/// How many bytes of small blocks a batch holds in memory.
const SMALL_AT_ONCE: usize = 8 << 20;

/// How many bytes a batch takes before it commits by itself.
const BATCH: usize = 32 << 20;

/// A block whose bytes this process has just hashed itself, so that they need not be hashed again.
#[derive(Clone, Debug)]
pub struct Hashed {
    cid: Cid,
    bytes: Bytes,
}

impl Hashed {
    /// Says that the caller computed `cid` from these very `bytes`. Never for what somebody sent.
    #[must_use]
    pub fn just_computed(cid: Cid, bytes: Bytes) -> Self {
        debug_assert!(cid.verifies(&bytes), "{cid} is not the cid of these bytes");
        Self { cid, bytes }
    }

    /// The block's cid.
    #[must_use]
    pub const fn cid(&self) -> Cid {
        self.cid
    }
}

/// Blocks that become durable together.
///
/// Dropping it without [`BlockBatch::commit`] leaves out what has not been committed yet.
#[derive(Debug)]
pub struct BlockBatch {
    store: Store,
    small: Vec<(Option<SpaceId>, Cid, Bytes)>,
    small_bytes: usize,
    large: Vec<Large>,
    tags: Vec<(SpaceId, Cid)>,
    staged: BTreeSet<Cid>,
    bytes: usize,
}

/// A large block that is written and has no name yet.
#[derive(Debug)]
struct Large {
    space: Option<SpaceId>,
    cid: Cid,
    size: u32,
    path: PathBuf,
    file: Arc<dyn File>,
}

impl Store {
    /// Begins a batch of blocks.
    #[must_use]
    pub fn block_batch(&self) -> BlockBatch {
        BlockBatch {
            store: self.clone(),
            small: Vec::new(),
            small_bytes: 0,
            large: Vec::new(),
            tags: Vec::new(),
            staged: BTreeSet::new(),
            bytes: 0,
        }
    }
}

impl BlockBatch {
    /// Adds a block, or a space's tag to one that is there already. Lasting after
    /// [`BlockBatch::commit`]; a batch commits by itself at 32 MiB.
    ///
    /// # Errors
    /// [`StoreError::WrongHash`] when the bytes are not the block, [`StoreError::Full`], or what the
    /// disk says.
    pub fn put(
        &mut self,
        space: Option<SpaceId>,
        cid: Cid,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        if bytes.len() <= MAX_BLOCK && !cid.verifies(&bytes) {
            return Err(StoreError::WrongHash(cid));
        }
        self.put_hashed(space, Hashed { cid, bytes })
    }

    /// As [`BlockBatch::put`], without hashing.
    ///
    /// # Errors
    /// As [`BlockBatch::put`].
    pub fn put_hashed(&mut self, space: Option<SpaceId>, block: Hashed) -> Result<(), StoreError> {
        let Hashed { cid, bytes } = block;
        let size = bytes.len();
        if size > MAX_BLOCK {
            return Err(StoreError::TooLarge { size, limit: MAX_BLOCK });
        }
        let known = self.store.block_row(&cid)?;
        if known.is_some() || self.staged.contains(&cid) {
            let tagged = |row: &BlockRow| space.is_some_and(|space| row.spaces.contains(&space));
            if !known.as_ref().is_some_and(tagged) {
                self.tags.extend(space.map(|space| (space, cid)));
            }
            return Ok(());
        }
        // Large blocks are on the disk already; small ones are not yet.
        self.store.inner.check_room(self.store.inner.reserve, self.small_bytes + size)?;
        if size < LARGE {
            self.small_bytes += size;
            self.small.push((space, cid, bytes));
        } else {
            let large = self.store.inner.stage((space, cid), &bytes)?;
            self.large.push(large);
        }
        self.staged.insert(cid);
        self.bytes += size;
        if self.small_bytes >= SMALL_AT_ONCE || self.bytes >= BATCH {
            self.commit()?;
        }
        Ok(())
    }

    /// Bytes that wait for [`BlockBatch::commit`].
    #[must_use]
    pub const fn pending_bytes(&self) -> usize {
        self.bytes
    }

    /// Makes everything so far last. The batch can be used on.
    ///
    /// # Errors
    /// What the disk says; then none of what waited is stored, and it has to be put again.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        let small = std::mem::take(&mut self.small);
        let large = std::mem::take(&mut self.large);
        let tags = std::mem::take(&mut self.tags);
        self.staged.clear();
        (self.bytes, self.small_bytes) = (0, 0);
        let inner = &*self.store.inner;
        if let Err(error) = inner.name_files(&large) {
            inner.unstage(&large);
            return Err(error);
        }
        let facts = small.into_iter().map(|(space, cid, bytes)| BlockFact {
            cid,
            space,
            what: BlockIs::Here(bytes),
        });
        let facts = facts.chain(large.iter().map(|large| BlockFact {
            cid: large.cid,
            space: large.space,
            what: BlockIs::File(large.size),
        }));
        let facts: Vec<BlockFact> = facts
            .chain(tags.into_iter().map(|(space, cid)| BlockFact {
                cid,
                space: Some(space),
                what: BlockIs::Tagged,
            }))
            .collect();
        inner.note(&facts)
    }
}

impl Drop for BlockBatch {
    fn drop(&mut self) {
        self.store.inner.unstage(&self.large);
    }
}

impl Inner {
    /// Whether `more` bytes leave `reserve` free.
    pub(crate) fn check_room(&self, reserve: u64, more: usize) -> Result<(), StoreError> {
        let free = self.parts.files.space(&self.parts.dir)?.free;
        if free < reserve + more as u64 { Err(StoreError::Full { free, reserve }) } else { Ok(()) }
    }

    /// Writes a large block where it has no name yet.
    fn stage(
        &self,
        (space, cid): (Option<SpaceId>, Cid),
        bytes: &[u8],
    ) -> Result<Large, StoreError> {
        let files = &*self.parts.files;
        let number = locked(&self.packs).next_staged();
        let path = self.parts.dir.join(STAGING).join(number.to_string());
        let file = files.open(&path, Open::Create(PRIVATE_FILE))?;
        let large = Large { space, cid, size: bytes.len() as u32, path, file };
        if let Err(error) = large.file.write_at(0, bytes) {
            self.unstage(std::slice::from_ref(&large));
            return Err(error.into());
        }
        Ok(large)
    }

    /// Removes what did not get a name. What cannot be removed is, when the store is next opened.
    fn unstage(&self, large: &[Large]) {
        for large in large {
            if let Err(error) = self.parts.files.remove(&large.path)
                && error.kind() != Kind::NotFound
            {
                tracing::warn!("{error}");
            }
        }
    }

    /// Makes staged files last and gives them their names, which last as well.
    fn name_files(&self, large: &[Large]) -> Result<(), StoreError> {
        if large.is_empty() {
            return Ok(());
        }
        let files = &*self.parts.files;
        let open: Vec<_> = large.iter().map(|large| Arc::clone(&large.file)).collect();
        files.sync_many(&open)?;
        let path = |large: &Large| block_path(&self.parts.dir, &large.cid);
        let dirs: BTreeSet<PathBuf> =
            large.iter().filter_map(|large| path(large).parent().map(Path::to_owned)).collect();
        self.make_dirs(&dirs)?;
        for large in large {
            files.rename(&large.path, &path(large))?;
        }
        Ok(files.sync_dirs(&dirs.into_iter().collect::<Vec<_>>())?)
    }

    /// Makes directories of block files. One that is there may be left from a flush that failed, so
    /// the names of all are flushed once by every process.
    fn make_dirs(&self, dirs: &BTreeSet<PathBuf>) -> Result<(), StoreError> {
        let files = &*self.parts.files;
        let new: Vec<_> = dirs.difference(&locked(&self.packs).dirs).cloned().collect();
        if new.is_empty() {
            return Ok(());
        }
        for dir in &new {
            match files.create_dir(dir, PRIVATE_DIR) {
                Err(error) if error.kind() != Kind::Exists => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        files.sync_dir(&self.parts.dir.join("blocks"))?;
        locked(&self.packs).dirs.extend(new);
        Ok(())
    }

    /// Writes facts into the pack, flushes it, and files them.
    fn note(&self, facts: &[BlockFact]) -> Result<(), StoreError> {
        if facts.is_empty() {
            return Ok(());
        }
        let mut packs = locked(&self.packs);
        drop(self.sound_index()?);
        let placed = packs.write(facts).inspect_err(|_| packs.writer.abort())?;
        let bytes = placed.iter().map(|location| u64::from(location.len)).sum();
        let mut placed = facts.iter().zip(placed);
        self.change_index(Moved::Packs(packs.mark(), bytes), &mut |changes, progress| {
            let Some(placed) = placed.next() else { return Ok(false) };
            materialise::block(changes, progress, placed)?;
            Ok(true)
        })
    }

    /// Forgets a block whose copy at `row` is damaged, so that it can be fetched again.
    pub(crate) fn forget_block(&self, cid: &Cid, row: &BlockRow) {
        // Somebody else may have found out, and fetched it, in the meantime.
        let same = self.row(&block_key(cid)).map(|now| now == Some(row.to_bytes()));
        let fact = BlockFact { cid: *cid, space: None, what: BlockIs::Gone };
        match same {
            Ok(false) => {}
            Ok(true) => {
                if let Err(error) = self.note(&[fact]) {
                    tracing::warn!("a damaged block is still listed: {error}");
                }
            }
            Err(error) => tracing::warn!("a damaged block is still listed: {error}"),
        }
    }
}

/// The one that appends to the packs.
#[derive(Debug)]
pub(crate) struct PackWriter {
    writer: Writer,
    staged: u64,
    /// The directories of block files whose names are known to last.
    dirs: BTreeSet<PathBuf>,
}

impl PackWriter {
    pub(crate) fn resume(packs: Arc<Log>, replay: &Replay) -> Self {
        Self { writer: Writer::resume(packs, replay), staged: 0, dirs: BTreeSet::new() }
    }

    pub(crate) const fn mark(&self) -> Mark {
        self.writer.mark()
    }

    const fn next_staged(&mut self) -> u64 {
        self.staged += 1;
        self.staged
    }

    fn write(&mut self, facts: &[BlockFact]) -> Result<Vec<Location>, StoreError> {
        let mut placed = Vec::with_capacity(facts.len());
        for BlockFact { cid, space, what } in facts {
            let head = |kind| block_head(cid, space.as_ref(), kind);
            placed.push(match what {
                BlockIs::Here(bytes) => self.writer.append(&[&head(HERE), bytes])?,
                BlockIs::File(size) => self.writer.append(&[&head(FILE), &size.to_le_bytes()])?,
                BlockIs::Tagged => self.writer.append(&[&head(TAGGED)])?,
                BlockIs::Gone => self.writer.append(&[&head(GONE)])?,
            });
        }
        self.writer.flush()?;
        Ok(placed)
    }
}

/// Where a large block's file is.
pub(crate) fn block_path(dir: &Path, cid: &Cid) -> PathBuf {
    dir.join(format!("blocks/{:02x}/{cid}", cid.digest()[0]))
}

/// Removes what an earlier process left half written.
pub(crate) fn clear_staging(files: &dyn Files, dir: &Path) -> Result<(), FileError> {
    let staging = dir.join(STAGING);
    files.list(&staging)?.iter().try_for_each(|entry| files.remove(&staging.join(&entry.name)))
}
