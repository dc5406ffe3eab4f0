//! One box and the people in its house: an address and a name by cable, the internet in both versions,
//! settings that are kept or come back, Wi-Fi for the family and for visitors.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::daemons::daemons;
use super::product::Product;
use super::stage::{AT_A, AT_B, Stage};
use crate::lab::vm::inside::client::{Client, is_connected};
use crate::lab::vm::inside::lab::{Lab, Story};
use crate::lab::vm::inside::wait::{throughout, until, when};
use crate::lab::vm::inside::wan::{FAR, FAR_NAME, FAR6};
use crate::lab::vm::inside::wpa::{self, Radio, Role};

/// The box's address in every household.
pub(super) const BOX: &str = "192.168.77.1";
const BOX_FOR_VISITORS: &str = "192.168.78.1";
const MOVED: &str = "192.168.99.1";
/// What the family's and the visitors' Wi-Fi at A are locked with.
pub(super) const FAMILY: &str = "lanterns by the river";
const VISITORS: &str = "welcome to the valley";
const MESH_SECRET: &str = "what the valley knows";

const LONG: Duration = Duration::from_secs(90);
/// How long an old handset is watched not joining; alone it takes it 2 to 4 s.
const REFUSED: Duration = Duration::from_secs(12);

/// Everybody's settings: the first radio for the mesh, the second for the house.
pub(super) fn settings(lab: &Lab, boxes: &[Product<'_>]) -> Result<()> {
    let done = "kith set country, mesh, wifi, uplink; kith apply; kith confirm, on all three";
    lab.check("settings come into force", done, "bat0, an access point, no problem", || {
        let change = |product: &Product<'_>, at: u32| {
            let house = format!("House {}", product.host.ns.name());
            let (mesh, access) = (format!("radio.phy{at}"), format!("radio.phy{}", at + 3));
            let of = |radio: &str, key: &str| format!("{radio}.{key}");
            // A's cable is for a laptop.
            let cable: &[(&str, &str)] = if at == 0 { &[] } else { &[("mesh.ports", "lan1")] };
            let values: &[(&str, &str)] = &[
                ("country", "FR"),
                ("mesh.enabled", "on"),
                ("mesh.id", "valley"),
                ("mesh.secret", MESH_SECRET),
                ("mesh.share_uplink", if at < 2 { "on" } else { "off" }),
                (&of(&mesh, "access_point"), "off"),
                (&of(&mesh, "channel"), "1"),
                (&of(&access, "mesh"), "off"),
                (&of(&access, "channel"), "6"),
                ("wifi.household.enabled", "on"),
                ("wifi.household.ssid", &house),
                ("wifi.household.passphrase", FAMILY),
                ("wifi.guest.enabled", "on"),
                ("wifi.guest.ssid", &format!("Visitors {}", product.host.ns.name())),
                ("wifi.guest.passphrase", VISITORS),
                ("dns.upstream", "192.0.2.1"),
                // dnsmasq takes addresses of documentation for private ones.
                ("dns.rebind_exceptions", FAR_NAME),
                ("uplink.+", "{ device = 'eth0' }"),
            ];
            product.change(&[values, cable].concat())
        };
        let change = &change;
        let stories = boxes.iter().zip(0_u32..).map(|(product, at)| {
            let story = move || {
                change(product, at)?;
                product.runs(4).map(drop)
            };
            Box::new(story) as Story<'_>
        });
        Lab::side_by_side(stories.collect())?;
        Ok("four daemons in each".into())
    })?;
    Ok(())
}

