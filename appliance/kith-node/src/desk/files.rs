//! Files at the desk: listed, put under a name, removed. Their bytes go elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use kith_core::body::{Body, normal_path};
use kith_core::cid::{Cid, Codec};
use kith_core::record::Class;
use kith_core::unixfs::Stat;
use kith_model::DEFAULT_COLLECTION;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::{self, FileEntry, Reply};
use kith_proto::views::{self, At, Cover, FileKind, Located, Put};

use super::reading::{Place, collection};
use super::{Desk, accounts};
use crate::account::Who;
use crate::content::walk;

/// Lines of a folder shown when nobody says how many.
const USUAL: u32 = 200;

/// The most lines shown at once.
const MOST: u32 = 1_000;

/// A folder of a collection, as a command means it.
struct Where<'a> {
    place: &'a Place,
    collection: &'a str,
    path: &'a str,
}

impl<'a> Where<'a> {
    fn at(&'a self) -> At<'a> {
        At { space: &self.place.id, collection: self.collection, path: self.path }
    }
}

impl Desk {
    #[expect(clippy::wildcard_enum_match_arm, reason = "access::room_of names every command")]
    pub(super) fn file_command(&mut self, who: &Who, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::Collections { space } => self.collections(who, space.as_deref()),
            Command::Files { space, collection: named, path, after, limit } => {
                let place = self.readable(who, space.as_deref(), &collection(named.as_deref())?)?;
                let path = folder_path(path.as_deref())?;
                let collection = named.as_deref().unwrap_or(DEFAULT_COLLECTION);
                let limit = limit.unwrap_or(USUAL).clamp(1, MOST) as usize;
                let folder = Where { place: &place, collection, path: &path };
                self.list(&folder, after.as_deref(), limit).map(Reply::Files)
            }
            Command::File { space, collection: named, path } => {
                let place = self.readable(who, space.as_deref(), &collection(named.as_deref())?)?;
                self.stat(&place, named.as_deref(), &path).map(Reply::File)
            }
            Command::FilePut { space, collection: named, path, root, size, folder, mime } => {
                let root: Cid =
                    root.parse().map_err(|_| invalid("this is not the root of an upload"))?;
                let content = (root, size, folder, mime);
                self.put(who, (space.as_deref(), named.as_deref(), &path), content)
            }
            Command::FileRemove { space, collection: named, path } => {
                self.remove(who, (space.as_deref(), named.as_deref(), &path))
            }
            other => Err(accounts::misrouted(&other)),
        }
    }

    fn collections(&self, who: &Who, space: Option<&str>) -> Result<Reply, Refusal> {
        let place = self.place(space)?;
        let member = who.account.as_ref().is_some_and(|(_, a)| place.gov.role(a).is_some());
        let all = views::collections(&self.store.views(), &place.id, self.clock.visible());
        let shown = all.into_iter().filter_map(|collection| {
            let class = Class::files(&collection.name).ok()?;
            let public = place.gov.public.contains(&class);
            (member || public).then_some(reply::Collection {
                name: collection.name,
                entries: collection.entries,
                public,
            })
        });
        Ok(Reply::Collections(shown.collect()))
    }

