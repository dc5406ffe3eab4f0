//! Why a verb did not do what it was asked to, and the exit code that says so to scripts.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use kith_model::refusal::Refusal;
use kith_role::socket::SocketError;

/// Why a verb failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The box says no.
    Refused(Refusal),
    /// The request makes no sense as it was given.
    Usage(String),
    /// No node answers for this state.
    NoNode(PathBuf),
    /// Nobody drives the network of this state.
    NoLink(PathBuf),
    /// A change of the settings was taken back; in words, why.
    Reverted(String),
    /// There is a supervisor, but its node does not answer; in words, why not.
    NotAnswering(String),
    /// The state belongs to somebody else.
    NotAllowed(PathBuf),
    /// Everything else, with its causes.
    Broken(anyhow::Error),
}

/// What a verb comes to.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// The exit code: 1 failure, 2 usage, 3 taken back, 4 nobody answers, 5 permission.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(refusal) => refusal.kind.exit_code(),
            Self::Broken(_) => 1,
            Self::Usage(_) => 2,
            Self::Reverted(_) => 3,
            Self::NoNode(_) | Self::NoLink(_) | Self::NotAnswering(_) => 4,
            Self::NotAllowed(_) => 5,
        }
    }

    /// The same for programs: one JSON object on one line.
    pub(crate) fn to_json(&self) -> String {
        let kind = match self {
            Self::Refused(refusal) => serde_json::json!(refusal.kind),
            Self::Usage(_) => "usage".into(),
            Self::NoNode(_) => "no-node".into(),
            Self::NoLink(_) => "no-link".into(),
            Self::Reverted(_) => "reverted".into(),
            Self::NotAnswering(_) => "not-answering".into(),
            Self::NotAllowed(_) => "not-allowed".into(),
            Self::Broken(_) => "failure".into(),
        };
        serde_json::json!({ "error": kind, "message": self.to_string() }).to_string()
    }

    /// A change was taken back.
    pub(crate) fn reverted(why: Option<&str>) -> Self {
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        Self::Reverted(format!("the change was taken back{why}"))
    }

    /// A socket of `state` could not be reached; `absent` says who is not there when it has no listener.
    pub(crate) fn unreached(state: &Path, error: SocketError, absent: fn(PathBuf) -> Self) -> Self {
        let kind = match &error {
            SocketError::NobodyListens(_) => Some(io::ErrorKind::NotFound),
            SocketError::Directory { source, .. } | SocketError::Io { source, .. } => {
                Some(source.kind())
            }
            SocketError::InUse(_) | SocketError::NotASocket(_) => None,
        };
        match kind {
            Some(io::ErrorKind::NotFound) => absent(state.to_owned()),
            Some(io::ErrorKind::PermissionDenied) => Self::NotAllowed(state.to_owned()),
            Some(_) | None => anyhow::Error::new(error).into(),
        }
    }

    /// The node answered something that does not belong to the question.
    pub(crate) fn off_topic() -> Self {
        Self::Broken(anyhow::anyhow!(
            "the node answers something else: is it of another version? Start it again with kith run"
        ))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => {
                f.write_str(&refusal.message)?;
                refusal.retry_after.map_or(Ok(()), |s| write!(f, " (try again in {s} seconds)"))
            }
            Self::Usage(message) | Self::NotAnswering(message) | Self::Reverted(message) => {
                f.write_str(message)
            }
            Self::NoLink(state) => write!(
                f,
                "nobody drives the network of {}: start it with kith run. Where the system looks after \
                 the network there is nothing to set",
                state.display()
            ),
            Self::NoNode(state) => {
                write!(f, "no node is running on {}: start it with kith run", state.display())
            }
            Self::NotAllowed(state) => {
                write!(
                    f,
                    "{} belongs to another user: run this as the one who runs kith",
                    state.display()
                )
            }
            Self::Broken(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

#[cfg(test)]
mod tests {
    use kith_model::refusal::RefusalKind;

    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_exit_code() {
        let refused = |kind| Failure::Refused(Refusal::new(kind, "no")).exit_code();
        assert_eq!(refused(RefusalKind::NotFound), 1);
        assert_eq!(refused(RefusalKind::Invalid), 2);
        assert_eq!(refused(RefusalKind::NotAllowed), 5);
        assert_eq!(Failure::NoNode("/s".into()).exit_code(), 4);
        assert_eq!(Failure::Broken(anyhow::anyhow!("x")).exit_code(), 1);
    }

    #[test]
    fn without_a_node_people_read_how_to_start_one() {
        let failure = Failure::NoNode("/home/ada/kith".into());
        let words = "no node is running on /home/ada/kith: start it with kith run";
        assert_eq!(failure.to_string(), words);
        let json: serde_json::Value = serde_json::from_str(&failure.to_json()).unwrap();
        assert_eq!(json, serde_json::json!({ "error": "no-node", "message": words }));
    }
}
