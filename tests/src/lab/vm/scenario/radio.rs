//! The lab proves itself: radios, mesh, access point and capture, with stock daemons and no box.
//!
//! What a box has to do better is seen here once without it, such as the supplicant that never joins
//! the mesh again, and every check that could pass for want of hearing has its control.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lab::vm::inside::air::Air;
use crate::lab::vm::inside::capture::{Capture, Heard};
use crate::lab::vm::inside::client::Client;
use crate::lab::vm::inside::lab::Lab;
use crate::lab::vm::inside::ns::Ns;
use crate::lab::vm::inside::stations::{self, Station};
use crate::lab::vm::inside::wait::{throughout, until, when};
use crate::lab::vm::inside::wan;
use crate::lab::vm::inside::wpa::{self, COUNTRY, Radio, Role};

const LONG: Duration = Duration::from_secs(120);
/// How long the supplicant is watched not joining again; alone it takes the mesh 2 to 12 s.
const WATCHED: Duration = Duration::from_secs(25);

const MESH: Role<'_> = Role::Mesh { name: "lab-mesh", password: Some("radios of a laboratory") };
const OPEN: Role<'_> = Role::Mesh { name: "lab-open", password: None };
const WIFI: (&str, &str) = ("lab", "a door of a laboratory");

/// Who hears whom: A and B share a bit, B and C share one.
const AT_A: u32 = 1;
const AT_B: u32 = 3;
const AT_C: u32 = 2;
const BEYOND_C: u32 = 1 << 3;
const NOWHERE: u32 = 1 << 10;
const ELSEWHERE: u32 = 1 << 4;
const INDOORS: u32 = 1 << 5;

pub(crate) fn play(lab: &Lab) -> Result<()> {
    let air = Air::new(8, COUNTRY)?;
    for (phy, mask) in [(0, AT_A), (1, AT_B), (2, AT_C), (3, INDOORS), (4, INDOORS)] {
        air.place(phy, mask)?;
    }
    let mut line = Vec::new();
    for (name, phy, number) in [("A", 0, 1), ("B", 1, 2), ("C", 2, 3)] {
        line.push(Member::start(&air, name, phy, number, MESH)?);
    }
    let [a, b, c] = &line[..] else { anyhow::bail!("three boxes") };
    forms(lab, a, b, c)?;
    hears(lab, &air, a)?;
    open_mesh(lab, &air)?;
    cut(lab, &air, [a, b, c])?;
    rejoin(lab, a)?;
    indoors(lab, &air, b)
}

/// One end of the mesh: a supplicant at a radio, batman-adv over it, an address.
struct Member {
    ns: Ns,
    wlan: String,
    mac: String,
    radio: Radio,
}

impl Member {
    fn start(air: &Air, name: &str, phy: u32, number: u8, role: Role<'_>) -> Result<Self> {
        let (ns, wlan) = (Ns::new(name)?, format!("wlan{phy}"));
        air.give(phy, &ns)?;
        ns.ip("link add bat0 type batadv")?;
        let radio = wpa::supplicant(&ns, &wlan, role)?;
        // Room for the header of batman-adv, so that what it carries has 1,500 bytes.
        ns.ip(&format!("link set {wlan} mtu 1560"))?;
        ns.ip(&format!("link set {wlan} master bat0"))?;
        ns.ip(&format!("address add 10.9.0.{number}/24 dev bat0"))?;
        ns.ip("link set bat0 up")?;
        let mac = air.mac(phy)?.to_owned();
        Ok(Self { ns, wlan, mac, radio })
    }

    fn neighbours(&self) -> Result<Vec<Station>> {
        stations::of(&self.ns, &self.wlan)
    }

    /// Waits for encrypted links with exactly `others`.
    fn links(&self, others: &[&Self]) -> Result<Duration> {
        let what = format!("{} is linked with {} others", self.ns.name(), others.len());
        let linked = until(LONG, &what, || {
            let all = self.neighbours()?;
            let has = |o: &&Self| all.iter().any(|s| s.mac == o.mac && s.is_safe());
            let exact = all.len() == others.len() && others.iter().all(has);
            Ok(when(exact, (), || format!("{all:?}; {}", self.radio.daemon.said())))
        });
        linked.map(|((), took)| took)
    }

    fn reaches(&self, address: &str) -> Result<Duration> {
        let what = format!("{} reaches {address}", self.ns.name());
        let ping = || Ok(when(self.ns.pings(address, 1)?, (), || "no answer".into()));
        until(LONG, &what, ping).map(|((), took)| took)
    }

