//! What the supervisor and the roles it starts say to each other, and what it tells the command line.
//!
//! The supervisor starts a role with one end of a socket pair as its standard input. The first message
//! on it is [`Spawned`]; from then on only the role speaks, and it ends when the other end closes.

use serde::{Deserialize, Serialize};

/// The largest message between supervisor and role, and on the supervisor's socket, in bytes.
pub const MAX_MESSAGE: usize = 64 << 10;

/// The first message to a role. To the node it carries two descriptors, in this order: the listening
/// TCP socket of the panel and the bound UDP socket of the peers. The state is in the role's arguments,
/// where a path needs no text form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawned {
    /// Names besides its own by which browsers may address the panel.
    pub hosts: Vec<String>,
    /// For crash tests only: files are not synchronised.
    pub no_fsync: bool,
    /// For crash tests only: directories are not synchronised.
    pub no_dirsync: bool,
}

/// What a role tells the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// It serves.
    Ready {
        /// The one-time secret to claim the box with, while nobody has.
        claim: Option<String>,
        /// The address of the panel, `http://…/`.
        panel: String,
    },
    /// It cannot serve and is about to end.
    Failed {
        /// Why, and what to do, in English.
        message: String,
    },
}

/// What one can ask of the supervisor, on `STATE/supervise.sock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuperviseAsk {
    /// How its roles are. Answered by a [`Supervision`].
    Status,
}

/// The supervisor and its roles at a glance. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supervision {
    /// The supervisor's process.
    pub pid: u32,
    /// When it started.
    pub since: u64,
    /// The roles it looks after.
    pub roles: Vec<RoleStatus>,
}

/// One role at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleStatus {
    /// Which role.
    pub role: String,
    /// How it is.
    pub state: RoleState,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// When it was started last.
    pub since: u64,
    /// How often it has been started again.
    pub restarts: u64,
    /// How it ended the last time, in English.
    pub last_end: Option<String>,
}

/// How a role is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleState {
    /// Started, not serving yet.
    Starting,
    /// Serving.
    Ready,
    /// Ended; it will be started again.
    Waiting,
    /// Asked to end.
    Stopping,
    /// Ended too often; it stays down.
    GivenUp,
}
