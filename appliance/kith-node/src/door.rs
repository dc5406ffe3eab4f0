//! The doors of the node: how the panel and the Unix socket reach the desk and the content.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use kith_core::cid::Cid;
use kith_core::record::SpaceId;
use kith_core::unixfs::{FileImporter, Imported};
use kith_model::caller::Credential;
use kith_model::command::{Command, Request};
use kith_model::network::ask::{COMMAND_LINE, LinkAsk, NetworkAsk, NetworkReply, address_of};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::Reply;
use kith_model::status::Status;
use kith_store::Store;
use kith_webui::backend::{Backend, Parts, Pieces, Side, Written};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::content::bring::Bring;
use crate::content::{ContentError, folders, give};
use crate::desk::{Message, busy};
use crate::gate::Gate;
use crate::pace::Ear;
use crate::recall::{Look, Recall};
use crate::router::Router;

/// How long a browser waits for a space to answer.
pub(crate) const BROWSER_PATIENCE: Duration = Duration::from_secs(15);

/// How long the command line waits for a space to answer.
pub(crate) const CLI_PATIENCE: Duration = Duration::from_secs(60);

/// Lines of the log that are answered when nobody says how many.
const LOG_LINES: u16 = 200;

/// The longest host name and port, in bytes (RFC 1035 allows 253 for the name).
const MAX_HOST: usize = 300;

/// How long a name server may take.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(3);

/// Uploads, downloads, imports and exports under way at one time; each has a thread.
const TRANSFERS: usize = 12;

/// Uploads of folders at one time; each keeps the names in them, up to about 45 MB of hostile ones.
const FOLDERS: usize = 2;

/// How long the next upload of folders waits for its turn.
const TURN_PATIENCE: Duration = Duration::from_secs(60);

/// How long a reader may take nothing of a download.
const READER_PATIENCE: Duration = Duration::from_secs(30);

/// Pieces of a transfer that wait between thread and task.
const PIECES: usize = 4;

/// The way in. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    desk: mpsc::Sender<Message>,
    recall: Recall,
    store: Store,
    router: Router,
    gate: Gate,
    ear: Ear,
    transfers: Arc<Semaphore>,
    folders: Arc<Semaphore>,
}

impl Door {
    /// A door to this desk and store.
    #[must_use]
    pub(crate) fn new(
        desk: mpsc::Sender<Message>,
        recall: Recall,
        store: Store,
        (router, gate, ear): (Router, Gate, Ear),
    ) -> Self {
        let (transfers, folders) = (Semaphore::new(TRANSFERS), Semaphore::new(FOLDERS));
        let (transfers, folders) = (transfers.into(), folders.into());
        Self { desk, recall, store, router, gate, ear, transfers, folders }
    }

