//! The store itself: opening it, and who may touch the index when.
//!
//! Locks are taken in this order: a log's writer, then the keeper of the index. Readers take neither.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use kith_core::fold::Fold;
use kith_core::record::MAX_RECORD;
use kith_files::{Files, Kind, Lock, PRIVATE_DIR, Space, create_dir_durably};

use crate::append::Queue;
use crate::blocks::{self, PackWriter};
use crate::error::StoreError;
use crate::index::{Index, Opening};
use crate::keeper::Keeper;
use crate::local::{Local, LocalChange};
use crate::recover::{IndexOrigin, Opened, Parts, Step};
use crate::rows::Progress;
use crate::salt::salt;
use crate::segments::{Damage, Log, Shape};
use crate::writer::Writer;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the index is, on a real file system; `index` in the store's directory when `None`.
    pub index_dir: Option<PathBuf>,
    /// Bytes of cache for the index; 1 to 4 MiB is right.
    pub cache: u64,
    /// Bytes that blocks leave free on the disk; records leave a quarter of that, local values nothing.
    pub reserve: u64,
    /// Size at which a new segment begins, in bytes.
    pub segment: u64,
    /// How long sled may take to open before the index is made anew.
    pub timeout: Duration,
    /// Whether to make the index anew in any case.
    pub rebuild: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            index_dir: None,
            cache: 4 << 20,
            reserve: 16 << 20,
            segment: 32 << 20,
            timeout: Duration::from_secs(30),
            rebuild: false,
        }
    }
}

/// What was found when the store was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// How the index came about.
    pub index: IndexOrigin,
    /// What is damaged, and what was cut off as the unfinished end of the last write.
    pub damage: Vec<Damage>,
}

/// How much is in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records in all spaces.
    pub records: u64,
    /// Blocks.
    pub blocks: u64,
    /// Bytes in blocks.
    pub block_bytes: u64,
}

/// An open store. Clones share it; the last one to go closes it.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) parts: Parts,
    pub(crate) reserve: u64,
    /// `None` only while a failed index is replaced.
    pub(crate) index: RwLock<Option<Arc<Index>>>,
    pub(crate) keeper: Mutex<Keeper>,
    pub(crate) counts: Mutex<Counts>,
    pub(crate) queue: Mutex<Queue>,
    pub(crate) turn: Condvar,
    pub(crate) log: Mutex<Writer>,
    pub(crate) packs: Mutex<PackWriter>,
    local: Local,
    findings: Findings,
    _lock: Box<dyn Lock>,
}

impl core::fmt::Debug for Inner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Inner").field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens, or makes, the store in `dir`. `report` hears how far the logs are read.
    ///
    /// # Errors
    /// [`StoreError::InUse`], or what the disk says. Damage is no error but a finding.
    pub fn open(
        files: Arc<dyn Files>,
        dir: &Path,
        fold: Arc<dyn Fold>,
        options: &Options,
        report: &mut dyn FnMut(Step),
    ) -> Result<Self, StoreError> {
        let lock = prepare(&*files, dir)?;
        let salt = salt(&*files, dir)?;
        let (local, mut damage) = Local::open(Arc::clone(&files), dir.join("local"), salt)?;
        let parts = parts((files, dir), fold, options, salt);
        let mut opened = parts.open_index(options.rebuild)?;
        let replays = parts.catch_up(&mut opened, None, report);
        // An index that fails while it is brought up to date is as bad as one that does not open.
        let (log, packs) = match replays {
            Err(StoreError::Index(error)) => {
                drop(opened.index);
                opened = parts.open_index(true)?;
                opened.origin = IndexOrigin::Rebuilt(error.to_string());
                parts.catch_up(&mut opened, None, report)?
            }
            other => other?,
        };
        damage.extend(log.damage.iter().chain(&packs.damage).cloned());
        let Opened { index, progress, origin, clean } = opened;
        if matches!(origin, IndexOrigin::Rebuilt(_)) {
            // So much work is worth keeping.
            index.flush()?;
        }
        let durable = (log.mark, packs.mark);
        let keeper =
            Keeper { progress, clean, failed: false, hopeless: false, durable, unsaved: 0 };
        let inner = Inner {
            log: Mutex::new(Writer::resume(Arc::clone(&parts.log), &log)),
            packs: Mutex::new(PackWriter::resume(Arc::clone(&parts.packs), &packs)),
            parts,
            reserve: options.reserve,
            index: RwLock::new(Some(Arc::new(index))),
            counts: Mutex::new(counts_of(&progress)),
            keeper: Mutex::new(keeper),
            queue: Mutex::default(),
            turn: Condvar::new(),
            local,
            findings: Findings { index: origin, damage },
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What was found when the store was opened.
    #[must_use]
    pub fn findings(&self) -> &Findings {
        &self.inner.findings
    }

    /// How much is in the store.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *locked(&self.inner.counts)
    }

    /// The room on the store's disk.
    ///
    /// # Errors
    /// What the disk says.
    pub fn free_space(&self) -> Result<Space, StoreError> {
        Ok(self.inner.parts.files.space(&self.inner.parts.dir)?)
    }

    /// Changes local values, all of them or none; they last on return.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for keys above [`crate::MAX_KEY`] or changes above
    /// [`crate::MAX_LOCAL`], or what the disk says; then nothing has changed.
    pub fn local_put(&self, changes: &[LocalChange<'_>]) -> Result<(), StoreError> {
        self.inner.local.put(changes)
    }

    /// The local value at `key`.
    #[must_use]
    pub fn local_get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.inner.local.get(key)
    }

    /// All local values whose key begins with `prefix`, in order.
    #[must_use]
    pub fn local_scan(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.inner.local.scan(prefix)
    }

    /// Makes the index last as it is, so that the next start reads nothing again. Dropping the store
    /// does it too; calling it when nothing has changed writes nothing.
    ///
    /// # Errors
    /// What the index or the disk says; nothing is lost then.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.inner.checkpoint()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.checkpoint() {
            tracing::warn!(
                "the index was not closed in good order and is checked next time: {error}"
            );
        }
    }
}

