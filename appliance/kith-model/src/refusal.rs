//! Why a command was not carried out: one closed list, each with its HTTP status and exit code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of "no" it is. The panel translates these; the message beside it is English.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalKind {
    /// A value is not acceptable; the message says which and what would be.
    Invalid,
    /// Nobody is signed in.
    SignIn,
    /// Name, passphrase, secret or token is wrong.
    WrongSecret,
    /// Signed in, but not allowed to do this.
    NotAllowed,
    /// There is no such thing, or it is not for the caller to know.
    NotFound,
    /// The box has an owner already.
    AlreadyClaimed,
    /// The box has no owner yet.
    NotClaimed,
    /// Something of that name exists already.
    Exists,
    /// Too many tries; wait.
    TooMany,
    /// More than fits: the disk is full or a bound is exceeded.
    NoSpace,
    /// The disk refuses to write (read-only or failing).
    DiskFailed,
    /// It takes longer than the caller wants to wait; it goes on in the background.
    StillWaiting,
    /// The content is known but not on this box yet.
    NotHereYet,
    /// The invite has expired, was used already, or leads nowhere.
    BadInvite,
    /// Somebody else was faster: what this starts from is no longer so.
    Conflict,
    /// The part of the box that does this does not run, or not here.
    Unavailable,
    /// Something in the box broke; the log has more.
    Internal,
}

impl RefusalKind {
    /// The status of an HTTP answer (RFC 9110).
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Invalid | Self::BadInvite => 422,
            Self::SignIn | Self::WrongSecret => 401,
            Self::NotAllowed => 403,
            Self::NotFound => 404,
            Self::AlreadyClaimed | Self::NotClaimed | Self::Exists | Self::Conflict => 409,
            Self::TooMany => 429,
            Self::NoSpace => 507,
            Self::DiskFailed | Self::NotHereYet | Self::Unavailable => 503,
            Self::StillWaiting => 202,
            Self::Internal => 500,
        }
    }

    /// The exit code of the command line.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Invalid => 2,
            Self::SignIn | Self::WrongSecret | Self::NotAllowed => 5,
            Self::NotFound
            | Self::AlreadyClaimed
            | Self::NotClaimed
            | Self::Exists
            | Self::TooMany
            | Self::NoSpace
            | Self::DiskFailed
            | Self::StillWaiting
            | Self::NotHereYet
            | Self::BadInvite
            | Self::Conflict
            | Self::Unavailable
            | Self::Internal => 1,
        }
    }
}

/// A "no" in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind it is.
    pub kind: RefusalKind,
    /// What went wrong and what to do next, in English.
    pub message: String,
    /// How long to wait before trying again, in seconds, where that helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl Refusal {
    /// A refusal of this kind in these words.
    #[must_use]
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }
}
