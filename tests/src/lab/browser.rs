//! Headless Chromium at the panels of two nodes, driven by the project in `tests/browser`.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use kith_core::unixfs::car::CarReader;

use super::process::{Node, Plan};
use super::report::Report;
use super::{Wishes, installed, kith, scratch, source};

/// Whether scripts run in the browser.
const WAYS: [&str; 2] = ["scripts", "no-scripts"];

/// Walks through the panels, with JavaScript and without.
#[must_use]
pub fn run(wishes: &Wishes) -> Report {
    if !installed("node") || !installed("chromium") {
        return Report::skipped("browser", "node or chromium is not installed".into());
    }
    if !source("browser").join("node_modules").is_dir() {
        return Report::skipped("browser", "npm ci has not run in tests/browser".into());
    }
    let mut report = Report::default();
    for way in WAYS.into_iter().filter(|way| wishes.wants(way)) {
        report.note(&format!("browser {way}"), walk(way));
        report.note(&format!("browser router {way}"), set_up(way));
    }
    if wishes.wants("pairs") {
        report.note("browser pairs", pairs());
    }
    report
}

fn walk(way: &str) -> Result<String> {
    let folder = scratch("browser")?;
    let anna = Node::start(Plan::new("anna", folder.path()))?;
    let bert = Node::start(Plan::new("bert", folder.path()))?;
    let output = Command::new("node")
        .arg(source("browser").join("walk.mjs"))
        .arg(way)
        .env("ANNA", &anna.panel)
        .env("ANNA_CLAIM", anna.claim.clone().unwrap_or_default())
        .env("BERT", &bert.panel)
        .env("BERT_CLAIM", bert.claim.clone().unwrap_or_default())
        .env("KITH", kith()?)
        .env("FOLDER", folder.path())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("start node")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{said}");
    if !output.status.success() {
        bail!("{}\n{}", said.lines().last().unwrap_or("no word"), anna.log());
    }
    let exported = export(&anna, folder.path(), "trip")?;
    anna.stop()?;
    bert.stop()?;
    Ok(format!("{}; {exported}", said.lines().last().unwrap_or_default()))
}

/// Looks at combinations of page, state, language, scheme, width and scripts.
fn pairs() -> Result<String> {
    alone("dora", &["pairs.mjs"])
}

/// Sets the simulated network of a box up, undoes a change, and moves its address.
fn set_up(way: &str) -> Result<String> {
    alone("carl", &["router.mjs", way])
}

/// Lets a script drive one fresh box, which it finds under its name in capitals; its last word.
fn alone(name: &'static str, script: &[&str]) -> Result<String> {
    let folder = scratch(name)?;
    let node = Node::start(Plan::new(name, folder.path()))?;
    let variable = name.to_uppercase();
    let output = Command::new("node")
        .current_dir(source("browser"))
        .args(script)
        .env(&variable, &node.panel)
        .env(format!("{variable}_CLAIM"), node.claim.clone().unwrap_or_default())
        .env("FOLDER", folder.path())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("start node")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{said}");
    let last = said.lines().last().unwrap_or("no word").to_owned();
    if !output.status.success() {
        bail!("{last}\n{}", node.log());
    }
    node.stop()?;
    Ok(last)
}

/// Exports a folder that was uploaded in the panel, and checks every block of the CAR.
fn export(node: &Node, folder: &Path, name: &str) -> Result<String> {
    let car = folder.join("out.car");
    node.kith(&["files", "export", name, car.to_str().context("a path in UTF-8")?])?;
    let mut reader = CarReader::new();
    reader.push(&std::fs::read(&car).context("read the CAR")?);
    let mut blocks = 0;
    while reader.next_block().context("read a block")?.is_some() {
        blocks += 1;
    }
    // Three directories, forty notes, and a file of two leaves under one node.
    ensure!(reader.roots().len() == 1 && blocks == 46, "{name} has {blocks} blocks");
    reader.finish().context("the CAR's end")?;
    Ok(format!("{name} exported as {blocks} blocks under one root"))
}
