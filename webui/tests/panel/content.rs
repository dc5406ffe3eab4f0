//! Files in and out: ranges, versions, hostile contents, uploads of every kind.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use futures_util::stream;
use kith_model::command::Command;

use crate::client::{HOST, Panel, Seen, Who, from_our_page, multipart, multipart_of_files};
use crate::fake::{Fake, SPACE, TOKEN, picture};

const NOTES: &str = "/raw/shared/emergency/phone%20numbers.txt";

async fn upload(panel: &Panel, who: Who, fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Seen {
    let (kind, body) = multipart(who.form(), fields, files);
    // In small pieces, as a slow line would bring them.
    let pieces: Vec<Result<Bytes, std::io::Error>> =
        body.chunks(37).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let request = from_our_page(Request::post("/upload"), who).header("content-type", kind);
    panel.send(request.body(Body::from_stream(stream::iter(pieces))).unwrap()).await
}

#[tokio::test]
async fn files_are_served_whole_and_in_parts() {
    let panel = Panel::new(Fake::lively());
    let whole = panel.get(Who::Owner, NOTES).await;
    assert_eq!((whole.status, whole.bytes.len()), (StatusCode::OK, 1_840));
    assert_eq!(whole.header(header::CONTENT_LENGTH), "1840");
    assert_eq!(whole.header(header::ACCEPT_RANGES), "bytes");
    let etag = whole.header(header::ETAG).to_owned();
    assert!(etag.starts_with("\"bafk"), "{etag}");
    let part = panel.get_with(Who::Owner, NOTES, &[("range", "bytes=1000-")]).await;
    assert_eq!((part.status, part.bytes.len()), (StatusCode::PARTIAL_CONTENT, 840));
    assert_eq!(part.header(header::CONTENT_RANGE), "bytes 1000-1839/1840");
    let beyond = panel.get_with(Who::Owner, NOTES, &[("range", "bytes=1840-")]).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.header(header::CONTENT_RANGE), "bytes */1840");
    let same = panel.get_with(Who::Owner, NOTES, &[("if-none-match", &etag)]).await;
    assert_eq!((same.status, same.bytes.len()), (StatusCode::NOT_MODIFIED, 0));
    let other =
        panel.get_with(Who::Owner, NOTES, &[("if-range", "\"old\""), ("range", "bytes=0-1")]).await;
    assert_eq!((other.status, other.bytes.len()), (StatusCode::OK, 1_840));
    let head = Request::head(NOTES).header("host", HOST).header("cookie", Who::Owner.cookie());
    let head = panel.send(head.body(Body::empty()).unwrap()).await;
    assert_eq!((head.status, head.bytes.len()), (StatusCode::OK, 0));
    assert_eq!(head.header(header::CONTENT_LENGTH), "1840");
}

