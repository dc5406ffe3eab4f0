//! Folders on their way in: one stream of files for all folders of an upload, each of which becomes one
//! directory under one record, and only once everything is there.
//!
//! It is one request and not one for each file: there is nothing to keep between requests, it works the
//! same without scripts, and what breaks off leaves no name behind. Whoever tries again sends the bytes
//! again; those that had arrived are recognised by their digest and not kept twice.

use std::collections::BTreeSet;
use std::io;

use futures_util::stream::{self, StreamExt as _};
use kith_core::body::{MAX_PATH, MAX_SEGMENT, normal_path};
use kith_core::unixfs::MAX_FOLDER_DEPTH;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::answer::{Failure, refuse};
use crate::ask::Ask;
use crate::backend::{MAX_IN_FOLDERS, Parts, Piece, Written};
use crate::multipart::Multipart;
use crate::pages::files::target;
use crate::upload::{damaged, short};

/// The most folders side by side in one upload; each costs a signature.
const MAX_FOLDERS: usize = 100;

/// Pieces between the parser and the store: enough to keep both busy.
const PIECES: usize = 4;

/// How often another name is tried for a folder whose own is taken.
const MAX_NAMESAKES: u32 = 100;

/// The bytes that another name may have more than a folder's own.
const SUFFIX: usize = " (100)".len();

/// Where files of an upload go: space, collection and folder.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) space: Option<String>,
    pub(crate) collection: String,
    pub(crate) folder: String,
}

/// What goes to the store; a stream that ends without [`Feed::End`] broke off.
enum Feed {
    Piece(Piece),
    End,
}

/// The folders of one upload while they come. Dropped, it leaves nothing that has a name.
pub(crate) struct Inflow {
    feed: mpsc::Sender<Feed>,
    work: JoinSet<Result<Vec<(String, Written)>, Refusal>>,
    tops: BTreeSet<String>,
    files: usize,
}

impl Inflow {
    /// Begins to write folders for the space named.
    pub(crate) fn begin(ask: &Ask, space: Option<String>) -> Self {
        let (feed, fed) = mpsc::channel(PIECES);
        let (app, credential) = (ask.app.clone(), ask.visit.credential.clone());
        let mut work = JoinSet::new();
        work.spawn(async move { app.backend.write_folders(credential, space, parts(fed)).await });
        Self { feed, work, tops: BTreeSet::new(), files: 0 }
    }

    /// Takes the part of `form` at hand as the file at `path`, whose first segment is its folder.
    pub(crate) async fn take(&mut self, form: &mut Multipart, path: String) -> Result<(), Failure> {
        self.files += 1;
        if self.files > MAX_IN_FOLDERS {
            return Err(too_many());
        }
        let top = path.split('/').next().unwrap_or_default();
        if !self.tops.contains(top) {
            self.tops.insert(top.to_owned());
        }
        if self.tops.len() > MAX_FOLDERS {
            return Err(refuse(
                RefusalKind::Invalid,
                "more than 100 folders side by side: put them into one folder and upload that",
            ));
        }
        self.give(Piece::File(path)).await?;
        while let Some(bytes) = form.chunk().await.map_err(damaged)? {
            self.give(Piece::Bytes(bytes)).await?;
        }
        Ok(())
    }

    /// How many files came.
    pub(crate) const fn files(&self) -> usize {
        self.files
    }

    /// Everything is there: the folders, by name.
    pub(crate) async fn end(mut self) -> Result<Vec<(String, Written)>, Failure> {
        // A store that stopped listening says why itself.
        let _ = self.feed.send(Feed::End).await;
        self.outcome().await.map_err(Failure::from)
    }

    async fn give(&mut self, piece: Piece) -> Result<(), Failure> {
        if self.feed.send(Feed::Piece(piece)).await.is_ok() {
            return Ok(());
        }
        Err(Failure::from(self.outcome().await.err().unwrap_or_else(stopped)))
    }

    async fn outcome(&mut self) -> Result<Vec<(String, Written)>, Refusal> {
        let done = self.work.join_next().await;
        done.and_then(Result::ok).unwrap_or_else(|| Err(stopped()))
    }
}

