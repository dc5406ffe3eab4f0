//! Three boxes as one mesh: encrypted, over several hops, cut and healed, with an uplink that is shared.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::home::{at_c, own_uplink};
use super::product::Product;
use super::stage::Stage;
use crate::lab::vm::inside::capture::Capture;
use crate::lab::vm::inside::lab::Lab;
use crate::lab::vm::inside::wait::{until, when};
use crate::lab::vm::inside::wan::FAR;
use crate::lab::vm::inside::wpa::Radio;

const LONG: Duration = Duration::from_secs(150);
/// Asking for an address takes 14 s where nobody else is heard.
const CLAIMING: Duration = Duration::from_secs(60);

/// The mesh's interface on a box's first radio.
const INTERFACES: [&str; 3] = ["kith-mesh0", "kith-mesh1", "kith-mesh2"];

/// A box's IPv4 address in the mesh, which it uses only after nobody answered for it.
fn address(product: &Product<'_>) -> Result<String> {
    let (address, _) = until(CLAIMING, "a box has its address in the mesh", || {
        let network = product.network()?;
        let all = network["mesh"]["addresses"].as_array().context("its addresses")?;
        let found = all.iter().filter_map(Value::as_str).find_map(|a| a.strip_suffix("/16"));
        Ok(found.map(str::to_owned).ok_or_else(|| format!("{all:?}")))
    })?;
    Ok(address)
}

