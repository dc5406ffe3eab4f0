//! The machine that drives the network, with a box that is not there, a disk that loses power, and time
//! that passes when the test says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that fails may end, and another answer than the expected one fails"
)]

mod bad;
mod by_hand;
mod carried_out;
mod changes;
mod claims;
mod durability;
mod hostile;
mod lockouts;
mod reach;
mod rig;
mod uplinks;
mod watching;