    /// The neighbour through which batman-adv sends to `other`.
    fn via(&self, other: &Self) -> Result<Option<String>> {
        let said = self.ns.run("batctl", &["meshif", "bat0", "originators_json"])?;
        let all: serde_json::Value = serde_json::from_str(&said).context("batctl's originators")?;
        let best = |o: &&serde_json::Value| o["orig_address"] == other.mac && o["best"] == true;
        let found = all.as_array().into_iter().flatten().find(best);
        Ok(found.and_then(|o| o["neigh_address"].as_str().map(str::to_owned)))
    }
}

fn forms(lab: &Lab, a: &Member, b: &Member, c: &Member) -> Result<()> {
    let done = "three supplicants in a line A-B-C, SAE, mesh_fwding=0, under batman-adv";
    let expected = "B linked with A and C, those with B alone; authenticated, MFP";
    lab.check("an encrypted mesh forms", done, expected, || {
        let took = a.links(&[b])?.max(c.links(&[b])?).max(b.links(&[a, c])?);
        let forwarding = b.ns.run("iw", &["dev", &b.wlan, "get", "mesh_param", "mesh_fwding"])?;
        ensure!(forwarding.trim() == "0", "the radio forwards itself: {forwarding}");
        Ok(format!("so after {:.1} s", took.as_secs_f32()))
    })?;
    lab.check("the ends reach each other", "ping A to C", "by way of B, 20 of 20", || {
        let took = a.reaches("10.9.0.3")?;
        let via = a.via(c)?;
        ensure!(via.as_deref() == Some(&b.mac), "by way of {via:?}, not of B at {}", b.mac);
        let answered = a.ns.answered("10.9.0.3", 20)?;
        ensure!(answered >= 19, "{answered} of 20 answered");
        Ok(format!("first after {:.1} s, {answered} of 20, by way of B", took.as_secs_f32()))
    })?;
    Ok(())
}

fn hears(lab: &Lab, air: &Air, a: &Member) -> Result<()> {
    let done = "20 pings A to C, tcpdump at the monitor of all radios";
    lab.check("nobody can read the mesh", done, "no unprotected data frame", || {
        let capture = Capture::start("mesh")?;
        a.ns.answered("10.9.0.3", 20)?;
        let heard = capture.end(&[air.mac(0)?, air.mac(1)?, air.mac(2)?])?;
        ensure!(heard.open == 0 && heard.handshake == 0, "{heard:?}");
        // Each ping crosses two links, there and back.
        ensure!(heard.protected >= 60, "too few heard to tell: {heard:?}");
        Ok(format!("{} data frames, all protected", heard.protected))
    })?;
    Ok(())
}

/// The control of the check above: the same ear, an open mesh.
fn open_mesh(lab: &Lab, air: &Air) -> Result<()> {
    let done = "the same with two boxes of a mesh without password";
    lab.check("control: the capture can tell", done, "unprotected data frames", || {
        air.place(5, ELSEWHERE)?;
        air.place(6, ELSEWHERE)?;
        let d = Member::start(air, "D", 5, 4, OPEN)?;
        let _e = Member::start(air, "E", 6, 5, OPEN)?;
        d.reaches("10.9.0.5")?;
        let capture = Capture::start("open")?;
        d.ns.answered("10.9.0.5", 5)?;
        let heard = capture.end(&[air.mac(5)?, air.mac(6)?])?;
        ensure!(heard.open >= 5 && heard.protected == 0, "{heard:?}");
        Ok(format!("{} data frames, all readable", heard.open))
    })?;
    Ok(())
}

