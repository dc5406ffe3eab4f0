//! What people do, with no script anywhere: forms, redirects, messages, undo.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use kith_model::caller::{AccountRole, Scope};
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};

use crate::client::{HOST, Panel, VISITOR_FORM, Who};
use crate::fake::{CLAIM, Fake, OWNER};

#[tokio::test]
async fn a_new_box_is_claimed_and_its_owner_signed_in() {
    let panel = Panel::new(Fake::unclaimed());
    let home = panel.get(Who::Visitor, "/").await.text();
    assert!(home.contains("href=\"/claim\"") && home.contains("/help"));
    assert_eq!(panel.get(Who::Visitor, "/login").await.header(header::LOCATION), "/claim");
    let fields = [
        ("secret", CLAIM),
        ("name", "Ada"),
        ("box_name", "Attic"),
        ("passphrase", "correct horse battery"),
    ];
    let seen = panel.post(Who::Visitor, "/claim", &fields).await;
    let cookies: Vec<_> = seen
        .headers
        .get_all(header::SET_COOKIE)
        .iter()
        .map(|cookie| cookie.to_str().unwrap().to_owned())
        .collect();
    assert!(
        cookies.contains(&format!("kith_s_z6MkTest={OWNER}; Path=/; HttpOnly; SameSite=Strict")),
        "{cookies:?}"
    );
    assert!(cookies.iter().any(|cookie| cookie.starts_with("kith_d_z6MkTest=device-secret")
        && cookie.contains("Max-Age=31536000")));
    let overview = panel.follow(Who::Owner, &seen).await.text();
    assert!(
        overview.contains("Welcome! This box is yours.")
            && overview.contains("Three good first steps"),
        "{overview}"
    );
    assert!(panel.get(Who::Visitor, "/claim").await.status.is_redirection());
}

#[tokio::test]
async fn a_wrong_claim_keeps_what_was_typed_but_no_passphrase() {
    let panel = Panel::new(Fake::unclaimed());
    let fields = [
        ("secret", "WRONG"),
        ("name", "Ada"),
        ("box_name", "Attic"),
        ("passphrase", "correct horse battery"),
    ];
    let seen = panel.post(Who::Visitor, "/claim", &fields).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    let html = seen.text();
    assert!(
        html.contains("value=\"WRONG\"")
            && html.contains("value=\"Ada\"")
            && html.contains("value=\"Attic\"")
    );
    assert!(!html.contains("correct horse") && html.contains("wrong-secret"));
}

#[tokio::test]
async fn a_visitor_gets_a_form_token_once_and_keeps_it() {
    let panel = Panel::new(Fake::lively());
    let request = axum::http::Request::get("/login")
        .header("host", "localhost")
        .body(axum::body::Body::empty())
        .unwrap();
    let seen = panel.send(request).await;
    let cookie = seen.header(header::SET_COOKIE).to_owned();
    let token = cookie.strip_prefix("kith_v_z6MkTest=").unwrap().split(';').next().unwrap();
    assert_eq!(token.len(), 22);
    assert!(seen.text().contains(&format!("name=\"token\" value=\"{token}\"")));
    let seen = panel.get(Who::Visitor, "/login").await;
    assert!(seen.headers.get(header::SET_COOKIE).is_none());
    assert!(seen.text().contains(VISITOR_FORM));
}

#[tokio::test]
async fn signing_in_leads_where_one_was_going_and_nowhere_else() {
    let panel = Panel::new(Fake::lively());
    let seen = panel.get(Who::Visitor, "/files/shared?space=x").await;
    assert!(seen.text().contains("/login?next=%2Ffiles%2Fshared%3Fspace%3Dx"));
    for (next, leads) in [
        ("/files?space=x", "/files?space=x&f="),
        ("https://evil.example", "/overview?f="),
        ("//evil.example", "/overview?f="),
    ] {
        let seen = panel
            .post(
                Who::Visitor,
                "/login",
                &[("name", "Ada"), ("passphrase", "correct horse battery"), ("next", next)],
            )
            .await;
        assert!(
            seen.header(header::LOCATION).starts_with(leads),
            "{next}: {}",
            seen.header(header::LOCATION)
        );
    }
}