    /// The status as it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Status>> {
        self.recall.status.clone()
    }

    /// Carries out a command, waiting at most `patience` for other boxes.
    ///
    /// # Errors
    /// The desk's refusal.
    pub(crate) async fn ask(
        &self,
        mut request: Request,
        patience: Duration,
    ) -> Result<Reply, Refusal> {
        if matches!(
            request.command,
            Command::Network(_) | Command::Supervision | Command::Logs { .. }
        ) {
            return self.ask_router(request).await;
        }
        if let Command::PeerAdd { address } = &mut request.command
            && request.credential != Credential::Visitor
        {
            // Here and not at the desk, where everybody would wait for a slow name server.
            *address = looked_up(address).await;
        }
        if matches!(request.command, Command::HandOver { .. }) {
            let left = self.moving(&request).await?;
            if let Command::HandOver { seconds } = &mut request.command {
                *seconds = left.min(*seconds);
            }
        }
        let waits = matches!(request.command, Command::Join { .. });
        let (answer, answered) = oneshot::channel();
        let message = Message::Ask(Box::new(request), answer);
        self.desk.send(message).await.map_err(|_| busy())?;
        if !waits {
            return answered.await.map_err(|_| overrun())?;
        }
        match tokio::time::timeout(patience, answered).await {
            Ok(answer) => answer.map_err(|_| overrun())?,
            Err(_) => Err(Refusal::new(
                RefusalKind::StillWaiting,
                "no box of this space has answered yet; the join stays pending and completes when one is in reach",
            )),
        }
    }

    /// Asks the roles beside the node, if the desk lets the caller.
    async fn ask_router(&self, request: Request) -> Result<Reply, Refusal> {
        let by_hand = request.credential == Credential::Socket;
        let from = address_of(&request.source);
        let command = request.command.clone();
        let (answer, answered) = oneshot::channel();
        let message = Message::Admit(Box::new(request), answer);
        self.desk.send(message).await.map_err(|_| busy())?;
        let name = answered.await.map_err(|_| busy())??;
        if matches!(command, Command::Network(NetworkAsk::Identify(_))) {
            return Err(Refusal::new(RefusalKind::NotAllowed, "the box says itself who it is"));
        }
        if let Command::Logs { after, limit } = command {
            return self.router.logs(after, limit.unwrap_or(LOG_LINES)).await.map(Reply::Logs);
        }
        let Command::Network(ask) = command else {
            return self.router.supervision().await.map(Reply::Supervision);
        };
        self.ear.hear(&ask);
        let who = if by_hand { COMMAND_LINE.to_owned() } else { name };
        self.router.ask(&LinkAsk { who, from, ask }).await.map(Reply::Network)
    }

    /// For how many seconds a change waits that moves the panel: only then does a session need a ticket to
    /// go on elsewhere.
    ///
    /// # Errors
    /// When the caller may not ask, or no such change waits.
    async fn moving(&self, request: &Request) -> Result<u32, Refusal> {
        let (answer, answered) = oneshot::channel();
        let message = Message::Admit(Box::new(request.clone()), answer);
        self.desk.send(message).await.map_err(|_| busy())?;
        let who = answered.await.map_err(|_| busy())??;
        let ask = LinkAsk { who, from: None, ask: NetworkAsk::Change };
        let NetworkReply::Change(change) = self.router.ask(&ask).await? else { return Err(busy()) };
        let waits = change.filter(|change| change.moves_to.is_some());
        waits.and_then(|change| change.seconds_left).ok_or_else(|| {
            let message = "no change waits that moves the panel, so nobody has to go on elsewhere";
            Refusal::new(RefusalKind::Conflict, message)
        })
    }

    /// The space somebody may write to.
    ///
    /// # Errors
    /// The desk's refusal.
    pub(crate) async fn where_to_write(
        &self,
        credential: Credential,
        space: Option<String>,
    ) -> Result<SpaceId, Refusal> {
        let (answer, answered) = oneshot::channel();
        let message = Message::WhereToWrite(credential, space, answer);
        self.desk.send(message).await.map_err(|_| busy())?;
        answered.await.map_err(|_| busy())?
    }

    /// Runs a transfer on a thread of its own.
    ///
    /// # Errors
    /// The transfer's error, or that too many are under way.
    pub(crate) async fn transfer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, ContentError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let permit = Arc::clone(&self.transfers).try_acquire_owned().map_err(|_| too_many())?;
        let store = self.store.clone();
        let thread = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work(&store)
        });
        thread.await.map_err(|_| busy())?.map_err(Refusal::from)
    }
}

#[async_trait::async_trait]
impl Backend for Door {
    async fn call(&self, request: Request) -> Result<Reply, Refusal> {
        match self.recall.look(&request) {
            Look::Known(reply) => Ok(reply),
            Look::Ask(ticket) => {
                let reply = self.ask(request, BROWSER_PATIENCE).await?;
                if let Some(ticket) = ticket {
                    self.recall.keep(ticket, &reply);
                }
                Ok(reply)
            }
        }
    }

    async fn side(&self, local: SocketAddr) -> Side {
        self.gate.side(local).await
    }

    fn status(&self) -> watch::Receiver<Arc<Status>> {
        self.recall.status.clone()
    }

