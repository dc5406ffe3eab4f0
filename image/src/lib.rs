//! From a board's profile to its image: one definition, two builders.
//!
//! `image/packages.toml` says what is in an image, `hw-profiles` what a board is; everything else here is a
//! function of both: Buildroot's configurations, the checks against its tree, the archive of our source that
//! its package builds, the layout of the disk, the table of the documentation.

pub mod buildroot;
pub mod debian;
pub mod defconfig;
pub mod definition;
pub mod disk;
pub mod dist;
pub mod files;
pub mod programs;
pub mod table;
