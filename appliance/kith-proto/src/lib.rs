//! Decisions of a box among its peers, without input or output of their own.
//!
//! [`replica`] is the machine of a box; the rooms beside it decide whom to dial, who may see a space,
//! which records and blocks go where. [`views`] turns records into the rows that pages read.

mod blocks;
mod discovery;
pub mod governance;
mod membership;
pub mod replica;
mod rng;
mod session;
pub mod sync;
pub mod views;
