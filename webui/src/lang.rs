//! Languages: catalogues compiled from `i18n/*.po`, plural forms, and how a browser's wish is read.
//!
//! A message's id is its English text. What a catalogue lacks falls back to English, never to nothing.
//! The pseudo-locale turns English into marked, longer text, so that a test (and an eye) finds what was
//! never translated.

use std::borrow::Cow;

include!(concat!(env!("OUT_DIR"), "/catalogues.rs"));

/// A language of the panel.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lang {
    /// One with a catalogue.
    Real(&'static Catalogue),
    /// `en-XA`.
    Pseudo,
}

/// A compiled catalogue; messages are sorted by id.
#[derive(Debug)]
pub(crate) struct Catalogue {
    code: &'static str,
    name: &'static str,
    plural: Plural,
    messages: &'static [(&'static str, &'static [&'static str])],
}

/// Which form a number takes.
#[derive(Clone, Copy, Debug)]
enum Plural {
    /// The first for 1, the second for all else.
    NotOne,
    /// The first for 0 and 1.
    #[expect(dead_code, reason = "French and Portuguese catalogues use it")]
    AboveOne,
}

/// Marks an English text that is translated where it is shown; the catalogue test looks for it.
pub(crate) const fn msg(text: &'static str) -> &'static str {
    text
}

impl Lang {
    /// English.
    pub(crate) fn english() -> Self {
        Self::by_code("en").unwrap_or(Self::Pseudo)
    }

    /// The language with this code.
    pub(crate) fn by_code(code: &str) -> Option<Self> {
        if code == "en-XA" {
            return Some(Self::Pseudo);
        }
        CATALOGUES.iter().find(|catalogue| catalogue.code == code).map(Self::Real)
    }

    /// The best language for an Accept-Language header (RFC 9110, section 12.5.4).
    pub(crate) fn accepted(header: &str) -> Self {
        let mut best: Option<(u16, Self)> = None;
        for part in header.split(',').take(16) {
            let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
            let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped to 0..=1000"
            )]
            let weight = (weight.unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0) as u16;
            let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
            if let Some(lang) = Self::by_code(&primary)
                && weight > best.map_or(0, |(weight, _)| weight)
            {
                best = Some((weight, lang));
            }
        }
        best.map_or_else(Self::english, |(_, lang)| lang)
    }

    /// Code and own name of every language one can choose.
    pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
        CATALOGUES.iter().map(|catalogue| (catalogue.code, catalogue.name))
    }

    /// For the `lang` attribute.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Real(catalogue) => catalogue.code,
            Self::Pseudo => "en-XA",
        }
    }

    /// What stands between the whole and the parts of a number.
    pub(crate) fn decimal_point(self) -> char {
        if self.code() == "de" { ',' } else { '.' }
    }

    /// A message in this language.
    pub(crate) fn text(self, id: &'static str) -> Cow<'static, str> {
        match self {
            Self::Pseudo => Cow::Owned(pseudo(id)),
            Self::Real(catalogue) => Cow::Borrowed(
                catalogue.forms(id).and_then(|forms| forms.first()).copied().unwrap_or(id),
            ),
        }
    }

    /// A message that depends on a number; `{0}` in it becomes the number.
    pub(crate) fn count(self, one: &'static str, many: &'static str, number: u64) -> String {
        let english = || if number == 1 { one } else { many };
        let text = match self {
            Self::Pseudo => pseudo(english()),
            Self::Real(catalogue) => {
                let form = catalogue.plural.form(number);
                let found = catalogue.forms(one).and_then(|forms| forms.get(form)).copied();
                found.unwrap_or_else(english).to_owned()
            }
        };
        text.replace("{0}", &number.to_string())
    }

    /// A message with `{0}`, `{1}`, … filled in.
    pub(crate) fn fill(self, id: &'static str, values: &[&str]) -> String {
        fill(&self.text(id), values)
    }
}

impl Catalogue {
    fn forms(&self, id: &str) -> Option<&'static [&'static str]> {
        let order = |known: &str| known.len().cmp(&id.len()).then_with(|| known.cmp(id));
        let at = self.messages.binary_search_by(|(known, _)| order(known)).ok()?;
        self.messages.get(at).map(|(_, forms)| *forms)
    }
}

impl Plural {
    const fn form(self, number: u64) -> usize {
        match self {
            Self::NotOne => (number != 1) as usize,
            Self::AboveOne => (number > 1) as usize,
        }
    }
}

/// Puts values in the places of `{0}`, `{1}`, …; one pass, so a value cannot name another place.
pub(crate) fn fill(text: &str, values: &[&str]) -> String {
    let mut filled = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let place = after
            .split_once('}')
            .and_then(|(number, tail)| Some((values.get(number.parse::<usize>().ok()?)?, tail)));
        if let Some((value, tail)) = place {
            filled.push_str(value);
            rest = tail;
        } else {
            filled.push('{');
            rest = after;
        }
    }
    filled.push_str(rest);
    filled
}

fn pseudo(text: &str) -> String {
    let mut marked = String::from("⟦");
    let mut in_place = false;
    for char in text.chars() {
        match char {
            '{' => in_place = true,
            '}' => in_place = false,
            _ => {}
        }
        marked.push(match char {
            _ if in_place => char,
            'a' => 'á',
            'e' => 'ë',
            'i' => 'ï',
            'o' => 'ô',
            'u' => 'ü',
            'A' => 'Å',
            'E' => 'É',
            'O' => 'Ø',
            other => other,
        });
    }
    // German and Finnish run about a third longer than English.
    marked.extend(std::iter::repeat_n('~', text.chars().count() / 3));
    marked.push('⟧');
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_wish_is_read_by_weight() {
        assert_eq!(Lang::accepted("fr, de;q=0.8, en;q=0.7").code(), "de");
        assert_eq!(Lang::accepted("de-AT,de;q=0.9,en;q=0.5").code(), "de");
        assert_eq!(Lang::accepted("en;q=0.5, de;q=0.4").code(), "en");
        assert_eq!(Lang::accepted("de;q=0, en;q=0.1").code(), "en");
        assert_eq!(Lang::accepted(";;;q=,,é").code(), "en");
    }

    #[test]
    fn a_value_cannot_name_another_place() {
        assert_eq!(fill("{0} and {1}", &["{1}", "b"]), "{1} and b");
        assert_eq!(fill("{9} {x} {", &["a"]), "{9} {x} {");
    }

    #[test]
    fn numbers_choose_their_form() {
        let german = Lang::by_code("de").unwrap();
        assert_eq!(german.count("{0} reply", "{0} replies", 1), "1 Antwort");
        assert_eq!(german.count("{0} reply", "{0} replies", 2), "2 Antworten");
        assert_eq!(german.count("{0} reply", "{0} replies", 0), "0 Antworten");
    }

    #[test]
    fn the_pseudo_locale_keeps_places() {
        assert_eq!(Lang::Pseudo.fill("Hi {0}", &["Ada"]), "⟦Hï Ada~~⟧");
    }

    #[test]
    fn what_is_missing_falls_back_to_english() {
        assert_eq!(Lang::by_code("de").unwrap().text("no such message"), "no such message");
    }
}
