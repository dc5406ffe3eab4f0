//! Nouns of the operator: commands and their replies, the status of a box, and who may do what.
//!
//! The panel, the API and the command line all speak these types to the node, so each command has one
//! handler. Times are milliseconds since 1970 in UTC, sizes are bytes, ids are their text forms.

pub mod caller;
pub mod command;
pub mod control;
pub mod daemon;
pub mod log;
pub mod network;
pub mod profile;
pub mod refusal;
pub mod reply;
pub mod role;
pub mod sentence;
pub mod settings;
pub mod status;

/// The collection files go to when nobody names another.
pub const DEFAULT_COLLECTION: &str = "shared";
