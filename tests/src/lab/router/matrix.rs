//! From whom to whom: every cell of the table of networks, each refusal beside a packet that passes.

use super::host::Who::{Guest, Guest2, Lan, Lan2, Mesh, Paused, Wan};
use super::row::Expect::{Answered, Arrives, At, Delivered, From, Nowhere, Refused, Silence};
use super::row::{Lab, echo, error, icmp, syn, udp};
use super::town::{OUTER, isolate};

const PROHIBITED: super::row::Expect = Refused("admin-prohibited");

pub(super) fn run(lab: &mut Lab) {
    household_to_box(lab);
    household_to_others(lab);
    guest_to_box(lab);
    guest_to_others(lab);
    mesh_to_box(lab);
    mesh_to_others(lab);
    wan_to_box(lab);
    wan_to_others(lab);
}

fn household_to_box(lab: &mut Lab) {
    let me = "192.168.77.20:40001";
    lab.check("household to box: panel", Lan, syn(me, "192.168.77.1:8480"), &Answered);
    lab.check(
        "household to box: panel without its port",
        Lan,
        syn(me, "192.168.77.1:80"),
        &Answered,
    );
    let (me6, box6) = ("[fd77:6b69:7468::20]:40001", "[fd77:6b69:7468::1]");
    lab.check("household to box: panel, IPv6", Lan, syn(me6, &format!("{box6}:8480")), &Answered);
    lab.check("household to box: DNS", Lan, udp(me, "192.168.77.1:53"), &Delivered);
    lab.check("household to box: DNS, TCP", Lan, syn(me, "192.168.77.1:53"), &Answered);
    lab.check("household to box: DNS, IPv6", Lan, udp(me6, &format!("{box6}:53")), &Delivered);
    let dhcp = udp("192.168.77.20:68", "192.168.77.1:67");
    lab.check("household to box: DHCP", Lan, dhcp, &Delivered);
    lab.check("household to box: NTP", Lan, udp(me, "192.168.77.1:123"), &Delivered);
    lab.check(
        "household to box: mDNS",
        Lan,
        udp("192.168.77.20:5353", "224.0.0.251:5353"),
        &Delivered,
    );
    lab.check("household to box: peers", Lan, udp(me, "192.168.77.1:41641"), &Delivered);
    lab.check("household to box: echo", Lan, echo("192.168.77.20", "192.168.77.1"), &Answered);
    let ping = echo("fd77:6b69:7468::20", "fd77:6b69:7468::1");
    lab.check("household to box: echo, IPv6", Lan, ping, &Answered);
    lab.check("household to box: no other service", Lan, syn(me, "192.168.77.1:22"), &PROHIBITED);
    lab.check("household to box: no other port", Lan, udp(me, "192.168.77.1:9999"), &PROHIBITED);
    lab.check(
        "household to box: no other, IPv6",
        Lan,
        syn(me6, &format!("{box6}:22")),
        &PROHIBITED,
    );
    let not_mine = udp("192.0.2.99:40001", "192.168.77.1:53");
    lab.check("household to box: not with another's address", Lan, not_mine, &Silence);
    let not_mine = udp("[2001:db8:ffff::20]:40001", "[fd77:6b69:7468::1]:53");
    lab.check("household to box: not with another's, IPv6", Lan, not_mine, &Silence);
}

fn household_to_others(lab: &mut Lab) {
    let me = "192.168.77.20:40002";
    lab.check("household to household", Lan, udp(me, "192.168.77.21:7"), &Arrives(Lan2));
    lab.check("household to guest: no", Lan, udp(me, "192.168.78.20:7"), &PROHIBITED);
    let other = udp("[2001:db8:bb00::20]:40002", "[2001:db8:bb00:1::20]:7");
    lab.check("household to guest: no, IPv6", Lan, other, &PROHIBITED);
    let mesh = lab.town.other_box;
    let own = lab.town.mesh.0.to_string();
    lab.check("household to mesh", Lan, udp(me, &format!("{}:7", mesh.0)), &From(Mesh, own));
    let six = udp("[fd77:6b69:7468::20]:40002", &format!("[{}]:7", mesh.1));
    lab.check("household to mesh: not over IPv6", Lan, six, &Refused("no-route"));
    let outer = || From(Wan, OUTER.into());
    lab.check("household to wan", Lan, udp(me, "198.51.100.1:7"), &outer());
    lab.check("household to wan: TCP", Lan, syn(me, "198.51.100.1:7"), &outer());
    lab.check("household to wan: echo", Lan, echo("192.168.77.20", "198.51.100.1"), &outer());
    let six = udp("[2001:db8:bb00::20]:40002", "[2001:db8:2::1]:7");
    lab.check("household to wan: IPv6", Lan, six, &From(Wan, "2001:db8:bb00::20".into()));
    let off = udp("192.168.77.30:40002", "198.51.100.1:7");
    lab.check("paused device to wan: no", Paused, off, &PROHIBITED);
    let off = udp("[2001:db8:bb00::30]:40002", "[2001:db8:2::1]:7");
    lab.check("paused device to wan: no, IPv6", Paused, off, &PROHIBITED);
    let panel = syn("192.168.77.30:40002", "192.168.77.1:8480");
    lab.check("paused device to box: panel", Paused, panel, &Answered);
}

