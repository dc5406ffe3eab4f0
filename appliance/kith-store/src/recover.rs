//! Opening the index: trusting it, checking it, or making it anew from the logs, and then bringing it
//! up to date with their ends.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use kith_core::fold::Fold;
use kith_core::record::SignedBytes;
use kith_files::{Files, PRIVATE_FILE, read_whole, write_durably};

use crate::blocks::block_path;
use crate::error::StoreError;
use crate::index::{Index, Opening, move_aside};
use crate::materialise::{self, BlockFact, BlockIs, ROWS_AT_ONCE};
use crate::rows::{Changes, Progress, each_row, weight};
use crate::segments::{Damage, Frame, Log, Mark, Replay};

/// The file that says the index was closed in good order, and with which progress.
const CLEAN: &str = "index.clean";

/// How the index came about when the store was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexOrigin {
    /// There was nothing to index yet.
    New,
    /// It was closed in good order.
    Kept,
    /// It was not closed, and fits its own sum.
    Checked,
    /// It was made anew, for this reason.
    Rebuilt(String),
}

/// How far a long piece of work is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Bytes read.
    pub done: u64,
    /// Bytes to read in all.
    pub total: u64,
}

/// Everything recovery works on.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) dir: PathBuf,
    pub(crate) index_dir: PathBuf,
    pub(crate) opening: Opening,
    pub(crate) log: Arc<Log>,
    pub(crate) packs: Arc<Log>,
    pub(crate) fold: Arc<dyn Fold>,
}

impl core::fmt::Debug for Parts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Parts").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// The index, and what it covers.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) index: Index,
    pub(crate) progress: Progress,
    pub(crate) origin: IndexOrigin,
    /// Whether the file that says so still stands.
    pub(crate) clean: bool,
}

impl Parts {
    /// Opens the index, whatever state it is in; `anew` drops the one that is there.
    pub(crate) fn open_index(&self, anew: bool) -> Result<Opened, StoreError> {
        if anew {
            return self.make_anew("it was asked for".into());
        }
        let index = match Index::open(&self.index_dir, self.opening) {
            Ok(index) => index,
            Err(error) => return self.make_anew(error.to_string()),
        };
        match self.judge(&index) {
            Ok(Ok((progress, origin))) => {
                let clean = origin == IndexOrigin::Kept;
                Ok(Opened { index, progress, origin, clean })
            }
            Ok(Err(reason)) => {
                drop(index);
                self.make_anew(reason.into())
            }
            Err(StoreError::Index(error)) => {
                drop(index);
                self.make_anew(error.to_string())
            }
            Err(error) => Err(error),
        }
    }

