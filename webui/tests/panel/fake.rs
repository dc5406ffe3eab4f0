//! A node that only pretends: it keeps what it is told in memory and remembers every command.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use kith_core::cid::{Cid, Codec};
use kith_model::caller::{AccountRole, Credential, Principal, Scope};
use kith_model::command::{Command, Request, Right};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::*;
use kith_model::status::*;
use kith_webui::backend::{Backend, Pieces, Written};
use tokio::sync::watch;

/// The present of every fake, in milliseconds since 1970: far ahead, so that the panel's own clock
/// never is later.
pub(crate) const NOW: u64 = 4_102_444_800_000;

const HOUR: u64 = 3_600_000;
pub(crate) const OWNER: &str = "owner-session-secret";
pub(crate) const MEMBER: &str = "member-session-secret";
pub(crate) const OWNER_FORM: &str = "owner-form-token-aaaaa";
pub(crate) const MEMBER_FORM: &str = "member-form-token-bbbb";
pub(crate) const TOKEN: &str = "good-bearer-token";
pub(crate) const CLAIM: &str = "ABCD-EFGH-JKMN";

#[derive(Default)]
pub(crate) struct World {
    pub(crate) status: Status,
    pub(crate) posts: Vec<Post>,
    pub(crate) files: BTreeMap<String, FileEntry>,
    pub(crate) contents: BTreeMap<Cid, Bytes>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) members: Vec<Member>,
    pub(crate) activity: Vec<Activity>,
    pub(crate) public: Vec<String>,
    /// What was asked that changes something.
    pub(crate) commands: Vec<Command>,
    /// Bytes of uploads that were begun.
    pub(crate) written: Vec<u64>,
    /// What the next command is refused with.
    pub(crate) refuse: Option<Refusal>,
    /// The most bytes an upload may have.
    pub(crate) room: Option<u64>,
    name: String,
}

pub(crate) struct Fake {
    pub(crate) world: Mutex<World>,
    pub(crate) status: watch::Sender<Arc<Status>>,
}

impl Fake {
    fn with(world: World) -> Arc<Self> {
        let (status, _) = watch::channel(Arc::new(world.status.clone()));
        Arc::new(Self { world: Mutex::new(world), status })
    }

    /// A box nobody owns yet.
    pub(crate) fn unclaimed() -> Arc<Self> {
        let status = Status { claimed: false, name: "maple-river".into(), ..status("maple-river") };
        Self::with(World { status, name: "Ada".into(), ..World::default() })
    }

    /// A claimed box without content.
    pub(crate) fn empty() -> Arc<Self> {
        let mut world =
            World { status: status("Ada’s box"), name: "Ada".into(), ..World::default() };
        world.status.peers_connected = 0;
        world.members.push(member("Ada", "owner"));
        world.activity.push(did("Ada", 2, Deed::MadeSpace { name: "Maple Street".into() }));
        Self::with(world)
    }

    /// A box with a lively neighbourhood.
    pub(crate) fn lively() -> Arc<Self> {
        Self::told("Ada")
    }

    /// The same, where everything that somebody may type is `text`.
    pub(crate) fn hostile(text: &str) -> Arc<Self> {
        let fake = Self::told(text);
        let mut world = fake.world.lock().unwrap();
        let typed = || text.to_owned();
        world.status.name = typed();
        world.status.transfers[0].path = typed();
        world.status.alerts.push(Alert { kind: AlertKind::Fork, message: typed(), since: NOW });
        for post in &mut world.posts {
            (post.text, post.author_name) = (typed(), typed());
        }
        for peer in &mut world.peers {
            (peer.name, peer.words, peer.error) = (Some(typed()), Some(typed()), Some(typed()));
            (peer.address, peer.spaces) = (Some(typed()), vec![typed()]);
        }
        for member in &mut world.members {
            (member.name, member.words, member.author) = (typed(), typed(), typed());
        }
        for done in &mut world.activity {
            done.who = typed();
        }
        world.activity.push(did(text, 1, Deed::PutFile { collection: typed(), path: typed() }));
        world.activity.push(did(text, 1, Deed::RemovedFile { collection: typed(), path: typed() }));
        world.activity.push(did(text, 1, Deed::Posted { text: typed(), id: typed() }));
        world.activity.push(did(text, 1, Deed::MadeSpace { name: typed() }));
        world.activity.push(did(text, 1, Deed::RemovedMember { name: typed() }));
        for entry in world.files.values_mut() {
            (entry.path, entry.author_name) = (typed(), Some(typed()));
        }
        fake.status.send_replace(Arc::new(world.status.clone()));
        drop(world);
        fake
    }

