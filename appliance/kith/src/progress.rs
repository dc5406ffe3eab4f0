//! How far a long job is, on one line of the standard error that rewrites itself.

use std::io::{self, IsTerminal as _, Write as _};

use crate::show::size;

/// A line on the standard error that says how far something is; silent when nobody looks.
#[derive(Debug)]
pub(crate) struct Progress {
    what: &'static str,
    total: Option<u64>,
    shown: Option<u64>,
    watched: bool,
}

impl Progress {
    /// The progress of `what`, an -ing word, over `total` bytes where known.
    pub(crate) fn new(what: &'static str, total: Option<u64>) -> Self {
        Self { what, total, shown: None, watched: io::stderr().is_terminal() }
    }

    /// The progress of something nobody waits for.
    pub(crate) const fn silent() -> Self {
        Self { what: "", total: None, shown: None, watched: false }
    }

    /// `done` bytes are done.
    pub(crate) fn at(&mut self, done: u64) {
        // A step a per mille, or a MiB where the total is unknown, is as fine as an eye can follow.
        let step = self.total.map_or(1 << 20, |total| total / 1_000).max(1);
        if !self.watched || self.shown == Some(done / step) {
            return;
        }
        self.shown = Some(done / step);
        write!(io::stderr().lock(), "\r{:<60}", self.line(done)).ok();
    }

    /// `done` of `total` bytes are done, where the total only shows on the way.
    pub(crate) fn step(&mut self, done: u64, total: u64) {
        self.total = Some(total);
        self.at(done);
    }

    fn line(&self, done: u64) -> String {
        match self.total.filter(|total| *total > 0) {
            Some(total) => {
                let percent = u128::from(done.min(total)) * 100 / u128::from(total);
                format!("{}: {} of {} ({percent} %)", self.what, size(done), size(total))
            }
            None => format!("{}: {}", self.what, size(done)),
        }
    }
}

impl Drop for Progress {
    /// Leaves a clean line for what is said next.
    fn drop(&mut self) {
        if self.shown.is_some() {
            write!(io::stderr().lock(), "\r{:<60}\r", "").ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_share_where_the_total_is_known() {
        let known = Progress::new("Adding", Some(4 << 20));
        assert_eq!(known.line(1 << 20), "Adding: 1.0 MiB of 4.0 MiB (25 %)");
        assert_eq!(known.line(9 << 20), "Adding: 9.0 MiB of 4.0 MiB (100 %)");
        assert_eq!(Progress::new("Adding", None).line(1 << 20), "Adding: 1.0 MiB");
        assert_eq!(Progress::new("Adding", Some(0)).line(0), "Adding: 0 B");
    }
}
