//! A box that is not there: a model of the kernel, the daemons, the air and the people, for trying out and
//! for tests.
//!
//! It takes the same steps as Linux does, refuses what Linux refuses, and shows only what follows from
//! them: no access point, nobody on its Wi-Fi; no plug, no offer. What daemons do follows from the very
//! files that are rendered for them. Everything is a function of what was done, of a seed and of the time,
//! so it can be repeated.

mod air;
mod chance;
pub mod conf;
mod daemons;
mod hands;
mod kernel;
mod people;
mod radios;
mod world;

pub use hands::SimulatedHands;
pub use world::World;
