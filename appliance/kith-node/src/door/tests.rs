//! Folders through the door on a real store: what the panel uploads is what the command line adds.

use kith_core::unixfs::car::CarReader;
use kith_model::caller::{AccountRole, Principal};
use kith_model::command::{Command, Request};
use kith_model::reply::{Deed, FileEntry};
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

async fn ask_as(door: &Door, credential: &Credential, command: Command) -> Result<Reply, Refusal> {
    let request =
        Request { credential: credential.clone(), source: "192.168.77.20".into(), command };
    door.call(request).await
}

async fn who(door: &Door, credential: &Credential) -> Principal {
    match ask_as(door, credential, Command::WhoAmI).await {
        Ok(Reply::Principal(principal)) => principal,
        other => panic!("{other:?}"),
    }
}

/// A door, and the session of somebody with an account called Ben.
async fn open_with_ben() -> (Door, Credential, tempfile::TempDir) {
    let open = || {
        let mut bench = Bench::claimed();
        let ben = bench.member("Ben");
        (bench.open_door(), ben)
    };
    let ((door, _, state), ben) = tokio::task::spawn_blocking(open).await.unwrap();
    (door, ben, state)
}

#[tokio::test]
async fn whoever_is_signed_in_is_known_without_the_desk_and_as_the_desk_knows_them() {
    let (door, ben, _state) = open_with_ben().await;
    let at_door = who(&door, &ben).await;
    let request = Request { credential: ben.clone(), source: "x".into(), command: Command::WhoAmI };
    let at_desk = door.ask(request, BROWSER_PATIENCE).await.unwrap();
    assert_eq!(Reply::Principal(at_door.clone()), at_desk);
    door.desk.send(Message::Stop).await.unwrap();
    door.desk.closed().await;
    assert_eq!(who(&door, &ben).await, at_door);
    assert_eq!(who(&door, &Credential::Visitor).await, Principal::visitor());
    let wrong = Credential::Session("guess".into());
    assert!(ask_as(&door, &wrong, Command::WhoAmI).await.is_err(), "only the desk says no");
}

#[tokio::test]
async fn a_session_that_was_ended_is_nobodys_at_once() {
    let (door, ben, _state) = open_with_ben().await;
    for round in 0..2 {
        let activity = Command::Activity { space: None, limit: None };
        assert!(ask_as(&door, &ben, activity.clone()).await.is_ok());
        let session = who(&door, &ben).await.session.unwrap();
        let name = "Ben".to_owned();
        if round == 0 {
            let role = AccountRole::Owner;
            ask(&door, Command::AccountRole { name, role }).await;
            assert!(who(&door, &ben).await.is_owner(), "what one may do changes at once");
            continue;
        }
        ask(&door, Command::SessionRevoke { id: session }).await;
        assert_eq!(who(&door, &ben).await, Principal::visitor());
        let refused = ask_as(&door, &ben, activity).await.unwrap_err();
        assert_eq!(refused.kind, RefusalKind::SignIn, "not even what was kept for them");
    }
}

#[tokio::test]
async fn an_account_that_was_removed_sees_nothing_any_more() {
    let (door, ben, _state) = open_with_ben().await;
    assert!(ask_as(&door, &ben, Command::Peers).await.is_ok());
    ask(&door, Command::AccountRemove { name: "Ben".into() }).await;
    assert!(!who(&door, &ben).await.signed_in());
    assert_eq!(ask_as(&door, &ben, Command::Peers).await.unwrap_err().kind, RefusalKind::SignIn);
}

#[tokio::test]
async fn what_was_kept_is_never_older_than_what_one_was_told() {
    let (door, ben, _state) = open_with_ben().await;
    let activity = Command::Activity { space: None, limit: Some(3) };
    for n in 0..50 {
        let text = format!("notice {n}");
        ask(&door, Command::Post { space: None, text: text.clone(), re: None }).await;
        for _ in 0..2 {
            let seen = ask_as(&door, &ben, activity.clone()).await;
            let Ok(Reply::Activity(deeds)) = seen else { panic!("{seen:?}") };
            let newest = deeds.into_iter().next().unwrap().what;
            assert!(matches!(newest, Deed::Posted { text: t, .. } if t == text), "{n}");
        }
    }
}