    fn told(name: &str) -> Arc<Self> {
        let mut world =
            World { status: status("Ada’s box"), name: name.into(), ..World::default() };
        world.status.transfers.push(Transfer {
            root: root("film"),
            path: "films/street-party.mp4".into(),
            here: 180_000_000,
            size: 412_000_000,
            peers: 2,
            stalled: None,
        });
        for (who, hours, text, re) in [
            (
                "Ada",
                1,
                "The bakery on the corner keeps its oven on until ten tonight. Bring your own dough!",
                None,
            ),
            (
                "Jonas",
                3,
                "Power is back at numbers 12 to 20. Number 14 still has water in the cellar: two people with buckets would help.\nI am there until six.",
                None,
            ),
            ("Mira", 2, "On my way with a pump.", Some("p1")),
            ("Ada", 2, "Tea at my place afterwards ☕", Some("p1")),
            ("Mira", 26, "Found: a blue bicycle lamp, on the bench by the fountain.", None),
            ("אורי", 49, "שיעור גיטרה ביום רביעי בשש, כולם מוזמנים.", None),
        ] {
            let id = format!("p{}", world.posts.len());
            world.posts.push(Post {
                id: id.clone(),
                text: text.into(),
                author: format!("did:key:z{who}"),
                author_name: who.into(),
                time: NOW - hours * HOUR,
                re: re.map(str::to_owned),
                cursor: id,
                removable: who == "Ada",
            });
        }
        for (path, size, who, complete) in [
            ("emergency/phone numbers.txt", 1_840, "Ada", true),
            ("emergency/water points.png", 214_000, "Jonas", true),
            ("street-party.mp4", 412_000_000, "Mira", false),
            ("map of the street.png", 96_400, "Ada", true),
            ("choir – Abendlied.pdf", 1_204_000, "אורי", true),
            ("photos/2026/fountain.jpg", 2_411_000, "Mira", true),
        ] {
            world.keep(path, size, who, complete);
        }
        world.peers = vec![
            peer("Jonas’ attic", PeerState::Connected, PeerVia::Lan, 0),
            peer("School library", PeerState::Connected, PeerVia::Incoming, 0),
            peer("Mira’s balcony", PeerState::Away, PeerVia::Invite, 30),
            peer("", PeerState::Stranger, PeerVia::Lan, 0),
        ];
        world.members = ["Ada", "Jonas", "Mira", "אורי"]
            .map(|who| member(who, if who == "Ada" { "owner" } else { "member" }))
            .into();
        world.activity = vec![
            did(
                "Ada",
                1,
                Deed::Posted {
                    text: "The bakery on the corner keeps its oven on …".into(),
                    id: "p0".into(),
                },
            ),
            did(
                "Mira",
                4,
                Deed::PutFile { collection: "shared".into(), path: "street-party.mp4".into() },
            ),
            did(
                "Jonas",
                5,
                Deed::PutFile {
                    collection: "shared".into(),
                    path: "emergency/water points.png".into(),
                },
            ),
            did("Mira", 20, Deed::Joined),
            did("Ada", 300, Deed::MadeSpace { name: "Maple Street".into() }),
        ];
        Self::with(world)
    }

