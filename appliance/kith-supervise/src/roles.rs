//! Which roles there are, and what each is started with.

use std::ffi::{CStr, OsString};
use std::fmt;
use std::path::Path;

use kith_model::role::Mode;

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

    /// The command line with which this program becomes it.
    #[must_use]
    pub fn arguments(self, state: &Path) -> Vec<OsString> {
        vec!["--state".into(), state.into(), "role".into(), self.name().into()]
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