#[tokio::test]
async fn what_is_kept_for_one_is_shown_to_no_other() {
    let (door, ben, _state) = open_with_ben().await;
    for command in [Command::Peers, Command::Activity { space: None, limit: None }, Command::Spaces]
    {
        assert!(ask_as(&door, &ben, command.clone()).await.is_ok());
        match ask_as(&door, &Credential::Visitor, command).await {
            Ok(Reply::Spaces(spaces)) => assert_eq!(spaces, []),
            other => assert_eq!(other.unwrap_err().kind, RefusalKind::SignIn),
        }
    }
}

#[tokio::test]
async fn a_ticket_is_given_only_while_a_change_waits_that_moves_the_panel() {
    use kith_model::network::ask::{LinkAnswer, MAX_MESSAGE, SOCKET};
    use kith_model::network::change::{ChangeState, ChangeStatus};

    let (door, ben, state) = open_with_ben().await;
    let owner = Command::AccountRole { name: "Ben".into(), role: AccountRole::Owner };
    ask(&door, owner).await;
    let link = kith_role::socket::bind(state.path(), SOCKET, MAX_MESSAGE).unwrap();
    let change = |seconds_left, moves_to: Option<&str>| ChangeStatus {
        id: 1,
        state: ChangeState::Applied,
        who: "Ben".into(),
        applied_at: None,
        seconds_left,
        ended_at: None,
        words: Vec::new(),
        reason: None,
        moves_to: moves_to.map(str::to_owned),
    };
    let to = Some("http://192.168.9.1/");
    let cases = [
        (None, false),
        (Some(change(Some(90), None)), false),
        (Some(change(None, to)), false),
        (Some(change(Some(90), to)), true),
    ];
    for (change, given) in cases {
        let serving = async {
            let mut channel = link.accept().await.unwrap();
            let (asked, _) = channel.receive::<LinkAsk>().await.unwrap().unwrap();
            assert_eq!((&*asked.who, asked.ask), ("Ben", NetworkAsk::Change));
            let answer: LinkAnswer = Ok(NetworkReply::Change(change));
            channel.send(&answer, &[]).await.unwrap();
        };
        let asking = ask_as(&door, &ben, Command::HandOver { seconds: 3_600 });
        let ((), answer) = tokio::join!(serving, asking);
        match answer {
            Ok(Reply::HandOver(_)) => assert!(given),
            Err(refusal) => assert!(!given && refusal.kind == RefusalKind::Conflict, "{refusal}"),
            Ok(other) => panic!("{other:?}"),
        }
    }
    let nobody = Command::HandOver { seconds: 60 };
    let refused = ask_as(&door, &Credential::Visitor, nobody).await.unwrap_err();
    assert_eq!(refused.kind, RefusalKind::SignIn, "and the network is not even asked");
}

#[tokio::test]
async fn whoever_drives_the_network_hears_from_where_somebody_asks() {
    use kith_model::network::ask::{LinkAnswer, MAX_MESSAGE, SOCKET};

    let (door, ben, state) = open_with_ben().await;
    let link = kith_role::socket::bind(state.path(), SOCKET, MAX_MESSAGE).unwrap();
    let serving = async {
        let mut channel = link.accept().await.unwrap();
        let (asked, _) = channel.receive::<LinkAsk>().await.unwrap().unwrap();
        let answer: LinkAnswer = Ok(NetworkReply::Change(None));
        channel.send(&answer, &[]).await.unwrap();
        asked.from
    };
    let asking = ask_as(&door, &ben, Command::Network(NetworkAsk::Change));
    let (from, answer) = tokio::join!(serving, asking);
    assert!(answer.is_ok());
    assert_eq!(from, Some([192, 168, 77, 20].into()));
}
