//! The keeper of the index: the only one who changes it, makes it last, and replaces it when it fails.

use std::sync::{Arc, PoisonError};

use crate::error::{IndexError, StoreError};
use crate::index::Index;
use crate::materialise::ROWS_AT_ONCE;
use crate::rows::{Changes, Progress};
use crate::segments::Mark;
use crate::store::{Inner, counts_of, locked};

/// How many bytes of frames go into the index before it is made to last, so that little is replayed
/// after a power cut.
const CHECKPOINT_EVERY: u64 = 32 << 20;

/// Who changes the index.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) progress: Progress,
    /// Whether the file that says the index is in good order still stands.
    pub(crate) clean: bool,
    pub(crate) failed: bool,
    /// Whether the last attempt to replace it failed.
    pub(crate) hopeless: bool,
    /// How far both logs are flushed, as far as the index has been told.
    pub(crate) durable: (Mark, Mark),
    /// Bytes of frames since the index was last made to last.
    pub(crate) unsaved: u64,
}

/// Which log has grown, up to where, and by how many bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moved {
    Log(Mark, u64),
    Packs(Mark, u64),
}

impl Keeper {
    fn apply(
        &mut self,
        index: &Index,
        moved: Moved,
        change: &mut dyn FnMut(&mut Changes<'_>, &mut Progress) -> Result<bool, IndexError>,
    ) -> Result<(), IndexError> {
        let mut changes = Changes::new(index);
        while change(&mut changes, &mut self.progress)? {
            if changes.len() >= ROWS_AT_ONCE {
                changes.finish(&mut self.progress)?;
            }
        }
        match moved {
            Moved::Log(mark, _) => self.progress.log = mark,
            Moved::Packs(mark, _) => self.progress.packs = mark,
        }
        let (Moved::Log(_, bytes) | Moved::Packs(_, bytes)) = moved;
        self.unsaved += bytes;
        changes.finish(&mut self.progress)
    }
}

impl Inner {
    pub(crate) fn index(&self) -> Result<Arc<Index>, StoreError> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let missing = || IndexError::Directory("it is being replaced".into());
        Ok(Arc::clone(index.as_ref().ok_or_else(missing)?))
    }

    /// A sound index; one that failed is replaced first.
    pub(crate) fn sound_index(&self) -> Result<Arc<Index>, StoreError> {
        let mut keeper = locked(&self.keeper);
        if keeper.failed {
            self.heal(&mut keeper)?;
        }
        self.index()
    }

    /// Remembers that the index failed, and says whether a reader may try to have it replaced: where
    /// that has failed before, only writers try again.
    pub(crate) fn index_failed(&self, error: &IndexError) -> bool {
        tracing::error!("the index failed: {error}");
        let mut keeper = locked(&self.keeper);
        keeper.failed = true;
        !keeper.hopeless
    }

    /// Changes the index in small steps. `change` is called until it has nothing more to do.
    pub(crate) fn change_index(
        &self,
        moved: Moved,
        change: &mut dyn FnMut(&mut Changes<'_>, &mut Progress) -> Result<bool, IndexError>,
    ) -> Result<(), StoreError> {
        let mut keeper = locked(&self.keeper);
        match moved {
            Moved::Log(mark, _) => keeper.durable.0 = mark,
            Moved::Packs(mark, _) => keeper.durable.1 = mark,
        }
        if keeper.failed {
            // What is durable is found in the logs.
            return self.heal(&mut keeper);
        }
        let result = self.apply_durable(&mut keeper, moved, change);
        if let Err(error) = &result {
            // The frames are in the log and not in the index, which must not be asked before it is
            // healed: it would give their numbers out again.
            tracing::error!("the index failed: {error}");
            keeper.failed = true;
        }
        *locked(&self.counts) = counts_of(&keeper.progress);
        result
    }

    fn apply_durable(
        &self,
        keeper: &mut Keeper,
        moved: Moved,
        change: &mut dyn FnMut(&mut Changes<'_>, &mut Progress) -> Result<bool, IndexError>,
    ) -> Result<(), StoreError> {
        if keeper.clean {
            self.parts.mark_unclean()?;
            keeper.clean = false;
        }
        let index = self.index()?;
        keeper.apply(&index, moved, change)?;
        if keeper.unsaved >= CHECKPOINT_EVERY {
            index.flush()?;
            keeper.unsaved = 0;
        }
        Ok(())
    }

    /// Closes the failed index, opens it again, and makes it anew if that is what it takes.
    fn heal(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        let mut slot = self.index.write().unwrap_or_else(PoisonError::into_inner);
        *slot = None;
        keeper.hopeless = true;
        if keeper.clean {
            self.parts.mark_unclean()?;
            keeper.clean = false;
        }
        let mut opened = self.parts.open_index(false)?;
        let limits = Some(keeper.durable);
        if let Err(StoreError::Index(_)) = self.parts.catch_up(&mut opened, limits, &mut |_| ()) {
            drop(opened.index);
            opened = self.parts.open_index(true)?;
            self.parts.catch_up(&mut opened, limits, &mut |_| ())?;
        }
        keeper.progress = opened.progress;
        (keeper.failed, keeper.hopeless) = (false, false);
        *locked(&self.counts) = counts_of(&opened.progress);
        *slot = Some(Arc::new(opened.index));
        Ok(())
    }

    pub(crate) fn checkpoint(&self) -> Result<(), StoreError> {
        let mut keeper = locked(&self.keeper);
        if keeper.clean || keeper.failed {
            return Ok(());
        }
        self.parts.close(&*self.index()?, &keeper.progress)?;
        keeper.clean = true;
        keeper.unsaved = 0;
        Ok(())
    }
}
