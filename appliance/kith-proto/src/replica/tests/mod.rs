//! The replica against a peer whose every frame the test writes.

mod admission;
mod content;
mod lab;
mod links;
mod records;
