//! NAT for UDP, TCP and ICMP (RFC 4787, RFC 5382, RFC 5508), requirement by requirement.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};

use super::host::{self, Who, inside};
use super::packet::{Arrived, Body, Kind, Packet};
use super::row::Expect::{Arrives, At, Refused, Silence};
use super::row::{Lab, echo, error, syn, udp, words};
use super::town::{BOX, Fate, OUTER};
use crate::lab::namespace::call;

/// What a line was about: what was sent, what was seen, whether it holds.
type Line = Result<(String, String, bool)>;

const FIRST: &str = "198.51.100.1:7";
const SECOND: &str = "198.51.100.2:7";

pub(super) fn run(lab: &mut Lab) {
    mapping(lab);
    pinged(lab);
    timers(lab);
    filtering(lab);
    hairpin(lab);
    errors(lab);
    fragments(lab);
    let line = no_gateway();
    lab.note("RFC 4787 REQ-10 no application's words are changed", "as they were sent", line);
}

/// As who a packet of the family's arrives at the internet.
fn outside(lab: &mut Lab, from: Who, packet: Result<Packet>) -> Result<Arrived> {
    let fate = lab.town.send(from, &packet?, Some(&|fate: &Fate| !fate.arrived.is_empty()))?;
    let seen = words(&fate);
    let arrived = fate.arrived.into_iter().find(|(who, _)| *who == Who::Wan);
    Ok(arrived.with_context(|| format!("nothing came out: {seen}"))?.1)
}

const fn source(arrived: &Arrived) -> u16 {
    match arrived.kind {
        Kind::Udp(from, _) | Kind::Tcp(from, ..) => from,
        Kind::Icmp(..) | Kind::Other(_) => 0,
    }
}

fn mapping(lab: &mut Lab) {
    type Make = fn(&str, &str) -> Result<Packet>;
    let kinds: [(&str, Make); 2] = [("RFC 4787", udp), ("RFC 5382", syn)];
    for (rfc, make) in kinds {
        let mine = "192.168.77.20:41000";
        let line = || -> Line {
            let one = outside(lab, Who::Lan, make(mine, FIRST))?;
            let two = outside(lab, Who::Lan, make(mine, SECOND))?;
            let (a, b) = (source(&one), source(&two));
            let same = a == b && one.from == two.from && one.from.to_string() == OUTER;
            Ok((format!("{mine} to {FIRST} and {SECOND}"), format!("from {a} and {b}"), same))
        }();
        lab.note(&format!("{rfc} REQ-1 one mapping for every server"), "the same port", line);
    }
    let line = || -> Line {
        let seen = outside(lab, Who::Lan, udp("192.168.77.20:41001", FIRST))?;
        let port = source(&seen);
        Ok(("from port 41001".into(), format!("from port {port}"), port % 2 == 1))
    }();
    lab.note("RFC 4787 REQ-4 even ports stay even, odd ones odd", "an odd port", line);
    let line = || -> Line {
        let one = outside(lab, Who::Lan, udp("192.168.77.20:41002", FIRST))?;
        let two = outside(lab, Who::Guest, udp("192.168.78.20:41002", FIRST))?;
        let (a, b) = (source(&one), source(&two));
        Ok((format!("two devices from 41002 to {FIRST}"), format!("from {a} and {b}"), a != b))
    }();
    lab.note("RFC 4787 REQ-3 two devices towards one server have two ports", "two ports", line);
    let line = || -> Line {
        let one = outside(lab, Who::Guest, udp("192.168.78.20:41002", SECOND))?;
        let before = outside(lab, Who::Guest, udp("192.168.78.20:41002", FIRST))?;
        let (a, b) = (source(&one), source(&before));
        Ok(("the second device to both servers".into(), format!("from {a} and {b}"), a == b))
    }();
    lab.note(
        "RFC 4787 REQ-1 a port that was changed is changed for every server",
        "the same port",
        line,
    );
    let line = || -> Line {
        outside(lab, Who::Lan, udp("192.168.77.20:41004", FIRST))?;
        let one = outside(lab, Who::Guest, udp("192.168.78.20:41004", SECOND))?;
        let two = outside(lab, Who::Guest, udp("192.168.78.20:41004", FIRST))?;
        let (a, b) = (source(&one), source(&two));
        let sent = format!("two devices from 41004 to {FIRST}, the second to {SECOND} before");
        Ok((sent, format!("from {a} and {b}"), a == b))
    }();
    lab.note("RFC 4787 REQ-1 when two devices use one port", "the same port", line);
    let line = || -> Line {
        let one = outside(lab, Who::Lan, udp("192.168.77.20:41003", FIRST))?;
        let two = outside(lab, Who::Lan2, udp("192.168.77.21:41003", SECOND))?;
        let (a, b) = (source(&one), source(&two));
        let sent = format!("two devices from 41003, to {FIRST} and {SECOND}");
        Ok((sent, format!("from {a} and {b}"), a != b))
    }();
    lab.note("RFC 4787 REQ-3 no port is used for two devices", "two ports", line);
}

