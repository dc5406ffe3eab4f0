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
    Ok(Migrated { text: stamped(document.to_string()), from, words })
}

/// The document with its version, which it may not have said: below the comment at its top, or first.
pub(super) fn stamped(text: String) -> String {
    let Ok(mut document) = text.parse::<DocumentMut>() else { return text };
    if document.contains_key("version") {
        if let Some(Item::Value(old)) = document.get_mut("version") {
            let decor = old.decor().clone();
            *old = i64::from(VERSION).into();
            *old.decor_mut() = decor;
        }
        return document.to_string();
    }
    let comment: usize =
        text.split_inclusive('\n').take_while(|line| line.starts_with('#')).map(str::len).sum();
    let (top, rest) = text.split_at(comment);
    let own_line = top.is_empty() || top.ends_with('\n');
    // A comment right above a key or a section belongs to that.
    if own_line && (rest.is_empty() || rest.starts_with(['\n', '\r'])) {
        return format!("{top}version = {VERSION}\n{rest}");
    }
    let gap = if text.starts_with(['#', '[']) { "\n" } else { "" };
    format!("version = {VERSION}\n{gap}{text}")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::text::parse;

    #[test]
    fn an_old_document_is_brought_up_to_date_with_its_comments() {
        let old = "# Ada's box\n\n# Wi-Fi\n[wifi.guest]\nssid = \"b\" # free\n\n# ours\n[wifi.home] # family\n\
                   ssid = \"a\"\n";
        let new = migrate(old).unwrap();
        assert_eq!(new.from, 0);
        assert_eq!(new.words, ["wifi.home is called wifi.household."]);
        let expected = old.replace("# Ada's box\n", "# Ada's box\nversion = 1\n");
        assert_eq!(new.text, expected.replace("wifi.home", "wifi.household"));
        let settings = parse(&new.text).unwrap();
        assert_eq!(settings.wifi.household.ssid.unwrap().as_str(), "a");
        assert_eq!(
            migrate(&new.text).unwrap(),
            Migrated { text: new.text.clone(), from: 1, words: vec![] }
        );
    }

    #[test]
    fn the_key_is_renamed_in_whatever_form_it_stands() {
        for old in [
            "version = 0\nwifi.home.ssid = \"a\"\nwifi.guest.ssid = \"b\"\n",
            "version = 0\n[wifi]\nhome.ssid = \"a\"\nguest.ssid = \"b\"\n",
            "version = 0\n[wifi]\nhome = { ssid = \"a\" } # x\nguest = { ssid = \"b\" }\n",
            "version = 0\nwifi = { home = { ssid = \"a\" }, guest = { ssid = \"b\" } }\n",
        ] {
            let new = migrate(old).unwrap().text;
            let expected = old.replace("home", "household").replace("version = 0", "version = 1");
            assert_eq!(new, expected);
            parse(&new).unwrap();
        }
    }

    #[test]
    fn what_is_newer_is_refused_and_what_is_no_document_is_left() {
        let refused = migrate("\nversion = 2 # soon\n[lan]\nx = 1\n").unwrap_err();
        assert_eq!((refused[0].line, refused[0].key.as_str()), (2, "version"));
        assert!(refused[0].message.contains("update the box first"));
        for text in ["= nonsense", "version = \"one\"\n", "version = -1\n"] {
            assert_eq!(migrate(text).unwrap().text, text);
        }
    }

    #[test]
    fn both_names_at_once_are_left_for_people() {
        let text = "version = 0\n[wifi.home]\n[wifi.household]\n";
        let new = migrate(text).unwrap();
        assert!(new.words.is_empty());
        assert!(parse(&new.text).is_err());
    }
}
