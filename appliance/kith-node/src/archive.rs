//! The archive: the one thread through which everything foreign enters the store, and from which the
//! replica's questions to the store are answered.
//!
//! Its queue is bounded in bytes of blocks, by the hub that does not listen while there are too many
//! ([`Archive::has_room`]). What else can be in it is bounded by the replica: 256 records a frame, one
//! check of blocks a root.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use kith_core::body::Body;
use kith_core::buffers::Buffers;
use kith_core::cid::Cid;
use kith_core::record::{Class, Record, RecordId, SpaceId};
use kith_core::unixfs;
use kith_core::wire::frame::Block;
use kith_net::quic::{FrameError, FrameSender};
use kith_proto::replica::{HaveBlock, Input, Link, Ticket};
use kith_store::{BlockBatch, Hashed, Store, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use crate::clock::Clock;
use crate::desk::{Message, News};
use crate::hub::Facts;
use crate::settler::{Disk, Settler};
use crate::words;

/// Blocks that came are made durable at the latest after this.
const SETTLE: Duration = Duration::from_millis(200);

/// Bytes of blocks that came, after which they are made durable at once. Less than where a batch
/// commits by itself (8 MiB of small blocks), so that it is always the settler who learns of a failure.
const SETTLE_BYTES: u64 = 6 << 20;

/// Bytes of blocks in the queue above which no more are let in.
const QUEUE_BYTES: usize = 8 << 20;

/// Bytes of blocks read from the disk in one go for serving.
const READ_AHEAD: usize = 1 << 20;

/// Blocks read from the disk in one go for serving.
const READ_BLOCKS: usize = 256;

/// Ids asked of the store in one go.
const PAGE: usize = 4_096;

/// What the replica wants of the store; see [`kith_proto::replica::Output`].
#[derive(Debug)]
pub(crate) enum Job {
    /// `Output::LoadSet`.
    LoadSet { space: SpaceId, class: Class },
    /// `Output::LoadRecords`.
    LoadRecords { ticket: Ticket, space: SpaceId, ids: Vec<RecordId> },
    /// `Output::StoreRecords`.
    StoreRecords { ticket: Ticket, space: SpaceId, records: Vec<Record> },
    /// `Output::CheckBlocks`.
    CheckBlocks { ticket: Ticket, space: SpaceId, cids: Vec<Cid> },
    /// `Output::StoreBlock`.
    StoreBlock { ticket: Ticket, space: SpaceId, cid: Cid, bytes: Bytes },
    /// `Output::FetchDone`: make everything durable.
    Settle { space: SpaceId, root: Cid },
}

impl Job {
    const fn size(&self) -> usize {
        match self {
            Self::StoreBlock { bytes, .. } => bytes.len(),
            Self::LoadSet { .. }
            | Self::LoadRecords { .. }
            | Self::StoreRecords { .. }
            | Self::CheckBlocks { .. }
            | Self::Settle { .. } => 0,
        }
    }
}

/// The way to the archive. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    jobs: Sender<Job>,
    /// Bytes of blocks in the queue.
    queued: Arc<AtomicUsize>,
    store: Store,
    /// For blocks on their way from the disk to a peer.
    buffers: Buffers,
}

