//! `kith store`: checks or repairs what is on the disk, while no node runs on it.

use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use kith_files::{Files, RealFiles};
use kith_proto::views::Views;
use kith_store::{Counts, Options, Problem, Report, Step};
use kith_supervise::state::Lock;
use serde_json::{Value, json};

use super::Desk;
use crate::failure::Outcome;
use crate::progress::Progress;
use crate::show;

/// Check or repair what is on the disk
///
/// Works on the disk itself, so no kith run may be on it.
#[derive(Debug, Args)]
pub(crate) struct Store {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum What {
    /// Read everything and compare it with its checksums; changes nothing
    #[command(after_help = "Example:\n  kith store verify")]
    Verify,
    /// Make the index and the views anew from the logs
    #[command(after_help = "Example:\n  kith store rebuild")]
    Rebuild,
}

impl Store {
    pub(crate) fn carry_out(self, desk: &Desk) -> Outcome {
        if !desk.state.is_dir() {
            let state = desk.state.display();
            return Err(anyhow::anyhow!("there is no box in {state}: kith run makes one").into());
        }
        let _lock = Lock::take(&desk.state).map_err(anyhow::Error::new)?;
        match self.what {
            What::Verify => verify(desk),
            What::Rebuild => rebuild(desk),
        }
    }
}

fn verify(desk: &Desk) -> Outcome {
    let files: Arc<dyn Files> = Arc::new(RealFiles::new());
    let mut progress = Progress::new("Reading", None);
    let mut step = |step: Step| progress.step(step.done, step.total);
    let report = kith_store::verify(&files, &desk.state, &mut step);
    drop(progress);
    let report = report.context("the store cannot be verified")?;
    if desk.json {
        show::print_json(&json(&report))?;
    } else {
        show::print(&words(&report))?;
    }
    match report.problems.iter().filter(|problem| !problem.is_harmless()).count() {
        0 => Ok(()),
        n => Err(anyhow::anyhow!("{n} of what is kept is not as it should be").into()),
    }
}

fn json(report: &Report) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "file": problem.file.to_string_lossy(),
            "offset": problem.offset,
            "what": problem.what,
            "advice": problem.advice,
            "harmless": problem.is_harmless(),
        })
    };
    let problems: Vec<Value> = report.problems.iter().map(problem).collect();
    json!({
        "records": report.records,
        "blocks": report.blocks,
        "block_bytes": report.block_bytes,
        "problems": problems,
    })
}

fn words(report: &Report) -> String {
    let mut text = format!("Read {}.\n", kept(report.records, report.blocks, report.block_bytes));
    for problem in &report.problems {
        let at = problem.offset.map(|offset| format!(", byte {offset}")).unwrap_or_default();
        let file = problem.file.display();
        text.push_str(&format!(
            "! {file}{at}: {}\n  What to do: {}\n",
            problem.what, problem.advice
        ));
    }
    if report.problems.iter().all(Problem::is_harmless) {
        text.push_str("All is well.\n");
    }
    show::plain(&text)
}

fn rebuild(desk: &Desk) -> Outcome {
    let files: Arc<dyn Files> = Arc::new(RealFiles::new());
    let mut progress = Progress::new("Rebuilding", None);
    let mut step = |step: Step| progress.step(step.done, step.total);
    let options = Options::default();
    let rebuilt = kith_store::rebuild(files, &desk.state, Arc::new(Views), &options, &mut step);
    drop(progress);
    let Counts { records, blocks, block_bytes } = rebuilt.context("the store cannot be rebuilt")?;
    if desk.json {
        return show::print_json(&json!({
            "records": records,
            "blocks": blocks,
            "block_bytes": block_bytes,
        }));
    }
    show::print(&format!("Made the index of {} anew.\n", kept(records, blocks, block_bytes)))
}

fn kept(records: u64, blocks: u64, block_bytes: u64) -> String {
    let records = show::count(records, "record", "records");
    let blocks = show::count(blocks, "block", "blocks");
    format!("{records} and {blocks} ({})", show::size(block_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_said_with_what_to_do() {
        let problem = Problem {
            file: "/s/packs/1.pack".into(),
            offset: Some(12),
            what: "a block does not match its hash".to_owned(),
            advice: "let it sync",
        };
        let sound = Report { records: 2, blocks: 1, block_bytes: 2_048, ..Report::default() };
        assert_eq!(words(&sound), "Read 2 records and 1 block (2.0 KiB).\nAll is well.\n");
        let damaged = Report { problems: vec![problem], ..sound };
        let expected = "Read 2 records and 1 block (2.0 KiB).\n\
                        ! /s/packs/1.pack, byte 12: a block does not match its hash\n  \
                        What to do: let it sync\n";
        assert_eq!(words(&damaged), expected);
    }
}
