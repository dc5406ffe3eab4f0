//! One task for each stream: it reads frames for the replica and writes what the replica wants sent.
//!
//! What a peer does not read piles up here, in a short queue; a peer that lets it fill is cut off.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kith_core::cid::Cid;
use kith_core::record::SpaceId;
use kith_core::wire::frame::{Block, StreamKind, limits};
use kith_net::quic::{Connection, FrameError, FrameReceiver, FrameSender, code};
use kith_proto::replica::{Input, StreamId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Event;
use crate::archive::Archive;

/// Frames, or lists of blocks to serve, that may wait on one stream: a peer may ask for each block of its
/// window by itself.
const QUEUE: usize = limits::WANT_WINDOW_BLOCKS + 256;

/// Bytes of frames that may wait on one stream.
const QUEUE_BYTES: usize = 4 << 20;

/// Once nothing was to be written for so long, memory is not kept for it.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a peer may take with its next frame once our side is finished.
const LINGER: Duration = Duration::from_secs(120);

/// Both halves of a stream the peer opened.
#[derive(Debug)]
pub(super) struct Halves {
    pub kind: StreamKind,
    pub sender: FrameSender,
    pub receiver: FrameReceiver,
}

/// How a stream comes to be.
#[derive(Debug)]
pub(super) enum Opening {
    /// This box opens it.
    Ours(Connection, StreamKind),
    /// The peer opened it.
    Accepted(Halves),
}

impl Opening {
    /// Whether blocks are given on it.
    const fn serves(&self) -> bool {
        matches!(self, Self::Accepted(Halves { kind: StreamKind::Want, .. }))
    }
}

/// What a stream's task is to write.
#[derive(Debug)]
pub(super) enum Write {
    /// One frame.
    Frame(Bytes),
    /// Blocks of a space, read from the store one after the other.
    Blocks(SpaceId, Vec<Cid>),
    /// That these blocks are not to be had here.
    Missing(Vec<Cid>),
    /// Nothing more will come.
    Finish,
}

/// The way to a stream's task.
#[derive(Debug)]
pub(super) struct StreamHandle {
    writes: mpsc::Sender<Write>,
    queued: Arc<AtomicUsize>,
    reset: CancellationToken,
}

impl Write {
    fn size(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.len(),
            Self::Blocks(..) | Self::Missing(_) | Self::Finish => 0,
        }
    }
}

/// The peer reads too slowly for what it asked.
#[derive(Debug)]
pub(super) struct TooSlow;

impl StreamHandle {
    /// Queues a write.
    pub(super) fn write(&self, write: Write) -> Result<(), TooSlow> {
        let size = write.size();
        if self.queued.fetch_add(size, Ordering::Relaxed) + size > QUEUE_BYTES + limits::PUSH {
            return Err(TooSlow);
        }
        match self.writes.try_send(write) {
            // A stream that has ended reports so by itself.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(TooSlow),
        }
    }

    /// Gives the stream up.
    pub(super) fn reset(&self) {
        self.reset.cancel();
    }
}

/// What a stream's task needs of the node.
#[derive(Debug)]
pub(super) struct Hands {
    pub report: mpsc::Sender<Event>,
    pub archive: Archive,
}

/// The handle and the task of a stream.
pub(super) fn start(
    stream: StreamId,
    opening: Opening,
    hands: Hands,
) -> (StreamHandle, impl Future<Output = ()> + Send + 'static) {
    let (writes, queue) = mpsc::channel(QUEUE);
    let queued = Arc::new(AtomicUsize::new(0));
    let reset = CancellationToken::new();
    let handle = StreamHandle { writes, queued: Arc::clone(&queued), reset: reset.clone() };
    let task = async move {
        let (report, archive) = (hands.report.clone(), hands.archive.clone());
        let serves = opening.serves();
        run(stream, opening, hands, (Queue { queue, queued }, reset)).await;
        if serves {
            archive.rest();
        }
        let _ = report.send(Event::Gone(stream)).await;
    };
    (handle, task)
}

/// What waits to be written, and how many bytes that is.
struct Queue {
    queue: mpsc::Receiver<Write>,
    queued: Arc<AtomicUsize>,
}

