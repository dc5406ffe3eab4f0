//! What every process of ours gives up before it does anything else: gaining privileges, core files, being
//! looked into; on an appliance also its user, its capabilities and most of the file system.
//!
//! There is no filter of system calls yet.

pub mod paths;
pub mod user;

use nix::errno::Errno;
use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};

/// Which renunciation the kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Never to gain privileges by executing a file.
    #[error("cannot give up gaining privileges")]
    NoNewPrivileges(#[source] Errno),
    /// Never to write a core file.
    #[error("cannot forbid core files")]
    CoreLimit(#[source] Errno),
    /// Not to be looked into by other processes of the same user.
    #[error("cannot forbid being traced")]
    Dumpable(#[source] Errno),
    /// Being somebody else, with few capabilities or none.
    #[error("cannot become user {uid}: the kernel refuses to {what}")]
    User {
        /// Who.
        uid: u32,
        /// Which step failed.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It was done and did not hold.
    #[error("user {0} could still gain privileges after they were given up")]
    StillPrivileged(u32),
    /// Not to open what is no business of the process.
    #[error("cannot restrict what may be opened")]
    Paths(#[from] landlock::RulesetError),
}

/// Enters. Call it first in `main`, before any thread or file.
///
/// Keys are in memory, so there are no core files, and other processes of the same user cannot trace
/// this one or read its memory; files are made for this user alone.
///
/// # Errors
/// [`SandboxError`]: the process should then end.
pub fn enter() -> Result<(), SandboxError> {
    set_no_new_privs().map_err(SandboxError::NoNewPrivileges)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0).map_err(SandboxError::CoreLimit)?;
    set_dumpable(false).map_err(SandboxError::Dumpable)?;
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
    Ok(())
}

#[cfg(test)]
mod tests {
    use nix::sys::prctl::{get_dumpable, get_no_new_privs};
    use nix::sys::resource::getrlimit;

    use super::*;

    /// A thread of its own cannot be sandboxed alone, so the test's process is.
    #[test]
    fn after_the_entry_nothing_of_it_is_left() {
        assert!(get_dumpable().unwrap(), "before the entry it is dumpable");
        enter().unwrap();
        assert!(get_no_new_privs().unwrap());
        assert!(!get_dumpable().unwrap());
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).unwrap(), (0, 0));
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        assert!(status.contains("Umask:\t0077"), "{status}");
        let raised = setrlimit(Resource::RLIMIT_CORE, 0, 1);
        assert!(raised.is_err() || nix::unistd::geteuid().is_root(), "only root raises it again");
    }
}
