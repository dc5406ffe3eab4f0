//! Documents of other versions: older ones are brought up to date, newer ones are refused and kept.
//!
//! A document without a version is of version 0. Between it and version 1 one key was renamed, which is
//! the example that the machinery is tried with; no box ever wrote such a document.

use toml_edit::{DocumentMut, Item, TableLike};

use super::VERSION;
use super::path::Path;
use super::text::finding;
use crate::network::ask::MAX_SETTINGS;
use crate::network::change::Finding;

/// A document of this version, and what was done to make it one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The document, with its comments.
    pub text: String,
    /// The version it had.
    pub from: u32,
    /// What changed, in English sentences; empty when it was of this version.
    pub words: Vec<String>,
}

/// What one version needs to become the next.
type Step = fn(&mut DocumentMut, &mut Vec<String>);

/// The step from version `n` to `n + 1` stands at `n`.
const STEPS: [Step; VERSION as usize] = [from_0];

/// Brings a document up to date. What is no TOML is left as it is: whoever reads it says so.
///
/// # Errors
/// If it is of a version that is not known here.
pub fn migrate(text: &str) -> Result<Migrated, Vec<Finding>> {
    let as_it_is = |from| Migrated { text: text.to_owned(), from, words: Vec::new() };
    if text.len() > MAX_SETTINGS {
        return Ok(as_it_is(VERSION));
    }
    let Ok(mut document) = text.parse::<DocumentMut>() else { return Ok(as_it_is(VERSION)) };
    let from = match document.get("version") {
        None => 0,
        Some(version) => match version.as_integer().map(u32::try_from) {
            Some(Ok(version)) => version,
            Some(Err(_)) | None => return Ok(as_it_is(VERSION)),
        },
    };
    if from > VERSION {
        let key = Path(vec!["version".to_owned()]);
        return Err(super::text::located(text, vec![finding(&key, newer(i64::from(from)))]));
    }
    if from == VERSION {
        return Ok(as_it_is(from));
    }
    let mut words = Vec::new();
    for step in STEPS.iter().skip(from as usize) {
        step(&mut document, &mut words);
    }
    stamp(&mut document);
    Ok(Migrated { text: document.to_string(), from, words })
}

/// Says of which version a document is that has none: this one.
pub(super) fn stamp(document: &mut DocumentMut) {
    let version = toml_edit::value(i64::from(VERSION));
    if document.contains_key("version") {
        document["version"] = version;
        return;
    }
    // The version stands first, and a comment at the top stays at the top.
    let entries: Vec<_> = document.iter().map(|(name, _)| name.to_owned()).collect();
    let taken: Vec<_> = entries.iter().filter_map(|name| document.remove_entry(name)).collect();
    document.insert("version", version);
    for (key, item) in taken {
        document.insert_formatted(&key, item);
    }
}

/// Why a document of a newer version is refused.
pub(super) fn newer(version: i64) -> String {
    format!(
        "These settings are of version {version}; this box knows versions up to {VERSION}. They are \
         left as they are: update the box first."
    )
}

/// Why a document of an older version is not read as it is.
pub(super) fn older(version: i64) -> String {
    format!(
        "These settings are of version {version}: kith config import brings them up to version \
         {VERSION}."
    )
}

/// Version 0 said `home` where version 1 says `household`, as the panel does.
fn from_0(document: &mut DocumentMut, words: &mut Vec<String>) {
    let Some(wifi) = document.get_mut("wifi").and_then(Item::as_table_like_mut) else { return };
    if rename(wifi, "home", "household") {
        words.push("wifi.home is called wifi.household.".to_owned());
    }
}

/// Renames a key and leaves it where it is, with its comments. Where both are there nothing is done: the
/// old one is an unknown key then, and said.
fn rename(table: &mut dyn TableLike, old: &str, new: &str) -> bool {
    if !table.contains_key(old) || table.contains_key(new) {
        return false;
    }
    let names: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        let Some(key) = table.key(&name).cloned() else { continue };
        let Some(item) = table.remove(&name) else { continue };
        let key = if name == old {
            toml_edit::Key::new(new)
                .with_leaf_decor(key.leaf_decor().clone())
                .with_dotted_decor(key.dotted_decor().clone())
        } else {
            key
        };
        match table.entry_format(&key) {
            toml_edit::Entry::Vacant(entry) => drop(entry.insert(item)),
            toml_edit::Entry::Occupied(_) => {}
        }
    }
    true
}
