//! The real product: three boxes with radios and a fresh one, one stage, as many asserts as it can carry.
//!
//! The stage has its own rows first, since what follows means something only on a stage that holds.
//! Power cuts divide the story in boots; the disk is what all have. Most of each row is waiting, so what
//! does not touch is told side by side.

mod daemons;
mod home;
mod lockouts;
mod mesh;
mod product;
mod radios;
mod sandbox;
mod setup;
mod stage;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::lab::process::each;
use crate::lab::vm::inside::capture::Capture;
use crate::lab::vm::inside::lab::{Lab, Story};
use crate::lab::vm::inside::wan::{FAR, FAR_NAME, NEAR};

use product::Product;
use stage::{BOXES, Stage};

const NOTICE: &str = "Kept through a power cut";

pub(crate) fn play(lab: &Lab) -> Result<()> {
    let mut stage = Stage::build(lab)?;
    if lab.boot == 1 {
        machines(lab, &mut stage)?;
        return first(lab, &stage);
    }
    let house = stage.hosts.first().context("a box")?;
    stage.laptop.ns.wire(&stage.laptop.interface, &house.ns, "lan0")?;
    let boxes = start(lab, &stage)?;
    if lab.boot == 2 {
        after_the_cut(lab, &boxes)?;
    }
    lockouts::check(lab, &boxes, lab.boot - 1)?;
    if lab.boot > lockouts::CUTS {
        return radios::come_and_go(lab, &stage, &boxes);
    }
    lockouts::arm(lab, &boxes, lab.boot)?;
    lab.cut_power()
}

/// Until the first cut: from four new boxes to a mesh whose parts fail and are replaced.
fn first(lab: &Lab, stage: &Stage) -> Result<()> {
    let mut started = Ok(Vec::new());
    Lab::side_by_side(vec![
        Box::new(|| internet(lab, stage)),
        Box::new(|| {
            started = start(lab, stage);
            Ok(())
        }),
    ])?;
    let all = started?;
    let Some((fourth, boxes)) = all.split_last() else { bail!("four boxes") };
    // All radios here are of one country, so nobody names theirs while D, which has none yet, is new.
    Lab::side_by_side(vec![
        Box::new(|| setup::told(lab, stage, fourth)),
        Box::new(|| new(lab, stage, boxes)),
    ])?;
    Lab::side_by_side(vec![
        Box::new(|| setup::claimed(lab, fourth)),
        Box::new(|| valley(lab, stage, boxes)),
    ])?;
    lockouts::arm(lab, &all, 1)?;
    before_the_cut(lab, &all)
}

/// A, B and C before anybody has set anything.
fn new(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let first = boxes.first().context("a box")?;
    privileges(lab, first)?;
    claim(lab, boxes)?;
    home::cable(lab, stage, boxes)?;
    sandbox::tried(lab, first)
}

