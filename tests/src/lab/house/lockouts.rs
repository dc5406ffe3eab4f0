//! Settings that lock their owner out, on real daemons: each is applied and never confirmed, somebody is
//! killed meanwhile, and right after the deadline the owner's laptop reaches the panel again where it was.
//!
//! The settings are those that the machine of changes is tried with in virtual time, as far as they cut
//! off a cable: radios are the virtual machine's affair. Houses stand side by side to save time.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use kith_model::settings::edit::set;

use super::home::{BOX, Home, PANEL, PATIENCE};
use super::row::Rows;
use super::{by_hand, device};
use crate::lab::{wait, wait_asking};

/// For how long a change waits here.
const WAIT: Duration = Duration::from_secs(3);
const WAIT_WORDS: &str = "3";
/// What is left to do after the deadline: a role that was killed begins anew, steps are taken back, and a
/// bridge forwards again. A second at most where nobody else works; several houses share a machine here.
const AFTER: Duration = Duration::from_secs(8);
/// Houses side by side.
const HOUSES: usize = 4;
/// So many have to cut the laptop off, or nothing is shown by its coming back.
const CUTS: usize = 8;

/// What is said of settings that are refused beforehand, and how many of them may be.
const REFUSED: &str = "refused beforehand";
const MOST_REFUSED: usize = 6;

/// The way to the internet, which a machine without a profile has to be told of.
const UPLINK: (&str, &str) = ("uplink.+", "{ device = \"wan\" }");

/// What strikes while a change waits.
const FAULTS: [Option<&str>; 5] =
    [Some("link"), Some("supervisor"), Some("dnsmasq"), Some("node"), None];

/// How one went.
struct Line {
    what: &'static str,
    done: String,
    seen: Result<String>,
    cut: bool,
}

/// Whether it is about cables.
fn by_cable((_, changes): &by_hand::Bad) -> bool {
    let keys = ["lan.", "mesh.ports"];
    let of_cable = |(key, value): &(&str, Option<&str>)| {
        keys.iter().any(|start| key.starts_with(start))
            || key.starts_with("uplink.") && !value.is_some_and(|value| value.contains("phy"))
    };
    changes.iter().any(of_cable)
}

/// Tries all of them.
pub(super) fn run(rows: &mut Rows, folder: &Path, seed: u64) {
    let cases: Vec<_> = by_hand::BY_HAND.iter().enumerate().filter(|(_, c)| by_cable(c)).collect();
    let left = by_hand::BY_HAND.len() - cases.len();
    rows.say(&format!(
        "{} lock-outs by cable; {left} are about radios, for the lab vm",
        cases.len()
    ));
    let share = cases.len().div_ceil(HOUSES);
    let lanes: Vec<Result<Vec<Line>>> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..)
            .zip(cases.chunks(share))
            .map(|(number, cases)| {
                scope.spawn(move || lane(&format!("street{number}"), folder, cases, seed))
            })
            .collect();
        let broken = |_| Err(anyhow!("a house came to an end by itself"));
        lanes.into_iter().map(|lane| lane.join().unwrap_or_else(broken)).collect()
    });
    let (mut cuts, mut refused) = (0, 0);
    for lane in lanes {
        match lane {
            Ok(lines) => {
                for Line { what, done, seen, cut } in lines {
                    cuts += usize::from(cut);
                    refused += usize::from(seen.as_ref().is_ok_and(|seen| seen == REFUSED));
                    let expected = "the panel at the old address right after the deadline";
                    rows.row(&format!("lock-out: {what}"), &done, expected, || seen);
                }
            }
            Err(why) => rows.failed("lock-outs", why),
        }
    }
    let done = format!("{} lock-outs", cases.len());
    rows.row(
        "lock-outs: control, nobody takes it back",
        "no port belongs to the household, for 60 s; 6 s later; kith revert",
        "cut off for so long, and then not",
        || lasting(folder),
    );
    rows.row("lock-outs: control", &done, &format!("{CUTS} cut the laptop off"), || {
        ensure!(cuts >= CUTS, "only {cuts} did");
        ensure!(refused <= MOST_REFUSED, "{refused} were refused");
        Ok(format!("{cuts} did meanwhile, {refused} were refused beforehand"))
    });
}

