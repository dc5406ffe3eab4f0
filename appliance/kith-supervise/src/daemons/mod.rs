//! The system daemons: what link wishes for becomes processes that outlive us.
//!
//! ```text
//! wishes -> machine -> start, end -> keeper -> exec (becomes the daemon)
//!              ^                        |
//!              '---- started, ended ----'
//! ```
//!
//! A daemon is not ended by our end, however that comes: its sockets and its users' connections stay. What
//! we start next finds it by its file in `RUN/daemons` and looks after it as before.

pub(crate) mod cgroup;
pub mod exec;
pub(crate) mod keeper;
pub(crate) mod machine;
pub(crate) mod record;
pub(crate) mod table;
#[cfg(test)]
mod tests;
