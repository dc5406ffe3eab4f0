//! Writes what the machine has decided. Each order is durable when it returns, or nothing of it counts.

use std::path::{Path, PathBuf};

use kith_files::{
    FileError, Files, Kind, PRIVATE_DIR, PRIVATE_FILE, create_dir_durably, read_whole,
    write_durably,
};
use kith_model::network::ask::Identity;

use super::record::{Armed, Current, Draft, Past, encode};
use super::{ARMED, CURRENT, DRAFTS, IDENTITY, PREVIOUS, SETTINGS, VERSIONS};

/// The largest file of ours that is read back.
pub(super) const LIMIT: usize = 2 << 20;

/// Something to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A change begins, or waits longer.
    Arm(Armed),
    /// Other settings are in force from now on.
    Keep {
        /// The document.
        text: String,
        /// What is known about it.
        current: Current,
        /// What was in force before.
        past: Past,
        /// Drafts that go on from here or are done with.
        drafts: Vec<(String, Option<Draft>)>,
    },
    /// A change is taken back.
    Revert {
        /// The document that stays in force.
        text: String,
        /// What is known about it.
        current: Current,
    },
    /// Somebody's draft, or that there is none any more.
    Draft {
        /// Whose.
        who: String,
        /// The draft.
        draft: Option<Draft>,
        /// Whose draft makes room for it.
        instead_of: Option<String>,
    },
    /// What the node said about the box.
    Identity(Identity),
}

/// Why something could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What kind of failure it is.
    pub kind: Kind,
    /// In words.
    pub message: String,
}

impl From<FileError> for StoreError {
    fn from(error: FileError) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }
}

/// Carries `order` out in `folder`.
///
/// # Errors
/// What the disk says.
pub fn carry_out(files: &dyn Files, folder: &Path, order: &Order) -> Result<(), StoreError> {
    let shelf = Shelf { files, folder: folder.to_owned() };
    create_dir_durably(files, folder, PRIVATE_DIR)?;
    match order {
        Order::Arm(armed) => shelf.write(ARMED, &encode(armed))?,
        Order::Keep { text, current, past, drafts } => shelf.keep(text, current, past, drafts)?,
        Order::Revert { text, current } => shelf.revert(text, current)?,
        Order::Draft { who, draft, instead_of } => {
            if let Some(other) = instead_of {
                shelf.draft(other, None)?;
            }
            shelf.draft(who, draft.as_ref())?;
        }
        Order::Identity(identity) => shelf.write(IDENTITY, &encode(identity))?,
    }
    Ok(())
}

struct Shelf<'a> {
    files: &'a dyn Files,
    folder: PathBuf,
}

impl Shelf<'_> {
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        write_durably(self.files, &self.folder, name, bytes, PRIVATE_FILE)
    }

    fn keep(
        &self,
        text: &str,
        current: &Current,
        past: &Past,
        drafts: &[(String, Option<Draft>)],
    ) -> Result<(), FileError> {
        let previous = self.folder.join(PREVIOUS);
        create_dir_durably(self.files, &previous, PRIVATE_DIR)?;
        let name = format!("{:010}", past.number);
        write_durably(self.files, &previous, &name, &encode(past), PRIVATE_FILE)?;
        self.write(CURRENT, &encode(current))?;
        self.write(SETTINGS, text.as_bytes())?;
        // From here on the change is kept, whatever fails.
        let tidied = self.remove(ARMED).and_then(|()| {
            for (who, draft) in drafts {
                self.draft(who, draft.as_ref())?;
            }
            self.prune(&previous)
        });
        if let Err(error) = tidied {
            tracing::warn!(%error, "cannot tidy up behind a change that is kept");
        }
        Ok(())
    }

    fn revert(&self, text: &str, current: &Current) -> Result<(), FileError> {
        // A confirmation that broke off may have left the other document.
        let there = read_whole(self.files, &self.folder.join(SETTINGS), LIMIT)?;
        if there.unwrap_or_default() != text.as_bytes() {
            self.write(SETTINGS, text.as_bytes())?;
        }
        self.remove(ARMED)?;
        if let Err(error) = self.write(CURRENT, &encode(current)) {
            tracing::warn!(%error, "cannot write down how the last change ended");
        }
        Ok(())
    }

    fn draft(&self, who: &str, draft: Option<&Draft>) -> Result<(), FileError> {
        let drafts = self.folder.join(DRAFTS);
        create_dir_durably(self.files, &drafts, PRIVATE_DIR)?;
        let name = Draft::file(who);
        match draft {
            Some(draft) => write_durably(self.files, &drafts, &name, &encode(draft), PRIVATE_FILE),
            None => remove(self.files, &drafts, &name),
        }
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        remove(self.files, &self.folder, name)
    }

    /// Removes all but the newest versions.
    fn prune(&self, previous: &Path) -> Result<(), FileError> {
        let names: Vec<String> = self
            .files
            .list(previous)?
            .into_iter()
            .map(|entry| entry.name)
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            .collect();
        for name in names.iter().take(names.len().saturating_sub(VERSIONS)) {
            self.files.remove(&previous.join(name))?;
        }
        Ok(())
    }
}

fn remove(files: &dyn Files, folder: &Path, name: &str) -> Result<(), FileError> {
    match files.remove(&folder.join(name)) {
        Err(error) if error.kind() != Kind::NotFound => Err(error),
        Ok(()) | Err(_) => files.sync_dir(folder),
    }
}
