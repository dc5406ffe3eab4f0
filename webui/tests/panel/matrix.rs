//! The security matrix: every route of the table against everything that may be wrong with a request.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use kith_model::command::Right;
use kith_webui::{Kind, RouteInfo, route_table};
use serde_json::{Map, Value, json};

use crate::client::{HOST, Panel, Seen, Who, multipart, multipart_of_files};
use crate::fake::{CLAIM, Fake, TOKEN};

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    NobodySignedIn,
    DeadSession,
    NoFormToken,
    OtherFormToken,
    ForeignOrigin,
    NullOrigin,
    NoOrigin,
    TwoOrigins,
    ReboundHost,
    NoHost,
    TwoHosts,
    OtherMethod,
    OtherType,
    MemberNotOwner,
}

const WRONGS: [Wrong; 14] = [
    Wrong::NobodySignedIn,
    Wrong::DeadSession,
    Wrong::NoFormToken,
    Wrong::OtherFormToken,
    Wrong::ForeignOrigin,
    Wrong::NullOrigin,
    Wrong::NoOrigin,
    Wrong::TwoOrigins,
    Wrong::ReboundHost,
    Wrong::NoHost,
    Wrong::TwoHosts,
    Wrong::OtherMethod,
    Wrong::OtherType,
    Wrong::MemberNotOwner,
];

fn changing() -> Vec<RouteInfo> {
    let all = route_table();
    let changing: Vec<_> = all.into_iter().filter(|route| route.method != Method::GET).collect();
    assert!(changing.len() > 40, "{}", changing.len());
    changing
}

pub(crate) fn path(route: &RouteInfo) -> String {
    let values = [
        ("{secret}", "JOINSECRET"),
        ("{id}", "p0"),
        ("{name}", "Mira"),
        ("{member}", "did:key:zMira"),
        ("{peer}", "did:key:zPeer"),
        ("{collection}", "shared"),
        ("{*path}", "map%20of%20the%20street.png"),
        ("{leaf}", "start"),
        ("{step}", "mesh"),
        ("{revision}", "0123456789abcdef"),
        ("{mac}", "02:00:00:00:00:01"),
    ];
    values.iter().fold(route.path.to_owned(), |path, (place, value)| path.replace(place, value))
}

/// A JSON body with what the OpenAPI document requires.
fn json_body(document: &Value, route: &RouteInfo) -> Value {
    let item = &document["paths"][route.path.replace("{*", "{")]
        [route.method.as_str().to_ascii_lowercase()];
    let schema = &item["requestBody"]["content"]["application/json"]["schema"];
    let mut body = Map::new();
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        body.insert(name.into(), sample(document, &schema["properties"][name]));
    }
    Value::Object(body)
}

fn sample(document: &Value, schema: &Value) -> Value {
    if let Some(first) = schema["examples"].get(0) {
        return first.clone();
    }
    if let Some(target) = schema["$ref"].as_str() {
        return sample(document, document.pointer(&target[1..]).unwrap());
    }
    if let Some(first) = schema["oneOf"].get(0) {
        return sample(document, first);
    }
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return value.clone();
    }
    match schema["type"].as_str() {
        Some("boolean") => json!(false),
        Some("integer") => json!(1),
        Some("array") => json!([]),
        _ => json!("x"),
    }
}

fn form_body(token: Option<&str>, flash: &str) -> String {
    let fields = [
        ("secret", CLAIM),
        ("name", "Mira"),
        ("box_name", "Box"),
        ("passphrase", "correct horse battery"),
        ("text", "Hello"),
        ("id", "p0"),
        ("collection", "shared"),
        ("path", "map of the street.png"),
        ("f", flash),
        ("code", "KITH1-X"),
        ("mac", "02:00:00:00:00:01"),
        ("address", "192.0.2.1:7000"),
        ("peer", "did:key:z"),
        ("member", "did:key:z"),
        ("role", "member"),
        ("public", "board"),
        ("old", "one passphrase"),
        ("new", "another passphrase"),
        ("scope", "read"),
        ("days", "7"),
        ("theme", "dark"),
    ];
    let mut form = form_urlencoded::Serializer::new(String::new());
    if let Some(token) = token {
        form.append_pair("token", token);
    }
    form.extend_pairs(fields);
    form.finish()
}

