//! What a box answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::caller::{AccountRole, Principal, Scope};
use crate::log::LogPage;
use crate::network::ask::NetworkReply;
use crate::role::Supervision;
use crate::status::{Metric, Peer, Status};

/// The answer to a command. Which variant answers which command is fixed; see each one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It is done, and durable.
    Done,
    /// Answers `WhoAmI`.
    Principal(Principal),
    /// Answers `Status`.
    Status(Box<Status>),
    /// Answers `Metrics`.
    Metrics(Vec<Metric>),
    /// Answers `Supervision`.
    Supervision(Supervision),
    /// Answers `Logs`.
    Logs(LogPage),
    /// Answers `Network`.
    Network(NetworkReply),
    /// Answers `HandOver`.
    HandOver(HandOver),
    /// Answers `Claim`, `Login` and `AccountJoin`.
    LoggedIn(LoggedIn),
    /// Answers `Sessions`.
    Sessions(Vec<Session>),
    /// Answers `Accounts`.
    Accounts(Vec<Account>),
    /// Answers `AccountInvite`.
    AccountInvite(AccountInvite),
    /// Answers `Tokens`.
    Tokens(Vec<Token>),
    /// Answers `TokenCreate`.
    TokenCreated(TokenCreated),
    /// Answers `Spaces`.
    Spaces(Vec<Space>),
    /// Answers `SpaceCreate` and `Join`.
    Space(Space),
    /// Answers `Members`.
    Members(Vec<Member>),
    /// Answers `Invite`.
    Invite(InviteCode),
    /// Answers `Peers`.
    Peers(Vec<Peer>),
    /// Answers `Posts`.
    Posts(Vec<Post>),
    /// Answers `Post`.
    Posted(Post),
    /// Answers `Collections`.
    Collections(Vec<Collection>),
    /// Answers `Files`.
    Files(Vec<FileEntry>),
    /// Answers `File`, `FilePut` and `FileRemove` (there: what was removed, for undo).
    File(FileEntry),
    /// Answers `Activity`.
    Activity(Vec<Activity>),
}

/// A ticket with which a session goes on at another address of the box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandOver {
    /// The ticket; good once, while the change waits.
    pub ticket: String,
}

/// A session that was just opened. The secrets go into cookies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoggedIn {
    /// The session's secret.
    pub session: String,
    /// The secret by which this browser is known from now on.
    pub device: String,
    /// Who is signed in.
    pub principal: Principal,
}

/// An open session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub account: String,
    /// What the browser called itself.
    pub agent: String,
    /// Where it signed in from.
    pub source: String,
    /// When it was opened.
    pub since: u64,
    /// When it was last used.
    pub used: u64,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// An account on this box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Its role on this box.
    pub role: AccountRole,
    /// The did:key it writes with.
    pub author: String,
    /// The key's six words.
    pub words: String,
    /// Since when.
    pub since: u64,
}

/// A link for one more person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountInvite {
    /// The secret in the link: `/join/SECRET` on the panel.
    pub secret: String,
    /// Until when it is good.
    pub expires: u64,
}

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub since: u64,
    /// Until when it is good.
    pub expires: u64,
    /// When it was last used.
    pub used: Option<u64>,
}

/// An API token that was just made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenCreated {
    /// The token.
    pub token: Token,
    /// Its secret, shown this once.
    pub secret: String,
}

/// A space of this box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Space {
    /// Its id.
    pub id: String,
    /// Its name; empty while joining.
    pub name: String,
    /// The caller's role in it: `owner`, `member`, or nothing.
    pub role: Option<String>,
    /// How many members it has.
    pub members: u64,
    /// What visitors may read.
    pub public: Vec<String>,
    /// Whether commands without a space mean this one.
    pub default: bool,
    /// Whether joining has not completed yet.
    pub pending: bool,
}

/// A member of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// Their did:key.
    pub author: String,
    /// Their name.
    pub name: String,
    /// The key's six words.
    pub words: String,
    /// `owner` or `member`.
    pub role: String,
    /// Since when.
    pub since: u64,
    /// The did:key of who let them in.
    pub invited_by: Option<String>,
    /// Whether they were removed.
    pub removed: bool,
}

/// An invite code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteCode {
    /// The code, as `kith join` takes it.
    pub code: String,
    /// The space it leads into.
    pub space: String,
    /// Until when it is good.
    pub expires: u64,
    /// Whether more than one person may use it.
    pub many: bool,
}

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Post {
    /// Its id.
    pub id: String,
    /// What it says.
    pub text: String,
    /// The did:key of its author.
    pub author: String,
    /// The author's name in the space.
    pub author_name: String,
    /// When it was written.
    pub time: u64,
    /// The notice it answers.
    pub re: Option<String>,
    /// The cursor for what comes before it.
    pub cursor: String,
    /// Whether the caller may take it back.
    pub removable: bool,
}

/// A collection of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// How many entries were put into it (a folder counts as one).
    pub entries: u64,
    /// Whether visitors may read it.
    pub public: bool,
}

/// A file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileEntry {
    /// The space it is in.
    pub space: String,
    /// Its path in the collection.
    pub path: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// The root's cid; nothing for a folder that only exists as part of other paths.
    pub root: Option<String>,
    /// Bytes of content, all files of a folder together.
    pub size: u64,
    /// Its media type, if known.
    pub mime: Option<String>,
    /// Who put it there (did:key), or nothing for a folder that only exists as part of other paths.
    pub author: Option<String>,
    /// Their name in the space.
    pub author_name: Option<String>,
    /// When it was put there.
    pub time: u64,
    /// How much of it is on this box: bytes, out of `size`.
    pub here: u64,
    /// Whether all of it is on this box.
    pub complete: bool,
}

/// Something that happened in a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Activity {
    /// When.
    pub time: u64,
    /// Whose doing, by name.
    pub who: String,
    /// Their did:key.
    pub author: String,
    /// What they did.
    pub what: Deed,
}

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Made the space.
    MadeSpace {
        /// Its name.
        name: String,
    },
    /// Came in.
    Joined,
    /// Changed somebody's membership.
    ChangedMember {
        /// Whose, by name.
        name: String,
    },
    /// Removed somebody.
    RemovedMember {
        /// Whom, by name.
        name: String,
    },
    /// Changed what visitors may read.
    ChangedPolicy,
    /// Put up a notice.
    Posted {
        /// Its beginning.
        text: String,
        /// Its id.
        id: String,
    },
    /// Took a notice back.
    RemovedPost,
    /// Put a file or folder.
    PutFile {
        /// Which collection.
        collection: String,
        /// Where.
        path: String,
    },
    /// Removed a file or folder.
    RemovedFile {
        /// Which collection.
        collection: String,
        /// Where it was.
        path: String,
    },
}
