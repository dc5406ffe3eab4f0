//! How a change of the settings goes: `staged -> armed -> applied -> confirmed | reverted`.
//!
//! A change that nobody confirms in time is taken back, whatever happens to the box meanwhile.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sentence::Sentence;

/// For how many seconds a change waits for its confirmation when nobody says otherwise.
pub const CONFIRM_SECONDS: u32 = 120;

/// The same, when whoever asks is reached over the mesh: routes take their time.
pub const CONFIRM_SECONDS_MESH: u32 = 600;

/// How many seconds "a little longer" adds.
pub const EXTEND_SECONDS: u32 = 120;

/// The longest a change may wait in all, in seconds.
pub const CONFIRM_SECONDS_MOST: u32 = 3_600;

/// A change as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeStatus {
    /// Its number; they grow.
    pub id: u64,
    /// How far it is.
    pub state: ChangeState,
    /// Who asked for it.
    pub who: String,
    /// When it was applied.
    pub applied_at: Option<u64>,
    /// Seconds until it is taken back, while it waits.
    pub seconds_left: Option<u32>,
    /// When it was confirmed or taken back.
    pub ended_at: Option<u64>,
    /// What it changes.
    pub words: Vec<Sentence>,
    /// Why it was taken back.
    pub reason: Option<Sentence>,
    /// Where the panel is afterwards, if that changes: `http://…/`.
    pub moves_to: Option<String>,
}

/// How far a change is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeState {
    /// On flash, with its deadline; being carried out.
    Armed,
    /// Carried out; waits for somebody to say that they still reach the box.
    Applied,
    /// Kept.
    Confirmed,
    /// Taken back.
    Reverted,
}

/// What a change would do, before it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// What exactly is reviewed; applying asks for this and carries out nothing else.
    pub digest: String,
    /// The revision of the settings it starts from.
    pub base: String,
    /// What changes.
    pub words: Vec<Sentence>,
    /// The same as a unified diff of the document, without secrets.
    pub diff: String,
    /// What people will notice: "Wi-Fi restarts, about 10 seconds."
    pub impact: Vec<Sentence>,
    /// Whether it can cut off whoever asks; if not, it needs no confirmation.
    pub risky: bool,
    /// Where the panel is afterwards, if that changes: `http://…/`.
    pub moves_to: Option<String>,
    /// What is wrong with it; such a change cannot be applied.
    pub findings: Vec<Finding>,
}

/// Something in the settings that cannot be, or should not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The line in the document, from 1; 0 when it is about no line.
    pub line: u32,
    /// The column in the line, from 1; 0 when it is about no line.
    pub column: u32,
    /// The key, `wifi.household.ssid`.
    pub key: String,
    /// What is wrong and what to write instead, in English.
    pub message: String,
    /// Whether it is only advice.
    pub advice: bool,
}

/// A version of the settings that was in force once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastSettings {
    /// Its revision.
    pub revision: String,
    /// When it came into force.
    pub since: u64,
    /// Who asked for it.
    pub who: String,
    /// What it changed.
    pub words: Vec<Sentence>,
}
