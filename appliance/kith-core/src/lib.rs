//! Nouns of peers: identity, content ids, UnixFS, signed records, wire frames and time.
//!
//! Nothing here waits, reads a clock, draws a random number or touches a file. Every decoder is
//! bounded before it allocates and refuses what is not in the one canonical form.

pub mod body;
pub mod buffers;
pub mod capability;
pub mod cid;
pub mod fold;
pub mod identity;
pub mod invite;
pub mod machine;
pub mod record;
pub mod seal;
pub mod time;
pub mod unixfs;
pub mod wire;
