//! Files on their way in, from forms and from programs: streamed to the store with its backpressure,
//! never gathered here.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use kith_core::record::Class;
use kith_model::DEFAULT_COLLECTION;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::FileEntry;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::answer::{Answer, Failure, refuse, see, text};
use crate::ask::{Ask, Fields, expect_reply};
use crate::backend::{MAX_IN_FOLDERS, Pieces, Written};
use crate::dispatch::check_token;
use crate::download::media_type;
use crate::flash::Flash;
use crate::folders::{self, Inflow, Place};
use crate::lang::msg;
use crate::multipart::{Multipart, MultipartError};
use crate::pages::files::{address, target};
use crate::urls;

/// How long the next bytes of an upload may take, and how many those are: whoever brings less for
/// longer only holds a place. The time in which the store takes nothing does not count.
const PATIENCE: Duration = Duration::from_secs(60);
const LEAST: usize = 64 << 10;

/// How much of an upload that was refused is still read, so that the browser gets to see why, and for
/// how long.
const DRAIN_BYTES: usize = 256 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Pieces between the parser and the store: enough to keep both busy.
const PIECES: usize = 4;

/// The longest text field beside the files, in bytes.
const MAX_FIELD: usize = 4 << 10;

/// The most files beside folders in one form; each costs a signature.
const MAX_FILES: usize = 10_000;

/// What came of a form.
#[derive(Default)]
struct Taken {
    /// Files beside folders, by the names they came with.
    files: Vec<String>,
    /// Folders, by the names they got.
    folders: Vec<String>,
    /// Whether a folder got another name than it came with.
    renamed: bool,
}

impl Taken {
    fn flash(self) -> Flash {
        let count = self.files.len() + self.folders.len();
        match (self.files.as_slice(), self.folders.as_slice()) {
            ([], [only]) if self.renamed => Flash::Done(
                msg("There is something of that name here already, so your folder is up as {0}."),
                vec![only.clone()],
            ),
            ([only], []) | ([], [only]) => Flash::Done(msg("{0} is up."), vec![only.clone()]),
            (_, []) => Flash::Done(msg("{0} files are up."), vec![count.to_string()]),
            _ => Flash::Done(msg("{0} files and folders are up."), vec![count.to_string()]),
        }
    }
}

/// A form with files.
pub(crate) async fn form(ask: Ask) -> Result<Answer, Failure> {
    let body = ask.take_body();
    let mut form = Multipart::new(&ask.headers, watched(body)).map_err(damaged)?;
    let mut intake = Intake { ask: &ask, fields: Fields::default(), proven: false, inflow: None };
    let taken = match fits(&ask) {
        Ok(()) => intake.run(&mut form).await,
        Err(refusal) => Err(refusal),
    };
    match taken {
        Ok(taken) => {
            let Place { space, collection, folder } = intake.place();
            let path =
                urls::with_query(&address(&collection, &folder), &[("space", space.as_deref())]);
            Ok(see(&ask.leave(&path, taken.flash())))
        }
        Err(failure) => {
            // Nobody listens to the folders any more.
            drop(intake);
            drain(form).await;
            Err(failure)
        }
    }
}

/// A form while it is read.
struct Intake<'a> {
    ask: &'a Ask,
    fields: Fields,
    /// Whether the form's token has come and is right.
    proven: bool,
    /// The folders among the files, and where they go.
    inflow: Option<(Inflow, Place)>,
}

