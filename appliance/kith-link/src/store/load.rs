//! Reads back what was kept. What cannot be read is treated as missing, and said.

use std::path::{Path, PathBuf};

use kith_files::{Files, read_whole};
use kith_model::network::ask::Identity;
use serde::de::DeserializeOwned;

use super::carry_out::LIMIT;
use super::record::{Armed, Current, Draft, Past, decode};
use super::{ARMED, CURRENT, DRAFTS, IDENTITY, MOST_DRAFTS, PREVIOUS, SETTINGS, VERSIONS};

/// All that was kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The settings in force; empty on a box that never had any.
    pub text: String,
    /// What is known about them.
    pub current: Option<Current>,
    /// What was in force before, oldest first.
    pub past: Vec<Past>,
    /// A change that waited for its confirmation.
    pub armed: Option<Armed>,
    /// Whether there is something that says a change waited but cannot be read.
    pub armed_unreadable: bool,
    /// What people were editing.
    pub drafts: Vec<Draft>,
    /// What the node said about the box.
    pub identity: Option<Identity>,
    /// What could not be read, in English.
    pub complaints: Vec<String>,
}

/// Everything in `folder`.
#[must_use]
pub fn load(files: &dyn Files, folder: &Path) -> Loaded {
    let mut reader = Reader { files, folder: folder.to_owned(), complaints: Vec::new() };
    let text = reader.bytes(SETTINGS).map(String::from_utf8);
    let text = match text {
        Some(Ok(text)) => text,
        Some(Err(_)) => {
            reader.complaints.push(format!("{SETTINGS} is not text"));
            String::new()
        }
        None => String::new(),
    };
    let current = reader.record(CURRENT);
    let armed_there = reader.bytes(ARMED).is_some();
    let armed: Option<Armed> = reader.record(ARMED);
    let identity = reader.record(IDENTITY);
    let mut past: Vec<Past> = reader.folder(PREVIOUS);
    past.sort_by_key(|past| past.number);
    past.drain(..past.len().saturating_sub(VERSIONS));
    let mut drafts: Vec<Draft> = reader.folder(DRAFTS);
    drafts.sort_by_key(|draft| draft.touched);
    drafts.drain(..drafts.len().saturating_sub(MOST_DRAFTS));
    Loaded {
        text,
        current,
        past,
        armed_unreadable: armed_there && armed.is_none(),
        armed,
        drafts,
        identity,
        complaints: reader.complaints,
    }
}

struct Reader<'a> {
    files: &'a dyn Files,
    folder: PathBuf,
    complaints: Vec<String>,
}

impl Reader<'_> {
    fn bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        match read_whole(self.files, &self.folder.join(name), LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.complaints.push(error.to_string());
                None
            }
        }
    }

    fn record<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let record = decode(&self.bytes(name)?);
        if record.is_none() {
            self.complaints.push(format!("{name} cannot be read"));
        }
        record
    }

    /// All records of a folder; others' files and left-overs are passed over.
    fn folder<T: DeserializeOwned>(&mut self, name: &str) -> Vec<T> {
        let entries = self.files.list(&self.folder.join(name)).unwrap_or_default();
        entries
            .into_iter()
            .filter(|entry| !entry.stat.is_dir && !entry.name.starts_with('.'))
            .filter_map(|entry| self.record(&format!("{name}/{}", entry.name)))
            .collect()
    }
}
