//! A box's own program in one of the boxes: started, spoken to, stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
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
    pub(super) host: &'a Host,
    program: PathBuf,
    state: String,
    run: Mutex<Running>,
}

impl<'a> Product<'a> {
    /// Starts it and waits until it answers.
    pub(super) fn start(host: &'a Host, program: &Path) -> Result<Self> {
        let state = format!("/disk/{}", host.ns.name());
        let run = Mutex::new(spawn(host, program, &state)?);
        let took = Duration::ZERO;
        let mut this = Self { took, host, program: program.to_owned(), state, run };
        this.took = this.answers()?;
        Ok(this)
    }

    /// Starts it once more after it was killed, and waits until it answers.
    pub(super) fn start_again(&self) -> Result<Duration> {
        *self.run() = spawn(self.host, &self.program, &self.state)?;
        self.answers()
    }

    fn answers(&self) -> Result<Duration> {
        let answered = until(PATIENCE, "the box answers", || {
            let mut run = self.run();
            ensure!(run.alive(), "it ended: {}", run.said());
            drop(run);
            Ok(self.kith(&["status"]).map(drop).map_err(|why| format!("{why:#}")))
        });
        answered.map(|((), took)| took)
    }

    fn run(&self) -> MutexGuard<'_, Running> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where its state is.
    pub(super) fn state(&self) -> &str {
        &self.state
    }

    /// The supervisor's process, as the lab counts.
    pub(super) fn supervisor(&self) -> Result<u32> {
        let all = self.host.processes();
        let own = |words: &str| words.contains(" run ") && !words.contains("nsenter");
        let pid = all.iter().find(|(_, words)| own(words)).map(|(pid, _)| *pid);
        pid.with_context(|| format!("no supervisor in {all:?}"))
    }

    /// Kills the supervisor, which cannot say goodbye to anybody.
    pub(super) fn kill(&self) -> Result<()> {
        call("kill", &["-s", "KILL", &self.supervisor()?.to_string()])?;
        until(PATIENCE, "its roles are gone", || {
            let left = self.roles();
            Ok(if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) })
        })?;
        Ok(())
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
                return Ok(Err(format!("{new:?}, was {old}; {}", self.run().said())));
            }
            Ok(self.kith(&["status"]).map(drop).map_err(|why| format!("{why:#}")))
        })?;
        Ok(took)
    }

    /// Its owner claims it in the panel, with the secret that it printed.
    pub(super) fn claim(&self) -> Result<()> {
        let ((panel, secret), _) = until(PATIENCE, "it prints its secret", || {
            let run = self.run();
            Ok(printed(&run.log()).ok_or_else(|| run.said()))
        })?;
        let own = std::env::current_exe().context("find this program")?;
        let own = own.to_str().context("a path in UTF-8")?;
        self.host.run(own, &["vm-claim", &panel, &secret]).map(drop)
    }

    /// Puts values into the draft.
    pub(super) fn set(&self, values: &[(&str, &str)]) -> Result<()> {
        let words: Vec<&str> = values.iter().flat_map(|(key, value)| [*key, *value]).collect();
        self.kith(&[&["set"][..], &words].concat()).map(drop)
    }

    /// `kith set … && kith apply && kith confirm`.
    pub(super) fn change(&self, values: &[(&str, &str)]) -> Result<()> {
        self.set(values)?;
        if !self.json(&["apply", "--yes"])?["token"].is_string() {
            return Ok(());
        }
        let confirmed = until(PATIENCE, "the change can be confirmed", || {
            match self.kith(&["confirm"]) {
                // What it says on a slow machine, with the advice to try again.
                Err(why) if format!("{why:#}").contains("still being carried out") => {
                    Ok(Err(format!("{why:#}")))
                }
                other => other.map(Ok),
            }
        });
        confirmed.map(drop)
    }

    /// How its network is.
    pub(super) fn network(&self) -> Result<Value> {
        self.json(&["network"])
    }

    /// Its process of a program, as the lab counts; nothing while there is none.
    pub(super) fn process(&self, program: &str) -> Option<u32> {
        let is = |words: &str| {
            // dhcpcd writes its own words there: "dhcpcd: eth0 [ip4]".
            let path = words.split([' ', ':']).next().unwrap_or_default();
            path.rsplit('/').next() == Some(program)
        };
        // dhcpcd has children of the same name; the eldest is the daemon.
        let all = self.host.processes().into_iter();
        all.filter(|(_, words)| is(words)).map(|(pid, _)| pid).min()
    }

    /// Waits until `look` is content with how its network is.
    pub(super) fn settles<T>(
        &self,
        what: &str,
        look: impl Fn(&Value) -> Option<T>,
    ) -> Result<(T, Duration)> {
        until(PATIENCE, what, || {
            let network = match self.network() {
                Ok(network) => network,
                Err(why) => return Ok(Err(format!("{why:#}"))),
            };
            Ok(look(&network).ok_or_else(|| brief(&network)))
        })
    }

    /// Waits until what was changed is kept, and as many daemons run as shall, at least `least`.
    pub(super) fn runs(&self, least: usize) -> Result<((), Duration)> {
        self.settles("all its daemons run", |network| {
            let daemons = network["daemons"].as_array()?;
            let running = daemons.iter().filter(|d| d["state"] == "running").count();
            let kept = network["change"]["state"] == "confirmed";
            (kept && running >= least && running == daemons.len()).then_some(())
        })
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

/// The panel and the secret of the last line that announced both.
fn printed(log: &str) -> Option<(String, String)> {
    let line = log.lines().rev().find(|line| line.starts_with("panel "))?;
    let mut words = line.split(' ').skip(1).step_by(2);
    Some((words.next()?.to_owned(), words.next()?.to_owned()))
}

/// What of a network's status tells why something is not as it should be.
fn brief(network: &Value) -> String {
    let parts = ["internet", "uplinks", "mesh", "daemons", "problems", "change"];
    parts.iter().map(|part| format!("{part}: {} ", network[*part])).collect()
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

fn spawn(host: &Host, program: &Path, state: &str) -> Result<Running> {
    let words = words(program)?;
    let words: Vec<&str> = words.split(' ').chain(["--state", state]).collect();
    host.spawn(program, &words)
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
    fn the_last_secret_counts() {
        let log =
            "panel http://127.0.0.1:8480/ claim A\nnoise\npanel http://127.0.0.1:8480/ claim B\n";
        let seen = printed(log).unwrap();
        assert_eq!(seen, ("http://127.0.0.1:8480/".to_owned(), "B".to_owned()));
        assert_eq!(printed("panel http://127.0.0.1:8480/\n"), None, "it is claimed");
    }

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