#[tokio::test]
async fn too_many_tries_say_how_long_to_wait() {
    let panel = Panel::new(Fake::lively());
    panel.fake.world.lock().unwrap().refuse =
        Some(Refusal { retry_after: Some(30), ..Refusal::new(RefusalKind::TooMany, "wait") });
    let seen = panel.post(Who::Visitor, "/login", &[("name", "Ada"), ("passphrase", "x")]).await;
    assert_eq!(seen.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(seen.header(header::RETRY_AFTER), "30");
}

#[tokio::test]
async fn signing_out_drops_the_cookie_and_a_dead_session_is_a_visitor() {
    let panel = Panel::new(Fake::lively());
    let seen = panel.post(Who::Owner, "/logout", &[]).await;
    assert!(
        seen.header(header::SET_COOKIE).starts_with("kith_s_z6MkTest=; ")
            && seen.header(header::SET_COOKIE).contains("Max-Age=0")
    );
    let seen =
        panel.get_with(Who::Visitor, "/overview", &[("cookie", "kith_s_z6MkTest=dead")]).await;
    assert!(seen.header(header::LOCATION).starts_with("/login"));
}

#[tokio::test]
async fn signing_in_over_a_dead_session_keeps_the_new_one() {
    let panel = Panel::new(Fake::lively());
    let cookies = format!("kith_s_z6MkTest=dead; {}", Who::Visitor.cookie());
    let login = panel.get_with(Who::Visitor, "/login", &[("cookie", &cookies)]).await;
    assert!(login.header(header::SET_COOKIE).starts_with("kith_s_z6MkTest=; "));
    let request = axum::http::Request::post("/login")
        .header("host", HOST)
        .header("origin", format!("http://{HOST}"))
        .header("cookie", cookies)
        .header("content-type", "application/x-www-form-urlencoded");
    let form = format!("token={VISITOR_FORM}&name=Ada&passphrase=correct+horse+battery");
    let seen = panel.send(request.body(form.into()).unwrap()).await;
    let sessions =
        seen.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap());
    let sessions: Vec<_> = sessions.filter(|cookie| cookie.starts_with("kith_s_")).collect();
    assert_eq!(sessions, [format!("kith_s_z6MkTest={OWNER}; Path=/; HttpOnly; SameSite=Strict")]);
}

#[tokio::test]
async fn a_notice_goes_up_gets_a_reply_and_is_taken_back() {
    let panel = Panel::new(Fake::lively());
    let seen = panel.post(Who::Owner, "/board", &[("text", "Fresh bread\r\nat six")]).await;
    assert!(seen.header(header::LOCATION).ends_with("#p-p6"));
    let board = panel.follow(Who::Owner, &seen).await.text();
    assert!(
        board.contains("Your notice is on the board.") && board.contains("Fresh bread\nat six")
    );
    panel.post(Who::Owner, "/board", &[("text", "Me too"), ("re", "p6")]).await;
    let board = panel.get(Who::Owner, "/board").await.text();
    let (notice, reply) = (board.find("Fresh bread").unwrap(), board.find("Me too").unwrap());
    assert!(notice < reply, "a reply stands below its notice");
    panel.post(Who::Owner, "/board/remove", &[("id", "p6")]).await;
    assert_eq!(
        panel.fake.commands().last(),
        Some(&Command::PostRemove { space: None, id: "p6".into() })
    );
}

