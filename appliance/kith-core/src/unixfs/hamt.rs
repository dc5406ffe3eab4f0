//! Directories as hash tries: which slot a name takes, level by level, and the building of one.
//!
//! The trie of IPFS: 256 slots a block, chosen by the bytes of the upper 64 bits of
//! `MurmurHash3_x64_128` (Austin Appleby's algorithm, seed 0) from the top. A slot that one name takes
//! holds it; one that several take holds a further block. Links carry the slot as two hex digits.

use super::dag_pb::{Link, NodeWriter};
use super::{Emit, Entry, Imported, MAX_SHARD_DEPTH, UnixfsError};
use crate::body::good_segment;

/// multicodec murmur3-x64-64.
pub(super) const MURMUR3: u64 = 0x22;

/// Slots in a block.
pub(super) const FANOUT: u64 = 256;

/// Characters of a link's name that tell its slot.
pub(super) const PREFIX: usize = 2;

/// The slots of a name, one byte a level.
pub(super) type Slots = [u8; MAX_SHARD_DEPTH];

/// A link of a trie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot<'a> {
    /// Several names: a further block.
    Shard(u8),
    /// One name.
    Name(u8, &'a str),
}

impl<'a> Slot<'a> {
    pub(super) fn read(link: &'a Link) -> Result<Self, UnixfsError> {
        let bad = UnixfsError::Malformed("a link of a trie has no slot");
        let (digits, name) = link.name.split_at_checked(PREFIX).ok_or(bad)?;
        let slot = slot_of(digits).ok_or(UnixfsError::Malformed("a slot of a trie"))?;
        match name {
            "" => Ok(Self::Shard(slot)),
            name if good_segment(name) => Ok(Self::Name(slot, name)),
            _ => Err(UnixfsError::Name),
        }
    }

    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Shard(slot) | Self::Name(slot, _) => slot,
        }
    }
}

/// The slots of `name`.
pub(super) fn slots(name: &str) -> Slots {
    murmur3(name.as_bytes()).to_be_bytes()
}

/// Checks that the links of a block take growing slots and exactly those that `bits` says.
pub(super) fn check_slots(bits: &[u8], links: &[Link]) -> Result<(), UnixfsError> {
    let bad = UnixfsError::Malformed("the slots of a trie differ from its links");
    let mut seen = [0_u8; 32];
    let mut last = None;
    for link in links {
        let slot = Slot::read(link)?.number();
        if last >= Some(slot) {
            return Err(bad);
        }
        last = Some(slot);
        seen[31 - usize::from(slot / 8)] |= 1 << (slot % 8);
    }
    // An empty trie would let a few blocks pose as endless ones.
    if links.is_empty() || trim(&seen) != trim(bits) {
        return Err(bad);
    }
    Ok(())
}

/// Writes the trie of `entries`.
pub(super) fn build<'a>(
    entries: impl Iterator<Item = (&'a str, &'a Entry)>,
    emit: &mut Emit<'_>,
) -> Result<Imported, UnixfsError> {
    let mut sorted: Vec<_> = entries.map(|(name, entry)| (slots(name), name, entry)).collect();
    sorted.sort_unstable_by_key(|(slots, name, _)| (*slots, *name));
    let size = sorted.iter().map(|(_, _, entry)| entry.size).fold(0, u64::saturating_add);
    let root = shard(&sorted, 0, emit)?;
    Ok(Imported { size, ..root })
}

fn shard(
    sorted: &[(Slots, &str, &Entry)],
    level: usize,
    emit: &mut Emit<'_>,
) -> Result<Imported, UnixfsError> {
    if level == MAX_SHARD_DEPTH {
        let name = sorted.first().map_or("", |(_, name, _)| name);
        return Err(UnixfsError::Collision(name.to_owned()));
    }
    let mut node = NodeWriter::default();
    let mut bits = [0_u8; 32];
    for group in sorted.chunk_by(|(a, ..), (b, ..)| a[level] == b[level]) {
        let slot = group[0].0[level];
        bits[31 - usize::from(slot / 8)] |= 1 << (slot % 8);
        let digits = format!("{slot:02X}");
        match group {
            [(_, name, entry)] => node.link(&entry.cid, [&digits, name], entry.tsize),
            group => {
                let below = shard(group, level + 1, emit)?;
                node.link(&below.root, [&digits, ""], below.tsize);
            }
        }
    }
    let (root, block, tsize) = node.shard(trim(&bits));
    emit(root, block);
    Ok(Imported { root, size: 0, tsize })
}

/// A number without its leading zero bytes.
fn trim(bits: &[u8]) -> &[u8] {
    let zeros = bits.iter().take_while(|byte| **byte == 0).count();
    &bits[zeros..]
}

fn slot_of(digits: &str) -> Option<u8> {
    let hex = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    };
    let [high, low] = digits.as_bytes() else { return None };
    Some(hex(*high)? << 4 | hex(*low)?)
}

