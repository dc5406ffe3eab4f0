//! Stock programs of people's devices: three DHCP clients, dig, ping; and names and addresses that the owner
//! gives.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::device::{dig, forget, ipv4, ran, run};
use super::home::{BOX, Home, PATIENCE};
use super::provider::{FAR, NAME, NEAR, REBINDING, TRUSTED};
use super::row::Rows;
use crate::lab::namespace::call;
use crate::lab::process::each;
use crate::lab::{installed, wait};

/// The device at the second port, and what the owner calls it and gives it.
pub(super) const CONSOLE: (&str, &str, &str) = ("02:00:00:00:02:02", "console", "192.168.77.50");
const LAPTOP: &str = "laptop";

/// A stock DHCP client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Udhcpc,
    Dhcpcd,
    Dhclient,
}

impl Client {
    const ALL: [Self; 3] = [Self::Udhcpc, Self::Dhcpcd, Self::Dhclient];

    const fn name(self) -> &'static str {
        match self {
            Self::Udhcpc => "udhcpc",
            Self::Dhcpcd => "dhcpcd",
            Self::Dhclient => "dhclient",
        }
    }

    /// Asks once, sets the address and ends.
    fn asks(self, space: &str, folder: &Path) -> Result<()> {
        let text = |path: &Path| path.to_str().map(str::to_owned).context("a path in UTF-8");
        let script = text(&folder.join("lease.sh"))?;
        let host = format!("hostname:{LAPTOP}");
        match self {
            Self::Udhcpc => {
                let words = ["udhcpc", "-i", "eth0", "-n", "-q", "-f", "-x", &host, "-s", &script];
                run(space, "busybox", &words).map(drop)
            }
            Self::Dhcpcd => {
                // Without the probe for another holder of the address, which only takes five seconds.
                let words = ["-4", "-1", "-A", "-t", "30", "-c", "/bin/true", "eth0"];
                run(space, "dhcpcd", &words).map(drop)
            }
            Self::Dhclient => {
                let (lease, pid) = (folder.join("dhclient.leases"), folder.join("dhclient.pid"));
                let (lease, pid) = (text(&lease)?, text(&pid)?);
                let files = ["-4", "-cf", "/dev/null", "-lf", &lease, "-pf", &pid];
                run(space, "dhclient", &[&files[..], &["-1", "-sf", &script, "eth0"]].concat())?;
                // It stays to renew its lease; asked to go it would take the address away.
                let written =
                    || Ok(std::fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n')));
                wait(PATIENCE, "it says who it is", written)?;
                let stays = std::fs::read_to_string(&pid).context("its process")?;
                call("kill", &["-KILL", stays.trim()]).map(drop)
            }
        }
    }
}

/// A lease for the device there, by busybox's client.
///
/// # Errors
/// When nobody gives it one.
pub(super) fn lease(space: &str, home: &Home) -> Result<String> {
    forget(space)?;
    Client::Udhcpc.asks(space, &home.file(""))?;
    ipv4(space)?.pop().context("no address")
}

/// All of it.
pub(super) fn run_all(rows: &mut Rows, home: &Home) {
    leases(rows, home);
    names(rows, home);
    given(rows, home);
    rebinding(rows, home);
}

fn leases(rows: &mut Rows, home: &Home) {
    let space = home.lan();
    for client in Client::ALL {
        let program = if client == Client::Udhcpc { "busybox" } else { client.name() };
        if !installed(program) {
            rows.skip(&format!("a lease for {}", client.name()), &format!("needs {program}"));
            continue;
        }
        let done = format!("{}, then ping {FAR}", client.name());
        let expected = "an address of the household, and the internet";
        rows.row(&format!("a lease for {}", client.name()), &done, expected, || {
            forget(&space)?;
            client.asks(&space, &home.file(""))?;
            let addresses = ipv4(&space)?;
            let [address] = &addresses[..] else { bail!("{addresses:?}") };
            ensure!(address.starts_with("192.168.77."), "{address}");
            run(&space, "ping", &["-c1", "-W3", FAR])?;
            Ok(format!("{address}, and an answer"))
        });
    }
    rows.row("a lease for udhcpc: known to the box", "kith clients --json", "its name", || {
        let address = lease(&space, home)?;
        let mut seen = serde_json::Value::Null;
        let known = || {
            seen = home.json(&["clients"])?;
            let is = |c: &serde_json::Value| c["hostname"] == LAPTOP && c["ipv4"] == *address;
            Ok(each(&seen).any(is))
        };
        wait(PATIENCE, "it is known", known).with_context(|| seen.to_string())?;
        Ok(format!("{LAPTOP} has {address}"))
    });
}

