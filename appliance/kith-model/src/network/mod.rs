//! What is said about the network of a box: how it is, what can be asked of whoever drives it, and how a
//! change of its settings goes.

pub mod ask;
pub mod change;
pub mod status;
