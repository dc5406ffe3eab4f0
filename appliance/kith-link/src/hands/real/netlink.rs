//! A netlink socket: one request and its answer at a time, bounded in time and size.
//!
//! The hands ask one thing after another, so nothing is multiplexed here, and no task runs beside them.
//! Messages of rtnetlink are those of netlink-packet-route. Those of generic families are read attribute by
//! attribute in their own rooms: what neighbours send by radio is in some of them, and one bad element
//! of one neighbour must not make a whole answer unreadable.

use std::io;
use std::time::Duration;

use netlink_packet_core::{NetlinkDeserializable as _, NetlinkHeader, NetlinkSerializable as _};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{AsyncSocket as _, AsyncSocketExt as _, SocketAddr, TokioSocket};
use nix::errno::Errno;

use super::attributes::Attributes;

/// `NLM_F_REQUEST | NLM_F_ACK`: every request says how it ended.
const REQUEST: u16 = 0x1 | 0x4;
/// `NLM_F_ROOT | NLM_F_MATCH`: all there is.
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_REPLACE`: instead of what is there.
pub(crate) const REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`: not if it is there.
pub(crate) const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`: if it is not there.
pub(crate) const CREATE: u16 = 0x400;
/// `NLM_F_DUMP_INTR`: what was dumped changed meanwhile.
const INTERRUPTED: u16 = 0x10;
/// `NLM_F_ACK_TLVS`: attributes follow an error.
const ERROR_HAS_WORDS: u16 = 0x200;

/// `NLMSG_ERROR`, also the confirmation; `NLMSG_DONE`; `NLMSG_OVERRUN`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const OVERRUN: u16 = 4;

/// `NLMSGERR_ATTR_MSG`: what is wrong, in words.
const ERROR_WORDS: u16 = 1;

/// Bytes of a message's head.
const HEAD: usize = 16;

/// The longest wait for an answer. The kernel answers at once, except while somebody else holds the
/// networking lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest answer, in bytes: a thousand neighbours or scan results take less than one.
const LARGEST: usize = 16 << 20;

/// How often a dump that was disturbed is begun again.
const TRIES: u32 = 8;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetlinkError {
    /// The kernel refused, and sometimes says why.
    #[error("{}{}", .errno.desc(), .said.as_ref().map(|s| format!(" ({s})")).unwrap_or_default())]
    Refused {
        /// Its number.
        errno: Errno,
        /// Its words (`NLMSGERR_ATTR_MSG`).
        said: Option<String>,
    },
    /// The kernel does not answer.
    #[error("the kernel did not answer within {} seconds", PATIENCE.as_secs())]
    Silent,
    /// More than anybody can need.
    #[error("the kernel answered with more than {LARGEST} bytes")]
    TooMuch,
    /// It changed each time it was read.
    #[error("what was asked for changed faster than it could be read")]
    Restless,
    /// The socket itself.
    #[error("a netlink socket failed: {0}")]
    Socket(#[from] io::Error),
}

impl NetlinkError {
    /// Whether the kernel refused with one of these numbers.
    pub(crate) fn is(&self, numbers: &[Errno]) -> bool {
        matches!(self, Self::Refused { errno, .. } if numbers.contains(errno))
    }
}

/// A message of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// `nlmsg_type`.
    pub(crate) kind: u16,
    /// What follows the head.
    pub(crate) payload: Vec<u8>,
}

/// The socket.
pub(crate) struct Netlink {
    socket: TokioSocket,
    sequence: u32,
}

impl std::fmt::Debug for Netlink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Netlink").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl Netlink {
    /// Opens one. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// When the kernel has no such protocol.
    pub(crate) fn open(protocol: isize) -> io::Result<Self> {
        let mut socket = TokioSocket::new(protocol)?;
        let inner = socket.socket_mut();
        inner.bind_auto()?;
        // Kernels before 4.12 do not say what is wrong; they work as well.
        let _ = inner.set_ext_ack(true);
        let _ = inner.set_cap_ack(true);
        Ok(Self { socket, sequence: 0 })
    }

    /// Asks, and gives all that is answered.
    ///
    /// # Errors
    /// [`NetlinkError`].
    pub(crate) async fn ask(
        &mut self,
        kind: u16,
        flags: u16,
        payload: &[u8],
    ) -> Result<Vec<Message>, NetlinkError> {
        for _ in 0..TRIES {
            let asking = self.ask_once(kind, flags | REQUEST, payload);
            match tokio::time::timeout(PATIENCE, asking).await {
                Err(_) => return Err(NetlinkError::Silent),
                Ok(Ok(Some(messages))) => return Ok(messages),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => return Err(error),
            }
        }
        Err(NetlinkError::Restless)
    }

    /// As [`Netlink::ask`], with a message of rtnetlink. What cannot be understood of the answer is left
    /// out and logged: something foreign is no reason to see nothing.
    pub(crate) async fn route(
        &mut self,
        message: &RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        let mut payload = vec![0; message.buffer_len()];
        message.serialize(&mut payload);
        let answer = self.ask(message.message_type(), flags, &payload).await?;
        let understood = answer.iter().filter_map(|message| {
            let mut header = NetlinkHeader::default();
            header.message_type = message.kind;
            RouteNetlinkMessage::deserialize(&header, &message.payload)
                .inspect_err(|error| tracing::warn!(%error, "a netlink message is unreadable"))
                .ok()
        });
        Ok(understood.collect())
    }

    /// One try; nothing when what was dumped changed meanwhile.
    async fn ask_once(
        &mut self,
        kind: u16,
        flags: u16,
        payload: &[u8],
    ) -> Result<Option<Vec<Message>>, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = frame(kind, flags, self.sequence, payload);
        let sent = self.socket.send_to(&request, &SocketAddr::new(0, 0)).await?;
        if sent != request.len() {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        let (mut messages, mut size, mut whole) = (Vec::new(), 0, true);
        loop {
            let (datagram, from) = self.socket.recv_from_full().await?;
            // Anybody may send to a netlink socket; only what the kernel says counts.
            if from.port_number() != 0 {
                continue;
            }
            size += datagram.len();
            if size > LARGEST {
                return Err(NetlinkError::TooMuch);
            }
            // Another number: the rest of an answer that nobody waited for.
            for raw in split(&datagram).filter(|raw| raw.sequence == self.sequence) {
                whole &= raw.flags & INTERRUPTED == 0;
                match raw.kind {
                    ERROR | DONE => {
                        outcome(&raw)?;
                        return Ok(whole.then_some(messages));
                    }
                    OVERRUN => whole = false,
                    kind => messages.push(Message { kind, payload: raw.payload.to_vec() }),
                }
            }
        }
    }
}

/// A socket that only listens: to what the kernel tells everybody in a group.
pub(crate) struct Ear {
    socket: TokioSocket,
}

impl std::fmt::Debug for Ear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ear")
    }
}

impl Ear {
    /// Joins groups. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// When the kernel has no such protocol or group.
    pub(crate) fn open(protocol: isize, groups: &[u32]) -> io::Result<Self> {
        let mut socket = TokioSocket::new(protocol)?;
        socket.socket_mut().bind_auto()?;
        for group in groups {
            socket.socket_mut().add_membership(*group)?;
        }
        Ok(Self { socket })
    }

    /// What is told next: the payloads of its messages, or nothing when some were lost because too
    /// many came (`ENOBUFS`). May be dropped while it waits.
    ///
    /// # Errors
    /// When the socket fails.
    pub(crate) async fn listen(&self) -> Result<Option<Vec<Vec<u8>>>, NetlinkError> {
        loop {
            match self.socket.recv_from_full().await {
                Ok((datagram, from)) if from.port_number() == 0 => {
                    return Ok(Some(split(&datagram).map(|raw| raw.payload.to_vec()).collect()));
                }
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A request as it is sent.
fn frame(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEAD + payload.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEAD + payload.len());
    bytes.extend_from_slice(&length.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// A message as it came.
#[derive(Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) kind: u16,
    flags: u16,
    sequence: u32,
    pub(crate) payload: &'a [u8],
}

/// The messages of a datagram, up to the first that does not fit.
pub(crate) fn split(datagram: &[u8]) -> impl Iterator<Item = Raw<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = usize::try_from(u32::from_ne_bytes(*rest.first_chunk()?)).ok()?;
        let message = rest.get(..length).filter(|message| message.len() >= HEAD)?;
        let raw = Raw {
            kind: u16::from_ne_bytes(*message.get(4..)?.first_chunk()?),
            flags: u16::from_ne_bytes(*message.get(6..)?.first_chunk()?),
            sequence: u32::from_ne_bytes(*message.get(8..)?.first_chunk()?),
            payload: message.get(HEAD..)?,
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(raw)
    })
}

/// How a request ended: both a confirmation and the end of a dump carry a number, 0 for success.
fn outcome(raw: &Raw<'_>) -> Result<(), NetlinkError> {
    let number = raw.payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    if number >= 0 {
        return Ok(());
    }
    let said = (raw.flags & ERROR_HAS_WORDS != 0).then(|| {
        // The head of the refused request comes before the words, except at the end of a dump.
        let skip = if raw.kind == ERROR { 4 + HEAD } else { 4 };
        let words =
            Attributes::new(raw.payload.get(skip..).unwrap_or_default()).get(ERROR_WORDS)?;
        words.text().map(ToOwned::to_owned)
    });
    Err(NetlinkError::Refused {
        errno: Errno::from_raw(number.saturating_neg()),
        said: said.flatten(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::attributes::Writer;
    use super::*;

    #[test]
    fn a_framed_request_is_split_again() {
        let two = [frame(20, DUMP, 7, b"abcd"), frame(3, 0, 8, &[])].concat();
        let seen: Vec<_> = split(&two).map(|r| (r.kind, r.flags, r.sequence, r.payload)).collect();
        assert_eq!(seen, [(20, DUMP, 7, &b"abcd"[..]), (3, 0, 8, &[][..])]);
    }

    #[test]
    fn a_refusal_is_told_with_the_words_of_the_kernel() {
        let words = Writer::default().text(ERROR_WORDS, "Device does not exist").done();
        let payload = [&(-19_i32).to_ne_bytes()[..], &[0; HEAD], &words].concat();
        let bytes = frame(ERROR, ERROR_HAS_WORDS, 1, &payload);
        let refused = outcome(&split(&bytes).next().unwrap()).unwrap_err();
        assert!(refused.is(&[Errno::ENODEV]));
        assert_eq!(refused.to_string(), "No such device (Device does not exist)");
        let fine = frame(ERROR, 0, 1, &0_i32.to_ne_bytes());
        assert!(outcome(&split(&fine).next().unwrap()).is_ok());
    }

    proptest! {
        #[test]
        fn any_datagram_is_split_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for raw in split(&bytes) {
                let _ = outcome(&raw);
            }
        }
    }

    #[tokio::test]
    async fn the_kernel_answers_and_refuses() {
        let mut netlink = Netlink::open(netlink_sys::protocols::NETLINK_ROUTE).unwrap();
        // RTM_GETLINK; every network has at least its loopback.
        let links = netlink.ask(18, DUMP, &[0; 16]).await.unwrap();
        assert!(!links.is_empty() && links.iter().all(|link| link.kind == 16));
        let refused = netlink.ask(18, 0, &[0; 16]).await.unwrap_err();
        assert!(matches!(refused, NetlinkError::Refused { .. }), "{refused}");
        let again = netlink.ask(18, DUMP, &[0; 16]).await.unwrap();
        assert_eq!(again.len(), links.len());
    }
}
