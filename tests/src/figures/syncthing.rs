//! Syncthing as a peer: two of it on loopback, no discovery, low priority off, told by its REST API.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::cost;
use super::start::free_port;
use super::table::{Goal, Table};
use super::transfer::{ASKING, bytes_in};
use crate::lab::http::Ask;
use crate::lab::namespace::call;
use crate::lab::process::tree;
use crate::lab::{wait, wait_asking};

const KEY: &str = "lab";
const PATIENCE: Duration = Duration::from_secs(600);

/// What a transfer has cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Seconds of scanning at the sender.
    pub(super) scan: f64,
    /// Seconds from the want to whole at the receiver.
    pub(super) pull: f64,
    /// CPU seconds of scan and pull, both sides.
    pub(super) cpu: f64,
    /// CPU seconds of the pull alone, both sides.
    pub(super) pull_cpu: f64,
    /// MiB at most, of the larger side.
    pub(super) high_water: f64,
}

/// The version that is installed, such as `1.29`, and whether our goals were set beside it or a later
/// one: they were measured beside 1.29.5. The 1.19 of Debian 12 moves files several times as fast, and
/// is shown without being judged.
pub(super) fn version() -> Result<(String, bool)> {
    let output = call("syncthing", &["--version"])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(1).unwrap_or_default().trim_start_matches('v');
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Ok((format!("{major}.{minor}"), (major, minor) >= (1, 27)))
}

