//! The table of figures: ours, theirs, the ratio, and what it should be.

use std::fmt;

use anyhow::{Result, bail};

/// Absolute figures and ratios fail only when they miss by more than this.
const SLACK: f64 = 3.0;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    AtMost,
    AtLeast,
}

#[derive(Clone, Debug)]
struct Row {
    what: String,
    value: f64,
    unit: &'static str,
    detail: String,
    goal: Option<(Goal, f64)>,
}

/// Rows as they are taken.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<Row>,
    skips: Vec<String>,
}

impl Table {
    /// A figure without a goal, for context.
    pub(super) fn say(&mut self, what: &str, value: f64, unit: &'static str, detail: String) {
        self.rows.push(Row { what: what.into(), value, unit, detail, goal: None });
    }

    /// A figure that should be at most, or at least, so much.
    pub(super) fn judge(
        &mut self,
        what: &str,
        value: (f64, &'static str),
        goal: (Goal, f64),
        detail: String,
    ) {
        let (value, unit) = value;
        self.rows.push(Row { what: what.into(), value, unit, detail, goal: Some(goal) });
    }

    /// Something could not be compared.
    pub(super) fn skip(&mut self, line: String) {
        if !self.skips.contains(&line) {
            self.skips.push(line);
        }
    }

    pub(super) fn skips(&self) -> &[String] {
        &self.skips
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Fails when a row from `start` on misses its goal by far; else says how many were kept.
    pub(super) fn verdict_since(&self, start: usize) -> Result<String> {
        let judged: Vec<&Row> = self.rows[start..].iter().filter(|r| r.goal.is_some()).collect();
        let far: Vec<String> =
            judged.iter().filter(|r| r.missed(SLACK)).map(|r| r.to_string()).collect();
        if !far.is_empty() {
            bail!("missed by more than {SLACK}x: {}", far.join("; "));
        }
        let kept = judged.iter().filter(|r| !r.missed(1.0)).count();
        Ok(format!("{kept} of {} goals kept", judged.len()))
    }
}

impl Row {
    fn missed(&self, slack: f64) -> bool {
        // What is no number is a miss, too.
        let kept = match self.goal {
            Some((Goal::AtMost, most)) => self.value <= most * slack,
            Some((Goal::AtLeast, least)) => self.value >= least / slack,
            None => true,
        };
        !kept
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goal = match self.goal {
            Some((Goal::AtMost, most)) => format!("<= {most} {}", self.unit),
            Some((Goal::AtLeast, least)) => format!(">= {least} {}", self.unit),
            None => String::new(),
        };
        let verdict = match self.goal {
            Some(_) if self.missed(1.0) => "MISSED",
            Some(_) => "kept",
            None => "",
        };
        let value = format!("{} {}", round(self.value), self.unit);
        write!(f, "{:44} {value:>14}  {goal:14} {verdict:6}  {}", self.what, self.detail)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.rows {
            writeln!(f, "{}", row.to_string().trim_end())?;
        }
        self.skips.iter().try_for_each(|line| writeln!(f, "skipped: {line}"))
    }
}

/// Three significant digits.
pub(super) fn round(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// The middle of what was measured.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(value: f64, goal: (Goal, f64)) -> Table {
        let mut table = Table::default();
        table.judge("x", (value, "s"), goal, String::new());
        table
    }

    #[test]
    fn a_near_miss_is_shown_and_a_far_one_fails() {
        let near = table(2.0, (Goal::AtMost, 1.0));
        assert!(near.to_string().contains("MISSED"));
        assert_eq!(near.verdict_since(0).unwrap(), "0 of 1 goals kept");
        assert!(table(3.1, (Goal::AtMost, 1.0)).verdict_since(0).is_err());
        assert!(table(0.3, (Goal::AtLeast, 1.0)).verdict_since(0).is_err());
        assert!(table(f64::NAN, (Goal::AtLeast, 1.0)).verdict_since(0).is_err());
        assert!(table(0.9, (Goal::AtMost, 1.0)).to_string().contains("kept"));
    }

    #[test]
    fn the_median_ignores_an_outlier() {
        assert_eq!(median(vec![900.0, 1.0, 2.0]), 2.0);
        assert!(median(vec![]).is_nan());
    }
}
