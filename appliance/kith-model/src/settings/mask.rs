//! Documents that can be shown: secrets are hidden, everything else is as it was, byte for byte.

use std::ops::Range;

use toml::de::{DeTable, DeValue};
use toml_parser::lexer::TokenKind;

use super::keys::{self, Key, Kind, SETTINGS};

/// What stands in place of a secret. No passphrase has such characters, so that a document in which it
/// was left is refused.
pub const MASK: &str = "••••••••";

/// What stands in place of a secret that another one replaces.
pub const MASK_CHANGED: &str = "•••••••• (another one)";

/// Whether this is what stands in place of a secret.
#[must_use]
pub fn is_mask(text: &str) -> bool {
    text.starts_with('•')
}

/// The document without secrets, also in its comments; nothing when it is no TOML, since then nobody
/// knows what in it is secret.
#[must_use]
pub fn masked(text: &str) -> Option<String> {
    masked_against(text, &[])
}

/// The same; secrets that are not among `known` (key and value) are shown as another one.
pub(super) fn masked_against(text: &str, known: &[(String, String)]) -> Option<String> {
    let secrets = secrets(text)?;
    let mut replaced: Vec<(Range<usize>, String)> = Vec::new();
    for secret in &secrets {
        let same = known.is_empty()
            || known.iter().any(|(key, value)| *key == secret.key && *value == secret.value);
        let mask = if same { MASK } else { MASK_CHANGED };
        replaced.push((secret.at.clone(), format!("\"{mask}\"")));
    }
    replaced.extend(comments(text, &secrets));
    replaced.sort_by_key(|(at, _)| at.start);
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    for (at, mask) in replaced {
        shown.push_str(text.get(done..at.start)?);
        shown.push_str(&mask);
        done = at.end;
    }
    shown.push_str(text.get(done..)?);
    Some(shown)
}

/// A secret of a document.
pub(super) struct Secret {
    /// Its dotted key.
    pub(super) key: String,
    /// Itself.
    pub(super) value: String,
    at: Range<usize>,
}

/// The secrets of a document, unless it is no TOML.
pub(super) fn secrets(text: &str) -> Option<Vec<Secret>> {
    let document = DeTable::parse(text).ok()?;
    let mut found = Vec::new();
    gather(document.get_ref(), SETTINGS, "", &mut found);
    Some(found)
}

fn gather(table: &DeTable<'_>, keys: &'static [Key], path: &str, found: &mut Vec<Secret>) {
    for (name, value) in table.iter() {
        let path = format!("{path}.{}", name.get_ref());
        // A key that is unknown may be a passphrase whose key was mistyped.
        let kind = keys::find(keys, name.get_ref()).map(|key| key.kind);
        let maybe = kind.map_or_else(|| sounds_secret(name.get_ref()), Kind::secret);
        match value.get_ref() {
            DeValue::Table(inner) => {
                match kind {
                    Some(Kind::Map(_, keys)) => inner.iter().for_each(|(name, value)| {
                        if let DeValue::Table(inner) = value.get_ref() {
                            gather(inner, keys, &format!("{path}.{}", name.get_ref()), found);
                        }
                    }),
                    kind => gather(inner, kind.and_then(Kind::keys).unwrap_or(&[]), &path, found),
                };
            }
            DeValue::Array(array) => array.iter().enumerate().for_each(|(index, value)| {
                if let DeValue::Table(inner) = value.get_ref() {
                    let keys = kind.and_then(Kind::keys).unwrap_or(&[]);
                    gather(inner, keys, &format!("{path}.{index}"), found);
                } else if maybe {
                    found.push(secret(&path, value));
                }
            }),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {
                if maybe {
                    found.push(secret(&path, value));
                }
            }
        }
    }
}

fn secret(path: &str, value: &toml::Spanned<DeValue<'_>>) -> Secret {
    let text = value.get_ref().as_str().unwrap_or_default().to_owned();
    Secret { key: path.to_owned(), value: text, at: value.span() }
}

fn sounds_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["pass", "secret", "psk", "pwd", "phrase"].iter().any(|word| text.contains(word))
}

/// What is hidden in comments: secrets of the document, and what is set there to a key that sounds like
/// one (`# passphrase = "the old one"`).
fn comments(text: &str, secrets: &[Secret]) -> Vec<(Range<usize>, String)> {
    let mut hidden = Vec::new();
    for token in toml_parser::Source::new(text).lex() {
        if token.kind() != TokenKind::Comment {
            continue;
        }
        let at = token.span().start()..token.span().end();
        let Some(comment) = text.get(at.clone()) else { continue };
        let repeats = |secret: &Secret| !secret.value.is_empty() && comment.contains(&secret.value);
        let sets = comment.split_once(['=', ':']).filter(|(key, _)| sounds_secret(key));
        if secrets.iter().any(repeats) {
            hidden.push((at, format!("# {MASK}")));
        } else if let Some((key, _)) = sets {
            hidden.push((at, format!("{key}= {MASK}")));
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = include_str!("full.toml");

    #[test]
    fn secrets_are_hidden_and_everything_else_is_as_it_was() {
        let shown = masked(FULL).unwrap();
        let lines = FULL.lines().zip(shown.lines());
        let differ: Vec<_> = lines.filter(|(a, b)| a != b).map(|(_, b)| b).collect();
        assert_eq!(
            differ,
            [
                "secret = \"••••••••\" # ask Ada",
                "passphrase = \"••••••••\"",
                "passphrase = \"••••••••\"",
                "wifi = { ssid = \"Next door\", passphrase = \"••••••••\" }",
            ]
        );
    }

    #[test]
    fn secrets_in_comments_and_under_mistyped_keys_are_hidden() {
        let text = "# wifi password: hunter22\n[mesh] # was zyxwvuts\nsecret = \"zyxwvuts\"\n\
                    # secret = \"the old one\"\n[wifi.household]\npassphrse = \"hunter23\"\npsk = 12345678\n\
                    [wifi.home]\npassphrase = \"hunter24\"\n";
        let shown = masked(text).unwrap();
        for secret in ["hunter", "zyx", "old one", "1234"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("[mesh] # ••••••••\n"), "{shown}");
    }

    #[test]
    fn what_cannot_be_read_is_not_shown() {
        assert_eq!(masked("secret = \"zyxwvuts"), None);
    }
}
