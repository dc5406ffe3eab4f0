//! The real product: three boxes with radios, one stage, as many asserts as it can carry.
//!
//! The stage has its own rows first, since what follows means something only on a stage that holds.
//! A power cut divides the story in two boots; the disk is what both have.

mod daemons;
mod home;
mod lockouts;
mod mesh;
mod product;
mod stage;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::lab::process::each;
use crate::lab::vm::inside::capture::Capture;
use crate::lab::vm::inside::lab::Lab;
use crate::lab::vm::inside::wan::{FAR, FAR_NAME, NEAR};

use product::Product;
use stage::Stage;

const NOTICE: &str = "Kept through a power cut";

pub(crate) fn play(lab: &mut Lab) -> Result<()> {
    let mut stage = Stage::build(lab)?;
    match lab.boot {
        1 => {
            machines(lab, &mut stage)?;
            internet(lab, &stage)?;
            let kith = lab.kith()?.to_owned();
            let mut boxes = start(lab, &stage)?;
            privileges(lab, &boxes)?;
            claim(lab, &boxes)?;
            home::cable(lab, &stage, &boxes)?;
            let capture = Capture::start("boxes")?;
            home::settings(lab, &boxes)?;
            mesh::forms(lab, &boxes, capture)?;
            home::internet(lab, &stage, &boxes)?;
            home::unconfirmed(lab, &boxes)?;
            home::wifi(lab, &stage)?;
            home::renamed(lab, &stage, &boxes)?;
            mesh::cut(lab, &stage, &boxes)?;
            mesh::shares(lab, &stage, &boxes)?;
            daemons::hung(lab, &stage, &boxes)?;
            daemons::adopted(lab, &stage, &mut boxes, &kith)?;
            hung(lab, &boxes)?;
            lockouts::arm(lab, &boxes, 1)?;
            before_the_cut(lab, &boxes)
        }
        boot => {
            let first = stage.hosts.first().context("a box")?;
            stage.laptop.ns.wire(&stage.laptop.interface, &first.ns, "lan0")?;
            let boxes = start(lab, &stage)?;
            if boot == 2 {
                after_the_cut(lab, &boxes)?;
            }
            lockouts::check(lab, &boxes, boot - 1)?;
            if boot > lockouts::CUTS {
                return Ok(());
            }
            lockouts::arm(lab, &boxes, boot)?;
            lab.cut_power()
        }
    }
}

/// What is one box's is not another's.
fn machines(lab: &mut Lab, stage: &mut Stage) -> Result<()> {
    let done = "names, /run, radios and control groups of A, B and C";
    lab.check("every box is a machine of its own", done, "each sees its own alone", || {
        for (host, phy) in stage.hosts.iter().zip(0..) {
            let name = host.ns.name();
            host.run("touch", &[&format!("/run/mark-of-{name}")])?;
            ensure!(host.run("cat", &["/proc/sys/kernel/hostname"])?.trim() == name, "its name");
            let radios = host.run("ls", &["/sys/class/ieee80211"])?;
            let radios: Vec<&str> = radios.split_whitespace().collect();
            ensure!(radios.len() == 2, "{name} has {radios:?}");
            let file = format!("/sys/class/ieee80211/phy{phy}/macaddress");
            ensure!(host.run("cat", &[&file])?.trim() == stage.air.mac(phy)?, "another radio");
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
        Ok("so in all three, with two radios each; the phones have one each".into())
    })?;
    let done = "C's first process killed while a program runs in C and one in B";
    lab.check("a pulled plug ends one box", done, "C's is gone, B's runs; C starts again", || {
        let [_, b, c] = &stage.hosts[..] else { bail!("three boxes") };
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
fn internet(lab: &mut Lab, stage: &Stage) -> Result<()> {
    let done = "dhcpcd, nslookup and ping of a laptop at the provider";
    let expected = "an address, a name, the far host; none of it while the wire is cut";
    lab.check("the lab's internet can be had and lost", done, expected, || {
        let laptop = &stage.laptop;
        stage.wan.connect(&laptop.ns, &laptop.interface)?;
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

fn start<'a>(lab: &mut Lab, stage: &'a Stage) -> Result<Vec<Product<'a>>> {
    let kith = lab.kith()?.to_owned();
    let words = product::words(&kith)?;
    let mut boxes = Vec::new();
    lab.check("kith starts in every box", &format!("kith {words}"), "it answers", || {
        for host in &stage.hosts {
            boxes.push(Product::start(host, &kith)?);
        }
        let slowest = boxes.iter().map(|b| b.took).max().unwrap_or_default();
        ensure!(slowest < Duration::from_secs(60), "only after {slowest:.1?}");
        Ok(format!("the slowest of three after {slowest:.1?}"))
    })?;
    ensure!(boxes.len() == stage.hosts.len(), "no story without three boxes");
    Ok(boxes)
}

fn claim(lab: &mut Lab, boxes: &[Product<'_>]) -> Result<()> {
    let done = "the form of each panel, with the secret that kith printed";
    lab.check("a box is claimed", done, "and then has an owner", || {
        let began = Instant::now();
        for product in boxes {
            product.claim()?;
        }
        Ok(format!("three after {:.1} s", began.elapsed().as_secs_f32()))
    })?;
    Ok(())
}

/// What the kernel lets each role do.
fn privileges(lab: &mut Lab, boxes: &[Product<'_>]) -> Result<()> {
    let done = "/proc/PID/status of A's roles";
    let expected =
        "users of their own, not root; link may CAP_NET_ADMIN, node nothing; no new ones";
    lab.check("a role can do its work and no more", done, expected, || {
        let first = boxes.first().context("a box")?;
        let (node, link) = (first.rights("node")?, first.rights("link")?);
        let seen = format!("node {node:?}; link {link:?}");
        ensure!(node.user != 0 && link.user != 0 && node.user != link.user, "{seen}");
        ensure!(node.capabilities == 0 && link.capabilities == product::NET_ADMIN, "{seen}");
        ensure!(node.no_new && link.no_new, "{seen}");
        Ok(seen)
    })?;
    Ok(())
}

/// A role that neither ends nor works is the supervisor's to end.
fn hung(lab: &mut Lab, boxes: &[Product<'_>]) -> Result<()> {
    let first = boxes.first().context("a box")?;
    for role in product::ROLES {
        let done = format!("SIGSTOP to A's {role}");
        let expected = "another process in its place, and the box answers";
        lab.check(&format!("a hung {role} is replaced"), &done, expected, || {
            let took = first.replaced(role, "STOP")?;
            Ok(format!("after {:.1} s", took.as_secs_f32()))
        })?;
    }
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

fn after_the_cut(lab: &mut Lab, boxes: &[Product<'_>]) -> Result<()> {
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