    /// A folder's lines: what records put there, over what a put folder holds there.
    fn list(
        &self,
        folder: &Where<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FileEntry>, Refusal> {
        let listing =
            views::files(&self.store.views(), folder.at(), self.clock.visible(), after, limit);
        let mut lines = BTreeMap::new();
        let mut end = None;
        for entry in listing.entries {
            let path = joined(folder.path, &entry.name);
            let line = match entry.kind {
                FileKind::Put(put) => self.line(folder.place, path, &put),
                FileKind::Implied => implied(folder.place, path),
            };
            end = Some(entry.name.clone());
            lines.insert(entry.name, line);
        }
        if let Some(cover) = listing.cover {
            let hidden: BTreeSet<_> = listing.removed.into_iter().collect();
            // Lines behind the last of an incomplete page belong to the next page.
            let end = end.filter(|_| listing.more);
            let wanted = |name: &str| {
                after.is_none_or(|after| name > after)
                    && end.as_deref().is_none_or(|end| name <= end)
                    && !hidden.contains(name)
            };
            self.add_covered(folder, &cover, (&wanted, limit), &mut lines)?;
        }
        Ok(lines.into_values().take(limit).collect())
    }

    fn add_covered(
        &self,
        folder: &Where<'_>,
        cover: &Cover,
        (wanted, limit): (&dyn Fn(&str) -> bool, usize),
        lines: &mut BTreeMap<String, FileEntry>,
    ) -> Result<(), Refusal> {
        let Some(found) =
            walk::find((&self.store, &folder.place.id), cover.put.root, &cover.inside)?
        else {
            return Ok(());
        };
        let listed = walk::list((&self.store, &folder.place.id), found.root)?;
        for item in listed.into_iter().filter(|item| wanted(&item.name)).take(limit) {
            let path = joined(folder.path, &item.name);
            // A block that has not arrived yet is taken for a file of the size its folder says.
            let stat =
                walk::describe((&self.store, &folder.place.id), item.cid).map(|found| found.stat);
            let here = stat.is_ok();
            let line = self.inner(
                folder.place,
                path,
                &cover.put,
                (item.cid, stat.unwrap_or(Stat::File { size: item.tsize })),
            );
            lines.entry(item.name).or_insert(FileEntry { complete: line.complete && here, ..line });
        }
        Ok(())
    }

    /// One file or folder.
    fn stat(&self, place: &Place, named: Option<&str>, path: &str) -> Result<FileEntry, Refusal> {
        let path = normal_path(path).map_err(|error| invalid(&error.to_string()))?;
        let collection = named.unwrap_or(DEFAULT_COLLECTION);
        let at = At { space: &place.id, collection, path: &path };
        match views::file(&self.store.views(), at, self.clock.visible()) {
            Located::Nothing => Err(nothing_there()),
            Located::Implied => Ok(implied(place, path)),
            Located::Put(cover) if cover.inside.is_empty() => {
                Ok(self.line(place, path, &cover.put))
            }
            Located::Put(cover) => {
                let found = walk::find((&self.store, &place.id), cover.put.root, &cover.inside)?;
                let found = found.ok_or_else(nothing_there)?;
                Ok(self.inner(place, path, &cover.put, (found.root, found.stat)))
            }
        }
    }

    fn put(
        &mut self,
        who: &Who,
        (space, named, path): (Option<&str>, Option<&str>, &str),
        (root, size, folder, mime): (Cid, u64, bool, Option<String>),
    ) -> Result<Reply, Refusal> {
        let (place, key, _) = self.writable(who, space)?;
        let class = collection(named)?;
        let path = normal_path(path).map_err(|error| invalid(&error.to_string()))?;
        let missing = || invalid("upload the content first; this root is not on the box");
        if root.codec() == Codec::DagCbor {
            return Err(missing());
        }
        // Whoever names content must have had it here for this very space, or any cid would open any
        // other space's files.
        self.store
            .block_in(&place.id, &root)
            .map_err(|e| crate::words::of_store(&e))?
            .ok_or_else(missing)?;
        let found = walk::describe((&self.store, &place.id), root)?;
        let truth = match found.stat {
            Stat::File { size } => (size, false),
            Stat::Folder => (size, true),
        };
        if truth != (size, folder) {
            return Err(invalid("size or kind is not that of the uploaded content"));
        }
        let mime = mime.filter(|mime| kith_core::body::check_mime(mime).is_ok());
        let body = Body::Put { path: path.clone(), root, size, folder, mime };
        self.write(&key, &place, (class, body))?;
        self.stat(&place, named, &path).map(Reply::File)
    }

    fn remove(
        &mut self,
        who: &Who,
        (space, named, path): (Option<&str>, Option<&str>, &str),
    ) -> Result<Reply, Refusal> {
        let (place, key, _) = self.writable(who, space)?;
        let class = collection(named)?;
        let removed = self.stat(&place, named, path)?;
        self.write(&key, &place, (class, Body::FileDel { path: removed.path.clone() }))?;
        Ok(Reply::File(removed))
    }

    fn line(&self, place: &Place, path: String, put: &Put) -> FileEntry {
        let transfer = self
            .transfers
            .iter()
            .find(|transfer| (transfer.space, transfer.root) == (place.id, put.root));
        let wanted = self.hub.is_wanted(&place.id, &put.root);
        let without_news = if wanted { 0 } else { put.size };
        let here = transfer.map_or(without_news, |transfer| transfer.here.min(put.size));
        FileEntry {
            space: place.id.to_string(),
            path,
            folder: put.folder,
            root: Some(put.root.to_string()),
            size: put.size,
            mime: put.mime.clone(),
            author: Some(put.author.to_string()),
            author_name: Some(place.name_of(&put.author)),
            time: put.time.time().as_millis(),
            here,
            complete: !wanted,
        }
    }

    /// A file or folder inside a put folder.
    fn inner(
        &self,
        place: &Place,
        path: String,
        put: &Put,
        (root, stat): (Cid, Stat),
    ) -> FileEntry {
        let (folder, size) = match stat {
            Stat::File { size } => (false, size),
            Stat::Folder => (true, 0),
        };
        let whole = self.line(place, path, put);
        let here = if whole.complete { size } else { 0 };
        FileEntry { folder, size, here, root: Some(root.to_string()), mime: None, ..whole }
    }
}

fn implied(place: &Place, path: String) -> FileEntry {
    FileEntry {
        space: place.id.to_string(),
        path,
        folder: true,
        root: None,
        size: 0,
        mime: None,
        author: None,
        author_name: None,
        time: 0,
        here: 0,
        complete: true,
    }
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { [folder, "/", name].concat() }
}

fn folder_path(path: Option<&str>) -> Result<String, Refusal> {
    match path.map(|path| path.trim_matches('/')) {
        None | Some("") => Ok(String::new()),
        Some(path) => normal_path(path).map_err(|error| invalid(&error.to_string())),
    }
}

fn nothing_there() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "there is nothing at this path")
}

fn invalid(message: &str) -> Refusal {
    Refusal::new(RefusalKind::Invalid, message)
}
