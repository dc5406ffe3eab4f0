//! Other settings, other rules: a box that nobody owns, one that shares nothing, one without a way out; and
//! every port from outside in each that matters.

use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::host::Who::{self, Guest, Lan, Mesh, Wan};
use super::host::inside;
use super::row::Expect::{self, Answered, Delivered, Nowhere, Refused, Silence};
use super::row::{Lab, echo, syn, udp};
use super::scan;
use super::town::{BOX, House, OUTER, TCP, UDP};

const OUTER6: &str = "2001:db8:1::50";
const DEVICE6: &str = "2001:db8:bb00::20";
const PROHIBITED: Expect = Refused("admin-prohibited");
/// What a device would answer at, were it let.
const SERVED: [u16; 3] = [443, 444, 27_016];

pub(super) fn scans(lab: &mut Lab, house: &House) {
    let (tcp, udp) = match servers() {
        Ok(servers) => servers,
        Err(why) => return lab.note("scan: servers on the device", "", Err(why)),
    };
    let own = lab.town.listening.len();
    lab.town.listening.extend(udp);
    scan::check(lab, "scan of the box, TCP", (true, OUTER), (&[443], 0..=0));
    scan::check(lab, "scan of the box, UDP", (false, OUTER), (&[27_015, 41_641], 0..=0));
    scan::check(lab, "scan of the box, TCP, IPv6", (true, OUTER6), (&[], 0..=0));
    scan::check(lab, "scan of the box, UDP, IPv6", (false, OUTER6), (&[41_641], 0..=0));
    scan::check(lab, "scan of a device, TCP, IPv6", (true, DEVICE6), (&[443], 0..=0));
    // IKE passes to a device that does not speak it, which says so.
    scan::check(lab, "scan of a device, UDP, IPv6", (false, DEVICE6), (&[27_016], 1..=1));
    unclaimed(lab, house);
    if change(lab, "control: without the firewall", load("delete table inet kith\n")) {
        for (tcp, to, what) in [
            (true, OUTER, "TCP"),
            (true, OUTER6, "TCP, IPv6"),
            (false, OUTER, "UDP"),
            (false, OUTER6, "UDP, IPv6"),
        ] {
            // Errors are told at most a thousand times a second (`icmp_msgs_per_sec`), resets always.
            let (open, least): (&[u16], _) = if tcp { (&TCP, 65_000) } else { (&UDP, 100) };
            let name = format!("scan: control, without the firewall, {what}");
            scan::check(lab, &name, (tcp, to), (open, least..=65_535));
        }
    }
    lab.town.listening.truncate(own);
    drop(tcp);
    let back = lab.town.change(house);
    change(lab, "control ends: with the firewall", back);
}

/// Before anybody owns it, nothing of the box is reached from outside, and nothing passes.
fn unclaimed(lab: &mut Lab, house: &House) {
    let mut nobody = house.clone();
    nobody.facts.claimed = false;
    let changed = lab.town.change(&nobody);
    if !change(lab, "a box that nobody owns", changed) {
        return;
    }
    scan::check(lab, "scan of a box that nobody owns, TCP", (true, OUTER), (&[], 0..=0));
    scan::check(lab, "scan of a box that nobody owns, UDP", (false, OUTER), (&[], 0..=0));
    let me = "192.168.77.20:44000";
    lab.check("not owned: panel", Lan, syn(me, "192.168.77.1:8480"), &Answered);
    lab.check("not owned: no way to the internet", Lan, udp(me, "198.51.100.1:7"), &PROHIBITED);
    let mesh = lab.town.other_box.0;
    lab.check("not owned: no way to the mesh", Lan, udp(me, &format!("{mesh}:7")), &PROHIBITED);
    let peers = udp("198.51.100.1:44000", &format!("{OUTER}:41641"));
    lab.check("not owned: no peers from outside", Wan, peers, &Silence);
}

