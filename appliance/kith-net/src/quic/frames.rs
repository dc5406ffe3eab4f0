//! Frames on a QUIC stream: a big-endian `u32` length and that many bytes.
//!
//! What the bytes mean is not looked at here. The bound of the stream's kind is checked before anything
//! is allocated; the memory of a frame is only touched as its bytes arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{BufMut as _, Bytes};
use kith_core::buffers::Buffers;
use kith_core::wire::frame::StreamKind;
use quinn::{ReadError, RecvStream, SendStream, StoppedError, VarInt, WriteError};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::budget::{Budget, Budgets, Lease, SMALL};
use super::code;
use super::connection::Closed;

/// Bytes of a frame's length.
const HEAD: usize = 4;

/// Bytes of a frame of a stranger, but for HELLO.
const STRANGERS_FRAME: usize = 32 << 10;

/// Once nothing came for so long, buffers are not kept for the next frame.
const PAUSE: Duration = Duration::from_secs(1);

/// Blocks wait for everything else: a transfer must not hold up a notice.
const BEHIND_THE_REST: i32 = -1;

/// Why a frame could not be sent or received.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Larger than the kind of stream allows.
    #[error("a frame of {size} bytes is more than the {limit} allowed")]
    TooLarge {
        /// Its size, in bytes.
        size: usize,
        /// What is allowed, in bytes.
        limit: usize,
    },
    /// The stream ended within a frame.
    #[error("the stream ended within a frame")]
    Truncated,
    /// It did not arrive for too long, while others waited for the room it takes.
    #[error("the frame took too long to arrive")]
    Overdue,
    /// The peer gave up sending, or reading.
    #[error("the other box gave up the stream (code {0})")]
    GivenUp(u64),
    /// The stream had already been finished or reset by us.
    #[error("the stream is already finished")]
    Finished,
    /// The connection ended.
    #[error("the connection ended: {0}")]
    Closed(#[from] Closed),
}

/// What the streams of a connection have in common.
#[derive(Debug)]
pub(super) struct Common {
    /// Bytes of frames sent, with their lengths.
    pub(super) sent: AtomicU64,
    /// Bytes of frames received, with their lengths.
    pub(super) received: AtomicU64,
    /// Whether the peer is more than a stranger.
    pub(super) admitted: AtomicBool,
    pub(super) budgets: Arc<Budgets>,
}

impl Common {
    pub(super) const fn new(budgets: Arc<Budgets>) -> Self {
        let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { sent, received, admitted: AtomicBool::new(false), budgets }
    }
}

/// The sending half of a stream. Dropping it finishes the stream.
#[derive(Debug)]
pub struct FrameSender {
    stream: SendStream,
    limit: usize,
    common: Arc<Common>,
}

/// The receiving half of a stream. Dropping it tells the peer to stop sending.
#[derive(Debug)]
pub struct FrameReceiver {
    stream: RecvStream,
    limit: usize,
    common: Arc<Common>,
    buffer: Vec<u8>,
    /// Whether a buffer of the common ones was taken since they were released.
    pooled: bool,
    /// The size of the frame under way; `None` while its length is being read.
    body: Option<usize>,
    /// The room for it.
    lease: Option<Lease>,
    /// Whether a stranger may send frames of the full size: only what says who it is.
    open_to_all: bool,
}

/// Both halves of a stream of `kind`, which this end opened or did not.
pub(super) fn framed(
    (sender, receiver): (SendStream, RecvStream),
    kind: StreamKind,
    opener: bool,
    common: &Arc<Common>,
) -> (FrameSender, FrameReceiver) {
    if kind == StreamKind::Want {
        // Fails only on a stream that is already closed, where there is nothing left to order.
        let _closed = sender.set_priority(BEHIND_THE_REST);
    }
    let sender =
        FrameSender { stream: sender, limit: kind.max_frame(!opener), common: common.clone() };
    let receiver = FrameReceiver {
        stream: receiver,
        limit: kind.max_frame(opener),
        common: common.clone(),
        buffer: Vec::new(),
        pooled: false,
        body: None,
        lease: None,
        open_to_all: kind == StreamKind::Hello,
    };
    (sender, receiver)
}

impl FrameSender {
    /// Sends one frame made of `pieces`, none of which is copied. Waits while the peer is slow.
    ///
    /// Not to be cancelled: half a frame may be on its way.
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] before anything is sent; else when the stream or connection ended.
    pub async fn send(&mut self, pieces: &[Bytes]) -> Result<(), FrameError> {
        let size = pieces.iter().map(Bytes::len).sum();
        let head = match u32::try_from(size) {
            Ok(head) if size <= self.limit => Bytes::copy_from_slice(&head.to_be_bytes()),
            Ok(_) | Err(_) => return Err(FrameError::TooLarge { size, limit: self.limit }),
        };
        let mut chunks: Vec<Bytes> = std::iter::once(head).chain(pieces.iter().cloned()).collect();
        self.stream.write_all_chunks(&mut chunks).await.map_err(write_error)?;
        self.common.sent.fetch_add((HEAD + size) as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Says that no more frames follow. What was sent still arrives.
    pub fn finish(&mut self) {
        // An error means that the stream was finished or reset before.
        let _closed = self.stream.finish();
    }

    /// Finishes, and waits until the peer has everything.
    ///
    /// # Errors
    /// When the peer gave up reading or the connection ended.
    pub async fn finish_and_wait(&mut self) -> Result<(), FrameError> {
        self.finish();
        match self.stream.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(code)) => Err(FrameError::GivenUp(code.into_inner())),
            Err(StoppedError::ConnectionLost(error)) => Err(Closed::from(error).into()),
            Err(StoppedError::ZeroRttRejected) => Err(FrameError::Finished),
        }
    }

    /// Gives the stream up; what was sent may be lost.
    pub fn reset(&mut self, code: u32) {
        // An error means that the stream was finished or reset before.
        let _closed = self.stream.reset(VarInt::from_u32(code));
    }
}