/// A laptop at a port of A.
pub(super) fn cable(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let first = boxes.first().context("a box")?;
    let laptop = &stage.laptop;
    let done = "a laptop plugged into A: dhcpcd, nslookup kith.internal, ping, the panel's page";
    lab.check(
        "a port gives an address, names and the panel",
        done,
        "of the household's network",
        || {
            laptop.ns.wire(&laptop.interface, &first.host.ns, "lan0")?;
            first.settles("its port is in the bridge", |network| {
                let links = network["links"].as_array()?;
                let port = links.iter().find(|link| link["name"] == "lan0")?;
                (port["master"] == "br-lan" && port["up"] == true).then_some(())
            })?;
            let took = laptop.lease()?;
            let addresses = laptop.addresses()?;
            ensure!(
                addresses.len() == 1 && addresses[0].starts_with("192.168.77."),
                "{addresses:?}"
            );
            let name = laptop.resolve("kith.internal", BOX)?;
            ensure!(name == BOX, "kith.internal is {name}");
            ensure!(laptop.ns.pings(BOX, 5)?, "the box does not answer");
            let page = laptop.ns.page(&panel(BOX))?.context("no panel for the laptop")?;
            ensure!(page.contains("<html"), "the panel says {page}");
            Ok(format!("{} after {:.1} s", addresses[0], took.as_secs_f32()))
        },
    )?;
    Ok(())
}

/// A's wire to the provider, and the laptop through it.
pub(super) fn internet(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let first = boxes.first().context("a box")?;
    let laptop = &stage.laptop;
    let done = "A plugged in at the provider; the laptop pings and names the far host";
    lab.check("the internet is reached through a box", done, "by DHCP, NAT and DNS", || {
        ensure!(!laptop.ns.pings(FAR, 2)?, "it is there before the wire is");
        stage.wan.plug(&first.host.ns, true)?;
        let (_, took) = first.settles("its own uplink works", own_uplink)?;
        until(LONG, "the far host answers the laptop", || {
            Ok(when(laptop.ns.pings(FAR, 3)?, (), || "no answer".into()))
        })?;
        let (name, _) = until(LONG, "its name is known", || {
            Ok(laptop.resolve(FAR_NAME, BOX).map_err(|why| format!("{why:#}")))
        })?;
        ensure!(name == FAR, "{FAR_NAME} is {name}");
        Ok(format!("a lease and a sign of life after {:.1} s", took.as_secs_f32()))
    })?;
    let done = "the provider pings the box and, by a route, the laptop, and asks for the panel";
    lab.check("nobody comes in from the internet", done, "no answer, as before NAT", || {
        let address = laptop.addresses()?.first().cloned().context("its address")?;
        let address = address.split('/').next().context("its address")?.to_owned();
        let network = first.network()?;
        let all = network["uplinks"][0]["addresses"].as_array().context("its addresses")?;
        let mut ipv4 = all.iter().filter_map(Value::as_str).filter(|a| !a.contains(':'));
        let outside =
            ipv4.next().and_then(|a| a.split('/').next()).context("its lease")?.to_owned();
        let (to_box, to_laptop) = stage.wan.knocks(&outside, &address)?;
        let page = stage.wan.gets(&panel(&outside))?;
        ensure!(!to_box && !to_laptop && !page, "box {to_box}, laptop {to_laptop}, panel {page}");
        ensure!(laptop.ns.pings(FAR, 5)?, "the other way does not work either");
        Ok(format!("{outside} is silent, {address} is not reached"))
    })?;
    Ok(())
}

fn panel(address: &str) -> String {
    format!("http://{address}:8480/")
}

/// Whether a box reaches the internet by its own uplink.
pub(super) fn own_uplink(network: &Value) -> Option<()> {
    (network["internet"] == "own").then_some(())
}

