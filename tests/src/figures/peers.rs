//! How soon boxes find each other, each with its own network on one switch.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::Scale;
use super::table::{Goal, Table, median};
use crate::lab::namespace::{self, Namespace};
use crate::lab::process::{Node, Plan};
use crate::lab::{scratch, wait};

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn measure(scale: Scale, table: &mut Table) -> Result<()> {
    let boxes = namespace::boxes(&["anna", "bert"])?;
    let rounds: Result<Vec<(f64, f64)>> = (0..scale.rounds).map(|_| round(&boxes)).collect();
    namespace::remove(&boxes)?;
    let (found, known): (Vec<f64>, Vec<f64>) = rounds?.into_iter().unzip();
    let goal = (Goal::AtMost, 1.5);
    table.judge(
        "a second node is found",
        (median(found), "s"),
        goal,
        "from its start, by mDNS".into(),
    );
    let detail = "from the start of an invited node, address unknown".into();
    table.judge("… and authenticated once invited", (median(known), "s"), goal, detail);
    Ok(())
}

fn round(boxes: &[Namespace]) -> Result<(f64, f64)> {
    ensure!(boxes.len() == 2, "two boxes");
    let folder = scratch("peers")?;
    let anna = Node::start(Plan::new("anna", folder.path()).inside(&boxes[0]))?;
    let bert = Node::start(Plan::new("bert", folder.path()).inside(&boxes[1]))?;
    wait(PATIENCE, "both have heard each other", || Ok(heard(&bert)? && heard(&anna)?))?;
    let found = bert.started.elapsed();
    bert.kith(&["join", &anna.invite()?])?;
    wait(PATIENCE, "they are connected", || Ok(anna.peers("connected")? == 1))?;
    // Anna comes back at another port, so that what Bert remembers is of no use.
    let bert_plan = bert.stop()?;
    let bert = Node::start(bert_plan)?;
    wait(PATIENCE, "they are connected again", || Ok(bert.peers("connected")? == 1))?;
    Ok((found.as_secs_f64(), bert.started.elapsed().as_secs_f64()))
}

fn heard(node: &Node) -> Result<bool> {
    Ok(node.peers("stranger")? + node.peers("connected")? > 0)
}
