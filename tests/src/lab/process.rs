//! A node as a process: started with a state of its own, spoken to through `kith`, stopped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

use super::namespace::{Namespace, call};

/// How to start a node.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the lab calls it.
    pub name: String,
    /// Its state.
    pub state: PathBuf,
    /// The box it runs in; the lab's own network when not given.
    pub inside: Option<Namespace>,
    /// More words for `kith run`.
    pub words: Vec<String>,
}

impl Plan {
    /// A node with its state in `folder`.
    #[must_use]
    pub fn new(name: &str, folder: &Path) -> Self {
        let words = vec!["--panel".into(), "127.0.0.1:0".into()];
        Self { name: name.into(), state: folder.join(name), inside: None, words }
    }

    /// The same in a box of its own.
    #[must_use]
    pub fn inside(mut self, namespace: &Namespace) -> Self {
        self.inside = Some(namespace.clone());
        self
    }
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    /// How it was started.
    pub plan: Plan,
    /// The panel's address, `http://IP:PORT/`.
    pub panel: String,
    /// The claim secret, while nobody owns it.
    pub claim: Option<String>,
    /// How long it took from its start to its line.
    pub took: Duration,
    /// When it was started.
    pub started: Instant,
    program: PathBuf,
    child: Child,
}

/// How a run of `kith` ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; 128 when killed.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Node {
    /// Starts a node and waits for the one line it prints.
    ///
    /// # Errors
    /// When it ends or stays silent for 20 s; with its log.
    pub fn start(plan: Plan) -> Result<Self> {
        let program = super::kith()?;
        fs::create_dir_all(&plan.state).context("make the state")?;
        let log = File::create(log_of(&plan.state)).context("make the log")?;
        let mut command = match &plan.inside {
            Some(namespace) => namespace.command(&program),
            None => Command::new(&program),
        };
        let started = Instant::now();
        let mut child = command
            .arg("run")
            .arg("--state")
            .arg(&plan.state)
            .args(&plan.words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("start kith run")?;
        let line = first_line(&mut child).inspect_err(|_| {
            let _ = child.kill();
        });
        let line = line.with_context(|| format!("log of {}:\n{}", plan.name, tail(&plan.state)))?;
        let took = started.elapsed();
        let (panel, claim) = read_line(&line).with_context(|| format!("it printed {line:?}"))?;
        Ok(Self { plan, panel, claim, took, started, program, child })
    }

    /// Runs `kith WORDS --state STATE`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, words: &[&str]) -> Result<Ended> {
        let output = Command::new(&self.program)
            .args(words)
            .arg("--state")
            .arg(&self.plan.state)
            .stdin(Stdio::null())
            .output()
            .context("start kith")?;
        Ok(Ended {
            code: output.status.code().unwrap_or(128),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs `kith WORDS`, which must succeed; answers what it printed.
    ///
    /// # Errors
    /// When it fails; with what it said.
    pub fn kith(&self, words: &[&str]) -> Result<String> {
        let ended = self.run(words)?;
        if ended.code != 0 {
            let name = &self.plan.name;
            bail!("{name}$ kith {}: exit {}: {}", words.join(" "), ended.code, ended.err.trim());
        }
        Ok(ended.out)
    }

    /// Runs `kith WORDS --json` and reads the answer.
    ///
    /// # Errors
    /// When it fails or the answer is not JSON.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        let out = self.kith(&[words, &["--json"]].concat())?;
        serde_json::from_str(&out).with_context(|| format!("kith {words:?} answered {out:?}"))
    }

    /// An invite code of this node.
    ///
    /// # Errors
    /// When there is none.
    pub fn invite(&self) -> Result<String> {
        let answer = self.json(&["invite"])?;
        answer["code"].as_str().map(str::to_owned).ok_or_else(|| anyhow!("no code: {answer}"))
    }

    /// The texts of the notices, newest first.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn posts(&self) -> Result<Vec<String>> {
        let posts = self.json(&["posts"])?;
        Ok(each(&posts).filter_map(|p| p["text"].as_str().map(str::to_owned)).collect())
    }

    /// The paths of the files in the default collection, with whether all of it is here.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn files(&self) -> Result<BTreeMap<String, bool>> {
        let files = self.json(&["files", "ls"])?;
        let entry = |f: &Value| Some((f["path"].as_str()?.to_owned(), f["complete"].as_bool()?));
        Ok(each(&files).filter_map(entry).collect())
    }

    /// The other boxes in `state`.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn peers(&self, state: &str) -> Result<usize> {
        let peers = self.json(&["peers"])?;
        Ok(each(&peers).filter(|p| p["state"] == state).count())
    }

    /// The process ids of the supervisor and everything below it.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        tree(self.child.id())
    }

    /// Keeps its processes from running until the answer is dropped. What others send it waits.
    ///
    /// # Errors
    /// When a process cannot be held.
    pub fn hold(&self) -> Result<Held> {
        // The supervisor first, so that it does not wonder about its node.
        let held = Held(self.pids());
        held.signal("-STOP")?;
        Ok(held)
    }

    /// Whether the supervisor and its node are both there.
    #[must_use]
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None)) && self.pids().len() >= 2
    }

    /// The end of the log, for people.
    #[must_use]
    pub fn log(&self) -> String {
        tail(&self.plan.state)
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Errors
    /// When it has not ended after 15 s, or ends badly.
    pub fn stop(mut self) -> Result<Plan> {
        let pid = self.child.id().to_string();
        call("kill", &["-TERM", &pid])?;
        let mut status = None;
        super::wait(Duration::from_secs(15), "the node has stopped", || {
            status = self.child.try_wait().context("wait for the node")?;
            Ok(status.is_some())
        })?;
        match status.and_then(|s| s.code()) {
            Some(0) => Ok(self.plan.clone()),
            code => bail!("the node ended with {code:?}:\n{}", self.log()),
        }
    }
}

