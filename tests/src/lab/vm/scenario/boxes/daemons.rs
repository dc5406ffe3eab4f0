//! What runs under a box: hung daemons and roles are replaced, a supervisor that is killed finds its daemons
//! again, and of all that nobody's packets notice anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::home::{BOX, FAMILY};
use super::product::{Product, ROLES};
use super::stage::Stage;
use crate::lab::namespace::call;
use crate::lab::vm::inside::lab::{Lab, Story};
use crate::lab::vm::inside::pings::{Pinged, Pings};
use crate::lab::vm::inside::wait::{until, when};
use crate::lab::vm::inside::wan::FAR;

const LONG: Duration = Duration::from_secs(150);
const ALL: [&str; 4] = ["hostapd", "wpa_supplicant", "dnsmasq", "dhcpcd"];

/// Pings a second by cable, and by Wi-Fi, where each costs the emulated radios more than it would real ones.
const BY_CABLE: u32 = 1_000;
const BY_WIFI: u32 = 50;

/// The daemons of a box with their processes.
pub(super) fn daemons(product: &Product<'_>) -> BTreeMap<&'static str, u32> {
    ALL.iter().filter_map(|program| Some((*program, product.process(program)?))).collect()
}

/// Whoever hangs is found: all of C's daemons, A's link, B's node, all stopped at once, as they are found
/// independently of each other.
pub(super) fn hung(lab: &Lab, boxes: &[Product<'_>]) -> Result<()> {
    let [a, b, c, ..] = boxes else { anyhow::bail!("three boxes") };
    let before = daemons(c);
    let began = Instant::now();
    for pid in before.values() {
        call("kill", &["-s", "STOP", &pid.to_string()])?;
    }
    let of_c = ALL.iter().map(|program| {
        let old = before.get(program).copied();
        Box::new(move || hung_daemon(lab, c, program, old, began)) as Story<'_>
    });
    let roles = [(a, "link"), (b, "node")]
        .into_iter()
        .map(|(product, role)| Box::new(move || hung_role(lab, product, role)) as Story<'_>);
    Lab::side_by_side(of_c.chain(roles).collect())?;
    until(LONG, "C's dnsmasq serves again", || {
        let words = ["nslookup", "-type=a", "kith.internal", BOX];
        Ok(c.host.run("busybox", &words).map(drop).map_err(|why| format!("{why:#}")))
    })?;
    Ok(())
}

fn hung_daemon(
    lab: &Lab,
    product: &Product<'_>,
    program: &str,
    old: Option<u32>,
    began: Instant,
) -> Result<()> {
    let done = format!("SIGSTOP to C's {program}");
    lab.check(&format!("a hung {program} is replaced"), &done, "another process", || {
        let old = old.with_context(|| format!("no {program} runs"))?;
        until(LONG, "another process is there", || {
            let new = product.process(program);
            Ok(when(new.is_some_and(|new| new != old), (), || format!("{new:?}, was {old}")))
        })?;
        Ok(format!("after {:.1} s", began.elapsed().as_secs_f32()))
    })?;
    Ok(())
}

/// A role that neither ends nor works is the supervisor's to end.
fn hung_role(lab: &Lab, product: &Product<'_>, role: &str) -> Result<()> {
    let done = format!("SIGSTOP to {}'s {role}", product.host.ns.name());
    let expected = "another process in its place, and the box answers";
    lab.check(&format!("a hung {role} is replaced"), &done, expected, || {
        let took = product.replaced(role, "STOP")?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    })?;
    Ok(())
}

/// Kills each of A's own processes in turn, while a laptop and a phone ping the far host through it.
pub(super) fn killed(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let first = boxes.first().context("a box")?;
    let phone = stage.phones.first().context("a phone")?;
    let (joined, _) = phone.join("House A", FAMILY)?;
    phone.lease()?;
    for client in [&stage.laptop, phone] {
        until(LONG, "the far host answers", || {
            Ok(when(client.ns.pings(FAR, 3)?, (), || "no answer".into()))
        })?;
    }
    let by_cable = Pings::start(&stage.laptop.ns, FAR, BY_CABLE)?;
    let by_wifi = Pings::start(&phone.ns, FAR, BY_WIFI)?;
    let mut restarts = Vec::new();
    for role in ROLES {
        let took = first.replaced(role, "KILL")?;
        restarts.push(format!("{role} {:.1} s", took.as_secs_f32()));
    }
    adopted(lab, stage, first)?;
    let (by_cable, by_wifi) = (by_cable.end()?, by_wifi.end()?);
    let done = format!(
        "kill -9 of A's link, node and kith run; {BY_CABLE} pings/s by cable, {BY_WIFI} by Wi-Fi"
    );
    lab.check("no packet is lost when a role is killed", &done, "all answered", || {
        let seen = format!("{}; back: {}", shown(&by_cable, &by_wifi), restarts.join(", "));
        ensure!(by_cable.lost() == 0 && by_wifi.lost() == 0, "{seen}");
        let rate = f64::from(by_cable.sent) / f64::from(by_cable.seconds);
        // Emulated on a busy host, the laptop itself is too slow.
        ensure!(rate >= f64::from(BY_CABLE) / 2.0, "only {rate:.0} a second: {seen}");
        Ok(format!("{rate:.0} pings/s by cable; {seen}"))
    })?;
    let done = "the same pings while A's hostapd is killed";
    lab.check("control: a lost packet is seen", done, "some of the phone's missing", || {
        let by_cable = Pings::start(&stage.laptop.ns, FAR, BY_CABLE)?;
        let by_wifi = Pings::start(&phone.ns, FAR, BY_WIFI)?;
        let old = first.process("hostapd").context("no hostapd runs")?;
        call("kill", &["-s", "KILL", &old.to_string()])?;
        until(LONG, "another hostapd runs", || {
            let new = first.process("hostapd");
            Ok(when(new.is_some_and(|new| new != old), (), || format!("{new:?}, was {old}")))
        })?;
        phone.connected(&joined)?;
        let (by_cable, by_wifi) = (by_cable.end()?, by_wifi.end()?);
        let seen = shown(&by_cable, &by_wifi);
        ensure!(by_wifi.lost() > 0 && by_cable.lost() == 0, "{seen}");
        Ok(seen)
    })?;
    drop(joined);
    phone.forget()
}

fn shown(by_cable: &Pinged, by_wifi: &Pinged) -> String {
    let one = |p: &Pinged| {
        format!(
            "{} of {} in {:.1} s, longest gap {:.2} s",
            p.answered, p.sent, p.seconds, p.gap_seconds
        )
    };
    format!("by cable {}; by Wi-Fi {}", one(by_cable), one(by_wifi))
}

/// Kills the supervisor of a box; the daemons run on, and the next supervisor takes them over.
fn adopted(lab: &Lab, stage: &Stage, first: &Product<'_>) -> Result<()> {
    let done = "kill -9 of A's kith run, a laptop asking for a name all the while, kith run again";
    lab.check(
        "daemons outlive their supervisor",
        done,
        "the same processes before and after",
        || {
            let before = daemons(first);
            ensure!(before.len() == ALL.len(), "only {before:?} run");
            first.kill()?;
            let served = |when: &str| {
                let asked = stage.laptop.resolve("kith.internal", BOX);
                asked.map(drop).with_context(|| when.to_owned())
            };
            served("without a supervisor")?;
            first.start_again()?;
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
    Ok(())
}