pub(crate) fn counts_of(progress: &Progress) -> Counts {
    let Progress { records, blocks, block_bytes, .. } = *progress;
    Counts { records, blocks, block_bytes }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the store's directories and takes its lock.
fn prepare(files: &dyn Files, dir: &Path) -> Result<Box<dyn Lock>, StoreError> {
    create_dir_durably(files, dir, PRIVATE_DIR)?;
    let lock = lock(files, dir)?;
    for name in ["log", "packs", "local", "blocks", blocks::STAGING] {
        create_dir_durably(files, &dir.join(name), PRIVATE_DIR)?;
    }
    blocks::clear_staging(files, dir)?;
    // They may be there from a start at which this very flush failed.
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    [Some(dir), parent].into_iter().flatten().try_for_each(|dir| files.sync_dir(dir))?;
    Ok(lock)
}

/// Takes the store's lock.
pub(crate) fn lock(files: &dyn Files, dir: &Path) -> Result<Box<dyn Lock>, StoreError> {
    files.lock(&dir.join("lock")).map_err(|error| {
        let taken = error.kind() == Kind::Locked;
        if taken { StoreError::InUse(dir.to_owned()) } else { error.into() }
    })
}

fn parts(
    (files, dir): (Arc<dyn Files>, &Path),
    fold: Arc<dyn Fold>,
    options: &Options,
    salt: u64,
) -> Parts {
    let rotate_at = options.segment;
    let log = Shape { suffix: "seg", rotate_at, max_payload: MAX_RECORD };
    let pack = Shape { suffix: "pack", rotate_at, max_payload: blocks::MAX_FRAME };
    Parts {
        log: Arc::new(Log::new(Arc::clone(&files), dir.join("log"), log, salt)),
        packs: Arc::new(Log::new(Arc::clone(&files), dir.join("packs"), pack, salt)),
        files,
        dir: dir.to_owned(),
        index_dir: options.index_dir.clone().unwrap_or_else(|| dir.join("index")),
        opening: Opening { cache: options.cache, timeout: options.timeout },
        fold,
    }
}

#[cfg(test)]
mod tests {
    use kith_core::cid::{Cid, Codec};
    use kith_core::fold::Rows;
    use kith_core::record::Record;
    use kith_files::cut::CutFiles;

    use super::*;
    use crate::error::IndexError;

    #[test]
    fn an_index_that_fails_while_it_is_used_is_replaced_by_readers_and_by_writers() {
        let (files, dir) = (CutFiles::new(), tempfile::tempdir().unwrap());
        let store = open(&files, dir.path());
        let one = put(&store, 1);
        let rows = store.dump_rows().unwrap();
        store.inner.index_failed(&IndexError::Row);
        let two = put(&store, 2);
        assert!(store.has_block(&one).unwrap() && store.has_block(&two).unwrap());
        assert!(store.dump_rows().unwrap().contains(&rows[0]));
        *store.inner.index.write().unwrap() = None;
        assert!(store.has_block(&one).unwrap());
        assert_eq!(store.counts().blocks, 2);
    }

    #[test]
    fn an_index_that_lost_a_row_no_longer_fits_its_sum() {
        let (files, dir) = (CutFiles::new(), tempfile::tempdir().unwrap());
        let store = open(&files, dir.path());
        put(&store, 1);
        put(&store, 2);
        let rows = store.dump_rows().unwrap();
        let index = store.inner.index().unwrap();
        index.apply([(rows[0].0.as_slice(), None)].into_iter()).unwrap();
        // As after a power cut, nothing says that the index is in good order.
        let disk = files.crashed(0);
        drop((index, store));
        let store = open(&disk, dir.path());
        let lost = IndexOrigin::Rebuilt("it lost rows".into());
        assert_eq!(store.findings().index, lost);
        assert_eq!(store.dump_rows().unwrap(), rows);
    }

    fn open(files: &CutFiles, dir: &Path) -> Store {
        let options = Options { index_dir: Some(dir.join("index")), ..Options::default() };
        let files: Arc<dyn Files> = Arc::new(files.clone());
        Store::open(files, Path::new("/box"), Arc::new(NoViews), &options, &mut |_| ()).unwrap()
    }

    fn put(store: &Store, number: u8) -> Cid {
        let (bytes, mut batch) = (vec![number; 10], store.block_batch());
        let cid = Cid::of(Codec::Raw, &bytes);
        batch.put(None, cid, bytes.into()).unwrap();
        batch.commit().unwrap();
        cid
    }

    struct NoViews;

    impl Fold for NoViews {
        fn version(&self) -> u32 {
            1
        }

        fn fold(&self, _: &Record, _: &mut dyn Rows) {}
    }
}
