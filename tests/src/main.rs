//! The laboratory: real programs, real sockets, real browsers.
//!
//! `cargo run --release -p kith-tests -- LAB [SCENARIO] [--seed N] [--short] [--must]`. Ends with a
//! table of what ran and what was skipped, each with its reason. `--must` makes a skip a failure. Exits
//! with 1 when something does not hold, with 125 when a lab broke down and nothing is known.
#![expect(clippy::print_stdout, reason = "a lab tells what it sees")]
#![expect(clippy::print_stderr, reason = "a lab tells what it sees")]

use std::process::ExitCode;

use kith_tests::figures;
use kith_tests::lab::report::Report;
use kith_tests::lab::{self, Wishes};

const USAGE: &str = "usage: kith-tests LAB [SCENARIO] [--seed N] [--short] [--must]
labs: netns [cut-cable|strangers], avahi, ipfs, browser [scripts|no-scripts],
      hands [kernel|offers], router [matrix|nat|ipv6|controls|houses|scan], hostile [wire|passphrases|disk],
      house [clients|rate|ipv6|wire|storm|lockouts], figures [GROUP], vm [radio|hands|boxes]
vm-kernel fetches what the vm needs from Debian, and no more";
/// The lab itself broke down.
const BROKE: u8 = 125;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = figures::baseline(&args).or_else(|| lab::vm::part(&args)) {
        return code;
    }
    let Some(wishes) = Wishes::parse(&args) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if wishes.lab == "vm" {
        return end(&wishes, &lab::vm::run(&wishes));
    }
    let daemons = ["figures", "avahi", "hands"].contains(&wishes.lab.as_str());
    match lab::namespace::enter(!daemons) {
        Ok(Some(code)) => return code,
        Ok(None) => {}
        Err(why) => return end(&wishes, &Report::skipped(&wishes.lab, format!("{why:#}"))),
    }
    let report = match wishes.lab.as_str() {
        "netns" => lab::netns::run(&wishes),
        "avahi" => lab::avahi::run(),
        "ipfs" => lab::ipfs::run(),
        "browser" => lab::browser::run(&wishes),
        "hands" => lab::hands::run(&wishes),
        "hostile" => lab::hostile::run(&wishes),
        "router" => lab::router::run(&wishes),
        "house" => lab::house::run(&wishes),
        "figures" => figures::run(&wishes),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    end(&wishes, &report)
}

fn end(wishes: &Wishes, report: &Report) -> ExitCode {
    println!("\n{report}");
    if report.failed() || (wishes.must && report.has_skips()) {
        return ExitCode::FAILURE;
    }
    if report.has_broken() {
        return ExitCode::from(BROKE);
    }
    ExitCode::SUCCESS
}
