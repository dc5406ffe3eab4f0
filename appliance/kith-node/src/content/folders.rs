//! Folders that come file by file: each becomes one directory, and none before all are whole.

use std::collections::BTreeMap;

use kith_core::record::SpaceId;
use kith_core::unixfs::{FileImporter, Imported, TreeBuilder, UnixfsError};
use kith_store::Store;
use kith_webui::backend::{MAX_IN_FOLDERS, Piece};
use tokio::sync::mpsc;

use super::ContentError;
use super::bring::{Bring, inner_path};

/// What reaches the thread that keeps folders; a queue that closes without [`Feed::End`] broke off.
pub(crate) enum Feed {
    /// The next piece, or that no more come.
    Piece(std::io::Result<Piece>),
    /// Everything is there.
    End,
}

/// Keeps the folders whose files come on the queue; answers their directories by name.
///
/// # Errors
/// When a name is no good or taken, there are too many, the upload breaks off, or the disk refuses.
pub(crate) fn keep(
    store: &Store,
    space: SpaceId,
    mut feed: mpsc::Receiver<Feed>,
) -> Result<Vec<(String, Imported)>, ContentError> {
    let mut folders = Folders::new(Bring::new(store, space));
    loop {
        match feed.blocking_recv() {
            Some(Feed::Piece(piece)) => folders.take(piece?)?,
            Some(Feed::End) => return folders.finish(),
            None => return Err(ContentError::Io(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

/// The folders so far: names and roots, never content.
struct Folders {
    bring: Bring,
    trees: BTreeMap<String, TreeBuilder>,
    open: Option<Open>,
    /// Files and folders in all trees.
    entries: usize,
}

/// The file that comes just now.
struct Open {
    folder: String,
    path: String,
    importer: FileImporter,
}

impl Folders {
    const fn new(bring: Bring) -> Self {
        Self { bring, trees: BTreeMap::new(), open: None, entries: 0 }
    }

    fn take(&mut self, piece: Piece) -> Result<(), ContentError> {
        match (piece, &mut self.open) {
            (Piece::Bytes(bytes), Some(open)) => self.bring.push(&mut open.importer, bytes),
            (Piece::Bytes(_), None) => Err(ContentError::Unixfs(UnixfsError::Name)),
            (Piece::File(path), _) => {
                self.close()?;
                let path = inner_path(&path)?;
                let inside = path.split_once('/').ok_or(UnixfsError::Name)?;
                let (folder, path) = (inside.0.to_owned(), inside.1.to_owned());
                self.open = Some(Open { folder, path, importer: FileImporter::new() });
                Ok(())
            }
        }
    }

    /// The open file has ended.
    fn close(&mut self) -> Result<(), ContentError> {
        let Some(Open { folder, path, importer }) = self.open.take() else { return Ok(()) };
        let imported = self.bring.end(importer)?;
        let tree = self.trees.entry(folder).or_default();
        let before = tree.len();
        tree.add(&path, imported.entry())?;
        self.entries += tree.len() - before;
        if self.entries > MAX_IN_FOLDERS {
            return Err(ContentError::TooMany);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<(String, Imported)>, ContentError> {
        self.close()?;
        let mut made = Vec::with_capacity(self.trees.len());
        for (name, tree) in std::mem::take(&mut self.trees) {
            made.push((name, self.bring.folder(tree)?));
        }
        self.bring.finish()?;
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use kith_core::cid::Cid;
    use kith_core::unixfs::car;
    use kith_files::RealFiles;
    use kith_proto::views::Views;

    use super::*;
    use crate::content::{give, walk};

    const SPACE: SpaceId = SpaceId([3; 32]);

    fn with_store(look: impl FnOnce(&Store)) {
        let folder = tempfile::tempdir().unwrap();
        let options = kith_store::Options::default();
        let files = Arc::new(RealFiles::new());
        look(&Store::open(files, folder.path(), Arc::new(Views), &options, &mut |_| ()).unwrap());
    }

    fn kept(
        store: &Store,
        feed: impl IntoIterator<Item = Feed>,
    ) -> Result<Vec<(String, Imported)>, ContentError> {
        let feed: Vec<_> = feed.into_iter().collect();
        let (send, receive) = mpsc::channel(feed.len().max(1));
        for piece in feed {
            send.try_send(piece).ok().unwrap();
        }
        drop(send);
        keep(store, SPACE, receive)
    }

    fn file(path: &str, pieces: &[&'static [u8]]) -> Vec<Feed> {
        let bytes = pieces.iter().map(|piece| Piece::Bytes(Bytes::from_static(piece)));
        let all = std::iter::once(Piece::File(path.into())).chain(bytes);
        all.map(|piece| Feed::Piece(Ok(piece))).collect()
    }

    #[test]
    fn each_folder_becomes_one_directory_however_its_files_are_mixed() {
        with_store(|store| {
            let large: &[u8] = Box::leak(vec![7; 3 << 20].into_boxed_slice());
            let mixed = [
                file("trip/b.txt", &[b"on", b"e"]),
                file("music/a.ogg", &[large]),
                file("trip/day/c.txt", &[]),
                file("trip/a.txt", &[b"two"]),
            ];
            let made = kept(store, mixed.into_iter().flatten().chain([Feed::End])).unwrap();
            let names: Vec<_> = made.iter().map(|(name, made)| (&**name, made.size)).collect();
            assert_eq!(names, [("music", 3 << 20), ("trip", 6)]);
            // As the command line makes it.
            let mut bring = Bring::new(store, SPACE);
            let mut tree = TreeBuilder::new();
            for (path, bytes) in [("a.txt", &b"two"[..]), ("day/c.txt", b""), ("b.txt", b"one")] {
                tree.add(path, bring.file(bytes, &mut |_| ()).unwrap().entry()).unwrap();
            }
            assert_eq!(bring.folder(tree).unwrap(), made[1].1);
            let found = walk::find((store, &SPACE), made[0].1.root, "a.ogg").unwrap().unwrap();
            let mut part = Vec::new();
            give::file((store, &SPACE), (found.root, 1_048_570..1_048_580), &mut |bytes| {
                part.extend_from_slice(&bytes);
                Ok(())
            })
            .unwrap();
            assert_eq!(part, [7; 10]);
            let mut exported = Vec::new();
            give::export((store, &SPACE), made[1].1.root, &mut exported, &mut |_| ()).unwrap();
            assert!(exported.starts_with(&car::header(&made[1].1.root)));
        });
    }

    #[test]
    fn what_breaks_off_becomes_no_directory() {
        with_store(|store| {
            let broken = Feed::Piece(Err(std::io::ErrorKind::UnexpectedEof.into()));
            for end in [None, Some(broken)] {
                let feed = file("trip/a.txt", &[b"one"]).into_iter().chain(end);
                assert!(matches!(kept(store, feed), Err(ContentError::Io(_))));
            }
            assert_eq!(store.counts().blocks, 0, "it was not even made durable");
        });
    }

    #[test]
    fn names_that_no_file_may_have_are_refused_and_so_are_two_of_one_name() {
        with_store(|store| {
            for bad in ["a.txt", "trip/../a", "trip/a\0", "trip//a", "/", "trip/a\\b"] {
                let feed = file(bad, &[b"x"]).into_iter().chain([Feed::End]);
                assert!(matches!(kept(store, feed), Err(ContentError::Unixfs(_))), "{bad:?}");
            }
            let twice = [file("trip/e\u{301}", &[b"x"]), file("trip/\u{e9}", &[b"y"])];
            let made = kept(store, twice.into_iter().flatten().chain([Feed::End]));
            assert!(matches!(made, Err(ContentError::Unixfs(UnixfsError::Twice(_)))));
            let headless = [Feed::Piece(Ok(Piece::Bytes(Bytes::from_static(b"x"))))];
            assert!(matches!(kept(store, headless), Err(ContentError::Unixfs(_))));
        });
    }

    #[test]
    fn names_are_kept_up_to_a_bound_and_folders_count() {
        with_store(|store| {
            let mut folders = Folders::new(Bring::new(store, SPACE));
            folders.entries = MAX_IN_FOLDERS - 2;
            let add = |folders: &mut Folders, path: &str| {
                folders.take(Piece::File(path.into())).and_then(|()| folders.close())
            };
            assert!(add(&mut folders, "trip/day/a").is_ok());
            assert!(matches!(add(&mut folders, "trip/day/b"), Err(ContentError::TooMany)));
        });
    }

    #[test]
    fn a_folder_of_ten_thousand_is_one_root() {
        with_store(|store| {
            let files = (0..10_000).flat_map(|n| file(&format!("many/{n}.txt"), &[b"same"]));
            let made = kept(store, files.chain([Feed::End])).unwrap();
            assert_eq!((made.len(), made[0].1.size), (1, 40_000));
            let listed = walk::list((store, &SPACE), made[0].1.root).unwrap();
            assert_eq!(listed.len(), 10_000);
            let one: Cid = listed[0].cid;
            assert!(listed.iter().all(|item| item.cid == one), "equal files are kept once");
        });
    }
}