fn lane(
    name: &str,
    folder: &Path,
    cases: &[(usize, &'static by_hand::Bad)],
    seed: u64,
) -> Result<Vec<Line>> {
    let mut home = Home::build(name, folder)?;
    home.claim().with_context(|| home.log())?;
    let (key, value) = UPLINK;
    let good = set(by_hand::GOOD, &[(key.to_owned(), Some(value.to_owned()))])
        .map_err(|findings| anyhow!("the good settings: {findings:?}"))?;
    let file = home.file("settings.toml");
    fs::write(&file, &good).context("write settings")?;
    home.kith(&["config", "import", file.to_str().context("a path in UTF-8")?])?;
    if home.json(&["apply", "--yes"])?["token"].is_string() {
        home.kith(&["confirm"])?;
    }
    wait(PATIENCE, "the panel is reached", || Ok(home.reached()))?;
    let mut lines = Vec::new();
    for (number, case) in cases {
        let number = u64::try_from(*number).unwrap_or(0).wrapping_add(seed);
        let fault = usize::try_from(number % 5).ok().and_then(|at| FAULTS.get(at)).copied();
        let fault = fault.flatten();
        // Anywhere from right away to shortly before the deadline.
        let at = Duration::from_millis(100 + number.wrapping_mul(0x9E37_79B9) % 2_500);
        let strikes = fault.map_or("nobody killed".into(), |who| format!("kill -9 of {who}"));
        let done = format!("applied for {WAIT_WORDS} s, {strikes} after {at:.1?}");
        let mut cut = false;
        let seen = trial(&mut home, case, &good, (fault, at), &mut cut);
        let seen = seen.with_context(|| format!("log:\n{}", home.log()));
        let failed = seen.is_err();
        lines.push(Line { what: case.0, done, seen, cut });
        if failed {
            // What follows would fail because of it.
            break;
        }
    }
    Ok(lines)
}

/// One whose deadline is far: what brings the panel back is the deadline and nothing else.
fn lasting(folder: &Path) -> Result<String> {
    let mut home = Home::build("lasting", folder)?;
    home.claim().with_context(|| home.log())?;
    home.kith(&["set", "lan.ports", "lan3"])?;
    home.json(&["apply", "--yes", "--confirm", "60"])?;
    wait(PATIENCE, "it is cut off", || Ok(!home.reached()))?;
    std::thread::sleep(2 * WAIT);
    ensure!(!home.reached(), "it came back by itself");
    home.kith(&["revert"])?;
    let took = wait(PATIENCE, "it is back", || Ok(home.reached()))?;
    Ok(format!("cut off after {:?}, back {took:.1?} after kith revert", 2 * WAIT))
}

/// Applies one, and comes back when all is as it was.
fn trial(
    home: &mut Home,
    (name, changes): &by_hand::Bad,
    good: &str,
    (fault, at): (Option<&str>, Duration),
    cut: &mut bool,
) -> Result<String> {
    let owned = |(key, value): &(&str, Option<&str>)| ((*key).to_owned(), value.map(str::to_owned));
    let changes: Vec<_> = changes.iter().map(owned).collect();
    let text = set(good, &changes).map_err(|findings| anyhow!("{name}: {findings:?}"))?;
    let file = home.file("settings.toml");
    fs::write(&file, text).context("write settings")?;
    home.kith(&["config", "import", file.to_str().context("a path in UTF-8")?])?;
    let applied = match home.json(&["apply", "--yes", "--confirm", WAIT_WORDS]) {
        Err(why) if why.to_string().contains("cannot be applied") => {
            home.kith(&["changes", "--discard"])?;
            return Ok(REFUSED.to_owned());
        }
        answer => answer?,
    };
    ensure!(applied["token"].is_string(), "it waits for nobody: {applied}");
    let armed = Instant::now();
    let deadline = armed + WAIT;
    let reached = |home: &Home| device::serves(&home.lan(), (BOX, PANEL));
    let mut waiting = fault;
    while Instant::now() < deadline {
        if armed.elapsed() >= at
            && let Some(who) = waiting.take()
        {
            home.kill(who)?;
        }
        // A node that was killed is missed as well, which shows nothing.
        if waiting.is_some() || fault.is_none() {
            *cut |= !reached(home);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let slow = || format!("the panel is reached; cut off: {cut}");
    wait_asking(Duration::from_millis(50), (AFTER, &slow()), || Ok(reached(home)))?;
    let took = deadline.elapsed();
    wait(PATIENCE, "it is said to be taken back", || {
        // A role that was killed a moment ago may still be on its way.
        Ok(home.network().is_ok_and(|seen| seen["change"]["state"] == "reverted"))
    })?;
    let now = home.kith(&["config", "export", "--secrets"])?;
    if now.trim() != good.trim() {
        bail!("the settings in force are others: {now}");
    }
    home.kith(&["changes", "--discard"])?;
    let cut = if *cut { "cut off, then " } else { "" };
    Ok(format!("{cut}reached {took:.1?} after the deadline"))
}