/// Names of the internet and of the house.
fn names(rows: &mut Rows, home: &Home) {
    let space = home.lan();
    let asks = |words: &[&str]| dig(&space, BOX, words);
    let is = |words: &[&str], wanted: &str| -> Result<String> {
        let found = asks(words)?;
        ensure!(found == [wanted], "{found:?}");
        Ok(wanted.to_owned())
    };
    for transport in ["+notcp", "+tcp"] {
        let done = format!("dig {} {transport}", NAME.0);
        rows.row(&format!("DNS: a name of the internet, {transport}"), &done, NAME.1, || {
            is(&[transport, NAME.0, "A"], NAME.1)
        });
    }
    rows.row("DNS: the box", "dig kith.internal", BOX, || is(&["kith.internal", "A"], BOX));
    rows.row("DNS: the box, IPv6", "dig kith.internal AAAA", "its local address", || {
        let found = asks(&["kith.internal", "AAAA"])?;
        ensure!(found.len() == 1 && found[0].starts_with("fd"), "{found:?}");
        Ok(found[0].clone())
    });
    rows.row("DNS: a device by the name it gives itself", "dig laptop.kith.internal", "it", || {
        let address = ipv4(&space)?.pop().context("no address")?;
        is(&["laptop.kith.internal", "A"], &address)
    });
    let done = "dig nobody.kith.internal, dig nobody";
    rows.row("DNS: local names are not asked upstream", done, "NXDOMAIN, not the provider", || {
        for name in ["nobody.kith.internal", "nobody"] {
            let said = run(&space, "dig", &[&format!("@{BOX}"), "+time=2", name, "A"])?;
            ensure!(said.contains("status: NXDOMAIN"), "{name}: {said}");
        }
        Ok("NXDOMAIN for both".into())
    });
    rows.row("DNS: not for the internet", "dig @the box, from the provider", "no answer", || {
        let outer = ipv4_of(home, "wan")?;
        let words = [&format!("@{outer}"), "+time=1", "+tries=1", "kith.internal"];
        let output = ran(&home.wan(), "dig", &words)?;
        ensure!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        Ok(format!("{outer} is silent"))
    });
}

/// The first IPv4 address of a device in the box.
pub(super) fn ipv4_of(home: &Home, device: &str) -> Result<String> {
    let said = run(&home.name, "ip", &["-4", "-br", "address", "show", "dev", device])?;
    let net = said.split_whitespace().nth(2).with_context(|| format!("no address: {said}"))?;
    Ok(net.split('/').next().unwrap_or_default().to_owned())
}

/// What the owner gives a device for good.
fn given(rows: &mut Rows, home: &Home) {
    let (mac, name, address) = CONSOLE;
    let space = home.lan2();
    let done = "kith set client.MAC.address and .name, then udhcpc";
    rows.row("a fixed address", done, address, || {
        run(&space, "ip", &["link", "set", "eth0", "address", mac])?;
        let key = |what: &str| format!("client.{mac}.{what}");
        home.change(&[(&key("address"), address), (&key("name"), name)])?;
        let found = lease(&space, home)?;
        ensure!(found == address, "{found}");
        Ok(address.into())
    });
    rows.row("a name that the owner gives", "dig console.kith.internal, and back", name, || {
        let found = dig(&home.lan(), BOX, &["console.kith.internal", "A"])?;
        ensure!(found == [address], "{found:?}");
        let back = dig(&home.lan(), BOX, &["-x", address])?;
        ensure!(back == ["console.kith.internal."], "{back:?}");
        Ok(format!("{address}, {}", back[0]))
    });
    rows.row("a paused device", "kith set client.MAC.paused on, ping", "no internet", || {
        let reaches =
            || -> Result<bool> { Ok(ran(&space, "ping", &["-c1", "-W1", FAR])?.status.success()) };
        ensure!(reaches()?, "it has none before");
        home.change(&[(&format!("client.{mac}.paused"), "on")])?;
        wait(PATIENCE, "it is kept off", || Ok(!reaches()?))?;
        home.change(&[(&format!("client.{mac}.paused"), "off")])?;
        wait(PATIENCE, "it is let out again", reaches)?;
        Ok("off, and on again".into())
    });
}

/// Names of the internet that lead into the house (DNS rebinding).
fn rebinding(rows: &mut Rows, home: &Home) {
    let space = home.lan();
    let done = format!("dig {} at the provider, at the box", REBINDING.0);
    rows.row("DNS: rebinding", &done, "an answer there and none here", || {
        for (name, address) in [REBINDING, TRUSTED] {
            let there = dig(&space, NEAR, &[name, "A"])?;
            ensure!(there == [address], "the provider says {there:?}");
            let here = dig(&space, BOX, &[name, "A"])?;
            ensure!(here.is_empty(), "the box says {here:?}");
        }
        Ok("none for two names".into())
    });
    let done = format!("kith set dns.rebind_exceptions {}", TRUSTED.0);
    rows.row("DNS: rebinding, an exception", &done, "an answer for it alone", || {
        home.change(&[("dns.rebind_exceptions", TRUSTED.0)])?;
        let there =
            || Ok(dig(&space, BOX, &[TRUSTED.0, "A"]).is_ok_and(|found| found == [TRUSTED.1]));
        wait(PATIENCE, "it is answered", there)?;
        let here = dig(&space, BOX, &[REBINDING.0, "A"])?;
        ensure!(here.is_empty(), "the box says {here:?} for the other one");
        Ok(TRUSTED.1.into())
    });
}
