//! What goes on without a pause: answers from the memory of the name service, and packets from the family to
//! the internet.

use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, connect, socket,
};

use super::beat::{Speech, Tally, beat};
use super::clients::lease;
use super::device;
use super::frame::checksum;
use super::home::{BOX, Home};
use super::provider::{FAR, NAME};
use super::row::Rows;
use crate::lab::namespace::{call, inside};
use crate::lab::wait;

/// Questions about names, and packets to the internet, in one second.
const QUESTIONS: u32 = 2_000;
const PINGS: u32 = 1_000;
/// The longest that nobody answers when the name service itself changes.
const GAP: Duration = Duration::from_secs(1);
/// What follows a change at once has been seen by then.
const AFTER: Duration = Duration::from_secs(3);
/// Ports that are opened, one for each time that it is tried.
const FORWARDS: std::ops::Range<u16> = 8_443..8_447;
/// A machine that let nobody ask for so long had no time for the box either.
const STARVED: Duration = Duration::from_millis(100);
/// Bytes by which our pings are known.
const ID: [u8; 2] = *b"Ki";

/// The name service under load, while the box is changed.
pub(super) fn names(rows: &mut Rows, home: &mut Home) {
    let load = format!("{QUESTIONS} cached questions a second");
    rows.row(
        "names: a change that does not touch them",
        &format!("{load}, kith set firewall.forward.+, apply, confirm"),
        "none missing",
        || {
            let before = home.daemon("dnsmasq").context("no dnsmasq")?;
            let mut ports = FORWARDS;
            let tally = loop {
                let port = ports.next().context("no port left")?;
                let tally = untouched(home, port)?;
                // What gets no time loses packets by itself; a name service that begins anew loses some
                // each time.
                if tally.missing == 0 || tally.late < STARVED || ports.is_empty() {
                    break tally;
                }
            };
            let after = home.daemon("dnsmasq");
            ensure!(after == Some(before), "dnsmasq was {before} and is {after:?}");
            ensure!(tally.missing == 0, "{}", words(&tally));
            Ok(words(&tally))
        },
    );
    rows.row(
        "names: a change that does",
        &format!("{load}, kith set dns.rebind_exceptions, apply, confirm"),
        "another dnsmasq, and nobody without an answer for more than a second",
        || {
            let before = home.daemon("dnsmasq").context("no dnsmasq")?;
            let tally = asking(home, |home| {
                home.change(&[("dns.rebind_exceptions", "nas.example,printer.example")])?;
                std::thread::sleep(AFTER);
                Ok(())
            })?;
            ensure!(home.daemon("dnsmasq") != Some(before), "it is the same dnsmasq");
            ensure!(tally.gap <= GAP, "{}", words(&tally));
            Ok(words(&tally))
        },
    );
    rows.row(
        "names: control, the name service is killed",
        &format!("{load}, kill -9 of dnsmasq"),
        "some are missing",
        || {
            let tally = asking(home, |home| {
                home.kill("dnsmasq")?;
                std::thread::sleep(AFTER);
                Ok(())
            })?;
            ensure!(tally.missing > 0, "{}", words(&tally));
            Ok(words(&tally))
        },
    );
}

/// Packets to the internet, while those who set it up are killed.
pub(super) fn pings(rows: &mut Rows, home: &mut Home) {
    if let Err(why) = lease(&home.lan(), home) {
        return rows.failed("packets", why);
    }
    for who in ["link", "node", "supervisor"] {
        rows.row(
            &format!("packets: kill -9 of the {who}"),
            &format!("{PINGS} echo requests a second to {FAR}"),
            "none missing, and somebody else in its place",
            || {
                let before = (home.roles().get(who).copied(), home.daemon("dhcpcd"));
                let tally = pinging(home, |home| {
                    home.kill(who)?;
                    let again = || Ok(home.network().is_ok() && home.reached());
                    wait(super::home::PATIENCE, "the box answers again", again)?;
                    std::thread::sleep(AFTER);
                    Ok(())
                })?;
                let after = (home.roles().get(who).copied(), home.daemon("dhcpcd"));
                ensure!(who == "supervisor" || before.0 != after.0, "nobody was killed");
                ensure!(before.1 == after.1, "dhcpcd was {:?} and is {:?}", before.1, after.1);
                ensure!(tally.missing == 0, "{}", words(&tally));
                Ok(words(&tally))
            },
        );
    }
    rows.row(
        "packets: control, a cable is pulled",
        &format!("{PINGS} echo requests a second, the device's cable out for 0.1 s"),
        "some are missing",
        || {
            let tally = pinging(home, |home| {
                for state in ["down", "up"] {
                    call("ip", &["-n", &home.name, "link", "set", "lan1", state])?;
                    std::thread::sleep(Duration::from_millis(100));
                }
                Ok(())
            })?;
            ensure!(tally.missing > 0, "{}", words(&tally));
            Ok(words(&tally))
        },
    );
}

