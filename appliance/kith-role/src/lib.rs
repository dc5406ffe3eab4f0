//! What every process of ours shares: the clocks, the driver of machines, typed Unix sockets and the
//! entry into the sandbox.
//!
//! No process starts another here, and nothing here knows what the messages mean.

pub mod clock;
pub mod driver;
pub mod sandbox;
pub mod socket;
pub mod users;