#[tokio::test]
async fn only_pictures_are_shown_in_place_and_nothing_runs() {
    let panel = Panel::new(Fake::lively());
    let shown = panel.get(Who::Owner, "/raw/shared/map%20of%20the%20street.png").await;
    assert_eq!(shown.header(header::CONTENT_TYPE), "image/png");
    assert!(shown.header(header::CONTENT_DISPOSITION).starts_with("inline;"));
    let saved = panel.get(Who::Owner, "/raw/shared/map%20of%20the%20street.png?save=1").await;
    assert!(saved.header(header::CONTENT_DISPOSITION).starts_with("attachment;"));
    let hostile: [(&str, &[u8]); 4] = [
        ("x.html", b"<script>alert(1)</script>"),
        ("x.svg", b"<svg onload='alert(1)'/>"),
        ("x.png", b"<html><script>alert(1)"),
        ("x.js", b"alert(1)//aaaaaa"),
    ];
    for (name, content) in hostile {
        upload(&panel, Who::Owner, &[("collection", "shared")], &[(name, content)]).await;
        let seen = panel.get(Who::Owner, &format!("/raw/shared/{name}")).await;
        assert_eq!(seen.header(header::CONTENT_TYPE), "application/octet-stream", "{name}");
        assert!(seen.header(header::CONTENT_DISPOSITION).starts_with("attachment;"), "{name}");
        assert_eq!(
            seen.header(header::CONTENT_SECURITY_POLICY),
            "sandbox; default-src 'none'",
            "{name}"
        );
        assert_eq!(seen.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{name}");
    }
}

#[tokio::test]
async fn what_is_not_here_yet_says_how_much_is() {
    let panel = Panel::new(Fake::lively());
    let seen = panel.get(Who::Owner, "/raw/shared/street-party.mp4").await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(seen.text().contains("137 MB of 412 MB"));
    assert!(
        panel
            .get(Who::Owner, "/files/shared/street-party.mp4")
            .await
            .text()
            .contains("137 MB of 412 MB here")
    );
    assert_eq!(panel.get(Who::Visitor, NOTES).await.status, StatusCode::NOT_FOUND);
    assert_eq!(panel.get(Who::Owner, "/raw/shared/emergency").await.status, StatusCode::NOT_FOUND);
}

type Put = (String, u64, bool);

/// What was given a name: its path, its size, and whether it is a folder.
fn puts(panel: &Panel) -> Vec<Put> {
    let commands = panel.fake.commands().into_iter();
    let puts = commands.filter_map(|command| match command {
        Command::FilePut { path, size, folder, .. } => Some((path, size, folder)),
        _ => None,
    });
    puts.collect()
}

#[tokio::test]
async fn several_files_and_folders_go_up_in_one_form() {
    let panel = Panel::new(Fake::lively());
    let large = vec![7_u8; 300_000];
    let files: [(&str, &[u8]); 7] = [
        ("a b.txt", b"one"),
        ("trip/day 1/b.bin", &large),
        ("music/o.ogg", b"la"),
        ("C:\\fakepath\\ü.txt", b""),
        ("trip/e\u{301}.txt", b"two"),
        ("", b""),
        ("trip/day 2/c.txt", b"three"),
    ];
    let fields = [("collection", "shared"), ("folder", "emergency")];
    let seen = upload(&panel, Who::Member, &fields, &files).await;
    let page = panel.follow(Who::Member, &seen).await.text();
    assert!(page.contains("<bdi>4</bdi> files and folders are up."), "{page}");
    assert_eq!(
        puts(&panel),
        [
            ("emergency/a b.txt".into(), 3, false),
            ("emergency/ü.txt".into(), 0, false),
            ("emergency/music".into(), 2, true),
            ("emergency/trip".into(), 300_008, true),
        ]
    );
    let back = panel.get(Who::Owner, "/raw/shared/emergency/trip/day%201/b.bin").await;
    assert_eq!(back.bytes, large);
    let back = panel.get(Who::Owner, "/raw/shared/emergency/trip/%C3%A9.txt").await;
    assert_eq!(back.text(), "two", "under its normal form");
}

#[tokio::test]
async fn a_folder_is_one_record_however_many_files_it_has() {
    let panel = Panel::new(Fake::lively());
    let names: Vec<String> = (0..2_000).map(|n| format!("photos/{}/{n}.jpg", n % 7)).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b"pixels"[..])).collect();
    let seen = upload(&panel, Who::Member, &[("collection", "shared")], &files).await;
    assert!(panel.follow(Who::Member, &seen).await.text().contains("<bdi>photos (2)</bdi>"));
    // The street has loose pictures in “photos”, which must not vanish behind the folder.
    assert_eq!(puts(&panel), [("photos (2)".into(), 12_000, true)]);
    let seen = upload(&panel, Who::Member, &[("collection", "shared")], &[("trip/a", b"x")]).await;
    assert!(panel.follow(Who::Member, &seen).await.text().contains("<bdi>trip</bdi> is up."));
}

#[tokio::test]
async fn a_folder_that_is_wrong_or_breaks_off_gets_no_name() {
    let long = format!("trip/{}", "x".repeat(256));
    let deep = format!("trip/{}", ["d"; 65].join("/"));
    for (bad, says) in [
        ("trip/../../etc/passwd", "no good name"),
        ("trip/a\u{1}", "no good name"),
        ("trip/a\u{0}", "no good name"),
        ("trip/a\\b", "no good name"),
        ("trip//a", "no good name"),
        (&long, "no good name"),
        (&deep, "64 folders deep"),
        ("trip/good.txt", "are called “good.txt”"),
    ] {
        let panel = Panel::new(Fake::lively());
        let files: [(&str, &[u8]); 3] = [("trip/good.txt", b"x"), (bad, b"y"), ("trip/z", b"z")];
        let seen = upload(&panel, Who::Owner, &[], &files).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad:?}");
        assert!(seen.text().contains(says), "{bad:?}: {}", seen.text());
        assert!(panel.fake.commands().is_empty(), "{bad:?}");
    }
    let panel = Panel::new(Fake::lively());
    let (kind, body) = multipart(
        Who::Owner.form(),
        &[("collection", "shared")],
        &[("trip/a.txt", &[b'x'; 5_000]), ("trip/b.txt", &[b'y'; 5_000])],
    );
    for end in [400, 3_000, 5_300, 8_000, body.len() - 10] {
        let request = from_our_page(Request::post("/upload"), Who::Owner)
            .header("content-type", kind.clone());
        let seen = panel.send(request.body(Body::from(body[..end].to_vec())).unwrap()).await;
        assert!(seen.status.is_client_error(), "cut at {end}: {}", seen.status);
    }
    assert!(panel.fake.commands().is_empty());
    assert!(panel.fake.world.lock().unwrap().written.is_empty());
}