impl Archive {
    /// Starts the thread; it ends with the last [`Archive`], after making everything durable.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        store: Store,
        clock: Arc<Clock>,
        (facts, shared): (mpsc::Sender<Input>, Arc<Facts>),
        (desk, alive): (mpsc::Sender<Message>, DropGuard),
    ) -> std::io::Result<(Self, thread::JoinHandle<()>)> {
        let (jobs, queue) = channel();
        let for_handle = Arc::new(AtomicUsize::new(0));
        let queued = Arc::clone(&for_handle);
        let for_thread = store.clone();
        let disk = Disk::new(desk);
        let settler = Settler::start((facts.clone(), Arc::clone(&shared)), disk.clone())?;
        let work = move || {
            let _alive = alive;
            let (store, batch) = (&for_thread, for_thread.block_batch());
            let worker = Worker {
                store,
                clock,
                facts,
                shared,
                queued,
                disk,
                settler,
                batch,
                waiting: 0,
                broken: false,
            };
            worker.run(&queue);
        };
        let thread = thread::Builder::new().name("archive".into()).spawn(work)?;
        Ok((Self { jobs, queued: for_handle, store, buffers: Buffers::default() }, thread))
    }

    /// Queues a job; its answer comes as a fact.
    pub(crate) fn submit(&self, job: Job) {
        self.queued.fetch_add(job.size(), Ordering::Relaxed);
        // The thread ends only when every handle is gone.
        let _ = self.jobs.send(job);
    }

    /// Whether the disk keeps up with what is queued.
    pub(crate) fn has_room(&self) -> bool {
        self.queued.load(Ordering::Relaxed) < QUEUE_BYTES
    }

    /// Sends blocks of a space to a peer, or that they are missing, in the order asked. Answers the
    /// bytes of frames sent.
    ///
    /// # Errors
    /// When the peer stops reading.
    pub(crate) async fn serve(
        &self,
        sender: &mut FrameSender,
        (space, cids): (SpaceId, Vec<Cid>),
    ) -> Result<u64, FrameError> {
        let mut sent = 0;
        let mut left = cids;
        let mut reading = None;
        loop {
            let batch = match reading.take() {
                Some(reading) => reading,
                None if left.is_empty() => return Ok(sent),
                None => self.read_some(space, std::mem::take(&mut left)),
            };
            let Ok((blocks, rest)) = batch.await else { return Ok(sent) };
            // The disk reads on while the network sends.
            if !rest.is_empty() {
                reading = Some(self.read_some(space, rest));
            }
            for (cid, block) in blocks {
                let pieces = match block {
                    Some(block) => vec![Bytes::from(Block::head(&cid, block.len())), block],
                    None => vec![Bytes::from(Block::missing(&cid))],
                };
                sent += pieces.iter().map(Bytes::len).sum::<usize>() as u64;
                sender.send(&pieces).await?;
            }
        }
    }

    /// Gives memory back that is kept for the next blocks to be served, if there is any.
    pub(crate) fn rest(&self) {
        self.buffers.release();
    }

    fn read_some(&self, space: SpaceId, cids: Vec<Cid>) -> tokio::task::JoinHandle<Read> {
        let (store, buffers) = (self.store.clone(), self.buffers.clone());
        tokio::task::spawn_blocking(move || read_some((&store, &buffers), &space, cids))
    }
}

/// Blocks read, and what is left to read.
type Read = (Vec<(Cid, Option<Bytes>)>, Vec<Cid>);

fn read_some((store, buffers): (&Store, &Buffers), space: &SpaceId, mut cids: Vec<Cid>) -> Read {
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    let mut taken = 0;
    for cid in &cids {
        let block = store.block_into(space, cid, buffers).unwrap_or_else(|error| {
            tracing::error!(%cid, error = %words::chain(&error), "a block cannot be read");
            None
        });
        bytes += block.as_ref().map_or(0, Bytes::len);
        blocks.push((*cid, block));
        taken += 1;
        if bytes >= READ_AHEAD || taken >= READ_BLOCKS {
            break;
        }
    }
    (blocks, cids.split_off(taken))
}

/// The thread's state.
struct Worker<'a> {
    store: &'a Store,
    clock: Arc<Clock>,
    facts: mpsc::Sender<Input>,
    shared: Arc<Facts>,
    queued: Arc<AtomicUsize>,
    disk: Disk,
    settler: Settler,
    batch: BlockBatch,
    /// Bytes of blocks in the batch.
    waiting: u64,
    /// Whether the settler is gone, without whom nothing becomes durable.
    broken: bool,
}

