//! One line of the table: what is required, which packet was sent, what was expected and what was seen.

use std::fmt;

use anyhow::{Result, anyhow};

use super::exceptions::EXCEPTIONS;
use super::host::Who;
use super::packet::{Body, Packet};
use super::town::{Fate, Town};
use crate::lab::report::Report;

/// What shall become of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// It arrives there.
    Arrives(Who),
    /// It arrives there, from this address.
    From(Who, String),
    /// It arrives there, at this port.
    At(Who, u16),
    /// A program in the box gets it.
    Delivered,
    /// The box answers: a connection would open, an echo comes back.
    Answered,
    /// It arrives nowhere, and its sender is told so, in these words of the rules.
    Refused(&'static str),
    /// It arrives nowhere, and its sender is told nothing.
    Silence,
    /// It arrives nowhere.
    Nowhere,
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arrives(who) => write!(f, "arrives at {}", who.name()),
            Self::From(who, address) => write!(f, "arrives at {} from {address}", who.name()),
            Self::At(who, port) => write!(f, "arrives at {} at port {port}", who.name()),
            Self::Delivered => write!(f, "delivered in the box"),
            Self::Answered => write!(f, "answered by the box"),
            Self::Refused(word) => write!(f, "refused: {word}"),
            Self::Silence => write!(f, "silence"),
            Self::Nowhere => write!(f, "arrives nowhere"),
        }
    }
}

impl Expect {
    fn holds(&self, fate: &Fate) -> bool {
        use super::packet::Kind;
        let at = |who: Who| fate.arrived.iter().filter(move |(at, _)| *at == who);
        let elsewhere = |who: Who| fate.arrived.iter().any(|(at, _)| *at != who);
        let nowhere = fate.arrived.is_empty() && fate.delivered.is_none() && !answered(fate);
        match self {
            Self::Arrives(who) => at(*who).next().is_some() && !elsewhere(*who),
            Self::From(who, address) => {
                at(*who).any(|(_, seen)| seen.from.to_string() == *address) && !elsewhere(*who)
            }
            Self::At(who, port) => at(*who).any(|(_, seen)| match seen.kind {
                Kind::Udp(_, to) | Kind::Tcp(_, to, _) => to == *port,
                Kind::Icmp(..) | Kind::Other(_) => false,
            }),
            Self::Delivered => fate.delivered.is_some(),
            Self::Answered => answered(fate),
            Self::Refused(word) => nowhere && fate.back.iter().any(|seen| seen.what() == *word),
            Self::Silence => nowhere && fate.back.is_empty(),
            Self::Nowhere => nowhere,
        }
    }

    /// Whether seeing it once is enough.
    const fn is_positive(&self) -> bool {
        match self {
            Self::Arrives(_)
            | Self::From(..)
            | Self::At(..)
            | Self::Delivered
            | Self::Answered
            | Self::Refused(_) => true,
            Self::Silence | Self::Nowhere => false,
        }
    }
}

/// Whether the box itself has taken the packet.
fn answered(fate: &Fate) -> bool {
    fate.back.iter().any(|seen| matches!(seen.what().as_str(), "syn-ack" | "echo-reply" | "reset"))
}

/// What became of a packet, in words.
pub(super) fn words(fate: &Fate) -> String {
    let mut seen: Vec<String> = Vec::new();
    for (who, packet) in &fate.arrived {
        seen.push(format!("{} has {} from {}", who.name(), packet.what(), packet.from));
    }
    if let Some(port) = fate.delivered {
        seen.push(format!("the box has it at port {port}"));
    }
    seen.extend(fate.back.iter().map(|packet| format!("{} from {}", packet.what(), packet.from)));
    seen.dedup();
    if seen.is_empty() { "silence".into() } else { seen.join(", ") }
}

fn described(from: Who, packet: &Packet) -> String {
    let Packet { from: source, to, body, .. } = packet;
    let what = match body {
        Body::Udp(a, b) => format!("udp {source} {a} to {to} {b}"),
        Body::Syn(a, b) => format!("tcp {source} {a} to {to} {b}"),
        Body::Ack(a, b) => format!("tcp ack {source} {a} to {to} {b}"),
        Body::Icmp(kind, code, _) => format!("icmp {kind}/{code} {source} to {to}"),
        Body::Error(kind, code, ..) => format!("icmp error {kind}/{code} {source} to {to}"),
        Body::Protocol(number) => format!("protocol {number} {source} to {to}"),
        Body::Routed(_, port) => format!("udp with routing header 0 {source} to {to} {port}"),
    };
    format!("{}: {what}", from.name())
}

