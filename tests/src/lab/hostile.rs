//! A neighbour who means harm: at the wire, at the sign-in, at the disk.
//!
//! After everything the node is alive, its panel answers, its memory is bounded and what it held it
//! still holds.

mod disk;
mod guesses;
mod tricks;

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Wishes;
use super::http::Ask;
use super::process::Node;
use super::report::Report;

/// MiB that attackers may make a node take beyond what it has when idle: windows of the connections
/// they may have, and one password hash.
const ROOM_MIB: u64 = 64;

/// Runs the scenarios that are wanted.
#[must_use]
pub fn run(wishes: &Wishes) -> Report {
    let mut report = Report::default();
    if wishes.wants("wire") {
        tricks::run(wishes.seed, &mut report);
    }
    if wishes.wants("passphrases") {
        report.note("hostile passphrases", guesses::run());
    }
    if wishes.wants("disk") {
        report.note("hostile disk", disk::run());
    }
    report
}

/// Watches a node while it is attacked.
struct Watch {
    idle_mib: u64,
    since: Instant,
}

impl Watch {
    fn start(node: &Node) -> Result<Self> {
        for pid in node.pids() {
            fs::write(format!("/proc/{pid}/clear_refs"), "5").context("forget the high water")?;
        }
        Ok(Self { idle_mib: high_water(node)?, since: Instant::now() })
    }

    /// The node is as it should be; answers a sentence with figures.
    fn check(&self, node: &mut Node) -> Result<String> {
        ensure!(node.alive(), "the node is gone:\n{}", node.log());
        let start = Instant::now();
        let panel = Ask::get(&node.panel)?.send().context("the panel does not answer")?;
        let took = start.elapsed();
        ensure!(panel.status == 200, "the panel answers {}", panel.status);
        ensure!(took < Duration::from_secs(2), "the panel takes {took:?}");
        let most = high_water(node)?;
        let grown = most.saturating_sub(self.idle_mib);
        ensure!(grown <= ROOM_MIB, "memory grew from {} to {most} MiB", self.idle_mib);
        let restarts = node.log().matches("restart").count();
        ensure!(restarts == 0, "the node was restarted:\n{}", node.log());
        let idle = self.idle_mib;
        Ok(format!(
            "{:.0?}; memory {idle} to {most} MiB; panel in {took:.1?}",
            self.since.elapsed()
        ))
    }
}

fn high_water(node: &Node) -> Result<u64> {
    let mut most = 0;
    for pid in node.pids() {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("read memory")?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib = line.split_whitespace().next().and_then(|k| k.parse::<u64>().ok());
        most += kib.context("no number")? / 1024;
    }
    Ok(most)
}
