//! What `kith files export` wrote, read by an IPFS implementation that is not ours.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::process::{Node, Plan};
use super::report::Report;
use super::{installed, scratch, source};

/// Five whole chunks and three bytes: the last leaf is short and the tree has two levels.
const LARGE: usize = (5 << 20) + 3;

/// Exports a file and a folder and has the checker in `tests/ipfs` read them.
#[must_use]
pub fn run() -> Report {
    if !installed("node") {
        return Report::skipped("ipfs", "node is not installed".into());
    }
    if !source("ipfs").join("node_modules").is_dir() {
        return Report::skipped("ipfs", "npm ci has not run in tests/ipfs".into());
    }
    let mut report = Report::default();
    match prepare() {
        Ok((node, folder)) => {
            report.note("ipfs file", check(&node, folder.path(), "large.bin"));
            report.note("ipfs folder", check(&node, folder.path(), "folder"));
        }
        Err(why) => report.note("ipfs", Err(why)),
    }
    report
}

fn prepare() -> Result<(Node, tempfile::TempDir)> {
    let folder = scratch("ipfs")?;
    fs::write(folder.path().join("large.bin"), pattern(LARGE)).context("write the file")?;
    let tree = folder.path().join("folder/inner/deep");
    fs::create_dir_all(&tree).context("make the folder")?;
    fs::write(tree.join("empty"), b"").context("write a file")?;
    fs::write(tree.join("grüße.txt"), "ÄÖÜ\n").context("write a file")?;
    fs::write(folder.path().join("folder/two.bin"), pattern((1 << 20) + 1))
        .context("write a file")?;
    let node = Node::start(Plan::new("anna", folder.path()))?;
    Ok((node, folder))
}

/// Bytes that differ from chunk to chunk, so that none can stand in for another.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn check(node: &Node, folder: &Path, name: &str) -> Result<String> {
    let original = folder.join(name);
    let car = folder.join(format!("{name}.car"));
    let text = |p: &Path| p.to_str().map(str::to_owned).context("a path in UTF-8");
    let added = node.json(&["files", "add", &text(&original)?])?;
    node.kith(&["files", "export", name, &text(&car)?])?;
    let root = added["root"].as_str().unwrap_or_default().to_owned();
    let output = Command::new("node")
        .arg(source("ipfs").join("check.mjs"))
        .arg(&car)
        .arg(&original)
        .stdin(Stdio::null())
        .output()
        .context("start node")?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        bail!("{said} {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    ensure!(!root.is_empty() && said.contains(&root), "the root is not {root} but {said}");
    Ok(said.lines().last().unwrap_or_default().to_owned())
}