/// The addresses of the boxes' mesh interfaces.
fn macs(boxes: &[Product<'_>]) -> Result<[String; 3]> {
    let mut macs = [const { String::new() }; 3];
    for ((product, interface), mac) in boxes.iter().zip(INTERFACES).zip(&mut macs) {
        let file = format!("/sys/class/net/{interface}/address");
        product.host.run("cat", &[&file])?.trim().clone_into(mac);
    }
    Ok(macs)
}

/// Whether a box has as many encrypted neighbours.
fn linked(network: &Value, count: usize) -> Option<()> {
    let all = network["mesh"]["neighbours"].as_array()?;
    let safe = all.iter().filter(|n| n["secured"] == true && n["quality"].as_u64() > Some(0));
    (safe.count() == count).then_some(())
}

pub(super) fn forms(lab: &Lab, boxes: &[Product<'_>], capture: Capture) -> Result<()> {
    let [a, b, c, ..] = boxes else { bail!("three boxes") };
    let done = "the settings alone; who hears whom is a line A-B-C";
    lab.check("a mesh forms from settings", done, "A and C each linked with B, encrypted", || {
        let mut slowest = Duration::ZERO;
        for (product, count) in [(a, 1), (b, 2), (c, 1)] {
            let what = format!("{} has {count}", product.host.ns.name());
            let ((), took) = product.settles(&what, |network| linked(network, count))?;
            slowest = slowest.max(took);
        }
        Ok(format!("the last {:.1} s after all daemons ran", slowest.as_secs_f32()))
    })?;
    let done = "A pings C's address in the mesh";
    lab.check("boxes reach each other over others", done, "answers over two hops", || {
        let there = address(c)?;
        let (_, took) = until(LONG, "C answers A", || {
            Ok(when(a.host.ns.pings(&there, 3)?, (), || "no answer".into()))
        })?;
        let network = a.network()?;
        let nodes = network["mesh"]["nodes"].as_array().context("nodes")?.clone();
        let [_, of_b, of_c] = macs(boxes)?;
        let beyond = |n: &Value| n["mac"] == of_c.as_str() && n["through"] == of_b.as_str();
        ensure!(nodes.iter().any(beyond), "A knows {nodes:?}");
        Ok(format!("{there} after {:.1} s, through B", took.as_secs_f32()))
    })?;
    let done = "all that the three sent since their settings, as tcpdump hears it";
    lab.check("nothing in the mesh is readable", done, "every data frame protected", || {
        let heard = capture.end(&macs(boxes)?.each_ref().map(String::as_str))?;
        ensure!(heard.protected > 20 && heard.open == 0, "{heard:?}");
        Ok(format!("{heard:?}"))
    })?;
    Ok(())
}

pub(super) fn cut(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let [a, b, c, ..] = boxes else { bail!("three boxes") };
    let there = address(c)?;
    let done = "C's radio out of reach, and back";
    lab.check("a mesh link is cut and heals", done, "no answer, then answers", || {
        stage.air.place(2, 0)?;
        ensure!(!a.host.ns.pings(&there, 3)?, "C answers from out of reach");
        stage.air.place(2, 0b010)?;
        let (_, took) = until(LONG, "C answers again", || {
            Ok(when(a.host.ns.pings(&there, 3)?, (), || "no answer".into()))
        })?;
        Ok(format!("{:.1} s after it was back", took.as_secs_f32()))
    })?;
    let done = "ip link set kith-mesh1 down, up, on B by hand";
    lab.check("a mesh interface that went down joins again", done, "A reaches C again", || {
        for state in ["down", "up"] {
            b.host.run("ip", &["link", "set", INTERFACES[1], state])?;
        }
        ensure!(!a.host.ns.pings(&there, 3)?, "the interface was never down");
        let (_, took) = until(LONG, "C answers again", || {
            Ok(when(a.host.ns.pings(&there, 3)?, (), || "no answer".into()))
        })?;
        let repairs = b.network()?["repairs"].to_string();
        ensure!(repairs.contains("rejoin"), "it was not the box's doing: {repairs}");
        Ok(format!("{:.1} s after, told to rejoin", took.as_secs_f32()))
    })?;
    Ok(())
}

/// The cable between B and C carries what C's radio does not.
pub(super) fn wired(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let [a, _, c, ..] = boxes else { bail!("three boxes") };
    let there = address(c)?;
    let by_cable = |network: &Value| {
        let all = network["mesh"]["neighbours"].as_array()?;
        let found = all.iter().find(|n| n["device"] == "lan1" && n["quality"].as_u64() > Some(0));
        found.map(drop)
    };
    let done = "mesh.ports on B and C, their cable plugged in, C's radio out of reach";
    lab.check("a cable carries the mesh", done, "A reaches C; not when it is pulled", || {
        stage.cable(true)?;
        let ((), took) = c.settles("B is a neighbour by cable", by_cable)?;
        stage.air.place(2, 0)?;
        until(LONG, "C answers A", || {
            Ok(when(a.host.ns.pings(&there, 3)?, (), || "no answer".into()))
        })?;
        stage.cable(false)?;
        ensure!(!a.host.ns.pings(&there, 5)?, "C answers without a cable and out of reach");
        stage.air.place(2, 0b010)?;
        until(LONG, "C answers by radio", || {
            Ok(when(a.host.ns.pings(&there, 3)?, (), || "no answer".into()))
        })?;
        Ok(format!("a neighbour after {:.1} s", took.as_secs_f32()))
    })?;
    Ok(())
}

/// A shares its uplink; answers how C's phone stays joined.
pub(super) fn shares(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<Option<Radio>> {
    let [_, _, c, ..] = boxes else { bail!("three boxes") };
    let phone = stage.phones.get(2).context("a phone in C's house")?;
    let mut joined = None;
    let done = "only A is plugged in; a phone in C's Wi-Fi pings the far host";
    lab.check("an uplink is shared over the mesh", done, "an answer over B and A", || {
        let (_, took) = c.settles("C has the internet of somebody", shared)?;
        joined = Some(at_c(phone)?);
        until(LONG, "the far host answers", || {
            Ok(when(phone.ns.pings(FAR, 3)?, (), || "no answer".into()))
        })?;
        Ok(format!("chosen within {:.1} s", took.as_secs_f32()))
    })?;
    Ok(joined)
}

/// A second way to the internet for the mesh, beside A's.
pub(super) fn second_uplink(stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let [_, b, ..] = boxes else { bail!("three boxes") };
    stage.wan.plug(&b.host.ns, true)?;
    b.settles("B's own uplink works", own_uplink).map(drop)
}

/// When A's uplink is pulled, the mesh goes on by B's.
pub(super) fn fails_over(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let [a, b, c, ..] = boxes else { bail!("three boxes") };
    let phone = stage.phones.get(2).context("a phone in C's house")?;
    let done = "B plugged in as well, then A's wire pulled";
    lab.check(
        "a shared uplink that dies is replaced",
        done,
        "the phone's pings go on by B",
        || {
            let two = |network: &Value| {
                (network["mesh"]["gateways"].as_array()?.len() == 2).then_some(())
            };
            c.settles("C knows both", two)?;
            stage.wan.plug(&a.host.ns, false)?;
            let (_, took) = until(LONG, "the far host answers by B", || {
                // At least half of what A forwarded before is lost right after the cut.
                let network = c.network()?;
                let left = network["mesh"]["gateways"].as_array().map_or(0, Vec::len);
                let by_b = left == 1 && phone.ns.pings(FAR, 3)?;
                Ok(when(by_b, (), || format!("{left} gateways")))
            })?;
            let ((), last) = a.settles("A takes B's", shared)?;
            let (took, last) = (took.as_secs_f32(), last.as_secs_f32());
            Ok(format!("{took:.1} s after the cut; A itself uses B's {last:.1} s later"))
        },
    )?;
    stage.wan.plug(&b.host.ns, false)?;
    stage.wan.plug(&a.host.ns, true)
}

fn shared(network: &Value) -> Option<()> {
    (network["internet"] == "shared").then_some(())
}