    /// What was asked so far that changes something.
    pub(crate) fn commands(&self) -> Vec<Command> {
        self.world.lock().unwrap().commands.clone()
    }

    /// Publishes a change of the status.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut Status)) {
        let mut world = self.world.lock().unwrap();
        change(&mut world.status);
        self.status.send_replace(Arc::new(world.status.clone()));
    }

    fn who(&self, credential: &Credential) -> Option<Principal> {
        let name = self.world.lock().unwrap().name.clone();
        let person = |name: &str, role, form: &str, scopes: &[Scope]| Principal {
            account: Some(name.into()),
            role: Some(role),
            author: Some(format!("did:key:z{name}")),
            scopes: scopes.into(),
            session: (!form.is_empty()).then(|| "s1".into()),
            form_token: (!form.is_empty()).then(|| form.into()),
        };
        let all = [Scope::Read, Scope::Write, Scope::Admin, Scope::Metrics];
        match credential {
            Credential::Visitor => Some(Principal::visitor()),
            Credential::Session(secret) if secret == OWNER => {
                Some(person(&name, AccountRole::Owner, OWNER_FORM, &all))
            }
            Credential::Session(secret) if secret == MEMBER => {
                Some(person("Mira", AccountRole::Member, MEMBER_FORM, &all))
            }
            Credential::Bearer(token) if token == TOKEN => {
                Some(person(&name, AccountRole::Owner, "", &all))
            }
            Credential::Session(_) | Credential::Bearer(_) | Credential::Socket => None,
        }
    }
}

impl World {
    pub(crate) fn keep(&mut self, path: &str, size: u64, who: &str, complete: bool) {
        let content: Vec<u8> =
            if path.ends_with(".png") { picture() } else { vec![b'x'; size.min(5_000) as usize] };
        let cid = Cid::of(Codec::Raw, &content);
        self.contents.insert(cid, content.clone().into());
        let size = if complete { content.len() as u64 } else { size };
        self.files.insert(
            path.into(),
            FileEntry {
                path: path.into(),
                folder: false,
                root: Some(cid.to_string()),
                size,
                mime: None,
                author: Some(format!("did:key:z{who}")),
                author_name: Some(who.into()),
                time: NOW - 5 * HOUR,
                here: if complete { size } else { size / 3 },
                complete,
            },
        );
    }

