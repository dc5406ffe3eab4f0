//! Listing one folder, plain or as a hash trie.
//!
//! Every name of a trie is checked to lie where its hash says. So whatever is listed is also found by
//! [`Resolver`](super::Resolver), no name comes twice, and a trie that contains itself many times over
//! ends at its second copy.

use std::collections::VecDeque;

use bytes::Bytes;

use super::dag_pb::{Data, Link, Node};
use super::hamt::{Slot, Slots, slots};
use super::{MAX_SHARD_DEPTH, Step, UnixfsError};
use crate::body::good_segment;
use crate::cid::{Cid, Codec};

/// One entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its root; see [`stat`](super::stat) for what it is.
    pub cid: Cid,
    /// Bytes of all its blocks together, as the folder's author says; those of a raw block are its
    /// content.
    pub tsize: u64,
}

/// Lists a folder: in order of names when it is plain, in order of hashes when it is a trie.
#[derive(Debug)]
pub struct ListReader {
    /// Blocks not read yet, the next one last.
    shards: Vec<Shard>,
    ready: VecDeque<Listed>,
    root: bool,
}

#[derive(Clone, Copy, Debug)]
struct Shard {
    cid: Cid,
    /// The slots on the way from the root; as many count as there are levels above.
    slots: Slots,
    level: usize,
}

impl ListReader {
    /// Lists the folder at `root`.
    #[must_use]
    pub fn new(root: Cid) -> Self {
        let shard = Shard { cid: root, slots: [0; MAX_SHARD_DEPTH], level: 0 };
        Self { shards: vec![shard], ready: VecDeque::new(), root: true }
    }

    /// What is next.
    pub fn step(&mut self) -> Step<Listed> {
        match (self.ready.pop_front(), self.shards.last()) {
            (Some(listed), _) => Step::Item(listed),
            (None, Some(shard)) => Step::Need(shard.cid),
            (None, None) => Step::Done,
        }
    }

    /// Takes the block that [`ListReader::step`] asked for, verified against its cid.
    ///
    /// # Errors
    /// [`UnixfsError`] when it was not asked for or does not fit; the reader is then at its end.
    pub fn supply(&mut self, cid: &Cid, block: &Bytes) -> Result<(), UnixfsError> {
        let asked = |shard: &mut Shard| shard.cid == *cid && self.ready.is_empty();
        let shard = self.shards.pop_if(asked).ok_or(UnixfsError::NotAskedFor(*cid))?;
        self.read(shard, block).inspect_err(|_| {
            self.shards.clear();
            self.ready.clear();
        })
    }

    fn read(&mut self, shard: Shard, block: &[u8]) -> Result<(), UnixfsError> {
        let root = core::mem::take(&mut self.root);
        let node = folder(&shard.cid, block)?;
        match node.data {
            Data::Directory if root => {
                if !node.links.iter().all(|link| good_segment(&link.name)) {
                    return Err(UnixfsError::Name);
                }
                let listed = |Link { cid, name, tsize }| Listed { name, cid, tsize };
                self.ready = node.links.into_iter().map(listed).collect();
                Ok(())
            }
            Data::Shard => self.read_shard(shard, &node.links),
            Data::Directory | Data::File { .. } => {
                Err(UnixfsError::Malformed("a trie holds something else than tries"))
            }
        }
    }

    fn read_shard(&mut self, shard: Shard, links: &[Link]) -> Result<(), UnixfsError> {
        let first = self.shards.len();
        for link in links {
            let slot = Slot::read(link)?;
            let mut path = shard.slots;
            path[shard.level] = slot.number();
            let level = shard.level + 1;
            match slot {
                Slot::Shard(_) if level == MAX_SHARD_DEPTH => return Err(UnixfsError::TooDeep),
                Slot::Shard(_) => self.shards.push(Shard { cid: link.cid, slots: path, level }),
                Slot::Name(_, name) if slots(name)[..level] == path[..level] => {
                    let listed = Listed { name: name.to_owned(), cid: link.cid, tsize: link.tsize };
                    self.ready.push_back(listed);
                }
                Slot::Name(..) => {
                    return Err(UnixfsError::Malformed("a name lies in a slot not its own"));
                }
            }
        }
        self.shards[first..].reverse();
        Ok(())
    }
}

