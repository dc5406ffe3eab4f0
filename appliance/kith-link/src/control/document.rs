//! The settings document as text: what it says, what is wrong with it, what a change of it means.

use kith_core::cid::{Cid, Codec};
use kith_model::network::change::{Finding, Review};
use kith_model::settings::check::{self, Hardware};
use kith_model::settings::{Settings, differ, edit, impact, migrate};

/// A document that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// The text of this version, with its comments.
    pub(crate) text: String,
    /// Its revision.
    pub(crate) revision: String,
    /// What it says.
    pub(crate) settings: Settings,
}

impl Document {
    /// Reads a text, of an older version too.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, Vec<Finding>> {
        let text = migrate::migrate(text)?.text;
        let settings = kith_model::settings::text::parse(&text)?;
        Ok(Self { revision: differ::revision(&text), text, settings })
    }

    /// The document that says nothing: all defaults.
    pub(crate) fn empty() -> Self {
        Self { text: String::new(), revision: differ::revision(""), settings: Settings::default() }
    }
}

/// The digest of several parts, each with its length, in hexadecimal digits (SHA2-256).
pub(crate) fn digest(parts: &[&[u8]]) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    data_encoding::HEXLOWER.encode(Cid::of(Codec::Raw, &bytes).digest())
}

/// The text with other values, all or none.
///
/// # Errors
/// Why that cannot be.
pub(crate) fn set(text: &str, values: &[(String, Option<String>)]) -> Result<String, Vec<Finding>> {
    edit::set(text, values)
}

/// How many values differ between `old` and the document `text`.
pub(crate) fn changes(old: &Settings, text: &str) -> u32 {
    let new = Document::read(text);
    new.map_or(0, |new| differ::words(old, &new.settings).len().try_into().unwrap_or(u32::MAX))
}

/// What changing `old` into the document `text` means on this hardware.
pub(crate) fn review(old: &Document, text: &str, hardware: &Hardware<'_>) -> Review {
    let mut review = Review {
        digest: digest(&[old.revision.as_bytes(), text.as_bytes()]),
        base: old.revision.clone(),
        ..Review::default()
    };
    let new = match Document::read(text) {
        Ok(new) => new,
        Err(findings) => return Review { findings, ..review },
    };
    review.findings = check::document(&new.text).1;
    let advice = check::hardware(&new.settings, hardware);
    review.findings.extend(kith_model::settings::text::located(&new.text, advice));
    review.words = differ::words(&old.settings, &new.settings);
    review.diff = differ::unified(&old.text, &new.text);
    review.impact = impact::impact(&old.settings, &new.settings, hardware.panel_port);
    review.risky = impact::risky(&old.settings, &new.settings);
    review.moves_to = impact::moves_to(&old.settings, &new.settings, hardware.panel_port);
    review
}
