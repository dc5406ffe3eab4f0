//! The desk on a real store, without a network.

use kith_core::cid::Codec;
use kith_core::identity::NodeId;
use kith_files::RealFiles;
use kith_model::caller::{AccountRole, Scope};
use kith_model::reply;
use kith_proto::replica::Input;
use kith_proto::views::Views;
use kith_role::clock::SystemClock;
use tempfile::TempDir;

use super::*;
use crate::hub::{Facts, Identity};

mod asks;

use asks::{claim, files, login, post};

const GOOD: &str = "three old bicycles";

#[test]
fn the_first_start_makes_an_owner_and_a_space_and_the_second_none() {
    let mut bench = Bench::new();
    let spaces = bench.spaces(&Credential::Socket);
    assert_eq!(spaces.len(), 1);
    assert_eq!(spaces[0].role.as_deref(), Some("owner"));
    let mut again = bench.restart();
    assert_eq!(again.spaces(&Credential::Socket), spaces);
}

#[test]
fn a_fresh_box_has_no_notices_and_no_files() {
    let mut bench = Bench::new();
    let posts = bench.owner(Command::Posts { space: None, before: None, limit: None });
    assert_eq!(posts, Ok(Reply::Posts(Vec::new())));
    assert_eq!(bench.owner(files("")), Ok(Reply::Files(Vec::new())));
}

#[test]
fn the_claim_needs_the_secret_and_happens_once() {
    let mut bench = Bench::new();
    let wrong = bench.visitor(claim("0000-0000-0000")).unwrap_err();
    assert_eq!(wrong.kind, RefusalKind::WrongSecret);
    let Ok(Reply::LoggedIn(logged_in)) = bench.visitor(claim("abcd efgh jkmn")) else {
        panic!("the secret is right")
    };
    assert_eq!(logged_in.principal.account.as_deref(), Some("Ada"));
    let again = bench.visitor(claim("ABCD-EFGH-JKMN")).unwrap_err();
    assert_eq!(again.kind, RefusalKind::AlreadyClaimed);
    let Ok(Reply::Members(members)) = bench.owner(Command::Members { space: None }) else {
        panic!("the owner sees the members")
    };
    assert_eq!(members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["Ada"]);
}

#[test]
fn guessing_stops_after_five_tries() {
    let mut bench = Bench::claimed();
    let kinds: Vec<_> =
        (0..7).map(|_| bench.visitor(login("wrong wrong wrong")).unwrap_err().kind).collect();
    assert_eq!(kinds[..5], [RefusalKind::WrongSecret; 5]);
    assert_eq!(kinds[5..], [RefusalKind::TooMany; 2]);
    let locked_out = bench.visitor(login(GOOD)).unwrap_err();
    assert!(locked_out.retry_after.is_some());
}

#[test]
fn whether_a_name_exists_shows_in_no_words() {
    let mut bench = Bench::claimed();
    let known = bench.visitor(login("wrong wrong wrong")).unwrap_err();
    let unknown = bench.visitor(Command::Login {
        name: "Nobody".into(),
        passphrase: "wrong wrong wrong".into(),
        device: None,
        agent: String::new(),
    });
    assert_eq!(unknown, Err(known));
}

#[test]
fn a_visitor_sees_what_is_public_and_nothing_else() {
    let mut bench = Bench::claimed();
    bench.owner(post("for all")).unwrap();
    let posts = Command::Posts { space: None, before: None, limit: None };
    assert_eq!(bench.visitor(posts.clone()).unwrap_err().kind, RefusalKind::SignIn);
    assert_eq!(bench.spaces(&Credential::Visitor), []);
    let policy = Command::PolicySet { space: None, public: vec!["board".into()] };
    bench.owner(policy).unwrap();
    let Ok(Reply::Posts(seen)) = bench.visitor(posts) else { panic!("the board is public") };
    assert_eq!((seen.len(), seen[0].removable), (1, false));
    for hidden in [files(""), Command::Peers, Command::Members { space: None }] {
        assert_eq!(bench.visitor(hidden).unwrap_err().kind, RefusalKind::SignIn);
    }
}

