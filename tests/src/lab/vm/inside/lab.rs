//! What a scenario writes: rows of the table; and what it may do to the whole machine.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::SHARED;
use crate::lab::vm::row::Row;

/// What can be told while others are.
pub(crate) type Story<'a> = Box<dyn FnOnce() -> Result<()> + Send + 'a>;

/// A scenario's hands on the machine it runs in.
#[derive(Debug)]
pub(crate) struct Lab {
    /// Which boot of this scenario it is, from 1.
    pub(crate) boot: u32,
    kith: PathBuf,
    rows: Mutex<File>,
    start: Instant,
}

impl Lab {
    pub(crate) fn open(seed: u64, kith: &str) -> Result<Self> {
        let boot = fs::read_to_string(Path::new(SHARED).join("boot")).context("which boot")?;
        let boot = boot.trim().parse().context("which boot")?;
        let rows = Path::new(SHARED).join("rows");
        let rows = File::options().create(true).append(true).open(rows).context("open the rows")?;
        let rows = Mutex::new(rows);
        let this = Self { boot, kith: PathBuf::from(kith), rows, start: Instant::now() };
        this.say(&format!("boot {boot}, seed {seed}"));
        Ok(this)
    }

    /// Does something, and writes down whether what was seen is what must be. An error is what was
    /// seen instead; the scenario goes on, as the next row may still tell something.
    pub(crate) fn check(
        &self,
        requirement: &str,
        done: &str,
        expected: &str,
        act: impl FnOnce() -> Result<String>,
    ) -> Result<bool> {
        let began = Instant::now();
        let result = act();
        let took = began.elapsed();
        let pass = result.is_ok();
        let row = Row {
            requirement: requirement.into(),
            done: done.into(),
            expected: expected.into(),
            seen: result.unwrap_or_else(|why| format!("{why:#}")),
            pass,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        let word = if pass { "holds" } else { "DOES NOT HOLD" };
        let seconds = took.as_secs_f32();
        self.say(&format!("{requirement}: {word} ({seconds:.1} s): {}", row.seen));
        let line = serde_json::to_string(&row).context("write a row")?;
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(rows, "{line}").context("write a row")?;
        rows.sync_all().context("write a row")?;
        Ok(pass)
    }

    /// Tells several stories at the same time, since most of each is waiting. They must not touch the
    /// same things.
    ///
    /// # Errors
    /// The first of theirs, when all have ended.
    pub(crate) fn side_by_side(stories: Vec<Story<'_>>) -> Result<()> {
        thread::scope(|scope| {
            let told: Vec<_> = stories.into_iter().map(|story| scope.spawn(story)).collect();
            let ended = told.into_iter().map(|story| {
                story.join().map_err(|_| anyhow!("a story came to an end by itself")).flatten()
            });
            ended.collect::<Vec<Result<()>>>().into_iter().collect()
        })
    }

    /// Says what happens, with the seconds since the scenario's start.
    pub(crate) fn say(&self, sentence: &str) {
        println!("{:6.1} s  {sentence}", self.start.elapsed().as_secs_f32());
    }

    /// The `kith` that is tested.
    ///
    /// # Errors
    /// When none was built.
    pub(crate) fn kith(&self) -> Result<&Path> {
        ensure!(self.kith.is_file(), "kith is not built: cargo build --release");
        Ok(&self.kith)
    }

    /// A folder on the disk that outlives a restart.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn disk(&self, name: &str) -> Result<PathBuf> {
        let folder = Path::new("/disk").join(name);
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(folder)
    }

    /// Cuts the power: what was not synchronised is lost, and the scenario begins once more as its
    /// next boot. Does not return.
    ///
    /// # Errors
    /// When the machine lives on.
    pub(crate) fn cut_power(&self) -> Result<()> {
        self.say("the power is cut");
        let again = File::create(Path::new(SHARED).join("again")).context("ask for a restart")?;
        again.sync_all().context("ask for a restart")?;
        fs::write("/proc/sysrq-trigger", "b").context("cut the power")?;
        std::thread::sleep(Duration::from_secs(60));
        bail!("the machine lives on without power")
    }
}
