//! Figures: what it costs, beside what others cost, in the same run on the same machine.
//!
//! A ratio carries from machine to machine, an absolute figure does not: so absolute ones fail only at
//! three times their value. A peer that is not installed is skipped with a line. Baselines run as
//! processes of their own, so that their cost can be read like anybody's.
#![expect(clippy::disallowed_methods, reason = "measures programs by the clock")]
#![expect(clippy::print_stdout, reason = "prints its table")]
#![expect(clippy::print_stderr, reason = "baselines say why they end")]

mod bare_page;
mod cost;
mod delay;
mod folder;
mod idle;
mod logsync;
mod pack;
mod pages;
mod panels;
mod peers;
mod quinn_files;
mod reconnect;
mod rsync;
mod start;
mod syncthing;
mod table;
mod transfer;

use std::process::ExitCode;

use anyhow::Result;

use crate::lab::Wishes;
use crate::lab::report::Report;
use table::Table;
pub use transfer::random_file;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// How often each figure is taken; the median counts.
    rounds: usize,
    /// Bytes of the large file.
    file: u64,
    /// Files of 4 KiB in the folder.
    small_files: u32,
    /// Records of the large log.
    records: u32,
    /// Seconds of idling.
    idle_s: u64,
}

impl Scale {
    const FULL: Self =
        Self { rounds: 3, file: 1 << 30, small_files: 10_000, records: 1_000_000, idle_s: 600 };
    const SHORT: Self =
        Self { rounds: 1, file: 256 << 20, small_files: 2_000, records: 200_000, idle_s: 15 };
}

/// One group of rows.
type Group = fn(Scale, &mut Table) -> Result<()>;

/// Takes all figures, or those of the scenario named.
#[must_use]
pub fn run(wishes: &Wishes) -> Report {
    let scale = if wishes.short { Scale::SHORT } else { Scale::FULL };
    let groups: [(&str, Group); 10] = [
        ("pack", pack::measure),
        ("logsync", logsync::measure),
        ("transfer", transfer::measure),
        ("folder", folder::measure),
        ("reconnect", reconnect::measure),
        ("peers", peers::measure),
        ("start", start::measure),
        ("pages", pages::measure),
        ("panels", panels::measure),
        ("idle", idle::measure),
    ];
    let mut table = Table::default();
    let mut report = Report::default();
    for (name, measure) in groups {
        if !wishes.wants(name) {
            continue;
        }
        println!("figures {name} …");
        let rows = table.len();
        let taken = measure(scale, &mut table);
        let taken = taken.and_then(|()| table.verdict_since(rows));
        report.note(&format!("figures {name}"), taken);
    }
    println!("\n{table}");
    for line in table.skips() {
        report.skip("figures", line.clone());
    }
    report
}

/// Baselines that this program runs as processes of their own.
#[must_use]
pub fn baseline(args: &[String]) -> Option<ExitCode> {
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["baseline-quinn-serve", from] => quinn_files::serve(from),
        ["baseline-quinn-fetch", address, to] => quinn_files::fetch(address, to),
        ["baseline-page"] => bare_page::serve(),
        _ => return None,
    };
    Some(result.map_or_else(
        |why| {
            eprintln!("{why:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    ))
}
