//! Safe mode: whether the settings are left aside until somebody has had a look, remembered until the next
//! boot.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use tokio::sync::watch;

/// The name below `RUN` of what was the reason.
const FILE: &str = "safe-mode";

/// More than the longest reason, in bytes.
const LARGEST: usize = 1_024;

/// Whether the box is in safe mode. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct SafeMode {
    reason: watch::Sender<Option<String>>,
    file: PathBuf,
}

impl SafeMode {
    /// As it was left in the run directory.
    pub(crate) fn resume(run: &Path) -> Self {
        let file = run.join(FILE);
        let reason = read(&file);
        if let Some(reason) = &reason {
            tracing::warn!(reason, "still in safe mode");
        }
        Self { reason: watch::Sender::new(reason), file }
    }

    /// The reason, if it is on.
    pub(crate) fn reason(&self) -> Option<String> {
        self.reason.borrow().clone()
    }

    /// Tells of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<Option<String>> {
        self.reason.subscribe()
    }

    /// Begins; the first reason stays.
    pub(crate) fn enter(&self, why: &str) {
        let begun = self.reason.send_if_modified(|reason| {
            let begins = reason.is_none();
            if begins {
                *reason = Some(why.chars().take(LARGEST / 4).collect());
            }
            begins
        });
        if !begun {
            return;
        }
        tracing::error!(why, "safe mode begins: the settings are left aside");
        if let Err(error) = fs::write(&self.file, why) {
            // It holds as long as this supervisor.
            tracing::warn!(%error, "safe mode cannot be remembered");
        }
    }

    /// Ends.
    pub(crate) fn end(&self) {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the end of safe mode cannot be remembered");
            }
            Ok(()) | Err(_) => {}
        }
        if self.reason.send_replace(None).is_some() {
            tracing::info!("safe mode ends: the settings are tried again");
        }
    }
}

fn read(file: &Path) -> Option<String> {
    let mut text = Vec::new();
    fs::File::open(file).ok()?.take(LARGEST as u64).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays_and_is_remembered_until_it_ends() {
        let run = tempfile::tempdir().unwrap();
        let safe = SafeMode::resume(run.path());
        assert_eq!(safe.reason(), None);
        safe.enter("link failed");
        safe.enter("node failed");
        assert_eq!(safe.reason().as_deref(), Some("link failed"));
        let again = SafeMode::resume(run.path());
        assert_eq!(again.reason().as_deref(), Some("link failed"));
        again.end();
        again.end();
        assert_eq!((again.reason(), SafeMode::resume(run.path()).reason()), (None, None));
    }

    #[test]
    fn a_run_directory_that_cannot_be_written_is_no_reason_to_go_on_as_before() {
        let safe = SafeMode::resume(Path::new("/nonexistent"));
        safe.enter("link failed");
        assert_eq!(safe.reason().as_deref(), Some("link failed"));
    }

    #[test]
    fn a_file_of_any_size_is_a_bounded_reason() {
        let run = tempfile::tempdir().unwrap();
        fs::write(run.path().join(FILE), vec![0xff; 1 << 20]).unwrap();
        assert!(SafeMode::resume(run.path()).reason().unwrap().len() <= 3 * LARGEST);
    }
}
