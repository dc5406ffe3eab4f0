//! The control socket of hostapd and wpa_supplicant: a question, an answer, one datagram each.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

static SOCKETS: AtomicU32 = AtomicU32::new(0);
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to one interface of one daemon.
#[derive(Debug)]
pub(crate) struct Control {
    socket: UnixDatagram,
    own: PathBuf,
}

impl Control {
    /// Connects to the daemon's socket at `path`.
    ///
    /// # Errors
    /// When nobody listens there.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let number = SOCKETS.fetch_add(1, Ordering::Relaxed);
        let own = PathBuf::from(format!("/tmp/control-{}-{number}", std::process::id()));
        let socket = UnixDatagram::bind(&own).context("make a socket")?;
        let this = Self { socket, own };
        this.socket.connect(path).with_context(|| format!("reach {}", path.display()))?;
        this.socket.set_read_timeout(Some(PATIENCE)).context("set a limit")?;
        Ok(this)
    }

    /// Asks, and answers what it says.
    ///
    /// # Errors
    /// When it does not answer, as when it is stopped.
    pub(crate) fn ask(&self, question: &str) -> Result<String> {
        self.socket.send(question.as_bytes()).with_context(|| format!("ask {question}"))?;
        let mut answer = [0; 8192];
        let length = self.socket.recv(&mut answer).with_context(|| format!("ask {question}"))?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// Tells it to do something.
    ///
    /// # Errors
    /// When the answer is not `OK`.
    pub(crate) fn tell(&self, order: &str) -> Result<()> {
        match self.ask(order)?.trim() {
            "OK" => Ok(()),
            other => bail!("{order}: {other}"),
        }
    }

    /// The facts of `STATUS`, one `name=value` a line.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn status(&self) -> Result<BTreeMap<String, String>> {
        let said = self.ask("STATUS")?;
        let pair = |line: &str| line.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()));
        Ok(said.lines().filter_map(pair).collect())
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.own);
    }
}