/// Reads the block of a folder.
pub(super) fn folder(cid: &Cid, block: &[u8]) -> Result<Node, UnixfsError> {
    match cid.codec() {
        Codec::DagPb => {
            let node = Node::decode(block)?;
            match node.data {
                Data::File { .. } => Err(UnixfsError::NotAFolder(*cid)),
                Data::Directory | Data::Shard => Ok(node),
            }
        }
        Codec::Raw => Err(UnixfsError::NotAFolder(*cid)),
        Codec::DagCbor => Err(UnixfsError::Codec),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::dag_pb::NodeWriter;
    use super::*;

    const FILE: Cid = Cid::from_digest(Codec::Raw, [1; 32]);

    #[test]
    fn a_plain_folder_is_listed_in_order() {
        let (root, block) = plain(&["a", "b c", "é"]);
        let listed = list(root, &BTreeMap::from([(root, block)])).unwrap();
        assert_eq!(listed, ["a", "b c", "é"]);
    }

    #[test]
    fn names_that_climb_or_hold_controls_are_refused() {
        for name in ["", ".", "..", "a/b", "a\\b", "a\0b", "\u{1b}[2J"] {
            let (root, block) = plain(&[name]);
            let refused = list(root, &BTreeMap::from([(root, block)]));
            assert_eq!(refused, Err(UnixfsError::Name), "{name:?}");
        }
    }

    #[test]
    fn a_name_in_a_slot_not_its_own_is_refused() {
        let slot = slots("a")[0];
        let (right, block) = trie(&[(slot, "a", FILE)]);
        assert_eq!(list(right, &BTreeMap::from([(right, block)])).unwrap(), ["a"]);
        let (wrong, block) = trie(&[(slot ^ 1, "a", FILE)]);
        assert!(list(wrong, &BTreeMap::from([(wrong, block)])).is_err());
    }

    /// 256 links to itself on each of eight levels would be 2^64 names.
    #[test]
    fn a_trie_that_holds_one_block_many_times_ends_at_the_second() {
        let name = "a";
        let at = slots(name);
        let mut blocks = BTreeMap::new();
        let (mut child, block) = trie(&[(at[7], name, FILE)]);
        blocks.insert(child, block);
        for _ in 0..7 {
            let all: Vec<_> = (0..=255).map(|slot| (slot, "", child)).collect();
            let (cid, block) = trie(&all);
            blocks.insert(cid, block);
            child = cid;
        }
        let mut reader = ListReader::new(child);
        let mut fetched = 0;
        let refused = loop {
            let Step::Need(cid) = reader.step() else { panic!("nothing lies where it belongs") };
            fetched += 1;
            if let Err(refused) = reader.supply(&cid, &blocks[&cid]) {
                break refused;
            }
        };
        assert_eq!(refused, UnixfsError::Malformed("a name lies in a slot not its own"));
        assert_eq!(fetched, 8);
        assert_eq!(reader.step(), Step::Done);
    }

    #[test]
    fn more_than_eight_levels_of_a_trie_are_refused() {
        let (mut child, block) = trie(&[(0, "", FILE)]);
        let mut blocks = BTreeMap::from([(child, block)]);
        for _ in 0..8 {
            let (cid, block) = trie(&[(0, "", child)]);
            blocks.insert(cid, block);
            child = cid;
        }
        assert_eq!(list(child, &blocks), Err(UnixfsError::TooDeep));
    }

    #[test]
    fn a_trie_of_plain_folders_and_a_file_are_no_folders() {
        let (inner, block) = plain(&["a"]);
        let (root, trie) = trie(&[(0, "", inner)]);
        assert!(list(root, &BTreeMap::from([(root, trie), (inner, block)])).is_err());
        let blocks = BTreeMap::from([(FILE, Bytes::new())]);
        assert_eq!(list(FILE, &blocks), Err(UnixfsError::NotAFolder(FILE)));
    }

    fn plain(names: &[&str]) -> (Cid, Bytes) {
        let mut node = NodeWriter::default();
        for name in names {
            node.link(&FILE, [name, ""], 1);
        }
        let (cid, block, _) = node.directory();
        (cid, block)
    }

    fn trie(links: &[(u8, &str, Cid)]) -> (Cid, Bytes) {
        let mut node = NodeWriter::default();
        let mut bits = [0; 32];
        for (slot, name, cid) in links {
            node.link(cid, [&format!("{slot:02X}"), name], 1);
            bits[31 - usize::from(slot / 8)] |= 1 << (slot % 8);
        }
        let (cid, block, _) = node.shard(&bits);
        (cid, block)
    }

    fn list(root: Cid, blocks: &BTreeMap<Cid, Bytes>) -> Result<Vec<String>, UnixfsError> {
        let mut reader = ListReader::new(root);
        let mut names = Vec::new();
        loop {
            match reader.step() {
                Step::Need(cid) => reader.supply(&cid, &blocks[&cid])?,
                Step::Item(entry) => names.push(entry.name),
                Step::Done => return Ok(names),
            }
        }
    }
}