fn pinged(lab: &mut Lab) {
    let line = || -> Line {
        let asked = echo("192.168.77.20", "198.51.100.1")?;
        let fate = lab.town.send(Who::Lan, &asked, Some(&|fate: &Fate| !fate.back.is_empty()))?;
        let seen = words(&fate);
        Ok(("echo to a server".into(), seen.clone(), seen.contains("echo-reply from 198.51.100.1")))
    }();
    lab.note("RFC 5508 REQ-1 an echo is answered through the NAT", "an echo-reply", line);
}

fn timers(lab: &mut Lab) {
    for (requirement, name, least) in [
        ("RFC 4787 REQ-5 a mapping lives", "udp_timeout", 300),
        ("RFC 4787 REQ-5 a mapping in use lives", "udp_timeout_stream", 300),
        ("RFC 5382 REQ-5 an open connection lives", "tcp_timeout_established", 7_440),
        ("RFC 5382 REQ-5 an opening connection lives", "tcp_timeout_syn_sent", 240),
        ("RFC 5382 REQ-5 a closing connection lives", "tcp_timeout_fin_wait", 240),
        ("RFC 5508 REQ-2 an echo's mapping lives", "icmp_timeout", 60),
        ("RFC 5508 REQ-2 the same over IPv6", "icmpv6_timeout", 60),
    ] {
        let line = || -> Line {
            let path = format!("netfilter/nf_conntrack_{name}");
            let value: u32 = host::get(super::town::BOX, &path)?.parse().context("a number")?;
            Ok((path, format!("{value} s"), value >= least))
        }();
        lab.note(requirement, &format!("at least {least} s"), line);
    }
    let line = refreshed(lab);
    lab.note(
        "RFC 4787 REQ-6 what goes out refreshes the mapping",
        "an answer passes after 2.4 s of a timer of 1.6 s, none after 3 s of silence",
        line,
    );
}

/// With a shorter timer, since 300 s are long: kept alive from inside, then forgotten.
fn refreshed(lab: &mut Lab) -> Line {
    const TIMERS: [&str; 2] =
        ["netfilter/nf_conntrack_udp_timeout", "netfilter/nf_conntrack_udp_timeout_stream"];
    let before = TIMERS.map(|path| host::get(BOX, path));
    for path in TIMERS {
        host::set(BOX, path, "2")?;
    }
    let result = (|| {
        let out = || udp("192.168.77.20:41010", FIRST);
        let back = udp(FIRST, &format!("{OUTER}:41010"))?;
        for _ in 0..3 {
            outside(lab, Who::Lan, out())?;
            std::thread::sleep(Duration::from_millis(1_000));
        }
        let arrives: &dyn Fn(&Fate) -> bool = &|fate| !fate.arrived.is_empty();
        let alive = lab.town.send(Who::Wan, &back, Some(arrives))?;
        std::thread::sleep(Duration::from_millis(3_500));
        let dead = lab.town.send(Who::Wan, &back, None)?;
        let holds =
            alive.arrived.iter().any(|(who, _)| *who == Who::Lan) && dead.arrived.is_empty();
        Ok((
            "3 datagrams a second apart with a timer of 2 s, then answers".to_owned(),
            format!("after 3 s {}; after 3.5 s of silence {}", words(&alive), words(&dead)),
            holds,
        ))
    })();
    for (path, value) in TIMERS.into_iter().zip(before) {
        host::set(BOX, path, &value?)?;
    }
    result
}

