//! Reading everything there is and recomputing every checksum, hash and signature; and making the index
//! anew. Both work on a store that nobody has open.
//!
//! Verifying changes nothing. The index is not read: it is no copy of anything, and checked whenever
//! the store is opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kith_core::cid::Cid;
use kith_core::fold::Fold;
use kith_core::record::{MAX_RECORD, Record};
use kith_files::{Files, Kind, read_whole};

use crate::blocks::{MAX_FRAME, STAGING, block_path};
use crate::error::StoreError;
use crate::local::MAX_LOCAL;
use crate::materialise::{BlockFact, BlockIs};
use crate::recover::Step;
use crate::salt::saved_salt;
use crate::segments::{Damage, Frame, Log, Mark, Shape};
use crate::store::{Counts, Options, Store};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Where in it, in bytes; `None` for all of it.
    pub offset: Option<u64>,
    /// What is wrong, in words.
    pub what: String,
    /// What to do, in words.
    pub advice: &'static str,
}

impl Problem {
    /// Whether it is what a power cut leaves: the end of a write that was never acknowledged.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        self.advice == NOTHING
    }
}

/// What verifying found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Everything that is wrong; empty is good.
    pub problems: Vec<Problem>,
    /// Sound records, those stored twice counted twice.
    pub records: u64,
    /// Sound blocks.
    pub blocks: u64,
    /// Bytes in sound blocks.
    pub block_bytes: u64,
    /// Sound changes of local values.
    pub local_changes: u64,
}

const REFETCH: &str = "let it sync with another box that has it; it is fetched again by itself";
const NOTHING: &str = "nothing: it was never acknowledged, and is cut off at the next start";
const DISK: &str =
    "copy what you need and replace the disk or card: it does not keep what it is given";

/// Reads everything in the store in `dir`.
///
/// # Errors
/// [`StoreError::InUse`] while a node runs, or what the disk says. What is damaged is in the report.
pub fn verify(
    files: &Arc<dyn Files>,
    dir: &Path,
    report: &mut dyn FnMut(Step),
) -> Result<Report, StoreError> {
    let _lock = crate::store::lock(&**files, dir)?;
    let mut found = Report::default();
    let Some(salt) = saved_salt(&**files, dir)? else {
        let what = "neither the store's file nor any segment says how to read it".to_owned();
        let advice = "restore the directory from a copy, or start with an empty one";
        found.problems.push(Problem { file: dir.join("store"), offset: None, what, advice });
        return Ok(found);
    };
    let log = |name: &str, suffix, max_payload| {
        let shape = Shape { suffix, rotate_at: u64::MAX, max_payload };
        Log::new(Arc::clone(files), dir.join(name), shape, salt)
    };
    let mut check = Check {
        files: &**files,
        dir,
        found,
        large: BTreeMap::new(),
        step: Step::default(),
        report,
    };
    let records = log("log", "seg", MAX_RECORD);
    let packs = log("packs", "pack", MAX_FRAME);
    let local = log("local", "seg", MAX_LOCAL);
    for log in [&records, &packs, &local] {
        let sizes = log.segments()?;
        check.step.total += sizes.iter().map(|(_, size)| size).sum::<u64>();
    }
    check.log(&records, true, &mut Check::record)?;
    check.log(&packs, true, &mut Check::pack)?;
    check.log(&local, false, &mut |check, _, _| check.found.local_changes += 1)?;
    check.block_files()?;
    Ok(check.found)
}

/// Drops the index of the store in `dir` and makes it anew from the logs.
///
/// # Errors
/// As [`Store::open`].
pub fn rebuild(
    files: Arc<dyn Files>,
    dir: &Path,
    fold: Arc<dyn Fold>,
    options: &Options,
    report: &mut dyn FnMut(Step),
) -> Result<Counts, StoreError> {
    let options = Options { rebuild: true, ..options.clone() };
    let store = Store::open(files, dir, fold, &options, report)?;
    store.checkpoint()?;
    Ok(store.counts())
}

