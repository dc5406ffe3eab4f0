//! Radios that vanish and appear while a box runs: it says so, what is left goes on, and what comes back is
//! used.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::home::{BOX, FAMILY};
use super::product::Product;
use super::stage::{AT_A, Stage};
use crate::lab::vm::inside::lab::Lab;
use crate::lab::vm::inside::wait::{until, when};

const LONG: Duration = Duration::from_secs(120);

/// A problem by its code, in words.
fn problem(network: &Value, code: &str) -> Option<String> {
    let all = network["problems"].as_array()?;
    let found = all.iter().find(|problem| problem["code"] == code)?;
    found["message"].as_str().map(str::to_owned)
}

fn has_neighbours(network: &Value) -> Option<()> {
    (!network["mesh"]["neighbours"].as_array()?.is_empty()).then_some(())
}

/// What does not need radios: names and the box itself, for a laptop by cable.
fn household(stage: &Stage) -> Result<()> {
    let laptop = &stage.laptop;
    let name = laptop.resolve("kith.internal", BOX)?;
    ensure!(name == BOX && laptop.ns.pings(BOX, 5)?, "the household is not served: {name}");
    Ok(())
}

pub(super) fn come_and_go(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let [a, ..] = boxes else { bail!("a box") };
    stage.laptop.lease()?;
    a.settles("A is in the mesh", has_neighbours)?;
    mesh_radio(lab, stage, a)?;
    house_radio(lab, stage, a)
}

/// The mesh's radio goes, and comes back under its name, as one does whose driver starts anew.
fn mesh_radio(lab: &Lab, stage: &Stage, a: &Product<'_>) -> Result<()> {
    let ns = &a.host.ns;
    let done = "A's phy0 is taken away";
    lab.check("a mesh without a radio is told of", done, "in words; the house is served", || {
        let hostapd = a.process("hostapd").context("no hostapd")?;
        stage.air.take(0, ns)?;
        let (words, took) = a.settles("a problem", |n| problem(n, "no-mesh-radio"))?;
        a.settles("no neighbours", |n| has_neighbours(n).is_none().then_some(()))?;
        household(stage)?;
        ensure!(a.process("hostapd") == Some(hostapd), "hostapd is another one");
        Ok(format!("after {:.1} s: {words}", took.as_secs_f32()))
    })?;
    let done = "A's phy0 is there again";
    lab.check("a radio that comes back joins the mesh", done, "a neighbour, no problem", || {
        stage.air.put_back(0, ns)?;
        let ((), took) = a.settles("A is in the mesh again", |network| {
            let well = problem(network, "no-mesh-radio").is_none();
            has_neighbours(network).filter(|()| well)
        })?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    })?;
    Ok(())
}

/// The house's radio goes for good, and another one is plugged in.
fn house_radio(lab: &Lab, stage: &Stage, a: &Product<'_>) -> Result<()> {
    let ns = &a.host.ns;
    let phone = stage.phones.first().context("a phone")?;
    let (joined, _) = phone.join("House A", FAMILY)?;
    let done = "A's phy3 is destroyed while a phone is in its Wi-Fi";
    lab.check("a house without Wi-Fi is told of", done, "in words; cable and mesh go on", || {
        stage.air.pull_out(3, ns)?;
        let (words, took) = a.settles("a problem", |n| problem(n, "no-access-point"))?;
        household(stage)?;
        a.settles("A is in the mesh", has_neighbours)?;
        until(LONG, "the phone is alone", || {
            let status = joined.control.status()?;
            let state = status.get("wpa_state").cloned().unwrap_or_default();
            Ok(when(state != "COMPLETED", (), || state))
        })?;
        Ok(format!("after {:.1} s: {words}", took.as_secs_f32()))
    })?;
    let done = "a radio that A has never had is plugged in; nothing is set for it";
    lab.check("a radio that appears serves", done, "the same Wi-Fi, the phone is back", || {
        let phy = stage.air.plug_in(AT_A, ns)?;
        let took = phone.connected(&joined)?;
        phone.lease()?;
        ensure!(phone.ns.pings(BOX, 10)?, "the box does not answer the phone");
        a.settles("no problem", |n| problem(n, "no-access-point").is_none().then_some(()))?;
        Ok(format!("phy{phy}, the phone after {:.1} s", took.as_secs_f32()))
    })?;
    Ok(())
}
