//! The manual and what Kith is made of; both work with no network at all.

use askama::Template;
use kith_model::refusal::RefusalKind;

use crate::answer::{Answer, Failure, page, refuse};
use crate::ask::Ask;
use crate::lang::Lang;
use crate::view::{Markup, Nav, View};

include!(concat!(env!("OUT_DIR"), "/manual.rs"));

/// One page of the manual in one language: HTML that begins with its heading.
struct Leaf {
    language: &'static str,
    slug: &'static str,
    html: &'static str,
}

#[derive(Template)]
#[template(path = "help.html")]
struct Page {
    v: View,
    leaves: Vec<Entry>,
    title: &'static str,
    language: &'static str,
    html: Markup,
}

struct Entry {
    href: String,
    title: &'static str,
    current: bool,
}

#[derive(Template)]
#[template(path = "about.html")]
struct About {
    v: View,
    parts: &'static [(&'static str, &'static str, &'static str)],
}

/// The larger parts, with what they do and their licences; the full list is in the source.
const PARTS: &[(&str, &str, &str)] = &[
    ("tokio, hyper, axum", "tokio-rs, hyperium", "MIT"),
    ("askama", "askama-rs", "MIT OR Apache-2.0"),
    ("quinn, rustls", "quinn-rs, rustls", "MIT OR Apache-2.0 (ring: ISC, OpenSSL)"),
    (
        "ed25519-dalek, sha2, argon2, chacha20poly1305",
        "dalek-cryptography, RustCrypto",
        "BSD-3-Clause, MIT OR Apache-2.0",
    ),
    ("cid, ipld-core, serde_ipld_dagcbor", "multiformats, IPLD", "MIT OR Apache-2.0"),
    ("negentropy", "Yuki Kishimoto, Doug Hoyte", "MIT"),
    ("sled", "Tyler Neely and others", "MIT OR Apache-2.0"),
    ("mdns-sd", "keepsimple1", "MIT OR Apache-2.0"),
    ("serde, schemars", "dtolnay, Graham Esau", "MIT OR Apache-2.0"),
    ("qrcode", "kennytm", "MIT OR Apache-2.0"),
];

#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let slug = ask.params.get("leaf").cloned();
    let language = spoken(ask.visit.lang);
    let mine = || LEAVES.iter().filter(move |leaf| leaf.language == language);
    let leaf = match &slug {
        None => mine().next(),
        Some(slug) => mine().find(|leaf| leaf.slug == slug),
    };
    let leaf = leaf.ok_or_else(|| refuse(RefusalKind::NotFound, "the manual has no such page"))?;
    let leaves = mine().map(|other| Entry {
        href: format!("/help/{}", other.slug),
        title: title(other.html),
        current: other.slug == leaf.slug,
    });
    let leaves = leaves.collect();
    let (title, html) = (title(leaf.html), Markup(leaf.html.to_owned()));
    Ok(page(&Page { v: View::new(&ask, Nav::Help), leaves, title, language, html }))
}

/// The manual's language: the panel's, or English where it is not translated.
fn spoken(lang: Lang) -> &'static str {
    LEAVES.iter().find(|leaf| leaf.language == lang.code()).map_or("en", |leaf| leaf.language)
}

fn title(html: &'static str) -> &'static str {
    let inner = html.split_once("<h1>").and_then(|(_, rest)| rest.split_once("</h1>"));
    inner.map_or("", |(title, _)| title)
}

#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn about(ask: Ask) -> Result<Answer, Failure> {
    Ok(page(&About { v: View::new(&ask, Nav::Other), parts: PARTS }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_of_the_manual_is_there_in_every_language() {
        let of = |language| {
            LEAVES.iter().filter(move |leaf| leaf.language == language).map(|leaf| leaf.slug)
        };
        let english: Vec<_> = of("en").collect();
        assert!(english.len() >= 5);
        for (code, _) in Lang::all() {
            assert_eq!(of(code).collect::<Vec<_>>(), english, "{code}");
        }
    }

    #[test]
    fn every_page_of_the_manual_has_a_title_and_says_something() {
        for leaf in LEAVES {
            assert!(
                !title(leaf.html).is_empty() && leaf.html.len() > 1_200,
                "{} {}",
                leaf.language,
                leaf.slug
            );
            assert!(
                !leaf.html.contains("<script") && !leaf.html.contains("http://kith.example"),
                "{}",
                leaf.slug
            );
        }
    }

    #[test]
    fn links_within_the_manual_lead_somewhere() {
        for leaf in LEAVES {
            for (_, rest) in leaf
                .html
                .match_indices("href=\"/help/")
                .map(|(at, found)| (at, &leaf.html[at + found.len()..]))
            {
                let slug = rest.split(['"', '#']).next().unwrap();
                assert!(
                    LEAVES.iter().any(|other| other.slug == slug),
                    "{} links to {slug}",
                    leaf.slug
                );
            }
        }
    }
}
