//! The one place where a process of ours is started and ended.
//!
//! A role is this very program again (`/proc/self/exe`, which stays itself while an update replaces the
//! file), with its end of a socket pair as standard input. When the supervisor dies, however it does,
//! that pair closes and the role ends; no process is left behind.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use std::sync::Arc;

use kith_model::daemon::DaemonSeen;
use kith_model::role::{MAX_MESSAGE, Report, Spawned, Told};
use kith_role::socket::{Channel, ChannelError, ChannelReceiver, ChannelSender};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What a role is started with, time and again.
#[derive(Debug)]
pub struct Recipe {
    /// Its command line after the program's name.
    pub arguments: Vec<OsString>,
    /// What it is told first; safe mode is filled in each time.
    pub spawned: Spawned,
    /// The sockets it is handed with that.
    pub sockets: Vec<OwnedFd>,
}

/// How glibc's allocator is to be with our roles (mallopt(3)). Left alone it learns from the first freed
/// passphrase hash to keep blocks of that size (19 MiB) on its heaps for ever, of which it makes one for
/// each thread. Both cost tens of MiB on boards that have 128.
///
/// Once told, it no longer learns what to keep at a heap's end either. The 128 KiB of its default are less
/// than a burst of datagrams, so that each would be paid for with fresh pages.
const MEMORY: [(&str, &str); 3] = [
    ("MALLOC_MMAP_THRESHOLD_", "4194304"),
    ("MALLOC_ARENA_MAX", "2"),
    ("MALLOC_TRIM_THRESHOLD_", "1048576"),
];

/// What of our environment a role needs; all else might hold what is none of its business.
const PASSED_ON: [&str; 4] = ["KITH_LOG", "RUST_BACKTRACE", "LANG", "TZ"];

/// A role's process and the channel to it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    reports: ChannelReceiver,
    talking: bool,
    /// What the role is told, by a task of its own: a role that does not listen holds up nobody.
    _telling: JoinSet<()>,
}

/// Why a process cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no channel to it.
    #[error("cannot make a socket pair")]
    Pair(#[source] io::Error),
    /// The kernel refuses.
    #[error("cannot start /proc/self/exe")]
    Spawn(#[source] io::Error),
    /// It does not hear what it is told.
    #[error("cannot tell it what to do")]
    Tell(#[from] ChannelError),
}

/// Something a process does.
#[derive(Debug)]
pub enum Sign {
    /// It says something.
    Report(Report),
    /// It has closed its channel; its end should follow.
    Silent,
    /// It says what nobody understands.
    Babble(ChannelError),
    /// It has ended; in words that continue "because".
    Ended(String),
}

impl Process {
    /// Starts a role, and tells it how the daemons are if it is to know.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn start(
        recipe: &Recipe,
        safe_mode: Option<String>,
        daemons: Option<watch::Receiver<Arc<[DaemonSeen]>>>,
    ) -> Result<Self, StartError> {
        let (mut channel, theirs) = Channel::pair(MAX_MESSAGE).map_err(StartError::Pair)?;
        let child = Command::new("/proc/self/exe")
            .args(&recipe.arguments)
            .env_clear()
            .envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(MEMORY)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal reaches a whole group; roles are stopped by their supervisor.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(StartError::Spawn)?;
        let sockets: Vec<_> = recipe.sockets.iter().map(|socket| socket.as_fd()).collect();
        let spawned = Spawned { safe_mode, ..recipe.spawned.clone() };
        channel.send(&spawned, &sockets).await?;
        let (sender, reports) = channel.into_split();
        let mut telling = JoinSet::new();
        telling.spawn(tell(sender, daemons));
        Ok(Self { child, reports, talking: true, _telling: telling })
    }

    /// What it says for the log; once.
    pub fn log(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Its process id, until its end has been noticed.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for what it does next. May be cancelled without losing anything.
    pub async fn sign(&mut self) -> Sign {
        tokio::select! {
            // What it said last comes before its end.
            biased;
            received = self.reports.receive::<Report>(), if self.talking => match received {
                Ok(Some((report, _))) => Sign::Report(report),
                // One that ends without having read all it was told resets the channel.
                Ok(None) | Err(ChannelError::Io(_)) => {
                    self.talking = false;
                    Sign::Silent
                }
                Err(error) => {
                    self.talking = false;
                    Sign::Babble(error)
                }
            },
            status = self.child.wait() => Sign::Ended(match status {
                Ok(status) => words(status),
                Err(error) => format!("nobody knows how it ended: {error}"),
            }),
        }
    }

    /// Asks it to end.
    pub fn stop(&self) {
        // It still has its id while its end has not been collected, so no other process is meant.
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid
            && let Err(error) = kill(Pid::from_raw(pid), Signal::SIGTERM)
        {
            tracing::warn!(pid, %error, "cannot be asked to end");
        }
    }

    /// Ends it.
    pub fn kill(&mut self) {
        if let Err(error) = self.child.start_kill() {
            tracing::warn!(%error, "cannot be killed");
        }
    }
}

/// Tells how the daemons are whenever that changes, for as long as the role listens. Keeps its end of the
/// channel open in any case: when it closes, the role ends.
async fn tell(mut sender: ChannelSender, daemons: Option<watch::Receiver<Arc<[DaemonSeen]>>>) {
    let Some(mut daemons) = daemons else { return std::future::pending().await };
    daemons.mark_changed();
    while daemons.changed().await.is_ok() {
        let seen = daemons.borrow_and_update().to_vec();
        if let Err(error) = sender.send(&Told::Daemons(seen), &[]).await {
            tracing::debug!(%error, "a role is not told how the daemons are");
            break;
        }
    }
    std::future::pending().await
}

pub(crate) fn words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with status {code}"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => format!("it ended with {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_in_words() {
        assert_eq!(words(ExitStatus::from_raw(3 << 8)), "it ended with status 3");
        assert_eq!(words(ExitStatus::from_raw(9)), "it was killed by signal 9");
    }
}
