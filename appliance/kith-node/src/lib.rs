//! A node: identity, peers, store and panel in one process without privileges.
//!
//! Three threads own all state. The hub (a task) drives the replica and the connections; the archive
//! takes everything foreign into the store; the desk carries out commands. They speak through queues.
//! Passphrases are hashed on a fourth, and transfers of files have threads of their own while they last.

mod account;
mod archive;
mod clock;
mod content;
mod control;
mod desk;
mod door;
mod gate;
mod glance;
mod hasher;
mod hub;
mod keys;
mod ledger;
mod neighbours;
mod opening;
mod pace;
mod pen;
mod pulse;
mod recall;
mod router;
mod run;
mod secret;
mod settler;
mod words;

pub use keys::KeyError;
pub use kith_files::Switches;
pub use run::{Options, RunError, run};
