//! What is played in the machine. Each begins with a fresh one, and with all of it.

mod boxes;
mod hands;
mod radio;

use std::time::Duration;

use anyhow::Result;

use super::inside::lab::Lab;

/// A story with asserts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// How long it may take in a machine without hardware's help, on a busy host.
    pub(crate) limit: Duration,
    /// An error is a broken lab; what does not hold is a row.
    pub(crate) play: fn(&Lab) -> Result<()>,
}

/// All of them, in the order in which they are played.
pub(crate) const ALL: &[Scenario] = &[
    Scenario { name: "radio", limit: Duration::from_secs(900), play: radio::play },
    Scenario { name: "hands", limit: Duration::from_secs(900), play: hands::play },
    Scenario { name: "boxes", limit: Duration::from_secs(1_800), play: boxes::play },
];
