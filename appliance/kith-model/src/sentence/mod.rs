//! Sentences about the network: in English, and in the parts from which other languages say the same.
//!
//! Whoever has something to say takes a [`Pattern`] and puts values into its places. The command line and
//! the log show the English text; the panel looks the pattern up in its catalogues, where the English is
//! the message's id.

pub mod patterns;
pub mod texts;

use core::fmt;
use core::ops::Deref;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What can be said, with places `{0}`, `{1}`, … for values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// A word for programs, `wifi-restarts`.
    pub code: &'static str,
    /// The English.
    pub english: &'static str,
}

/// Something that was said. To whoever knows no more it is its English text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Stored")]
pub struct Sentence {
    /// [`Pattern::code`]; empty where there is no pattern.
    pub code: String,
    /// What stands in the pattern's places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Part>,
    /// The English.
    pub text: String,
}

/// What stands in a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Part {
    /// A name, a number, an address: the same in every language.
    Typed(String),
    /// Words that are translated as well.
    Said(Box<Sentence>),
}

/// A sentence as it is kept; before there were patterns it was a mere text.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Stored {
    Text(String),
    Said {
        code: String,
        #[serde(default)]
        values: Vec<Part>,
        text: String,
    },
}

impl From<Stored> for Sentence {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Text(text) => text.into(),
            Stored::Said { code, values, text } => Self { code, values, text },
        }
    }
}

impl Pattern {
    /// All of them.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        patterns::ALL.iter().chain(texts::ALL)
    }

    /// The pattern with this code.
    #[must_use]
    pub fn by_code(code: &str) -> Option<&'static Self> {
        Self::all().find(|pattern| pattern.code == code)
    }

    /// The pattern without places that says exactly this.
    #[must_use]
    pub fn of(english: &str) -> Option<&'static Self> {
        Self::all().find(|pattern| pattern.english == english)
    }

    /// What stands in the places if `text` was made of this pattern: what lies between its words.
    fn read<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let mut words =
            self.english.split('{').map(|part| part.split_once('}').map_or(part, |(_, w)| w));
        let mut rest = text.strip_prefix(words.next()?)?;
        let mut words = words.peekable();
        let mut values = Vec::new();
        while let Some(word) = words.next() {
            let last = words.peek().is_none();
            let value = if last { rest.strip_suffix(word)? } else { rest.split_once(word)?.0 };
            rest = rest.get(value.len() + word.len()..)?;
            values.push(value);
        }
        rest.is_empty().then_some(values)
    }

    /// The sentence with these values.
    #[must_use]
    pub fn with<const N: usize>(&self, values: [Part; N]) -> Sentence {
        let values = Vec::from(values);
        Sentence { code: self.code.to_owned(), text: filled(self.english, &values), values }
    }

    /// The sentence, which has no places.
    #[must_use]
    pub fn said(&self) -> Sentence {
        self.with([])
    }
}

/// One pass, so that no value can name another place.
fn filled(pattern: &str, values: &[Part]) -> String {
    let mut text = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let place = after
            .split_once('}')
            .and_then(|(number, tail)| Some((values.get(number.parse::<usize>().ok()?)?, tail)));
        if let Some((value, tail)) = place {
            text.push_str(value.english());
            rest = tail;
        } else {
            text.push('{');
            rest = after;
        }
    }
    text.push_str(rest);
    text
}

impl Part {
    fn english(&self) -> &str {
        match self {
            Self::Typed(text) => text,
            Self::Said(sentence) => &sentence.text,
        }
    }

    /// A value as it is shown everywhere.
    pub fn typed(value: impl fmt::Display) -> Self {
        Self::Typed(value.to_string())
    }
}

impl From<Pattern> for Part {
    fn from(pattern: Pattern) -> Self {
        Self::Said(Box::new(pattern.said()))
    }
}

impl From<Sentence> for Part {
    fn from(sentence: Sentence) -> Self {
        Self::Said(Box::new(sentence))
    }
}

