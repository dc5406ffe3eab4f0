//! Backups: one comes, one goes back as a draft with what it would change, and what is none is refused.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use kith_model::command::Command;
use kith_model::network::ask::NetworkAsk;

use crate::client::{Panel, Seen, Who, from_our_page, multipart};
use crate::fake::Fake;

async fn hand_in(panel: &Panel, file: &[u8]) -> Seen {
    let (kind, body) = multipart(Who::Owner.form(), &[], &[("backup.tar.gz", file)]);
    let request =
        from_our_page(Request::post("/backup/file"), Who::Owner).header("content-type", kind);
    panel.send(request.body(Body::from(body)).unwrap()).await
}

fn drafts(panel: &Panel) -> Vec<String> {
    let drafted = |command| match command {
        Command::Network(NetworkAsk::DraftReplace { text }) => Some(text),
        _ => None,
    };
    panel.fake.commands().into_iter().filter_map(drafted).collect()
}

#[tokio::test]
async fn a_backup_goes_back_as_a_draft_and_says_whose_it_was() {
    let panel = Panel::new(Fake::lively());
    let backup = panel.get(Who::Owner, "/backup/kith-backup.tar.gz").await;
    assert_eq!(backup.header(header::CONTENT_TYPE), "application/gzip");
    assert!(backup.header(header::CONTENT_DISPOSITION).contains(".tar.gz\""));
    let settings = panel.get(Who::Owner, "/backup/settings.toml").await.text();
    let seen = hand_in(&panel, &backup.bytes).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text());
    assert!(seen.header(header::LOCATION).starts_with("/changes"));
    assert_eq!(drafts(&panel), [settings]);
    let page = panel.follow(Who::Owner, &seen).await.text();
    assert!(
        page.contains("The backup of <bdi>") && page.contains("What your draft changes"),
        "{page}"
    );
}

#[tokio::test]
async fn what_is_no_backup_is_said_in_words_and_changes_nothing() {
    let panel = Panel::new(Fake::lively());
    for (file, words) in [
        (&b"PK\x03\x04\0"[..], "neither a backup"),
        (&[0x1f, 0x8b, 8, 0][..], "damaged"),
        (&[b'#'; 200_000][..], "at most 1 MiB"),
    ] {
        let seen = hand_in(&panel, file).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(seen.text().contains(words), "{words}");
    }
    let seen = hand_in(&panel, &[b'#'; 2_000_000]).await;
    assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(drafts(&panel), Vec::<String>::new());
}

#[tokio::test]
async fn a_backup_is_for_the_owner_alone() {
    let panel = Panel::new(Fake::lively());
    for path in ["/backup/kith-backup.tar.gz", "/backup/settings.toml"] {
        assert_eq!(panel.get(Who::Member, path).await.status, StatusCode::FORBIDDEN);
        assert!(panel.get(Who::Visitor, path).await.status.is_client_error());
    }
}
