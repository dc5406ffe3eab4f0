//! What arrives from devices without manners: names that are something else, messages that are cut, too long
//! or made of chance, routers that are none. The box goes on, and shows nothing that is not text.

use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, sendto, setsockopt,
    socket, sockopt,
};

use super::device::{dig, run};
use super::dhcp::Device;
use super::frame::Cable;
use super::home::{BOX, Home, PATIENCE};
use super::provider6::advertisement;
use super::row::Rows;
use crate::lab::namespace::inside;
use crate::lab::process::each;
use crate::lab::wait;

/// How many messages of chance each door gets.
const RUBBISH: usize = 2_000;
/// The prefix of a router that is none.
const HOSTILE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x666, 0, 0, 0, 0, 0);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// What devices call themselves.
const NAMES: [&[u8]; 16] = [
    b"<script>alert(1)</script>",
    b"\"><img src=x onerror=alert(1)>",
    b"../../../../etc/passwd",
    b"..",
    b"kith",
    b"kith.internal",
    b"localhost",
    b"wpad",
    b"$(reboot)`reboot`;reboot",
    b"a b\tc",
    b"line\n1 02:00:00:00:00:99 192.168.77.9 injected *",
    b"\x1b[31mred\x1b[0m\x07",
    b"\xe2\x80\xaeexe.gpj",
    b"\xff\xfe\x00\x01",
    b"%00%2e%2e%2f",
    &[b'x'; 255],
];

/// All of it.
pub(super) fn run_all(rows: &mut Rows, home: &Home, seed: u64) {
    names(rows, home);
    messages(rows, home, seed);
    routers(rows, home);
    doors(rows, home, seed);
}

fn device(number: usize, name: &[u8]) -> Device {
    let low = u8::try_from(number % 256).unwrap_or(0);
    Device {
        mac: [2, 0x66, 0, 0, 0, low],
        transaction: 0x6600_0000 | u32::from(low),
        broadcast: true,
        name: name.to_vec(),
    }
}

fn names(rows: &mut Rows, home: &Home) {
    let done =
        format!("{} devices lease as <script>…, ../.., kith, 255 × x, with controls", NAMES.len());
    rows.row("hostile names of devices", &done, "each leases, none is shown as it is", || {
        let cable = Cable::open(&home.lan())?;
        for (number, name) in NAMES.iter().enumerate() {
            let leased = device(number, name).lease(&cable, Duration::from_secs(12));
            leased.with_context(|| format!("as {:?}", String::from_utf8_lossy(name)))?;
        }
        let mut clients = serde_json::Value::Null;
        wait(PATIENCE, "all are known", || {
            clients = home.json(&["clients"])?;
            let ours = |c: &&serde_json::Value| {
                c["mac"].as_str().is_some_and(|mac| mac.starts_with("02:66:"))
            };
            Ok(each(&clients).filter(ours).count() == NAMES.len())
        })?;
        let mut shown = Vec::new();
        for client in each(&clients) {
            let Some(name) = client["hostname"].as_str() else { continue };
            let unseen = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}');
            ensure!(name.chars().count() <= 63 && !name.contains(unseen), "{name:?}");
            ensure!(name != "injected" && client["mac"] != "02:00:00:00:00:99", "a line was added");
            shown.push(name.to_owned());
        }
        Ok(format!("shown as {shown:?}"))
    });
    rows.row(
        "hostile names: the panel",
        "GET /clients as the owner",
        "no markup of theirs",
        || {
            let page = inside(&home.lan(), || home.owner.clone().get("/clients"))?;
            let text = page.text();
            ensure!(page.status == 200, "{}: {text}", page.status);
            ensure!(text.contains("02:66:00:00:00:00"), "the page does not list them");
            for markup in ["<script>alert", "<img src=x", "\u{202e}", "\u{1b}"] {
                ensure!(!text.contains(markup), "{markup:?} is in the page");
            }
            Ok(format!("{} bytes without it", text.len()))
        },
    );
    let done = "dig kith.internal, wpad.kith.internal, localhost.kith.internal";
    rows.row("hostile names: names of the box", done, "the box, nobody else", || {
        let found = dig(&home.lan(), BOX, &["kith.internal", "A"])?;
        ensure!(found == [BOX], "kith.internal is {found:?}");
        let wpad = dig(&home.lan(), BOX, &["wpad.kith.internal", "A"])?;
        ensure!(wpad.is_empty(), "wpad.kith.internal is {wpad:?}");
        Ok(found.concat())
    });
}

/// The services of the box have the same processes as before and still serve.
fn goes_on(home: &Home, before: &[Option<u32>]) -> Result<String> {
    let after = processes(home);
    ensure!(before == after, "{before:?} became {after:?}");
    ensure!(home.reached(), "the panel is not reached");
    let found = dig(&home.lan(), BOX, &["kith.internal", "A"])?;
    ensure!(found == [BOX], "kith.internal is {found:?}");
    Ok(format!("processes {after:?}, panel and names as before"))
}

fn processes(home: &Home) -> Vec<Option<u32>> {
    let roles = home.roles();
    vec![
        roles.get("link").copied(),
        roles.get("node").copied(),
        home.daemon("dnsmasq"),
        home.daemon("dhcpcd"),
    ]
}

