//! What one can ask of a box. Each variant has one handler in `kith-node`, whoever asks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::caller::{AccountRole, Credential, Scope};
use crate::network::ask::NetworkAsk;

/// A command with the proof of who gives it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Who says so.
    pub credential: Credential,
    /// Where the request came from, for rate limits: an IP address, or `socket`.
    pub source: String,
    /// What is asked.
    pub command: Command,
}

/// What one can ask of a box.
///
/// `space` is the text of a space id; without it the joined space is meant if the box's own is still
/// untouched, else the box's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Who am I? Answers [`crate::reply::Reply::Principal`].
    WhoAmI,
    /// The status of the box.
    Status,
    /// Counters for Prometheus.
    Metrics,
    /// How the processes of the box are.
    Supervision,
    /// What the processes of the box said lately.
    Logs {
        /// Only lines after this number; the newest when not given.
        after: Option<u64>,
        /// At most so many; 200 when not given, 500 at most.
        limit: Option<u16>,
    },
    /// Something about the network of the box; carried out by whoever drives it.
    Network(NetworkAsk),
    /// Makes a ticket with which the session that asks goes on at another address of the box, while a
    /// change that moves the panel waits for its confirmation; at any other time it is refused.
    HandOver {
        /// For how many seconds it shall be good.
        seconds: u32,
    },
    /// Uses such a ticket, once. Answers [`crate::reply::Reply::LoggedIn`].
    TakeOver {
        /// The ticket.
        ticket: String,
        /// What the browser calls itself, for the list of sessions.
        agent: String,
    },

    /// Makes the first person the owner.
    Claim {
        /// The one-time secret that `kith run` printed.
        secret: String,
        /// The owner's name.
        name: String,
        /// The box's name.
        box_name: String,
        /// The owner's passphrase.
        passphrase: String,
    },
    /// Opens a session.
    Login {
        /// The account's name.
        name: String,
        /// Its passphrase.
        passphrase: String,
        /// The secret of a known device, from its cookie.
        device: Option<String>,
        /// What the browser calls itself, for the list of sessions.
        agent: String,
    },
    /// Ends the session that asks.
    Logout,
    /// The caller's sessions; for the owner everybody's.
    Sessions,
    /// Ends a session.
    SessionRevoke {
        /// Its id.
        id: String,
    },
    /// Changes the caller's passphrase and ends their other sessions.
    Passphrase {
        /// The passphrase so far.
        old: String,
        /// The passphrase from here on.
        new: String,
    },

    /// Everybody with an account here.
    Accounts,
    /// Makes a link with which one more person gets an account.
    AccountInvite,
    /// Uses such a link.
    AccountJoin {
        /// The secret in the link.
        secret: String,
        /// The new account's name.
        name: String,
        /// Its passphrase.
        passphrase: String,
    },
    /// Changes an account's role.
    AccountRole {
        /// Whose.
        name: String,
        /// To what.
        role: AccountRole,
    },
    /// Removes an account. Its records stay.
    AccountRemove {
        /// Whose.
        name: String,
    },

    /// The caller's API tokens.
    Tokens,
    /// Makes an API token; its secret is shown once.
    TokenCreate {
        /// What it is for, in the caller's words.
        name: String,
        /// What it may be used for.
        scopes: Vec<Scope>,
        /// For how many days; 365 when not given.
        days: Option<u32>,
    },
    /// Ends an API token.
    TokenRevoke {
        /// Its id.
        id: String,
    },

    /// The spaces of this box.
    Spaces,
    /// Makes a space.
    SpaceCreate {
        /// Its name.
        name: String,
    },
    /// Who is in a space.
    Members {
        /// Which space.
        space: Option<String>,
    },
    /// Gives a member of a space another role.
    MemberSet {
        /// Which space.
        space: Option<String>,
        /// The member's did:key.
        member: String,
        /// `owner` or `member`.
        role: String,
    },
    /// Removes a member from a space.
    MemberRemove {
        /// Which space.
        space: Option<String>,
        /// The member's did:key.
        member: String,
    },
    /// Says what visitors may read, as classes: `board`, `files/NAME`.
    PolicySet {
        /// Which space.
        space: Option<String>,
        /// The public classes.
        public: Vec<String>,
    },
    /// Makes an invite code.
    Invite {
        /// Which space.
        space: Option<String>,
        /// Whether more than one person may use it.
        many: bool,
        /// For how many days; 7 when not given, 30 at most.
        days: Option<u32>,
    },
    /// Joins the space of an invite code; answers once its content is on the way.
    Join {
        /// The code.
        code: String,
    },

    /// The other boxes: connected, heard and known.
    Peers,
    /// Keeps an address to dial always.
    PeerAdd {
        /// `HOST:PORT` or an IP address and port.
        address: String,
    },
    /// Forgets a box, or an address that was added by hand.
    PeerForget {
        /// Its did:key or the address.
        peer: String,
    },

    /// Notices, newest first.
    Posts {
        /// Which space.
        space: Option<String>,
        /// Only those before this cursor.
        before: Option<String>,
        /// At most so many; 50 when not given, 200 at most.
        limit: Option<u32>,
    },
    /// Puts up a notice or a reply.
    Post {
        /// Which space.
        space: Option<String>,
        /// What it says.
        text: String,
        /// The id of the notice it answers.
        re: Option<String>,
    },
    /// Takes a notice back.
    PostRemove {
        /// Which space.
        space: Option<String>,
        /// Its id.
        id: String,
    },

    /// The collections of a space.
    Collections {
        /// Which space.
        space: Option<String>,
    },
    /// What is in a folder of a collection, by name.
    Files {
        /// Which space.
        space: Option<String>,
        /// Which collection; `shared` when not given.
        collection: Option<String>,
        /// Which folder; the top when not given.
        path: Option<String>,
        /// Only names after this one.
        after: Option<String>,
        /// At most so many; 200 when not given, 1,000 at most.
        limit: Option<u32>,
    },
    /// One file or folder.
    File {
        /// Which space.
        space: Option<String>,
        /// Which collection.
        collection: Option<String>,
        /// Its path.
        path: String,
    },
    /// Names content that is already in the store.
    FilePut {
        /// Which space.
        space: Option<String>,
        /// Which collection.
        collection: Option<String>,
        /// Where.
        path: String,
        /// The root that the upload answered.
        root: String,
        /// Bytes of content.
        size: u64,
        /// Whether the root is a directory.
        folder: bool,
        /// Its media type, if known.
        mime: Option<String>,
    },
    /// Removes a file or folder. The answer holds what is needed to undo it.
    FileRemove {
        /// Which space.
        space: Option<String>,
        /// Which collection.
        collection: Option<String>,
        /// Its path.
        path: String,
    },

    /// What happened lately, newest first.
    Activity {
        /// Which space.
        space: Option<String>,
        /// At most so many; 50 when not given, 200 at most.
        limit: Option<u32>,
    },
}

