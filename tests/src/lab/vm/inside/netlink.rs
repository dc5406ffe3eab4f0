//! The kernel's netlink, as far as no stock program speaks it: one request, one answer (RFC 3549, 2).

use std::os::fd::AsRawFd as _;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// `NLM_F_REQUEST` and `NLM_F_ACK` (linux/netlink.h).
const REQUEST: u16 = 0x1 | 0x4;
/// `NLMSG_ERROR`, which also says that all went well.
const ERROR: u16 = 2;
/// Bytes of a message's header, and of the header of generic netlink behind it.
const HEADER: usize = 16;
const GENERIC: usize = 4;

/// `GENL_ID_CTRL`, `CTRL_CMD_GETFAMILY` and two of its attributes (linux/genetlink.h).
const CONTROLLER: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

/// An attribute with its length and padding.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A name as the kernel wants it.
pub(crate) fn named(kind: u16, name: &str) -> Vec<u8> {
    attribute(kind, &[name.as_bytes(), b"\0"].concat())
}

/// Asks one of the kernel's families; answers what it says before the end of a message.
///
/// # Errors
/// What the kernel refuses.
pub(crate) fn ask(protocol: SockProtocol, kind: u16, flags: u16, body: &[u8]) -> Result<Vec<u8>> {
    let none = MsgFlags::empty();
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)
        .context("a netlink socket")?;
    let length = u32::try_from(HEADER + body.len()).context("a short message")?;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend([kind.to_ne_bytes(), (REQUEST | flags).to_ne_bytes()].concat());
    message.extend([0; 8]);
    message.extend_from_slice(body);
    sendto(socket.as_raw_fd(), &message, &NetlinkAddr::new(0, 0), none)
        .context("ask the kernel")?;
    let mut answer = vec![0; 1 << 15];
    let mut said = Vec::new();
    loop {
        let length = recv(socket.as_raw_fd(), &mut answer, none).context("hear the kernel")?;
        let mut rest = answer.get(..length).unwrap_or_default();
        while let Some((kind, body)) = next(&mut rest) {
            if kind != ERROR {
                said.extend_from_slice(body);
                continue;
            }
            return match number(body, 0) {
                // A family may answer a request with a number, as for what it has made.
                Some(error) if error >= 0 => Ok(said),
                Some(error) => bail!("{}", Errno::from_raw(-error)),
                None => bail!("an answer cut off"),
            };
        }
    }
}

/// Tells a family of generic netlink to do something.
///
/// # Errors
/// When there is no such family, or it refuses.
pub(crate) fn tell(family: &str, command: u8, attributes: &[u8]) -> Result<()> {
    let generic = |command: u8, attributes: &[u8]| [&[command, 1, 0, 0][..], attributes].concat();
    let asked = generic(GET_FAMILY, &named(FAMILY_NAME, family));
    let said = ask(SockProtocol::NetlinkGeneric, CONTROLLER, 0, &asked)
        .with_context(|| format!("look for {family}"))?;
    let id = find(said.get(GENERIC..).unwrap_or_default(), FAMILY_ID);
    let id = id.and_then(|id| <[u8; 2]>::try_from(id).ok()).map(u16::from_ne_bytes);
    let id = id.with_context(|| format!("no number of {family}"))?;
    ask(SockProtocol::NetlinkGeneric, id, 0, &generic(command, attributes)).map(drop)
}

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok()).map(i32::from_ne_bytes)
}

/// Takes the next message from what was heard: its kind and what is behind its header.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let length = usize::try_from(number(rest, 0)?).ok()?;
    let kind = u16::from_ne_bytes(<[u8; 2]>::try_from(rest.get(4..6)?).ok()?);
    let body = rest.get(HEADER..length)?;
    *rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, body))
}

/// The value of an attribute.
fn find(mut rest: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let [a, b, c, d] = <[u8; 4]>::try_from(rest.get(..4)?).ok()?;
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let value = rest.get(4..length)?;
        if u16::from_ne_bytes([c, d]) == wanted {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_found_again() {
        let bytes = [named(2, "hwsim"), attribute(1, &7_u16.to_ne_bytes())].concat();
        assert_eq!(bytes.len(), 12 + 8);
        assert_eq!(find(&bytes, 1), Some(&7_u16.to_ne_bytes()[..]));
        assert_eq!(find(&bytes, 2), Some(&b"hwsim\0"[..]));
        assert_eq!(find(&bytes, 3), None);
        assert_eq!(find(&[0; 4], 1), None, "no attribute is shorter than its header");
    }

    #[test]
    fn messages_are_taken_one_by_one_and_a_cut_one_is_none() {
        let message = |kind: u16, body: &[u8]| {
            let length = u32::try_from(HEADER + body.len()).unwrap();
            let start = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10]].concat();
            [start, body.to_vec()].concat()
        };
        let heard = [message(7, b"abcd"), message(ERROR, &[0; 4])].concat();
        let mut rest = &heard[..];
        assert_eq!(next(&mut rest), Some((7, &b"abcd"[..])));
        assert_eq!(next(&mut rest), Some((ERROR, &[0; 4][..])));
        assert_eq!(next(&mut rest), None);
        assert_eq!(next(&mut &heard[..18]), None);
    }
}