fn words(tally: &Tally) -> String {
    let Tally { asked, missing, gap, late } = tally;
    format!("{missing} of {asked} missing, longest gap {gap:.0?}; {late:.0?} were left out")
}

/// Opens a port while questions are asked.
fn untouched(home: &mut Home, port: u16) -> Result<Tally> {
    let forward =
        format!("{{ name = 'Web', protocol = 'tcp', port = {port}, to = '192.168.77.23' }}");
    let tally = asking(home, |home| {
        home.change(&[("firewall.forward.+", &forward)])?;
        std::thread::sleep(AFTER);
        Ok(())
    })?;
    let rules = device::run(&home.name, "nft", &["list", "table", "inet", "kith"])?;
    ensure!(rules.contains(&port.to_string()), "the forward is not in the kernel");
    Ok(tally)
}

fn asking(home: &mut Home, work: impl FnOnce(&mut Home) -> Result<()>) -> Result<Tally> {
    let socket = inside(&home.lan(), || {
        let socket = UdpSocket::bind("0.0.0.0:0").context("a socket")?;
        socket.connect((BOX, 53)).context("the box")?;
        Ok(OwnedFd::from(socket))
    })?;
    beat(&socket, QUESTIONS, Speech { ask: question, answered: answer }, || work(home))
}

fn pinging(home: &mut Home, work: impl FnOnce(&mut Home) -> Result<()>) -> Result<Tally> {
    let socket = inside(&home.lan(), || {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Icmp);
        let socket = socket.context("a socket for pings")?;
        let far = SockaddrIn::from(SocketAddrV4::new(FAR.parse().context("an address")?, 0));
        connect(socket.as_raw_fd(), &far).context("the internet")?;
        Ok(socket)
    })?;
    beat(&socket, PINGS, Speech { ask: ping, answered: pong }, || work(home))
}

/// RFC 1035, 4.1.
fn question(number: u16) -> Vec<u8> {
    let mut message = number.to_be_bytes().to_vec();
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in NAME.0.split('.') {
        message.push(u8::try_from(label.len()).unwrap_or(0));
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// An answer counts when it has one.
fn answer(message: &[u8]) -> Option<u16> {
    let ([a, b], rest) = message.split_first_chunk::<2>()?;
    let good = rest.first()? & 0x80 != 0 && rest.get(1)? & 0x0f == 0 && rest.get(5)? > &0;
    good.then_some(u16::from_be_bytes([*a, *b]))
}

fn ping(number: u16) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0];
    message.extend(ID);
    message.extend(number.to_be_bytes());
    message.extend([0; 48]);
    let sum = checksum(&message);
    message.splice(2..4, sum.to_be_bytes());
    message
}

/// With the header of IPv4 before it.
fn pong(packet: &[u8]) -> Option<u16> {
    let message = packet.get(20..)?;
    let ours = message.first()? == &0 && message.get(4..6)? == ID;
    let number = message.get(6..8)?.first_chunk::<2>()?;
    ours.then_some(u16::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_is_an_answer() {
        let question = question(7);
        assert_eq!(answer(&question), None);
        let mut good = question.clone();
        good[2] |= 0x80;
        assert_eq!(answer(&good), None, "it has none");
        good[7] = 1;
        assert_eq!(answer(&good), Some(7));
        good[3] = 3;
        assert_eq!(answer(&good), None, "there is no such name");
        assert_eq!(answer(b"x"), None);
    }

    #[test]
    fn only_our_pong_counts() {
        let mut packet = [vec![0x45; 20], ping(9)].concat();
        assert_eq!(pong(&packet), None, "it is the question");
        packet[20] = 0;
        assert_eq!(pong(&packet), Some(9));
        packet[24] = 0;
        assert_eq!(pong(&packet), None);
        assert_eq!(checksum(&ping(9)), 0);
    }
}
