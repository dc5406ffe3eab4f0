//! Building folders: one directory, or a whole tree of them from relative paths.
//!
//! Names are kept until the end, since a directory's block lists them in order; content is not.

use std::collections::BTreeMap;
use std::collections::btree_map;

use super::dag_pb::{EMPTY_DIRECTORY, NodeWriter};
use super::{Emit, Entry, Imported, MAX_ENTRIES, MAX_FOLDER_DEPTH, SHARD_ABOVE, UnixfsError, hamt};
use crate::body::{check_path, good_segment};

/// Builds one directory.
#[derive(Debug, Default)]
pub struct DirectoryBuilder {
    entries: BTreeMap<String, Entry>,
}

impl DirectoryBuilder {
    /// An empty directory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file or folder into it. The name is expected in its normal form (NFC).
    ///
    /// # Errors
    /// [`UnixfsError`] when the name is no good or taken, or the directory is full.
    pub fn add(&mut self, name: &str, entry: Entry) -> Result<(), UnixfsError> {
        if !good_segment(name) || check_path(name).is_err() {
            return Err(UnixfsError::Name);
        }
        if self.entries.len() == MAX_ENTRIES {
            return Err(UnixfsError::TooMany);
        }
        match self.entries.entry(name.to_owned()) {
            btree_map::Entry::Vacant(free) => {
                free.insert(entry);
                Ok(())
            }
            btree_map::Entry::Occupied(taken) => Err(UnixfsError::Twice(taken.key().clone())),
        }
    }

    /// Writes its blocks.
    ///
    /// # Errors
    /// [`UnixfsError::Collision`] when somebody chose names whose hashes are equal.
    pub fn finish(self, emit: &mut Emit<'_>) -> Result<Imported, UnixfsError> {
        let link = |(name, entry): (&String, &Entry)| NodeWriter::link_len(name, entry.tsize);
        let len = EMPTY_DIRECTORY + self.entries.iter().map(link).sum::<usize>();
        let entries = self.entries.iter().map(|(name, entry)| (name.as_str(), entry));
        if len > SHARD_ABOVE {
            return hamt::build(entries, emit);
        }
        let mut node = NodeWriter::default();
        let mut size = 0_u64;
        for (name, entry) in entries {
            node.link(&entry.cid, [name, ""], entry.tsize);
            size = size.saturating_add(entry.size);
        }
        let (root, block, tsize) = node.directory();
        emit(root, block);
        Ok(Imported { root, size, tsize })
    }
}

/// Builds a folder with folders in it.
#[derive(Debug, Default)]
pub struct TreeBuilder {
    root: Folder,
    entries: usize,
}

type Folder = BTreeMap<String, Child>;

#[derive(Debug)]
enum Child {
    File(Entry),
    Folder(Folder),
}

impl TreeBuilder {
    /// An empty folder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many files and folders are in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Puts a file at `path`, relative to the folder and in its normal form (see
    /// [`normal_path`](crate::body::normal_path)); folders on the way appear by themselves. The order
    /// of calls does not matter.
    ///
    /// # Errors
    /// [`UnixfsError`] when the path is no good, taken or too deep, or the tree is full.
    pub fn add(&mut self, path: &str, entry: Entry) -> Result<(), UnixfsError> {
        let (folder, name) = self.parent(path)?;
        match folder.entry(name) {
            btree_map::Entry::Vacant(free) => free.insert(Child::File(entry)),
            btree_map::Entry::Occupied(_) => return Err(UnixfsError::Twice(path.to_owned())),
        };
        self.count()
    }

    /// Makes sure that there is a folder at `path`, if only an empty one.
    ///
    /// # Errors
    /// [`UnixfsError`] when the path is no good, a file's or too deep, or the tree is full.
    pub fn add_folder(&mut self, path: &str) -> Result<(), UnixfsError> {
        let (folder, name) = self.parent(path)?;
        match folder.entry(name) {
            btree_map::Entry::Vacant(free) => {
                free.insert(Child::Folder(Folder::new()));
                self.count()
            }
            btree_map::Entry::Occupied(taken) => match taken.get() {
                Child::Folder(_) => Ok(()),
                Child::File(_) => Err(UnixfsError::Twice(path.to_owned())),
            },
        }
    }

    /// Writes all directories, the deepest first.
    ///
    /// # Errors
    /// [`UnixfsError::Collision`] when somebody chose names whose hashes are equal.
    pub fn finish(self, emit: &mut Emit<'_>) -> Result<Imported, UnixfsError> {
        write(self.root, emit)
    }

