//! The panel against a pretended node: the security matrix, hostile texts, pages without scripts, files,
//! the API, languages, sizes, and the server's limits.

#![allow(
    clippy::expect_used,
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that meets what it did not expect shall panic"
)]

mod api;
mod backup;
mod changes;
mod client;
mod content;
mod fake;
mod hostile;
mod html;
mod languages;
mod listening;
mod matrix;
mod names;
mod newcomer;
mod pages;
mod server;
mod sizes;
mod states;
mod visitors;
