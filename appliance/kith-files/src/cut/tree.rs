//! A file system in memory as the sum of the operations on it.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;

/// A file or directory, whatever its names are.
pub(super) type Node = u64;

/// The directory everything is in.
pub(super) const ROOT: Node = 0;

/// One change, as the disk sees it.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// A new file's name.
    Create { dir: Node, name: String, node: Node },
    /// A new directory's name.
    CreateDir { dir: Node, name: String, node: Node },
    /// A name that moves.
    Rename { from: (Node, String), to: (Node, String), node: Node },
    /// A name that goes.
    Remove { dir: Node, name: String },
    /// Contents.
    Write { node: Node, offset: usize, bytes: Arc<[u8]> },
    /// A length.
    Resize { node: Node, size: usize },
    /// Everything so far in this file lasts.
    Sync { node: Node },
    /// Every name so far in this directory lasts.
    SyncDir { node: Node },
    /// A sync of this file that failed: what was written before may never reach the disk, whatever
    /// syncs follow.
    SyncFailed { node: Node },
    /// A sync that a test has switched off.
    NoSync,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub(super) files: BTreeMap<Node, Vec<u8>>,
    pub(super) dirs: BTreeMap<Node, BTreeMap<String, Node>>,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { files: BTreeMap::new(), dirs: BTreeMap::from([(ROOT, BTreeMap::new())]) }
    }

    /// The node at `path`, taken from the root whether or not it begins with a slash.
    pub(super) fn find(&self, path: &Path) -> Option<Node> {
        let mut node = ROOT;
        for part in path.components() {
            if let Component::Normal(name) = part {
                node = *self.dirs.get(&node)?.get(name.to_str()?)?;
            }
        }
        Some(node)
    }

    /// The directory that `path` is a name in, and that name.
    pub(super) fn place(&self, path: &Path) -> Option<(Node, String)> {
        let dir = self.find(path.parent()?)?;
        self.dirs.contains_key(&dir).then_some(())?;
        Some((dir, path.file_name()?.to_str()?.to_owned()))
    }

    pub(super) fn apply(&mut self, op: &Op) {
        match op {
            Op::Create { dir, name, node } => {
                self.files.entry(*node).or_default();
                self.link(*dir, name, *node);
            }
            Op::CreateDir { dir, name, node } => {
                self.dirs.entry(*node).or_default();
                self.link(*dir, name, *node);
            }
            Op::Rename { from, to, node } => {
                self.unlink(from.0, &from.1);
                self.link(to.0, &to.1, *node);
            }
            Op::Remove { dir, name } => self.unlink(*dir, name),
            Op::Write { node, offset, bytes } => self.write(*node, *offset, bytes),
            Op::Resize { node, size } => self.files.entry(*node).or_default().resize(*size, 0),
            Op::Sync { .. } | Op::SyncDir { .. } | Op::SyncFailed { .. } | Op::NoSync => {}
        }
    }

    pub(super) fn write(&mut self, node: Node, offset: usize, bytes: &[u8]) {
        let file = self.files.entry(node).or_default();
        let end = offset + bytes.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        file[offset..end].copy_from_slice(bytes);
    }

    /// A name's node may be a file or directory whose making was forgotten: then it is empty.
    fn link(&mut self, dir: Node, name: &str, node: Node) {
        self.dirs.entry(dir).or_default().insert(name.to_owned(), node);
    }

    fn unlink(&mut self, dir: Node, name: &str) {
        self.dirs.entry(dir).or_default().remove(name);
    }

    /// Bytes in all files that have a name.
    pub(super) fn used(&self) -> u64 {
        let named = self.dirs.values().flat_map(BTreeMap::values);
        named.filter_map(|node| self.files.get(node)).map(|file| file.len() as u64).sum()
    }

    pub(super) fn next_node(&self) -> Node {
        let last = |keys: Option<&Node>| keys.copied().unwrap_or(ROOT);
        1 + last(self.files.keys().next_back()).max(last(self.dirs.keys().next_back()))
    }
}
