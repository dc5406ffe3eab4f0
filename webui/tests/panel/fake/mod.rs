//! A node that only pretends: it keeps what it is told in memory and remembers every command.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a pretended node answers by table and may panic"
)]

mod answers;
pub(crate) mod network;
mod street;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use kith_core::cid::{Cid, Codec};
use kith_core::unixfs::{Entry, TreeBuilder};
use kith_model::caller::{AccountRole, Credential, Principal, Scope};
use kith_model::command::{Command, Request, Right};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::*;
use kith_model::status::*;
use kith_webui::backend::{Backend, Parts, Piece, Pieces, Side, Written};
use tokio::sync::{Barrier, Notify, watch};

/// The present of every fake, in milliseconds since 1970: far ahead, so that the panel's own clock
/// never is later.
pub(crate) const NOW: u64 = 4_102_444_800_000;

const HOUR: u64 = 3_600_000;
pub(crate) const OWNER: &str = "owner-session-secret";
pub(crate) const MEMBER: &str = "member-session-secret";
pub(crate) const OWNER_FORM: &str = "owner-form-token-aaaaa";
pub(crate) const MEMBER_FORM: &str = "member-form-token-bbbb";
pub(crate) const TOKEN: &str = "good-bearer-token";
/// Tokens with a single scope each.
pub(crate) const SCOPED: [(&str, Scope); 4] = [
    ("read-bearer-token", Scope::Read),
    ("write-bearer-token", Scope::Write),
    ("admin-bearer-token", Scope::Admin),
    ("metrics-bearer-token", Scope::Metrics),
];
/// The one space.
pub(crate) const SPACE: &str = "bafyspace";
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
    /// What is in the folders that were uploaded, by their roots.
    pub(crate) trees: BTreeMap<Cid, Vec<(String, Cid, u64)>>,
    /// What was asked that changes something.
    pub(crate) commands: Vec<Command>,
    /// Where requests came from.
    pub(crate) sources: BTreeSet<String>,
    /// Bytes of uploads that were begun.
    pub(crate) written: Vec<u64>,
    /// What the next command is refused with.
    pub(crate) refuse: Option<Refusal>,
    /// The most bytes an upload may have.
    pub(crate) room: Option<u64>,
    pub(crate) network: network::Network,
    name: String,
}

pub(crate) struct Fake {
    pub(crate) world: Mutex<World>,
    pub(crate) status: watch::Sender<Arc<Status>>,
    /// Told whenever somebody is done with a file, or gave it up.
    pub(crate) let_go: Arc<Notify>,
    /// Where commands wait for each other, if they do.
    pub(crate) gate: Mutex<Option<Arc<Barrier>>>,
    /// For whom the address of the box is that everybody comes to.
    pub(crate) side: Mutex<Side>,
}

struct LetGo(Arc<Notify>);

impl Drop for LetGo {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Fake {
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
            Credential::Bearer(token) => {
                let (_, scope) = SCOPED.iter().find(|(known, _)| known == token)?;
                Some(person(&name, AccountRole::Owner, "", &[*scope]))
            }
            Credential::Session(_) | Credential::Socket => None,
        }
    }
}

/// A token is good for its scopes only; one for all of them is `admin`.
fn check_scope(principal: &Principal, needed: Scope) -> Result<(), Refusal> {
    let good = !principal.signed_in()
        || principal.scopes.contains(&needed)
        || principal.scopes.contains(&Scope::Admin);
    if good {
        return Ok(());
    }
    Err(Refusal::new(RefusalKind::NotAllowed, "this token is not for that"))
}