fn guest_to_box(lab: &mut Lab) {
    let me = "192.168.78.20:40003";
    lab.check("guest to box: DNS", Guest, udp(me, "192.168.78.1:53"), &Delivered);
    lab.check("guest to box: DNS, TCP", Guest, syn(me, "192.168.78.1:53"), &Answered);
    let dhcp = udp("192.168.78.20:68", "192.168.78.1:67");
    lab.check("guest to box: DHCP", Guest, dhcp, &Delivered);
    lab.check("guest to box: visitor pages", Guest, syn(me, "192.168.78.1:8480"), &Answered);
    let panel = syn(me, "192.168.77.1:8480");
    lab.check("guest to box: not the household's panel", Guest, panel, &Silence);
    let panel = syn("[fd77:6b69:7468:1::20]:40003", "[fd77:6b69:7468::1]:8480");
    lab.check("guest to box: not the household's panel, IPv6", Guest, panel, &Silence);
    let panel = syn(me, &format!("{OUTER}:8480"));
    lab.check("guest to box: not the panel by its outer address", Guest, panel, &Silence);
    lab.check("guest to box: no NTP", Guest, udp(me, "192.168.78.1:123"), &PROHIBITED);
    lab.check("guest to box: no peers", Guest, udp(me, "192.168.78.1:41641"), &PROHIBITED);
    lab.check("guest to box: no other service", Guest, syn(me, "192.168.78.1:22"), &PROHIBITED);
    let not_mine = udp("192.168.77.20:40003", "192.168.78.1:53");
    lab.check("guest to box: not with the family's address", Guest, not_mine, &Silence);
}

fn guest_to_others(lab: &mut Lab) {
    let me = "192.168.78.20:40004";
    let me6 = "[2001:db8:bb00:1::20]:40004";
    lab.check("guest to household: no", Guest, udp(me, "192.168.77.20:7"), &PROHIBITED);
    lab.check("guest to household: no, TCP", Guest, syn(me, "192.168.77.20:443"), &PROHIBITED);
    let six = syn(me6, "[2001:db8:bb00::20]:443");
    lab.check("guest to household: no, IPv6", Guest, six, &PROHIBITED);
    let six = syn("[fd77:6b69:7468:1::20]:40004", "[fd77:6b69:7468::20]:443");
    lab.check("guest to household: no, ULA", Guest, six, &PROHIBITED);
    let next = || udp(me, "192.168.78.21:7");
    lab.check("guest to guest: no", Guest, next(), &Nowhere);
    let control = isolate("guest1", false);
    lab.check("guest to guest: control, not kept apart", Guest, next(), &Arrives(Guest2));
    let control = control.and_then(|()| isolate("guest1", true));
    let back = control.map(|()| ("guest1".into(), "kept apart again".into(), true));
    lab.note("guest to guest: control ends", "", back);
    let through = udp(me, "192.168.78.22:7");
    lab.check("guest to guest: not through the box", Guest, through, &PROHIBITED);
    let boxes = lab.town.other_box.0;
    let own = lab.town.mesh.0.to_string();
    let pages = syn(me, &format!("{boxes}:8480"));
    lab.check("guest to mesh: pages for visitors", Guest, pages, &From(Mesh, own));
    lab.check("guest to mesh: nothing else", Guest, syn(me, &format!("{boxes}:22")), &PROHIBITED);
    lab.check("guest to mesh: no peers", Guest, udp(me, &format!("{boxes}:41641")), &PROHIBITED);
    lab.check("guest to wan", Guest, udp(me, "198.51.100.1:7"), &From(Wan, OUTER.into()));
    let six = udp(me6, "[2001:db8:2::1]:7");
    lab.check("guest to wan: IPv6", Guest, six, &From(Wan, "2001:db8:bb00:1::20".into()));
    let private = udp(me, "192.168.200.1:7");
    lab.check("guest to wan: no private network on the way", Guest, private, &PROHIBITED);
    let private = udp("192.168.77.20:40004", "192.168.200.1:7");
    lab.check("household to wan: a private network on the way", Lan, private, &Arrives(Wan));
}