    fn folder(&self, path: &str) -> Vec<FileEntry> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut found: BTreeMap<String, FileEntry> = BTreeMap::new();
        for (key, entry) in &self.files {
            let Some(rest) = key.strip_prefix(&prefix) else { continue };
            match rest.split_once('/') {
                Some((name, _)) => {
                    found
                        .entry(format!("{prefix}{name}"))
                        .or_insert_with(|| implicit(&format!("{prefix}{name}")));
                }
                None => {
                    found.insert(key.clone(), entry.clone());
                }
            }
        }
        found.into_values().collect()
    }

    fn file(&self, path: &str) -> Option<FileEntry> {
        let within = format!("{path}/");
        let folder =
            || self.files.keys().any(|key| key.starts_with(&within)).then(|| implicit(path));
        self.files.get(path).cloned().or_else(folder)
    }

    fn space(&self) -> Space {
        Space {
            id: "bafyspace".into(),
            name: if self.name == "Ada" { "Maple Street".into() } else { self.name.clone() },
            role: Some("owner".into()),
            members: self.members.len() as u64,
            public: self.public.clone(),
            default: true,
            pending: false,
        }
    }

    fn read(&self, command: &Command, principal: &Principal) -> Option<Result<Reply, Refusal>> {
        let none = || Refusal::new(RefusalKind::NotFound, "there is no such thing here");
        Some(match command {
            Command::WhoAmI => Ok(Reply::Principal(principal.clone())),
            Command::Status => Ok(Reply::Status(Box::new(self.status.clone()))),
            Command::Metrics => Ok(Reply::Metrics(vec![Metric {
                name: "kith_frames_total".into(),
                help: "Frames".into(),
                kind: "counter".into(),
                labels: vec![("peer".into(), self.name.clone())],
                value: 3.0,
            }])),
            Command::Sessions => {
                Ok(Reply::Sessions(vec![self.session("s1", true), self.session("s2", false)]))
            }
            Command::Accounts => Ok(Reply::Accounts(vec![
                account(&self.name, AccountRole::Owner),
                account("Mira", AccountRole::Member),
            ])),
            Command::Tokens => Ok(Reply::Tokens(vec![self.token()])),
            Command::Spaces if !principal.signed_in() && self.public.is_empty() => {
                Ok(Reply::Spaces(Vec::new()))
            }
            Command::Spaces => Ok(Reply::Spaces(vec![self.space()])),
            Command::Members { .. } => Ok(Reply::Members(self.members.clone())),
            Command::Peers => Ok(Reply::Peers(self.peers.clone())),
            Command::Posts { .. }
                if !principal.signed_in() && !self.public.contains(&"board".to_owned()) =>
            {
                Err(none())
            }
            Command::Posts { limit, .. } => Ok(Reply::Posts(
                self.posts.iter().take(limit.unwrap_or(50) as usize).cloned().collect(),
            )),
            Command::Collections { .. } => Ok(Reply::Collections(
                ["shared", "photos"]
                    .map(|name| Collection {
                        name: if name == "photos" && self.name != "Ada" {
                            self.name.clone()
                        } else {
                            name.into()
                        },
                        entries: 3,
                        public: self.public.contains(&format!("files/{name}")),
                    })
                    .into(),
            )),
            Command::Files { .. } | Command::File { .. }
                if !principal.signed_in() && !self.public.contains(&"files/shared".to_owned()) =>
            {
                Err(none())
            }
            Command::Files { path, limit, .. } => Ok(Reply::Files(
                self.folder(path.as_deref().unwrap_or_default())
                    .into_iter()
                    .take(limit.unwrap_or(200) as usize)
                    .collect(),
            )),
            Command::File { path, .. } => self.file(path).map(Reply::File).ok_or_else(none),
            Command::Activity { .. } if !principal.signed_in() => Err(none()),
            Command::Activity { limit, .. } => Ok(Reply::Activity(
                self.activity.iter().take(limit.unwrap_or(50) as usize).cloned().collect(),
            )),
            _ => return None,
        })
    }

    fn session(&self, id: &str, current: bool) -> Session {
        Session {
            id: id.into(),
            account: self.name.clone(),
            agent: if self.name == "Ada" {
                "Mozilla/5.0 (X11; Linux aarch64) Firefox/140.0".into()
            } else {
                self.name.clone()
            },
            source: "192.168.77.23".into(),
            since: NOW - 30 * HOUR,
            used: NOW - if current { 0 } else { 20 * HOUR },
            current,
        }
    }

    fn token(&self) -> Token {
        Token {
            id: "t1".into(),
            name: self.name.clone(),
            scopes: vec![Scope::Read],
            since: NOW,
            expires: NOW + 900 * HOUR,
            used: None,
        }
    }

    fn write(&mut self, command: Command, principal: &Principal) -> Result<Reply, Refusal> {
        self.commands.push(command.clone());
        let logged_in = |principal: Principal| {
            Ok(Reply::LoggedIn(LoggedIn {
                session: OWNER.into(),
                device: "device-secret".into(),
                principal,
            }))
        };
        let owner = Principal {
            form_token: Some(OWNER_FORM.into()),
            role: Some(AccountRole::Owner),
            account: Some(self.name.clone()),
            ..Principal::visitor()
        };
        match command {
            Command::Claim { secret, name, .. } if secret == CLAIM => {
                (self.status.claimed, self.name) = (true, name);
                logged_in(owner)
            }
            Command::Login { passphrase, .. } if passphrase == "correct horse battery" => {
                logged_in(owner)
            }
            Command::Claim { .. } | Command::Login { .. } => Err(Refusal::new(
                RefusalKind::WrongSecret,
                "name, passphrase or secret is wrong: check it",
            )),
            Command::AccountJoin { .. } => logged_in(owner),
            Command::AccountInvite => Ok(Reply::AccountInvite(AccountInvite {
                secret: "JOINSECRET".into(),
                expires: NOW + 40 * HOUR,
            })),
            Command::TokenCreate { .. } => Ok(Reply::TokenCreated(TokenCreated {
                token: self.token(),
                secret: "kith_token_SECRET".into(),
            })),
            Command::SpaceCreate { .. } | Command::Join { .. } => Ok(Reply::Space(self.space())),
            Command::Invite { many, .. } => Ok(Reply::Invite(InviteCode {
                code: format!("KITH1-{}", "MFRGGZDF2345".repeat(36)),
                space: "bafyspace".into(),
                expires: NOW + 160 * HOUR,
                many,
            })),
            Command::Post { text, re, .. } => {
                let id = format!("p{}", self.posts.len());
                let name = principal.account.clone().unwrap_or_default();
                let post = Post {
                    id: id.clone(),
                    text,
                    author: "did:key:z".into(),
                    author_name: name,
                    time: NOW,
                    re,
                    cursor: id,
                    removable: true,
                };
                self.posts.insert(0, post.clone());
                Ok(Reply::Posted(post))
            }
            Command::FilePut { path, root, size, .. } => {
                let entry = FileEntry {
                    path: path.clone(),
                    folder: false,
                    root: Some(root),
                    size,
                    mime: None,
                    author: principal.author.clone(),
                    author_name: principal.account.clone(),
                    time: NOW,
                    here: size,
                    complete: true,
                };
                self.files.insert(path, entry.clone());
                Ok(Reply::File(entry))
            }
            Command::FileRemove { path, .. } => {
                let gone = self.files.remove(&path);
                gone.map(Reply::File)
                    .ok_or_else(|| Refusal::new(RefusalKind::NotFound, "there is no such file"))
            }
            _ => Ok(Reply::Done),
        }
    }
}