/// Sends a request to a route with one thing wrong about it.
async fn send(
    panel: &Panel,
    route: &RouteInfo,
    wrong: Wrong,
    document: &Value,
    flash: &str,
) -> Seen {
    let anyone = route.right == Right::Anyone;
    let who = match wrong {
        Wrong::NobodySignedIn => Who::Visitor,
        Wrong::MemberNotOwner => Who::Member,
        _ if anyone && !is_api(route) => Who::Visitor,
        _ => Who::Owner,
    };
    let method = if wrong == Wrong::OtherMethod { Method::GET } else { route.method.clone() };
    let mut request = Request::builder().method(method).uri(path(route));
    let (host, origin) = match wrong {
        Wrong::ReboundHost => ("evil.example:8480", "http://evil.example:8480".to_owned()),
        Wrong::ForeignOrigin => (HOST, "http://evil.example".to_owned()),
        Wrong::NullOrigin => (HOST, "null".to_owned()),
        _ => (HOST, format!("http://{HOST}")),
    };
    if wrong != Wrong::NoHost {
        request = request.header("host", host);
    }
    if wrong == Wrong::TwoHosts {
        request = request.header("host", "evil.example");
    }
    if wrong != Wrong::NoOrigin {
        request = request.header("origin", origin);
    }
    if wrong == Wrong::TwoOrigins {
        request = request.header("origin", "http://evil.example");
    }
    let cookie =
        if wrong == Wrong::DeadSession { "kith_s_z6MkTest=long-gone".into() } else { who.cookie() };
    request = request.header("cookie", cookie);
    let token = match wrong {
        Wrong::NoFormToken => None,
        Wrong::OtherFormToken => Some("some-other-form-token-x"),
        _ => Some(who.form()),
    };
    if is_api(route)
        && let Some(token) = token
    {
        request = request.header("x-kith-token", token);
    }
    let (kind, body) = match route.kind {
        Kind::Upload => multipart(
            token.unwrap_or_default(),
            &[("collection", "shared")],
            &[("a.txt", b"hello")],
        ),
        Kind::Api if route.method == Method::DELETE => (String::new(), Vec::new()),
        Kind::Api => {
            ("application/json".into(), json_body(document, route).to_string().into_bytes())
        }
        Kind::ApiUpload => ("application/octet-stream".into(), b"hello".to_vec()),
        Kind::ApiForm => multipart_of_files(&[("day/a.txt", b"hello")]),
        _ => ("application/x-www-form-urlencoded".into(), form_body(token, flash).into_bytes()),
    };
    let kind = if wrong == Wrong::OtherType { "text/plain".into() } else { kind };
    if !kind.is_empty() {
        request = request.header("content-type", kind);
    }
    panel.send(request.body(Body::from(body)).unwrap()).await
}

fn is_api(route: &RouteInfo) -> bool {
    matches!(route.kind, Kind::Api | Kind::ApiUpload | Kind::ApiForm)
}

async fn fresh(route: &RouteInfo) -> (Panel, Value, String) {
    let panel = Panel::new(if route.path == "/claim" { Fake::unclaimed() } else { Fake::lively() });
    let document = panel.get(Who::Visitor, "/api/v1/openapi.json").await.json();
    let mut flash = String::new();
    if route.path == "/file/restore" {
        let removed = panel
            .post(
                Who::Owner,
                "/file/remove",
                &[("collection", "shared"), ("path", "map of the street.png")],
            )
            .await;
        flash = removed.header(header::LOCATION).split("f=").nth(1).unwrap().to_owned();
        panel.fake.world.lock().unwrap().commands.clear();
    }
    (panel, document, flash)
}

/// Whether the request did something.
fn acted(panel: &Panel, seen: &Seen) -> bool {
    let world = panel.fake.world.lock().unwrap();
    let cookies = seen.headers.get_all(header::SET_COOKIE).iter();
    let taste = cookies.filter(|cookie| cookie.to_str().unwrap().starts_with("kith_theme")).count();
    !world.commands.is_empty() || !world.written.is_empty() || taste > 0
}

#[tokio::test]
async fn a_request_in_order_reaches_its_command_on_every_route() {
    for route in changing() {
        let (panel, document, flash) = fresh(&route).await;
        let seen = send(&panel, &route, Wrong::Nothing, &document, &flash).await;
        assert!(
            acted(&panel, &seen),
            "{} {}: {} {}",
            route.method,
            route.path,
            seen.status,
            seen.text()
        );
    }
}

