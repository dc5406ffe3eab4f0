//! Pings as many as are wanted a second, each known by its number, while somebody else does something.
//!
//! ping(8) sends the next one when the last was answered or a time has passed, and takes those under way at
//! its end for lost.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, setsockopt, socket, sockopt,
};
use serde::{Deserialize, Serialize};

use super::ns::Ns;

/// Bytes of answers that may wait to be heard.
const ROOM: usize = 8 << 20;
/// How long the last answers may take.
const LAST: Duration = Duration::from_secs(3);

/// What became of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pinged {
    /// How many were sent.
    pub(crate) sent: u32,
    /// How many were answered.
    pub(crate) answered: u32,
    /// How long was sent.
    pub(crate) seconds: f32,
    /// The longest time without an answer.
    pub(crate) gap_seconds: f32,
}

impl Pinged {
    /// How many were lost.
    pub(crate) const fn lost(&self) -> u32 {
        self.sent.saturating_sub(self.answered)
    }
}

/// Pings that go on.
#[derive(Debug)]
pub(crate) struct Pings {
    child: Child,
    until: PathBuf,
}

impl Pings {
    /// Begins to send `rate` a second from `ns` to `address`.
    ///
    /// # Errors
    /// When they cannot be sent.
    pub(crate) fn start(ns: &Ns, address: &str, rate: u32) -> Result<Self> {
        ns.run("sysctl", &["-qw", "net.ipv4.ping_group_range=0 0"])?;
        let until = PathBuf::from(format!("/run/pings-of-{}", ns.name()));
        let _ = std::fs::remove_file(&until);
        let own = std::env::current_exe().context("find this program")?;
        let mut command = ns.command(own.to_str().context("a path in UTF-8")?);
        command.args(["vm-pings", address, &rate.to_string()]).arg(&until);
        let child = command.stdout(Stdio::piped()).spawn().context("start pings")?;
        Ok(Self { child, until })
    }

    /// Ends them, and answers what became of them.
    ///
    /// # Errors
    /// When they ended by themselves.
    pub(crate) fn end(self) -> Result<Pinged> {
        std::fs::write(&self.until, "").context("end the pings")?;
        let output = self.child.wait_with_output().context("wait for the pings")?;
        ensure!(output.status.success(), "the pings ended with {}", output.status);
        serde_json::from_slice(&output.stdout).context("what became of the pings")
    }
}

/// Sends them until there is a file of that name.
pub(super) fn send(address: &str, rate: &str, until: &str) -> Result<()> {
    let rate: u32 = rate.parse().context("how many a second")?;
    let kind = (AddressFamily::Inet, SockType::Datagram, SockProtocol::Icmp);
    let socket = socket(kind.0, kind.1, SockFlag::SOCK_CLOEXEC, kind.2).context("may ping")?;
    // Whoever is kept from the processor for a moment loses nothing that has arrived.
    setsockopt(&socket, sockopt::RcvBufForce, &ROOM).context("room for answers")?;
    // A socket for pings is one for datagrams in all but its name (icmp(7)).
    let socket = UdpSocket::from(socket);
    let to = SocketAddr::new(address.parse().context("an address")?, 0);
    socket.connect(to).with_context(|| format!("ping {address}"))?;
    socket.set_read_timeout(Some(Duration::from_millis(100))).context("not for ever")?;
    let (sent, over) = (AtomicU32::new(0), AtomicBool::new(false));
    let (seconds, heard) = thread::scope(|scope| {
        let hearing = scope.spawn(|| hear(&socket, &sent, &over));
        let seconds = pace(&socket, rate, Path::new(until), &sent);
        over.store(true, Ordering::Release);
        (seconds, hearing.join())
    });
    let (answered, gap) = heard.map_err(|_| anyhow::anyhow!("nobody listens"))??;
    let (seconds, gap_seconds) = (seconds?.as_secs_f32(), gap.as_secs_f32());
    let sent = sent.load(Ordering::Acquire);
    let pinged = Pinged { sent, answered, seconds, gap_seconds };
    println!("{}", serde_json::to_string(&pinged)?);
    Ok(())
}

/// Sends those that are due; one that is late is sent at once, so that none is left out.
fn pace(socket: &UdpSocket, rate: u32, until: &Path, sent: &AtomicU32) -> Result<Duration> {
    let start = Instant::now();
    let mut number: u32 = 0;
    loop {
        if number.is_multiple_of(rate.div_ceil(4)) && until.exists() {
            return Ok(start.elapsed());
        }
        let due = Duration::from_secs(1) * number / rate;
        thread::sleep(due.saturating_sub(start.elapsed()));
        let low = u16::try_from(number & 0xffff).unwrap_or_default().to_be_bytes();
        // Echo request; the kernel fills in checksum and identifier (RFC 792).
        let message = [&[8, 0, 0, 0, 0, 0][..], &low, &number.to_be_bytes()].concat();
        match socket.send(&message) {
            Ok(_) => {}
            // What comes back for an earlier one is that one's loss; this one is lost here.
            Err(error) if error.kind() != ErrorKind::Interrupted => {}
            Err(_) => continue,
        }
        number += 1;
        sent.store(number, Ordering::Release);
    }
}

/// Counts the answers, each once; answers how many, and the longest time without any.
fn hear(socket: &UdpSocket, sent: &AtomicU32, over: &AtomicBool) -> Result<(u32, Duration)> {
    let (mut seen, mut answered) = (Vec::new(), 0_u32);
    let (mut last, mut gap) = (Instant::now(), Duration::ZERO);
    let mut end = None;
    loop {
        let mut answer = [0; 64];
        if let Ok(length) = socket.recv(&mut answer)
            && let Some(number) = numbered(&answer[..length])
        {
            seen.resize(seen.len().max(number + 1), false);
            if !std::mem::replace(&mut seen[number], true) {
                answered += 1;
            }
            gap = gap.max(last.elapsed());
            last = Instant::now();
        }
        if over.load(Ordering::Acquire) {
            let end = *end.get_or_insert_with(|| Instant::now() + LAST);
            if answered >= sent.load(Ordering::Acquire) || Instant::now() > end {
                return Ok((answered, gap));
            }
        }
    }
}

/// The number in an echo reply.
fn numbered(answer: &[u8]) -> Option<usize> {
    let number = <[u8; 4]>::try_from(answer.get(8..12)?).ok()?;
    let is_reply = answer.first() == Some(&0);
    is_reply.then(|| usize::try_from(u32::from_be_bytes(number)).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_its_number() {
        assert_eq!(numbered(&[0, 0, 1, 2, 3, 4, 0, 7, 0, 1, 0, 7]), Some(0x1_0007));
        assert_eq!(numbered(&[8, 0, 1, 2, 3, 4, 0, 7, 0, 1, 0, 7]), None, "a question");
        assert_eq!(numbered(&[0; 11]), None);
        let pinged = Pinged { sent: 5, answered: 3, seconds: 1.0, gap_seconds: 0.5 };
        assert_eq!(pinged.lost(), 2);
    }
}
