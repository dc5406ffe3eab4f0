//! What is left on a disk whose power was cut: all that was flushed, and a seeded choice of the rest.
//!
//! Of a file's unflushed changes all, none, a beginning or any subset may be there; the last kept write
//! may be torn at any of its 512-byte sectors, or have left only its length. Of a directory's unflushed
//! names any subset may be there. This is more than any one file system does.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{Node, Op, Tree};

/// What disks write in one piece, in bytes.
const SECTOR: usize = 512;

/// The splitmix64 generator (Steele, Lea and Flood 2014): small, and the same on every machine.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let a = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        b ^ (b >> 31)
    }

    /// One of `0..sides`.
    const fn roll(&mut self, sides: usize) -> usize {
        (self.next() % sides as u64) as usize
    }

    const fn coin(&mut self) -> bool {
        self.next() & 1 == 0
    }
}

/// How one unflushed change came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Whole,
    Gone,
    Torn,
    LengthOnly,
}

/// The disk after a cut behind `ops`, which began on `base`.
pub(super) fn crash(base: &Tree, ops: &[Op], seed: u64) -> Tree {
    let mut dice = Dice::new(seed);
    let mut tree = base.clone();
    let fates = fates(ops, &mut dice);
    for (at, op) in ops.iter().enumerate() {
        match fates.get(&at).copied().unwrap_or(Fate::Whole) {
            Fate::Whole => tree.apply(op),
            Fate::Gone => {}
            Fate::Torn => maim(&mut tree, op, |_| dice.coin()),
            Fate::LengthOnly => maim(&mut tree, op, |_| false),
        }
    }
    tree
}

/// The fates of all changes that no sync covers.
fn fates(ops: &[Op], dice: &mut Dice) -> BTreeMap<usize, Fate> {
    let mut fates = BTreeMap::new();
    let (contents, names) = unflushed(ops);
    for changes in contents.into_values() {
        fates.extend(fates_of_contents(&changes, dice));
    }
    for at in names {
        fates.insert(at, if dice.coin() { Fate::Whole } else { Fate::Gone });
    }
    fates
}

fn fates_of_contents(changes: &[usize], dice: &mut Dice) -> Vec<(usize, Fate)> {
    let mut fates: Vec<(usize, Fate)> = match dice.roll(5) {
        0 => changes.iter().map(|at| (*at, Fate::Gone)).collect(),
        1 => changes.iter().map(|at| (*at, Fate::Whole)).collect(),
        2 => {
            let kept = dice.roll(changes.len() + 1);
            let fate = |i| if i < kept { Fate::Whole } else { Fate::Gone };
            changes.iter().enumerate().map(|(i, at)| (*at, fate(i))).collect()
        }
        _ => {
            let mut fate = || if dice.coin() { Fate::Whole } else { Fate::Gone };
            changes.iter().map(|at| (*at, fate())).collect()
        }
    };
    if let Some((_, last)) = fates.iter_mut().rev().find(|(_, fate)| *fate == Fate::Whole) {
        *last = match dice.roll(4) {
            0 | 1 => Fate::Whole,
            2 => Fate::Torn,
            _ => Fate::LengthOnly,
        };
    }
    fates
}

/// The positions of changes behind the last sync: of contents by file, and of names.
fn unflushed(ops: &[Op]) -> (BTreeMap<Node, Vec<usize>>, Vec<usize>) {
    let (mut synced, mut contents, mut names) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
    for (at, op) in ops.iter().enumerate().rev() {
        match op {
            Op::Sync { node } | Op::SyncDir { node } => {
                synced.insert(*node);
            }
            Op::SyncFailed { node } => {
                synced.remove(node);
            }
            Op::Write { node, .. } | Op::Resize { node, .. } if !synced.contains(node) => {
                contents.entry(*node).or_insert_with(Vec::new).push(at);
            }
            Op::Create { dir, .. } | Op::CreateDir { dir, .. } | Op::Remove { dir, .. }
                if !synced.contains(dir) =>
            {
                names.push(at);
            }
            // A journal holds both ends of a move in one entry, so the sync of either keeps it.
            Op::Rename { from, to, .. } if !synced.contains(&from.0) && !synced.contains(&to.0) => {
                names.push(at);
            }
            Op::Write { .. }
            | Op::Resize { .. }
            | Op::Create { .. }
            | Op::CreateDir { .. }
            | Op::Remove { .. }
            | Op::Rename { .. }
            | Op::NoSync => {}
        }
    }
    contents.values_mut().for_each(|changes| changes.reverse());
    (contents, names)
}