fn mesh_to_box(lab: &mut Lab) {
    let (own, other) = (lab.town.mesh, lab.town.other_box);
    let me = format!("{}:40005", other.0);
    let me6 = format!("[{}]:40005", other.1);
    let to = |port: u16| format!("{}:{port}", own.0);
    let to6 = |port: u16| format!("[{}]:{port}", own.1);
    lab.check("mesh to box: peers", Mesh, udp(&me, &to(41_641)), &Delivered);
    lab.check("mesh to box: peers, IPv6", Mesh, udp(&me6, &to6(41_641)), &Delivered);
    lab.check("mesh to box: echo", Mesh, echo(&other.0.to_string(), &own.0.to_string()), &Answered);
    let ping = echo(&other.1.to_string(), &own.1.to_string());
    lab.check("mesh to box: echo, IPv6", Mesh, ping, &Answered);
    lab.check("mesh to box: visitor pages, if public", Mesh, syn(&me, &to(8_480)), &Answered);
    lab.check("mesh to box: no DNS", Mesh, udp(&me, &to(53)), &Silence);
    lab.check("mesh to box: no other service", Mesh, syn(&me, &to(22)), &Silence);
    lab.check("mesh to box: no other service, IPv6", Mesh, syn(&me6, &to6(22)), &Silence);
    let panel = syn(&me, "192.168.77.1:8480");
    lab.check("mesh to box: not the household's panel", Mesh, panel, &Silence);
    let panel = syn(&me6, "[fd77:6b69:7468::1]:8480");
    lab.check("mesh to box: not the household's panel, IPv6", Mesh, panel, &Silence);
    let panel = udp(&me, &format!("{OUTER}:41641"));
    lab.check("mesh to box: not by its outer address", Mesh, panel, &Silence);
}

fn mesh_to_others(lab: &mut Lab) {
    let other = lab.town.other_box;
    let me = format!("{}:40006", other.0);
    let me6 = format!("[{}]:40006", other.1);
    lab.check("mesh to household: no", Mesh, syn(&me, "192.168.77.20:443"), &PROHIBITED);
    let six = syn(&me6, "[2001:db8:bb00::20]:443");
    lab.check("mesh to household: no, IPv6", Mesh, six, &PROHIBITED);
    let six = syn(&me6, "[fd77:6b69:7468::20]:443");
    lab.check("mesh to household: no, ULA", Mesh, six, &PROHIBITED);
    let spoofed = syn("192.168.77.21:40006", "192.168.77.20:443");
    lab.check("mesh to household: not as one of the family", Mesh, spoofed, &Nowhere);
    lab.check("mesh to guest: no", Mesh, udp(&me, "192.168.78.20:7"), &PROHIBITED);
    let shared = udp(&me, "198.51.100.1:7");
    lab.check("mesh to wan: shared", Mesh, shared, &From(Wan, OUTER.into()));
    let private = udp(&me, "192.168.200.1:7");
    lab.check("mesh to wan: no private network on the way", Mesh, private, &PROHIBITED);
    let spoofed = udp("198.51.100.77:40006", "198.51.100.1:7");
    lab.check("mesh to wan: not with another's address", Mesh, spoofed, &Nowhere);
    let six = udp(&me6, "[2001:db8:2::1]:7");
    lab.check("mesh to wan: not over IPv6", Mesh, six, &PROHIBITED);
}

