//! Inside the virtual machine: its first process, the one that plays a scenario, and the one that
//! every pretended box has for its own first process.

pub(super) mod air;
pub(super) mod attempts;
pub(super) mod capture;
pub(super) mod client;
pub(super) mod control;
pub(super) mod dhcp6;
pub(super) mod host;
mod hwsim;
pub(super) mod init;
pub(super) mod lab;
mod netlink;
pub(super) mod ns;
pub(super) mod pings;
pub(super) mod roles;
pub(super) mod running;
pub(super) mod stations;
pub(super) mod wait;
pub(super) mod wan;
pub(super) mod wpa;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use super::scenario;
use crate::lab::http::Ask;
use crate::lab::panel::Visitor;
use lab::Lab;

/// What host and machine share.
pub(super) const SHARED: &str = "/labout";

/// Runs the part that is asked for, if it is one of these.
pub(super) fn part(words: &[&str]) -> Option<ExitCode> {
    if let Some(tried) = roles::as_daemon() {
        return Some(told(tried));
    }
    match *words {
        ["vm-init"] => Some(init::run()),
        ["vm-inside", scenario, seed, kith] => Some(inside(scenario, seed, kith)),
        ["vm-host", name] => Some(host::first_process(name)),
        ["vm-within", group, program, ref words @ ..] => {
            Some(told(host::become_member(group, program, words)))
        }
        ["vm-claim", panel, secret] => Some(told(Visitor::claim_at(panel, secret).map(drop))),
        ["vm-page", url] => Some(told(page(url))),
        ["vm-pings", address, rate, until] => Some(told(pings::send(address, rate, until))),
        ["vm-dhcp6", device] => Some(told(dhcp6::serve(device))),
        ["vm-radio", ref words @ ..] => Some(told(hwsim::change(words))),
        ["vm-taken", role, state, targets] => Some(told(roles::take_over(role, state, targets))),
        ["vm-taken-daemon", daemon, kith, targets] => {
            Some(told(roles::take_over_daemon(daemon, kith, targets)))
        }
        ["--state", state, "role", role, "--drop"] => Some(told(roles::as_role(role, state))),
        _ => None,
    }
}

/// Prints the page at `url`, as somebody's browser would get it.
fn page(url: &str) -> Result<()> {
    let answer = Ask::get(url)?.send()?;
    ensure!(answer.status == 200, "{}", answer.status);
    print!("{}", answer.text());
    Ok(())
}

/// The end of a small part, with its complaint for whoever started it.
fn told(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "{why:#}");
            ExitCode::FAILURE
        }
    }
}

fn inside(scenario: &str, seed: &str, kith: &str) -> ExitCode {
    match play(scenario, seed, kith) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("broken down: {why:#}");
            // The host shows this; if it cannot be written, the exit code still says it.
            let _ = fs::write(Path::new(SHARED).join("broke"), format!("{why:#}"));
            ExitCode::FAILURE
        }
    }
}

fn play(name: &str, seed: &str, kith: &str) -> Result<()> {
    let Some(scenario) = scenario::ALL.iter().find(|s| s.name == name) else {
        bail!("no scenario {name}");
    };
    let lab = Lab::open(seed.parse().context("read the seed")?, kith)?;
    (scenario.play)(&lab)
}
