//! What the supervisor and the roles it starts say to each other, and what it tells the command line.
//!
//! The supervisor starts a role with one end of a socket pair as its standard input. The first message
//! on it is [`Spawned`]; then the role reports, the link role is also told ([`Told`]), and a role ends when the
//! other end closes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::daemon::{DaemonId, DaemonSeen, DaemonWish};

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
    /// How far the box manages the machine it runs on.
    pub mode: Mode,
    /// Where what lasts until the next boot is kept, `/run/kith` on an appliance; link writes to `link` in
    /// it. An absolute path.
    pub run: String,
    /// Whether to apply none of the settings, and why.
    pub safe_mode: Option<String>,
}

/// How far a box manages the machine it runs on.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Not at all: radios and ports are simulated.
    #[default]
    Tryout,
    /// Not at all, and it says so: the system manages the network.
    Host,
    /// Wholly: radios, ports, daemons, firewall.
    Appliance,
}

/// What a role tells the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// It is alive and its loop turns; said every [`BEAT_SECONDS`]. A role that beats once and then is
    /// silent for [`HUNG_SECONDS`] is killed and started again.
    Beat,
    /// The daemons that shall run, all of them; what is not in it shall not run. Only from link.
    Daemons(Vec<DaemonWish>),
    /// A daemon that runs but does not answer: it is to be killed and started again. Only from link.
    Hung(DaemonId),
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

/// What the supervisor tells a role after [`Spawned`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// How the daemons are, all of them, whenever that changes. Only to link.
    Daemons(Vec<DaemonSeen>),
}

/// How often a role says that it is alive, in seconds.
pub const BEAT_SECONDS: u64 = 5;

/// After how many silent seconds a role is taken for hung.
pub const HUNG_SECONDS: u64 = 20;

/// What one can ask of the supervisor, on `STATE/supervise.sock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuperviseAsk {
    /// How its roles are. Answered by a [`Supervision`].
    Status,
    /// What was said lately. Answered by a [`crate::log::LogPage`].
    Logs {
        /// The number of the last line that is known already; without it, the newest lines.
        after: Option<u64>,
        /// At most so many lines, and at most [`crate::log::MAX_LINES`].
        limit: u16,
    },
    /// Safe mode shall end, and the settings be tried again. Answered by a [`Supervision`].
    EndSafeMode,
}

/// The supervisor and its roles at a glance. Times are milliseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Supervision {
    /// The supervisor's process.
    pub pid: u32,
    /// When it started.
    pub since: u64,
    /// The roles it looks after.
    pub roles: Vec<RoleStatus>,
    /// How far the box manages the machine.
    pub mode: Mode,
    /// Whether the settings are left aside because something failed too often, and what.
    pub safe_mode: Option<String>,
    /// The daemons it runs.
    pub daemons: Vec<DaemonSeen>,
    /// What does not protect the box as it should, in English sentences.
    pub notes: Vec<String>,
}

/// One role at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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
