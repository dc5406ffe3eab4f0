//! One large file between two nodes on loopback, beside raw quinn and Syncthing.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::cost;
use super::syncthing;
use super::table::{Goal, Table, median};
use super::{Scale, table};
use crate::lab::process::{Node, Plan};
use crate::lab::{installed, scratch, wait, wait_asking};

const PATIENCE: Duration = Duration::from_secs(300);

/// Between two questions whether a transfer is done. Each costs a few milliseconds of the two cores that
/// the transfer needs, so they are not many.
pub(super) const ASKING: Duration = Duration::from_millis(40);

/// What a transfer has cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Seconds to take it in at the sender.
    pub(super) import: f64,
    /// Seconds from the want to durable at the receiver.
    pub(super) wall: f64,
    /// CPU seconds of both sides in that time.
    pub(super) cpu: f64,
    /// MiB at most at the sender, and at the receiver.
    pub(super) high_water: (f64, f64),
}

pub(super) fn measure(scale: Scale, table: &mut Table) -> Result<()> {
    let gib = scale.file as f64 / f64::from(1 << 30);
    let (mut ours, mut quinn, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..scale.rounds {
        let folder = scratch("transfer")?;
        let source = folder.path().join("source");
        fs::create_dir_all(&source).context("make the source")?;
        random_file(&source.join("large.bin"), scale.file, round as u64)?;
        quinn.push(raw_quinn(folder.path(), &source)?);
        ours.push(kith(folder.path(), &source.join("large.bin"))?);
        if installed("syncthing") {
            theirs.push(syncthing::transfer(folder.path(), &source)?);
        }
    }
    let of = |f: fn(&Run) -> f64| median(ours.iter().map(f).collect());
    let wall = of(|r| r.wall);
    let bare = median(quinn.iter().map(|r| r.0).collect());
    let bare_cpu = median(quinn.iter().map(|r| r.1).collect());
    let rate = |s: f64| gib * 1024.0 / s;
    table.say(
        "raw quinn, file to file",
        rate(bare),
        "MiB/s",
        format!("{} CPU-s/GiB", table::round(bare_cpu / gib)),
    );
    table.say("import at the sender", rate(of(|r| r.import)), "MiB/s", String::new());
    let detail = format!("{:.0} MiB/s; aim 0.8", rate(wall));
    table.judge("a large file / raw quinn", (bare / wall, ""), (Goal::AtLeast, 0.65), detail);
    let memory = [("sender", of(|r| r.high_water.0)), ("receiver", of(|r| r.high_water.1))];
    for (side, mib) in memory {
        let what = format!("memory of the {side} meanwhile");
        table.judge(&what, (mib, "MiB"), (Goal::AtMost, 35.0), "VmHWM".into());
    }
    if theirs.is_empty() {
        table.skip("transfers beside Syncthing: syncthing is not installed".into());
        return Ok(());
    }
    beside_syncthing(gib, (wall, of(|r| r.cpu), of(|r| r.import)), &theirs, table)
}

fn beside_syncthing(
    gib: f64,
    (wall, cpu, import): (f64, f64, f64),
    theirs: &[syncthing::Run],
    table: &mut Table,
) -> Result<()> {
    let of = |f: fn(&syncthing::Run) -> f64| median(theirs.iter().map(f).collect());
    let (pull, scan) = (of(|r| r.pull), of(|r| r.scan));
    let detail = format!("it takes {pull:.1} s and {scan:.1} s to scan; aim 6");
    let goal = (Goal::AtLeast, 4.0);
    syncthing::beside(table, "a large file", (pull / wall, "x"), goal, &detail)?;
    let with = (pull + scan) / (wall + import);
    table.say("… with import and scan", with, "x", String::new());
    let detail = format!("{:.2} of {:.2} CPU-s/GiB", cpu / gib, of(|r| r.pull_cpu) / gib);
    let ratio = (cpu / of(|r| r.pull_cpu), "");
    syncthing::beside(table, "CPU of a large file", ratio, (Goal::AtMost, 0.3), &detail)?;
    table.say("CPU of it with its scan", of(|r| r.cpu) / gib, "s/GiB", String::new());
    table.say(
        "memory of Syncthing",
        of(|r| r.high_water),
        "MiB",
        "VmHWM of the larger side".into(),
    );
    Ok(())
}

/// Two nodes that share a space; `path` (a file or folder) goes from one to the other.
pub(super) fn kith(folder: &Path, path: &Path) -> Result<Run> {
    let anna = Node::start(Plan::new("anna", folder))?;
    let bert = Node::start(Plan::new("bert", folder))?;
    bert.kith(&["join", &anna.invite()?])?;
    wait(PATIENCE, "they are connected", || Ok(bert.peers("connected")? == 1))?;
    let name = path.file_name().and_then(|n| n.to_str()).context("a name in UTF-8")?;
    // The other side is held while this one imports, so that nothing is on its way before the clock
    // starts, and memory can be warmed in between as it is for the others.
    let held = bert.hold()?;
    cost::warm_memory(3 * bytes_in(path)?);
    cost::forget_high_water(&anna.pids())?;
    cost::forget_high_water(&bert.pids())?;
    let start = Instant::now();
    anna.kith(&["files", "add", path.to_str().context("a path in UTF-8")?])?;
    let import = start.elapsed().as_secs_f64();
    let size = bytes_in(path)?;
    cost::warm_memory(3 * size);
    let imported = cost::cpu(&anna.pids())? + cost::cpu(&bert.pids())?;
    let start = Instant::now();
    drop(held);
    wait_asking(ASKING, (PATIENCE, "the other has all of it"), || {
        // Two witnesses: the entry says that it is whole, the store says that it holds as many bytes.
        Ok(bert.files()?.get(name) == Some(&true) && stored(&bert)? >= size)
    })
    .with_context(|| bert.log())?;
    let wall = start.elapsed().as_secs_f64();
    let cpu = cost::cpu(&anna.pids())? + cost::cpu(&bert.pids())? - imported;
    let high_water = (cost::high_water(&anna.pids())?, cost::high_water(&bert.pids())?);
    anna.stop()?;
    bert.stop()?;
    Ok(Run { import, wall, cpu, high_water })
}

fn stored(node: &Node) -> Result<u64> {
    node.json(&["status"])?["store"]["block_bytes"].as_u64().context("bytes of blocks")
}

/// Bytes of a file, or of the files in a folder.
pub(super) fn bytes_in(path: &Path) -> Result<u64> {
    let about = fs::metadata(path).context("look at a path")?;
    if about.is_file() {
        return Ok(about.len());
    }
    let mut sum = 0;
    for entry in fs::read_dir(path).context("look into a folder")? {
        let about = entry.and_then(|e| e.metadata()).context("look at a file")?;
        sum += if about.is_file() { about.len() } else { 0 };
    }
    Ok(sum)
}

/// Seconds and CPU seconds of the baseline.
pub(super) fn raw_quinn(folder: &Path, source: &Path) -> Result<(f64, f64)> {
    let own = std::env::current_exe().context("find this program")?;
    let out = folder.join("quinn-out");
    fs::create_dir_all(&out).context("make the receiver's folder")?;
    let mut server = Command::new(&own)
        .arg("baseline-quinn-serve")
        .arg(source)
        .stdout(Stdio::piped())
        .spawn()
        .context("start the sender")?;
    let mut address = String::new();
    let pipe = server.stdout.take().context("its output")?;
    BufReader::new(pipe).read_line(&mut address).context("read its address")?;
    cost::warm_memory(3 * bytes_in(source)?);
    let before = children_cpu()?;
    let start = Instant::now();
    let status = Command::new(&own)
        .args(["baseline-quinn-fetch", address.trim()])
        .arg(&out)
        .status()
        .context("start the receiver")?;
    let wall = start.elapsed().as_secs_f64();
    if !status.success() {
        bail!("raw quinn: {status}");
    }
    server.wait().context("end the sender")?;
    let cpu = children_cpu()? - before;
    fs::remove_dir_all(&out).context("remove the copy")?;
    Ok((wall, cpu))
}

/// CPU seconds of the processes this one has waited for.
fn children_cpu() -> Result<f64> {
    cost::cpu(&[std::process::id()])
}

/// Writes a file that no compressor shrinks and in which no chunk can stand in for another.
///
/// # Errors
/// When it cannot be written.
pub fn random_file(path: &Path, size: u64, seed: u64) -> Result<()> {
    let mut file = File::create(path).context("make a file")?;
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut chunk = vec![0_u8; 1 << 20];
    let mut left = size;
    while left > 0 {
        for word in chunk.chunks_exact_mut(8) {
            // xorshift64 (Marsaglia 2003).
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        let n = left.min(chunk.len() as u64);
        file.write_all(&chunk[..n as usize]).context("write a file")?;
        left -= n;
    }
    file.sync_all().context("make a file durable")
}
