//! What the pretended node answers to each command.

use std::collections::BTreeMap;

use kith_core::cid::{Cid, Codec};
use kith_model::caller::{AccountRole, Principal, Scope};
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::*;
use kith_model::status::*;

use super::{CLAIM, HOUR, NOW, OWNER, OWNER_FORM, SPACE, World, picture};

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
                space: SPACE.into(),
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
            id: SPACE.into(),
            name: if self.name == "Ada" { "Maple Street".into() } else { self.name.clone() },
            role: Some("owner".into()),
            members: self.members.len() as u64,
            public: self.public.clone(),
            default: true,
            pending: false,
        }
    }

    pub(super) fn read(
        &self,
        command: &Command,
        principal: &Principal,
    ) -> Option<Result<Reply, Refusal>> {
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
            Command::Supervision => Ok(Reply::Supervision(super::network::supervision())),
            Command::Logs { .. } => Ok(Reply::Logs(super::network::logs(&self.name))),
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

    pub(super) fn write(
        &mut self,
        command: Command,
        principal: &Principal,
    ) -> Result<Reply, Refusal> {
        if !only_reads(&command) {
            self.commands.push(command.clone());
        }
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
            Command::Network(ask) => self.network.ask(ask).map(Reply::Network),
            Command::HandOver { .. } => Ok(Reply::HandOver(HandOver { ticket: "TICKET".into() })),
            Command::TakeOver { ticket, .. } if ticket == "TICKET" => logged_in(owner),
            Command::TakeOver { .. } => {
                Err(Refusal::new(RefusalKind::WrongSecret, "this link was used already"))
            }
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
                space: SPACE.into(),
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
            Command::FilePut { path, root, size, folder, .. } => {
                let entry = FileEntry {
                    space: SPACE.into(),
                    path: path.clone(),
                    folder,
                    root: Some(root.clone()),
                    size,
                    mime: None,
                    author: principal.author.clone(),
                    author_name: principal.account.clone(),
                    time: NOW,
                    here: size,
                    complete: true,
                };
                let tree = root.parse().ok().and_then(|root| self.trees.get(&root).cloned());
                for (inner, cid, size) in tree.unwrap_or_default() {
                    let path = format!("{path}/{inner}");
                    let (root, folder, here) = (Some(cid.to_string()), false, size);
                    let inside =
                        FileEntry { path: path.clone(), root, folder, size, here, ..entry.clone() };
                    self.files.insert(path, inside);
                }
                if !folder {
                    self.files.insert(path, entry.clone());
                }
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

fn account(name: &str, role: AccountRole) -> Account {
    Account {
        name: name.into(),
        role,
        author: "did:key:z".into(),
        words: "plum harbour".into(),
        since: NOW - 300 * HOUR,
    }
}

fn implicit(path: &str) -> FileEntry {
    FileEntry {
        space: SPACE.into(),
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

/// Questions about the network that change nothing.
fn only_reads(command: &Command) -> bool {
    use kith_model::network::ask::NetworkAsk;
    let Command::Network(ask) = command else { return false };
    matches!(
        ask,
        NetworkAsk::Status
            | NetworkAsk::Settings
            | NetworkAsk::Draft
            | NetworkAsk::Review
            | NetworkAsk::Change
            | NetworkAsk::History
            | NetworkAsk::Graphs
            | NetworkAsk::Surveyed
            | NetworkAsk::Aim
    )
}
