//! Who comes by a visitors' network: reads what everybody may, and finds no way to sign in, whatever they
//! bring along.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use kith_model::command::{Command, Right};
use kith_webui::backend::Side;
use kith_webui::{Kind, route_table};

use crate::client::{HOST, Panel, Who};
use crate::fake::{CLAIM, Fake, TOKEN};
use crate::html::Page;

fn guests(fake: std::sync::Arc<Fake>) -> Panel {
    fake.world.lock().unwrap().public = vec!["board".into(), "files/shared".into()];
    Panel::new(fake).by(Side::Visitors)
}

/// What a visitors' network shows: all of it.
const SHOWN: [&str; 11] = [
    "GET /",
    "POST /taste",
    "GET /board",
    "GET /files",
    "GET /files/{collection}",
    "GET /files/{collection}/{*path}",
    "GET /raw/{collection}/{*path}",
    "GET /activity",
    "GET /help",
    "GET /help/{leaf}",
    "GET /about",
];

#[tokio::test]
async fn every_route_that_is_not_for_visitors_is_closed_to_them() {
    let panel = guests(Fake::lively());
    let mut open = Vec::new();
    for route in route_table().into_iter().filter(|route| route.kind != Kind::Asset) {
        let path = crate::matrix::path(&route);
        let fields = [("name", "Ada"), ("passphrase", "correct horse battery")];
        let seen = match (route.method == Method::GET, route.kind) {
            (true, _) => panel.get(Who::Owner, &path).await,
            (false, Kind::Form) => panel.post(Who::Visitor, &path, &fields).await,
            (false, _) => {
                let request = Request::builder().method(route.method.clone()).uri(&path);
                let request =
                    request.header("host", HOST).header("content-type", "application/json");
                let request = request.header("authorization", format!("Bearer {TOKEN}"));
                panel.send(request.body(Body::from("{}")).unwrap()).await
            }
        };
        let what = format!("{} {}: {}", route.method, route.path, seen.status);
        // Even the owner's session, or a form token, is worth nothing here.
        if route.kind == Kind::Upload || !matches!(route.right, Right::Anyone | Right::Reader) {
            assert_eq!(seen.status, StatusCode::FORBIDDEN, "{what}");
        }
        if seen.status != StatusCode::FORBIDDEN {
            open.push(format!("{} {}", route.method, route.path));
        }
    }
    assert_eq!(open, SHOWN);
    assert!(panel.fake.commands().is_empty(), "{:?}", panel.fake.commands());
}

#[tokio::test]
async fn the_same_requests_are_let_in_from_the_household() {
    let panel = Panel::new(Fake::lively());
    assert_eq!(panel.get(Who::Visitor, "/login").await.status, StatusCode::OK);
    assert_eq!(panel.get(Who::Owner, "/wifi").await.status, StatusCode::OK);
    let seen = panel
        .post(Who::Visitor, "/login", &[("name", "Ada"), ("passphrase", "correct horse battery")])
        .await;
    assert!(seen.status.is_redirection());
}

#[tokio::test]
async fn pages_for_visitors_lead_to_no_way_in_and_say_where_there_is_one() {
    for fake in [Fake::lively(), Fake::unclaimed()] {
        let panel = guests(fake);
        for path in ["/", "/help", "/about", "/nowhere", "/overview", "/claim", "/login"] {
            let seen = panel.get(Who::Owner, path).await;
            let mut cookies = seen.headers.get_all(header::SET_COOKIE).iter();
            // At home the session is still good.
            let session =
                |cookie: &axum::http::HeaderValue| cookie.as_bytes().starts_with(b"kith_s_");
            assert!(!cookies.any(session), "{path} lets a session go");
            let html = seen.text();
            let page = Page::read(&html);
            for link in page.all("a").filter_map(|link| link.get("href")) {
                let way_in = ["/login", "/claim", "/join", "/account"];
                assert!(!way_in.iter().any(|way| link.starts_with(way)), "{path}: {link}");
            }
            if path != "/help" && path != "/about" {
                assert!(html.contains("is for visitors"), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn a_new_box_cannot_be_claimed_by_a_visitor() {
    let panel = guests(Fake::unclaimed());
    let fields = [
        ("secret", CLAIM),
        ("name", "Eve"),
        ("box_name", "Eve’s"),
        ("passphrase", "correct horse battery"),
    ];
    let seen = panel.post(Who::Visitor, "/claim", &fields).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    let claims = panel.fake.commands();
    assert!(!claims.iter().any(|command| matches!(command, Command::Claim { .. })));
}