#[tokio::test]
async fn a_notice_that_is_refused_is_not_lost() {
    let panel = Panel::new(Fake::lively());
    panel.fake.world.lock().unwrap().refuse = None;
    let long = "A long story. ".repeat(30);
    // The first refusal would meet the list of spaces, so the post itself has to be the next command.
    panel.fake.world.lock().unwrap().refuse =
        Some(Refusal::new(RefusalKind::Invalid, "a text has 1 to 3,500 bytes"));
    let seen = panel.post(Who::Owner, "/board", &[("text", &long)]).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(seen.text().contains(long.trim()) && seen.text().contains("3,500 bytes"));
    panel.fake.world.lock().unwrap().refuse = None;
    let seen = panel.post(Who::Owner, "/board", &[("text", &"ü".repeat(1_752))]).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(seen.text().contains("this is 4 too long") && seen.text().contains("üü"));
    let posted =
        |command: &Command| matches!(command, Command::Post { text, .. } if text.starts_with('ü'));
    assert!(!panel.fake.commands().iter().any(posted), "it was not even sent");
}

#[tokio::test]
async fn a_removed_file_comes_back_by_undo_for_its_remover_only() {
    let panel = Panel::new(Fake::lively());
    let seen = panel
        .post(
            Who::Owner,
            "/file/remove",
            &[("collection", "shared"), ("path", "emergency/water points.png")],
        )
        .await;
    let location = seen.header(header::LOCATION).to_owned();
    assert!(location.starts_with("/files/shared/emergency?f="), "{location}");
    let page = panel.follow(Who::Owner, &seen).await.text();
    assert!(
        page.contains("action=\"/file/restore\"") && page.contains("until you leave this page")
    );
    let key = location.split("f=").nth(1).unwrap();
    let stolen = panel.post(Who::Member, "/file/restore", &[("f", key)]).await;
    assert_eq!(stolen.status, StatusCode::NOT_FOUND);
    assert!(!panel.get(Who::Member, &location).await.text().contains("Undo"));
    let back = panel.post(Who::Owner, "/file/restore", &[("f", key)]).await;
    assert!(panel.follow(Who::Owner, &back).await.text().contains("is back."));
    assert!(panel.fake.world.lock().unwrap().files.contains_key("emergency/water points.png"));
}

#[tokio::test]
async fn an_invite_is_shown_as_text_and_picture_to_its_maker_only() {
    let panel = Panel::new(Fake::lively());
    let seen = panel.post(Who::Owner, "/peers/invite", &[("days", "30"), ("many", "yes")]).await;
    assert_eq!(
        panel.fake.commands(),
        [Command::Invite { space: None, many: true, days: Some(30) }]
    );
    let page = panel.follow(Who::Owner, &seen).await.text();
    assert!(
        page.contains("KITH1-MFRGGZDF")
            && page.contains("<svg class=\"qr\"")
            && page.contains("Anybody who has this code")
    );
    let stolen = panel.get(Who::Member, seen.header(header::LOCATION)).await;
    assert_eq!(stolen.status, StatusCode::NOT_FOUND);
    assert!(!stolen.text().contains("KITH1-"));
}

#[tokio::test]
async fn an_account_link_leads_to_this_panel() {
    let panel = Panel::new(Fake::lively());
    let seen = panel.post(Who::Owner, "/accounts/invite", &[]).await;
    let page = panel.follow(Who::Owner, &seen).await.text();
    assert!(page.contains("http://192.168.77.1:8480/join/JOINSECRET"), "reachable by others");
    assert!(page.contains("<svg class=\"qr\"") && !page.contains("--panel"));
    panel.fake.publish(|status| status.panel = "http://127.0.0.1:8480/".into());
    let page = panel.follow(Who::Owner, &seen).await.text();
    assert!(page.contains("http://127.0.0.1:8480/join/JOINSECRET"));
    assert!(page.contains("kith run --panel 0.0.0.0:8480"), "it says how to change that");
    assert!(!page.contains("<svg class=\"qr\"") && !page.contains("same network"));
    let seen = panel
        .post(
            Who::Visitor,
            "/join/JOINSECRET",
            &[("name", "Mira"), ("passphrase", "correct horse battery")],
        )
        .await;
    assert!(seen.header(header::LOCATION).starts_with("/overview"));
    assert!(
        matches!(panel.fake.commands().last(), Some(Command::AccountJoin { secret, .. }) if secret == "JOINSECRET")
    );
}