#[test]
fn somebody_with_a_link_becomes_a_member_who_writes_but_does_not_rule() {
    let mut bench = Bench::claimed();
    let ben = bench.member("Ben");
    bench.owner(post("by Ada")).unwrap();
    let Ok(Reply::Posted(mine)) = bench.ask(&ben, post("by Ben")) else { panic!("Ben writes") };
    assert_eq!((mine.author_name.as_str(), mine.removable), ("Ben", true));
    let Ok(Reply::Posts(posts)) =
        bench.ask(&ben, Command::Posts { space: None, before: None, limit: None })
    else {
        panic!("Ben reads")
    };
    assert_eq!(posts.iter().map(|post| post.removable).collect::<Vec<_>>(), [true, false]);
    let theirs = Command::PostRemove { space: None, id: posts[1].id.clone() };
    assert_eq!(bench.ask(&ben, theirs).unwrap_err().kind, RefusalKind::NotAllowed);
    for ruling in [
        Command::PolicySet { space: None, public: vec![] },
        Command::AccountInvite,
        Command::SpaceCreate { name: "mine".into() },
    ] {
        assert_eq!(bench.ask(&ben, ruling).unwrap_err().kind, RefusalKind::NotAllowed);
    }
    bench.owner(Command::PostRemove { space: None, id: mine.id }).unwrap();
}

#[test]
fn a_token_does_what_its_scopes_say() {
    let mut bench = Bench::claimed();
    let scopes = vec![Scope::Read];
    let create = Command::TokenCreate { name: "reader".into(), scopes, days: None };
    let Ok(Reply::TokenCreated(made)) = bench.owner(create) else { panic!("the owner makes one") };
    let bearer = Credential::Bearer(made.secret);
    assert!(bench.ask(&bearer, files("")).is_ok());
    assert_eq!(bench.ask(&bearer, post("no")).unwrap_err().kind, RefusalKind::NotAllowed);
    let wrong = Credential::Bearer("kith_guess".into());
    assert_eq!(bench.ask(&wrong, files("")).unwrap_err().kind, RefusalKind::WrongSecret);
}

#[test]
fn content_is_named_only_where_it_was_brought() {
    let mut bench = Bench::claimed();
    let root = bench.bring(b"some bytes");
    let put = |path: &str, size| Command::FilePut {
        space: None,
        collection: None,
        path: path.into(),
        root: root.clone(),
        size,
        folder: false,
        mime: Some("text/plain".into()),
    };
    let Ok(Reply::File(entry)) = bench.owner(put("notes/a.txt", 10)) else {
        panic!("it was brought")
    };
    assert!(entry.complete && entry.author_name.as_deref() == Some("Ada"));
    for (path, size) in [("../a", 10), ("a\0b", 10), ("a", 11), (&"x".repeat(10_000), 10)] {
        assert_eq!(
            bench.owner(put(path, size)).unwrap_err().kind,
            RefusalKind::Invalid,
            "{path:.9}"
        );
    }
    let Ok(Reply::Space(other)) = bench.owner(Command::SpaceCreate { name: "Other".into() }) else {
        panic!("the owner makes a space")
    };
    let elsewhere = Command::FilePut {
        space: Some(other.id),
        collection: None,
        path: "a.txt".into(),
        root,
        size: 10,
        folder: false,
        mime: None,
    };
    assert_eq!(bench.owner(elsewhere).unwrap_err().kind, RefusalKind::Invalid);
}

#[test]
fn a_removed_file_comes_back_by_its_root() {
    let mut bench = Bench::claimed();
    let root = bench.bring(b"some bytes");
    let put = Command::FilePut {
        space: None,
        collection: None,
        path: "a.txt".into(),
        root,
        size: 10,
        folder: false,
        mime: None,
    };
    bench.owner(put.clone()).unwrap();
    let remove = Command::FileRemove { space: None, collection: None, path: "a.txt".into() };
    let Ok(Reply::File(removed)) = bench.owner(remove) else { panic!("it was there") };
    assert_eq!(bench.owner(files("")), Ok(Reply::Files(Vec::new())));
    assert!(matches!(&put, Command::FilePut { root, .. } if Some(root) == removed.root.as_ref()));
    bench.owner(put).unwrap();
    let Ok(Reply::Files(back)) = bench.owner(files("")) else { panic!("it is back") };
    assert_eq!(back.len(), 1);
}

#[test]
fn invites_and_bad_codes_are_answered_in_words() {
    let mut bench = Bench::claimed();
    let invite = Command::Invite { space: None, many: false, days: None };
    let Ok(Reply::Invite(invite)) = bench.owner(invite) else { panic!("the owner invites") };
    let own = bench.owner(Command::Join { code: invite.code.clone() });
    assert!(own.is_ok(), "this box is in the space already");
    for (code, kind) in
        [("hello", RefusalKind::BadInvite), (&invite.code[..90], RefusalKind::BadInvite)]
    {
        assert_eq!(bench.owner(Command::Join { code: code.into() }).unwrap_err().kind, kind);
    }
    let forever = Command::Invite { space: None, many: true, days: Some(31) };
    assert_eq!(bench.owner(forever).unwrap_err().kind, RefusalKind::Invalid);
}

