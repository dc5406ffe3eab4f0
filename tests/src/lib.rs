//! What is tested beside the crates themselves: labs of real processes, the figures, and the
//! simulated world.

pub mod figures;
pub mod lab;
pub mod world;