fn wan_to_box(lab: &mut Lab) {
    let me = "198.51.100.1:40007";
    let me6 = "[2001:db8:2::1]:40007";
    let (own, own6) = (OUTER, "2001:db8:1::50");
    lab.check("wan to box: peers", Wan, udp(me, &format!("{own}:41641")), &Delivered);
    lab.check("wan to box: peers, IPv6", Wan, udp(me6, &format!("[{own6}]:41641")), &Delivered);
    for (port, what) in [(8_480, "panel"), (80, "web"), (22, "other service")] {
        let name = format!("wan to box: no {what}");
        lab.check(&name, Wan, syn(me, &format!("{own}:{port}")), &Silence);
        lab.check(&format!("{name}, IPv6"), Wan, syn(me6, &format!("[{own6}]:{port}")), &Silence);
    }
    for (port, what) in [(53, "DNS"), (67, "DHCP"), (123, "NTP"), (5_353, "mDNS"), (9_999, "other")]
    {
        let name = format!("wan to box: no {what}");
        lab.check(&name, Wan, udp(me, &format!("{own}:{port}")), &Silence);
        lab.check(&format!("{name}, IPv6"), Wan, udp(me6, &format!("[{own6}]:{port}")), &Silence);
    }
    lab.check("wan to box: no echo", Wan, echo("198.51.100.1", own), &Silence);
    lab.check("wan to box: echo, IPv6", Wan, echo("2001:db8:2::1", own6), &Answered);
    let inner = udp(me, "192.168.77.1:41641");
    lab.check("wan to box: not by its inner address", Wan, inner, &Silence);
    for (who, address) in [
        ("the family", "192.168.77.20"),
        ("a visitor", "192.168.78.20"),
        ("nobody", "0.1.2.3"),
        ("a link", "169.254.1.1"),
    ] {
        let spoofed = udp(&format!("{address}:40007"), &format!("{own}:41641"));
        lab.check(&format!("wan to box: not as {who}"), Wan, spoofed, &Silence);
    }
    for (who, address) in
        [("the family", "2001:db8:bb00::20"), ("the family, ULA", "fd77:6b69:7468::20")]
    {
        let spoofed = udp(&format!("[{address}]:40007"), &format!("[{own6}]:41641"));
        lab.check(&format!("wan to box: not as {who}, IPv6"), Wan, spoofed, &Silence);
    }
    let answer = udp("[fe80::1]:547", "[fe80::b0]:546");
    lab.check("wan to box: DHCPv6 answers", Wan, answer, &Delivered);
}

fn wan_to_others(lab: &mut Lab) {
    let me = "198.51.100.1:40008";
    let me6 = "[2001:db8:2::1]:40008";
    lab.check("wan to household: no, by its address", Wan, udp(me, "192.168.77.20:7"), &Silence);
    lab.check("wan to household: no, TCP", Wan, syn(me, "192.168.77.20:443"), &Silence);
    let forward = || syn(me, &format!("{OUTER}:443"));
    lab.check("wan to household: a forward of the owner", Wan, forward(), &At(Lan, 443));
    let game = udp(me, &format!("{OUTER}:27015"));
    lab.check("wan to household: a forward to another port", Wan, game, &At(Lan, 27_016));
    lab.check(
        "wan to household: not the port beside",
        Wan,
        syn(me, &format!("{OUTER}:444")),
        &Silence,
    );
    let other = udp(me, &format!("{OUTER}:443"));
    lab.check("wan to household: not the other protocol", Wan, other, &Silence);
    let spoofed = syn("192.168.77.21:40008", &format!("{OUTER}:443"));
    lab.check("wan to household: not as one of the family", Wan, spoofed, &Nowhere);
    lab.check("wan to guest: no", Wan, udp(me, "192.168.78.20:7"), &Silence);
    let six = syn(me6, "[2001:db8:bb00:1::20]:443");
    lab.check("wan to guest: no, IPv6", Wan, six, &Silence);
    let ping = echo("2001:db8:2::1", "2001:db8:bb00:1::20");
    lab.check("wan to guest: no echo, IPv6", Wan, ping, &Silence);
    let stray = error(
        (1, 4),
        "2001:db8:2::1",
        "2001:db8:bb00:1::20",
        udp("[2001:db8:bb00:1::20]:1", "[2001:db8:2::1]:2"),
    );
    lab.check("wan to guest: no error about nothing, IPv6", Wan, stray, &Silence);
    let mesh = lab.town.other_box;
    lab.check("wan to mesh: no", Wan, udp(me, &format!("{}:41641", mesh.0)), &Silence);
    lab.check("wan to mesh: no, IPv6", Wan, udp(me6, &format!("[{}]:41641", mesh.1)), &Silence);
    lab.check("wan to wan: not through the box", Wan, udp(me, "203.0.113.9:7"), &Silence);
    let redirect = icmp(5, "192.0.2.1", OUTER);
    lab.check("wan to box: no redirects", Wan, redirect, &Silence);
}
