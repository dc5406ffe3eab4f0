//! Who asks: credentials as they arrive, and what they turn out to be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody may do on this box. Never derived from a role in a space.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum AccountRole {
    /// Uses the box.
    Member,
    /// Looks after the box.
    Owner,
}

/// What a bearer token may be used for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read what its account may read.
    Read,
    /// Write notices and files.
    Write,
    /// Everything its account may do.
    Admin,
    /// Read `/metrics` and nothing else.
    Metrics,
}

/// Proof of identity as it came with a request; checked by the node.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Credential {
    /// None: a visitor.
    Visitor,
    /// The node's own Unix socket, whose file mode is the proof: acts as the owner.
    Socket,
    /// The secret of a browser session, from its cookie.
    Session(String),
    /// The secret of an API token, from the Authorization header.
    Bearer(String),
}

impl core::fmt::Debug for Credential {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Visitor => "Visitor",
            Self::Socket => "Socket",
            Self::Session(_) => "Session(…)",
            Self::Bearer(_) => "Bearer(…)",
        })
    }
}

/// Who a credential turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Principal {
    /// The account's name, or nothing for a visitor.
    pub account: Option<String>,
    /// The account's role on this box, or nothing for a visitor.
    pub role: Option<AccountRole>,
    /// The did:key the account writes with, or nothing for a visitor.
    pub author: Option<String>,
    /// What the credential may be used for; a session has all scopes.
    pub scopes: Vec<Scope>,
    /// The id of the session, when there is one (not its secret).
    pub session: Option<String>,
    /// The token that every form of this session must carry.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(skip)]
    pub form_token: Option<String>,
}

impl Principal {
    /// Somebody without an account.
    #[must_use]
    pub const fn visitor() -> Self {
        Self {
            account: None,
            role: None,
            author: None,
            scopes: Vec::new(),
            session: None,
            form_token: None,
        }
    }

    /// Whether somebody is signed in.
    #[must_use]
    pub const fn signed_in(&self) -> bool {
        self.role.is_some()
    }

    /// Whether they look after the box.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.role == Some(AccountRole::Owner)
    }
}
