//! The system's daemons under a box: hung ones are replaced, and a supervisor that is killed finds them
//! again.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::home::BOX;
use super::product::Product;
use super::stage::Stage;
use crate::lab::namespace::call;
use crate::lab::vm::inside::lab::Lab;
use crate::lab::vm::inside::wait::{until, when};

const LONG: Duration = Duration::from_secs(150);
const HANGING: [&str; 3] = ["hostapd", "wpa_supplicant", "dnsmasq"];
const ALL: [&str; 4] = ["hostapd", "wpa_supplicant", "dnsmasq", "dhcpcd"];

/// The daemons of a box with their processes.
pub(super) fn daemons(product: &Product<'_>) -> BTreeMap<&'static str, u32> {
    ALL.iter().filter_map(|program| Some((*program, product.process(program)?))).collect()
}

/// All three stopped at once, as they are found independently of each other.
pub(super) fn hung(lab: &mut Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let first = boxes.first().context("a box")?;
    let before = daemons(first);
    let began = Instant::now();
    for program in HANGING {
        if let Some(pid) = before.get(program) {
            call("kill", &["-s", "STOP", &pid.to_string()])?;
        }
    }
    for program in HANGING {
        let done = format!("SIGSTOP to A's {program}");
        lab.check(&format!("a hung {program} is replaced"), &done, "another process", || {
            let old = before.get(program).with_context(|| format!("no {program} runs"))?;
            until(LONG, "another process is there", || {
                let new = first.process(program);
                Ok(when(new.is_some_and(|new| new != *old), (), || format!("{new:?}, was {old}")))
            })?;
            Ok(format!("after {:.1} s", began.elapsed().as_secs_f32()))
        })?;
    }
    let others: Vec<_> = daemons(first).into_iter().filter(|(p, _)| *p == "dhcpcd").collect();
    ensure!(others.first().map(|(_, pid)| pid) == before.get("dhcpcd"), "dhcpcd was replaced");
    until(LONG, "dnsmasq serves again", || {
        Ok(stage.laptop.resolve("kith.internal", BOX).map(drop).map_err(|why| format!("{why:#}")))
    })?;
    Ok(())
}

/// Kills the supervisor of a box; the daemons run on, and the next supervisor takes them over.
pub(super) fn adopted<'a>(
    lab: &mut Lab,
    stage: &'a Stage,
    boxes: &mut Vec<Product<'a>>,
    kith: &Path,
) -> Result<()> {
    let done = "kill -9 of A's kith run, a laptop asking for a name all the while, kith run again";
    lab.check(
        "daemons outlive their supervisor",
        done,
        "the same processes before and after",
        || {
            ensure!(!boxes.is_empty(), "a box");
            let first = boxes.remove(0);
            let before = daemons(&first);
            ensure!(before.len() == ALL.len(), "only {before:?} run");
            first.kill()?;
            drop(first);
            let served = |when: &str| {
                let asked = stage.laptop.resolve("kith.internal", BOX);
                asked.map(drop).with_context(|| when.to_owned())
            };
            served("without a supervisor")?;
            let host = stage.hosts.first().context("a host")?;
            boxes.insert(0, Product::start(host, kith)?);
            let first = boxes.first().context("a box")?;
            first.settles("all daemons run", |network| {
                let daemons = network["daemons"].as_array()?;
                let running = daemons.iter().filter(|d| d["state"] == "running").count();
                (running == before.len() && running == daemons.len()).then_some(())
            })?;
            let after = daemons(first);
            ensure!(after == before, "{before:?} became {after:?}");
            served("after all that")?;
            Ok(format!("{before:?}"))
        },
    )?;
    ensure!(boxes.len() == stage.hosts.len(), "no story without three boxes");
    Ok(())
}
