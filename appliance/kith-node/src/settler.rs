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

/// How often it is looked whether something was lost, while something was.
const TURN: Duration = Duration::from_secs(1);

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
        let hands = Hands { facts, shared, disk };
        let run = move || hands.run(&queue);
        let thread = thread::Builder::new().name("settler".into()).spawn(run)?;
        Ok(Self { work: Some(work), thread: Some(thread) })
    }

    /// Queues a batch; waits while one is being written and another waits. Tells whether there is a
    /// thread to write it: it ends only after this handle, unless it died.
    #[must_use]
    pub(crate) fn submit(&self, batch: BlockBatch, whole: Option<(SpaceId, Cid)>) -> bool {
        self.work.as_ref().is_some_and(|work| work.send((batch, whole)).is_ok())
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
}

impl Hands {
    fn run(self, queue: &Receiver<Work>) {
        let mut waited = Duration::ZERO;
        loop {
            match queue.recv_timeout(TURN) {
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) if !self.disk.has_lost() => {
                    // Nothing is wrong: sleep until there is work.
                    let Ok(work) = queue.recv() else { return };
                    self.settle(work);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(work) => self.settle(work),
            }
            // Counted in turns, so that a transfer that never pauses does not put this off for ever.
            waited = if self.disk.has_lost() { waited + TURN } else { Duration::ZERO };
            if waited >= TRY_AGAIN {
                waited = Duration::ZERO;
                self.look_again();
            }
        }
    }

    fn settle(&self, (mut batch, whole): Work) {
        match batch.commit() {
            Ok(()) => self.settled(whole),
            Err(error) => {
                self.disk.lose();
                self.disk.refused(words::of_store(&error));
            }
        }
    }

    fn settled(&self, whole: Option<(SpaceId, Cid)>) {
        self.disk.works();
        if let Some((space, root)) = whole.filter(|_| !self.disk.has_lost()) {
            self.shared.settle(space, root);
            tracing::info!(%space, %root, "content is here whole");
            self.disk.tell(News::Records);
        }
    }

    /// Has everything that is not known to be whole checked, and what is missing fetched, once more.
    fn look_again(&self) {
        self.disk.look_again();
        for ((space, root), size) in self.shared.wanted() {
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
    /// Whether blocks that the replica takes for stored were lost to a failed write.
    lost: Arc<AtomicBool>,
}

impl Disk {
    pub(crate) fn new(desk: mpsc::Sender<Message>) -> Self {
        Self { desk, failing: Arc::default(), lost: Arc::default() }
    }

    /// A write failed.
    pub(crate) fn refused(&self, refusal: Refusal) {
        self.failing.store(true, Ordering::Relaxed);
        self.tell(News::DiskFailed(refusal));
    }

    /// A write succeeded.
    pub(crate) fn works(&self) {
        if self.failing.load(Ordering::Relaxed)
            && self.desk.try_send(Message::News(News::DiskWorks)).is_ok()
        {
            self.failing.store(false, Ordering::Relaxed);
        }
    }

    /// Blocks that were answered for are lost.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    /// Whether blocks that were answered for are lost.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// What was lost is being looked for.
    fn look_again(&self) {
        self.lost.store(false, Ordering::Relaxed);
    }

    /// Passes news on to the desk. They only move pages: the desk takes the next ones when its queue is
    /// full.
    pub(crate) fn tell(&self, news: News) {
        let _ = self.desk.try_send(Message::News(news));
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;
    use kith_core::cid::Codec;
    use kith_files::cut::CutFiles;
    use kith_proto::views::Views;
    use kith_store::{Options, Store};

    use super::*;

    const SPACE: SpaceId = SpaceId([1; 32]);

    #[test]
    fn what_a_failed_write_lost_is_not_called_whole_and_is_looked_for_again() {
        let files = CutFiles::new();
        let index = tempfile::tempdir().unwrap();
        let options = Options { index_dir: Some(index.path().to_owned()), ..Options::default() };
        let shared_files = Arc::new(files.clone());
        let store =
            Store::open(shared_files, Path::new("/s"), Arc::new(Views), &options, &mut |_| ());
        let store = store.unwrap();
        let (facts, mut told) = mpsc::channel(16);
        let (desk, mut news) = mpsc::channel(16);
        let shared = Arc::new(Facts::default());
        let hands = Hands { facts, shared: Arc::clone(&shared), disk: Disk::new(desk) };
        let (lost, kept) = (block(b"lost"), block(b"kept"));
        shared.want(SPACE, lost.0, 4);

        files.set_read_only(true);
        hands.settle((batch(&store, &lost), Some((SPACE, lost.0))));
        assert!(matches!(news.try_recv(), Ok(Message::News(News::DiskFailed(_)))));
        files.set_read_only(false);
        hands.settle((batch(&store, &kept), Some((SPACE, lost.0))));
        assert!(matches!(news.try_recv(), Ok(Message::News(News::DiskWorks))));
        assert_eq!(shared.wanted().len(), 1, "a later success does not bring back what was lost");

        hands.look_again();
        assert!(matches!(told.try_recv(), Ok(Input::StopRoot { .. })));
        assert!(matches!(told.try_recv(), Ok(Input::WantRoot { root, .. }) if root == lost.0));
        hands.settle((batch(&store, &lost), Some((SPACE, lost.0))));
        assert!(shared.wanted().is_empty() && store.has_block(&lost.0).unwrap());
    }

    fn block(bytes: &'static [u8]) -> (Cid, Bytes) {
        (Cid::of(Codec::Raw, bytes), Bytes::from_static(bytes))
    }

    fn batch(store: &Store, (cid, bytes): &(Cid, Bytes)) -> BlockBatch {
        let mut batch = store.block_batch();
        batch.put(Some(SPACE), *cid, bytes.clone()).unwrap();
        batch
    }
}
