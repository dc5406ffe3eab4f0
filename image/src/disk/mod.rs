//! How a disk is divided, and an image of it: pure functions, and one hand that writes a file.
//!
//! Both slots have their room from the first day; the data partition has none, since it is made on the box
//! when the size of its card is known.

pub mod gpt;
pub mod image;
pub mod layout;
pub mod mbr;

pub use layout::{Area, Kind, Plan, plan};

/// Bytes of a sector.
pub const SECTOR: u64 = 512;
