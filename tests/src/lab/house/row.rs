//! One line of the table: what is required, what was done, what was expected and what was seen.

use std::time::Instant;

use anyhow::{Result, anyhow};

use crate::lab::report::Report;

/// The table so far.
#[derive(Debug)]
pub(super) struct Rows {
    report: Report,
    started: Instant,
    lines: usize,
}

impl Rows {
    /// An empty one.
    pub(super) fn new() -> Self {
        Self { report: Report::default(), started: Instant::now(), lines: 0 }
    }

    /// Does something and notes what was seen, or how that differs from what was expected.
    pub(super) fn row(
        &mut self,
        required: &str,
        done: &str,
        expected: &str,
        seen: impl FnOnce() -> Result<String>,
    ) {
        self.lines += 1;
        let began = Instant::now();
        let line = match seen() {
            Ok(seen) => Ok(format!("{done}: {seen}")),
            Err(why) => Err(anyhow!("{done}: expected {expected}; seen: {why:#}")),
        };
        let word = if line.is_ok() { "ran" } else { "FAILED" };
        println!(
            "{:6.1} s  {word} {required} ({:.1} s)",
            self.started.elapsed().as_secs_f32(),
            began.elapsed().as_secs_f32()
        );
        self.report.note(&format!("house {required}"), line);
    }

    /// The same for what is knowingly otherwise, and why; that it holds after all is a failure.
    pub(super) fn excepted(
        &mut self,
        required: &str,
        done: &str,
        (expected, why): (&str, &str),
        seen: impl FnOnce() -> Result<String>,
    ) {
        let what = format!("house {required}");
        match seen() {
            Ok(seen) => {
                let stale = anyhow!("{done}: {seen}, so it holds: it is no exception any more");
                self.report.note(&what, Err(stale));
            }
            Err(seen) => {
                self.report
                    .except(&what, format!("{done}: expected {expected}; seen: {seen:#}. {why}"));
            }
        }
    }

    /// Takes the lines of another table as well.
    pub(super) fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.report.append(other.report);
    }

    /// Notes that something could not even begin.
    pub(super) fn failed(&mut self, what: &str, why: anyhow::Error) {
        self.report.note(&format!("house {what}"), Err(why));
    }

    /// Notes what was not tried, and why.
    pub(super) fn skip(&mut self, what: &str, why: &str) {
        self.report.skip(&format!("house {what}"), why);
    }

    /// Tells something beside the table.
    pub(super) fn say(&self, what: &str) {
        println!("{:6.1} s  {what}", self.started.elapsed().as_secs_f32());
    }

    /// The whole table.
    pub(super) fn end(self) -> Report {
        println!("{} lines in {:.1?}", self.lines, self.started.elapsed());
        self.report
    }
}
