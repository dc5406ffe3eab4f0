//! Typed messages over Unix sockets: a big-endian `u32` length and that many bytes of strict DAG-CBOR,
//! with open descriptors beside them (`SCM_RIGHTS`).
//!
//! The descriptors of a message travel with its first byte, and no read crosses the end of a message,
//! so they are never mistaken for another's.

mod handover;
mod listen;
#[cfg(test)]
mod tests;

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;

use kith_core::wire::cbor::{self, CborError};
use nix::sys::socket::{SockType, UnixAddr, getsockname, getsockopt, sockopt};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::net::UnixStream;

pub use handover::{HandoverError, receive_sockets, send_sockets, tcp_listener, udp_socket};
pub use listen::{Guests, Listener, SocketError, bind, bind_for, connect};

/// Descriptors that one message may carry.
pub const MAX_DESCRIPTORS: usize = 64;

/// Bytes of a message's length.
const HEAD: usize = 4;

/// Memory is taken in steps, as the bytes of a message arrive.
const STEP: usize = 64 << 10;

/// Why a message could not be sent or received. After any of these but `Malformed` the channel is of no
/// more use.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The socket.
    #[error("the socket failed")]
    Io(#[from] io::Error),
    /// Longer than agreed.
    #[error("a message of {size} bytes is more than the {limit} allowed")]
    TooLarge {
        /// Its size, in bytes.
        size: usize,
        /// What is allowed, in bytes.
        limit: usize,
    },
    /// More descriptors than agreed, or than this process has room for.
    #[error(
        "a message brings more than {MAX_DESCRIPTORS} descriptors, or there is no room for them"
    )]
    TooManyDescriptors,
    /// Not a message of the expected type.
    #[error("not a message of the expected kind")]
    Malformed(#[source] CborError),
    /// The other side ended within a message.
    #[error("the other side ended within a message")]
    Truncated,
    /// An earlier error or an abandoned send left half a message on the way.
    #[error("the channel is out of step after an earlier failure")]
    OutOfStep,
}

/// Both directions of a socket.
#[derive(Debug)]
pub struct Channel {
    sender: ChannelSender,
    receiver: ChannelReceiver,
}

/// The sending direction.
#[derive(Debug)]
pub struct ChannelSender {
    stream: Arc<UnixStream>,
    limit: usize,
    in_step: bool,
}

/// The receiving direction.
#[derive(Debug)]
pub struct ChannelReceiver {
    stream: Arc<UnixStream>,
    limit: usize,
    in_step: bool,
    /// The message under way, its length first.
    buffer: Vec<u8>,
    filled: usize,
    descriptors: Vec<OwnedFd>,
}

impl Channel {
    /// A channel over a connected Unix stream socket, with messages of at most `limit` bytes either way.
    /// Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// When the descriptor is no such socket.
    pub fn from_fd(fd: OwnedFd, limit: usize) -> io::Result<Self> {
        let _unix: UnixAddr = getsockname(fd.as_raw_fd())?;
        if getsockopt(&fd, sockopt::SockType)? != SockType::Stream {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let stream = std::os::unix::net::UnixStream::from(fd);
        stream.set_nonblocking(true)?;
        let stream = UnixStream::from_std(stream)?;
        Ok(Self::new(stream, limit))
    }

    /// A channel and the other end of it, for a child process to inherit.
    ///
    /// # Errors
    /// When the kernel has no sockets left.
    pub fn pair(limit: usize) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        Ok((Self::from_fd(ours.into(), limit)?, theirs.into()))
    }

    pub(crate) fn new(stream: UnixStream, limit: usize) -> Self {
        let stream = Arc::new(stream);
        let sender = ChannelSender { stream: stream.clone(), limit, in_step: true };
        let receiver = ChannelReceiver {
            stream,
            limit,
            in_step: true,
            buffer: Vec::new(),
            filled: 0,
            descriptors: Vec::new(),
        };
        Self { sender, receiver }
    }

    /// The directions on their own; the socket closes when both are dropped.
    #[must_use]
    pub fn into_split(self) -> (ChannelSender, ChannelReceiver) {
        (self.sender, self.receiver)
    }

    /// As [`ChannelSender::send`].
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn send<T: Serialize + Sync>(
        &mut self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        self.sender.send(message, descriptors).await
    }