    /// What the index covers, or why it is not believed.
    fn judge(
        &self,
        index: &Index,
    ) -> Result<Result<(Progress, IndexOrigin), &'static str>, StoreError> {
        let Some(progress) = Progress::read(index)? else {
            let empty = self.log.segments()?.is_empty() && self.packs.segments()?.is_empty();
            let new = Progress { fold: self.fold.version(), ..Progress::default() };
            return Ok(if empty { Ok((new, IndexOrigin::New)) } else { Err("it was empty") });
        };
        if progress.fold != self.fold.version() {
            return Ok(Err("this version makes other views"));
        }
        if !self.log.knows(progress.log)? || !self.packs.knows(progress.packs)? {
            return Ok(Err("it does not belong to these logs"));
        }
        let marker = read_whole(&*self.files, &self.dir.join(CLEAN), 1024)?;
        if marker.is_some_and(|marker| marker == progress.to_bytes()) {
            return Ok(Ok((progress, IndexOrigin::Kept)));
        }
        let mut sum = 0_u64;
        each_row(index, 1024, &mut |key, value| sum = sum.wrapping_add(weight(key, value)))?;
        Ok(if sum == progress.sum {
            Ok((progress, IndexOrigin::Checked))
        } else {
            Err("it lost rows")
        })
    }

    fn make_anew(&self, reason: String) -> Result<Opened, StoreError> {
        tracing::warn!("the index is made anew: {reason}");
        move_aside(&self.index_dir)?;
        let index = Index::open(&self.index_dir, self.opening)?;
        let progress = Progress { fold: self.fold.version(), ..Progress::default() };
        Ok(Opened { index, progress, origin: IndexOrigin::Rebuilt(reason), clean: false })
    }

    /// Says that the index was closed in good order.
    pub(crate) fn mark_clean(&self, progress: &Progress) -> Result<(), StoreError> {
        let bytes = progress.to_bytes();
        Ok(write_durably(&*self.files, &self.dir, CLEAN, &bytes, PRIVATE_FILE)?)
    }

    /// Takes that back, before the first change.
    pub(crate) fn mark_unclean(&self) -> Result<(), StoreError> {
        let path = self.dir.join(CLEAN);
        if self.files.stat(&path)?.is_some() {
            self.files.remove(&path)?;
            self.files.sync_dir(&self.dir)?;
        }
        Ok(())
    }

    /// Brings the index up to date with the logs, at most up to `limits` where a writer is at work.
    pub(crate) fn catch_up(
        &self,
        opened: &mut Opened,
        limits: Option<(Mark, Mark)>,
        report: &mut dyn FnMut(Step),
    ) -> Result<(Replay, Replay), StoreError> {
        let total = self.ahead(&self.log, opened.progress.log)?
            + self.ahead(&self.packs, opened.progress.packs)?;
        let mut counter = Counter { step: Step { done: 0, total }, report };
        if total > 0 && opened.clean {
            self.mark_unclean()?;
            opened.clean = false;
        }
        let Opened { index, progress, .. } = opened;
        let log_limit = limits.map(|(log, _)| log);
        let pack_limit = limits.map(|(_, packs)| packs);
        let log = self.catch_up_records((&*index, &mut *progress), log_limit, &mut counter)?;
        let packs = self.catch_up_blocks((&*index, &mut *progress), pack_limit, &mut counter)?;
        Ok((log, packs))
    }

    fn catch_up_records(
        &self,
        (index, progress): (&Index, &mut Progress),
        limit: Option<Mark>,
        counter: &mut Counter<'_>,
    ) -> Result<Replay, StoreError> {
        let mut changes = Changes::new(index);
        let mut unreadable = Vec::new();
        let mut replay = self.log.replay(progress.log, &mut |frame| {
            if beyond(&frame, limit) {
                return Ok(());
            }
            counter.add(&frame);
            match SignedBytes::parse(&frame.payload) {
                Ok(signed) => {
                    let record = signed.already_verified();
                    let filed = (&record, frame.location);
                    materialise::record(&mut changes, progress, filed, &*self.fold);
                }
                Err(_) => unreadable.push(self.unreadable(&self.log, &frame)),
            }
            progress.log = frame.mark();
            if changes.len() >= ROWS_AT_ONCE { Ok(changes.finish(progress)?) } else { Ok(()) }
        })?;
        if changes.len() > 0 {
            changes.finish(progress)?;
        }
        replay.damage.append(&mut unreadable);
        Ok(replay)
    }

    fn catch_up_blocks(
        &self,
        (index, progress): (&Index, &mut Progress),
        limit: Option<Mark>,
        counter: &mut Counter<'_>,
    ) -> Result<Replay, StoreError> {
        let mut changes = Changes::new(index);
        let mut unreadable = Vec::new();
        let mut replay = self.packs.replay(progress.packs, &mut |frame| {
            if beyond(&frame, limit) {
                return Ok(());
            }
            counter.add(&frame);
            match self.block_fact(&frame.payload)? {
                Some(fact) => materialise::block(&mut changes, progress, (&fact, frame.location))?,
                None => unreadable.push(self.unreadable(&self.packs, &frame)),
            }
            progress.packs = frame.mark();
            if changes.len() >= ROWS_AT_ONCE { Ok(changes.finish(progress)?) } else { Ok(()) }
        })?;
        if changes.len() > 0 {
            changes.finish(progress)?;
        }
        replay.damage.append(&mut unreadable);
        Ok(replay)
    }

    /// What a frame says, unless it points to a file that is gone or has another length.
    fn block_fact(&self, payload: &Bytes) -> Result<Option<BlockFact>, StoreError> {
        let Some(fact) = BlockFact::parse(payload) else { return Ok(None) };
        if let BlockIs::File(size) = fact.what {
            let found = self.files.stat(&block_path(&self.dir, &fact.cid))?;
            return Ok(found.is_some_and(|found| found.size == size.into()).then_some(fact));
        }
        Ok(Some(fact))
    }

    fn unreadable(&self, log: &Log, frame: &Frame) -> Damage {
        let offset = frame.location.offset.into();
        let file = log.path(frame.location.segment);
        Damage { file, offset, len: frame.location.len.into(), torn: false }
    }

    /// Bytes behind `mark`.
    fn ahead(&self, log: &Log, mark: Mark) -> Result<u64, StoreError> {
        let ahead = |(number, size): (u32, u64)| match number.cmp(&mark.segment) {
            core::cmp::Ordering::Less => 0,
            core::cmp::Ordering::Equal => size.saturating_sub(mark.end.into()),
            core::cmp::Ordering::Greater => size,
        };
        Ok(log.segments()?.into_iter().map(ahead).sum())
    }

    /// Makes the index last as it is and says so.
    pub(crate) fn close(&self, index: &Index, progress: &Progress) -> Result<(), StoreError> {
        index.flush()?;
        self.mark_clean(progress)
    }
}

fn beyond(frame: &Frame, limit: Option<Mark>) -> bool {
    let at = (frame.location.segment, frame.location.offset);
    limit.is_some_and(|limit| at >= (limit.segment, limit.end))
}

/// Counts what was read and tells at every mebibyte.
struct Counter<'a> {
    step: Step,
    report: &'a mut dyn FnMut(Step),
}

impl Counter<'_> {
    fn add(&mut self, frame: &Frame) {
        let before = self.step.done >> 20;
        self.step.done += u64::from(frame.location.len) + 8;
        if self.step.done >> 20 != before {
            (self.report)(self.step);
        }
    }
}
