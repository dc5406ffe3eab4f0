//! Host names: which ones the panel answers to, and what it says to the others; and where a request comes
//! from, as the node hears it.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use crate::client::{Panel, Who};
use crate::fake::Fake;

#[tokio::test]
async fn the_box_answers_to_its_own_names_only() {
    for (host, known) in [
        ("localhost:8480", true),
        ("127.0.0.1", true),
        ("[::1]:8480", true),
        ("kith.local", true),
        ("KITH.internal:80", true),
        ("kith.home.arpa.", true),
        ("ada-s-box.local", true),
        ("192.168.77.1:8480", true),
        ("box.example", true),
        ("evil.example", false),
        ("192.168.77.2", false),
        ("kith.local.evil.example", false),
        ("ada-s-box", false),
        ("other.local", false),
        (".local", false),
        ("localhost:x", false),
        ("", false),
        ("kith.local@evil.example", false),
    ] {
        let mut config = kith_webui::Config::new("z6MkTest");
        config.extra_hosts = vec!["Box.example".into()];
        let router = kith_webui::router(Fake::lively(), config);
        let mut request = Request::get("/help").header("host", host).body(Body::empty()).unwrap();
        let ends = kith_webui::Connection {
            remote: "192.168.77.9:4000".parse().unwrap(),
            local: "192.168.77.1:8480".parse().unwrap(),
            side: kith_webui::backend::Side::Household,
        };
        request.extensions_mut().insert(ends);
        let status = tower::ServiceExt::oneshot(router, request).await.unwrap().status();
        assert_eq!(
            status,
            if known { StatusCode::OK } else { StatusCode::MISDIRECTED_REQUEST },
            "{host}"
        );
    }
}

#[tokio::test]
async fn a_wrong_name_is_explained_with_how_to_add_it() {
    let panel = Panel::new(Fake::lively());
    let request =
        Request::get("/").header("host", "my.box.example:8480").header("accept-language", "de");
    let seen = panel.send(request.body(Body::empty()).unwrap()).await;
    assert!(seen.text().contains("--host my.box.example"), "{}", seen.text());
    assert!(seen.text().contains("kennt sich unter diesem Namen nicht"));
}

#[tokio::test]
async fn the_node_hears_where_a_request_comes_from() {
    for (remote, source) in [
        ("[2001:db8:1:2:3:4:5:6]:4000", "2001:db8:1:2::/64"),
        ("[::ffff:192.0.2.7]:4000", "192.0.2.7"),
        ("192.0.2.7:4000", "192.0.2.7"),
    ] {
        let fake = Fake::lively();
        let router = kith_webui::router(fake.clone(), kith_webui::Config::new("z6MkTest"));
        let request = Request::get("/overview")
            .header("host", "localhost")
            .header("cookie", Who::Owner.cookie());
        let mut request = request.body(Body::empty()).unwrap();
        let ends = kith_webui::Connection {
            remote: remote.parse().unwrap(),
            local: "127.0.0.1:8480".parse().unwrap(),
            side: kith_webui::backend::Side::Household,
        };
        request.extensions_mut().insert(ends);
        let seen = tower::ServiceExt::oneshot(router, request).await.unwrap();
        assert_eq!(seen.status(), StatusCode::OK);
        let sources: Vec<String> = fake.world.lock().unwrap().sources.iter().cloned().collect();
        assert_eq!(sources, [source]);
    }
}
