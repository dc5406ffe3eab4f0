//! Files: collections, folders, one file; removal with undo.

use askama::Template;
use kith_core::body::normal_path;
use kith_model::DEFAULT_COLLECTION;
use kith_model::command::Command;
use kith_model::reply::{Collection, FileEntry};

use crate::answer::{Answer, Failure, page, see};
use crate::ask::{Ask, expect_reply};
use crate::figures::percent;
use crate::flash::Flash;
use crate::lang::msg;
use crate::urls;
use crate::view::{Nav, View};

/// How many entries of a folder one page shows.
const ENTRIES: u32 = 100;

/// The address of a file or folder.
pub(crate) fn address(collection: &str, path: &str) -> String {
    let collection = urls::encode(collection);
    if path.is_empty() {
        return format!("/files/{collection}");
    }
    format!("/files/{collection}/{}", urls::encode_path(path))
}

#[derive(Template)]
#[template(path = "files.html")]
struct FolderPage {
    v: View,
    place: Place,
    collections: Vec<Collection>,
    rows: Vec<Row>,
    more: Option<String>,
    undo: Option<String>,
    removed: String,
}

#[derive(Template)]
#[template(path = "file.html")]
struct FilePage {
    v: View,
    place: Place,
    row: Row,
    picture: bool,
}

/// Where in the collections a page is.
struct Place {
    collection: String,
    path: String,
    crumbs: Vec<(String, String)>,
}

/// A file or folder in a list.
struct Row {
    name: String,
    href: String,
    raw: String,
    icon: &'static str,
    percent: u64,
    entry: FileEntry,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let collection =
        ask.params.get("collection").cloned().unwrap_or_else(|| DEFAULT_COLLECTION.to_owned());
    let path = ask.param("path").trim_end_matches('/').to_owned();
    let v = View::new(&ask, Nav::Files).with_spaces(&ask).await;
    let place = Place::new(&v, collection, path);
    if place.path.is_empty() {
        return folder(ask, v, place).await;
    }
    let command = Command::File {
        space: ask.space(),
        collection: Some(place.collection.clone()),
        path: place.path.clone(),
    };
    let entry = expect_reply!(ask.call(command).await?, File);
    if entry.folder {
        return folder(ask, v, place).await;
    }
    let picture = entry.complete && may_be_picture(&entry.path);
    let row = Row::new(&v, &place.collection, entry);
    Ok(page(&FilePage { v, place, row, picture }))
}

async fn folder(ask: Ask, v: View, place: Place) -> Result<Answer, Failure> {
    let command = Command::Files {
        space: ask.space(),
        collection: Some(place.collection.clone()),
        path: (!place.path.is_empty()).then(|| place.path.clone()),
        after: ask.query.some("after"),
        limit: Some(ENTRIES),
    };
    let (collections, entries) =
        tokio::try_join!(ask.call(Command::Collections { space: ask.space() }), ask.call(command))?;
    let collections = expect_reply!(collections, Collections);
    let entries = expect_reply!(entries, Files);
    let full = entries.len() >= ENTRIES as usize;
    let rows: Vec<Row> =
        entries.into_iter().map(|entry| Row::new(&v, &place.collection, entry)).collect();
    let more = rows.last().filter(|_| full).map(|last| {
        let here = address(&place.collection, &place.path);
        urls::with_query(&here, &[("space", ask.space().as_deref()), ("after", Some(&last.name))])
    });
    let (undo, removed) = match v.flash.as_ref() {
        Some(Flash::Removed { entry, .. }) => {
            (entry.root.as_ref().and(ask.query.some("f")), entry.path.clone())
        }
        Some(_) | None => (None, String::new()),
    };
    Ok(page(&FolderPage { v, place, collections, rows, more, undo, removed }))
}

impl Place {
    fn new(v: &View, collection: String, path: String) -> Self {
        let mut crumbs = vec![(collection.clone(), v.url(&address(&collection, "")))];
        let ends = path
            .match_indices('/')
            .map(|(at, _)| at)
            .chain((!path.is_empty()).then_some(path.len()));
        for upto in ends.filter_map(|end| path.get(..end)) {
            crumbs.push((last(upto).to_owned(), v.url(&address(&collection, upto))));
        }
        Self { collection, path, crumbs }
    }
}

