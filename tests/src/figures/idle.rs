//! What a connected pair of nodes costs while nothing happens.

use std::time::Duration;

use anyhow::Result;

use super::table::{Goal, Table};
use super::{Scale, cost};
use crate::lab::process::{Node, Plan};
use crate::lab::{scratch, wait};

/// What starting and joining still has to write settles in this time.
const SETTLE: Duration = Duration::from_secs(5);
/// Shorter than this and a figure per ten minutes is an anecdote.
const JUDGED_FROM_S: u64 = 300;
const TEN_MINUTES: f64 = 600.0;

pub(super) fn measure(scale: Scale, table: &mut Table) -> Result<()> {
    let folder = scratch("idle")?;
    let anna = Node::start(Plan::new("anna", folder.path()))?;
    let bert = Node::start(Plan::new("bert", folder.path()))?;
    bert.kith(&["join", &anna.invite()?])?;
    for n in 0..20 {
        anna.kith(&["post", &format!("notice {n}")])?;
    }
    wait(Duration::from_secs(30), "both hold the notices", || Ok(bert.posts()?.len() == 20))?;
    std::thread::sleep(SETTLE);
    let pids = anna.pids();
    let (cpu, written) = (cost::cpu(&pids)?, cost::written(&pids)?);
    std::thread::sleep(Duration::from_secs(scale.idle_s));
    let share = TEN_MINUTES / scale.idle_s as f64;
    let cpu = (cost::cpu(&pids)? - cpu) / scale.idle_s as f64 * 100.0;
    let written = (cost::written(&pids)? - written) / 1024.0 * share;
    let over = format!("over {} s, connected to one peer", scale.idle_s);
    let pss = cost::pss(&pids)?;
    table.judge(
        "idle memory",
        (pss, "MiB"),
        (Goal::AtMost, 24.0),
        "PSS of all processes of one box".into(),
    );
    if scale.idle_s < JUDGED_FROM_S {
        // One tick of the accounting, or one page written, would decide.
        table.say("idle CPU", cpu, "%", over.clone());
        table.say("idle writes in ten minutes", written, "KiB", format!("{over}, scaled"));
    } else {
        table.judge("idle CPU", (cpu, "%"), (Goal::AtMost, 0.1), over.clone());
        table.judge("idle writes in ten minutes", (written, "KiB"), (Goal::AtMost, 12.0), over);
    }
    anna.stop()?;
    bert.stop()?;
    Ok(())
}
