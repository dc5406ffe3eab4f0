//! From exec to the first page, and the size of the program.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Scale;
use super::syncthing;
use super::table::{Goal, Table, median};
use crate::lab::http::Ask;
use crate::lab::namespace::call;
use crate::lab::process::{Node, Plan};
use crate::lab::{installed, kith, scratch};

pub(super) fn measure(scale: Scale, table: &mut Table) -> Result<()> {
    let size = std::fs::metadata(kith()?).context("look at kith")?.len() as f64 / 1e6;
    table.judge("the program, stripped", (size, "MB"), (Goal::AtMost, 12.0), String::new());

    let folder = scratch("start")?;
    let ours: Result<Vec<f64>> = (0..scale.rounds.max(3)).map(|n| ours(folder.path(), n)).collect();
    let ours = median(ours?);
    if !installed("syncthing") {
        table.skip("start beside Syncthing: syncthing is not installed".into());
        table.say("start to the first 200", ours * 1e3, "ms", String::new());
        return Ok(());
    }
    let theirs: Result<Vec<f64>> =
        (0..scale.rounds.max(3)).map(|n| syncthing(folder.path(), n)).collect();
    let theirs = median(theirs?);
    let detail = format!("{:.0} ms of {:.0} ms; aim 0.03", ours * 1e3, theirs * 1e3);
    let goal = (Goal::AtMost, 0.15);
    syncthing::beside(table, "start to the first 200", (ours / theirs, ""), goal, &detail)
}

/// The first start of a fresh state counts: it makes keys, too.
fn ours(folder: &Path, round: usize) -> Result<f64> {
    let mut plan = Plan::new(&format!("start-{round}"), folder);
    let port = free_port()?;
    plan.words = vec!["--panel".into(), format!("127.0.0.1:{port}")];
    let url = format!("http://127.0.0.1:{port}/");
    let ready = std::thread::spawn(move || first_answer(&url));
    let node = Node::start(plan)?;
    let at = ready.join().map_err(|_| anyhow::anyhow!("the asking thread broke"))??;
    let took = at.duration_since(node.started).as_secs_f64();
    node.stop()?;
    Ok(took)
}

fn syncthing(folder: &Path, round: usize) -> Result<f64> {
    let home = folder.join(format!("syncthing-{round}"));
    syncthing::generate(&home)?;
    let port = free_port()?;
    let start = Instant::now();
    let mut child = syncthing::serve(&home, port, "key")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start syncthing")?;
    let at = first_answer(&format!("http://127.0.0.1:{port}/"));
    call("kill", &["-TERM", &child.id().to_string()])?;
    child.wait().context("end syncthing")?;
    Ok(at?.duration_since(start).as_secs_f64())
}

fn first_answer(url: &str) -> Result<Instant> {
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        if Ask::get(url)?.send().is_ok_and(|a| a.status == 200) {
            return Ok(Instant::now());
        }
        anyhow::ensure!(Instant::now() < limit, "no 200 from {url} in 30 s");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("a free port")?;
    Ok(listener.local_addr().context("a free port")?.port())
}
