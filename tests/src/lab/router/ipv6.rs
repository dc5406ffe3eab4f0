//! IPv6: simple security (RFC 6092), ICMPv6 in a firewall (RFC 4890) and what a customer's edge router does
//! (RFC 7084).

use anyhow::{Context as _, Result};

use super::host::Who::{Lan, Lan2, Wan};
use super::host::inside;
use super::packet::{Body, Packet};
use super::row::Expect::{Answered, Arrives, Delivered, From, Nowhere, Refused, Silence};
use super::row::{Lab, echo, error, icmp, protocol, syn, udp, words};
use super::town::BOX;

const SERVER: &str = "2001:db8:2::1";
const DEVICE: &str = "2001:db8:bb00::20";
const BOX_OUTSIDE: &str = "2001:db8:1::50";
const LOCAL: &str = "fd77:6b69:7468::20";

pub(super) fn run(lab: &mut Lab) {
    unsolicited(lab);
    solicited(lab);
    protected(lab);
    icmpv6(lab);
    edge(lab);
}

fn at(address: &str, port: u16) -> String {
    format!("[{address}]:{port}")
}

fn unsolicited(lab: &mut Lab) {
    let server = at(SERVER, 42_000);
    for port in [22, 80, 444, 8_080] {
        let name = format!("RFC 6092 3.3.1 no unsolicited TCP, port {port}");
        lab.check(&name, Wan, syn(&server, &at(DEVICE, port)), &Silence);
    }
    for port in [53, 5_000, 27_015] {
        let name = format!("RFC 6092 3.2.3 no unsolicited UDP, port {port}");
        lab.check(&name, Wan, udp(&server, &at(DEVICE, port)), &Silence);
    }
    lab.check(
        "RFC 6092 3.3.1 an unsolicited connection is answered after six seconds",
        Wan,
        syn(&server, &at(DEVICE, 445)),
        &Refused("admin-prohibited"),
    );
    lab.check(
        "RFC 6092 3.4 a pinhole of the owner",
        Wan,
        syn(&server, &at(DEVICE, 443)),
        &Arrives(Lan),
    );
    let game = udp(&server, &at(DEVICE, 27_016));
    lab.check("RFC 6092 3.4 a pinhole in whatever prefix", Wan, game, &Arrives(Lan));
    let beside = syn(&server, &at("2001:db8:bb00::21", 443));
    lab.check("RFC 6092 3.4 a pinhole opens no other device", Wan, beside, &Silence);
    let other = udp(&server, &at(DEVICE, 443));
    lab.check("RFC 6092 3.4 a pinhole opens no other protocol", Wan, other, &Silence);
    lab.check(
        "RFC 6092 3.4 a pinhole opens no other port",
        Wan,
        syn(&server, &at(DEVICE, 442)),
        &Silence,
    );
}

fn solicited(lab: &mut Lab) {
    for (name, make) in [("3.2.3 UDP", udp as fn(&str, &str) -> Result<Packet>), ("3.3.1 TCP", syn)]
    {
        let (mine, server) = (at(DEVICE, 42_010), at(SERVER, 7));
        lab.check(&format!("RFC 6092 {name} goes out"), Lan, make(&mine, &server), &Arrives(Wan));
        let stranger = at("2001:db8:2::2", 7);
        let hole = make(&stranger, &mine);
        lab.check(&format!("RFC 6092 {name} from another stays out"), Wan, hole, &Silence);
        if name.ends_with("UDP") {
            let answer = make(&server, &mine);
            lab.check(&format!("RFC 6092 {name}'s answer comes in"), Wan, answer, &Arrives(Lan));
        }
    }
    let line = connected();
    lab.note("RFC 6092 3.3.1 a connection of the family's", "both directions", line);
}

/// A whole connection from inside, with words in both directions.
fn connected() -> Result<(String, String, bool)> {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    let server = inside(Wan.name(), || TcpListener::bind(at(SERVER, 8_000)).context("a server"))?;
    let mut client = inside(Lan.name(), || {
        let to = at(SERVER, 8_000).parse().context("an address")?;
        TcpStream::connect_timeout(&to, Duration::from_secs(3)).context("connect")
    })?;
    let (mut stream, from) = server.accept().context("be connected to")?;
    for end in [&client, &stream] {
        end.set_read_timeout(Some(Duration::from_secs(3))).context("not for ever")?;
    }
    let mut heard = [[0; 4]; 2];
    client.write_all(b"ping").context("say it")?;
    stream.read_exact(&mut heard[0]).context("hear it")?;
    stream.write_all(b"pong").context("answer it")?;
    client.read_exact(&mut heard[1]).context("hear the answer")?;
    Ok(("ping and pong".into(), format!("both, from {}", from.ip()), heard == [*b"ping", *b"pong"]))
}

