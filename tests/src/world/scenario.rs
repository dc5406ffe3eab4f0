//! Scenarios: what happens in a world, as data.

use serde::Deserialize;

/// A world and what happens in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// The seeds it is run with.
    pub seeds: Vec<u64>,
    /// Boxes whose people are members from the start; the first is the founder's.
    pub members: usize,
    /// Boxes whose people are not.
    #[serde(default)]
    pub outsiders: usize,
    /// Boxes each box hears on its network; all when not given.
    pub hears: Option<usize>,
    /// What the links are like.
    #[serde(default)]
    pub links: Links,
    /// What the clocks are like.
    #[serde(default)]
    pub clocks: Clocks,
    /// Members that cheat, and how.
    #[serde(default)]
    pub hostile: Vec<Hostile>,
    /// What happens, in this order of time.
    pub steps: Vec<Step>,
    /// Within how many seconds after the last step all boxes agree.
    pub converge_s: u64,
    /// Boxes that are left out of the agreement, by index, because they end outside the space.
    #[serde(default)]
    pub excluded: Vec<usize>,
    /// Rows are folded anew, in another order, whenever a box starts.
    #[serde(default)]
    pub rebuild: bool,
}

/// What links are like.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Links {
    /// One way, in milliseconds, least and most.
    pub latency_ms: (u64, u64),
    /// In KiB a second.
    pub kib_per_s: u64,
    /// Frames of a thousand that need to be sent again, which delays what follows on their stream.
    pub lost_per_mille: u64,
    /// Frames of a hundred thousand at which the connection dies.
    pub dies_per_100k: u64,
}

impl Default for Links {
    fn default() -> Self {
        Self { latency_ms: (1, 20), kib_per_s: 4_096, lost_per_mille: 0, dies_per_100k: 0 }
    }
}

/// What clocks are like.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clocks {
    /// How wrong they are at most, in days, to either side.
    pub wrong_days: u64,
    /// How many of a thousand have been confirmed; those are right.
    pub trusted_per_mille: u64,
}

/// A member that cheats.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hostile {
    /// Which box.
    pub node: usize,
    /// How.
    pub trick: Trick,
}

/// How somebody cheats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trick {
    /// Flips bits in frames.
    Mutate,
    /// Never answers anything but HELLO.
    Silent,
    /// Opens streams and pushes without end.
    Flood,
    /// Sends other blocks and records than asked for.
    Unasked,
    /// Breaks the signatures of records.
    Forge,
    /// Sends blocks that are not what their cid names.
    Corrupt,
    /// Sends frames again that it sent before, on whatever stream.
    Replay,
}

/// Something that happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When, in seconds from the start.
    pub at_s: u64,
    /// What.
    #[serde(rename = "do")]
    pub deed: Deed,
}

/// What happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    /// People write notices.
    Post {
        /// On which boxes; some member's when not given.
        on: Option<Vec<usize>>,
        /// How many in all.
        count: usize,
    },
    /// Somebody puts a file.
    Put {
        /// On which box.
        on: usize,
        /// Leaves it has.
        leaves: u64,
        /// Bytes of each.
        size: usize,
        /// Where.
        path: String,
    },
    /// Somebody takes a path away.
    Delete {
        /// On which box.
        on: usize,
        /// Which.
        path: String,
    },
    /// The network falls into parts; each box is in the part of its index modulo their number.
    Split {
        /// How many.
        parts: usize,
    },
    /// The network is whole again.
    Heal,
    /// Boxes are switched off without warning and on again.
    Churn {
        /// How many boxes.
        count: usize,
        /// For how many seconds each, at most.
        down_s: u64,
    },
    /// A box is switched off without warning.
    Kill {
        /// Which.
        on: usize,
    },
    /// A box is switched on.
    Start {
        /// Which.
        on: usize,
    },
    /// A member makes an invite.
    Invite {
        /// On which box.
        by: usize,
        /// Whether many may use it.
        many: bool,
        /// What later steps call it.
        name: String,
    },
    /// Somebody uses an invite.
    Join {
        /// On which box.
        on: usize,
        /// Which invite.
        invite: String,
    },
    /// An owner removes a member.
    Remove {
        /// On which box.
        by: usize,
        /// The box whose person is removed.
        member: usize,
    },
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// When the text is not one.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The seeds to run: its own, and more of them when `KITH_SEEDS` says so.
    #[must_use]
    pub fn seeds(&self) -> Vec<u64> {
        let more = std::env::var("KITH_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
        self.seeds.iter().copied().chain((0..more).map(|n| 1_000 + n)).collect()
    }
}
