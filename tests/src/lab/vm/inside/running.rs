//! A daemon that runs until it is dropped, with a log among the results.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::SHARED;
use crate::lab::namespace::call;

/// A program in the foreground.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Running {
    /// Starts it; what it says goes to `/labout/NAME.log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self> {
        let log = Path::new(SHARED).join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).context("open a log")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("open a log")?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Self { name: name.to_owned(), log, child })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, such as `STOP`.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        call("kill", &["-s", signal, &self.pid().to_string()]).map(drop)
    }

    /// Asks it to end and waits for that.
    ///
    /// # Errors
    /// When it is gone already.
    pub(crate) fn end(mut self) -> Result<()> {
        self.signal("TERM")?;
        self.child.wait().map(drop).with_context(|| format!("wait for {}", self.name))
    }

    /// Whether it runs.
    pub(crate) fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// All it said.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last lines it said.
    pub(crate) fn said(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        format!("{}: {}", self.name, lines[lines.len().saturating_sub(8)..].join(" | "))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
