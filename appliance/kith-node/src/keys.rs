//! The key files: one for the box, one for each person whose key it keeps. Mode 0600, written durably
//! before first use, never copied anywhere else.

use std::path::{Path, PathBuf};

use kith_core::identity::{AuthorId, SecretKey};
use kith_files::{FileError, Files, PRIVATE_DIR, PRIVATE_FILE};

use crate::secret;

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file layer refused.
    #[error("cannot read or write a key file")]
    Files(#[from] FileError),
    /// The file is not a key.
    #[error(
        "{0} is not a key file of 32 bytes; restore it from a backup, or move it away to start as a new box"
    )]
    Malformed(PathBuf),
}

/// The folder of key files.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a> {
    files: &'a dyn Files,
    state: &'a Path,
}

impl core::fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Keys").field("state", &self.state).finish_non_exhaustive()
    }
}

impl<'a> Keys<'a> {
    /// The keys under `state`.
    #[must_use]
    pub(crate) const fn new(files: &'a dyn Files, state: &'a Path) -> Self {
        Self { files, state }
    }

    /// The box's key, made now if this is its first start.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read, written, or is no key.
    pub(crate) fn node(&self) -> Result<SecretKey, KeyError> {
        match self.read(&self.state.join("node.key"))? {
            Some(key) => Ok(key),
            None => self.make(self.state, |_| "node.key".to_owned()),
        }
    }

    /// A new key for a person.
    ///
    /// # Errors
    /// [`KeyError`] when it cannot be written.
    pub(crate) fn new_author(&self) -> Result<SecretKey, KeyError> {
        let folder = self.state.join("authors");
        kith_files::create_dir_durably(self.files, &folder, PRIVATE_DIR)?;
        self.make(&folder, |key| file_name(&key.author_id()))
    }

    /// The key of `author`, if this box keeps it.
    ///
    /// # Errors
    /// [`KeyError`] when the file cannot be read or is no key.
    pub(crate) fn author(&self, author: &AuthorId) -> Result<Option<SecretKey>, KeyError> {
        self.read(&self.state.join("authors").join(file_name(author)))
    }

    fn read(&self, path: &Path) -> Result<Option<SecretKey>, KeyError> {
        if self.files.stat(path)?.is_none() {
            return Ok(None);
        }
        let seed = zeroize::Zeroizing::new(
            kith_files::read_whole(self.files, path, 32)?.unwrap_or_default(),
        );
        let seed = seed[..].try_into().map_err(|_| KeyError::Malformed(path.to_owned()))?;
        Ok(Some(SecretKey::from_seed(seed)))
    }

    fn make(
        &self,
        folder: &Path,
        name: impl Fn(&SecretKey) -> String,
    ) -> Result<SecretKey, KeyError> {
        let key = SecretKey::from_seed(&zeroize::Zeroizing::new(secret::random()));
        kith_files::write_durably(self.files, folder, &name(&key), &key.seed()[..], PRIVATE_FILE)?;
        Ok(key)
    }
}

fn file_name(author: &AuthorId) -> String {
    format!("{}.key", data_encoding::HEXLOWER.encode(&author.0))
}