impl From<Pattern> for Sentence {
    fn from(pattern: Pattern) -> Self {
        pattern.said()
    }
}

/// A text finds the pattern that it was made of, if there is one.
impl From<&str> for Sentence {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Sentence {
    fn from(text: String) -> Self {
        if let Some(pattern) = Pattern::of(&text) {
            return Self { code: pattern.code.to_owned(), values: Vec::new(), text };
        }
        let found = texts::ALL.iter().find_map(|pattern| Some((pattern, pattern.read(&text)?)));
        let Some((pattern, values)) = found else {
            return Self { code: String::new(), values: Vec::new(), text };
        };
        let part = |value: &str| {
            Pattern::of(value).map_or_else(|| Part::typed(value), |known| Part::from(*known))
        };
        let values = values.into_iter().map(part).collect();
        Self { code: pattern.code.to_owned(), values, text }
    }
}

impl Deref for Sentence {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq<&str> for Sentence {
    fn eq(&self, other: &&str) -> bool {
        self.text == *other
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const GREETS: Pattern = Pattern { code: "greets", english: "{0} greets {1}." };
    const BOX: Pattern = Pattern { code: "box", english: "the box" };

    #[test]
    fn a_sentence_is_its_pattern_with_its_values() {
        let sentence = GREETS.with([Part::typed("{1} \"Ada\""), BOX.into()]);
        assert_eq!(sentence, "{1} \"Ada\" greets the box.");
        let json = serde_json::to_string(&sentence).unwrap();
        assert_eq!(serde_json::from_str::<Sentence>(&json).unwrap(), sentence);
    }

    #[test]
    fn what_was_kept_before_there_were_patterns_is_still_read() {
        let old: Vec<Sentence> = serde_json::from_str("[\"The Wi-Fi is called Hill.\"]").unwrap();
        assert_eq!(old[0], "The Wi-Fi is called Hill.");
        assert!(old[0].code.is_empty());
        let known: Sentence =
            serde_json::from_str("\"Wi-Fi restarts, about 10 seconds.\"").unwrap();
        assert_eq!(known.code, patterns::WIFI_RESTARTS.code);
    }

    #[test]
    fn every_pattern_is_there_once_and_its_places_are_in_order() {
        let codes: BTreeSet<_> = Pattern::all().map(|pattern| pattern.code).collect();
        let texts: BTreeSet<_> = Pattern::all().map(|pattern| pattern.english).collect();
        assert_eq!(codes.len(), Pattern::all().count());
        assert_eq!(texts.len(), Pattern::all().count());
        for pattern in Pattern::all() {
            // Catalogues need no escapes.
            assert!(!pattern.english.contains(['"', '\\', '\n']), "{}", pattern.code);
            let places = pattern.english.split('{').skip(1);
            let in_order =
                places.enumerate().all(|(n, place)| place.starts_with(&format!("{n}}}")));
            assert!(in_order, "{}", pattern.code);
        }
    }

    #[test]
    fn a_text_finds_the_pattern_it_was_made_of() {
        let read = Sentence::from(
            "phy1 cannot use channel 52: it is not allowed here. It uses another one until that is changed.",
        );
        assert_eq!(read.code, "channel");
        let forbidden = Sentence::from("it is not allowed here");
        let values = [Part::typed("phy1"), Part::typed("52"), forbidden.into()];
        assert_eq!(read.values, values);
        // Names are hostile: the text stays what it is, whatever they contain.
        let odd = "The forward \" leads to \" leads to 1.2.3.4, which is no device";
        assert_eq!(Sentence::from(odd), Sentence { text: odd.into(), ..Sentence::default() });
        for pattern in texts::ALL {
            let places = pattern.english.matches('{').count();
            let values: Vec<Part> = (0..places).map(|n| Part::typed(format!("v{n}"))).collect();
            let made = Sentence::from(filled(pattern.english, &values));
            assert_eq!((&*made.code, &made.values), (pattern.code, &values));
        }
    }
}
