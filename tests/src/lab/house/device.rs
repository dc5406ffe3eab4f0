//! Somebody's device: stock programs in a network of their own, and what they come to know.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::lab::namespace::inside;

/// The longest a stock program may take.
const LIMIT: &str = "40";
/// The longest somebody waits for a page to begin.
const GLANCE: Duration = Duration::from_millis(800);

/// Runs a program there to its end, however it ends.
///
/// # Errors
/// When it cannot be started.
pub(super) fn ran(space: &str, program: &str, words: &[&str]) -> Result<Output> {
    Command::new("nsenter")
        .arg(format!("--net=/run/netns/{space}"))
        .args(["--", "timeout", "-s", "KILL", LIMIT, program])
        .args(words)
        .output()
        .with_context(|| format!("start {program}"))
}

/// Runs a program there, which must succeed; answers what it printed.
///
/// # Errors
/// When it fails; with what it said.
pub(super) fn run(space: &str, program: &str, words: &[&str]) -> Result<String> {
    let output = ran(space, program, words)?;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{space}$ {program} {}: {out}{err}", words.join(" "));
    Ok(out.into_owned())
}

/// The addresses of its device, as `ip -json` tells them.
///
/// # Errors
/// When `ip` fails.
pub(super) fn addresses(space: &str) -> Result<Vec<Value>> {
    let said = run(space, "ip", &["-json", "address", "show", "dev", "eth0"])?;
    let devices: Value = serde_json::from_str(&said).context("what ip says")?;
    Ok(devices[0]["addr_info"].as_array().cloned().unwrap_or_default())
}

/// Its IPv4 addresses.
///
/// # Errors
/// When `ip` fails.
pub(super) fn ipv4(space: &str) -> Result<Vec<String>> {
    let of = |address: Value| address["local"].as_str().map(str::to_owned);
    Ok(addresses(space)?.into_iter().filter(|a| a["family"] == "inet").filter_map(of).collect())
}

/// Takes its IPv4 addresses away.
///
/// # Errors
/// When `ip` fails.
pub(super) fn forget(space: &str) -> Result<()> {
    run(space, "ip", &["-4", "address", "flush", "dev", "eth0"]).map(drop)
}

/// Asks `server` with dig; the lines of the short answer.
///
/// # Errors
/// When nobody answers.
pub(super) fn dig(space: &str, server: &str, words: &[&str]) -> Result<Vec<String>> {
    let at = format!("@{server}");
    let all = [&[at.as_str(), "+short", "+time=2", "+tries=2"][..], words].concat();
    Ok(run(space, "dig", &all)?.lines().map(str::to_owned).collect())
}

/// Whether a page is served to it at an address, soon.
pub(super) fn serves(space: &str, (address, port): (&str, u16)) -> bool {
    let asked = inside(space, || {
        let address: IpAddr = address.parse().context("an address")?;
        let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), GLANCE)?;
        stream.set_read_timeout(Some(GLANCE))?;
        write!(stream, "GET / HTTP/1.1\r\nhost: {address}:{port}\r\nconnection: close\r\n\r\n")?;
        let mut line = [0; 10];
        stream.read_exact(&mut line)?;
        // Whoever has not signed in yet is sent there.
        Ok(line.starts_with(b"HTTP/1.1 2") || line.starts_with(b"HTTP/1.1 3"))
    });
    asked.unwrap_or(false)
}