impl Queue {
    async fn next(&mut self) -> Option<Write> {
        let write = self.queue.recv().await?;
        self.queued.fetch_sub(write.size(), Ordering::Relaxed);
        Some(write)
    }
}

async fn run(
    stream: StreamId,
    opening: Opening,
    hands: Hands,
    (queue, reset): (Queue, CancellationToken),
) {
    let halves = match opening {
        Opening::Accepted(halves) => halves,
        Opening::Ours(connection, kind) => tokio::select! {
            () = reset.cancelled() => return,
            opened = connection.open(kind) => match opened {
                Ok((sender, receiver)) => Halves { kind, sender, receiver },
                // The connection's own task reports its end.
                Err(_) => return,
            }
        },
    };
    let Halves { mut sender, receiver, .. } = halves;
    tokio::select! {
        // First, so that a stream that is given up always ends in the same way.
        biased;
        () = reset.cancelled() => sender.reset(code::NONE),
        () = both(stream, (&mut sender, receiver), queue, &hands) => {}
    }
}

/// Reads until the peer's side ends and writes until ours does. The end of the peer's side is reported
/// at once, since an answer may still be on its way out; when it broke off nobody waits for one.
async fn both(
    stream: StreamId,
    (sender, receiver): (&mut FrameSender, FrameReceiver),
    queue: Queue,
    hands: &Hands,
) {
    let finished = AtomicBool::new(false);
    let reading = async {
        let clean = read_all(stream, receiver, (&hands.report, &finished)).await;
        let _ = hands.report.send(Event::Fact(Input::StreamEnded { stream, clean })).await;
        clean
    };
    let writing = write_all(stream, sender, queue, hands);
    tokio::pin!(reading, writing);
    tokio::select! {
        clean = &mut reading => if clean { writing.await },
        () = &mut writing => {
            finished.store(true, Ordering::Relaxed);
            reading.await;
        }
    }
}

async fn read_all(
    stream: StreamId,
    mut receiver: FrameReceiver,
    (report, finished): (&mpsc::Sender<Event>, &AtomicBool),
) -> bool {
    loop {
        let next = match tokio::time::timeout(LINGER, receiver.next()).await {
            Ok(next) => next,
            // The replica has deadlines of its own for what it waits for; here only streams end that
            // nobody waits for any more.
            Err(_) if finished.load(Ordering::Relaxed) => return false,
            Err(_) => continue,
        };
        match next {
            Ok(Some(frame)) => {
                let fact = Event::Fact(Input::Frame { stream, frame });
                if report.send(fact).await.is_err() {
                    return false;
                }
            }
            Ok(None) => return true,
            Err(error) => {
                tracing::debug!(?stream, %error, "a stream broke off");
                return false;
            }
        }
    }
}

async fn write_all(stream: StreamId, sender: &mut FrameSender, mut queue: Queue, hands: &Hands) {
    let mut served = false;
    while let Some(write) = next_write(&mut queue, served.then_some(&hands.archive)).await {
        served = matches!(write, Write::Blocks(..));
        let written = match write {
            Write::Frame(frame) => sender.send(&[frame]).await.map(|()| None),
            Write::Blocks(space, cids) => {
                hands.archive.serve(sender, (space, cids)).await.map(Some)
            }
            Write::Missing(cids) => deny(sender, &cids).await.map(Some),
            Write::Finish => break,
        };
        match written {
            Ok(None) => {}
            Ok(Some(bytes)) => {
                let served = Input::Served { stream, bytes };
                if hands.report.send(Event::Fact(served)).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                tracing::debug!(?stream, %error, "a peer stopped reading");
                break;
            }
        }
    }
    sender.finish();
}

/// What is to be written next. When that is late, the archive that served need not keep memory for it.
async fn next_write(queue: &mut Queue, served: Option<&Archive>) -> Option<Write> {
    if let Some(archive) = served {
        if let Ok(write) = tokio::time::timeout(PAUSE, queue.next()).await {
            return write;
        }
        archive.rest();
    }
    queue.next().await
}

async fn deny(sender: &mut FrameSender, cids: &[Cid]) -> Result<u64, FrameError> {
    let mut sent = 0;
    for cid in cids {
        let frame = Bytes::from(Block::missing(cid));
        sent += frame.len() as u64;
        sender.send(&[frame]).await?;
    }
    Ok(sent)
}