#[test]
fn a_mistyped_notice_is_no_trouble_with_the_disk() {
    let mut bench = Bench::claimed();
    assert_eq!(bench.owner(post("   ")).unwrap_err().kind, RefusalKind::Invalid);
    assert_eq!(bench.owner(post(&"x".repeat(9_999))).unwrap_err().kind, RefusalKind::Invalid);
    let Ok(Reply::Status(status)) = bench.owner(Command::Status) else { panic!("a status") };
    assert_eq!(status.alerts, []);
}

#[test]
fn a_token_of_one_scope_may_ask_who_it_is_and_makes_no_others() {
    let mut bench = Bench::claimed();
    for scope in [Scope::Metrics, Scope::Write, Scope::Admin] {
        let create = Command::TokenCreate { name: "x".into(), scopes: vec![scope], days: None };
        let Ok(Reply::TokenCreated(made)) = bench.owner(create.clone()) else { panic!("made") };
        let bearer = Credential::Bearer(made.secret);
        assert!(bench.ask(&bearer, Command::WhoAmI).is_ok());
        assert_eq!(bench.ask(&bearer, create).unwrap_err().kind, RefusalKind::NotAllowed);
    }
}

#[test]
fn whoever_holds_the_box_stays_its_owner() {
    let mut bench = Bench::claimed();
    bench.member("Ben");
    bench.owner(Command::AccountRole { name: "Ben".into(), role: AccountRole::Owner }).unwrap();
    bench.owner(Command::AccountRole { name: "Ada".into(), role: AccountRole::Member }).unwrap();
    bench.owner(Command::AccountRole { name: "Ada".into(), role: AccountRole::Owner }).unwrap();
}

#[test]
fn a_record_of_one_space_does_not_open_the_content_of_another() {
    let mut bench = Bench::claimed();
    let root = bench.bring(b"only for the first space");
    let own = bench.desk.default_space().unwrap();
    let Ok(Reply::Space(other)) = bench.owner(Command::SpaceCreate { name: "Other".into() }) else {
        panic!("the owner makes a space")
    };
    // As it would come from another box, which does not ask this one.
    let space: SpaceId = other.id.parse().unwrap();
    let owner = bench.desk.accounts.owner().unwrap();
    let key = bench.desk.key_of(&owner).unwrap();
    let class = kith_core::record::Class::files("shared").unwrap();
    let body = kith_core::body::Body::Put {
        path: "stolen.txt".into(),
        root: root.parse().unwrap(),
        size: 24,
        folder: false,
        mime: None,
    };
    bench.desk.pen.write(&key, (Some(space), class), body).unwrap();
    let read = |space: &SpaceId| {
        let of = (&bench.desk.store, space);
        crate::content::give::file(of, (root.parse().unwrap(), 0..24), &mut |_| Ok(()))
    };
    assert!(matches!(read(&space), Err(crate::content::ContentError::NotHere(_))));
    assert!(read(&own).is_ok(), "its own space reads it");
}

#[test]
fn a_join_that_broke_off_before_its_record_begins_again_and_only_then() {
    let mut bench = Bench::claimed();
    let terms = kith_core::invite::Terms {
        space: SpaceId([9; 32]),
        many: false,
        not_before: UnixTime::default(),
        expires: UnixTime::from_millis(u64::MAX >> 20),
        nonce: [2; 16],
    };
    let contact = kith_core::invite::Contact { node: NodeId([8; 32]), addresses: Vec::new() };
    let key = |seed| kith_core::identity::SecretKey::from_seed(&[seed; 32]);
    let code = kith_core::invite::Invite::issue(&key(1), key(5), &terms, contact).to_string();
    let joining = Some(code.clone());
    let entry = crate::ledger::SpaceEntry { since: UnixTime::default(), own: false, joining };
    let change = crate::ledger::set(crate::ledger::space_key(&terms.space), &entry);
    crate::ledger::write(&bench.desk.store, &[change]).unwrap();
    let begun = |bench: &mut Bench| {
        while bench.facts.try_recv().is_ok() {}
        let (reply, _answered) = oneshot::channel();
        let command = Command::Join { code: code.clone() };
        let source = "socket".to_owned();
        let request = Request { credential: Credential::Socket, source, command };
        bench.desk.take(Message::Ask(Box::new(request), reply));
        matches!(bench.facts.try_recv(), Ok(Input::JoinStarted { .. }))
    };
    assert!(begun(&mut bench), "it was never asked for");
    assert!(!begun(&mut bench), "it is asked for once");
}

#[test]
fn what_is_written_reaches_the_network_side_after_it_is_durable() {
    let mut bench = Bench::claimed();
    while bench.facts.try_recv().is_ok() {}
    bench.owner(post("hello")).unwrap();
    let Ok(Input::Authored { record }) = bench.facts.try_recv() else { panic!("the hub is told") };
    assert!(bench.desk.store.has_record(&record.id()).unwrap());
}

