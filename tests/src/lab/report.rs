//! What ran, what was skipped and why, what failed.

use std::fmt;

/// How one thing went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ran and holds; with what was seen.
    Ran(String),
    /// It ran and does not hold, as is known and committed, for this reason.
    Excepted(String),
    /// It did not run, for this reason.
    Skipped(String),
    /// It ran and does not hold.
    Failed(String),
    /// The lab itself broke down, so nothing is known.
    Broke(String),
}

/// The table at the end of a lab.
#[derive(Clone, Debug, Default)]
pub struct Report {
    rows: Vec<(String, Outcome)>,
}

impl Report {
    /// A lab that could not run at all.
    #[must_use]
    pub fn skipped(what: &str, why: String) -> Self {
        let mut report = Self::default();
        report.skip(what, why);
        report
    }

    /// Notes how `what` went; an error is a failure with all its causes.
    pub fn note(&mut self, what: &str, result: anyhow::Result<String>) {
        let outcome = match result {
            Ok(seen) => Outcome::Ran(seen),
            Err(why) => Outcome::Failed(format!("{why:#}")),
        };
        self.rows.push((what.to_owned(), outcome));
    }

    /// Notes that `what` does not hold, as is known; with what was seen and why it is left so.
    pub fn except(&mut self, what: &str, why: impl Into<String>) {
        self.rows.push((what.to_owned(), Outcome::Excepted(why.into())));
    }

    /// Notes that `what` was skipped.
    pub fn skip(&mut self, what: &str, why: impl Into<String>) {
        self.rows.push((what.to_owned(), Outcome::Skipped(why.into())));
    }

    /// Notes that the lab broke down at `what`.
    pub fn broke(&mut self, what: &str, why: impl Into<String>) {
        self.rows.push((what.to_owned(), Outcome::Broke(why.into())));
    }

    /// Takes the lines of another one as well.
    pub fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    /// Whether anything failed, or nothing at all was tried.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|(_, o)| matches!(o, Outcome::Failed(_)))
    }

    /// Whether the lab broke down somewhere.
    #[must_use]
    pub fn has_broken(&self) -> bool {
        self.rows.iter().any(|(_, o)| matches!(o, Outcome::Broke(_)))
    }

    /// Whether anything was skipped.
    #[must_use]
    pub fn has_skips(&self) -> bool {
        self.rows.iter().any(|(_, o)| matches!(o, Outcome::Skipped(_)))
    }

    fn count(&self, is: fn(&Outcome) -> bool) -> usize {
        self.rows.iter().filter(|(_, o)| is(o)).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        for (what, outcome) in &self.rows {
            let (word, seen) = match outcome {
                Outcome::Ran(seen) => ("ran", seen),
                Outcome::Excepted(seen) => ("exception", seen),
                Outcome::Skipped(seen) => ("skipped", seen),
                Outcome::Failed(seen) => ("FAILED", seen),
                Outcome::Broke(seen) => ("BROKE", seen),
            };
            writeln!(f, "{what:width$}  {word:7}  {}", seen.replace('\n', "; "))?;
        }
        let passed = self.count(|o| matches!(o, Outcome::Ran(_)));
        let failed = self.count(|o| matches!(o, Outcome::Failed(_)));
        let skipped = self.count(|o| matches!(o, Outcome::Skipped(_)));
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")?;
        match self.count(|o| matches!(o, Outcome::Excepted(_))) {
            0 => {}
            excepted => write!(f, ", {excepted} known exceptions")?,
        }
        match self.count(|o| matches!(o, Outcome::Broke(_))) {
            0 => Ok(()),
            broken => write!(f, ", {broken} broken down"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_report_counts_as_a_failure() {
        assert!(Report::default().failed());
    }

    #[test]
    fn the_table_ends_with_the_count() {
        let mut report = Report::default();
        report.note("one", Ok("seen".into()));
        report.note("two", Err(anyhow::anyhow!("inner").context("outer")));
        report.skip("three", "no chromium");
        assert!(report.failed() && report.has_skips());
        let table = report.to_string();
        assert!(table.contains("two    FAILED   outer: inner"), "{table}");
        assert!(table.ends_with("1 passed, 1 failed, 1 skipped"), "{table}");
    }

    #[test]
    fn a_lab_that_broke_down_is_neither_passed_nor_failed() {
        let mut report = Report::default();
        report.note("one", Ok("seen".into()));
        report.broke("two", "no console");
        assert!(report.has_broken() && !report.failed());
        let table = report.to_string();
        assert!(table.ends_with("1 passed, 0 failed, 0 skipped, 1 broken down"), "{table}");
    }
}