fn parts(fed: mpsc::Receiver<Feed>) -> Parts {
    stream::unfold(Some(fed), |fed| async {
        let mut fed = fed?;
        match fed.recv().await {
            Some(Feed::Piece(piece)) => Some((Ok(piece), Some(fed))),
            Some(Feed::End) => None,
            None => Some((Err(io::ErrorKind::UnexpectedEof.into()), None)),
        }
    })
    .boxed()
}

/// The normal form of a path below `folder` that somebody's folder brings.
pub(crate) fn path_in(folder: &str, path: &str) -> Result<String, Failure> {
    let whole = target(folder, path).filter(|whole| whole.len() + SUFFIX <= MAX_PATH);
    let inner = whole.and_then(|_| normal_path(path).ok());
    let inner = inner.ok_or_else(|| {
        let shown = short(path);
        refuse(
            RefusalKind::Invalid,
            format!("“{shown}” is no good name for a file in a folder: rename it first"),
        )
    })?;
    if inner.split('/').count() > MAX_FOLDER_DEPTH {
        return Err(refuse(
            RefusalKind::Invalid,
            format!("“{}” lies more than 64 folders deep: put it higher up", short(path)),
        ));
    }
    Ok(inner)
}

/// Where a folder goes: a name that nothing has yet, since what is there would vanish behind it.
pub(crate) async fn free_path(ask: &Ask, place: &Place, top: &str) -> Result<String, Failure> {
    for number in 1..=MAX_NAMESAKES {
        let path = target(&place.folder, &namesake(top, number));
        let path = path.ok_or_else(|| {
            refuse(RefusalKind::Invalid, format!("“{}” is no good name", short(top)))
        })?;
        let command = Command::File {
            space: place.space.clone(),
            collection: Some(place.collection.clone()),
            path: path.clone(),
        };
        match ask.call(command).await {
            Err(refusal) if refusal.kind == RefusalKind::NotFound => return Ok(path),
            Err(refusal) => return Err(refusal.into()),
            Ok(_) => {}
        }
    }
    Err(refuse(
        RefusalKind::Exists,
        format!("there are a hundred folders called “{}” here: rename yours first", short(top)),
    ))
}

/// The name of the `number`th folder that would be called `top`.
fn namesake(top: &str, number: u32) -> String {
    if number < 2 {
        return top.to_owned();
    }
    let mut end = top.len().min(MAX_SEGMENT - SUFFIX);
    while !top.is_char_boundary(end) {
        end -= 1;
    }
    format!("{} ({number})", top.get(..end).unwrap_or_default())
}

pub(crate) fn too_many() -> Failure {
    refuse(
        RefusalKind::Invalid,
        "more than 50,000 files in the folders of one upload: upload it in parts, or with “kith files add”",
    )
}

fn stopped() -> Refusal {
    Refusal::new(RefusalKind::Internal, "the box stopped in the middle: try again in a moment")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_name_is_still_a_name() {
        assert_eq!(namesake("trip", 1), "trip");
        assert_eq!(namesake("trip", 2), "trip (2)");
        let long = namesake(&"ü".repeat(127), 100);
        assert!(long.len() <= MAX_SEGMENT && long.ends_with("ü (100)"), "{long}");
    }

    #[test]
    fn a_path_in_a_folder_is_normal_and_neither_climbs_nor_runs_deep() {
        assert_eq!(path_in("a", "trip/e\u{301}.txt").ok().as_deref(), Some("trip/é.txt"));
        let longest = "x".repeat(MAX_SEGMENT);
        assert!(path_in("", &format!("trip/{longest}")).is_ok());
        let deep = |levels| vec!["a"; levels].join("/");
        assert!(path_in("", &deep(MAX_FOLDER_DEPTH)).is_ok());
        for bad in [
            "trip/../b",
            "trip/./b",
            "trip//b",
            "trip/a\0",
            "trip/a\u{7}",
            "trip/a\\b",
            "../a",
            &format!("trip/{longest}x"),
            &deep(MAX_FOLDER_DEPTH + 1),
            &vec!["y".repeat(200); 6].join("/"),
        ] {
            assert!(path_in("", bad).is_err(), "{bad:?}");
        }
        let there = "z".repeat(250);
        let folder = [&*there, &there, &there, &there].join("/");
        assert!(path_in(&folder, "trip/a").is_ok());
        assert!(path_in(&folder, "trip/a name too many").is_err(), "the whole path counts");
    }
}