impl Row {
    fn new(v: &View, collection: &str, entry: FileEntry) -> Self {
        let icon = match (entry.folder, may_be_picture(&entry.path)) {
            (true, _) => "folder",
            (false, true) => "picture",
            (false, false) => "file",
        };
        let at = format!("/raw/{}/{}", urls::encode(collection), urls::encode_path(&entry.path));
        Self {
            name: last(&entry.path).to_owned(),
            href: v.url(&address(collection, &entry.path)),
            raw: v.url(&at),
            icon,
            percent: percent(entry.here, entry.size),
            entry,
        }
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// By its name only; whether it is one, its first bytes say when it is served.
fn may_be_picture(path: &str) -> bool {
    let end = path.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    ["png", "jpg", "jpeg", "gif", "webp"].contains(&end.as_str())
}

pub(crate) async fn remove(ask: Ask) -> Result<Answer, Failure> {
    let (collection, path) = (ask.form.text("collection"), ask.form.text("path"));
    let command = Command::FileRemove {
        space: ask.space(),
        collection: Some(collection.clone()),
        path: path.clone(),
    };
    let entry = expect_reply!(ask.call(command).await?, File);
    let folder = address(&collection, parent(&path));
    let folder = urls::with_query(&folder, &[("space", ask.space().as_deref())]);
    let flash = Flash::Removed { space: ask.space(), collection, entry: Box::new(entry) };
    Ok(see(&ask.leave(&folder, flash)))
}

/// Puts back what was removed a moment ago.
pub(crate) async fn restore(ask: Ask) -> Result<Answer, Failure> {
    let key = ask.form.text("f");
    let kept = ask.app.flashes.look(&ask.visit.token, ask.app.now(), &key);
    let Some(Flash::Removed { space, collection, entry }) = kept else {
        return Err(crate::answer::refuse(
            kith_model::refusal::RefusalKind::NotFound,
            "undo is possible for a quarter of an hour, and that is over: put the file up again",
        ));
    };
    let path = entry.path.clone();
    let command = Command::FilePut {
        space: space.clone(),
        collection: Some(collection.clone()),
        path: path.clone(),
        root: entry.root.clone().unwrap_or_default(),
        size: entry.size,
        folder: entry.folder,
        mime: entry.mime.clone(),
    };
    ask.call(command).await?;
    let folder =
        urls::with_query(&address(&collection, parent(&path)), &[("space", space.as_deref())]);
    Ok(see(&ask.leave(&folder, Flash::Done(msg("{0} is back."), vec![path]))))
}

/// Where an upload of a file goes.
pub(crate) fn target(folder: &str, name: &str) -> Option<String> {
    // Some browsers send the whole path of the sender's disk. In a folder's, a backslash is none of those.
    let own = name.rsplit('\\').next().filter(|_| !name.contains('/'));
    let name = own.unwrap_or(name).trim_start_matches('/');
    if name.is_empty() {
        return None;
    }
    normal_path(&format!("{}/{}", folder.trim_matches('/'), name)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_stays_below_its_folder() {
        assert_eq!(target("", "a.txt").as_deref(), Some("a.txt"));
        assert_eq!(target("b/", "/a.txt").as_deref(), Some("b/a.txt"));
        assert_eq!(target("b", "c/a.txt").as_deref(), Some("b/c/a.txt"));
        assert_eq!(target("", "C:\\fakepath\\a.txt").as_deref(), Some("a.txt"));
        for bad in ["../a", "c/../../a", "", ".", "a\0b", "a\nb", "c//a", "c/d\\a"] {
            assert_eq!(target("b", bad), None, "{bad:?}");
        }
    }

    #[test]
    fn addresses_survive_every_name() {
        assert_eq!(address("a b", "c d/e?f#g"), "/files/a%20b/c%20d/e%3Ff%23g");
        assert_eq!(address("shared", ""), "/files/shared");
    }
}
