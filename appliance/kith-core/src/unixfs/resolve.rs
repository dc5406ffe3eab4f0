//! Finding what lies at a path below a folder.

use bytes::Bytes;

use super::dag_pb::{Data, Node};
use super::hamt::{Slot, slots};
use super::list::folder;
use super::{MAX_FOLDER_DEPTH, MAX_SHARD_DEPTH, Step, UnixfsError};
use crate::body::good_segment;
use crate::cid::Cid;

/// Walks down a path: [`Step::Item`] is the root of what lies there, [`Step::Done`] without one means
/// that there is nothing.
#[derive(Debug)]
pub struct Resolver {
    /// What is left of the path, the next segment last.
    path: Vec<String>,
    at: Option<Cid>,
    /// The level within a hash trie.
    level: usize,
}

impl Resolver {
    /// Looks for `path` below the folder at `root`; the empty path is the folder itself.
    ///
    /// # Errors
    /// [`UnixfsError`] when the path is too deep or holds a segment that no entry may have.
    pub fn new(root: Cid, path: &str) -> Result<Self, UnixfsError> {
        let mut segments: Vec<String> = Vec::new();
        for segment in path.split('/').rev().filter(|_| !path.is_empty()) {
            if !good_segment(segment) {
                return Err(UnixfsError::Name);
            }
            if segments.len() == MAX_FOLDER_DEPTH {
                return Err(UnixfsError::TooDeep);
            }
            segments.push(segment.to_owned());
        }
        Ok(Self { path: segments, at: Some(root), level: 0 })
    }

    /// What is next.
    pub fn step(&mut self) -> Step<Cid> {
        match self.at {
            Some(cid) if self.path.is_empty() => {
                self.at = None;
                Step::Item(cid)
            }
            Some(cid) => Step::Need(cid),
            None => Step::Done,
        }
    }

    /// Takes the block that [`Resolver::step`] asked for, verified against its cid.
    ///
    /// # Errors
    /// [`UnixfsError`] when it was not asked for or does not fit; the resolver is then at its end.
    /// [`UnixfsError::NotAFolder`] when the path goes on below a file.
    pub fn supply(&mut self, cid: &Cid, block: &Bytes) -> Result<(), UnixfsError> {
        let Some(segment) = self.path.last().filter(|_| self.at == Some(*cid)) else {
            return Err(UnixfsError::NotAskedFor(*cid));
        };
        self.at = None;
        let node = folder(cid, block)?;
        if self.level > 0 && node.data != Data::Shard {
            return Err(UnixfsError::Malformed("a trie holds something else than tries"));
        }
        match find(&node, segment, self.level)? {
            Found::Entry(entry) => {
                self.path.pop();
                (self.at, self.level) = (Some(entry), 0);
            }
            Found::Shard(shard) if self.level + 1 < MAX_SHARD_DEPTH => {
                (self.at, self.level) = (Some(shard), self.level + 1);
            }
            Found::Shard(_) => return Err(UnixfsError::TooDeep),
            Found::Nothing => {}
        }
        Ok(())
    }
}

enum Found {
    Entry(Cid),
    Shard(Cid),
    Nothing,
}

fn find(node: &Node, segment: &str, level: usize) -> Result<Found, UnixfsError> {
    if node.data == Data::Directory {
        let found = node.links.binary_search_by(|link| link.name.as_str().cmp(segment));
        return Ok(found.map_or(Found::Nothing, |i| Found::Entry(node.links[i].cid)));
    }
    let wanted = slots(segment)[level];
    for link in &node.links {
        match Slot::read(link)? {
            Slot::Shard(slot) if slot == wanted => return Ok(Found::Shard(link.cid)),
            Slot::Name(slot, name) if slot == wanted && name == segment => {
                return Ok(Found::Entry(link.cid));
            }
            Slot::Shard(_) | Slot::Name(..) => {}
        }
    }
    Ok(Found::Nothing)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cid::Codec;
    use crate::unixfs::{Entry, TreeBuilder};

    #[test]
    fn what_was_put_at_a_path_is_found_there_and_nothing_elsewhere() {
        let (root, blocks) = tree();
        assert_eq!(find(root, "", &blocks), Ok(Some(root)));
        for path in ["a/b/c.txt", "é", "a/d"] {
            assert_eq!(find(root, path, &blocks), Ok(Some(entry(path).cid)), "{path}");
        }
        let folder = find(root, "a/b", &blocks).unwrap().unwrap();
        assert_eq!(find(folder, "c.txt", &blocks), Ok(Some(entry("a/b/c.txt").cid)));
        for path in ["b", "a/c", "a/b/c", "e"] {
            assert_eq!(find(root, path, &blocks), Ok(None), "{path}");
        }
    }

    #[test]
    fn a_path_that_goes_on_below_a_file_is_refused() {
        let (root, mut blocks) = tree();
        let file = entry("a/d").cid;
        blocks.insert(file, Bytes::new());
        assert_eq!(find(root, "a/d/x", &blocks), Err(UnixfsError::NotAFolder(file)));
    }

    #[test]
    fn paths_that_climb_are_refused_before_anything_is_read() {
        let root = entry("").cid;
        for path in ["/", "a/", "/a", "a//b", "..", "a/../b", "a\\b", "a\0"] {
            assert_eq!(Resolver::new(root, path).unwrap_err(), UnixfsError::Name, "{path:?}");
        }
        assert!(Resolver::new(root, &vec!["a"; 64].join("/")).is_ok());
        assert_eq!(
            Resolver::new(root, &vec!["a"; 65].join("/")).unwrap_err(),
            UnixfsError::TooDeep
        );
    }

    #[test]
    fn a_block_that_was_not_asked_for_is_refused() {
        let (root, blocks) = tree();
        let other = entry("é").cid;
        let mut resolver = Resolver::new(root, "a").unwrap();
        let refused = resolver.supply(&other, &blocks[&root]);
        assert_eq!(refused, Err(UnixfsError::NotAskedFor(other)));
        assert_eq!(resolver.step(), Step::Need(root));
    }

    fn entry(path: &str) -> Entry {
        Entry { cid: Cid::of(Codec::Raw, path.as_bytes()), size: 1, tsize: 1 }
    }

    fn tree() -> (Cid, BTreeMap<Cid, Bytes>) {
        let (mut tree, mut blocks) = (TreeBuilder::new(), BTreeMap::new());
        for path in ["a/b/c.txt", "a/d", "é"] {
            tree.add(path, entry(path)).unwrap();
        }
        let made = tree.finish(&mut |cid, block| drop(blocks.insert(cid, block))).unwrap();
        (made.root, blocks)
    }

    fn find(
        root: Cid,
        path: &str,
        blocks: &BTreeMap<Cid, Bytes>,
    ) -> Result<Option<Cid>, UnixfsError> {
        let mut resolver = Resolver::new(root, path)?;
        let mut found = None;
        loop {
            match resolver.step() {
                Step::Need(cid) => resolver.supply(&cid, &blocks[&cid])?,
                Step::Item(cid) => found = Some(cid),
                Step::Done => return Ok(found),
            }
        }
    }
}
