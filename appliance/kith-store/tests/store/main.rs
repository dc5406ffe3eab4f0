//! The store as its callers see it: what it keeps, what it survives, and what it says when it cannot.

mod cut;
mod faults;
mod index;
mod keep;
mod scene;