#[async_trait::async_trait]
impl Backend for Fake {
    async fn call(&self, request: Request) -> Result<Reply, Refusal> {
        let Some(principal) = self.who(&request.credential) else {
            return Err(Refusal::new(RefusalKind::WrongSecret, "this session or token is unknown"));
        };
        let mut world = self.world.lock().unwrap();
        let allowed = match request.command.right().0 {
            Right::Anyone | Right::Reader => true,
            Right::Account => principal.signed_in(),
            Right::BoxOwner => principal.is_owner(),
        };
        if !allowed {
            let kind =
                if principal.signed_in() { RefusalKind::NotAllowed } else { RefusalKind::SignIn };
            return Err(Refusal::new(kind, "not for you"));
        }
        if request.command != Command::WhoAmI
            && let Some(refusal) = world.refuse.take()
        {
            return Err(refusal);
        }
        if let Some(reply) = world.read(&request.command, &principal) {
            return reply;
        }
        let reply = world.write(request.command, &principal);
        world.status.revisions.board += 1;
        world.status.revisions.files += 1;
        self.status.send_replace(Arc::new(world.status.clone()));
        reply
    }

    fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.subscribe()
    }

    async fn read(&self, root: Cid, range: Range<u64>) -> Result<Pieces, Refusal> {
        let content = self.world.lock().unwrap().contents.get(&root).cloned();
        let content = content.ok_or_else(|| Refusal::new(RefusalKind::NotHereYet, "not here"))?;
        let part = content.slice(range.start as usize..(range.end as usize).min(content.len()));
        let pieces: Vec<io::Result<Bytes>> =
            part.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Ok(stream::iter(pieces).boxed())
    }

    async fn write(
        &self,
        credential: Credential,
        _space: Option<String>,
        mut bytes: Pieces,
    ) -> Result<Written, Refusal> {
        if !self.who(&credential).is_some_and(|principal| principal.signed_in()) {
            return Err(Refusal::new(RefusalKind::SignIn, "not for you"));
        }
        let room = self.world.lock().unwrap().room;
        let mut content = Vec::new();
        while let Some(piece) = bytes.next().await {
            let piece =
                piece.map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))?;
            content.extend_from_slice(&piece);
            if room.is_some_and(|room| content.len() as u64 > room) {
                return Err(Refusal::new(RefusalKind::NoSpace, "the disk is full"));
            }
        }
        let (cid, size) = (Cid::of(Codec::Raw, &content), content.len() as u64);
        let mut world = self.world.lock().unwrap();
        world.contents.insert(cid, content.into());
        world.written.push(size);
        Ok(Written { root: cid, size })
    }
}