    fn parent(&mut self, path: &str) -> Result<(&mut Folder, String), UnixfsError> {
        check_path(path).map_err(|_| UnixfsError::Name)?;
        if path.split('/').count() > MAX_FOLDER_DEPTH {
            return Err(UnixfsError::TooDeep);
        }
        if self.entries >= MAX_ENTRIES {
            return Err(UnixfsError::TooMany);
        }
        let (folders, name) = path.rsplit_once('/').map_or((None, path), |(f, n)| (Some(f), n));
        let mut folder = &mut self.root;
        for segment in folders.into_iter().flat_map(|folders| folders.split('/')) {
            let entries = &mut self.entries;
            let child = folder.entry(segment.to_owned()).or_insert_with(|| {
                *entries += 1;
                Child::Folder(Folder::new())
            });
            match child {
                Child::Folder(inner) => folder = inner,
                Child::File(_) => return Err(UnixfsError::Twice(path.to_owned())),
            }
        }
        Ok((folder, name.to_owned()))
    }

    fn count(&mut self) -> Result<(), UnixfsError> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES { Err(UnixfsError::TooMany) } else { Ok(()) }
    }
}

fn write(folder: Folder, emit: &mut Emit<'_>) -> Result<Imported, UnixfsError> {
    let mut directory = DirectoryBuilder::new();
    for (name, child) in folder {
        let entry = match child {
            Child::File(entry) => entry,
            Child::Folder(inner) => write(inner, emit)?.entry(),
        };
        directory.entries.insert(name, entry);
    }
    directory.finish(emit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::{Cid, Codec};
    use crate::unixfs::links;

    const ENTRY: Entry = Entry { cid: Cid::from_digest(Codec::Raw, [1; 32]), size: 4, tsize: 5 };

    #[test]
    fn names_that_no_file_may_have_are_refused() {
        let long = "x".repeat(256);
        for name in ["", ".", "..", "a/b", "a\\b", "a\0", "a\nb", "\u{9f}", "e\u{301}", &long] {
            assert_eq!(
                DirectoryBuilder::new().add(name, ENTRY),
                Err(UnixfsError::Name),
                "{name:?}"
            );
        }
        for name in ["...", " ", "é", "\u{202e}gpj.exe", &long[1..]] {
            assert_eq!(DirectoryBuilder::new().add(name, ENTRY), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn a_name_is_taken_once() {
        let twice = |path: &str| Err(UnixfsError::Twice(path.to_owned()));
        let mut directory = DirectoryBuilder::new();
        directory.add("a", ENTRY).unwrap();
        assert_eq!(directory.add("a", ENTRY), twice("a"));
        let mut tree = TreeBuilder::new();
        tree.add("a/b", ENTRY).unwrap();
        assert_eq!(tree.add("a", ENTRY), twice("a"));
        assert_eq!(tree.add("a/b/c", ENTRY), twice("a/b/c"));
        assert_eq!(tree.add_folder("a/b"), twice("a/b"));
        assert_eq!(tree.add_folder("a"), Ok(()));
        assert_eq!(tree.len(), 2);
    }

    #[test]
    fn paths_are_relative_and_at_most_64_deep() {
        let mut tree = TreeBuilder::new();
        for path in ["", "/a", "a/", "a//b", "../a", "a/../b"] {
            assert_eq!(tree.add(path, ENTRY), Err(UnixfsError::Name), "{path:?}");
        }
        assert_eq!(tree.add(&vec!["a"; 64].join("/"), ENTRY), Ok(()));
        assert_eq!(tree.add(&vec!["b"; 65].join("/"), ENTRY), Err(UnixfsError::TooDeep));
    }

    #[test]
    fn a_tree_is_the_same_in_any_order_and_knows_its_sizes() {
        let paths = ["a/b/c", "a/d", "e", "f/g"];
        let build = |paths: &mut dyn Iterator<Item = &&str>| {
            let mut tree = TreeBuilder::new();
            for path in paths {
                tree.add(path, ENTRY).unwrap();
            }
            let mut blocks = Vec::new();
            (tree.finish(&mut |cid, block| blocks.push((cid, block))).unwrap(), blocks)
        };
        let (made, blocks) = build(&mut paths.iter());
        assert_eq!((made, blocks.clone()), build(&mut paths.iter().rev()));
        assert_eq!(made.size, 4 * 4);
        let own: usize = blocks.iter().map(|(_, block)| block.len()).sum();
        assert_eq!(made.tsize, own as u64 + 4 * 5);
        assert_eq!(blocks.last().map(|(cid, _)| *cid), Some(made.root));
        let names: Vec<_> = links(Codec::DagPb, &blocks[3].1).unwrap();
        assert_eq!(names.iter().map(|link| &link.name[..]).collect::<Vec<_>>(), ["a", "e", "f"]);
    }

    #[test]
    fn a_tree_holds_at_most_a_million_entries() {
        let mut tree = TreeBuilder::new();
        tree.entries = MAX_ENTRIES - 1;
        assert_eq!(tree.add("a/b", ENTRY), Err(UnixfsError::TooMany));
        let mut tree = TreeBuilder::new();
        tree.entries = MAX_ENTRIES - 1;
        assert_eq!(tree.add("a", ENTRY), Ok(()));
        assert_eq!(tree.add("b", ENTRY), Err(UnixfsError::TooMany));
    }
}