#[async_trait::async_trait]
impl Backend for Fake {
    async fn call(&self, request: Request) -> Result<Reply, Refusal> {
        let Some(principal) = self.who(&request.credential) else {
            return Err(Refusal::new(RefusalKind::WrongSecret, "this session or token is unknown"));
        };
        let gate = self.gate.lock().unwrap().clone();
        if let Some(gate) = gate.filter(|_| request.command != Command::WhoAmI) {
            gate.wait().await;
        }
        let mut world = self.world.lock().unwrap();
        world.sources.insert(request.source);
        let (right, scope) = request.command.right();
        // Whose a token is, every token may ask.
        if right != Right::Anyone {
            check_scope(&principal, scope)?;
        }
        let allowed = match right {
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

    async fn side(&self, _local: std::net::SocketAddr) -> Side {
        *self.side.lock().unwrap()
    }

    fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.status.subscribe()
    }

    async fn read(&self, space: String, root: Cid, range: Range<u64>) -> Result<Pieces, Refusal> {
        if space != SPACE {
            return Err(Refusal::new(RefusalKind::NotFound, "this is in another space"));
        }
        let content = self.world.lock().unwrap().contents.get(&root).cloned();
        let content = content.ok_or_else(|| Refusal::new(RefusalKind::NotHereYet, "not here"))?;
        let part = content.slice(range.start as usize..(range.end as usize).min(content.len()));
        let pieces: Vec<io::Result<Bytes>> =
            part.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let let_go = LetGo(Arc::clone(&self.let_go));
        let pieces = stream::iter(pieces).map(move |piece| {
            let _held = &let_go;
            piece
        });
        Ok(pieces.boxed())
    }

    async fn write(
        &self,
        credential: Credential,
        _space: Option<String>,
        mut bytes: Pieces,
    ) -> Result<Written, Refusal> {
        let principal = self.who(&credential).filter(Principal::signed_in);
        let principal =
            principal.ok_or_else(|| Refusal::new(RefusalKind::SignIn, "not for you"))?;
        check_scope(&principal, Scope::Write)?;
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

    async fn write_folders(
        &self,
        credential: Credential,
        _space: Option<String>,
        mut parts: Parts,
    ) -> Result<Vec<(String, Written)>, Refusal> {
        let principal = self.who(&credential).filter(Principal::signed_in);
        let principal =
            principal.ok_or_else(|| Refusal::new(RefusalKind::SignIn, "not for you"))?;
        check_scope(&principal, Scope::Write)?;
        let room = self.world.lock().unwrap().room;
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        let mut total = 0;
        while let Some(piece) = parts.next().await {
            match piece.map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))? {
                Piece::File(path) => files.push((path, Vec::new())),
                Piece::Bytes(bytes) => {
                    total += bytes.len() as u64;
                    files.last_mut().unwrap().1.extend_from_slice(&bytes);
                }
            }
            if room.is_some_and(|room| total > room) {
                return Err(Refusal::new(RefusalKind::NoSpace, "the disk is full"));
            }
        }
        let mut world = self.world.lock().unwrap();
        let mut folders: BTreeMap<String, (TreeBuilder, Vec<_>)> = BTreeMap::new();
        for (path, content) in files {
            let (top, inner) = path.split_once('/').unwrap();
            let (cid, size) = (Cid::of(Codec::Raw, &content), content.len() as u64);
            world.contents.insert(cid, content.into());
            let (tree, list) = folders.entry(top.into()).or_default();
            tree.add(inner, Entry { cid, size, tsize: size })
                .map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))?;
            list.push((inner.to_owned(), cid, size));
        }
        let made = folders.into_iter().map(|(top, (tree, list))| {
            let made = tree.finish(&mut |_, _| ()).unwrap();
            world.trees.insert(made.root, list);
            world.written.push(made.size);
            (top, Written { root: made.root, size: made.size })
        });
        Ok(made.collect())
    }
}
/// A picture of one pixel.
pub(crate) fn picture() -> Vec<u8> {
    let hex = b"89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763d8b871230005230288a6aa2d6e0000000049454e44ae426082";
    data_encoding::HEXLOWER_PERMISSIVE.decode(hex).unwrap()
}