    async fn read(&self, space: String, root: Cid, range: Range<u64>) -> Result<Pieces, Refusal> {
        let space: SpaceId = space.parse().map_err(|_| busy())?;
        let permit = Arc::clone(&self.transfers).try_acquire_owned().map_err(|_| too_many())?;
        let (pieces, taken) = mpsc::channel(PIECES);
        let store = self.store.clone();
        let runtime = tokio::runtime::Handle::current();
        // Ends by itself: with the file, or when nobody takes its pieces any more.
        drop(tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut give = |piece| {
                // A reader that takes nothing for so long does not get to keep a thread.
                let sent = runtime.block_on(pieces.send_timeout(Ok(piece), READER_PATIENCE));
                sent.map_err(|_| ContentError::Io(std::io::ErrorKind::TimedOut.into()))
            };
            if let Err(error) = give::file((&store, &space), (root, range), &mut give) {
                let _ = pieces.try_send(Err(std::io::Error::other(error)));
            }
        }));
        let stream = futures_util::stream::unfold(taken, |mut taken| async {
            taken.recv().await.map(|piece| (piece, taken))
        });
        Ok(stream.boxed())
    }

    async fn write(
        &self,
        credential: Credential,
        space: Option<String>,
        mut bytes: Pieces,
    ) -> Result<Written, Refusal> {
        let space = self.where_to_write(credential, space).await?;
        let (pieces, taken) = mpsc::channel(PIECES);
        let keeping = self.transfer(move |store| keep(store, space, taken));
        let feeding = async {
            while let Some(piece) = bytes.next().await {
                let broken = piece.is_err();
                if pieces.send(piece).await.is_err() || broken {
                    break;
                }
            }
            drop(pieces);
        };
        let (kept, ()) = tokio::join!(keeping, feeding);
        kept.map(written)
    }

    async fn write_folders(
        &self,
        credential: Credential,
        space: Option<String>,
        mut parts: Parts,
    ) -> Result<Vec<(String, Written)>, Refusal> {
        let space = self.where_to_write(credential, space).await?;
        let turn = tokio::time::timeout(TURN_PATIENCE, self.folders.acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(too_many()) };
        let (feed, fed) = mpsc::channel(PIECES);
        let keeping = self.transfer(move |store| folders::keep(store, space, fed));
        // Owns its end of the queue, so that the thread learns when it stops halfway.
        let feeding = async move {
            while let Some(piece) = parts.next().await {
                let broken = piece.is_err();
                if feed.send(folders::Feed::Piece(piece)).await.is_err() || broken {
                    return;
                }
            }
            let _ = feed.send(folders::Feed::End).await;
        };
        let (kept, ()) = tokio::join!(keeping, feeding);
        Ok(kept?.into_iter().map(|(name, imported)| (name, written(imported))).collect())
    }
}

const fn written(imported: Imported) -> Written {
    Written { root: imported.root, size: imported.size }
}

/// Keeps a file that comes in pieces.
fn keep(
    store: &Store,
    space: SpaceId,
    mut pieces: mpsc::Receiver<std::io::Result<Bytes>>,
) -> Result<Imported, ContentError> {
    let mut bring = Bring::new(store, space);
    let mut importer = FileImporter::new();
    while let Some(piece) = pieces.blocking_recv() {
        bring.push(&mut importer, piece?)?;
    }
    let imported = bring.end(importer)?;
    bring.finish()?;
    Ok(imported)
}

/// The first address of a host name; what is none, or cannot be looked up, as it is.
async fn looked_up(address: &str) -> String {
    if address.len() > MAX_HOST || address.parse::<SocketAddr>().is_ok() {
        return address.to_owned();
    }
    let lookup = tokio::time::timeout(LOOKUP_PATIENCE, tokio::net::lookup_host(address)).await;
    let found = lookup.ok().and_then(Result::ok).and_then(|mut found| found.next());
    found.map_or_else(|| address.to_owned(), |found| found.to_string())
}

fn too_many() -> Refusal {
    Refusal {
        retry_after: Some(5),
        ..Refusal::new(
            RefusalKind::TooMany,
            "the box is busy with other transfers; try again in a few seconds",
        )
    }
}

/// The desk dropped the request: more passphrases wait than it may keep, or it is stopping.
fn overrun() -> Refusal {
    Refusal {
        retry_after: Some(5),
        ..Refusal::new(RefusalKind::TooMany, "the box is busy; try again in a few seconds")
    }
}

#[cfg(test)]
mod tests;
