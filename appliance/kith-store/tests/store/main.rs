//! The store as its callers see it: what it keeps, what it survives, and what it says when it cannot.

#![expect(clippy::unwrap_used, reason = "tests end at the first surprise")]

mod cut;
mod faults;
mod index;
mod keep;
mod scene;