/// All lines, and the town in which they are found out.
#[derive(Debug)]
pub(super) struct Lab {
    /// The town.
    pub(super) town: Town,
    /// The table so far.
    pub(super) report: Report,
    /// How many lines there are.
    pub(super) lines: usize,
    used: Vec<&'static str>,
}

impl Lab {
    /// With an empty table.
    pub(super) fn new(town: Town) -> Self {
        Self { town, report: Report::default(), lines: 0, used: Vec::new() }
    }

    /// Sends one packet and notes what became of it.
    pub(super) fn check(
        &mut self,
        requirement: &str,
        from: Who,
        packet: Result<Packet>,
        expect: &Expect,
    ) {
        let line = packet.and_then(|packet| {
            let done = |fate: &Fate| expect.holds(fate);
            let enough: Option<&dyn Fn(&Fate) -> bool> =
                if expect.is_positive() { Some(&done) } else { None };
            let fate = self.town.send(from, &packet, enough)?;
            Ok((described(from, &packet), fate))
        });
        let line = line.map(|(sent, fate)| (sent, words(&fate), expect.holds(&fate)));
        self.note(requirement, &expect.to_string(), line);
    }

    /// Notes what was found out in more than one step: what was sent, what was seen, and whether it holds.
    pub(super) fn note(
        &mut self,
        requirement: &str,
        expected: &str,
        line: Result<(String, String, bool)>,
    ) {
        self.lines += 1;
        let what = format!("router {requirement}");
        let excepted = EXCEPTIONS.iter().find(|(line, _)| *line == requirement);
        match (line, excepted) {
            (Err(why), _) => self.report.note(&what, Err(why)),
            (Ok((sent, seen, true)), None) => {
                self.report.note(&what, Ok(format!("{sent}: {seen}")));
            }
            (Ok((sent, seen, false)), None) => {
                self.report.note(&what, Err(anyhow!("{sent}: expected {expected}; seen: {seen}")));
            }
            (Ok((sent, seen, false)), Some((line, why))) => {
                self.used.push(line);
                self.report
                    .except(&what, format!("{sent}: expected {expected}; seen: {seen}. {why}"));
            }
            (Ok((sent, seen, true)), Some(_)) => {
                let stale =
                    anyhow!("{sent}: {seen}, so it holds: take it off the list of exceptions");
                self.report.note(&what, Err(stale));
            }
        }
    }

    /// The table; when all of it was wanted, an exception that no line was about is a failure.
    pub(super) fn end(mut self, all: bool) -> Report {
        for (line, _) in EXCEPTIONS.iter().filter(|(line, _)| all && !self.used.contains(line)) {
            let unused = anyhow!("nothing on the list of exceptions was seen under this name");
            self.report.note(&format!("router {line}"), Err(unused));
        }
        self.report
    }
}

/// A datagram between `ADDRESS:PORT` and `ADDRESS:PORT`.
pub(super) fn udp(from: &str, to: &str) -> Result<Packet> {
    Ok(Packet::udp(from.parse()?, to.parse()?))
}

/// The first segment of a connection between the two.
pub(super) fn syn(from: &str, to: &str) -> Result<Packet> {
    Ok(Packet::syn(from.parse()?, to.parse()?))
}

/// An echo request.
pub(super) fn echo(from: &str, to: &str) -> Result<Packet> {
    Ok(Packet::echo(from.parse()?, to.parse()?))
}

/// ICMP of a type.
pub(super) fn icmp(kind: u8, from: &str, to: &str) -> Result<Packet> {
    Ok(Packet::icmp(from.parse()?, to.parse()?, kind, 0))
}

/// A packet of another protocol.
pub(super) fn protocol(number: u8, from: &str, to: &str) -> Result<Packet> {
    Ok(Packet::protocol(from.parse()?, to.parse()?, number))
}

/// An ICMP error of a type and a code about a packet.
pub(super) fn error(kind: (u8, u8), from: &str, to: &str, about: Result<Packet>) -> Result<Packet> {
    Ok(Packet::error(from.parse()?, to.parse()?, kind, about?))
}