impl FrameReceiver {
    /// The next frame, or `None` when the peer finished. May be cancelled and called again.
    ///
    /// # Errors
    /// When the frame is too large (the peer is then told to stop), is cut short, or the stream or
    /// connection ended.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        let size = match self.body {
            Some(size) => size,
            None => match self.read_head().await? {
                Some(size) => size,
                None => return Ok(None),
            },
        };
        if size >= SMALL && self.lease.is_none() {
            let lease = self.budget().lease(size).await;
            self.lease = Some(lease);
            self.buffer = self.buffers().empty(size);
            self.pooled = true;
        }
        if !self.fill(size).await? {
            return Err(FrameError::Truncated);
        }
        (self.body, self.lease) = (None, None);
        self.common.received.fetch_add((HEAD + size) as u64, Ordering::Relaxed);
        let frame = std::mem::take(&mut self.buffer);
        Ok(Some(self.buffers().lend(frame)))
    }

    /// Tells the peer to stop sending.
    pub fn stop(&mut self, code: u32) {
        // An error means that the stream has ended by itself.
        let _closed = self.stream.stop(VarInt::from_u32(code));
    }

    async fn read_head(&mut self) -> Result<Option<usize>, FrameError> {
        if !self.fill_head().await? {
            return if self.buffer.is_empty() { Ok(None) } else { Err(FrameError::Truncated) };
        }
        let size = self.buffer.iter().fold(0, |size, byte| (size << 8) | usize::from(*byte));
        let limit = self.limit();
        if size > limit {
            self.stop(code::TOO_LARGE);
            return Err(FrameError::TooLarge { size, limit });
        }
        self.buffer.clear();
        self.body = Some(size);
        Ok(Some(size))
    }

    fn admitted(&self) -> bool {
        self.common.admitted.load(Ordering::Acquire)
    }

    fn limit(&self) -> usize {
        let full = self.open_to_all || self.admitted();
        if full { self.limit } else { self.limit.min(STRANGERS_FRAME) }
    }

    fn budget(&self) -> &Arc<Budget> {
        let Budgets { strangers, admitted, .. } = &*self.common.budgets;
        if self.admitted() { admitted } else { strangers }
    }

    pub(super) fn buffers(&self) -> &Buffers {
        &self.common.budgets.buffers
    }

    /// Reads a frame's length. When it is late, buffers are let go.
    async fn fill_head(&mut self) -> Result<bool, FrameError> {
        if self.pooled {
            if let Ok(filled) = timeout(PAUSE, self.fill(HEAD)).await {
                return filled;
            }
            self.pooled = false;
            self.buffers().release();
        }
        self.fill(HEAD).await
    }

    /// Reads until the buffer holds `size` bytes; false when the stream ended before.
    async fn fill(&mut self, size: usize) -> Result<bool, FrameError> {
        while self.buffer.len() < size {
            if self.lease.as_ref().is_some_and(Lease::is_over) {
                self.stop(code::OVERDUE);
                (self.buffer, self.lease) = (Vec::new(), None);
                return Err(FrameError::Overdue);
            }
            let missing = size - self.buffer.len();
            let mut room = (&mut self.buffer).limit(missing);
            if self.stream.read_buf(&mut room).await.map_err(read_error)? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Drop for FrameReceiver {
    fn drop(&mut self) {
        if self.pooled {
            self.buffers().release();
        }
    }
}

fn read_error(error: std::io::Error) -> FrameError {
    match error.downcast::<ReadError>() {
        Ok(ReadError::Reset(code)) => FrameError::GivenUp(code.into_inner()),
        Ok(ReadError::ConnectionLost(error)) => Closed::from(error).into(),
        Ok(
            ReadError::ClosedStream | ReadError::IllegalOrderedRead | ReadError::ZeroRttRejected,
        )
        | Err(_) => FrameError::Finished,
    }
}

fn write_error(error: WriteError) -> FrameError {
    match error {
        WriteError::Stopped(code) => FrameError::GivenUp(code.into_inner()),
        WriteError::ConnectionLost(error) => Closed::from(error).into(),
        WriteError::ClosedStream | WriteError::ZeroRttRejected => FrameError::Finished,
    }
}
