//! The last 24 hours in four curves of one sample a minute: 23 KiB, whatever happens.

use std::collections::VecDeque;
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::network::ask::Graph;

/// Time between two samples.
const EVERY: Duration = Duration::from_secs(60);

/// Samples that are kept.
const SAMPLES: usize = 24 * 60;

/// What the curves show, and in which unit.
const CURVES: [(&str, &str); 4] =
    [("internet", "ms"), ("wifi", "devices"), ("mesh", "%"), ("health", "%")];

/// One moment, in the order of the curves; nothing where nothing could be measured.
pub(super) type Sample = [Option<f32>; 4];

/// The curves.
#[derive(Debug, Default)]
pub(super) struct Graphs {
    /// Missing values are NaN, which costs no memory.
    samples: VecDeque<[f32; 4]>,
    next: Option<Instant>,
    until: u64,
}

impl Graphs {
    /// Whether a sample is due.
    pub(super) fn due(&self) -> Instant {
        self.next.unwrap_or_default()
    }

    /// Takes a sample. Minutes that were missed are gaps.
    pub(super) fn take(&mut self, now: Instant, wall: u64, sample: Sample) {
        let next = self.next.unwrap_or(now);
        let missed = now.since(next).as_secs() / EVERY.as_secs();
        let gaps = usize::try_from(missed).unwrap_or(SAMPLES).min(SAMPLES);
        self.samples.extend(std::iter::repeat_n([f32::NAN; 4], gaps));
        self.samples.push_back(sample.map(|value| value.unwrap_or(f32::NAN)));
        self.samples.drain(..self.samples.len().saturating_sub(SAMPLES));
        self.next = Some(now + EVERY);
        self.until = wall;
    }

    /// All curves.
    pub(super) fn all(&self) -> Vec<Graph> {
        let curve = |(at, (name, unit)): (usize, &(&str, &str))| Graph {
            name: (*name).to_owned(),
            unit: (*unit).to_owned(),
            until: self.until,
            step_ms: u64::try_from(EVERY.as_millis()).unwrap_or(u64::MAX),
            samples: self
                .samples
                .iter()
                .map(|sample| sample.get(at).copied().filter(|value| !value.is_nan()))
                .collect(),
        };
        CURVES.iter().enumerate().map(curve).collect()
    }
}