    /// As [`ChannelReceiver::receive`].
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn receive<T: Serialize + DeserializeOwned>(
        &mut self,
    ) -> Result<Option<(T, Vec<OwnedFd>)>, ChannelError> {
        self.receiver.receive().await
    }
}

impl ChannelSender {
    /// Sends one message with copies of `descriptors`. Waits while the other side is slow.
    ///
    /// Not to be cancelled; when it is, the channel is out of step.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub async fn send<T: Serialize + Sync>(
        &mut self,
        message: &T,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        if descriptors.len() > MAX_DESCRIPTORS {
            return Err(ChannelError::TooManyDescriptors);
        }
        let body = cbor::encode(message);
        let (size, limit) = (body.len(), self.limit);
        let head = match u32::try_from(size) {
            Ok(head) if size <= limit => head.to_be_bytes(),
            Ok(_) | Err(_) => return Err(ChannelError::TooLarge { size, limit }),
        };
        if !std::mem::replace(&mut self.in_step, false) {
            return Err(ChannelError::OutOfStep);
        }
        let message = [&head[..], &body[..]].concat();
        let mut sent = 0;
        while sent < message.len() {
            let with = if sent == 0 { descriptors } else { &[] };
            sent += self
                .stream
                .async_io(Interest::WRITABLE, || send_some(&self.stream, &message[sent..], with))
                .await?;
        }
        self.in_step = true;
        Ok(())
    }
}

impl ChannelReceiver {
    /// The next message and its descriptors, or `None` when the other side is done. May be cancelled
    /// and called again.
    ///
    /// # Errors
    /// [`ChannelError`]; descriptors that came with a bad message are closed.
    pub async fn receive<T: Serialize + DeserializeOwned>(
        &mut self,
    ) -> Result<Option<(T, Vec<OwnedFd>)>, ChannelError> {
        if !self.in_step {
            return Err(ChannelError::OutOfStep);
        }
        match self.receive_bytes().await {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                self.in_step = false;
                self.descriptors.clear();
                return Err(error);
            }
        }
        let descriptors = std::mem::take(&mut self.descriptors);
        let message = std::mem::take(&mut self.buffer);
        self.filled = 0;
        match cbor::decode(&message[HEAD..], self.limit) {
            Ok(message) => Ok(Some((message, descriptors))),
            Err(error) => Err(ChannelError::Malformed(error)),
        }
    }

    /// Fills the buffer with one whole message; false when the other side was done before it.
    async fn receive_bytes(&mut self) -> Result<bool, ChannelError> {
        if !self.fill(HEAD).await? {
            return if self.filled == 0 { Ok(false) } else { Err(ChannelError::Truncated) };
        }
        let head = &self.buffer[..HEAD];
        let size = head.iter().fold(0, |size, byte| (size << 8) | usize::from(*byte));
        if size > self.limit {
            return Err(ChannelError::TooLarge { size, limit: self.limit });
        }
        if self.fill(HEAD + size).await? { Ok(true) } else { Err(ChannelError::Truncated) }
    }

    /// Reads until `size` bytes are there; false when the other side ended before.
    async fn fill(&mut self, size: usize) -> Result<bool, ChannelError> {
        while self.filled < size {
            let end = size.min(self.filled + STEP);
            self.buffer.resize(end, 0);
            let (stream, free) = (&self.stream, &mut self.buffer[self.filled..end]);
            let descriptors = &mut self.descriptors;
            let (received, all) = stream
                .async_io(Interest::READABLE, || receive_some(stream, free, descriptors))
                .await?;
            self.filled += received;
            if !all || self.descriptors.len() > MAX_DESCRIPTORS {
                return Err(ChannelError::TooManyDescriptors);
            }
            if received == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn send_some(
    stream: &UnixStream,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(sendmsg(stream, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?)
}

/// How many bytes came, and whether all descriptors that came with them did.
fn receive_some(
    stream: &UnixStream,
    free: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<(usize, bool)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut free = [IoSliceMut::new(free)];
    let received = recvmsg(stream, &mut free, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            descriptors.extend(fds);
        }
    }
    Ok((received.bytes, !received.flags.contains(ReturnFlags::CTRUNC)))
}
