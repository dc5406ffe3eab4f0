//! Lines of the ruleset taken away, one at a time: what each keeps out then passes. So nothing else keeps it
//! out, and a line that says it is kept out can fail.

use anyhow::{Result, anyhow};

use super::host::Who::{self, Guest, Lan, Paused, Wan};
use super::houses::{change, load};
use super::packet::{Body, Packet};
use super::row::Expect::{self, Answered, Arrives, Delivered};
use super::row::{Lab, syn, udp};
use super::town::House;

const DROP: &str = "policy drop;";
const INPUT: &str = "hook input priority filter; policy drop;";
const FORWARD: &str = "hook forward priority filter; policy drop;";
const OWN_ONLY: &str = "fib daddr . iif type != { local, broadcast, multicast } drop\n";
const INTERFACE_ONLY: &str = "meta nfproto ipv4 fib daddr . iif type != local drop\n";
const PRIVATE: &str = "ip daddr @private_ipv4 reject with icmpx admin-prohibited\n";
const PAUSE: &str = "iifname \"br-lan\" oifname != \"br-lan\" ether saddr @paused \
                     reject with icmpx admin-prohibited\n";

/// A line of the ruleset, and a packet that passes without it.
struct Control {
    /// What the line is for.
    name: &'static str,
    /// Its words, as they are rendered.
    line: &'static str,
    from: Who,
    packet: Result<Packet>,
    /// What becomes of the packet without it.
    expect: Expect,
}

/// Tries all of them, then puts the rules back.
pub(super) fn run(lab: &mut Lab, house: &House) {
    let rules = match house.desired() {
        Ok(desired) => desired.ruleset,
        Err(why) => return lab.note("control", "", Err(why)),
    };
    for Control { name, line, from, packet, expect } in to_the_box().into_iter().chain(through_it())
    {
        let open =
            if line.ends_with(DROP) { line.replace(DROP, "policy accept;") } else { String::new() };
        let text = rules.replace(line, &open);
        let changed =
            if text == rules { Err(anyhow!("no such line: {line}")) } else { load(&text) };
        let name = format!("control, without the rule: {name}");
        match changed {
            Ok(()) => lab.check(&name, from, packet, &expect),
            Err(why) => lab.note(&name, "", Err(why)),
        }
    }
    let back = lab.town.change(house);
    change(lab, "controls end", back);
}

fn to_the_box() -> [Control; 4] {
    [
        Control {
            name: "what comes in is dropped",
            line: INPUT,
            from: Wan,
            packet: syn("198.51.100.1:45000", "192.0.2.50:8480"),
            expect: Answered,
        },
        Control {
            name: "nobody outside is one of us",
            line: "jump spoofed\n",
            from: Wan,
            packet: udp("[2001:db8:bb00::21]:45000", "[2001:db8:1::50]:41641"),
            expect: Delivered,
        },
        Control {
            name: "visitors use their own address of the box",
            line: OWN_ONLY,
            from: Guest,
            packet: syn("192.168.78.20:45001", "192.168.77.1:8480"),
            expect: Answered,
        },
        Control {
            name: "the internet uses its own address of the box",
            line: INTERFACE_ONLY,
            from: Wan,
            packet: udp("198.51.100.1:45000", "192.168.77.1:41641"),
            expect: Delivered,
        },
    ]
}

fn through_it() -> [Control; 6] {
    let game = "[2001:db8:bb00::20]:27016";
    let routed = udp("[2001:db8:2::1]:45000", game);
    [
        Control {
            name: "what passes is dropped",
            line: FORWARD,
            from: Wan,
            packet: syn("[2001:db8:2::1]:45000", "[2001:db8:bb00::20]:445"),
            expect: Arrives(Lan),
        },
        Control {
            name: "nobody outside is one of us, behind it",
            line: "jump spoofed\n",
            from: Wan,
            packet: udp("[2001:db8:bb00::21]:45000", game),
            expect: Arrives(Lan),
        },
        Control {
            name: "no local address comes in",
            line: "ip6 saddr fc00::/7 drop\n",
            from: Wan,
            packet: udp("[fd00:1::1]:45000", game),
            expect: Arrives(Lan),
        },
        Control {
            name: "no routing header 0",
            line: "rt type 0 drop\n",
            from: Wan,
            packet: routed.map(|packet| packet.with(Body::Routed(45_000, 27_016))),
            expect: Arrives(Lan),
        },
        Control {
            name: "visitors see no private network on the way",
            line: PRIVATE,
            from: Guest,
            packet: udp("192.168.78.20:45000", "192.168.200.1:7"),
            expect: Arrives(Wan),
        },
        Control {
            name: "a paused device is kept off",
            line: PAUSE,
            from: Paused,
            packet: udp("192.168.77.30:45000", "198.51.100.1:7"),
            expect: Arrives(Wan),
        },
    ]
}