impl Intake<'_> {
    async fn run(&mut self, form: &mut Multipart) -> Result<Taken, Failure> {
        let mut taken = Taken::default();
        while let Some(part) = form.next().await.map_err(damaged)? {
            let Some(file) = part.file else {
                let value = form.text(MAX_FIELD).await.map_err(damaged)?;
                self.field(part.name, value)?;
                continue;
            };
            // The token stands first in our forms; nothing is taken before it.
            if !self.proven {
                check_token(&self.ask.visit, "")?;
            }
            if file.is_empty() {
                continue;
            }
            if file.trim_matches('/').contains('/') {
                self.in_folder(form, &file).await?;
            } else if taken.files.len() < MAX_FILES {
                self.beside(form, &file).await?;
                taken.files.push(file);
            } else {
                return Err(refuse(
                    RefusalKind::Invalid,
                    "more than 10,000 files in one go: put them into a folder and upload that",
                ));
            }
        }
        if !self.proven {
            check_token(&self.ask.visit, "")?;
        }
        if let Some((inflow, place)) = self.inflow.take() {
            self.name_folders(inflow, &place, &mut taken).await?;
        }
        if taken.files.is_empty() && taken.folders.is_empty() {
            return Err(refuse(
                RefusalKind::Invalid,
                "no file was chosen: choose one or more, then upload",
            ));
        }
        Ok(taken)
    }

    fn field(&mut self, name: String, value: String) -> Result<(), Failure> {
        if name == "token" {
            check_token(&self.ask.visit, &value)?;
            self.proven = true;
        }
        // Scripts say it first, so that nobody waits for what cannot be.
        let announced = (name == "count").then(|| value.parse::<usize>().ok()).flatten();
        if announced.is_some_and(|count| count > MAX_IN_FOLDERS) {
            return Err(folders::too_many());
        }
        self.fields.0.push((name, value));
        if self.fields.0.len() > 32 {
            return Err(damaged(MultipartError::TooLong));
        }
        Ok(())
    }

    /// A file of a folder: all of them together become one directory.
    async fn in_folder(&mut self, form: &mut Multipart, file: &str) -> Result<(), Failure> {
        if self.inflow.is_none() {
            let place = self.place();
            check_collection(&place.collection)?;
            self.inflow = Some((Inflow::begin(self.ask, place.space.clone()), place));
        }
        let Some((inflow, place)) = &mut self.inflow else { return Ok(()) };
        let path = folders::path_in(&place.folder, file)?;
        inflow.take(form, path).await
    }

    /// A file by itself.
    async fn beside(&self, form: &mut Multipart, file: &str) -> Result<(), Failure> {
        let Place { space, collection, folder } = self.place();
        check_collection(&collection)?;
        let path = target(&folder, file).ok_or_else(|| {
            refuse(
                RefusalKind::Invalid,
                format!("“{}” is no good name for a file: rename it first", short(file)),
            )
        })?;
        let written = stream_part(self.ask, form, space.clone()).await?;
        name_it(self.ask, (space, collection, path), (written, false)).await.map(drop)
    }

    async fn name_folders(
        &self,
        inflow: Inflow,
        place: &Place,
        taken: &mut Taken,
    ) -> Result<(), Failure> {
        for (top, written) in inflow.end().await? {
            let path = folders::free_path(self.ask, place, &top).await?;
            let name = path.rsplit('/').next().unwrap_or_default().to_owned();
            taken.renamed |= name != top;
            let at = (place.space.clone(), place.collection.clone(), path);
            name_it(self.ask, at, (written, true)).await?;
            taken.folders.push(name);
        }
        Ok(())
    }

    /// Where files go, as the fields so far say.
    fn place(&self) -> Place {
        let fields = &self.fields;
        let fresh = fields.get("new_collection").map(str::trim).filter(|name| !name.is_empty());
        let folder = if fresh.is_some() { String::new() } else { fields.text("folder") };
        let collection = fresh.map(str::to_owned).or_else(|| fields.some("collection"));
        let collection = collection.unwrap_or_else(|| DEFAULT_COLLECTION.to_owned());
        Place { space: fields.some("space"), collection, folder }
    }
}

pub(crate) fn short(name: &str) -> String {
    name.chars().filter(|char| !char.is_control()).take(60).collect()
}