pub(crate) struct Bench {
    desk: Desk,
    messages: mpsc::Receiver<Message>,
    facts: mpsc::Receiver<Input>,
    look: crate::recall::Recall,
    state: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    pub(crate) fn claimed() -> Self {
        let mut bench = Self::new();
        bench.visitor(claim("ABCD-EFGH-JKMN")).unwrap();
        bench
    }

    /// A door to this desk, which works on a thread of its own until the door is gone; and the store.
    pub(crate) fn open_door(self) -> (crate::door::Door, Store, TempDir) {
        let Self { desk, messages, look, state, .. } = self;
        let store = desk.store.clone();
        let router = crate::router::Router::new(state.path().to_owned());
        let (ear, _) = crate::pace::pair();
        let (gate, _) = crate::gate::pair(kith_model::role::Mode::Tryout, look.status.clone());
        let door =
            crate::door::Door::new(desk.queue.clone(), look, store.clone(), (router, gate, ear));
        std::thread::spawn(move || desk.run(messages));
        (door, store, state)
    }

    fn restart(self) -> Self {
        let Self { desk, state, .. } = self;
        drop(desk);
        Self::on(state)
    }

    fn on(state: TempDir) -> Self {
        let files: Arc<dyn Files> = Arc::new(RealFiles::new());
        let options = kith_store::Options::default();
        let store =
            Store::open(Arc::clone(&files), state.path(), Arc::new(Views), &options, &mut |_| ());
        let store = store.unwrap();
        let (facts, for_hub) = mpsc::channel(256);
        let (queue, messages) = mpsc::channel(QUEUE);
        let identity = Identity {
            node: NodeId([7; 32]),
            port: 7_000,
            panel: "http://127.0.0.1:8480/".into(),
            started: UnixTime::default(),
        };
        // A runtime is entered only for the monotonic clock.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let clock = {
            let _entered = runtime.enter();
            SystemClock::start()
        };
        let clock = Arc::new(Clock::resume(clock, &store));
        let (published, look) = crate::recall::pair(Arc::clone(&clock));
        let parts = Parts {
            clock,
            store,
            files,
            state: state.path().to_owned(),
            hub: HubHandle::new(facts, Arc::new(Facts::default()), identity),
            queue,
            published,
            claim: Some("ABCD-EFGH-JKMN".into()),
        };
        let mut desk = Desk::open(parts).unwrap();
        desk.cost = Cost { memory: 64, passes: 1 };
        Self { desk, messages, facts: for_hub, look, state }
    }

    fn ask(&mut self, credential: &Credential, command: Command) -> Result<Reply, Refusal> {
        let (reply, mut answered) = oneshot::channel();
        let source = "192.168.77.20".to_owned();
        let request = Request { credential: credential.clone(), source, command };
        self.desk.take(Message::Ask(Box::new(request), reply));
        loop {
            match answered.try_recv() {
                Ok(answer) => return answer,
                Err(oneshot::error::TryRecvError::Closed) => panic!("the desk dropped the command"),
                // The passphrase is being hashed.
                Err(oneshot::error::TryRecvError::Empty) => {
                    let message = self.messages.blocking_recv().unwrap();
                    self.desk.take(message);
                }
            }
        }
    }

    fn owner(&mut self, command: Command) -> Result<Reply, Refusal> {
        self.ask(&Credential::Socket, command)
    }

    fn visitor(&mut self, command: Command) -> Result<Reply, Refusal> {
        self.ask(&Credential::Visitor, command)
    }

    fn spaces(&mut self, credential: &Credential) -> Vec<reply::Space> {
        match self.ask(credential, Command::Spaces) {
            Ok(Reply::Spaces(spaces)) => spaces,
            other => panic!("{other:?}"),
        }
    }

    /// Somebody with an account of their own.
    pub(crate) fn member(&mut self, name: &str) -> Credential {
        let Ok(Reply::AccountInvite(link)) = self.owner(Command::AccountInvite) else {
            panic!("the owner makes links")
        };
        let join = Command::AccountJoin {
            secret: link.secret,
            name: name.into(),
            passphrase: GOOD.into(),
        };
        match self.visitor(join) {
            Ok(Reply::LoggedIn(logged_in)) => Credential::Session(logged_in.session),
            other => panic!("{other:?}"),
        }
    }

    /// Brings content into the default space; answers its root.
    fn bring(&self, bytes: &[u8]) -> String {
        let space = self.desk.default_space().unwrap();
        let mut bring = crate::content::bring::Bring::new(&self.desk.store, space);
        let imported = bring.file(bytes, &mut |_| ()).unwrap();
        bring.finish().unwrap();
        assert_eq!(imported.root.codec(), Codec::Raw);
        imported.root.to_string()
    }
}
