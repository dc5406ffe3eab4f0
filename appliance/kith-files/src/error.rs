//! What went wrong with which file, typed for programs and worded for people.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What was attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening an existing file.
    Open,
    /// Making a new file.
    Create,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Changing a file's length.
    Resize,
    /// Making contents last.
    Sync,
    /// Making a directory's names last.
    SyncDir,
    /// Moving a name.
    Rename,
    /// Removing a name.
    Remove,
    /// Making a directory.
    CreateDir,
    /// Listing a directory.
    List,
    /// Looking a name up.
    Stat,
    /// Taking a lock.
    Lock,
    /// Asking for the room that is left.
    Space,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Create => "create",
            Self::Read => "read",
            Self::Write => "write to",
            Self::Resize => "change the length of",
            Self::Sync => "flush",
            Self::SyncDir => "flush the directory",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::CreateDir => "make the directory",
            Self::List => "list the directory",
            Self::Stat => "look up",
            Self::Lock => "lock",
            Self::Space => "ask for the free space at",
        })
    }
}

/// What to do about a failure depends on this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The disk, or the quota, is full.
    NoSpace,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The disk failed, or anything else the system says.
    Io,
    /// There is no such name.
    NotFound,
    /// The name is taken.
    Exists,
    /// Another process holds the lock.
    Locked,
    /// This user may not do that.
    Denied,
}

impl Kind {
    /// The kind of an error of the system.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "the system's list of errors is open")]
    pub fn of(error: &io::Error) -> Self {
        use io::ErrorKind as E;
        match error.kind() {
            E::StorageFull | E::QuotaExceeded | E::FileTooLarge => Self::NoSpace,
            E::ReadOnlyFilesystem => Self::ReadOnly,
            E::NotFound => Self::NotFound,
            E::AlreadyExists => Self::Exists,
            E::WouldBlock => Self::Locked,
            E::PermissionDenied => Self::Denied,
            _ => Self::Io,
        }
    }

    /// What it means, in words for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NoSpace => "the disk is full; free some space and it goes on by itself",
            Self::ReadOnly => {
                "the disk is read-only, which is what a failing card does: save what you can, and replace it"
            }
            Self::Io => "the disk reports an error; check its cable or replace it",
            Self::NotFound => "it does not exist",
            Self::Exists => "it exists already",
            Self::Locked => "another process is using it",
            Self::Denied => "this user has no permission",
        }
    }
}

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("could not {operation} {}: {}", path.display(), kind.words())]
pub struct FileError {
    operation: Operation,
    path: PathBuf,
    kind: Kind,
    #[source]
    source: io::Error,
}

impl FileError {
    /// The failure of `operation` on `path`.
    #[must_use]
    pub fn new(operation: Operation, path: &Path, source: io::Error) -> Self {
        Self { operation, path: path.to_owned(), kind: Kind::of(&source), source }
    }

    /// What was attempted.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// On which file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_failed_where_and_what_to_do() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = FileError::new(Operation::Write, Path::new("/box/log/0001.seg"), full);
        assert_eq!(error.kind(), Kind::NoSpace);
        let words = error.to_string();
        assert!(
            words.starts_with("could not write to /box/log/0001.seg: the disk is full"),
            "{words}"
        );
    }
}