fn filtering(lab: &mut Lab) {
    type Make = fn(&str, &str) -> Result<Packet>;
    let kinds: [(&str, &str, Make); 2] =
        [("RFC 4787 REQ-8", "UDP", udp), ("RFC 5382 REQ-3", "TCP", syn)];
    for (requirement, what, make) in kinds {
        let open = "192.168.77.20:41020";
        lab.check(
            &format!("{requirement} {what} goes out"),
            Who::Lan,
            make(open, FIRST),
            &Arrives(Who::Wan),
        );
        let hole = format!("{OUTER}:41020");
        for (who, from) in [("another address", SECOND), ("another port", "198.51.100.1:8")] {
            let name = format!("{requirement} {what} from {who} stays out");
            lab.check(&name, Who::Wan, make(from, &hole), &Silence);
        }
    }
    let answer = udp(FIRST, &format!("{OUTER}:41020"));
    lab.check("RFC 4787 REQ-8 the answer comes in", Who::Wan, answer, &At(Who::Lan, 41_020));
    let middle =
        syn(SECOND, &format!("{OUTER}:41020")).map(|packet| packet.with(Body::Ack(7, 41_021)));
    lab.check("RFC 5382 REQ-3 the middle of no connection is dropped", Who::Wan, middle, &Silence);
}

fn hairpin(lab: &mut Lab) {
    let outer = format!("{OUTER}:443");
    let from = || syn("192.168.77.21:41030", &outer);
    lab.check("RFC 4787 REQ-9 hairpin of a forward", Who::Lan2, from(), &At(Who::Lan, 443));
    let game = udp("192.168.77.21:41030", &format!("{OUTER}:27015"));
    lab.check("RFC 4787 REQ-9 hairpin of a forward, UDP", Who::Lan2, game, &At(Who::Lan, 27_016));
    let line = || -> Line {
        let found = |fate: &Fate| !fate.arrived.is_empty();
        let fate = lab.town.send(Who::Lan2, &syn("192.168.77.21:41031", &outer)?, Some(&found))?;
        let shown = fate.arrived.iter().any(|(_, seen)| seen.from.to_string() == OUTER);
        Ok((format!("lan2 to {outer}"), words(&fate), shown))
    }();
    lab.note("RFC 4787 REQ-9a hairpin shows the outer address", "from the outer address", line);
    let line = || -> Line {
        outside(lab, Who::Lan, udp("192.168.77.20:41032", FIRST))?;
        let to = udp("192.168.77.21:41033", &format!("{OUTER}:41032"))?;
        let fate = lab.town.send(Who::Lan2, &to, None)?;
        Ok((format!("lan2 to {OUTER}:41032"), words(&fate), !fate.arrived.is_empty()))
    }();
    lab.note("RFC 4787 REQ-9 hairpin of a port that nobody has opened", "arrives at lan", line);
}