fn messages(rows: &mut Rows, home: &Home, seed: u64) {
    let done = format!("{RUBBISH} DHCP messages with bytes changed by chance, cut, or too long");
    rows.row("DHCP without manners", &done, "the same processes, and a lease after it", || {
        let before = processes(home);
        let cable = Cable::open(&home.lan())?;
        let mut dice = Dice(seed);
        for number in 0..RUBBISH {
            let device = device(200, b"rubbish");
            let mut message = device.message(1 + u8::try_from(number % 8).unwrap_or(0), &[]);
            for _ in 0..=dice.roll(12) {
                let at = dice.roll(message.len());
                if let Some(byte) = message.get_mut(at) {
                    *byte = u8::try_from(dice.roll(256)).unwrap_or(0);
                }
            }
            match number % 3 {
                // An option that says that it is longer than the message.
                0 => message.extend([12, 255, b'x']),
                1 => message.truncate(dice.roll(message.len())),
                _ => message.extend([12, 200].repeat(dice.roll(400))),
            }
            cable.send(&device.frame(message.get(..message.len().min(1_400)).unwrap_or(&[])))?;
        }
        let leased = device(201, b"honest").lease(&cable, Duration::from_secs(20))?;
        Ok(format!("a lease of {leased}; {}", goes_on(home, &before)?))
    });
    let done = "datagrams of 64 kB to DHCP, DNS and mDNS, in pieces";
    rows.row("datagrams as large as can be", done, "the same processes", || {
        let before = processes(home);
        let large = vec![b'x'; 65_000];
        inside(&home.lan(), || {
            let socket = UdpSocket::bind("0.0.0.0:0").context("a socket")?;
            for port in [67, 53, 5_353] {
                for _ in 0..20 {
                    socket.send_to(&large, (BOX, port)).with_context(|| format!("to {port}"))?;
                }
            }
            Ok(())
        })?;
        goes_on(home, &before)
    });
}

fn routers(rows: &mut Rows, home: &Home) {
    let done = format!("a device advertises itself as a router, with {HOSTILE}/64");
    rows.row("a router among the devices", &done, "the box does not listen", || {
        let table = || {
            let addresses = run(&home.name, "ip", &["-6", "address", "show"])?;
            let routes = run(&home.name, "ip", &["-6", "route", "show"])?;
            Ok::<_, anyhow::Error>(format!("{addresses}{routes}"))
        };
        inside(&home.lan(), || {
            let index = if_nametoindex("eth0").context("its device")?;
            let flags = SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Inet6, SockType::Raw, flags, SockProtocol::IcmpV6);
            let socket = socket.context("a socket for advertisements")?;
            setsockopt(&socket, sockopt::Ipv6MulticastHops, &255).context("hop limit")?;
            let to = SockaddrIn6::from(SocketAddrV6::new(ALL_NODES, 0, 0, index));
            for _ in 0..20 {
                let message = advertisement(9_000, Some(HOSTILE), true);
                sendto(socket.as_raw_fd(), &message, &to, MsgFlags::empty()).context("send")?;
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        })?;
        let after = table()?;
        ensure!(!after.contains("2001:db8:666"), "{after}");
        let routes = run(&home.name, "ip", &["-6", "route", "show", "default"])?;
        ensure!(!routes.contains("br-lan"), "{routes}");
        // The control: whoever does listen makes an address of it.
        let heard = run(&home.lan2(), "ip", &["-6", "address", "show", "dev", "eth0"])?;
        ensure!(heard.contains("2001:db8:666"), "no device heard it either: {heard}");
        Ok("no address and no route; another device has made one of it".into())
    });
}

/// Chance at every door.
fn doors(rows: &mut Rows, home: &Home, seed: u64) {
    for (what, to) in [
        ("DNS", "192.168.77.1:53"),
        ("mDNS", "224.0.0.251:5353"),
        ("peers", "192.168.77.1:8480"),
        ("NTP", "192.168.77.1:123"),
    ] {
        let done = format!("{RUBBISH} datagrams of chance to {to}");
        rows.row(&format!("rubbish for {what}"), &done, "the same processes", || {
            let before = processes(home);
            inside(&home.lan(), || {
                let socket = UdpSocket::bind("0.0.0.0:0").context("a socket")?;
                setsockopt(&socket, sockopt::BindToDevice, &"eth0".into()).context("its device")?;
                let mut dice = Dice(seed);
                for _ in 0..RUBBISH {
                    let length = dice.roll(600);
                    let byte = || u8::try_from(dice.roll(256)).unwrap_or(0);
                    let mut message: Vec<u8> = std::iter::repeat_with(byte).take(length).collect();
                    // Half of them look like questions or answers about names.
                    if dice.roll(2) == 0 {
                        message.splice(0..message.len().min(6), [0, 0, 0x84, 0, 0, 1]);
                    }
                    socket.send_to(&message, to).context("send")?;
                }
                Ok(())
            })?;
            goes_on(home, &before)
        });
    }
}

/// The splitmix64 generator (Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let a = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let sides = u64::try_from(sides.max(1)).unwrap_or(1);
        usize::try_from((b ^ (b >> 31)) % sides).unwrap_or(0)
    }
}