fn protected(lab: &mut Lab) {
    for (number, name) in
        [(50, "3.2.4 ESP passes"), (51, "3.2.4 AH passes"), (139, "3.2.4 HIP passes")]
    {
        let name = format!("RFC 6092 {name}");
        lab.check(&name, Wan, protocol(number, SERVER, DEVICE), &Arrives(Lan));
    }
    for (number, name) in
        [(4, "IPv4 in IPv6"), (47, "GRE"), (132, "SCTP"), (253, "an unknown protocol")]
    {
        let name = format!("RFC 6092 3.2.2 {name} does not come in by itself");
        lab.check(&name, Wan, protocol(number, SERVER, DEVICE), &Silence);
    }
    let ike = udp(&at(SERVER, 500), &at(DEVICE, 500));
    lab.check("RFC 6092 3.2.4 IKE passes", Wan, ike, &Arrives(Lan));
    let routed = udp(&at(SERVER, 42_020), &at(DEVICE, 27_016))
        .map(|packet| packet.with(Body::Routed(42_020, 27_016)));
    lab.check("RFC 6092 3.1 routing header 0 is dropped", Wan, routed, &Nowhere);
    for (what, source) in [
        ("a group", "ff02::1"),
        ("itself", "::1"),
        ("the family", "2001:db8:bb00::21"),
        ("a ULA", "fd00:1::1"),
    ] {
        let name = format!("RFC 6092 3.1 nothing comes in as from {what}");
        lab.check(&name, Wan, udp(&at(source, 42_030), &at(DEVICE, 27_016)), &Nowhere);
    }
    let local = udp(&at(SERVER, 42_030), &at(LOCAL, 27_016));
    lab.check("RFC 6092 3.1 local addresses are not reached from outside", Wan, local, &Silence);
    let dns = udp(&at(SERVER, 42_030), &at("2001:db8:bb00::1", 53));
    lab.check("RFC 6092 3.1 no DNS for the outside", Wan, dns, &Silence);
    let dhcp = udp(&at(SERVER, 546), &at("2001:db8:1::50", 547));
    lab.check("RFC 6092 3.1 no DHCPv6 for the outside", Wan, dhcp, &Silence);
    let panel = syn(&at(SERVER, 42_030), &at("2001:db8:bb00::1", 8_480));
    lab.check("RFC 6092 3.5 no panel for the outside", Wan, panel, &Silence);
}

fn icmpv6(lab: &mut Lab) {
    lab.check("RFC 4890 4.3.1 echo comes in", Wan, echo(SERVER, DEVICE), &Arrives(Lan));
    lab.check("RFC 4890 4.3.1 echo goes out", Lan, echo(DEVICE, SERVER), &Arrives(Wan));
    let about = || udp(&at(DEVICE, 42_040), &at(SERVER, 7));
    lab.check("RFC 6092 3.2.3 before the error", Lan, about(), &Arrives(Wan));
    for (kind, name) in [
        ((1, 0), "no route"),
        ((2, 0), "too big"),
        ((3, 0), "time exceeded"),
        ((4, 1), "parameter problem"),
    ] {
        let told = error(kind, "2001:db8:2::9", DEVICE, about());
        lab.check(&format!("RFC 4890 4.3.1 {name} comes in"), Wan, told, &Arrives(Lan));
        let asked = || udp(&at(BOX_OUTSIDE, 41_641), &at(SERVER, 7));
        if let Ok(packet) = asked() {
            lab.town.answer(41_641, std::net::SocketAddr::new(packet.to, 7));
        }
        let told = error(kind, "2001:db8:2::9", BOX_OUTSIDE, asked());
        counted(lab, &format!("RFC 4890 4.4.1 {name} reaches the box"), kind.0, told, 1);
        let nothing = udp(&at(BOX_OUTSIDE, 9_999), &at(SERVER, 9));
        let told = error(kind, "2001:db8:2::9", BOX_OUTSIDE, nothing);
        counted(lab, &format!("RFC 6092 3.2.1 {name} about nothing does not"), kind.0, told, 0);
        let nothing = udp(&at(DEVICE, 42_041), &at(SERVER, 9));
        let told = error(kind, "2001:db8:2::9", DEVICE, nothing);
        let name = format!("RFC 6092 3.2.1 {name} about nothing does not come in");
        lab.check(&name, Wan, told, &Silence);
    }
    let answer = udp(&at(SERVER, 7), &at(DEVICE, 42_040));
    lab.check("RFC 6092 3.2.3 an error ends no flow", Wan, answer, &Arrives(Lan));
    for (kind, name) in [
        (100, "4.3.5 an experiment"),
        (133, "4.3.3 a question for routers"),
        (137, "4.3.3 a redirect"),
        (138, "4.3.5 renumbering"),
        (139, "4.3.5 a question for names"),
        (151, "4.3.3 word of multicast routers"),
        (200, "4.3.5 an experiment, information"),
    ] {
        let name = format!("RFC 4890 {name} does not come in");
        lab.check(&name, Wan, icmp(kind, SERVER, DEVICE), &Silence);
    }
    for (kind, hops, requirement, passes) in [
        (137, 255, "4.4 the box takes no redirect", 0),
        (139, 64, "4.4 the box is asked for no names", 0),
        (134, 64, "4.4 no router's word from afar", 0),
        (134, 255, "4.4.1 control: a router's word from the link", 1),
        (128, 64, "4.4.1 control: an echo", 1),
    ] {
        let packet = icmp(kind, "fe80::1", "fe80::b0").map(|packet| packet.hops(hops));
        counted(lab, &format!("RFC 4890 {requirement}"), kind, packet, passes);
    }
}

