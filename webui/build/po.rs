//! Reads gettext PO catalogues: the subset that translators' tools write for us.
//!
//! Contexts (`msgctxt`) and obsolete entries are not supported; fuzzy entries are left out, so that they
//! fall back to English. Format: GNU gettext manual, "The Format of PO Files".

use std::collections::BTreeMap;

/// A catalogue as read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Catalogue {
    /// The language's own name (`X-Language-Name`).
    pub(crate) name: String,
    /// The `Plural-Forms` header.
    pub(crate) plural: String,
    /// Message id to its forms; one form, or one for each plural.
    pub(crate) messages: BTreeMap<String, Vec<String>>,
}

#[derive(Default)]
struct Entry {
    id: Option<String>,
    forms: Vec<String>,
    fuzzy: bool,
}

enum Target {
    Nothing,
    Id,
    /// `msgid_plural`: the lookup goes by the singular, so it is read and dropped.
    Plural,
    Form(usize),
}

/// Reads a catalogue.
///
/// # Errors
/// Says in which line something does not belong.
pub(crate) fn parse(text: &str) -> Result<Catalogue, String> {
    let mut catalogue = Catalogue::default();
    let (mut entry, mut target) = (Entry::default(), Target::Nothing);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let at = |what: String| format!("line {}: {what}", number + 1);
        if line.starts_with("#,") && line.contains("fuzzy") {
            store(&mut catalogue, &mut entry).map_err(at)?;
            entry.fuzzy = true;
        } else if line.is_empty() || line.starts_with('#') {
            target = Target::Nothing;
        } else if let Some(rest) = line.strip_prefix("msgid_plural ") {
            unquote(rest).map_err(at)?;
            target = Target::Plural;
        } else if let Some(rest) = line.strip_prefix("msgid ") {
            // A flag stands above its entry, which has no id yet.
            let fuzzy = entry.id.is_none() && entry.fuzzy;
            store(&mut catalogue, &mut entry).map_err(at)?;
            entry = Entry { id: Some(unquote(rest).map_err(at)?), forms: Vec::new(), fuzzy };
            target = Target::Id;
        } else if let Some(rest) = line.strip_prefix("msgstr ") {
            entry.forms.push(unquote(rest).map_err(at)?);
            target = Target::Form(0);
        } else if let Some((index, rest)) =
            line.strip_prefix("msgstr[").and_then(|l| l.split_once("] "))
        {
            let index: usize = index.parse().map_err(|_| at("a bad plural index".into()))?;
            if index != entry.forms.len() {
                return Err(at("plural forms out of order".into()));
            }
            entry.forms.push(unquote(rest).map_err(at)?);
            target = Target::Form(index);
        } else {
            let more = unquote(line).map_err(at)?;
            match (&target, &mut entry.id) {
                (Target::Id, Some(id)) => id.push_str(&more),
                (Target::Form(form), _) => entry.forms[*form].push_str(&more),
                (Target::Plural, _) => {}
                _ => return Err(at("text that belongs to nothing".into())),
            }
        }
    }
    store(&mut catalogue, &mut entry)?;
    Ok(catalogue)
}

/// The Rust variant for a `Plural-Forms` header.
#[must_use]
pub(crate) fn plural_rule(header: &str) -> Option<&'static str> {
    let squeezed: String = header.split_whitespace().collect();
    match squeezed.trim_end_matches(';') {
        "nplurals=2;plural=(n!=1)" | "nplurals=2;plural=n!=1" => Some("Plural::NotOne"),
        "nplurals=2;plural=(n>1)" | "nplurals=2;plural=n>1" => Some("Plural::AboveOne"),
        _ => None,
    }
}

fn store(catalogue: &mut Catalogue, entry: &mut Entry) -> Result<(), String> {
    let Entry { id, forms, fuzzy } = std::mem::take(entry);
    let Some(id) = id else { return Ok(()) };
    if id.is_empty() {
        for line in forms.concat().lines() {
            if let Some(value) = line.strip_prefix("Plural-Forms:") {
                value.trim().clone_into(&mut catalogue.plural);
            } else if let Some(value) = line.strip_prefix("X-Language-Name:") {
                value.trim().clone_into(&mut catalogue.name);
            }
        }
        return Ok(());
    }
    if fuzzy || forms.iter().any(String::is_empty) {
        return Ok(());
    }
    if catalogue.messages.insert(id.clone(), forms).is_some() {
        return Err(format!("“{id}” stands there twice"));
    }
    Ok(())
}

fn unquote(text: &str) -> Result<String, String> {
    let inner = text
        .trim()
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or_else(|| format!("quotes are missing: {text}"))?;
    let mut plain = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        plain.push(match char {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(same @ ('"' | '\\')) => same,
                other => return Err(format!("unknown escape {other:?}")),
            },
            '"' => return Err("a quote inside the text".into()),
            other => other,
        });
    }
    Ok(plain)
}
