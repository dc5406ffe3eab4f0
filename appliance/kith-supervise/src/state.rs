//! The state directory as the supervisor sees it: made on the first start, and locked so that one state
//! has one supervisor. What is in it belongs to the roles.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use kith_files::{FileError, PRIVATE_DIR, PRIVATE_FILE, RealFiles, create_dir_durably};

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The directory cannot be made.
    #[error("cannot make the state directory")]
    Create(#[source] FileError),
    /// The lock file cannot be opened.
    #[error("cannot lock the state with {}", path.display())]
    Lock {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else holds the lock.
    #[error("{} is in use already{}: stop that one first, or choose another state with --state", state.display(), by(*pid))]
    InUse {
        /// Which state.
        state: PathBuf,
        /// By which process, if it said so.
        pid: Option<u32>,
    },
}

fn by(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
}

/// Makes the state directory, for its owner only, unless it is there.
///
/// # Errors
/// [`StateError::Create`] with the cause.
pub fn create(state: &Path) -> Result<(), StateError> {
    create_dir_durably(&RealFiles::new(), state, PRIVATE_DIR).map_err(StateError::Create)
}

/// The right to work on a state, until dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock `STATE/supervise.lock` (`flock(2)`) and leaves this process's id in it.
    ///
    /// # Errors
    /// [`StateError::InUse`] when another process has it.
    pub fn take(state: &Path) -> Result<Self, StateError> {
        let path = state.join("supervise.lock");
        let failed = |source| StateError::Lock { path: path.clone(), source };
        let mut file = open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StateError::InUse {
                    state: state.to_owned(),
                    pid: read_pid(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // Only a courtesy to whoever comes next: a full or read-only disk does not stop the panel.
        if let Err(error) = write_pid(&mut file) {
            tracing::warn!(path = %path.display(), %error, "cannot leave the process id in the lock");
        }
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Not truncated: it may hold the id of whoever has the lock.
    let writable = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE_FILE)
        .open(path);
    match writable {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => File::open(path),
        opened => opened,
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_state_is_made_for_its_owner_only_with_its_parents() {
        let temp = tempfile::tempdir().unwrap();
        let state = temp.path().join("a/b");
        create(&state).unwrap();
        create(&state).unwrap();
        let mode = state.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_state_that_cannot_be_had_is_an_error_in_words() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let below = create(&file.join("state")).unwrap_err().to_string();
        assert_eq!(below, "cannot make the state directory");
        create(&file).unwrap();
        let instead = Lock::take(&file).unwrap_err().to_string();
        assert!(instead.starts_with("cannot lock the state with "), "{instead}");
    }

    #[test]
    fn a_state_has_one_holder_and_names_it() {
        let temp = tempfile::tempdir().unwrap();
        let first = Lock::take(temp.path()).unwrap();
        let error = Lock::take(temp.path()).unwrap_err();
        let StateError::InUse { pid, .. } = &error else { panic!("{error}") };
        assert_eq!(*pid, Some(std::process::id()));
        assert!(error.to_string().contains("is in use already by process"), "{error}");
        drop(first);
        Lock::take(temp.path()).unwrap();
    }
}
