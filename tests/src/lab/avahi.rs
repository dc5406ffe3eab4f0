//! Avahi's own tools resolve a running node: a D-Bus and an avahi-daemon of the lab's own.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::namespace::{call, has_users};
use super::process::{Node, Plan};
use super::report::Report;
use super::{installed, scratch, wait};

const BUS: &str = "/run/kith-lab-bus";

/// Browses for `_kith._udp` with avahi-browse.
#[must_use]
pub fn run() -> Report {
    for program in ["dbus-daemon", "avahi-daemon", "avahi-browse"] {
        if !installed(program) {
            return Report::skipped("avahi", format!("{program} is not installed"));
        }
    }
    if !has_users() {
        let why = "avahi-daemon wants a uid of its own, which only root's namespaces have";
        return Report::skipped("avahi", why.into());
    }
    let mut report = Report::default();
    report.note("avahi", browse());
    report
}

/// A program that ends with the lab.
#[derive(Debug)]
struct Helper(Child);

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn browse() -> Result<String> {
    let folder = scratch("avahi")?;
    // Avahi leaves loopback alone, so there has to be a card to listen at.
    call("ip", &["link", "add", "card", "type", "veth", "peer", "name", "wall"])?;
    call("ip", &["address", "add", "10.78.0.1/24", "dev", "card"])?;
    call("ip", &["link", "set", "card", "up"])?;
    call("ip", &["link", "set", "wall", "up"])?;
    let _bus = bus(folder.path())?;
    let _daemon = daemon(folder.path())?;
    let node = Node::start(Plan::new("anna", folder.path()))?;
    let status = node.json(&["status"])?;
    let port = status["peer_port"].to_string();
    let key = status["node"].as_str().context("the node's key")?.to_owned();
    let key = key.trim_start_matches("did:key:").to_owned();

    let mut seen = String::new();
    let took = wait(Duration::from_secs(20), "avahi-browse resolves the node", || {
        let output = avahi(&["-rpt", "_kith._udp"])?;
        seen = output;
        Ok(resolved(&seen, &port))
    });
    let took = took.with_context(|| format!("avahi-browse said {seen:?}"))?;
    let line = seen.lines().find(|l| l.starts_with("=;")).unwrap_or_default();
    ensure!(seen.contains("\"v=") && seen.contains("\"id="), "TXT lacks v or id: {line}");
    ensure!(seen.contains(&key), "TXT carries another key than {key}: {line}");
    Ok(format!("resolved {took:.0?} after the node's line, with its address, port and key"))
}

/// Whether a line says: resolved, at the card's address, with the node's port.
fn resolved(seen: &str, port: &str) -> bool {
    seen.lines()
        .filter(|l| l.starts_with("=;"))
        .map(|l| l.split(';').collect::<Vec<_>>())
        .any(|f| f.get(8) == Some(&port) && f.get(7).is_some_and(|a| *a == "10.78.0.1"))
}

fn avahi(words: &[&str]) -> Result<String> {
    let output = Command::new("timeout")
        .args(["5", "avahi-browse"])
        .args(words)
        .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={BUS}"))
        .output()
        .context("start avahi-browse")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn bus(folder: &Path) -> Result<Helper> {
    let config = folder.join("bus.conf");
    std::fs::write(
        &config,
        format!(
            "<busconfig><type>custom</type><listen>unix:path={BUS}</listen>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>\
             <allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>"
        ),
    )
    .context("write the bus's settings")?;
    let child = Command::new("dbus-daemon")
        .arg(format!("--config-file={}", config.display()))
        .args(["--nofork", "--nopidfile"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start dbus-daemon")?;
    let helper = Helper(child);
    wait(Duration::from_secs(10), "the bus listens", || Ok(Path::new(BUS).exists()))?;
    Ok(helper)
}

fn daemon(folder: &Path) -> Result<Helper> {
    let config = folder.join("avahi.conf");
    std::fs::write(
        &config,
        "[server]\nuse-ipv4=yes\nuse-ipv6=no\nenable-dbus=yes\nallow-interfaces=card\n\
         disallow-other-stacks=no\n[publish]\npublish-workstation=no\n[rlimits]\n",
    )
    .context("write avahi's settings")?;
    std::fs::create_dir_all("/run/avahi-daemon").context("make avahi's folder")?;
    let child = Command::new("avahi-daemon")
        .arg("-f")
        .arg(&config)
        .args(["--no-drop-root", "--no-chroot", "--no-rlimits"])
        .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={BUS}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start avahi-daemon")?;
    let helper = Helper(child);
    wait(Duration::from_secs(20), "avahi answers", || {
        let output = Command::new("avahi-browse")
            .args(["-at"])
            .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={BUS}"))
            .output()
            .context("start avahi-browse")?;
        Ok(output.status.success())
    })?;
    Ok(helper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_resolved_line_with_our_port_counts() {
        let line = "=;card;IPv4;anna;_kith._udp;local;anna.local;10.78.0.1;7000;\"v=1\" \"id=z6\"";
        assert!(resolved(line, "7000"));
        assert!(!resolved(line, "7001"));
        assert!(!resolved("+;card;IPv4;anna;_kith._udp;local", "7000"));
    }
}
