//! One line of the table: what is required, what was done, what was expected and what was seen.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};

use crate::lab::report::Report;

/// Written inside the virtual machine as a line of JSON, read outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What must hold.
    pub(crate) requirement: String,
    /// What was done to see whether it does.
    pub(crate) done: String,
    /// What should be seen then.
    pub(crate) expected: String,
    /// What was seen; when it does not hold, why not.
    pub(crate) seen: String,
    /// Whether it holds.
    pub(crate) pass: bool,
    /// How long that took.
    pub(crate) milliseconds: u64,
}

impl Row {
    /// Puts it into the table that every lab ends with.
    pub(crate) fn tell(self, scenario: &str, report: &mut Report) {
        let Self { requirement, done, expected, seen, pass, milliseconds } = self;
        let took = Duration::from_millis(milliseconds).as_secs_f32();
        let result = if pass {
            Ok(format!("{took:.1} s; {done}: {seen}"))
        } else {
            Err(anyhow!("{done}: expected {expected}; seen: {seen}"))
        };
        report.note(&format!("vm {scenario}: {requirement}"), result);
    }
}

/// The rows in `file`; none when there is no file.
///
/// # Errors
/// When a line is no row.
pub(crate) fn read(file: &Path) -> Result<Vec<Row>> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let row = |line: &str| serde_json::from_str(line).with_context(|| format!("row {line:?}"));
    text.lines().map(row).collect()
}
