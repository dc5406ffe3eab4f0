//! Folders through the door on a real store: what the panel uploads is what the command line adds.

use kith_core::unixfs::car::CarReader;
use kith_model::command::{Command, Request};
use kith_model::reply::FileEntry;
use kith_webui::backend::Piece;

use super::*;
use crate::desk::tests::Bench;

/// A door to a claimed box; what it drops at the end is the box's folder.
async fn open() -> (Door, Store, tempfile::TempDir) {
    tokio::task::spawn_blocking(|| Bench::claimed().open_door()).await.unwrap()
}

async fn ask(door: &Door, command: Command) -> Reply {
    let request = Request { credential: Credential::Socket, source: "socket".into(), command };
    door.call(request).await.unwrap()
}

fn put(path: &str, written: &Written) -> Command {
    Command::FilePut {
        space: None,
        collection: None,
        path: path.into(),
        root: written.root.to_string(),
        size: written.size,
        folder: true,
        mime: None,
    }
}

async fn list(door: &Door, path: &str, after: Option<&str>) -> Vec<FileEntry> {
    let (path, after) = (Some(path.to_owned()), after.map(str::to_owned));
    let command = Command::Files { space: None, collection: None, path, after, limit: Some(1_000) };
    let Reply::Files(entries) = ask(door, command).await else { panic!("a list") };
    entries
}

async fn bytes(door: &Door, path: &str, range: Range<u64>) -> Vec<u8> {
    let command = Command::File { space: None, collection: None, path: path.into() };
    let Reply::File(entry) = ask(door, command).await else { panic!("a file") };
    assert!(entry.complete && !entry.folder, "{path}");
    let root = entry.root.unwrap().parse().unwrap();
    let pieces: Vec<_> = door.read(entry.space, root, range).await.unwrap().collect().await;
    pieces.into_iter().flat_map(Result::unwrap).collect()
}

fn parts(files: Vec<(String, Vec<u8>)>) -> Parts {
    let pieces = files.into_iter().flat_map(|(path, content)| {
        let bytes: Vec<_> = content.chunks(70_000).map(Bytes::copy_from_slice).collect();
        std::iter::once(Piece::File(path)).chain(bytes.into_iter().map(Piece::Bytes))
    });
    futures_util::stream::iter(pieces.map(Ok)).boxed()
}

#[tokio::test]
async fn a_folder_is_one_record_listed_served_in_parts_and_exported() {
    let (door, store, _state) = open().await;
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut files: Vec<_> =
        (0..1_500).map(|n| (format!("trip/days/{n:04}.txt"), format!("day {n}").into())).collect();
    files.push(("trip/film.bin".into(), large.clone()));
    let before = store.counts().records;
    let made = door.write_folders(Credential::Socket, None, parts(files)).await.unwrap();
    assert_eq!(store.counts().records, before, "nothing has a name yet");
    let [(name, written)] = &made[..] else { panic!("one folder: {made:?}") };
    assert_eq!(name, "trip");
    let Reply::File(entry) = ask(&door, put("holidays/trip", written)).await else { panic!() };
    assert_eq!(store.counts().records, before + 1);
    assert!(entry.folder && entry.complete && entry.size == written.size);

    let listed = list(&door, "holidays/trip", None).await;
    let names: Vec<_> = listed.iter().map(|e| (&*e.path, e.folder)).collect();
    assert_eq!(names, [("holidays/trip/days", true), ("holidays/trip/film.bin", false)]);
    let mut days = list(&door, "holidays/trip/days", None).await;
    assert_eq!(days.len(), 1_000);
    days.extend(list(&door, "holidays/trip/days", Some("0999.txt")).await);
    assert_eq!(days.len(), 1_500);
    for n in [0, 777, 1_499] {
        let path = format!("holidays/trip/days/{n:04}.txt");
        assert_eq!(days[n].path, path);
        let text = format!("day {n}").into_bytes();
        assert_eq!(bytes(&door, &path, 0..text.len() as u64).await, text);
        assert_eq!(bytes(&door, &path, 2..5).await, text[2..5]);
    }
    let part = bytes(&door, "holidays/trip/film.bin", 1_048_000..1_049_000).await;
    assert_eq!(part, large[1_048_000..1_049_000], "across two blocks");

    let space = entry.space.parse().unwrap();
    let mut exported = Vec::new();
    give::export((&store, &space), written.root, &mut exported, &mut |_| ()).unwrap();
    let mut reader = CarReader::new();
    reader.push(&exported);
    let mut blocks = 0;
    while reader.next_block().unwrap().is_some() {
        blocks += 1;
    }
    assert_eq!(reader.roots(), [written.root]);
    // Two directories, a file of three leaves and its node, and the days.
    assert_eq!(blocks, 2 + 4 + 1_500);
    reader.finish().unwrap();
}

#[tokio::test]
async fn a_folder_that_breaks_off_leaves_no_record_and_gives_its_place_back() {
    let (door, store, _state) = open().await;
    let before = store.counts().records;
    for _ in 0..2 * FOLDERS {
        let piece = Piece::File("trip/a.txt".into());
        let broken = [Ok(piece), Err(std::io::ErrorKind::UnexpectedEof.into())];
        let parts = futures_util::stream::iter(broken).boxed();
        assert!(door.write_folders(Credential::Socket, None, parts).await.is_err());
    }
    // Somebody who hangs up in the middle.
    for _ in 0..2 * FOLDERS {
        let endless = futures_util::stream::iter([Ok(Piece::File("trip/a.txt".into()))])
            .chain(futures_util::stream::pending())
            .boxed();
        let begun = door.write_folders(Credential::Socket, None, endless);
        assert!(tokio::time::timeout(Duration::from_millis(50), begun).await.is_err());
    }
    let files = vec![("trip/a.txt".to_owned(), b"one".to_vec())];
    assert!(door.write_folders(Credential::Socket, None, parts(files)).await.is_ok());
    assert_eq!(store.counts().records, before);
}

#[tokio::test]
async fn a_visitor_writes_no_folder() {
    let (door, store, _state) = open().await;
    let files = vec![("trip/a.txt".to_owned(), b"one".to_vec())];
    let refused = door.write_folders(Credential::Visitor, None, parts(files)).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::SignIn);
    assert_eq!(store.counts().blocks, 0);
}