fn errors(lab: &mut Lab) {
    let mine = "192.168.77.20:41040";
    lab.check("RFC 4787 REQ-12 before the error", Who::Lan, udp(mine, FIRST), &Arrives(Who::Wan));
    let as_seen = || udp(&format!("{OUTER}:41040"), FIRST);
    for (kind, name) in
        [((3, 1), "host unreachable"), ((3, 4), "too big"), ((11, 0), "time exceeded")]
    {
        let line = || -> Line {
            let packet = error(kind, "198.51.100.9", OUTER, as_seen())?;
            let found = |fate: &Fate| !fate.arrived.is_empty();
            let fate = lab.town.send(Who::Wan, &packet, Some(&found))?;
            // What it is about has been translated back as well (RFC 5508, REQ-4).
            let inner: [u8; 4] = [192, 168, 77, 20];
            let holds = fate.arrived.iter().any(|(who, seen)| {
                *who == Who::Lan && seen.bytes.get(40..44).is_some_and(|from| from == inner)
            });
            Ok((format!("icmp error {}/{} about it", kind.0, kind.1), words(&fate), holds))
        }();
        lab.note(
            &format!("RFC 4787 REQ-12 {name} comes in"),
            "at lan, about its own address",
            line,
        );
    }
    let answer = udp(FIRST, &format!("{OUTER}:41040"));
    lab.check("RFC 4787 REQ-12 an error ends no mapping", Who::Wan, answer, &Arrives(Who::Lan));
    let stray = error((3, 1), "198.51.100.9", OUTER, udp(&format!("{OUTER}:41999"), FIRST));
    lab.check("RFC 5508 REQ-4 an error about nothing is dropped", Who::Wan, stray, &Silence);
    let narrow = |mtu: &str| call("ip", &["-n", BOX, "link", "set", "eth0", "mtu", mtu]).map(drop);
    let before = narrow("1300");
    let long = before.and_then(|()| udp(mine, FIRST)).map(|packet| packet.longer(1_350));
    lab.check("RFC 4787 REQ-13 what is too big is told", Who::Lan, long, &Refused("too-big"));
    let wide = narrow("1500").and_then(|()| udp(mine, FIRST)).map(|packet| packet.longer(1_350));
    lab.check(
        "RFC 4787 REQ-13 control: the same on a wide way",
        Who::Lan,
        wide,
        &Arrives(Who::Wan),
    );
    let dying = udp(mine, FIRST).map(|packet| packet.hops(1));
    lab.check(
        "RFC 1812 5.3.1 a hop limit that ends is told",
        Who::Lan,
        dying,
        &Refused("icmp 11/0"),
    );
}

/// Pieces reach a program as the whole that they were, in whatever order they come.
fn fragments(lab: &mut Lab) {
    for (name, turned) in [("in order", false), ("out of order", true)] {
        let line = fragmented(lab, turned);
        lab.note(&format!("RFC 4787 REQ-14 pieces {name} come in"), "whole at lan", line);
    }
}

fn fragmented(lab: &mut Lab, turned: bool) -> Line {
    let socket = inside(Who::Lan.name(), || {
        let socket = UdpSocket::bind("192.168.77.20:0").context("a socket of lan")?;
        socket.set_read_timeout(Some(Duration::from_secs(3))).context("not for ever")?;
        socket.send_to(b"out", FIRST).context("open a mapping")?;
        Ok(socket)
    })?;
    let port = socket.local_addr().context("its port")?.port();
    std::thread::sleep(Duration::from_millis(50));
    let packet = udp(FIRST, &format!("{OUTER}:{port}"))?.longer(1_200);
    let token = lab.town.token();
    let mut pieces = packet.pieces(&token, 600, 0x4b69 + u16::from(turned));
    if turned {
        pieces.reverse();
    }
    for piece in &pieces {
        lab.town.host(Who::Wan)?.send(packet.to, piece)?;
    }
    let mut room = [0; 2_048];
    let got = socket.recv(&mut room);
    let whole = got.as_ref().is_ok_and(|length| *length == 1_208)
        && room.get(..8).is_some_and(|head| head == token);
    let seen = got.map_or_else(|why| why.to_string(), |length| format!("{length} bytes at lan"));
    Ok((format!("{} pieces to {OUTER} {port}", pieces.len()), seen, whole))
}

/// FTP's way to name an address: a gateway in the router would rewrite it.
fn no_gateway() -> Line {
    const SAID: &[u8] = b"PORT 192,168,77,20,160,40\r\n";
    let server =
        inside(Who::Wan.name(), || TcpListener::bind("198.51.100.1:21").context("a server"))?;
    let mut client = inside(Who::Lan.name(), || {
        let to = "198.51.100.1:21".parse().context("an address")?;
        TcpStream::connect_timeout(&to, Duration::from_secs(3)).context("connect")
    })?;
    client.write_all(SAID).context("say it")?;
    let (mut stream, from) = server.accept().context("be connected to")?;
    stream.set_read_timeout(Some(Duration::from_secs(3))).context("not for ever")?;
    let mut heard = vec![0; SAID.len()];
    stream.read_exact(&mut heard).context("hear it")?;
    let seen = String::from_utf8_lossy(&heard).trim().to_owned();
    Ok(("PORT of FTP".into(), format!("{seen} from {}", from.ip()), heard == SAID))
}