/// The upper half of `MurmurHash3_x64_128` with seed 0.
fn murmur3(data: &[u8]) -> u64 {
    const C1: u64 = 0x87c3_7b91_1142_53d5;
    const C2: u64 = 0x4cf5_ad43_2745_937f;
    let mix1 = |k: u64| k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    let mix2 = |k: u64| k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |w, byte| w << 8 | u64::from(*byte));
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let mut blocks = data.chunks_exact(16);
    for block in &mut blocks {
        h1 = (h1 ^ mix1(word(&block[..8]))).rotate_left(27).wrapping_add(h2);
        h1 = h1.wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 = (h2 ^ mix2(word(&block[8..]))).rotate_left(31).wrapping_add(h1);
        h2 = h2.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let tail = blocks.remainder();
    let (low, high) = tail.split_at(tail.len().min(8));
    h2 ^= mix2(word(high));
    h1 ^= mix1(word(low));
    h1 ^= data.len() as u64;
    h2 ^= data.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finalise(h1).wrapping_add(finalise(h2))
}

fn finalise(mut h: u64) -> u64 {
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cid::{Cid, Codec};
    use crate::unixfs::{DirectoryBuilder, ListReader, Resolver, Step};

    /// Two names with equal hashes; finding them takes seconds, so a hostile uploader has them too.
    const TWINS: [&str; 2] =
        ["colliding-name-0-----------.txt-", "nolliding-aaf612Y]iecGHWbi^B?p_P"];

    const ENTRY: Entry = Entry { cid: Cid::from_digest(Codec::Raw, [1; 32]), size: 1, tsize: 1 };

    /// From the test vectors of the algorithm: its 128 bits, of which the first 64 are used.
    #[test]
    fn the_hash_is_murmur3() {
        assert_eq!(murmur3(b""), 0);
        assert_eq!(murmur3(b"hello"), 0xcbd8_a7b3_41bd_9b02);
        assert_eq!(murmur3(b"The quick brown fox jumps over the lazy dog"), 0xe34b_bc7b_bc07_1b6c);
    }

    #[test]
    fn names_with_equal_hashes_are_refused_in_words() {
        assert_eq!(murmur3(TWINS[0].as_bytes()), murmur3(TWINS[1].as_bytes()));
        let entries = TWINS.into_iter().map(|name| (name, &ENTRY));
        let refused = build(entries, &mut |_, _| {});
        assert_eq!(refused, Err(UnixfsError::Collision(TWINS[0].to_owned())));
    }

    #[test]
    fn slots_are_two_upper_case_digits_in_order() {
        let link = |name: &str| Link { cid: ENTRY.cid, name: name.to_owned(), tsize: 1 };
        let read = |name: &str| Slot::read(&link(name)).is_ok();
        assert!(read("0Fa") && read("FF"));
        for bad in ["", "0", "0f", "0fa", "G0a", "é", "00a/b", "00..", "00\u{7}"] {
            assert!(!read(bad), "{bad:?}");
        }
        let bits = |bits: &[u8], names: &[&str]| {
            check_slots(bits, &names.iter().map(|name| link(name)).collect::<Vec<_>>())
        };
        assert_eq!(bits(&[0b11], &["00a", "01b"]), Ok(()));
        assert_eq!(bits(&[1, 0, 0b10], &["01a", "10b"]), Ok(()));
        assert_eq!(bits(&[0, 0, 0b11], &["00a", "01b"]), Ok(()), "leading zeros");
        assert!(bits(&[0b11], &["01a", "00b"]).is_err(), "out of order");
        assert!(bits(&[0b1], &["00a", "00b"]).is_err(), "a slot twice");
        assert!(bits(&[0b1], &["00a", "01b"]).is_err(), "a bit too few");
        assert!(bits(&[0b111], &["00a", "01b"]).is_err(), "a bit too many");
        assert!(bits(&[], &[]).is_err(), "empty");
    }

    #[test]
    fn a_trie_of_two_levels_lists_and_finds_all_of_its_names() {
        let mut blocks = std::collections::BTreeMap::new();
        let mut directory = DirectoryBuilder::new();
        let names: Vec<String> = (0..6_000).map(|i| format!("name-{i}")).collect();
        for name in &names {
            let cid = Cid::of(Codec::Raw, name.as_bytes());
            directory.add(name, Entry { cid, ..ENTRY }).unwrap();
        }
        let made = directory.finish(&mut |cid, block| drop(blocks.insert(cid, block))).unwrap();
        assert!(blocks.len() > 200, "{}", blocks.len());
        let mut list = ListReader::new(made.root);
        let mut seen = Vec::new();
        loop {
            match list.step() {
                Step::Need(cid) => list.supply(&cid, &blocks[&cid]).unwrap(),
                Step::Item(entry) => {
                    assert_eq!(entry.cid, Cid::of(Codec::Raw, entry.name.as_bytes()));
                    seen.push(entry.name);
                }
                Step::Done => break,
            }
        }
        seen.sort();
        let mut sorted = names.clone();
        sorted.sort();
        assert_eq!(seen, sorted);
        for name in names.iter().step_by(50).map(String::as_str).chain(["name-6000", "other"]) {
            let mut resolver = Resolver::new(made.root, name).unwrap();
            let mut found = None;
            loop {
                match resolver.step() {
                    Step::Need(cid) => resolver.supply(&cid, &blocks[&cid]).unwrap(),
                    Step::Item(cid) => found = Some(cid),
                    Step::Done => break,
                }
            }
            let there = names.iter().any(|known| known == name);
            assert_eq!(found, there.then(|| Cid::of(Codec::Raw, name.as_bytes())), "{name}");
        }
    }
}
