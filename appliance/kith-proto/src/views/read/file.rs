//! Reading files: one folder at a time, one path, or all content a box should hold.

use kith_core::fold::{Order, ReadRows};
use kith_core::record::SpaceId;

use super::tree::{Stamp, below};
use super::{
    At, Collection, Cover, FileEntry, FileKind, Listing, LiveRoot, Located, PAGE, Reader, Visible,
};
use crate::views::key::{self, table};

/// Entries counted in a collection at most.
const MAX_COUNT: usize = 10_000;

/// Above the end mark and the slash, and below what any name goes on with.
const BEHIND: u8 = 2;

/// The collections that have a live entry, by name.
#[must_use]
pub fn collections(rows: &dyn ReadRows, space: &SpaceId, visible: Visible) -> Vec<Collection> {
    let Some(reader) = Reader::new(rows, space, visible) else { return Vec::new() };
    let count = |name: String| {
        let live = key::of_collection(space, &name);
        let entries = reader.live(&live, &[], None).take(MAX_COUNT).count() as u64;
        (entries > 0).then_some(Collection { name, entries })
    };
    reader.collection_names(space).filter_map(count).collect()
}

/// At most `limit` lines of the folder, by name, behind the name `after`.
#[must_use]
pub fn files(
    rows: &dyn ReadRows,
    at: At<'_>,
    visible: Visible,
    after: Option<&str>,
    limit: usize,
) -> Listing {
    let Some(reader) = Reader::new(rows, at.space, visible) else { return Listing::default() };
    let collection = key::of_collection(at.space, at.collection);
    let folder = key::path_bytes(at.path);
    let here = reader.newest(&collection, &folder).map(|version| (folder.clone(), version));
    let around = reader.newest_above(&collection, &folder);
    let held = here.into_iter().chain(around).max_by_key(|(_, version)| version.stamp);
    let floor = held.as_ref().map(|(_, version)| version.stamp);
    let cover = held
        .and_then(|(path, version)| Some((path.clone(), version.into_put(&path)?)))
        .filter(|(_, put)| put.folder)
        .map(|(path, put)| Cover { put, inside: inside(&folder, &path), overlaid: true });
    let start = below(&collection, &folder);
    let mut listing = Listing { cover, ..Listing::default() };
    let after = after.map(|name| [&start[..], name.as_bytes(), &[BEHIND]].concat());
    let mut pages = reader.pages(&start, after, Order::Ascending);
    while let Some((key, _)) = pages.next() {
        let rest = &key[start.len()..];
        let end = rest.iter().position(|b| *b <= key::SLASH).unwrap_or(rest.len());
        let child = [&key[collection.len()..start.len()], &rest[..end]].concat();
        let name = String::from_utf8_lossy(&rest[..end]).into_owned();
        pages.skip_to([&start[..], &rest[..end], &[BEHIND]].concat());
        match reader.child(&collection, &child, floor) {
            Child::Removed => listing.removed.push(name),
            Child::Older => {}
            Child::Live(_) if listing.entries.len() == limit => {
                listing.more = true;
                break;
            }
            Child::Live(kind) => listing.entries.push(FileEntry { name, kind }),
        }
    }
    listing.more |= pages.gave_up();
    listing
}

/// What is at a path.
#[must_use]
pub fn file(rows: &dyn ReadRows, at: At<'_>, visible: Visible) -> Located {
    let Some(reader) = Reader::new(rows, at.space, visible) else { return Located::Nothing };
    let collection = key::of_collection(at.space, at.collection);
    let path = key::path_bytes(at.path);
    let here = reader.newest(&collection, &path).map(|version| (path.clone(), version));
    let around = reader.newest_above(&collection, &path);
    let held = here.into_iter().chain(around).max_by_key(|(_, version)| version.stamp);
    let floor = held.as_ref().map(|(_, version)| version.stamp);
    let overlaid = reader.live(&collection, &path, floor).next().is_some();
    let put = held.and_then(|(at, version)| Some((at.clone(), version.into_put(&at)?)));
    match put {
        // Nothing is inside a file.
        Some((at, put)) if put.folder || at == path => {
            Located::Put(Cover { put, inside: inside(&path, &at), overlaid })
        }
        _ if overlaid => Located::Implied,
        _ => Located::Nothing,
    }
}

/// Content that a box should hold; each put once.
#[must_use]
pub fn live_roots(rows: &dyn ReadRows, space: &SpaceId, visible: Visible) -> Vec<LiveRoot> {
    let Some(reader) = Reader::new(rows, space, visible) else { return Vec::new() };
    let mut roots = Vec::new();
    for collection in reader.collection_names(space) {
        let live = key::of_collection(space, &collection);
        for (path, version) in reader.all_live(&live) {
            let Some(put) = version.into_put(&path) else { continue };
            let collection = collection.clone();
            roots.push(LiveRoot { root: put.root, size: put.size, collection, path: put.path });
        }
    }
    roots
}

/// What a name in a folder stands for.
enum Child {
    Live(FileKind),
    /// Newer than what covers the folder, and removed.
    Removed,
    /// Hidden by what covers the folder.
    Older,
}

impl Reader<'_> {
    fn child(&self, collection: &[u8], path: &[u8], floor: Option<Stamp>) -> Child {
        let newest = self.newest(collection, path).filter(|v| Some(v.stamp) > floor);
        let floor = newest.as_ref().map(|v| v.stamp).max(floor);
        let removed = newest.as_ref().is_some_and(|v| v.put.is_none());
        if let Some(put) = newest.and_then(|version| version.into_put(path)) {
            return Child::Live(FileKind::Put(Box::new(put)));
        }
        if self.live(collection, path, floor).next().is_some() {
            return Child::Live(FileKind::Implied);
        }
        if removed { Child::Removed } else { Child::Older }
    }

    fn collection_names(&self, space: &SpaceId) -> impl Iterator<Item = String> {
        let prefix = key::of_space(table::COLLECTION, space);
        let names = self.rows.scan(&prefix, None, 4 * PAGE, Order::Ascending);
        let start = prefix.len();
        names.into_iter().filter_map(move |(key, _)| String::from_utf8(key[start..].to_vec()).ok())
    }
}

/// The part of `path` inside the folder `at`.
fn inside(path: &[u8], at: &[u8]) -> String {
    key::path_text(path.get(at.len() + 1..).unwrap_or_default())
}