fn cut(lab: &Lab, air: &Air, [a, b, c]: [&Member; 3]) -> Result<()> {
    let done = "A is moved out of everybody's reach, and back";
    let expected = "no ping while away, all well again without help";
    lab.check("a link is cut and heals", done, expected, || {
        air.place(0, NOWHERE)?;
        let silent = || Ok(when(!a.ns.pings("10.9.0.2", 2)?, (), || "an answer".into()));
        until(LONG, "A hears nobody", silent)?;
        throughout(Duration::from_secs(3), "A hears nobody", silent)?;
        air.place(0, AT_A)?;
        let took = a.reaches("10.9.0.3")?;
        Ok(format!("C is reached {:.1} s after the return", took.as_secs_f32()))
    })?;
    let done = "A is moved to C's other side, out of B's reach";
    lab.check("the mesh finds another way", done, "A reaches B by way of C", || {
        air.place(0, BEYOND_C)?;
        air.place(2, AT_C | BEYOND_C)?;
        let mut through = None;
        let (_, took) = until(LONG, "A reaches B by way of C", || {
            through = a.via(b)?;
            let answer = a.ns.pings("10.9.0.2", 1)?;
            let so = through.as_deref() == Some(&c.mac) && answer;
            Ok(when(so, (), || format!("by way of {through:?}, answer: {answer}")))
        })?;
        let safe = a.neighbours()?.iter().any(|s| s.mac == c.mac && s.is_safe());
        ensure!(safe, "the new link is not encrypted: {:?}", a.neighbours()?);
        air.place(0, AT_A)?;
        air.place(2, AT_C)?;
        let back = a.reaches("10.9.0.3")?;
        let (took, back) = (took.as_secs_f32(), back.as_secs_f32());
        Ok(format!("after {took:.1} s, over a new encrypted link; back {back:.1} s after"))
    })?;
    Ok(())
}

fn rejoin(lab: &Lab, a: &Member) -> Result<()> {
    let done = "A's interface down and up";
    let expected = "wpa_supplicant 2.10 stays SCANNING, until told to disconnect and reconnect";
    lab.check("the rejoin trap is there", done, expected, || {
        a.ns.ip(&format!("link set {} down", a.wlan))?;
        a.ns.ip(&format!("link set {} up", a.wlan))?;
        let state = || -> Result<String> {
            Ok(a.radio.control.status()?.get("wpa_state").cloned().unwrap_or_default())
        };
        until(LONG, "the supplicant scans", || {
            let state = state()?;
            Ok(when(state == "SCANNING", (), || state))
        })?;
        let looks = throughout(WATCHED, "it stays so", || {
            let state = state()?;
            Ok(when(state != "COMPLETED", (), || state))
        })?;
        ensure!(!a.ns.pings("10.9.0.2", 1)?, "it is in the mesh though it scans");
        a.radio.control.tell("DISCONNECT")?;
        a.radio.control.tell("RECONNECT")?;
        let took = a.reaches("10.9.0.3")?;
        let (watched, took) = (WATCHED.as_secs(), took.as_secs_f32());
        Ok(format!("SCANNING at all {looks} looks of {watched} s; healed in {took:.1} s when told"))
    })?;
    Ok(())
}

/// An access point of B's, a stock station, and all that a phone does first.
fn indoors(lab: &Lab, air: &Air, b: &Member) -> Result<()> {
    let done = "hostapd and dnsmasq at B, wpa_supplicant and dhcpcd as a phone";
    let expected = "WPA3, management protected, an address, a name, a ping, none of it readable";
    lab.check("a stock phone joins", done, expected, || {
        air.give(3, &b.ns)?;
        b.ns.ip("link add br0 type bridge")?;
        b.ns.ip("link set br0 up")?;
        b.ns.ip("address add 10.8.0.1/24 dev br0")?;
        let _ap = wpa::access_point(&b.ns, "wlan3", "br0", WIFI)?;
        let _dnsmasq = wan::serve(&b.ns, "br0", "10.8.0")?;
        let phone = Client::new(Ns::new("phone")?, "wlan4");
        air.give(4, &phone.ns)?;
        let capture = Capture::start("indoors")?;
        let (_radio, took) = phone.join(WIFI.0, WIFI.1)?;
        let joined = stations::of(&b.ns, "wlan3")?;
        ensure!(joined.iter().all(Station::is_safe) && joined.len() == 1, "{joined:?}");
        let leased = phone.lease()?;
        let resolved = phone.resolve(wan::FAR_NAME, "10.8.0.1")?;
        ensure!(resolved == wan::FAR, "{} is {resolved}", wan::FAR_NAME);
        ensure!(phone.ns.pings("10.8.0.1", 5)?, "no answer at {:?}", phone.addresses()?);
        let heard = capture.end(&[air.mac(3)?, air.mac(4)?])?;
        ensure!(heard.open == 0 && heard.protected >= 6 && heard.handshake >= 4, "{heard:?}");
        let (took, leased) = (took.as_secs_f32(), leased.as_secs_f32());
        let Heard { protected, handshake, .. } = heard;
        Ok(format!(
            "joined after {took:.1} s, leased {:?} {leased:.1} s later; {handshake} frames of the \
             handshake, {protected} protected, no other",
            phone.addresses()?
        ))
    })?;
    Ok(())
}