/// A ratio to Syncthing, judged where the version allows it.
pub(super) fn beside(
    table: &mut Table,
    what: &str,
    value: (f64, &'static str),
    goal: (Goal, f64),
    detail: &str,
) -> Result<()> {
    let (version, judged) = version()?;
    let what = format!("{what} / Syncthing {version}");
    if judged {
        table.judge(&what, value, goal, detail.to_owned());
    } else {
        table.say(&what, value.0, value.1, format!("{detail}; too old to be judged by"));
    }
    Ok(())
}

/// Makes keys and settings in `home`.
pub(super) fn generate(home: &Path) -> Result<()> {
    let home = format!("--home={}", home.display());
    call("syncthing", &["generate", &home, "--no-default-folder"]).map(drop)
}

/// The command that serves `home` with its panel at `port`.
pub(super) fn serve(home: &Path, port: u16, key: &str) -> Command {
    let mut command = Command::new("syncthing");
    command
        .arg("serve")
        .arg(format!("--home={}", home.display()))
        .args(["--no-browser", "--no-restart", "--no-upgrade", "--no-default-folder"])
        .arg(format!("--gui-address=127.0.0.1:{port}"))
        .arg(format!("--gui-apikey={key}"));
    command
}

/// Sends what lies in `from` (a folder) from one Syncthing to another; both work below `scratch`.
pub(super) fn transfer(scratch: &Path, from: &Path) -> Result<Run> {
    let sender = Daemon::start(&scratch.join("st-a"))?;
    let receiver = Daemon::start(&scratch.join("st-b"))?;
    sender.know(&receiver)?;
    receiver.know(&sender)?;
    let to = scratch.join("st-out");
    fs::create_dir_all(&to).context("make the receiver's folder")?;
    fs::create_dir_all(from.join(".stfolder")).context("mark the sender's folder")?;
    fs::create_dir_all(to.join(".stfolder")).context("mark the receiver's folder")?;
    receiver.share(&to, &sender, true)?;
    wait(PATIENCE, "the two are connected", || sender.connected(&receiver))?;

    cost::warm_memory(3 * bytes_in(from)?);
    let before = sender.cpu()? + receiver.cpu()?;
    let start = Instant::now();
    sender.share(from, &receiver, false)?;
    wait(PATIENCE, "the sender has scanned", || sender.scanned())?;
    let scan = start.elapsed().as_secs_f64();
    cost::warm_memory(3 * bytes_in(from)?);
    let scanned = sender.cpu()? + receiver.cpu()?;
    let start = Instant::now();
    receiver.ask("PATCH", "config/folders/lab", Some(&json!({"paused": false})))?;
    let size = sender.status()?["globalBytes"].clone();
    wait_asking(ASKING, (PATIENCE, "the receiver has everything"), || {
        let status = receiver.status()?;
        let whole = status["globalBytes"] == size && status["needBytes"] == 0;
        Ok(whole && status["needFiles"] == 0 && status["state"] == "idle")
    })?;
    let pull = start.elapsed().as_secs_f64();
    let arrived = bytes_in(&to)?;
    ensure!(arrived == bytes_in(from)?, "syncthing says it is done at {arrived} bytes");
    let after = sender.cpu()? + receiver.cpu()?;
    let high_water = cost::high_water(&[sender.pids(), receiver.pids()].concat())?;
    fs::remove_dir_all(from.join(".stfolder")).context("unmark the sender's folder")?;
    Ok(Run { scan, pull, cpu: after - before, pull_cpu: after - scanned, high_water })
}

struct Daemon {
    child: Child,
    port: u16,
    peer_port: u16,
    id: String,
    home: PathBuf,
}

impl Daemon {
    fn start(home: &Path) -> Result<Self> {
        generate(home)?;
        let (port, peer_port) = (free_port()?, free_port()?);
        let log = fs::File::create(home.join("log")).context("a log")?;
        let child = serve(home, port, KEY)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .context("start syncthing")?;
        let mut this = Self { child, port, peer_port, id: String::new(), home: home.to_owned() };
        wait(PATIENCE, "syncthing answers", || {
            let status = this.ask("GET", "system/status", None).unwrap_or_default();
            this.id = status["myID"].as_str().unwrap_or_default().to_owned();
            Ok(!this.id.is_empty())
        })?;
        let options = json!({
            "listenAddresses": [format!("tcp://127.0.0.1:{peer_port}")],
            "globalAnnounceEnabled": false, "localAnnounceEnabled": false, "relaysEnabled": false,
            "natEnabled": false, "urAccepted": -1, "crashReportingEnabled": false,
            "setLowPriority": false, "reconnectionIntervalS": 1, "startBrowser": false,
        });
        this.ask("PATCH", "config/options", Some(&options))?;
        Ok(this)
    }

    fn know(&self, other: &Self) -> Result<()> {
        let address = format!("tcp://127.0.0.1:{}", other.peer_port);
        let device = json!({"deviceID": other.id, "addresses": [address], "compression": "never"});
        self.ask("PUT", &format!("config/devices/{}", other.id), Some(&device)).map(drop)
    }

    fn share(&self, path: &Path, with: &Self, paused: bool) -> Result<()> {
        let folder = json!({
            "id": "lab", "path": path, "paused": paused, "fsWatcherEnabled": false,
            "devices": [{"deviceID": self.id}, {"deviceID": with.id}],
        });
        self.ask("PUT", "config/folders/lab", Some(&folder)).map(drop)
    }

    fn connected(&self, other: &Self) -> Result<bool> {
        let all = self.ask("GET", "system/connections", None)?;
        Ok(all["connections"][&other.id]["connected"] == true)
    }

    fn status(&self) -> Result<Value> {
        self.ask("GET", "db/status?folder=lab", None)
    }

    fn scanned(&self) -> Result<bool> {
        let status = self.status()?;
        Ok(status["state"] == "idle" && status["localFiles"].as_u64().unwrap_or(0) > 0)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let url = format!("http://127.0.0.1:{}/rest/{path}", self.port);
        let ask = match body {
            Some(body) => Ask::post_json(&url, body)?,
            None => Ask::get(&url)?,
        };
        let answer = ask.method(method).header("x-api-key", KEY).send()?;
        let text = answer.text();
        ensure!(answer.status == 200, "syncthing {method} {path}: {} {text}", answer.status);
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Syncthing watches over itself from a process of its own.
    fn pids(&self) -> Vec<u32> {
        tree(self.child.id())
    }

    fn cpu(&self) -> Result<f64> {
        cost::cpu(&self.pids())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Asked to, it ends its other process, too.
        let _ = call("kill", &["-TERM", &self.child.id().to_string()]);
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.home);
    }
}