#[tokio::test]
async fn nothing_that_is_wrong_with_a_request_gets_past_any_route() {
    let mut cases = 0;
    for route in changing() {
        for wrong in WRONGS {
            let open = route.right == Right::Anyone;
            let harmless = match wrong {
                // Whoever has no session is who these routes are for; a visitor has no token on the API.
                Wrong::NobodySignedIn | Wrong::DeadSession => open,
                Wrong::MemberNotOwner => route.right != Right::BoxOwner,
                _ => false,
            };
            if harmless {
                continue;
            }
            let (panel, document, flash) = fresh(&route).await;
            let seen = send(&panel, &route, wrong, &document, &flash).await;
            let what = format!("{} {} with {wrong:?}: {}", route.method, route.path, seen.status);
            assert!(!acted(&panel, &seen), "{what}");
            if wrong == Wrong::OtherMethod {
                // Where a page lives at the same path, GET shows it, and that is all.
                assert!(!seen.status.is_server_error(), "{what}");
            } else {
                assert!(seen.status.is_client_error(), "{what}");
            }
            cases += 1;
        }
    }
    assert!(cases > 500, "{cases}");
}

#[tokio::test]
async fn a_bearer_token_needs_no_form_token_but_all_else() {
    for route in changing().iter().filter(|route| is_api(route)) {
        for (token, host, origin, works) in [
            (TOKEN, HOST, None, true),
            (TOKEN, HOST, Some("http://127.0.0.1:8480"), true),
            ("wrong-token", HOST, None, false),
            ("", HOST, None, false),
            (TOKEN, HOST, Some("http://evil.example"), false),
            (TOKEN, HOST, Some("null"), false),
            (TOKEN, "evil.example", None, false),
        ] {
            let (panel, document, _) = fresh(route).await;
            let mut request = Request::builder()
                .method(route.method.clone())
                .uri(path(route))
                .header("host", host);
            request = request.header("authorization", format!("Bearer {token}"));
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let body = match route.kind {
                Kind::Api if route.method != Method::DELETE => {
                    request = request.header("content-type", "application/json");
                    Body::from(json_body(&document, route).to_string())
                }
                Kind::ApiForm => {
                    let (kind, body) = multipart_of_files(&[("day/a.txt", b"hello")]);
                    request = request.header("content-type", kind);
                    Body::from(body)
                }
                _ => Body::empty(),
            };
            let seen = panel.send(request.body(body).unwrap()).await;
            let what = format!(
                "{} {} with {token:?} {host} {origin:?}: {}",
                route.method, route.path, seen.status
            );
            assert_eq!(acted(&panel, &seen), works, "{what}");
            assert!(works || seen.status.is_client_error(), "{what}");
            let problem = seen.header(header::CONTENT_TYPE) == "application/problem+json";
            assert!(works || problem || host != HOST, "{what}");
        }
    }
}

#[tokio::test]
async fn a_bearer_token_is_worth_nothing_on_pages() {
    let panel = Panel::new(Fake::lively());
    let request = Request::get("/people")
        .header("host", HOST)
        .header("authorization", format!("Bearer {TOKEN}"));
    let seen = panel.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn every_page_shows_itself_to_whom_it_is_for() {
    let pages = route_table()
        .into_iter()
        .filter(|route| route.method == Method::GET && route.kind == Kind::Page);
    for route in pages {
        for who in [Who::Visitor, Who::Member, Who::Owner] {
            let panel = Panel::new(Fake::lively());
            let seen = panel.get(who, &path(&route)).await;
            let what = format!("{} for {who:?}: {}", route.path, seen.status);
            match (route.right, who) {
                (Right::Account | Right::BoxOwner, Who::Visitor) => {
                    assert!(seen.header(header::LOCATION).starts_with("/login?next=%2F"), "{what}");
                }
                (Right::BoxOwner, Who::Member) => {
                    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{what}")
                }
                // Nothing is public here, and a stranger learns no more than that.
                (Right::Reader, Who::Visitor) => {
                    assert_eq!(seen.status, StatusCode::NOT_FOUND, "{what}")
                }
                _ => assert!(
                    seen.status.is_success()
                        || seen.status.is_redirection()
                        || route.path.ends_with("/invite"),
                    "{what}"
                ),
            }
            assert!(panel.fake.commands().is_empty(), "{what} changed something");
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_hold_a_browser_back() {
    let panel = Panel::new(Fake::lively());
    let mut paths: Vec<String> = route_table()
        .iter()
        .filter(|route| route.method == Method::GET && route.kind != Kind::Stream)
        .map(path)
        .collect();
    paths.push("/nowhere".into());
    paths.push("/api/v1/nowhere".into());
    for at in paths {
        let seen = panel.get(Who::Owner, &at).await;
        let policy = seen.header(header::CONTENT_SECURITY_POLICY);
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{at}: {policy}"
        );
        assert_eq!(seen.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{at}");
        assert_eq!(seen.header(header::REFERRER_POLICY), "same-origin", "{at}");
        let cached = seen.header(header::CACHE_CONTROL);
        assert!(
            cached == "no-store" || cached == "private, no-cache" || at.starts_with("/assets/"),
            "{at}: {cached}"
        );
    }
}
