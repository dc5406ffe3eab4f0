//! The node's Unix socket: commands as the owner, and files by open descriptors.

use std::fs::File;
use std::io::BufWriter;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use kith_core::cid::Cid;
use kith_core::record::SpaceId;
use kith_core::unixfs::{Imported, TreeBuilder};
use kith_model::caller::Credential;
use kith_model::command::{Command, Request};
use kith_model::control::{Answer, Ask, Place};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::{FileEntry, Reply};
use kith_role::socket::{Channel, ChannelError, Listener};
use kith_store::Store;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::content::bring::{Bring, inner_path};
use crate::content::{ContentError, give};
use crate::door::{CLI_PATIENCE, Door};

/// The socket's name in the state directory.
pub(crate) const SOCKET: &str = "node.sock";

/// Connections at one time.
const CONNECTIONS: usize = 32;

/// Files of an import that wait for the thread that reads them.
const FILES_AHEAD: usize = 64;

/// How long to wait after a connection that could not be accepted.
const BREATH: Duration = Duration::from_millis(50);

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Serves the socket until told to stop.
pub(crate) async fn serve(listener: Listener, door: Door, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = tasks.join_next() => {}
            channel = listener.accept() => match (channel, Arc::clone(&room).try_acquire_owned()) {
                (Ok(channel), Ok(permit)) => {
                    let door = door.clone();
                    tasks.spawn(async move {
                        let _permit = permit;
                        converse(channel, door).await;
                    });
                }
                (Ok(_), Err(_)) => tracing::warn!("too many connections on the node's socket"),
                (Err(error), _) => {
                    tracing::warn!(%error, "somebody else tried the node's socket");
                    // It may be that no descriptors are left; trying again at once frees none.
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
}

async fn converse(mut channel: Channel, door: Door) {
    loop {
        let (ask, fds) = match channel.receive::<Ask>().await {
            Ok(Some(message)) => message,
            Ok(None) => return,
            Err(error) => {
                return tracing::warn!(%error, "a conversation on the node's socket broke off");
            }
        };
        let answered = match ask {
            Ask::Command(command) => door.ask(as_owner(command), CLI_PATIENCE).await,
            Ask::Import { place, folder } => import(&mut channel, &door, (place, folder)).await,
            Ask::Get(place) => get(&mut channel, &door, (place, fds)).await,
            Ask::Export(place) => export(&mut channel, &door, (place, fds)).await,
            Ask::ImportFile { .. } | Ask::ImportEnd => {
                Err(Refusal::new(RefusalKind::Invalid, "no import has begun"))
            }
        };
        let answer = match answered {
            Ok(reply) => Answer::Reply(Box::new(reply)),
            Err(refusal) => Answer::Refused(refusal),
        };
        if channel.send(&answer, &[]).await.is_err() {
            return;
        }
    }
}

async fn import(
    channel: &mut Channel,
    door: &Door,
    (place, folder): (Place, bool),
) -> Result<Reply, Refusal> {
    let space = door.where_to_write(Credential::Socket, place.space.clone()).await?;
    let (files, taken) = mpsc::channel(FILES_AHEAD);
    let (progress, told) = watch::channel(0);
    let bringing = door.transfer(move |store| bring(store, (space, folder), taken, &progress));
    let feeding = feed(channel, files, told);
    let (brought, fed) = tokio::join!(bringing, feeding);
    let imported = brought?;
    fed?;
    let Imported { root, size, .. } = imported;
    let put = Command::FilePut {
        space: Some(space.to_string()),
        collection: place.collection,
        path: place.path,
        root: root.to_string(),
        size,
        folder,
        mime: None,
    };
    door.ask(as_owner(put), CLI_PATIENCE).await
}

/// Hands the files that the client sends to the thread that reads them, and tells the client how far
/// it is. Drops the way to the thread when the client is done, or gone.
async fn feed(
    channel: &mut Channel,
    files: mpsc::Sender<Result<(String, File), Refusal>>,
    told: watch::Receiver<u64>,
) -> Result<(), Refusal> {
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    let mut last = 0;
    loop {
        let received = tokio::select! {
            received = channel.receive::<Ask>() => received,
            _ = ticks.tick() => {
                let done = *told.borrow();
                if done != last {
                    last = done;
                    let progress = Answer::Progress { done, total: None };
                    channel.send(&progress, &[]).await.map_err(|error| hung_up(&error))?;
                }
                continue;
            }
        };
        match received {
            Ok(Some((Ask::ImportFile { path }, fds))) => {
                let file = one_file(fds).map(|file| (path, file));
                let failed = file.as_ref().err().cloned();
                // A thread that has ended tells why by itself.
                let _ = files.send(file).await;
                if let Some(refusal) = failed {
                    return Err(refusal);
                }
            }
            Ok(Some((Ask::ImportEnd, _))) => return Ok(()),
            Ok(Some(_)) => return abandon(&files, "finish the import first").await,
            Ok(None) => return abandon(&files, "the import was broken off").await,
            Err(error) => {
                tracing::warn!(%error, "an import broke off");
                return abandon(&files, "the import was broken off").await;
            }
        }
    }
}

async fn abandon(
    files: &mpsc::Sender<Result<(String, File), Refusal>>,
    why: &str,
) -> Result<(), Refusal> {
    let refusal = Refusal::new(RefusalKind::Invalid, why);
    let _ = files.send(Err(refusal.clone())).await;
    Err(refusal)
}

/// The thread's part of an import.
fn bring(
    store: &Store,
    (space, folder): (SpaceId, bool),
    mut files: mpsc::Receiver<Result<(String, File), Refusal>>,
    progress: &watch::Sender<u64>,
) -> Result<Imported, ContentError> {
    let mut bring = Bring::new(store, space);
    let mut tree = TreeBuilder::new();
    let mut single = None;
    let mut before = 0;
    while let Some(next) = files.blocking_recv() {
        let broken = || ContentError::Io(std::io::ErrorKind::ConnectionAborted.into());
        let (path, file) = next.map_err(|_| broken())?;
        let imported = bring.file(file, &mut |done| {
            progress.send_replace(before + done);
        })?;
        before += imported.size;
        if folder {
            tree.add(&inner_path(&path)?, imported.entry())?;
        } else {
            single = Some(imported);
        }
    }
    let imported = match (folder, single) {
        (true, _) => bring.folder(tree)?,
        (false, Some(single)) => single,
        (false, None) => return Err(ContentError::Io(std::io::ErrorKind::UnexpectedEof.into())),
    };
    bring.finish()?;
    Ok(imported)
}

async fn get(
    channel: &mut Channel,
    door: &Door,
    (place, fds): (Place, Vec<OwnedFd>),
) -> Result<Reply, Refusal> {
    let to = one_file(fds)?;
    let entry = locate(door, place).await?;
    let (space, root) = root_of(&entry)?;
    if entry.folder {
        return Err(Refusal::new(
            RefusalKind::Invalid,
            "this is a folder; get its files one by one",
        ));
    }
    let size = entry.size;
    with_progress(channel, Some(size), |told| {
        door.transfer(move |store| {
            let mut to = to;
            let mut done = 0;
            give::file((store, &space), (root, 0..size), &mut |piece| {
                done += piece.len() as u64;
                std::io::Write::write_all(&mut to, &piece)?;
                told.send_replace(done);
                Ok(())
            })
        })
    })
    .await?;
    Ok(Reply::File(entry))
}

async fn export(
    channel: &mut Channel,
    door: &Door,
    (place, fds): (Place, Vec<OwnedFd>),
) -> Result<Reply, Refusal> {
    let to = one_file(fds)?;
    let entry = locate(door, place).await?;
    let (space, root) = root_of(&entry)?;
    with_progress(channel, None, |told| {
        door.transfer(move |store| {
            let mut to = BufWriter::with_capacity(1 << 20, to);
            give::export((store, &space), root, &mut to, &mut |done| {
                told.send_replace(done);
            })
        })
    })
    .await?;
    Ok(Reply::File(entry))
}

/// Waits for a transfer and tells the client how far it is.
async fn with_progress<W: Future<Output = Result<(), Refusal>>>(
    channel: &mut Channel,
    total: Option<u64>,
    work: impl FnOnce(watch::Sender<u64>) -> W,
) -> Result<(), Refusal> {
    let (progress, told) = watch::channel(0);
    let work = work(progress);
    tokio::pin!(work);
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    ticks.tick().await;
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick() => {
                let done = *told.borrow();
                let progress = Answer::Progress { done, total };
                channel.send(&progress, &[]).await.map_err(|error| hung_up(&error))?;
            }
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "each command has one kind of reply")]
async fn locate(door: &Door, place: Place) -> Result<FileEntry, Refusal> {
    let Place { space, collection, path } = place;
    match door.ask(as_owner(Command::File { space, collection, path }), CLI_PATIENCE).await? {
        Reply::File(entry) => Ok(entry),
        other => {
            tracing::error!(other = ?std::mem::discriminant(&other), "a file was asked for");
            Err(crate::desk::busy())
        }
    }
}

fn root_of(entry: &FileEntry) -> Result<(SpaceId, Cid), Refusal> {
    let root = entry.root.as_deref().and_then(|root| root.parse().ok());
    entry.space.parse().ok().zip(root).ok_or_else(|| {
        Refusal::new(
            RefusalKind::Invalid,
            "this folder was never added as a whole; name one of the files or folders in it",
        )
    })
}

fn one_file(fds: Vec<OwnedFd>) -> Result<File, Refusal> {
    let mut fds = fds.into_iter();
    match (fds.next(), fds.next()) {
        (Some(fd), None) => Ok(File::from(fd)),
        (None, _) | (Some(_), Some(_)) => {
            Err(Refusal::new(RefusalKind::Invalid, "one open descriptor comes with this"))
        }
    }
}

fn as_owner(command: Command) -> Request {
    Request { credential: Credential::Socket, source: "socket".to_owned(), command }
}

fn hung_up(error: &ChannelError) -> Refusal {
    tracing::debug!(%error, "the client hung up");
    Refusal::new(RefusalKind::Invalid, "the client hung up")
}