/// The least one must be to give a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Nothing: it carries its own secret, or says nothing that is not public.
    Anyone,
    /// Anyone for what a space marks public, else an account. The handler decides.
    Reader,
    /// An account on this box.
    Account,
    /// The owner of this box.
    BoxOwner,
}

impl Command {
    /// The least one must be, and the scope a bearer token needs.
    #[must_use]
    pub const fn right(&self) -> (Right, Scope) {
        match self {
            Self::WhoAmI
            | Self::Claim { .. }
            | Self::Login { .. }
            | Self::AccountJoin { .. }
            | Self::TakeOver { .. } => (Right::Anyone, Scope::Read),
            Self::Network(ask) => (ask.right(), ask.scope()),
            Self::Posts { .. }
            | Self::Collections { .. }
            | Self::Files { .. }
            | Self::File { .. }
            | Self::Activity { .. }
            | Self::Status
            | Self::Spaces => (Right::Reader, Scope::Read),
            Self::Members { .. } | Self::Peers | Self::Supervision => (Right::Account, Scope::Read),
            Self::Post { .. }
            | Self::PostRemove { .. }
            | Self::FilePut { .. }
            | Self::FileRemove { .. } => (Right::Account, Scope::Write),
            Self::Logout
            | Self::Sessions
            | Self::SessionRevoke { .. }
            | Self::Passphrase { .. }
            | Self::Tokens
            | Self::TokenCreate { .. }
            | Self::TokenRevoke { .. }
            | Self::Invite { .. } => (Right::Account, Scope::Admin),
            Self::HandOver { .. }
            | Self::Logs { .. }
            | Self::Accounts
            | Self::AccountInvite
            | Self::AccountRole { .. }
            | Self::AccountRemove { .. }
            | Self::SpaceCreate { .. }
            | Self::MemberSet { .. }
            | Self::MemberRemove { .. }
            | Self::PolicySet { .. }
            | Self::Join { .. }
            | Self::PeerAdd { .. }
            | Self::PeerForget { .. } => (Right::BoxOwner, Scope::Admin),
            Self::Metrics => (Right::Account, Scope::Metrics),
        }
    }
}
