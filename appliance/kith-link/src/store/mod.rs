//! What link keeps in `STATE/settings`, and how it gets there so that a power cut leaves the old or the
//! new.
//!
//! | name | what it is |
//! |---|---|
//! | `settings.toml` | the settings in force: replacing it is the moment a change is kept |
//! | `current` | who put them in force and when, and how the last change ended |
//! | `previous/` | versions that were in force before, one file each |
//! | `armed` | a change that waits for its confirmation; whatever has no `armed` any more was decided |
//! | `drafts/` | what people are still editing, one file each |
//! | `identity` | what the node said about the box |

mod carry_out;
mod load;
mod record;

pub use carry_out::{Order, StoreError, carry_out};
pub use load::{Loaded, load};
pub use record::{Armed, Current, Draft, FormerLan, Past};

/// The folder in the state.
pub const FOLDER: &str = "settings";

/// The settings in force.
pub const SETTINGS: &str = "settings.toml";

const CURRENT: &str = "current";
const PREVIOUS: &str = "previous";
const ARMED: &str = "armed";
const DRAFTS: &str = "drafts";
const IDENTITY: &str = "identity";

/// Versions that are kept besides the one in force.
pub const VERSIONS: usize = 20;

/// Drafts that are kept; the one not touched for longest goes first.
pub const MOST_DRAFTS: usize = 16;
