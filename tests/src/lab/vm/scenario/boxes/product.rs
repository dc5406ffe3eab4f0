//! A box's own program in one of the boxes: started, spoken to, stopped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::lab::vm::inside::host::Host;
use crate::lab::vm::inside::running::Running;
use crate::lab::vm::inside::wait::until;

const PATIENCE: Duration = Duration::from_secs(120);

/// `kith run` in a host, with its state on the disk.
pub(super) struct Product<'a> {
    /// From its start to its first answer.
    pub(super) took: Duration,
    host: &'a Host,
    program: PathBuf,
    state: String,
    run: Running,
}

impl<'a> Product<'a> {
    /// Starts it and waits until it answers.
    pub(super) fn start(host: &'a Host, program: &Path) -> Result<Self> {
        let state = format!("/disk/{}", host.ns.name());
        let words = words(program)?;
        let words: Vec<&str> = words.split(' ').chain(["--state", &state]).collect();
        let run = host.spawn(program, &words)?;
        let took = Duration::ZERO;
        let mut this = Self { took, host, program: program.to_owned(), state, run };
        let ((), took) = until(PATIENCE, "the box answers", || {
            ensure!(this.run.alive(), "it ended: {}", this.run.said());
            Ok(this.kith(&["status"]).map(drop).map_err(|why| format!("{why:#}")))
        })?;
        this.took = took;
        Ok(this)
    }

    /// `kith WORDS` in the host, which must succeed.
    pub(super) fn kith(&self, words: &[&str]) -> Result<String> {
        let program = self.program.to_str().context("a path in UTF-8")?;
        self.host.run(program, &[words, &["--state", &self.state]].concat())
    }

    /// `kith WORDS --json` in the host, read.
    pub(super) fn json(&self, words: &[&str]) -> Result<Value> {
        let said = self.kith(&[words, &["--json"]].concat())?;
        serde_json::from_str(&said).with_context(|| format!("kith {words:?} said {said:?}"))
    }
}

/// How a box is started: as an appliance, if this `kith` can be one already.
pub(super) fn words(program: &Path) -> Result<String> {
    let help = Command::new(program).args(["run", "--help"]).output().context("start kith")?;
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    ensure!(help.contains("--state"), "kith run --help says {help:?}");
    let appliance = help.contains("--profile");
    Ok(if appliance { "run --profile appliance" } else { "run" }.to_owned())
}