/// Whether the box's own ICMPv6 gets a packet, as its kernel counts them by type.
fn counted(lab: &mut Lab, requirement: &str, kind: u8, packet: Result<Packet>, more: u64) {
    let line = (|| {
        let packet = packet?;
        let before = received(kind)?;
        let fate = lab.town.send(Wan, &packet, None)?;
        let seen = received(kind)?.saturating_sub(before);
        let sent = format!("wan: icmp type {kind} to {}", packet.to);
        Ok((sent, format!("{seen} more in the box, {}", words(&fate)), seen == more))
    })();
    lab.note(requirement, &format!("{more} more in the box"), line);
}

/// How many messages of a type ICMPv6 of the box has got (`Icmp6InType` of RFC 4293's tables).
fn received(kind: u8) -> Result<u64> {
    let text = inside(BOX, || {
        std::fs::read_to_string("/proc/thread-self/net/snmp6").context("the box's counters")
    })?;
    let name = format!("Icmp6InType{kind}");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&name).filter(|l| l.starts_with([' ', '\t'])));
    line.map_or(Ok(0), |count| count.trim().parse().context("a number"))
}

fn edge(lab: &mut Lab) {
    let spoofed = udp(&at("2001:db8:ffff::20", 42_050), &at(SERVER, 7));
    lab.check("RFC 7084 S-2 no source but of the prefix", Lan, spoofed, &Nowhere);
    let beside = udp(&at("2001:db8:bb00:1::20", 42_050), &at(SERVER, 7));
    lab.check("RFC 7084 S-2 no source of another network", Lan, beside, &Nowhere);
    let mine = || udp(&at(DEVICE, 42_050), &at(SERVER, 7));
    lab.check(
        "RFC 7084 S-2 control: with the right source",
        Lan,
        mine(),
        &From(Wan, DEVICE.into()),
    );
    let local = udp(&at(LOCAL, 42_050), &at(SERVER, 7));
    lab.check("RFC 7084 ULA-4 no local source goes out", Lan, local, &Refused("policy-fail"));
    let local = udp(&at(DEVICE, 42_050), &at("fd00:dead::1", 7));
    lab.check("RFC 7084 ULA-4 no local destination goes out", Lan, local, &Refused("no-route"));
    let link = udp(&at("fe80::20", 42_050), &at(SERVER, 7));
    lab.check("RFC 4291 2.5.6 no link-local source goes out", Lan, link, &Nowhere);
    let unused = || at("2001:db8:bb00:7::1", 7);
    let out = udp(&at(DEVICE, 42_050), &unused());
    lab.check(
        "RFC 7084 WPD-5 the rest of the prefix leads nowhere",
        Lan,
        out,
        &Refused("no-route"),
    );
    let loops = udp(&at(SERVER, 42_050), &unused());
    lab.check("RFC 7084 WPD-5 and does not go back to the provider", Wan, loops, &Nowhere);
    let through = udp(&at(SERVER, 42_050), "[2001:db8:3::1]:7");
    lab.check("RFC 7084 nothing goes from provider to provider", Wan, through, &Silence);
    let dying = mine().map(|packet| packet.hops(1));
    lab.check("RFC 8200 3 a hop limit that ends is told", Lan, dying, &Refused("icmp 3/0"));
    let local = udp(&at(LOCAL, 42_050), &at("fd77:6b69:7468::21", 7));
    lab.check("RFC 4193 1 local addresses work inside", Lan, local, &Arrives(Lan2));
    let peers = udp(&at(SERVER, 42_050), &at("2001:db8:1::50", 41_641));
    lab.check("RFC 7084 the box's own service is reached", Wan, peers, &Delivered);
    let ping = echo(DEVICE, "2001:db8:bb00::1");
    lab.check("RFC 7084 L-2 the box has an address of the prefix inside", Lan, ping, &Answered);
}