/// Processes that do not run.
#[derive(Debug)]
pub struct Held(Vec<u32>);

impl Held {
    fn signal(&self, signal: &str) -> Result<()> {
        let pids: Vec<String> = self.0.iter().map(u32::to_string).collect();
        let words: Vec<&str> =
            std::iter::once(signal).chain(pids.iter().map(String::as_str)).collect();
        call("kill", &words).map(drop)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // One that has ended meanwhile is missed by whoever needs it.
        let _ = self.signal("-CONT");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The node role ends by itself when its supervisor is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process and everything below it.
#[must_use]
pub fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut next = 0;
    while let Some(parent) = all.get(next).copied() {
        all.extend(children(parent));
        next += 1;
    }
    all
}

/// The items of a JSON array.
pub fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn log_of(state: &Path) -> PathBuf {
    state.with_extension("log")
}

fn tail(state: &Path) -> String {
    let log = fs::read_to_string(log_of(state)).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn first_line(child: &mut Child) -> Result<String> {
    let out = child.stdout.take().context("standard output")?;
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(out).lines();
        let _ = send.send(lines.next());
        // Keeps reading, so that a node that prints more is not killed by a closed pipe.
        lines.for_each(drop);
    });
    match receive.recv_timeout(Duration::from_secs(20)) {
        Ok(Some(line)) => line.context("read its first line"),
        Ok(None) => bail!("kith run ended without a line"),
        Err(_) => bail!("kith run printed nothing for 20 s"),
    }
}

fn read_line(line: &str) -> Result<(String, Option<String>)> {
    let mut words = line.split_whitespace();
    let panel = match (words.next(), words.next()) {
        (Some("panel"), Some(address)) if address.starts_with("http://") => address.to_owned(),
        _ => bail!("not `panel http://ADDR/ claim SECRET`"),
    };
    let claim = (words.next() == Some("claim")).then(|| words.next().map(str::to_owned));
    Ok((panel, claim.flatten()))
}

fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|p| p.file_name().to_str()?.parse().ok())
        .filter(|pid| super::process::parent(*pid) == Some(parent))
        .collect()
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|l| l.strip_prefix("PPid:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_line_is_read_with_and_without_a_secret() {
        let (panel, claim) =
            read_line("panel http://127.0.0.1:8480/ claim AB2C-DEFG-HJKL").unwrap();
        assert_eq!(panel, "http://127.0.0.1:8480/");
        assert_eq!(claim.as_deref(), Some("AB2C-DEFG-HJKL"));
        assert_eq!(read_line("panel http://127.0.0.1:8480/").unwrap().1, None);
        assert!(read_line("listening on 8480").is_err());
    }
}