impl Worker<'_> {
    fn run(mut self, queue: &Receiver<Job>) {
        loop {
            let job = if self.waiting > 0 {
                match queue.recv_timeout(SETTLE) {
                    Err(RecvTimeoutError::Timeout) => {
                        self.settle(None);
                        continue;
                    }
                    other => other.ok(),
                }
            } else {
                queue.recv().ok()
            };
            let Some(job) = job else { break };
            self.queued.fetch_sub(job.size(), Ordering::Relaxed);
            let facts = self.work(job);
            for fact in facts {
                if self.facts.blocking_send(fact).is_err() {
                    self.settle(None);
                    return;
                }
            }
            if self.waiting >= SETTLE_BYTES {
                self.settle(None);
            }
            if self.broken {
                return;
            }
        }
        self.settle(None);
    }

    fn work(&mut self, job: Job) -> Vec<Input> {
        match job {
            Job::LoadSet { space, class } => vec![self.load_set(space, class)],
            Job::LoadRecords { ticket, space, ids } => {
                let found = ids.iter().filter_map(|id| self.record(&space, id));
                vec![Input::RecordsLoaded { ticket, records: found.collect() }]
            }
            Job::StoreRecords { ticket, space, records } => {
                self.store_records(ticket, &space, &records)
            }
            Job::CheckBlocks { ticket, space, cids } => {
                let have = cids.iter().filter_map(|cid| self.have(&space, cid));
                vec![Input::BlocksChecked { ticket, have: have.collect() }]
            }
            Job::StoreBlock { ticket, space, cid, bytes } => {
                vec![self.store_block(ticket, space, cid, bytes)]
            }
            Job::Settle { space, root } => {
                self.settle(Some((space, root)));
                Vec::new()
            }
        }
    }

    fn load_set(&self, space: SpaceId, class: Class) -> Input {
        let mut items: Vec<(kith_core::time::Hlc, RecordId)> = Vec::new();
        loop {
            let page = self.store.ids(&space, &class, items.last().copied(), PAGE);
            let page = page.unwrap_or_else(|error| {
                tracing::error!(error = %words::chain(&error), "the index cannot be read");
                Vec::new()
            });
            let last = page.len() < PAGE;
            items.extend(page);
            if last {
                return Input::SetLoaded { space, class, items };
            }
        }
    }

    /// A record's bytes, if it is of this space: ids of other spaces tell a peer nothing.
    fn record(&self, space: &SpaceId, id: &RecordId) -> Option<Bytes> {
        let bytes = self.store.record(id).ok().flatten()?;
        let record = kith_core::record::SignedBytes::parse(&bytes).ok()?;
        (record.claimed_space() == *space).then_some(bytes)
    }

    fn store_records(&self, ticket: Ticket, space: &SpaceId, records: &[Record]) -> Vec<Input> {
        if let Err(error) = self.store.append(records) {
            return vec![self.failed(ticket, &error)];
        }
        self.disk.works();
        let mut facts = Vec::new();
        for record in records {
            self.clock.observe(record.time());
            if let Body::Put { root, size, .. } = record.body() {
                self.shared.want(*space, *root, *size);
                facts.push(Input::WantRoot { space: *space, root: *root, size: *size });
            }
        }
        // Content counts as wanted before anybody is told of the record.
        facts.insert(0, Input::RecordsStored { ticket });
        self.disk.tell(News::Records);
        facts
    }

    fn have(&self, space: &SpaceId, cid: &Cid) -> Option<HaveBlock> {
        if cid.codec() == kith_core::cid::Codec::Raw {
            let size = self.store.block_size_in(space, cid).ok().flatten()?;
            return Some(HaveBlock { cid: *cid, size: size.into(), links: Vec::new() });
        }
        let block = self.store.block_in(space, cid).ok().flatten()?;
        let links = links(cid, &block)?;
        Some(HaveBlock { cid: *cid, size: block.len() as u64, links })
    }

    fn store_block(&mut self, ticket: Ticket, space: SpaceId, cid: Cid, bytes: Bytes) -> Input {
        let links = if cid.verifies(&bytes) { links(&cid, &bytes) } else { None };
        let Some(links) = links else { return Input::BlockRefused { ticket } };
        let size = bytes.len() as u64;
        match self.batch.put_hashed(Some(space), Hashed::just_computed(cid, bytes)) {
            Ok(()) => {
                self.waiting += size;
                Input::BlockStored { ticket, links }
            }
            Err(error) => {
                // Blocks of the batch that were answered for may be lost with it.
                self.disk.lose();
                self.failed(ticket, &error)
            }
        }
    }

    /// Hands the blocks that came over to be made durable, and says what is whole with them.
    fn settle(&mut self, whole: Option<(SpaceId, Cid)>) {
        if self.waiting == 0 && whole.is_none() {
            return;
        }
        self.waiting = 0;
        let batch = std::mem::replace(&mut self.batch, self.store.block_batch());
        self.broken |= !self.settler.submit(batch, whole);
    }

    fn failed(&self, ticket: Ticket, error: &StoreError) -> Input {
        let refusal = words::of_store(error);
        let words = refusal.message.clone();
        self.disk.refused(refusal);
        Input::StoreFailed { ticket, error: words }
    }
}

/// What a block links to; `None` when it is no good node.
fn links(cid: &Cid, block: &[u8]) -> Option<Vec<Link>> {
    let links = unixfs::links(cid.codec(), block).ok()?;
    Some(links.into_iter().map(|link| Link { cid: link.cid, size: link.tsize }).collect())
}