/// A, B and C: in a mesh, on the internet, changed, hung and killed.
fn valley(lab: &Lab, stage: &Stage, boxes: &[Product<'_>]) -> Result<()> {
    let capture = Capture::start("boxes")?;
    home::settings(lab, boxes)?;
    Lab::side_by_side(vec![
        Box::new(|| mesh::forms(lab, boxes, capture)),
        Box::new(|| home::internet(lab, stage, boxes)),
    ])?;
    let mut visitor = None;
    Lab::side_by_side(vec![
        Box::new(|| home::wifi(lab, stage, boxes)),
        Box::new(|| {
            visitor = mesh::shares(lab, stage, boxes)?;
            Ok(())
        }),
    ])?;
    Lab::side_by_side(vec![
        Box::new(|| home::renamed(lab, stage, boxes)),
        Box::new(|| home::unconfirmed(lab, boxes)),
        Box::new(|| {
            mesh::cut(lab, stage, boxes)?;
            mesh::wired(lab, stage, boxes)?;
            mesh::second_uplink(stage, boxes)
        }),
    ])?;
    Lab::side_by_side(vec![
        Box::new(|| mesh::fails_over(lab, stage, boxes)),
        Box::new(|| home::wpa3_only(lab, stage, boxes)),
    ])?;
    drop(visitor);
    daemons::hung(lab, boxes)?;
    daemons::killed(lab, stage, boxes)
}

/// What is one box's is not another's.
fn machines(lab: &Lab, stage: &mut Stage) -> Result<()> {
    let done = "names, /run, radios and control groups of A, B, C and D";
    lab.check("every box is a machine of its own", done, "each sees its own alone", || {
        for (host, (name, phys)) in stage.hosts.iter().zip(BOXES) {
            host.run("touch", &[&format!("/run/mark-of-{name}")])?;
            ensure!(host.run("cat", &["/proc/sys/kernel/hostname"])?.trim() == name, "its name");
            let radios = host.run("ls", &["/sys/class/ieee80211"])?;
            let radios: Vec<&str> = radios.split_whitespace().collect();
            ensure!(radios.len() == phys.len(), "{name} has {radios:?}");
            for phy in phys {
                let file = format!("/sys/class/ieee80211/phy{phy}/macaddress");
                ensure!(host.run("cat", &[&file])?.trim() == stage.air.mac(*phy)?, "another radio");
            }
            let marks = host.run("ls", &["/run"])?;
            ensure!(marks.trim() == format!("mark-of-{name}"), "{name} sees {marks}");
            let groups = host.run("cat", &["/sys/fs/cgroup/cgroup.subtree_control"])?;
            ensure!(groups.contains("memory") && groups.contains("pids"), "limits: {groups}");
        }
        for phone in &stage.phones {
            let radios = phone.ns.run("iw", &["dev"])?;
            let own = format!("Interface {}\n", phone.interface);
            ensure!(radios.contains(&own) && radios.matches("Interface").count() == 1, "{radios}");
        }
        Ok("so in all four, D with one radio, the others with two; the phones have one each".into())
    })?;
    let done = "C's first process killed while a program runs in C and one in B";
    lab.check("a pulled plug ends one box", done, "C's is gone, B's runs; C starts again", || {
        let [_, b, c, ..] = &stage.hosts[..] else { bail!("three boxes") };
        let mut in_b = b.spawn(Path::new("/bin/sleep"), &["600"])?;
        let _in_c = c.spawn(Path::new("/bin/sleep"), &["600"])?;
        let sleeps = |all: &[(u32, String)]| {
            all.iter().filter(|(_, words)| words.contains("sleep 600")).count()
        };
        let all = stage::eventually(|| c.processes(), |all| sleeps(all) == 1)?;
        stage.pull_and_start("C")?;
        let left: Vec<_> =
            all.iter().filter(|(pid, _)| Path::new(&format!("/proc/{pid}")).exists()).collect();
        ensure!(left.is_empty(), "still there: {left:?}");
        ensure!(in_b.alive(), "B's ended too");
        in_b.signal("KILL")?;
        Ok(format!("{} processes gone, B's runs on", all.len()))
    })?;
    Ok(())
}

/// The provider serves a stock client; its wire can be cut, and what is behind it.
fn internet(lab: &Lab, stage: &Stage) -> Result<()> {
    let done = "dhcpcd, nslookup and ping of a laptop at the provider";
    let expected = "an address, a name, the far host; none of it while the wire is cut";
    lab.check("the lab's internet can be had and lost", done, expected, || {
        let laptop = &stage.laptop;
        stage.wan.connect(&laptop.ns, &laptop.interface)?;
        stage.wan.plug(&laptop.ns, true)?;
        laptop.lease()?;
        let addresses = laptop.addresses()?;
        ensure!(addresses.len() == 1 && addresses[0].starts_with("192.0.2."), "{addresses:?}");
        ensure!(laptop.resolve(FAR_NAME, NEAR)? == FAR, "another address");
        ensure!(laptop.ns.pings(FAR, 5)?, "the far host does not answer");
        stage.wan.reach(false)?;
        let (far, near) = (laptop.ns.pings(FAR, 2)?, laptop.ns.pings(NEAR, 5)?);
        ensure!(!far && near, "with nothing behind the provider: far {far}, near {near}");
        stage.wan.reach(true)?;
        stage.wan.plug(&laptop.ns, false)?;
        ensure!(!laptop.ns.pings(NEAR, 2)?, "an answer through a cut wire");
        stage.wan.plug(&laptop.ns, true)?;
        ensure!(laptop.ns.pings(FAR, 25)?, "nothing after the wire is back");
        laptop.ns.ip(&format!("link delete {}", laptop.interface))?;
        Ok(format!("{} from the provider", addresses[0]))
    })?;
    Ok(())
}

fn start<'a>(lab: &Lab, stage: &'a Stage) -> Result<Vec<Product<'a>>> {
    let kith = lab.kith()?.to_owned();
    let words = product::words(&kith)?;
    let mut boxes = Vec::new();
    lab.check("kith starts in every box", &format!("kith {words}"), "it answers", || {
        boxes = thread::scope(|scope| {
            let starts = stage.hosts.iter().map(|host| scope.spawn(|| Product::start(host, &kith)));
            let all: Vec<_> = starts.collect();
            let started = all.into_iter().map(|one| one.join().map_err(|_| anyhow!("it broke")));
            started.map(Result::flatten).collect::<Result<_>>()
        })?;
        let slowest = boxes.iter().map(|b| b.took).max().unwrap_or_default();
        ensure!(slowest < Duration::from_secs(60), "only after {slowest:.1?}");
        Ok(format!("the slowest of four after {slowest:.1?}"))
    })?;
    ensure!(boxes.len() == stage.hosts.len(), "no story without its boxes");
    Ok(boxes)
}

