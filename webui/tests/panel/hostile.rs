//! Texts of hostile neighbours on every page: they stay text.

use axum::http::{Method, StatusCode};
use kith_model::command::Right;
use kith_webui::{Kind, route_table};

use crate::client::{Panel, Who};
use crate::fake::Fake;
use crate::html::{Page, Tag};

const PAGES: [&str; 14] = [
    "/",
    "/login",
    "/overview",
    "/board",
    "/files",
    "/files/shared",
    "/peers",
    "/people",
    "/account",
    "/activity",
    "/help",
    "/about",
    "/nowhere",
    "/join/x",
];

const MARKUP: &str =
    "\"'><script>alert(1)</script><img src=x onerror=alert(1)></textarea></title>{{7*7}}&lt;";

#[tokio::test]
async fn markup_stays_text_on_every_page() {
    let panel = Panel::new(Fake::hostile(MARKUP));
    let mut shown = 0;
    for path in PAGES {
        for who in [Who::Visitor, Who::Owner] {
            let html = panel.get(who, path).await.text();
            assert!(!html.contains("<script>alert") && !html.contains("<img src=x"), "{path}");
            // A strict reader finds the tags we wrote and no others.
            let page = Page::read(if html.is_empty() { continue } else { &html });
            page.check(path);
            shown += page.texts.iter().filter(|(text, _)| text.contains(MARKUP)).count();
        }
    }
    assert!(shown > 60, "the texts are on the pages at all: {shown}");
}

#[tokio::test]
async fn markup_in_addresses_and_forms_stays_text() {
    let panel = Panel::new(Fake::lively());
    let typed = "%22%27%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for path in [
        "/files/shared/",
        "/files/",
        "/join/",
        "/raw/shared/",
        "/help/",
        "/login?next=/",
        "/claim?secret=",
        "/board?space=",
        "/files?space=",
        "/peers?space=",
        "/overview?f=",
        "/board?before=",
    ] {
        for who in [Who::Visitor, Who::Owner] {
            let html = panel.get(who, &format!("{path}{typed}")).await.text();
            assert!(!html.contains("<script>alert"), "{path}");
            if !html.is_empty() {
                Page::read(&html).check(path);
            }
        }
    }
    let again =
        panel.post(Who::Visitor, "/login", &[("name", MARKUP), ("passphrase", "wrong")]).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    Page::read(&again.text()).check("/login");
    assert!(!again.text().contains("<script>alert"));
}

#[tokio::test]
async fn marks_of_direction_are_kept_in_their_own_element() {
    let text = "\u{202e}gpj.exe\u{2066}";
    let panel = Panel::new(Fake::hostile(text));
    for path in PAGES {
        let html = panel.get(Who::Owner, path).await.text();
        if html.is_empty() {
            continue;
        }
        let isolated = |tag: &Tag| {
            ["bdi", "code", "title", "textarea", "option", "label"].contains(&tag.name.as_str())
                || tag.get("dir") == Some("auto")
                || tag.get("translate") == Some("no")
        };
        for (found, around) in Page::read(&html).texts {
            assert!(
                !found.contains(text) || around.iter().any(isolated),
                "{path}: {found} in {:?}",
                around.last()
            );
        }
    }
}

#[tokio::test]
async fn odd_and_endless_texts_break_no_page() {
    for text in [
        "\u{0}\u{1}\u{7f}\u{fffe}",
        &"x".repeat(10_000),
        &"ﷺ".repeat(3_000),
        "",
        " ",
        "/../..",
        "a\nb\r\nSet-Cookie: x=y",
    ] {
        let panel = Panel::new(Fake::hostile(text));
        for path in PAGES {
            let seen = panel.get(Who::Owner, path).await;
            assert!(!seen.status.is_server_error(), "{path} with {text:?}: {}", seen.status);
            let html = seen.text();
            if !html.is_empty() {
                Page::read(&html).check(path);
            }
        }
    }
}

#[tokio::test]
async fn every_page_is_whole_and_says_what_it_needs() {
    for fake in [Fake::lively, Fake::empty, Fake::unclaimed] {
        let panel = Panel::new(fake());
        for route in route_table()
            .iter()
            .filter(|route| route.method == Method::GET && route.kind == Kind::Page)
        {
            let path = route
                .path
                .replace("{collection}", "shared")
                .replace("{*path}", "emergency")
                .replace("{leaf}", "care")
                .replace("{secret}", "S");
            let seen = panel.get(Who::Owner, &path).await;
            if !seen.status.is_redirection() {
                Page::read(&seen.text()).check(&path);
            }
            if matches!(route.right, Right::Anyone) {
                let seen = panel.get(Who::Visitor, &path).await;
                if !seen.status.is_redirection() {
                    Page::read(&seen.text()).check(&path);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_body_larger_than_a_form_may_be_is_refused() {
    let panel = Panel::new(Fake::lively());
    let text = "x".repeat(2 << 20);
    let seen = panel.post(Who::Owner, "/board", &[("text", &text)]).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(seen.text().contains("1 MiB"));
    assert!(panel.fake.commands().is_empty());
}

#[tokio::test]
async fn who_is_not_signed_in_sends_little() {
    let text = "x".repeat(20_000);
    let panel = Panel::new(Fake::lively());
    let fields = [("name", "Ada"), ("passphrase", "correct horse battery"), ("next", &text)];
    for (who, path) in [
        (Who::Visitor, "/login"),
        (Who::Visitor, "/taste"),
        (Who::Visitor, "/join/JOINSECRET"),
        (Who::Owner, "/login"),
        (Who::Owner, "/taste"),
    ] {
        let seen = panel.post(who, path, &fields).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert!(seen.text().contains("more than 16 KiB"), "{path}");
    }
    let seen = panel.post(Who::Visitor, "/board", &fields).await;
    assert!(seen.status.is_client_error());
    assert!(panel.fake.commands().is_empty());
    // A form of somebody who is signed in may be as large.
    let fields = [("text", "Hello"), ("else", &text)];
    assert!(panel.post(Who::Owner, "/board", &fields).await.status.is_redirection());
    assert_eq!(panel.fake.commands().len(), 1);
}
