//! Which roles there are, and what each is started with.

use std::ffi::{CStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use kith_model::role::Mode;
use kith_role::sandbox::paths::Paths;
use kith_role::sandbox::user::{CapabilitySet, User};
use kith_role::users;

/// A process of ours beside the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Radios, ports, firewall.
    Link,
    /// Everything else: peers, store, panel.
    Node,
}

impl Role {
    /// The roles of a box, in the order in which they are started; none waits for another. On a host the
    /// system manages the network.
    #[must_use]
    pub const fn of(mode: Mode) -> &'static [Self] {
        match mode {
            Mode::Tryout | Mode::Appliance => &[Self::Link, Self::Node],
            Mode::Host => &[Self::Node],
        }
    }

    /// What it is called, on the command line too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Node => "node",
        }
    }

    /// What `ps` shows; the kernel keeps 15 bytes of it.
    #[must_use]
    pub const fn process_name(self) -> &'static CStr {
        match self {
            Self::Link => c"kith-link",
            Self::Node => c"kith-node",
        }
    }

    /// The command line with which this program becomes it; a user of its own if `drop`.
    #[must_use]
    pub fn arguments(self, state: &Path, drop: bool) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            vec!["--state".into(), state.into(), "role".into(), self.name().into()];
        arguments.extend(drop.then(|| "--drop".into()));
        arguments
    }

    /// Whom it becomes on an appliance.
    #[must_use]
    pub fn user(self) -> User {
        match self {
            Self::Link => User {
                keep: CapabilitySet::NET_ADMIN,
                ..User::plain(users::LINK, users::groups_of_link())
            },
            Self::Node => User::plain(users::NODE, vec![users::SHARED]),
        }
    }

    /// What stays open to it on an appliance. What it is handed is open already.
    #[must_use]
    pub fn paths(self, state: &Path, run: &Path) -> Paths {
        let list = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        // Whoever makes sure that a folder lasts flushes the one that it is in.
        let above: Vec<_> = state.parent().map(Path::to_owned).into_iter().collect();
        let read = list(&["/etc", "/proc", "/sys", "/usr/share", "/dev/null", "/dev/urandom"]);
        match self {
            Self::Link => Paths {
                read,
                list: above,
                // It runs nft.
                execute: list(&["/usr", "/bin", "/sbin", "/lib", "/lib64"]),
                write: [
                    list(&["/proc/sys/net", "/dev/null"]),
                    vec![run.join("link"), state.join("settings")],
                ]
                .concat(),
                sockets: vec![state.to_owned()],
            },
            Self::Node => Paths {
                read: [read, list(&["/usr", "/lib", "/lib64"])].concat(),
                list: above,
                execute: Vec::new(),
                write: vec![state.to_owned(), "/dev/null".into()],
                sockets: Vec::new(),
            },
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
