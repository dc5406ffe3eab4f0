//! The simulated world: many boxes of the real machine in one thread and virtual time.
//!
//! Each box is a [`kith_proto::replica::Replica`] with a store in memory that loses what it has not
//! acknowledged when the box is killed ([`disk`]), clocks that are wrong ([`node`]) and links that are
//! slow, reorder streams, die and are cut by partitions ([`net`]). What happens is written down as a
//! scenario ([`scenario`]); chance comes from its seed alone, so that a run can be repeated. Peers that
//! cheat are boxes whose frames are tampered with on their way out ([`hostile`]).

pub mod chance;
pub mod check;
pub mod deeds;
pub mod disk;
pub mod hands;
pub mod hostile;
pub mod net;
pub mod node;
pub mod play;
pub mod scenario;

pub use play::World;
pub use scenario::Scenario;
