//! Settings that lock their owner out, and a power cut while they are tried: after the restart the box is
//! as it was before.
//!
//! What a box is, is told by what it made: the files of its daemons, the addresses of the household's
//! bridge and what is in that bridge. That it became another in between is part of each row, so a setting
//! which changes nothing is no lock-out here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::product::Product;
use crate::lab::vm::inside::lab::{Lab, Story};
use crate::lab::vm::inside::wait::{until, when};

const LONG: Duration = Duration::from_secs(240);

/// A setting that cuts somebody off.
struct LockOut {
    what: &'static str,
    values: &'static [(&'static str, &'static str)],
}

/// For each cut one for A, B, C and D.
const LOCKOUTS: [[LockOut; 4]; 3] = [
    [
        LockOut {
            what: "the household moves to other addresses",
            values: &[("lan.address", "192.168.150.1/24")],
        },
        LockOut {
            what: "the Wi-Fi has another passphrase",
            values: &[("wifi.household.passphrase", "nobody knows this one")],
        },
        LockOut {
            what: "the mesh has another secret",
            values: &[("mesh.secret", "the others do not know this")],
        },
        LockOut { what: "the Wi-Fi is switched off", values: &[("wifi.household.enabled", "off")] },
    ],
    [
        LockOut {
            what: "the only port leads to the internet",
            values: &[("uplink.+", "{ device = 'lan0' }")],
        },
        LockOut {
            what: "the Wi-Fi is closed to old handsets",
            values: &[("wifi.household.security", "wpa3")],
        },
        LockOut { what: "the mesh is switched off", values: &[("mesh.enabled", "off")] },
        LockOut {
            what: "the only radio is switched off",
            values: &[("radio.phy9.enabled", "off")],
        },
    ],
    [
        LockOut {
            what: "nobody is given an address any more",
            values: &[("lan.dhcp.enabled", "off")],
        },
        LockOut {
            what: "the Wi-Fi has another name",
            values: &[("wifi.household.ssid", "Nobody looks for this")],
        },
        LockOut { what: "the mesh has another name", values: &[("mesh.id", "elsewhere")] },
        LockOut {
            what: "the Wi-Fi sends where many handsets do not listen",
            values: &[("radio.phy9.channel", "13")],
        },
    ],
];

/// How many cuts there are.
pub(super) const CUTS: u32 = LOCKOUTS.len() as u32;

/// What a box made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    files: BTreeMap<String, String>,
    addresses: String,
    ports: BTreeSet<String>,
}

fn made(product: &Product<'_>) -> Result<Made> {
    let folder = product.host.root().join("run/kith/link");
    let daemons = ["hostapd-", "wpa_supplicant-", "dnsmasq-", "dhcpcd-"];
    // With an ending they are on their way: being written, or not yet told of.
    let of_daemons =
        |name: &String| daemons.iter().any(|d| name.starts_with(d)) && !name.contains('.');
    let entries = fs::read_dir(&folder).context("list its files")?.flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let read = |name: String| {
        let text = fs::read_to_string(folder.join(&name));
        let text = text.with_context(|| format!("read {name}"))?;
        // Whether it is a router for IPv6 depends on whether somebody is plugged in, not on settings.
        let lasting: Vec<&str> = text.lines().filter(|l| !l.starts_with("ra-param=")).collect();
        Ok((name, lasting.join("\n")))
    };
    let files = names.filter(of_daemons).map(read).collect::<Result<_>>()?;
    let bridge = ["-4", "-br", "address", "show", "dev", "br-lan"];
    let ports = product.host.run("ip", &["-br", "link", "show", "master", "br-lan"])?;
    // "lan0@if7  UP  …": the number is another one after each start.
    let port = |line: &str| line.split(['@', ' ']).next().unwrap_or_default().to_owned();
    Ok(Made {
        files,
        addresses: product.host.run("ip", &bridge)?.split_whitespace().skip(2).collect(),
        ports: ports.lines().map(port).collect(),
    })
}

/// Applies a lock-out on each box and waits until each is another than before.
pub(super) fn arm(lab: &Lab, boxes: &[Product<'_>], cut: u32) -> Result<()> {
    let folder = lab.disk("lockouts")?;
    let stories = boxes.iter().zip(group(cut)?).map(|(product, lockout)| {
        let file = folder.join(product.host.ns.name());
        Box::new(move || arm_one(product, lockout, &file)) as Story<'_>
    });
    Lab::side_by_side(stories.collect())?;
    File::open(&folder).and_then(|f| f.sync_all()).context("write down how it was")?;
    lab.say(&format!("cut {cut}: four boxes try what locks their owners out"));
    Ok(())
}

fn arm_one(product: &Product<'_>, lockout: &LockOut, file: &Path) -> Result<()> {
    let before = made(product)?;
    product.set(lockout.values)?;
    product.kith(&["apply", "--yes"])?;
    until(LONG, lockout.what, || {
        let now = made(product)?;
        Ok(when(now != before, (), || format!("{now:?}")))
    })?;
    let mut note = File::create(file).context("write down how it was")?;
    note.write_all(&serde_json::to_vec(&before)?).context("write down how it was")?;
    note.sync_all().context("write down how it was")
}

/// Sees whether each box is as it was before.
pub(super) fn check(lab: &Lab, boxes: &[Product<'_>], cut: u32) -> Result<()> {
    let folder = lab.disk("lockouts")?;
    let stories = boxes.iter().zip(group(cut)?).map(|(product, lockout)| {
        let file = folder.join(product.host.ns.name());
        Box::new(move || check_one(lab, product, lockout, &file)) as Story<'_>
    });
    Lab::side_by_side(stories.collect())
}

fn check_one(lab: &Lab, product: &Product<'_>, lockout: &LockOut, file: &Path) -> Result<()> {
    let done =
        format!("{}: applied and not confirmed, then the power is cut", product.host.ns.name());
    lab.check(&format!("{}: taken back", lockout.what), &done, "all as it was", || {
        let before = fs::read(file).context("read how it was")?;
        let before: Made = serde_json::from_slice(&before).context("read how it was")?;
        ensure!(!before.files.is_empty(), "nothing was noted");
        let (_, took) = until(LONG, "it is as it was", || {
            // Right after the start there is no bridge yet.
            Ok(match made(product) {
                Ok(now) => when(now == before, (), || format!("{now:?}, not {before:?}")),
                Err(why) => Err(format!("{why:#}")),
            })
        })?;
        let change = product.network()?;
        let change = &change["change"];
        ensure!(change["state"] == "reverted", "the change is {change}");
        product.kith(&["changes", "--discard"])?;
        Ok(format!("{}, {:.1} s after the start", change["reason"]["text"], took.as_secs_f32()))
    })?;
    Ok(())
}

fn group(cut: u32) -> Result<&'static [LockOut; 4]> {
    let at = usize::try_from(cut).context("a cut")?.checked_sub(1);
    match at.and_then(|at| LOCKOUTS.get(at)) {
        Some(group) => Ok(group),
        None => bail!("no cut {cut}"),
    }
}
