//! The second builder: an image from Debian's own packages, locked by name, version and digest.
//!
//! No maintainer script runs and nothing needs root, so one architecture is built on another.

pub mod apt;
pub mod build;
pub mod cpio;
pub mod lock;
pub mod modules;
pub mod qemu;