struct Check<'a> {
    files: &'a dyn Files,
    dir: &'a Path,
    found: Report,
    /// Blocks in files of their own, and their lengths.
    large: BTreeMap<Cid, u32>,
    step: Step,
    report: &'a mut dyn FnMut(Step),
}

type CheckFrame<'c, 'a> = dyn FnMut(&mut Check<'a>, &Log, &Frame) + 'c;

impl<'a> Check<'a> {
    fn log(
        &mut self,
        log: &Log,
        from_one: bool,
        check: &mut CheckFrame<'_, 'a>,
    ) -> Result<(), StoreError> {
        let numbers: Vec<u32> = log.segments()?.into_iter().map(|(number, _)| number).collect();
        let first = if from_one { 1 } else { numbers.first().copied().unwrap_or(1) };
        let expected = first..=numbers.last().copied().unwrap_or(0);
        for missing in expected.filter(|number| numbers.binary_search(number).is_err()) {
            self.problem(log.path(missing), None, "the file is missing".into(), REFETCH);
        }
        let replay = log.replay(Mark::default(), &mut |frame| {
            self.read(u64::from(frame.location.len) + 8);
            check(self, log, &frame);
            Ok(())
        })?;
        for Damage { file, offset, len, torn } in replay.damage {
            let (what, advice) = if torn {
                (format!("{len} bytes are the unfinished end of the last write"), NOTHING)
            } else {
                (format!("{len} bytes are damaged"), DISK)
            };
            self.problem(file, Some(offset), what, advice);
        }
        Ok(())
    }

    fn record(&mut self, log: &Log, frame: &Frame) {
        match Record::decode(&frame.payload) {
            Ok(_) => self.found.records += 1,
            Err(error) => self.frame_problem(log, frame, error.to_string()),
        }
    }

    fn pack(&mut self, log: &Log, frame: &Frame) {
        let Some(fact) = BlockFact::parse(&frame.payload) else {
            return self.frame_problem(log, frame, "this version cannot read it".into());
        };
        match fact.what {
            BlockIs::Tagged => {}
            BlockIs::Gone => drop(self.large.remove(&fact.cid)),
            BlockIs::File(size) => {
                self.large.insert(fact.cid, size);
            }
            BlockIs::Here(bytes) if fact.cid.verifies(&bytes) => self.sound_block(bytes.len()),
            BlockIs::Here(_) => {
                self.frame_problem(log, frame, format!("it is not the block {}", fact.cid));
            }
        }
    }

    fn block_files(&mut self) -> Result<(), StoreError> {
        for (cid, size) in std::mem::take(&mut self.large) {
            let path = block_path(self.dir, &cid);
            self.step.total += u64::from(size);
            self.read(size.into());
            match read_whole(self.files, &path, size as usize) {
                Ok(Some(bytes)) if cid.verifies(&bytes) => self.sound_block(bytes.len()),
                Ok(Some(_)) => {
                    self.problem(path, None, "it is not the block its name says".into(), REFETCH);
                }
                Ok(None) => {
                    self.problem(path, None, "it is missing or too long".into(), REFETCH);
                }
                Err(error) if error.kind() == Kind::Io => {
                    self.problem(path, None, error.to_string(), DISK);
                }
                Err(error) => return Err(error.into()),
            }
        }
        for entry in self.files.list(&self.dir.join(STAGING))? {
            let path = self.dir.join(STAGING).join(entry.name);
            self.problem(path, None, "a write that did not finish".into(), NOTHING);
        }
        Ok(())
    }

    fn sound_block(&mut self, size: usize) {
        self.found.blocks += 1;
        self.found.block_bytes += size as u64;
    }

    fn frame_problem(&mut self, log: &Log, frame: &Frame, what: String) {
        let file = log.path(frame.location.segment);
        self.problem(file, Some(frame.location.offset.into()), what, REFETCH);
    }

    fn problem(&mut self, file: PathBuf, offset: Option<u64>, what: String, advice: &'static str) {
        self.found.problems.push(Problem { file, offset, what, advice });
    }

    fn read(&mut self, bytes: u64) {
        let before = self.step.done >> 20;
        self.step.done += bytes;
        if self.step.done >> 20 != before {
            (self.report)(self.step);
        }
    }
}