/// Feeds one part to the store; both run side by side with a few pieces between them.
async fn stream_part(
    ask: &Ask,
    form: &mut Multipart,
    space: Option<String>,
) -> Result<Written, Failure> {
    let (give, mut got) = mpsc::channel::<io::Result<Bytes>>(PIECES);
    let pieces: Pieces = stream::poll_fn(move |context| got.poll_recv(context)).boxed();
    let write = ask.app.backend.write(ask.visit.credential.clone(), space, pieces);
    let feed = async move {
        loop {
            match form.chunk().await {
                Ok(Some(bytes)) => {
                    // A store that stopped listening says why itself.
                    if give.send(Ok(bytes)).await.is_err() {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    let told = io::Error::new(io::ErrorKind::UnexpectedEof, error.to_string());
                    let _ = give.send(Err(told)).await;
                    return Err(error);
                }
            }
        }
    };
    let (written, fed) = tokio::join!(write, feed);
    fed.map_err(damaged)?;
    Ok(written?)
}

async fn name_it(
    ask: &Ask,
    (space, collection, path): (Option<String>, String, String),
    (written, folder): (Written, bool),
) -> Result<FileEntry, Failure> {
    let mime = media_type(&path).filter(|_| !folder).map(str::to_owned);
    let command = Command::FilePut {
        space,
        collection: Some(collection),
        path,
        root: written.root.to_string(),
        size: written.size,
        folder,
        mime,
    };
    let reply = ask.call(command).await?;
    Ok(expect_reply!(reply, File))
}

/// A file from a program: `PUT` with its bytes.
pub(crate) async fn program(ask: Ask) -> Result<Answer, Failure> {
    let (space, collection) = (ask.space(), ask.param("collection"));
    check_collection(&collection)?;
    let path = target("", &ask.param("path")).ok_or_else(|| {
        refuse(RefusalKind::Invalid, kith_core::body::BodyError::Path.to_string())
    })?;
    fits(&ask)?;
    let body = ask.take_body();
    let pieces: Pieces = watched(body)
        .map(|piece| {
            piece
                .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the upload broke off"))
        })
        .boxed();
    let credential = ask.visit.credential.clone();
    let written = ask.app.backend.write(credential, space.clone(), pieces).await?;
    let entry = name_it(&ask, (space, collection, path), (written, false)).await?;
    Ok(created(&ask, &entry))
}

/// A folder from a program: `PUT` with a form whose parts are its files.
pub(crate) async fn program_folder(ask: Ask) -> Result<Answer, Failure> {
    let (space, collection) = (ask.space(), ask.param("collection"));
    check_collection(&collection)?;
    let path = target("", &ask.param("path")).ok_or_else(|| {
        refuse(RefusalKind::Invalid, kith_core::body::BodyError::Path.to_string())
    })?;
    fits(&ask)?;
    let mut form = Multipart::new(&ask.headers, watched(ask.take_body())).map_err(damaged)?;
    let mut inflow = Inflow::begin(&ask, space.clone());
    let taken = match files_of(&mut form, &path, &mut inflow).await {
        Ok(()) => inflow.end().await,
        Err(failure) => {
            drop(inflow);
            Err(failure)
        }
    };
    let written = match taken {
        Ok(folders) => folders.into_iter().next().map(|(_, written)| written),
        Err(failure) => {
            drain(form).await;
            return Err(failure);
        }
    };
    let written = written.ok_or_else(|| refuse(RefusalKind::Internal, "no folder came of it"))?;
    let entry = name_it(&ask, (space, collection, path), (written, true)).await?;
    Ok(created(&ask, &entry))
}

/// Takes all files of a form as those of one folder.
async fn files_of(form: &mut Multipart, path: &str, inflow: &mut Inflow) -> Result<(), Failure> {
    while let Some(part) = form.next().await.map_err(damaged)? {
        let Some(file) = part.file.filter(|file| !file.is_empty()) else {
            return Err(refuse(
                RefusalKind::Invalid,
                format!("the part “{}” has no filename: each is a file", short(&part.name)),
            ));
        };
        let inner = folders::path_in(path, &file)?;
        inflow.take(form, ["folder/", &inner].concat()).await?;
    }
    if inflow.files() == 0 {
        return Err(refuse(RefusalKind::Invalid, "a folder has at least one file: send its files"));
    }
    Ok(())
}

fn created(ask: &Ask, entry: &FileEntry) -> Answer {
    let json = serde_json::to_string(entry).unwrap_or_default();
    let mut answer = text(StatusCode::CREATED, "application/json", json);
    if let Ok(location) = HeaderValue::from_str(&ask.target) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

/// Refuses early a collection that can never be, before a byte of what is to go there is taken.
fn check_collection(name: &str) -> Result<(), Failure> {
    Class::files(name).map(drop).map_err(|error| refuse(RefusalKind::Invalid, error.to_string()))
}

/// Refuses early what cannot fit, before a byte of it is taken.
fn fits(ask: &Ask) -> Result<(), Failure> {
    let announced = announced(&ask.headers);
    let free = ask.status().store.free_bytes;
    match announced.zip(free) {
        Some((announced, free)) if announced > free => Err(Failure::from(Refusal::new(
            RefusalKind::NoSpace,
            format!(
                "this upload has {announced} bytes, and {free} are free on the disk: remove something first"
            ),
        ))),
        Some(_) | None => Ok(()),
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body whose silence and slowness, like its failure, are a `None`.
pub(crate) fn watched(body: Body) -> BoxStream<'static, Option<Bytes>> {
    let start = Some((body.into_data_stream(), PATIENCE, 0));
    stream::unfold(start, |state| async {
        let (mut source, patience, brought) = state?;
        let begun = Instant::now();
        match tokio::time::timeout(patience, source.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(bytes))) => {
                let brought = brought + bytes.len();
                let next = if brought >= LEAST {
                    (source, PATIENCE, 0)
                } else {
                    (source, patience.saturating_sub(begun.elapsed()), brought)
                };
                Some((Some(bytes), Some(next)))
            }
            Ok(Some(Err(_))) | Err(_) => Some((None, None)),
        }
    })
    .fuse()
    .boxed()
}

pub(crate) async fn drain(mut form: Multipart) {
    let read = async {
        let mut bytes = 0;
        while bytes < DRAIN_BYTES {
            match form.chunk().await {
                Ok(Some(piece)) => bytes += piece.len(),
                Ok(None) => match form.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                },
                Err(_) => break,
            }
        }
    };
    // Late is as good as done: the connection closes then.
    let _ = tokio::time::timeout(DRAIN_TIME, read).await;
}

