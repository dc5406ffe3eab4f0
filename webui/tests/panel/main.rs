//! The panel against a pretended node: the security matrix, hostile texts, pages without scripts, files,
//! the API, languages, sizes, and the server's limits.

mod api;
mod client;
mod content;
mod fake;
mod hostile;
mod html;
mod languages;
mod matrix;
mod pages;
mod server;
mod sizes;
