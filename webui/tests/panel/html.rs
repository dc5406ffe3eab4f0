//! A strict reader of the HTML we write: it fails on what a browser would forgive.

use std::collections::BTreeSet;

/// Attributes that lead somewhere.
const LINKS: [&str; 3] = ["href", "src", "action"];

const VOID: [&str; 10] =
    ["meta", "link", "input", "img", "br", "hr", "path", "rect", "circle", "line"];

/// An element's name and attributes.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A page as read.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) tags: Vec<Tag>,
    /// Texts with the elements around them, outermost first.
    pub(crate) texts: Vec<(String, Vec<Tag>)>,
}

impl Page {
    /// Reads a page; panics where it is not well-formed.
    pub(crate) fn read(html: &str) -> Self {
        let mut page = Self::default();
        let mut open: Vec<Tag> = Vec::new();
        let mut rest = html.strip_prefix("<!doctype html>").expect("a doctype comes first");
        while let Some(at) = rest.find('<') {
            let (text, tail) = rest.split_at(at);
            if !text.trim().is_empty() {
                assert!(!text.contains('>'), "a stray “>”: {text}");
                page.texts.push((unescape(text), open.clone()));
            }
            let end = tail.find('>').expect("a tag ends");
            let inner = &tail[1..end];
            rest = &tail[end + 1..];
            if let Some(name) = inner.strip_prefix('/') {
                let last = open.pop().unwrap_or_else(|| panic!("</{name}> closes nothing"));
                assert_eq!(
                    last.name,
                    name,
                    "in {:?}",
                    open.iter().map(|t| &t.name).collect::<Vec<_>>()
                );
                continue;
            }
            let tag = tag(inner.trim_end_matches('/'));
            page.tags.push(tag.clone());
            if !VOID.contains(&tag.name.as_str()) {
                open.push(tag);
            }
        }
        assert!(
            open.is_empty(),
            "left open: {:?}",
            open.iter().map(|t| &t.name).collect::<Vec<_>>()
        );
        page
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Tag> {
        self.tags.iter().filter(move |tag| tag.name == name)
    }

    /// What every page has to be, whatever it shows.
    pub(crate) fn check(&self, what: &str) {
        let mut ids = BTreeSet::new();
        for tag in &self.tags {
            for (name, value) in &tag.attributes {
                assert!(!name.starts_with("on") && name != "style", "{what}: {name}={value}");
                let scheme = value.trim_start().to_ascii_lowercase();
                assert!(
                    !LINKS.contains(&name.as_str()) || scheme.starts_with(['/', '#', '?']),
                    "{what}: {name}={value}"
                );
            }
            if let Some(id) = tag.get("id") {
                assert!(ids.insert(id), "{what}: two elements are #{id}");
            }
        }
        let labelled: BTreeSet<_> =
            self.all("label").filter_map(|label| label.get("for")).collect();
        for field in self
            .tags
            .iter()
            .filter(|tag| ["input", "textarea", "select"].contains(&tag.name.as_str()))
        {
            // The label of a choice is around it.
            let quiet = ["hidden", "checkbox", "radio"]
                .contains(&field.get("type").unwrap_or_default())
                || field.get("hidden").is_some();
            assert!(
                quiet || field.get("id").is_some_and(|id| labelled.contains(id)),
                "{what}: no label for {field:?}"
            );
        }
        assert!(
            self.all("img").all(|img| img.get("alt").is_some()),
            "{what}: a picture without words"
        );
        assert_eq!(self.all("h1").count(), 1, "{what}: one heading stands above all");
        assert_eq!(self.all("main").count(), 1, "{what}");
        for script in self.all("script") {
            assert!(script.get("src").is_some_and(|src| src.starts_with("/assets/")), "{what}");
        }
        for form in self.all("form") {
            // What only looks something up changes nothing, and its address may be kept.
            let looks_up = form.get("method") == Some("get") && form.get("action") == Some("/logs");
            assert!(looks_up || form.get("method") == Some("post"), "{what}");
        }
    }
}

fn tag(inner: &str) -> Tag {
    let (name, mut rest) = inner.split_once([' ', '\n']).unwrap_or((inner, ""));
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let key = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = String::new();
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let close = quoted.find('"').unwrap_or_else(|| panic!("a quote is open in <{inner}>"));
            value = unescape(&quoted[..close]);
            rest = &quoted[close + 1..];
            assert!(rest.is_empty() || rest.starts_with([' ', '\n']), "<{inner}>");
        }
        assert!(!attributes.iter().any(|(known, _)| *known == key), "{key} twice in <{inner}>");
        attributes.push((key, value));
    }
    Tag { name: name.to_owned(), attributes }
}

fn unescape(text: &str) -> String {
    let mut plain = text.to_owned();
    for (name, char) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ] {
        plain = plain.replace(name, char);
    }
    plain
}
