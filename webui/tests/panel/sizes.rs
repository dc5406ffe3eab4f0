//! Sizes: what a phone on a slow line has to fetch.

use std::io::Write as _;

use axum::http::header;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::client::{Panel, Who};
use crate::fake::{Fake, NOW};
use crate::html::Page;

/// One TCP window of 10 segments.
pub(crate) const MAX_PAGE: usize = 14 << 10;
const MAX_STYLE: usize = 12 << 10;
const MAX_SCRIPT: usize = 7 << 10;

pub(crate) fn packed(bytes: &[u8]) -> usize {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap().len()
}

#[tokio::test]
async fn every_page_fits_one_window_with_fifty_things_on_it() {
    let panel = Panel::new(Fake::lively());
    {
        let mut world = panel.fake.world.lock().unwrap();
        let (post, peer, member, done) = (
            world.posts[0].clone(),
            world.peers[0].clone(),
            world.members[0].clone(),
            world.activity[0].clone(),
        );
        for i in 0..50_u64 {
            let mut post = post.clone();
            // Ids and words differ as real ones do, so that packing them gains nothing.
            (post.id, post.cursor, post.time) = (noise(i, 59), noise(i, 20), NOW - i * 1_000_000);
            post.text = format!(
                "{} {}",
                noise(i + 99, 40),
                "Fresh bread at the corner, and somebody lost a key."
            );
            world.posts.push(post);
            world.keep(&format!("{}.txt", noise(i, 20)), 1_000 + i, "Ada", true);
            let mut peer = peer.clone();
            (peer.node, peer.name) = (Some(noise(i, 56)), Some(noise(i, 10)));
            if i < 25 {
                world.peers.push(peer);
            }
            let mut member = member.clone();
            (member.author, member.name) = (noise(i, 56), noise(i, 9));
            world.members.push(member);
            let mut done = done.clone();
            done.time -= i * 1_000;
            world.activity.push(done);
        }
    }
    for path in [
        "/",
        "/login",
        "/overview",
        "/board",
        "/files",
        "/peers",
        "/people",
        "/account",
        "/activity",
        "/help",
        "/help/trouble",
        "/about",
        "/nowhere",
    ] {
        for language in ["en", "de"] {
            let cookie = format!("{}; kith_lang={language}", Who::Owner.cookie());
            let html = panel.get_with(Who::Visitor, path, &[("cookie", &cookie)]).await.bytes;
            assert!(
                packed(&html) <= MAX_PAGE,
                "{path} in {language}: {} bytes packed, {} plain",
                packed(&html),
                html.len()
            );
        }
    }
}

#[tokio::test]
async fn style_and_script_are_small_and_kept_for_ever() {
    let panel = Panel::new(Fake::lively());
    let html = panel.get(Who::Visitor, "/").await.text();
    let page = Page::read(&html);
    let style = page
        .all("link")
        .find_map(|link| link.get("href").filter(|href| href.ends_with(".css")))
        .unwrap()
        .to_owned();
    let script = page.all("script").next().unwrap().get("src").unwrap().to_owned();
    for (path, most, kind) in [
        (style, MAX_STYLE, "text/css; charset=utf-8"),
        (script, MAX_SCRIPT, "text/javascript; charset=utf-8"),
    ] {
        let seen = panel.get_with(Who::Visitor, &path, &[("accept-encoding", "gzip, br")]).await;
        assert_eq!(seen.header(header::CONTENT_ENCODING), "gzip");
        assert!(seen.bytes.len() <= most, "{path}: {}", seen.bytes.len());
        assert_eq!(seen.header(header::CONTENT_TYPE), kind);
        assert_eq!(seen.header(header::CACHE_CONTROL), "public, max-age=31536000, immutable");
        let plain = panel.get(Who::Visitor, &path).await;
        assert!(
            plain.headers.get(header::CONTENT_ENCODING).is_none()
                && plain.bytes.len() > seen.bytes.len()
        );
    }
    assert!(
        panel.get(Who::Visitor, "/assets/kith-0000000000000000.css").await.status.is_client_error()
    );
}

#[test]
fn the_script_never_makes_html_of_texts() {
    let script =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/kith.js")).unwrap();
    for sink in [
        "innerHTML = ",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "http://",
        "https://",
    ] {
        assert!(!script.contains(sink), "{sink}");
    }
    let style =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/kith.css")).unwrap();
    assert!(!style.contains("url(") && !style.contains("@import"), "nothing is fetched");
}

/// Letters that do not repeat: a small xorshift.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let letters = b"abcdefghijklmnopqrstuvwxyz234567";
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(letters[(state >> 20) as usize % 32])
        })
        .collect()
}
