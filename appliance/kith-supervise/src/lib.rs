//! The supervisor: opens the sockets, starts the roles with them, watches them, starts them again or
//! gives them up, and stops them.
//!
//! It parses nothing that came from a network, prints nothing, and holds no content: what a role says
//! about itself arrives as the types of `kith_model::role`.

pub mod daemons;
pub mod folders;
pub mod logs;
pub mod policy;
pub mod process;
pub mod role;
pub mod roles;
pub mod run;
mod safe;
pub mod signals;
pub mod sockets;
pub mod state;
pub mod status;
mod watch;
mod watchdog;

pub use run::{Announcement, Options, SuperviseError, Supervisor};