#[tokio::test]
async fn more_than_a_folder_may_hold_is_refused_in_words() {
    let panel = Panel::new(Fake::lively());
    let seen = upload(&panel, Who::Owner, &[("count", "50001")], &[("trip/a", b"x")]).await;
    assert!(seen.text().contains("more than 50,000 files"), "{}", seen.text());
    let many: Vec<String> = (0..101).map(|n| format!("f{n}/a")).collect();
    let files: Vec<(&str, &[u8])> = many.iter().map(|name| (&**name, &b"x"[..])).collect();
    let seen = upload(&panel, Who::Owner, &[], &files).await;
    assert!(seen.text().contains("more than 100 folders"), "{}", seen.text());
    panel.fake.world.lock().unwrap().room = Some(1_000);
    let seen = upload(&panel, Who::Owner, &[], &[("trip/big", &vec![1; 200_000])]).await;
    assert_eq!(seen.status, StatusCode::INSUFFICIENT_STORAGE);
    assert!(panel.fake.commands().is_empty());
}

#[tokio::test]
async fn a_program_puts_a_folder_in_place_of_what_is_there() {
    let panel = Panel::new(Fake::lively());
    let put = async |files: &[(&str, &[u8])]| {
        let (kind, body) = multipart_of_files(files);
        let request = Request::put("/api/v1/folders/shared/notes/2026")
            .header("host", HOST)
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", kind);
        panel.send(request.body(Body::from(body)).unwrap()).await
    };
    for _ in 0..2 {
        let seen = put(&[("a.txt", b"one"), ("may/b.txt", b"two")]).await;
        assert_eq!(seen.status, StatusCode::CREATED, "{}", seen.text());
        assert_eq!(
            (&seen.json()["path"], &seen.json()["folder"]),
            (&"notes/2026".into(), &true.into())
        );
        assert_eq!(seen.header(header::LOCATION), "/api/v1/folders/shared/notes/2026");
    }
    assert_eq!(puts(&panel), [("notes/2026".into(), 6, true), ("notes/2026".into(), 6, true)]);
    let seen = panel.get(Who::Owner, "/raw/shared/notes/2026/may/b.txt").await;
    assert_eq!(seen.text(), "two");
    for (files, says) in [
        (&[][..], "at least one file"),
        (&[("", &b"x"[..])][..], "no filename"),
        (&[("../a", &b"x"[..])][..], "no good name"),
        (&[("a", &b"x"[..]), ("a/b", b"y")][..], "are called"),
    ] {
        let seen = put(files).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY, "{files:?}");
        assert!(seen.text().contains(says), "{files:?}: {}", seen.text());
    }
    assert_eq!(puts(&panel).len(), 2);
}

#[tokio::test]
async fn a_new_collection_begins_at_its_top() {
    let panel = Panel::new(Fake::lively());
    let fields = [("collection", "shared"), ("folder", "emergency"), ("new_collection", " seeds ")];
    let seen = upload(&panel, Who::Owner, &fields, &[("bean.png", &picture())]).await;
    assert!(
        seen.header(header::LOCATION).starts_with("/files/seeds?f="),
        "{}",
        seen.header(header::LOCATION)
    );
    assert!(
        matches!(panel.fake.commands().last(), Some(Command::FilePut { collection: Some(name), path, mime: Some(mime), .. }) if name == "seeds" && path == "bean.png" && mime == "image/png")
    );
}

#[tokio::test]
async fn uploads_that_are_wrong_leave_nothing_behind() {
    let panel = Panel::new(Fake::lively());
    for (file, status) in
        [("../../etc/passwd", 422), ("a/../b", 422), ("bad\u{1}name", 422), (".", 422)]
    {
        let seen = upload(&panel, Who::Owner, &[], &[(file, b"x")]).await;
        assert_eq!(seen.status.as_u16(), status, "{file}");
    }
    let seen = upload(&panel, Who::Owner, &[], &[]).await;
    assert!(seen.text().contains("no file was chosen"));
    panel.fake.world.lock().unwrap().room = Some(1_000);
    let seen = upload(&panel, Who::Owner, &[], &[("big.bin", &vec![1; 200_000])]).await;
    assert_eq!(seen.status, StatusCode::INSUFFICIENT_STORAGE);
    assert!(seen.text().contains("There is no room for this"));
    assert!(
        panel.fake.commands().is_empty() && panel.fake.world.lock().unwrap().written.is_empty()
    );
}