pub(crate) fn damaged(error: MultipartError) -> Failure {
    refuse(RefusalKind::Invalid, format!("{error}: try again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a body that brings `bytes` each `pause` and ends after `total` bytes, and when.
    async fn brought(bytes: usize, pause: Duration, total: usize) -> (bool, usize, Duration) {
        let pieces = stream::unfold(0, move |sent| async move {
            tokio::time::sleep(pause).await;
            (sent < total).then(|| (Ok::<_, io::Error>(vec![0; bytes]), sent + bytes))
        });
        let begun = Instant::now();
        let got: Vec<_> = watched(Body::from_stream(pieces)).collect().await;
        let sum = got.iter().flatten().map(Bytes::len).sum();
        (got.iter().all(Option::is_some), sum, begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_drips_is_ended() {
        let second = Duration::from_secs(1);
        let (whole, sum, time) = brought(1, 59 * second, 1 << 20).await;
        assert_eq!((whole, sum, time), (false, 1, PATIENCE));
        let (whole, sum, time) = brought(1_000, second, 1 << 20).await;
        assert!(!whole && sum <= 60_000 && time == PATIENCE, "{sum} {time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_is_slow_but_comes_is_taken() {
        let second = Duration::from_secs(1);
        let (whole, sum, time) = brought(1_200, second, 1_200_000).await;
        assert!(whole && sum == 1_200_000 && time > Duration::from_secs(900), "{sum} {time:?}");
        assert!(brought(10, second, 500).await.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_store_is_not_held_against_the_upload() {
        let pieces = stream::iter((0..500).map(|_| Ok::<_, io::Error>(vec![0; 100])));
        let mut watched = watched(Body::from_stream(pieces));
        let mut sum = 0;
        while let Some(piece) = watched.next().await {
            sum += piece.unwrap().len();
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        assert_eq!(sum, 50_000);
    }
}
