//! What others said about the network, in the reader's language: by its pattern, where there is one and the
//! catalogue has it; else in English, marked as such.

use kith_model::sentence::{Part, Pattern, Sentence};

use crate::lang::{Lang, fill};
use crate::view::{Markup, bdi, escape};

/// How deep words in words may lie.
const DEEP: usize = 4;

/// A sentence as HTML. Whatever was typed in it cannot change the direction of the rest.
pub(crate) fn say(lang: Lang, sentence: &Sentence) -> Markup {
    translated(lang, sentence, DEEP).map_or_else(|| english(&sentence.text), Markup)
}

/// The same of a text that may have been made of a pattern.
pub(crate) fn tell(lang: Lang, text: &str) -> Markup {
    say(lang, &Sentence::from(text))
}

fn english(text: &str) -> Markup {
    Markup(format!("<span lang=\"en\" translate=\"no\">{}</span>", escape(text)))
}

fn translated(lang: Lang, sentence: &Sentence, deep: usize) -> Option<String> {
    let pattern = Pattern::by_code(&sentence.code)?;
    let deep = deep.checked_sub(1)?;
    // What an older or newer box has kept may have other places.
    if pattern.english.matches('{').count() != sentence.values.len() {
        return None;
    }
    let part = |part: &Part| match part {
        Part::Typed(text) if text.is_empty() => Some(String::new()),
        Part::Typed(text) => Some(bdi(text).0),
        Part::Said(said) => translated(lang, said, deep),
    };
    let values: Vec<String> = sentence.values.iter().map(part).collect::<Option<_>>()?;
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    Some(fill(&escape(&lang.text(pattern.english)), &values))
}

#[cfg(test)]
mod tests {
    use kith_model::sentence::patterns;

    use super::*;

    fn german() -> Lang {
        Lang::by_code("de").unwrap()
    }

    #[test]
    fn words_in_words_are_translated_and_names_are_not() {
        let sentence = patterns::IS_INSTEAD.with([
            patterns::DHCP_LEASE.into(),
            patterns::SECONDS.with([Part::typed(60)]).into(),
            patterns::SECONDS.with([Part::typed("<b>")]).into(),
        ]);
        assert_eq!(
            say(german(), &sentence).0,
            "Die Zeit, für die eine Adresse vergeben wird: <bdi>60</bdi> Sekunden statt <bdi>&lt;b&gt;</bdi> Sekunden."
        );
    }

    #[test]
    fn what_nobody_can_translate_is_english_and_says_so() {
        let unknown = "<span lang=\"en\" translate=\"no\">The moon is &lt;full&gt;.</span>";
        assert_eq!(tell(german(), "The moon is <full>.").0, unknown);
        let mut other = patterns::IS.with([patterns::COUNTRY.into(), Part::typed("DE")]);
        other.values.pop();
        assert!(say(german(), &other).0.starts_with("<span lang=\"en\""));
        let mut nest = patterns::COUNTRY.said();
        for _ in 0..9 {
            nest = patterns::CHANGES.with([nest.into()]);
        }
        assert!(say(german(), &nest).0.starts_with("<span lang=\"en\""));
    }

    #[test]
    fn a_text_of_the_link_role_is_translated_too() {
        let text = "its router does not answer";
        assert_eq!(tell(german(), text).0, "sein Router antwortet nicht");
        assert_eq!(tell(Lang::english(), text).0, text);
    }
}
