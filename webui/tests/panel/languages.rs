//! Languages: no message without its entry, no entry without its message, no text that nobody translates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::client::{Panel, Who};
use crate::fake::Fake;
use crate::html::{Page, Tag};

#[path = "../../build/po.rs"]
mod po;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn catalogue(code: &str) -> po::Catalogue {
    po::parse(&fs::read_to_string(root().join(format!("i18n/{code}.po"))).unwrap()).unwrap()
}

fn sources(folder: &Path, ending: &str, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, ending, found);
        } else if path.extension().is_some_and(|end| end == ending) {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
            found.push((path, text));
        }
    }
}

/// A Rust or template string that begins `text`, and what comes after it.
fn string(text: &str) -> Option<(String, &str)> {
    let inner = text.trim_start().strip_prefix('"')?;
    let end = inner.find('"')?;
    let plain = &inner[..end];
    assert!(!plain.contains('\\'), "messages need no escapes: {plain}");
    Some((plain.to_owned(), &inner[end + 1..]))
}

/// The messages the code uses; of those that count, singular and plural.
fn used() -> BTreeMap<String, Option<String>> {
    let mut files = Vec::new();
    sources(&root().join("templates"), "html", &mut files);
    sources(&root().join("src"), "rs", &mut files);
    let mut used = BTreeMap::new();
    for (path, text) in files {
        let calls = [
            "t(",
            "t1(",
            "t2(",
            "tn(",
            "say(",
            "say2(",
            "say_all(",
            "msg(",
            "lang.text(",
            "lang.fill(",
            "lang.count(",
        ];
        for call in calls {
            for (at, _) in text.match_indices(call) {
                let before = text[..at].chars().next_back();
                if before.is_some_and(|char| char.is_alphanumeric() || char == '_') {
                    continue;
                }
                let Some((id, rest)) = string(&text[at + call.len()..]) else { continue };
                let many = ["tn(", "lang.count("].contains(&call).then(|| {
                    string(rest.trim_start().trim_start_matches(','))
                        .unwrap_or_else(|| panic!("{}: {id}", path.display()))
                        .0
                });
                used.insert(id, many);
            }
        }
    }
    // What the network has to say comes from elsewhere.
    used.extend(kith_model::sentence::Pattern::all().map(|said| (said.english.to_owned(), None)));
    used
}

#[test]
fn every_message_is_in_every_catalogue_and_nothing_else_is() {
    let used = used();
    assert!(used.len() > 300, "{}", used.len());
    for code in ["en", "de"] {
        let catalogue = catalogue(code);
        let known: BTreeSet<_> = catalogue.messages.keys().cloned().collect();
        let wanted: BTreeSet<_> = used.keys().cloned().collect();
        let missing: Vec<_> = wanted.difference(&known).collect();
        let stale: Vec<_> = known.difference(&wanted).collect();
        assert!(
            missing.is_empty() && stale.is_empty(),
            "{code} lacks {missing:#?} and has too many {stale:#?}"
        );
        for (id, forms) in &catalogue.messages {
            let expected = if used[id].is_some() { 2 } else { 1 };
            assert_eq!(forms.len(), expected, "{code}: {id}");
        }
    }
}

#[test]
fn translations_keep_the_places_of_values() {
    let places = |text: &str| {
        let mut found: Vec<String> =
            text.match_indices('{').map(|(at, _)| text[at..].chars().take(3).collect()).collect();
        found.sort();
        found
    };
    for code in ["en", "de"] {
        for (id, forms) in catalogue(code).messages {
            assert!(forms.iter().all(|form| places(form) == places(&id)), "{code}: {id}");
        }
    }
    assert!(
        catalogue("en").messages.iter().all(|(id, forms)| forms[0] == *id),
        "English is its own id"
    );
}

/// Where text is somebody's own words, a code, or a language's name, and stays as it is.
fn kept(tag: &Tag) -> bool {
    ["bdi", "code", "time", "title", "textarea", "option"].contains(&tag.name.as_str())
        || tag.get("translate") == Some("no")
        || tag.get("class").is_some_and(|class| class.contains("prose"))
}

#[tokio::test]
async fn no_page_shows_a_text_that_nobody_translates() {
    for fake in [Fake::lively, Fake::empty, Fake::unclaimed] {
        let panel = Panel::new(fake());
        for path in [
            "/",
            "/login",
            "/claim",
            "/join/x",
            "/overview",
            "/board",
            "/files",
            "/files/shared/map%20of%20the%20street.png",
            "/files/shared/street-party.mp4",
            "/peers",
            "/people",
            "/account",
            "/activity",
            "/nowhere",
        ] {
            for who in [Who::Visitor, Who::Owner] {
                let seen = panel
                    .get_with(
                        Who::Visitor,
                        path,
                        &[("cookie", &format!("{}; kith_lang=en-XA", who.cookie()))],
                    )
                    .await;
                if seen.bytes.is_empty() {
                    continue;
                }
                let page = Page::read(&seen.text());
                for (text, around) in &page.texts {
                    let words = text
                        .split(|char: char| !char.is_ascii_alphabetic())
                        .any(|word| word.len() > 2);
                    let done = text.contains('⟦') || text.contains('⟧') || around.iter().any(kept);
                    assert!(!words || done, "{path}: “{}” in {:?}", text.trim(), around.last());
                }
                for tag in &page.tags {
                    for name in ["aria-label", "alt", "placeholder", "title"] {
                        let text = tag.get(name).unwrap_or_default();
                        let sample = name == "placeholder";
                        assert!(
                            text.is_empty() || sample || text.contains('⟦'),
                            "{path}: {name}={text}"
                        );
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn the_browser_chooses_the_language_and_errors_speak_it() {
    let panel = Panel::new(Fake::lively());
    let seen =
        panel.get_with(Who::Visitor, "/nowhere", &[("accept-language", "de-AT, en;q=0.5")]).await;
    assert!(seen.text().contains("Hier ist nichts") && seen.text().contains("<html lang=\"de\">"));
    let seen = panel.get_with(Who::Owner, "/help/neighbours", &[("accept-language", "de")]).await;
    assert!(seen.text().contains("Nachbarn und Einladungen"));
    let seen =
        panel.get_with(Who::Owner, "/overview", &[("accept-language", "fr, pt;q=0.3")]).await;
    assert!(seen.text().contains("Your street"), "what is not translated is English");
}

#[test]
fn the_catalogue_reader_refuses_what_it_does_not_know() {
    let good = "msgid \"\"\nmsgstr \"\"\n\"Plural-Forms: nplurals=2; plural=(n != 1);\\n\"\n\nmsgid \"a\"\nmsgid_plural \"b\"\nmsgstr[0] \"c\"\nmsgstr[1] \"\"\n\"d\"\n\n#, fuzzy\nmsgid \"x\"\nmsgstr \"y\"\n";
    let read = po::parse(good).unwrap();
    assert_eq!(read.messages["a"], ["c", "d"]);
    assert!(!read.messages.contains_key("x"), "what a translator must look at again is left out");
    assert_eq!(po::plural_rule(&read.plural), Some("Plural::NotOne"));
    assert_eq!(po::plural_rule("nplurals=3; plural=2"), None);
    for bad in [
        "msgid a",
        "msgid \"a\"\nmsgstr \"\\q\"",
        "\"lost\"",
        "msgid \"a\"\nmsgstr \"b\"\nmsgid \"a\"\nmsgstr \"c\"",
        "msgid \"a\"\nmsgstr[1] \"c\"",
    ] {
        assert!(po::parse(bad).is_err(), "{bad}");
    }
}