#[tokio::test]
async fn people_accounts_sessions_and_tokens_are_looked_after() {
    let panel = Panel::new(Fake::lively());
    for (path, fields) in [
        ("/people/role", vec![("member", "did:key:zMira"), ("role", "owner")]),
        ("/people/remove", vec![("member", "did:key:zMira")]),
        ("/people/visitors", vec![("public", "board"), ("public", "files/shared")]),
        ("/accounts/role", vec![("name", "Mira"), ("role", "owner")]),
        ("/accounts/remove", vec![("name", "Mira")]),
        ("/account/session", vec![("id", "s2")]),
        ("/account/passphrase", vec![("old", "one"), ("new", "two")]),
        ("/account/token/revoke", vec![("id", "t1")]),
    ] {
        let seen = panel.post(Who::Owner, path, &fields).await;
        let page = panel.follow(Who::Owner, &seen).await.text();
        assert!(page.contains("class=\"flash\""), "{path}");
    }
    let text = String::from;
    assert_eq!(
        panel.fake.commands(),
        [
            Command::MemberSet { space: None, member: text("did:key:zMira"), role: text("owner") },
            Command::MemberRemove { space: None, member: text("did:key:zMira") },
            Command::PolicySet { space: None, public: vec![text("board"), text("files/shared")] },
            Command::AccountRole { name: text("Mira"), role: AccountRole::Owner },
            Command::AccountRemove { name: text("Mira") },
            Command::SessionRevoke { id: text("s2") },
            Command::Passphrase { old: text("one"), new: text("two") },
            Command::TokenRevoke { id: text("t1") },
        ]
    );
    let seen = panel
        .post(
            Who::Owner,
            "/account/token",
            &[("name", "backup"), ("scope", "read"), ("scope", "metrics"), ("days", "7")],
        )
        .await;
    assert!(panel.follow(Who::Owner, &seen).await.text().contains("kith_token_SECRET"));
    let made = Command::TokenCreate {
        name: text("backup"),
        scopes: vec![Scope::Read, Scope::Metrics],
        days: Some(7),
    };
    assert_eq!(panel.fake.commands().last(), Some(&made));
}

#[tokio::test]
async fn boxes_are_joined_added_and_forgotten() {
    let panel = Panel::new(Fake::lively());
    let seen = panel.post(Who::Owner, "/peers/join", &[("code", " KITH1-ABC\n")]).await;
    assert!(panel.follow(Who::Owner, &seen).await.text().contains("You are in."));
    panel.post(Who::Owner, "/peers/add", &[("address", "192.0.2.1:7000")]).await;
    panel.post(Who::Owner, "/peers/forget", &[("peer", "did:key:z")]).await;
    assert_eq!(
        panel.fake.commands(),
        [
            Command::Join { code: "KITH1-ABC".into() },
            Command::PeerAdd { address: "192.0.2.1:7000".into() },
            Command::PeerForget { peer: "did:key:z".into() },
        ]
    );
    panel.fake.world.lock().unwrap().refuse =
        Some(Refusal::new(RefusalKind::StillWaiting, "it goes on in the background"));
    let seen = panel.post(Who::Owner, "/peers/join", &[("code", "KITH1-FAR")]).await;
    assert!(panel.follow(Who::Owner, &seen).await.text().contains("The invite is good."));
    panel.fake.world.lock().unwrap().refuse =
        Some(Refusal::new(RefusalKind::BadInvite, "this invite has expired"));
    let seen = panel.post(Who::Owner, "/peers/join", &[("code", "KITH1-OLD")]).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        seen.text().contains("this invite has expired")
            && seen.text().contains(">KITH1-OLD</textarea>")
    );
}

