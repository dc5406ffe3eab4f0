//! The one file layer: everything Kith keeps goes through [`Files`], so that tests can cut the power.
//!
//! [`RealFiles`] works on a real file system; [`cut::CutFiles`] is its twin in memory that forgets what
//! was not flushed, tears writes, fills up, breaks and turns read-only. Nothing here knows what is in
//! the files. What a crash may do to them follows Pillai et al., "All File Systems Are Not Created
//! Equal" (OSDI 2014): data needs a file sync, names need a sync of their directory.

pub mod cut;
mod durable;
mod error;
mod real;

use core::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use durable::{create_dir_durably, read_whole, write_durably};
pub use error::{FileError, Kind, Operation};
pub use real::RealFiles;

/// The mode of files only their owner may read.
pub const PRIVATE_FILE: u32 = 0o600;

/// The mode of directories only their owner may enter.
pub const PRIVATE_DIR: u32 = 0o700;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// An existing file, for reading.
    Read,
    /// An existing file, for reading and writing.
    Write,
    /// A new file with this mode; an existing one is an error.
    Create(u32),
}

/// What is known of a name without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Length in bytes; 0 for a directory.
    pub size: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without its directory.
    pub name: String,
    /// What it is.
    pub stat: Stat,
}

/// Room on a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What this process may still write.
    pub free: u64,
    /// All there is.
    pub total: u64,
}

/// Test-only switches that leave out what makes writes last; with either on, crash tests must fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// Leaves out the sync of files.
    pub no_fsync: bool,
    /// Leaves out the sync of directories.
    pub no_dirsync: bool,
}

/// A file system.
pub trait Files: Send + Sync + fmt::Debug {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Kind::NotFound`], [`Kind::Exists`], or what the disk says.
    fn open(&self, path: &Path, how: Open) -> Result<Arc<dyn File>, FileError>;

    /// What is at `path`, if anything.
    ///
    /// # Errors
    /// What the disk says; a missing name is `None`.
    fn stat(&self, path: &Path) -> Result<Option<Stat>, FileError>;

    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or what the disk says.
    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FileError>;

    /// Moves a name, replacing what was there in one step. Lasting only after [`Files::sync_dir`].
    ///
    /// # Errors
    /// What the disk says.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError>;

    /// Removes a file's name. Lasting only after [`Files::sync_dir`].
    ///
    /// # Errors
    /// What the disk says.
    fn remove(&self, path: &Path) -> Result<(), FileError>;

    /// Makes one directory with this mode. Lasting only after [`Files::sync_dir`] of its parent.
    ///
    /// # Errors
    /// [`Kind::Exists`], or what the disk says.
    fn create_dir(&self, dir: &Path, mode: u32) -> Result<(), FileError>;

    /// Makes the names in a directory last.
    ///
    /// # Errors
    /// What the disk says.
    fn sync_dir(&self, dir: &Path) -> Result<(), FileError>;

    /// Takes the lock file at `path`, making it when missing; held until dropped.
    ///
    /// # Errors
    /// [`Kind::Locked`] when another process, or this one, holds it.
    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>, FileError>;

    /// The room on the file system that holds `path`.
    ///
    /// # Errors
    /// What the disk says.
    fn space(&self, path: &Path) -> Result<Space, FileError>;

    /// [`File::sync_data`] of all `files`, which a disk may do at once.
    ///
    /// # Errors
    /// The first failure; then none of them counts as synced.
    fn sync_many(&self, files: &[Arc<dyn File>]) -> Result<(), FileError> {
        files.iter().try_for_each(|file| file.sync_data())
    }

    /// [`Files::sync_dir`] of all `dirs`, which a disk may do at once.
    ///
    /// # Errors
    /// The first failure; then none of them counts as synced.
    fn sync_dirs(&self, dirs: &[PathBuf]) -> Result<(), FileError> {
        dirs.iter().try_for_each(|dir| self.sync_dir(dir))
    }
}

/// An open file. All offsets are absolute, so threads share it without a cursor.
pub trait File: Send + Sync + fmt::Debug {
    /// Reads into `buf` from `offset`; short only at the end of the file.
    ///
    /// # Errors
    /// What the disk says.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, FileError>;

    /// Writes all of `bytes` at `offset`. After an error any part of them may be there.
    ///
    /// # Errors
    /// What the disk says.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), FileError>;

    /// The length in bytes.
    ///
    /// # Errors
    /// What the disk says.
    fn size(&self) -> Result<u64, FileError>;

    /// Cuts the file off, or extends it with zeros.
    ///
    /// # Errors
    /// What the disk says.
    fn set_size(&self, size: u64) -> Result<(), FileError>;

    /// Makes the contents last.
    ///
    /// # Errors
    /// What the disk says; what was written since the last sync is then in doubt.
    fn sync_data(&self) -> Result<(), FileError>;

    /// Makes contents and attributes last.
    ///
    /// # Errors
    /// As [`File::sync_data`].
    fn sync_all(&self) -> Result<(), FileError>;
}

/// A held lock; dropping it lets go.
pub trait Lock: Send + Sync + fmt::Debug {}
