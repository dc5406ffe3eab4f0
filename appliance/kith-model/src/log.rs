//! The log of a box as people read it: what the supervisor, the roles and the daemons said lately.
//!
//! It is kept in memory, bounded, and gone after a restart. Text in it may come from strangers (a host
//! name, an SSID): control characters have been made visible before it was kept.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most lines that are answered at once.
pub const MAX_LINES: u16 = 500;

/// The longest text of a line, in bytes of UTF-8.
pub const MAX_TEXT: usize = 1_024;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// Its number; they grow by one and are never used twice while the supervisor runs.
    pub seq: u64,
    /// When it was heard, in milliseconds since 1970.
    pub time: u64,
    /// Who said it: `supervisor`, `link`, `node`, or a daemon such as `hostapd-phy0`.
    pub source: String,
    /// How grave it is, as far as one can tell.
    pub level: LogLevel,
    /// What was said, on one line, at most [`MAX_TEXT`] bytes.
    pub text: String,
}

/// How grave a line is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something may need somebody.
    Warn,
    /// Something happened.
    Info,
    /// Details.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// As it is written in a log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
            Self::Trace => "TRACE",
        }
    }
}

/// A piece of the log, the oldest line first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// What to ask for next as `after`.
    pub next: u64,
    /// How many lines after the one asked for were gone already.
    pub missed: u64,
}