/// Nothing is shared with the mesh, and nothing shown to it; then no way out works.
pub(super) fn others(lab: &mut Lab, house: &House) {
    let mut alone = house.clone();
    alone.settings.mesh.share_uplink = false;
    alone.facts.visitor_pages = false;
    alone.settings.guest.internet = false;
    let changed = lab.town.change(&alone);
    if change(lab, "a box that shares nothing", changed) {
        let (own, other) = (lab.town.mesh.0, lab.town.other_box.0);
        let me = format!("{other}:44010");
        lab.check("not shared: mesh to wan: no", Mesh, udp(&me, "198.51.100.1:7"), &PROHIBITED);
        lab.check(
            "not public: mesh to box: no pages",
            Mesh,
            syn(&me, &format!("{own}:8480")),
            &Silence,
        );
        lab.check(
            "not shared: mesh to box: peers",
            Mesh,
            udp(&me, &format!("{own}:41641")),
            &Delivered,
        );
        let guest = udp("192.168.78.20:44010", "198.51.100.1:7");
        lab.check("not shared: guest to wan: no", Guest, guest, &PROHIBITED);
        let guest = udp("[2001:db8:bb00:1::20]:44010", "[2001:db8:2::1]:7");
        lab.check("not shared: guest to wan: no, IPv6", Guest, guest, &PROHIBITED);
        let dns = udp("192.168.78.20:44010", "192.168.78.1:53");
        lab.check("not shared: guest to box: DNS", Guest, dns, &Delivered);
    }
    let mut offline = house.clone();
    offline.facts.way_out = None;
    let changed = lab.town.change(&offline);
    if change(lab, "a box without a way out", changed) {
        let me = "192.168.77.20:44020";
        let out = udp(me, "198.51.100.1:7");
        lab.check("no way out: fails fast", Lan, out, &Refused("net-unreachable"));
        let out = udp("[2001:db8:bb00::20]:44020", "[2001:db8:2::1]:7");
        lab.check("no way out: fails fast, IPv6", Lan, out, &Nowhere);
        lab.check("no way out: DNS of the box", Lan, udp(me, "192.168.77.1:53"), &Delivered);
        lab.check("no way out: panel", Lan, syn(me, "192.168.77.1:8480"), &Answered);
    }
    let changed = closed();
    if change(lab, "the firewall at boot", changed) {
        let me = "192.168.77.20:44030";
        lab.check("at boot: nothing passes", Lan, udp(me, "198.51.100.1:7"), &Silence);
        lab.check("at boot: nothing comes in", Lan, syn(me, "192.168.77.1:8480"), &Silence);
        lab.check("at boot: nothing comes in, IPv6", Wan, echo("2001:db8:2::1", OUTER6), &Silence);
    }
    let back = lab.town.change(house);
    if change(lab, "as it was", back) {
        let panel = syn("192.168.77.20:44040", "192.168.77.1:8480");
        lab.check("as it was: panel", Lan, panel, &Answered);
    }
}

/// Notes that the rules are others now; whether they are.
pub(super) fn change(lab: &mut Lab, name: &str, changed: Result<()>) -> bool {
    let changed = changed.map(|()| (name.to_owned(), "loaded".to_owned(), true));
    let done = changed.is_ok();
    lab.note(&format!("rules: {name}"), "loaded", changed);
    done
}

fn closed() -> Result<()> {
    load(&kith_link::render::nft::closed())
}

/// Loads rules into the box as they are.
///
/// # Errors
/// When nft refuses them.
pub(super) fn load(text: &str) -> Result<()> {
    inside(BOX, || {
        let mut nft = Command::new("nft");
        let mut child = nft
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("nft")?;
        child.stdin.take().context("its input")?.write_all(text.as_bytes()).context("write")?;
        let output = child.wait_with_output().context("wait for nft")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    })
}

type Servers = (Vec<TcpListener>, Vec<(u16, UdpSocket)>);

/// Programs on the device that listen both where the owner has opened a port and beside it.
fn servers() -> Result<Servers> {
    inside(Who::Lan.name(), || {
        let tcp: Result<_> =
            SERVED.iter().map(|port| TcpListener::bind(("::", *port)).context("listen")).collect();
        let udp: Result<_> = SERVED
            .iter()
            .map(|port| {
                let socket = UdpSocket::bind(("::", *port)).context("listen")?;
                socket.set_nonblocking(true).context("do not wait")?;
                Ok((*port, socket))
            })
            .collect();
        Ok((tcp?, udp?))
    })
}
