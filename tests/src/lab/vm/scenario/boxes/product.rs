//! A box's own program in one of the boxes: started, spoken to, stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::lab::namespace::call;
use crate::lab::vm::inside::host::Host;
use crate::lab::vm::inside::running::Running;
use crate::lab::vm::inside::wait::until;

const PATIENCE: Duration = Duration::from_secs(120);

/// What an appliance is made of, beside its supervisor.
pub(super) const ROLES: [&str; 2] = ["link", "node"];
/// The capability to change the network, as a bit.
pub(super) const NET_ADMIN: u64 = 1 << 12;

/// What the kernel lets a process do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rights {
    /// Its user.
    pub(super) user: u32,
    /// What it may do now or could take up: permitted, effective, inheritable and ambient.
    pub(super) capabilities: u64,
    /// Whether no program it starts can get more.
    pub(super) no_new: bool,
}

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

    /// Its roles with their processes: `kith role NAME …`.
    pub(super) fn roles(&self) -> BTreeMap<String, u32> {
        let role = |words: &str| {
            let mut words = words.split(' ').skip_while(|w| *w != "role").skip(1);
            words.next().filter(|name| !name.starts_with("exec")).map(str::to_owned)
        };
        let all = self.host.processes().into_iter();
        all.filter_map(|(pid, words)| Some((role(&words)?, pid))).collect()
    }

    /// What the kernel lets a role do.
    pub(super) fn rights(&self, role: &str) -> Result<Rights> {
        let pid = *self.roles().get(role).with_context(|| format!("no role {role}"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("its status")?;
        rights(&status).with_context(|| format!("status of {role}: {status}"))
    }

    /// Sends a role a signal, and waits until another process does its work and the box answers.
    pub(super) fn replaced(&self, role: &str, signal: &str) -> Result<Duration> {
        let old = *self.roles().get(role).with_context(|| format!("no role {role}"))?;
        call("kill", &["-s", signal, &old.to_string()])?;
        let what = format!("another process is {role}");
        let ((), took) = until(PATIENCE, &what, || {
            let new = self.roles().get(role).copied();
            if new.is_none_or(|new| new == old) {
                return Ok(Err(format!("{new:?}, was {old}; {}", self.run.said())));
            }
            Ok(self.kith(&["status"]).map(drop).map_err(|why| format!("{why:#}")))
        })?;
        Ok(took)
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

fn rights(status: &str) -> Option<Rights> {
    let fact = |name: &str| {
        let mut lines = status.lines().filter_map(|l| l.split_once(':'));
        lines.find(|(n, _)| *n == name).map(|(_, value)| value.trim())
    };
    // Real, effective, saved, file system.
    let users: Option<Vec<u32>> = fact("Uid")?.split_whitespace().map(|u| u.parse().ok()).collect();
    let sets = ["CapInh", "CapPrm", "CapEff", "CapAmb"];
    let sets: Option<Vec<u64>> =
        sets.into_iter().map(|s| u64::from_str_radix(fact(s)?, 16).ok()).collect();
    Some(Rights {
        user: users?.into_iter().min()?,
        capabilities: sets?.into_iter().fold(0, |all, set| all | set),
        no_new: fact("NoNewPrivs")? == "1",
    })
}

/// How a box is started: as an appliance, if this `kith` can be one already.
pub(super) fn words(program: &Path) -> Result<String> {
    let help = Command::new(program).args(["run", "--help"]).output().context("start kith")?;
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    ensure!(help.contains("--state"), "kith run --help says {help:?}");
    let appliance = help.contains("--profile");
    Ok(if appliance { "run --profile appliance" } else { "run" }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_user_and_every_capability_count() {
        let status = "Name:\tkith\nUid:\t900\t900\t0\t900\nCapInh:\t0000000000000000\n\
                      CapPrm:\t0000000000001000\nCapEff:\t0000000000000000\n\
                      CapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000001\nNoNewPrivs:\t1\n";
        let seen = rights(status).unwrap();
        assert_eq!(seen, Rights { user: 0, capabilities: NET_ADMIN | 1, no_new: true });
        assert_eq!(rights("Name:\tkith\n"), None);
    }
}
