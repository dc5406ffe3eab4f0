//! The API: JSON in and out, problems, tokens, counters.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use kith_model::caller::Scope;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use serde_json::json;

use crate::client::{HOST, Panel, Seen, Who};
use crate::fake::{Fake, SCOPED, TOKEN};

async fn call(panel: &Panel, method: &str, path: &str, body: &str) -> Seen {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", HOST)
        .header("authorization", format!("Bearer {TOKEN}"));
    if !body.is_empty() {
        request = request.header("content-type", "application/json");
    }
    panel.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn resources_are_plain_json() {
    let panel = Panel::new(Fake::lively());
    assert_eq!(call(&panel, "GET", "/api/v1/me", "").await.json()["account"], "Ada");
    assert_eq!(call(&panel, "GET", "/api/v1/status", "").await.json()["name"], "Ada’s box");
    assert_eq!(call(&panel, "GET", "/api/v1/peers", "").await.json().as_array().unwrap().len(), 4);
    let posts = call(&panel, "GET", "/api/v1/posts?limit=2", "").await.json();
    assert_eq!(posts.as_array().unwrap().len(), 2);
    let posted = call(&panel, "POST", "/api/v1/posts", r#"{"text":"Hello","re":"p1"}"#).await;
    assert_eq!((posted.status, posted.json()["text"].clone()), (StatusCode::OK, json!("Hello")));
    assert_eq!(call(&panel, "DELETE", "/api/v1/posts/p1", "").await.status, StatusCode::NO_CONTENT);
    let invite = call(&panel, "POST", "/api/v1/invites", r#"{"many":false}"#).await.json();
    assert!(invite["code"].as_str().unwrap().starts_with("KITH1-"));
    let entry = call(&panel, "GET", "/api/v1/entries/shared/emergency/phone%20numbers.txt", "")
        .await
        .json();
    assert_eq!(entry["path"], "emergency/phone numbers.txt");
    assert_eq!(
        panel.fake.commands(),
        [
            Command::Post { space: None, text: "Hello".into(), re: Some("p1".into()) },
            Command::PostRemove { space: None, id: "p1".into() },
            Command::Invite { space: None, many: false, days: None },
        ]
    );
}

#[tokio::test]
async fn what_does_not_fit_is_a_problem_with_a_hint() {
    let panel = Panel::new(Fake::lively());
    for (method, path, body, says) in [
        (
            "POST",
            "/api/v1/posts",
            r#"{"txt":"Hello"}"#,
            "“txt” is not known here; this takes re, space, text",
        ),
        ("POST", "/api/v1/posts", r#"{}"#, "missing field `text`"),
        ("POST", "/api/v1/posts", r#"[1]"#, "the body is no JSON object"),
        ("POST", "/api/v1/posts", r#"{"text":{"#, "the body is no JSON object"),
        ("POST", "/api/v1/posts", r#"{"text":7}"#, "the request does not fit"),
        ("GET", "/api/v1/posts?limit=many", "", "limit takes a whole number"),
        ("GET", "/api/v1/posts?nope=1", "", "“nope” is not known here"),
        ("PUT", "/api/v1/accounts/Mira/role", r#"{"role":"king"}"#, "the request does not fit"),
    ] {
        let seen = call(&panel, method, path, body).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {body}");
        assert_eq!(seen.header(header::CONTENT_TYPE), "application/problem+json");
        let problem = seen.json();
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
        assert_eq!((&problem["kind"], &problem["status"]), (&json!("invalid"), &json!(422)));
    }
    assert!(panel.fake.commands().is_empty());
}

#[tokio::test]
async fn deep_and_large_bodies_are_refused() {
    let panel = Panel::new(Fake::lively());
    let deep = format!("{{\"text\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(
        call(&panel, "POST", "/api/v1/posts", &deep).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(2 << 20));
    assert_eq!(
        call(&panel, "POST", "/api/v1/posts", &large).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn every_kind_of_refusal_has_its_status_and_words() {
    let kinds = [
        (RefusalKind::Invalid, 422),
        (RefusalKind::SignIn, 401),
        (RefusalKind::WrongSecret, 401),
        (RefusalKind::NotAllowed, 403),
        (RefusalKind::NotFound, 404),
        (RefusalKind::AlreadyClaimed, 409),
        (RefusalKind::NotClaimed, 409),
        (RefusalKind::Exists, 409),
        (RefusalKind::TooMany, 429),
        (RefusalKind::NoSpace, 507),
        (RefusalKind::DiskFailed, 503),
        (RefusalKind::StillWaiting, 202),
        (RefusalKind::NotHereYet, 503),
        (RefusalKind::BadInvite, 422),
        (RefusalKind::Internal, 500),
    ];
    for (kind, status) in kinds {
        let panel = Panel::new(Fake::lively());
        let refuse = || {
            panel.fake.world.lock().unwrap().refuse =
                Some(Refusal { retry_after: Some(7), ..Refusal::new(kind, "because") })
        };
        refuse();
        let seen = call(&panel, "GET", "/api/v1/peers", "").await;
        assert_eq!(seen.status.as_u16(), status, "{kind:?}");
        assert_eq!(seen.header(header::RETRY_AFTER), "7");
        assert_eq!(seen.json()["detail"], "because");
        refuse();
        let page = panel.get(Who::Owner, "/overview").await;
        assert_eq!(page.status.as_u16(), status, "{kind:?}");
        assert!(page.text().contains("because") && page.text().contains("7 seconds"), "{kind:?}");
    }
}

#[tokio::test]
async fn a_script_of_the_panel_sends_cookie_and_form_token() {
    let panel = Panel::new(Fake::lively());
    let request = crate::client::from_our_page(Request::post("/api/v1/posts"), Who::Member)
        .header("content-type", "application/json")
        .header("x-kith-token", Who::Member.form());
    let seen = panel.send(request.body(Body::from(r#"{"text":"Hi"}"#)).unwrap()).await;
    assert_eq!(seen.json()["author_name"], "Mira");
}

#[tokio::test]
async fn counters_and_events_need_somebody_who_may() {
    let panel = Panel::new(Fake::lively());
    assert_eq!(panel.get(Who::Visitor, "/metrics").await.status, StatusCode::UNAUTHORIZED);
    let seen = call(&panel, "GET", "/metrics", "").await;
    assert!(
        seen.text()
            .contains("# TYPE kith_frames_total counter\nkith_frames_total{peer=\"Ada\"} 3\n")
    );
    assert_eq!(panel.get(Who::Visitor, "/events").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn addresses_that_lead_nowhere_are_problems_too() {
    let panel = Panel::new(Fake::lively());
    let seen = call(&panel, "GET", "/api/v1/nothing", "").await;
    assert_eq!(
        (seen.status, seen.header(header::CONTENT_TYPE)),
        (StatusCode::NOT_FOUND, "application/problem+json")
    );
    assert_eq!(
        call(&panel, "PATCH", "/api/v1/posts", "{}").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn a_token_of_one_scope_reaches_what_that_is_for_and_nothing_else() {
    let picture = "map%20of%20the%20street.png";
    for (token, scope) in SCOPED {
        let panel = Panel::new(Fake::lively());
        for (method, path, body, needed) in [
            ("GET", "/metrics".to_owned(), "", Scope::Metrics),
            ("PUT", "/api/v1/content/shared/a.txt".to_owned(), "hello", Scope::Write),
            ("GET", format!("/api/v1/content/shared/{picture}"), "", Scope::Read),
            ("GET", "/api/v1/events".to_owned(), "", Scope::Read),
            ("GET", "/api/v1/tokens".to_owned(), "", Scope::Admin),
        ] {
            let request = Request::builder()
                .method(method)
                .uri(&path)
                .header("host", HOST)
                .header("authorization", format!("Bearer {token}"))
                .body(Body::from(body));
            let status = panel.status(request.unwrap()).await;
            let good = scope == needed || scope == Scope::Admin;
            assert_eq!(status.is_success(), good, "{scope:?} on {method} {path}: {status}");
            assert!(good || status == StatusCode::FORBIDDEN, "{scope:?} on {path}: {status}");
        }
        let written = panel.fake.world.lock().unwrap().written.len();
        assert_eq!(written, usize::from(matches!(scope, Scope::Write | Scope::Admin)));
        let me = Request::get("/api/v1/me")
            .header("host", HOST)
            .header("authorization", format!("Bearer {token}"));
        assert_eq!(panel.send(me.body(Body::empty()).unwrap()).await.json()["account"], "Ada");
    }
}