fn claim(lab: &Lab, boxes: &[Product<'_>]) -> Result<()> {
    let done = "the form of each panel, with the secret that kith printed";
    lab.check("a box is claimed", done, "and then has an owner", || {
        let claim = |product| Box::new(move || Product::claim(product)) as Story<'_>;
        Lab::side_by_side(boxes.iter().map(claim).collect())?;
        Ok("three".into())
    })?;
    Ok(())
}

/// What the kernel lets each role do.
fn privileges(lab: &Lab, first: &Product<'_>) -> Result<()> {
    let done = "/proc/PID/status of A's roles";
    let expected =
        "users of their own, not root; link may CAP_NET_ADMIN, node nothing; no new ones";
    lab.check("a role can do its work and no more", done, expected, || {
        let (node, link) = (first.rights("node")?, first.rights("link")?);
        let seen = format!("node {node:?}; link {link:?}");
        ensure!(node.user != 0 && link.user != 0 && node.user != link.user, "{seen}");
        ensure!(node.capabilities == 0 && link.capabilities == product::NET_ADMIN, "{seen}");
        ensure!(node.no_new && link.no_new, "{seen}");
        Ok(seen)
    })?;
    Ok(())
}

/// Ends the machine between two instructions, when a notice and a file were acknowledged.
fn before_the_cut(lab: &Lab, boxes: &[Product<'_>]) -> Result<()> {
    let first = boxes.first().context("a box")?;
    first.kith(&["post", NOTICE])?;
    let folder = lab.disk("cut")?;
    let mut kept = File::create(folder.join("kept")).context("write")?;
    kept.write_all(b"x").and_then(|()| kept.sync_all()).context("write")?;
    File::open(&folder).and_then(|f| f.sync_all()).context("write")?;
    fs::write(folder.join("lost"), "x").context("write")?;
    lab.cut_power()
}

fn after_the_cut(lab: &Lab, boxes: &[Product<'_>]) -> Result<()> {
    let done = "two files written before the cut, one synchronised";
    let folder = lab.disk("cut")?;
    lab.check("control: the power was cut", done, "the other is lost", || {
        ensure!(fs::read(folder.join("kept")).is_ok_and(|b| b == b"x"), "the synchronised is gone");
        ensure!(fs::read(folder.join("lost")).is_err(), "nothing is lost, so nothing was cut");
        Ok("one is there, the other is not".into())
    })?;
    let done = "power cut right after kith post had said yes";
    lab.check("what was acknowledged is kept", done, "the notice, after the restart", || {
        let first = boxes.first().context("a box")?;
        let posts = first.json(&["posts"])?;
        ensure!(each(&posts).any(|p| p["text"] == NOTICE), "it has {posts}");
        Ok(format!("there, {:.1?} after the start", first.took))
    })?;
    Ok(())
}