#[tokio::test]
async fn visitors_see_what_a_space_shows_and_nothing_else() {
    let panel = Panel::new(Fake::lively());
    let home = panel.get(Who::Visitor, "/").await.text();
    assert!(!home.contains("Maple Street") && !home.contains("bakery") && !home.contains("Jonas"));
    panel.fake.world.lock().unwrap().public = vec!["board".into(), "files/shared".into()];
    let home = panel.get(Who::Visitor, "/").await.text();
    assert!(home.contains("href=\"/board\"") && home.contains("href=\"/files/shared\""));
    let board = panel.get(Who::Visitor, "/board").await.text();
    assert!(
        board.contains("bakery") && !board.contains("<textarea"),
        "reading is all a visitor does"
    );
    assert!(!panel.get(Who::Visitor, "/files/shared").await.text().contains("type=\"file\""));
    assert_eq!(panel.get(Who::Visitor, "/activity").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn empty_pages_say_what_to_do_next() {
    let panel = Panel::new(Fake::empty());
    for (path, words) in [
        ("/overview", "Three good first steps"),
        ("/board", "Put up the first notice"),
        ("/files", "Upload something below"),
        ("/peers", "There are three ways to find one"),
        ("/people", "Just you so far"),
    ] {
        assert!(panel.get(Who::Owner, path).await.text().contains(words), "{path}");
    }
}

#[tokio::test]
async fn a_form_address_typed_in_is_a_page_that_helps() {
    let panel = Panel::new(Fake::lively());
    let seen = panel.get(Who::Owner, "/upload").await;
    assert_eq!(seen.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(seen.header(header::ALLOW), "POST");
    assert!(seen.text().contains("There is nothing here"));
    let seen = panel.post(Who::Visitor, "/board", &[("text", "lost session")]).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    assert!(seen.text().contains("href=\"/login\""), "a form is no place to come back to");
}

#[tokio::test]
async fn look_and_language_are_kept_by_the_browser() {
    let panel = Panel::new(Fake::lively());
    let seen =
        panel.post(Who::Visitor, "/taste", &[("theme", "dark"), ("back", "/help/care")]).await;
    assert_eq!(seen.header(header::LOCATION), "/help/care");
    assert!(seen.header(header::SET_COOKIE).starts_with("kith_theme=dark;"));
    let seen =
        panel.post(Who::Visitor, "/taste", &[("lang", "de"), ("back", "//evil.example")]).await;
    assert_eq!(seen.header(header::LOCATION), "/");
    let html = panel
        .get_with(Who::Visitor, "/", &[("cookie", "kith_lang=de; kith_theme=dark")])
        .await
        .text();
    assert!(html.contains("<html lang=\"de\" data-theme=\"dark\">"), "{}", &html[..200]);
    let seen =
        panel.post(Who::Visitor, "/taste", &[("theme", "x; Domain=evil"), ("lang", "xx")]).await;
    assert!(seen.headers.get(header::SET_COOKIE).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_page_asks_the_node_for_all_it_shows_at_once() {
    let hour = std::time::Duration::from_secs(3_600);
    for (path, commands) in
        [("/overview", 4), ("/board", 2), ("/activity", 2), ("/peers", 2), ("/people", 3)]
    {
        for (waiting, comes) in [(commands, true), (commands + 1, false)] {
            let who = if path == "/people" { Who::Member } else { Who::Owner };
            let panel = Panel::new(Fake::lively());
            *panel.fake.gate.lock().unwrap() = Some(Arc::new(tokio::sync::Barrier::new(waiting)));
            let seen = tokio::time::timeout(hour, panel.get(who, path)).await;
            assert_eq!(seen.is_ok_and(|seen| seen.status.is_success()), comes, "{path}");
        }
    }
}
