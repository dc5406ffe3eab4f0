//! Every port from outside: a stranger hears nothing but from what is open on purpose.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::host::Who;
use super::packet::{Kind, Packet};
use super::row::Lab;
use super::town::Town;

/// How long is listened after the last packet.
const LISTEN: Duration = Duration::from_secs(2);
/// Packets between two looks at what came back, so that nothing is lost.
const BATCH: usize = 64;
/// The port of the first stranger. Each scan is by another one, to whom nothing is open yet.
const FROM: u16 = 43_000;

/// What a stranger has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Ports from which an answer came: data, or a connection that would open.
    pub(super) open: BTreeSet<u16>,
    /// Ports that were refused: a reset, or an error of ICMP.
    pub(super) refused: usize,
    /// How many were tried.
    pub(super) tried: u32,
    /// The stranger's port.
    from: u16,
}

impl Found {
    fn words(&self) -> String {
        format!("open {:?}, {} refusals of {} ports", self.open, self.refused, self.tried)
    }
}

/// Tries all ports of `to` from the internet.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn scan(town: &mut Town, from: u16, tcp: bool, to: &str) -> Result<Found> {
    let source = if to.contains(':') { "[2001:db8:2::1]" } else { "198.51.100.1" };
    let source: SocketAddr = format!("{source}:{from}").parse().context("an address")?;
    let to = to.parse().context("an address")?;
    let token = town.token();
    town.forget()?;
    let mut found = Found { from, ..Found::default() };
    let ports: Vec<u16> = (1..=u16::MAX).collect();
    for batch in ports.chunks(BATCH) {
        for port in batch {
            let to = SocketAddr::new(to, *port);
            let packet = if tcp { Packet::syn(source, to) } else { Packet::udp(source, to) };
            town.host(Who::Wan)?.send(packet.to, &packet.bytes(&token))?;
            found.tried += 1;
        }
        listen(town, &mut found)?;
    }
    let end = Instant::now() + LISTEN;
    while Instant::now() < end {
        listen(town, &mut found)?;
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(found)
}

fn listen(town: &Town, found: &mut Found) -> Result<()> {
    for (port, _, from) in town.heard() {
        town.answer(port, from);
    }
    for device in [Who::Lan, Who::Lan2, Who::Guest, Who::Mesh] {
        // Those have kernels that answer; nobody looks at what they get.
        town.host(device)?.arrived()?;
    }
    for seen in town.host(Who::Wan)?.arrived()? {
        match seen.kind {
            Kind::Tcp(port, to, _) if to == found.from && seen.what() == "syn-ack" => {
                found.open.insert(port);
            }
            Kind::Udp(port, to) if to == found.from => {
                found.open.insert(port);
            }
            Kind::Tcp(_, to, _) if to == found.from => found.refused += 1,
            Kind::Icmp(..) if seen.is_error() => found.refused += 1,
            Kind::Tcp(..) | Kind::Udp(..) | Kind::Icmp(..) | Kind::Other(_) => {}
        }
    }
    Ok(())
}

/// Notes what a stranger finds: only these ports answer, and no more than so many are refused.
pub(super) fn check(
    lab: &mut Lab,
    requirement: &str,
    (tcp, to): (bool, &str),
    (open, refused): (&[u16], std::ops::RangeInclusive<usize>),
) {
    let stranger = FROM + u16::try_from(lab.lines % 10_000).unwrap_or(0);
    let found = scan(&mut lab.town, stranger, tcp, to);
    let expected = format!("open {open:?}, {refused:?} refusals");
    let line = found.map(|found| {
        let same = found.open.iter().copied().eq(open.iter().copied());
        let all = found.tried == u32::from(u16::MAX);
        let holds = same && all && refused.contains(&found.refused);
        (format!("{} to {to}", if tcp { "tcp" } else { "udp" }), found.words(), holds)
    });
    lab.note(requirement, &expected, line);
}
