//! Makes blocks durable while the archive takes the next ones in, and remembers whether the disk works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use kith_core::cid::Cid;
use kith_core::record::SpaceId;
use kith_model::refusal::Refusal;
use kith_proto::replica::Input;
use kith_store::BlockBatch;
use tokio::sync::mpsc;

use crate::desk::{Message, News};
use crate::hub::Facts;
use crate::words;

/// After a failed write everything that is not whole is looked at, and fetched, again after this.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// A batch, and the content that is whole once it is durable.
type Work = (BlockBatch, Option<(SpaceId, Cid)>);

/// The way to the settler's thread, which ends with it.
#[derive(Debug)]
pub(crate) struct Settler {
    work: Option<SyncSender<Work>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Settler {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        (facts, shared): (mpsc::Sender<Input>, Arc<Facts>),
        disk: Disk,
    ) -> std::io::Result<Self> {
        // One batch waits while another is written: more would only cost memory.
        let (work, queue) = sync_channel(1);
        let hands = Hands { facts, shared, disk, lost: false };
        let run = move || hands.run(&queue);
        let thread = thread::Builder::new().name("settler".into()).spawn(run)?;
        Ok(Self { work: Some(work), thread: Some(thread) })
    }

    /// Queues a batch; waits while one is being written and another waits.
    pub(crate) fn submit(&self, batch: BlockBatch, whole: Option<(SpaceId, Cid)>) {
        if let Some(work) = &self.work {
            // The thread ends only after this handle.
            let _ = work.send((batch, whole));
        }
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Hands {
    facts: mpsc::Sender<Input>,
    shared: Arc<Facts>,
    disk: Disk,
    /// Whether blocks the replica takes for stored were lost to a failed write.
    lost: bool,
}

impl Hands {
    fn run(mut self, queue: &Receiver<Work>) {
        loop {
            let work = if self.lost {
                match queue.recv_timeout(TRY_AGAIN) {
                    Err(RecvTimeoutError::Timeout) => {
                        self.look_again();
                        continue;
                    }
                    other => other.ok(),
                }
            } else {
                queue.recv().ok()
            };
            let Some((mut batch, whole)) = work else { return };
            match batch.commit() {
                Ok(()) => self.settled(whole),
                Err(error) => {
                    self.lost = true;
                    self.disk.refused(words::of_store(&error));
                }
            }
        }
    }

    fn settled(&self, whole: Option<(SpaceId, Cid)>) {
        self.disk.works();
        if let Some((space, root)) = whole.filter(|_| !self.lost) {
            self.shared.settle(&root);
            tracing::info!(%space, %root, "content is here whole");
            self.disk.tell(News::Records);
        }
    }

    fn look_again(&mut self) {
        self.lost = false;
        for (root, (space, size)) in self.shared.wanted() {
            let again = [Input::StopRoot { space, root }, Input::WantRoot { space, root, size }];
            for fact in again {
                if self.facts.blocking_send(fact).is_err() {
                    return;
                }
            }
        }
    }
}

/// Tells the desk when the disk refuses a write, and when it takes one again.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    desk: mpsc::Sender<Message>,
    failing: Arc<AtomicBool>,
}

impl Disk {
    pub(crate) fn new(desk: mpsc::Sender<Message>) -> Self {
        Self { desk, failing: Arc::default() }
    }

    /// A write failed.
    pub(crate) fn refused(&self, refusal: Refusal) {
        self.failing.store(true, Ordering::Relaxed);
        self.tell(News::DiskFailed(refusal));
    }

    /// A write succeeded.
    pub(crate) fn works(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            self.tell(News::DiskWorks);
        }
    }

    /// Passes news on to the desk. They only move pages: the desk takes the next ones when its queue is
    /// full.
    pub(crate) fn tell(&self, news: News) {
        let _ = self.desk.try_send(Message::News(news));
    }
}