#[tokio::test]
async fn a_form_that_breaks_off_names_no_file() {
    let panel = Panel::new(Fake::lively());
    let (kind, body) =
        multipart(Who::Owner.form(), &[("collection", "shared")], &[("a.txt", &[b'x'; 5_000])]);
    for end in [10, 200, 400, 3_000, body.len() - 10] {
        let request = from_our_page(Request::post("/upload"), Who::Owner)
            .header("content-type", kind.clone());
        let seen = panel.send(request.body(Body::from(body[..end].to_vec())).unwrap()).await;
        assert!(seen.status.is_client_error(), "cut at {end}: {}", seen.status);
    }
    assert!(panel.fake.commands().is_empty());
}

#[tokio::test]
async fn no_byte_of_a_file_is_taken_before_the_token() {
    let panel = Panel::new(Fake::lively());
    let boundary = "X";
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nhello\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{}\r\n--{boundary}--\r\n",
        Who::Owner.form()
    );
    let request = from_our_page(Request::post("/upload"), Who::Owner)
        .header("content-type", "multipart/form-data; boundary=X");
    let seen = panel.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN);
    assert!(panel.fake.world.lock().unwrap().written.is_empty());
}

#[tokio::test]
async fn what_cannot_fit_is_refused_before_it_is_sent() {
    let panel = Panel::new(Fake::lively());
    // Whoever read this would never come to an end.
    let endless =
        stream::iter((0_u64..).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 1 << 16]))));
    let request = Request::put("/api/v1/content/shared/huge.bin")
        .header("host", HOST)
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-length", (1_u64 << 40).to_string());
    let seen = panel.send(request.body(Body::from_stream(endless)).unwrap()).await;
    assert_eq!(seen.status, StatusCode::INSUFFICIENT_STORAGE);
    assert!(panel.fake.world.lock().unwrap().written.is_empty());
}

#[tokio::test]
async fn a_program_puts_and_gets_bytes() {
    let panel = Panel::new(Fake::lively());
    let path = "/api/v1/content/shared/notes/caf%C3%A9.txt";
    let request = |method: &str, body: Body| {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", HOST)
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(body)
            .unwrap()
    };
    let put = panel.send(request("PUT", Body::from("crème"))).await;
    assert_eq!(put.status, StatusCode::CREATED, "{}", put.text());
    assert_eq!(put.json()["path"], "notes/café.txt");
    let got = panel.send(request("GET", Body::empty())).await;
    assert_eq!(got.text(), "crème");
    assert_eq!(got.header(header::CONTENT_TYPE), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn bytes_are_read_in_the_space_their_entry_is_in() {
    let panel = Panel::new(Fake::lively());
    let picture = "/raw/shared/map%20of%20the%20street.png";
    let content = "/api/v1/content/shared/map%20of%20the%20street.png";
    let paths = [picture.to_owned(), format!("{picture}?save=1"), content.to_owned()];
    for (space, status) in [(SPACE, StatusCode::OK), ("bafyother", StatusCode::NOT_FOUND)] {
        for entry in panel.fake.world.lock().unwrap().files.values_mut() {
            entry.space = space.into();
        }
        for path in &paths {
            assert_eq!(panel.get(Who::Owner, path).await.status, status, "{path} in {space}");
        }
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_is_refused_before_a_byte_is_taken() {
    for (path, says) in [
        ("/api/v1/content/Bad%20Name/a.txt", "a collection"),
        ("/api/v1/content/shared/a/..%2Fb", "path"),
        ("/api/v1/content/shared/a%01b", "path"),
    ] {
        let panel = Panel::new(Fake::lively());
        let unread =
            stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, std::io::Error>>> {
                panic!("the body was read")
            });
        let request = Request::put(path)
            .header("host", HOST)
            .header("authorization", format!("Bearer {TOKEN}"));
        let seen = panel.send(request.body(Body::from_stream(unread)).unwrap()).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert!(seen.text().contains(says), "{path}: {}", seen.text());
    }
    let panel = Panel::new(Fake::lively());
    for fields in [[("collection", "Bad Name")], [("new_collection", "../x")]] {
        let seen = upload(&panel, Who::Owner, &fields, &[("a.txt", b"hello")]).await;
        assert_eq!(seen.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
    }
    let world = panel.fake.world.lock().unwrap();
    assert!(world.written.is_empty() && world.commands.is_empty());
}