/// A change of C's addresses that nobody confirms.
pub(super) fn unconfirmed(lab: &Lab, boxes: &[Product<'_>]) -> Result<()> {
    let first = boxes.get(2).context("C")?;
    let bridge = || first.host.run("ip", &["-4", "-br", "address", "show", "dev", "br-lan"]);
    let done = "on C kith set lan.address; kith apply --confirm 15; nothing more";
    lab.check(
        "a change that nobody confirms comes back",
        done,
        "the new address, then not",
        || {
            first.set(&[("lan.address", &format!("{MOVED}/24"))])?;
            first.kith(&["apply", "--yes", "--confirm", "15"])?;
            until(LONG, "the new address is there", || {
                let seen = bridge()?;
                Ok(when(seen.contains(MOVED), (), || seen))
            })?;
            let (_, took) = until(LONG, "only the old address is there", || {
                let seen = bridge()?;
                Ok(when(!seen.contains(MOVED) && seen.contains(BOX), (), || seen))
            })?;
            let change = first.network()?;
            let change = &change["change"];
            ensure!(change["state"] == "reverted", "the change is {change}");
            // What was tried is still the draft; without one this is what is in force.
            first.kith(&["changes", "--discard"])?;
            let value = first.kith(&["get", "lan.address"])?;
            ensure!(value.contains(BOX), "the settings say {value}");
            Ok(format!(
                "gone again {:.1} s later: {}",
                took.as_secs_f32(),
                change["reason"]["text"]
            ))
        },
    )?;
    Ok(())
}

/// A's Wi-Fi gets another name: nothing but that is touched.
pub(super) fn renamed(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let first = boxes.first().context("a box")?;
    let phone = stage.phones.first().context("a phone")?;
    let indexes = || {
        let network = first.network()?;
        let links = network["links"].as_array().context("links")?;
        let of = |link: &Value| (link["name"].to_string(), link["index"].as_u64());
        Ok::<BTreeMap<_, _>, anyhow::Error>(links.iter().map(of).collect())
    };
    let done = "kith set wifi.household.ssid; kith apply; kith confirm; a phone joins";
    lab.check("a new Wi-Fi name disturbs nothing else", done, "same processes and links", || {
        let before = (daemons(first), indexes()?);
        first.change(&[("wifi.household.ssid", "House A anew")])?;
        let (joined, took) = phone.join("House A anew", FAMILY)?;
        drop(joined);
        let after = (daemons(first), indexes()?);
        ensure!(before == after, "{before:?} became {after:?}");
        first.change(&[("wifi.household.ssid", "House A")])?;
        Ok(format!("joined after {:.1} s; {:?}", took.as_secs_f32(), after.0))
    })?;
    Ok(())
}

/// A phone in A's Wi-Fi, and then it and another one in the visitors'.
pub(super) fn wifi(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let first = boxes.first().context("a box")?;
    let [one, two, ..] = &stage.phones[..] else { anyhow::bail!("two phones") };
    let laptop = stage.laptop.addresses()?.first().cloned().context("the laptop's address")?;
    let laptop = laptop.split('/').next().context("the laptop's address")?.to_owned();
    let mut family = None;
    let done = "stock wpa_supplicant with WPA3 at A's transition network, dhcpcd, ping";
    lab.check("a phone joins the family's Wi-Fi", done, "an address, laptop and internet", || {
        let (joined, took) = one.join("House A", FAMILY)?;
        one.lease()?;
        let addresses = one.addresses()?;
        ensure!(addresses.iter().any(|a| a.starts_with("192.168.77.")), "{addresses:?}");
        let status = joined.control.status()?;
        let key = status.get("key_mgmt").cloned().unwrap_or_default();
        ensure!(key == "SAE", "it joined with {key:?}");
        ensure!(one.ns.pings(&laptop, 10)?, "the laptop does not answer");
        ensure!(one.ns.pings(FAR, 10)?, "the far host does not answer");
        family = Some(joined);
        Ok(format!("{} with {key} after {:.1} s", addresses.join(" "), took.as_secs_f32()))
    })?;
    let done = "the provider advertises itself and delegates a /56; the phone in A's Wi-Fi pings";
    lab.check("IPv6 reaches a phone", done, "an address of the delegated prefix, answers", || {
        ensure!(family.is_some(), "it is not in the Wi-Fi");
        first.settles("a prefix is delegated", |network| {
            network["uplinks"][0]["prefix"].as_str().map(drop)
        })?;
        let address = one.address6()?;
        ensure!(address.starts_with("2001:db8:a000:"), "it has {address}");
        let ((), took) = until(LONG, "the far host answers", || {
            Ok(when(one.ns.pings(FAR6, 3)?, (), || "no answer".into()))
        })?;
        Ok(format!("{address}, the far host after {:.1} s", took.as_secs_f32()))
    })?;
    drop(family);
    one.forget()?;
    let done = "two phones at A's visitors' network";
    lab.check("visitors are apart", done, "internet; not each other, not the house", || {
        let visits = thread::scope(|scope| {
            let second = scope.spawn(|| visit(two));
            (visit(one), second.join())
        });
        let (_first, one_at) = visits.0?;
        let (_second, two_at) = visits.1.map_err(|_| anyhow!("a phone broke"))??;
        for phone in [one, two] {
            ensure!(phone.ns.pings(FAR, 10)?, "no internet for {}", phone.ns.name());
        }
        ensure!(phone_resolves(one)?, "no names");
        let each_other = one.ns.pings(&two_at, 3)? || two.ns.pings(&one_at, 3)?;
        let house = one.ns.pings(&laptop, 3)? || two.ns.pings(BOX, 3)?;
        ensure!(!each_other && !house, "each other {each_other}, the house {house}");
        Ok(format!("{one_at} and {two_at}; both reach the far host"))
    })?;
    for phone in [one, two] {
        phone.forget()?;
    }
    Ok(())
}

/// B's Wi-Fi takes WPA3 alone; a phone of A's house is carried there.
pub(super) fn wpa3_only(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let second = boxes.get(1).context("B")?;
    let phone = stage.phones.get(1).context("a phone")?;
    let (ssid, password) = ("House B", FAMILY);
    let old = Role::Old { ssid, password };
    let done =
        "wifi.household.security wpa3 on B; a WPA2 handset before and after, a WPA3 one after";
    lab.check("a household for WPA3 alone", done, "in, then out; the other is in", || {
        stage.air.place(7, AT_B)?;
        drop(phone.join_as(old)?);
        second.change(&[("wifi.household.security", "wpa3")])?;
        let (joined, took) = phone.join(ssid, password)?;
        let status = joined.control.status()?;
        let key = status.get("key_mgmt").cloned().unwrap_or_default();
        ensure!(key == "SAE", "it joined with {key:?}");
        drop(joined);
        let radio = wpa::supplicant(&phone.ns, &phone.interface, old)?;
        throughout(REFUSED, "the old handset stays out", || {
            let status = radio.control.status()?;
            Ok(when(!is_connected(&status), (), || format!("{status:?}")))
        })?;
        let seconds = REFUSED.as_secs();
        Ok(format!("WPA3 after {:.1} s; WPA2 not within {seconds} s", took.as_secs_f32()))
    })?;
    second.change(&[("wifi.household.security", "transition")])?;
    stage.air.place(7, AT_A)
}

fn visit(phone: &Client) -> Result<(Radio, String)> {
    let (radio, _) = phone.join("Visitors A", VISITORS)?;
    phone.lease()?;
    let addresses = phone.addresses()?;
    let address = addresses.iter().find(|a| a.starts_with("192.168.78."));
    let address = address.with_context(|| format!("only {addresses:?}"))?;
    let address = address.split('/').next().context("an address")?.to_owned();
    Ok((radio, address))
}

fn phone_resolves(phone: &Client) -> Result<bool> {
    Ok(phone.resolve("kith.internal", BOX_FOR_VISITORS).is_ok())
}

/// The family's Wi-Fi of C.
pub(super) fn at_c(phone: &Client) -> Result<Radio> {
    let (radio, _) = phone.join("House C", FAMILY)?;
    phone.lease()?;
    Ok(radio)
}