fn status(name: &str) -> Status {
    Status {
        version: "0.1.0".into(),
        name: name.into(),
        node: "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK".into(),
        words: "maple river lantern otter hedge copper".into(),
        claimed: true,
        started: NOW - 76 * HOUR,
        time: NOW,
        time_trusted: true,
        peer_port: 7000,
        addresses: vec!["192.168.77.1:7000".into()],
        panel: "http://192.168.77.1:8480/".into(),
        peers_connected: 2,
        peers_heard: 3,
        store: StoreStatus {
            records: 812,
            blocks: 9_120,
            block_bytes: 4_210_000_000,
            free_bytes: Some(21_400_000_000),
            rebuilding: None,
        },
        ..Status::default()
    }
}

fn peer(name: &str, state: PeerState, via: PeerVia, hours: u64) -> Peer {
    let near = state == PeerState::Connected;
    Peer {
        node: Some("did:key:z6MkfPeer".into()),
        words: Some("amber willow gate thistle north drum".into()),
        name: (!name.is_empty()).then(|| name.into()),
        state,
        via,
        address: Some("192.168.77.40:7001".into()),
        rtt_us: near.then_some(3_400),
        seen: Some(NOW - hours * HOUR),
        spaces: if state == PeerState::Stranger { Vec::new() } else { vec!["Maple Street".into()] },
        in_sync: near.then_some(NOW - 4_000),
        sent_bytes: 120_400,
        received_bytes: 9_300_000,
        error: (state == PeerState::Away).then(|| "no answer within 5 s".into()),
    }
}

fn member(name: &str, role: &str) -> Member {
    Member {
        author: format!("did:key:z{name}"),
        name: name.into(),
        words: "plum harbour violet stone kite barn".into(),
        role: role.into(),
        since: NOW - 300 * HOUR,
        invited_by: None,
        removed: false,
    }
}

fn account(name: &str, role: AccountRole) -> Account {
    Account {
        name: name.into(),
        role,
        author: "did:key:z".into(),
        words: "plum harbour".into(),
        since: NOW - 300 * HOUR,
    }
}

fn did(who: &str, hours: u64, what: Deed) -> Activity {
    Activity { time: NOW - hours * HOUR, who: who.into(), author: "did:key:z".into(), what }
}

fn implicit(path: &str) -> FileEntry {
    FileEntry {
        path: path.into(),
        folder: true,
        root: None,
        size: 0,
        mime: None,
        author: None,
        author_name: None,
        time: 0,
        here: 0,
        complete: true,
    }
}

fn root(content: &str) -> String {
    Cid::of(Codec::Raw, content.as_bytes()).to_string()
}

/// A picture of one pixel.
pub(crate) fn picture() -> Vec<u8> {
    let hex = b"89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763d8b871230005230288a6aa2d6e0000000049454e44ae426082";
    data_encoding::HEXLOWER_PERMISSIVE.decode(hex).unwrap()
}