/// Applies a write of which only the sectors that `keeps` chooses reached the disk.
fn maim(tree: &mut Tree, op: &Op, mut keeps: impl FnMut(usize) -> bool) {
    let Op::Write { node, offset, bytes } = op else {
        tree.apply(op);
        return;
    };
    let end = offset + bytes.len();
    let file = tree.files.entry(*node).or_default();
    if file.len() < end {
        file.resize(end, 0);
    }
    for sector in offset / SECTOR..end.div_ceil(SECTOR) {
        if keeps(sector) {
            let from = (sector * SECTOR).max(*offset);
            let to = ((sector + 1) * SECTOR).min(end);
            file[from..to].copy_from_slice(&bytes[from - offset..to - offset]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::tree::ROOT;

    #[test]
    fn what_was_flushed_is_there_whatever_the_seed() {
        let ops =
            [create(1, "a"), write(1, 0, 7), Op::Sync { node: 1 }, Op::SyncDir { node: ROOT }];
        for seed in 0..200 {
            let tree = crash(&Tree::new(), &ops, seed);
            assert_eq!(tree.dirs[&ROOT]["a"], 1);
            assert_eq!(tree.files[&1], [7; 2_000]);
        }
    }

    #[test]
    fn what_was_not_flushed_takes_every_shape() {
        let ops = [create(1, "a"), Op::SyncDir { node: ROOT }, write(1, 0, 1), write(1, 2_000, 2)];
        let shapes: BTreeSet<_> =
            (0..400).map(|seed| crash(&Tree::new(), &ops, seed).files[&1].clone()).collect();
        let sectors = |file: &Vec<u8>| file.iter().filter(|byte| **byte == 2).count();
        assert!(shapes.contains(&vec![]), "everything dropped");
        assert!(shapes.contains(&vec![1; 2_000]), "a beginning kept");
        assert!(
            shapes.contains(&[vec![0; 2_000], vec![2; 2_000]].concat()),
            "only the later write"
        );
        assert!(shapes.contains(&vec![0; 2_000]), "only the length");
        assert!(shapes.iter().any(|file| !matches!(sectors(file), 0 | 2_000)), "a torn write");
    }

    #[test]
    fn after_a_sync_that_failed_only_what_is_written_again_is_safe() {
        let again = |write_again: bool| {
            let mut ops = vec![create(1, "a"), Op::SyncDir { node: ROOT }, write(1, 0, 1)];
            ops.push(Op::SyncFailed { node: 1 });
            ops.extend(write_again.then(|| write(1, 0, 1)));
            ops.push(Op::Sync { node: 1 });
            (0..100).all(|seed| crash(&Tree::new(), &ops, seed).files[&1] == [1; 2_000])
        };
        assert!(again(true) && !again(false));
    }

    #[test]
    fn a_name_may_be_lost_though_its_file_was_flushed() {
        let ops = [create(1, "a"), write(1, 0, 1), Op::Sync { node: 1 }];
        let named = |seed| crash(&Tree::new(), &ops, seed).dirs[&ROOT].contains_key("a");
        assert!((0..50).any(named) && !(0..50).all(named));
    }

    fn create(node: Node, name: &str) -> Op {
        Op::Create { dir: ROOT, name: name.to_owned(), node }
    }

    fn write(node: Node, offset: usize, byte: u8) -> Op {
        Op::Write { node, offset, bytes: vec![byte; 2_000].into() }
    }
}
