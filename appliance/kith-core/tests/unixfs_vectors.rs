//! The cids that other programs give the same files and folders: `vectors/unixfs.txt`, made by
//! `tests/ipfs/golden.mjs` with ipfs-unixfs-importer, and the fixtures that IPIP-499 publishes.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::collections::BTreeMap;

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use kith_core::unixfs::{CHUNK, DirectoryBuilder, Entry, FileImporter, Imported, TreeBuilder};
use sha2::{Digest as _, Sha256};

const VECTORS: &str = include_str!("vectors/unixfs.txt");

#[test]
fn files_have_the_cids_that_other_programs_give_them() {
    compare("empty", &whole("empty", 0));
    compare("one-byte", &whole("one-byte", 1));
    compare("one-chunk", &whole("one-chunk", CHUNK));
    compare("one-chunk-and-a-byte", &whole("one-chunk-and-a-byte", CHUNK + 1));
    compare("five-chunks-and-3-bytes", &whole("five-chunks-and-3-bytes", 5 * CHUNK + 3));
    compare("ipip-499-hello", &import(FileImporter::new(), b"hello world"));
}

#[test]
fn trees_of_many_levels_have_the_cids_that_other_programs_give_them() {
    let cases = [
        ("chunks-256-width-1024-full", 256 * 1024, 256, 1024),
        ("chunks-256-width-1024-over", 256 * 1024 + 1, 256, 1024),
        ("chunks-16-width-4-full", 16 * 64, 16, 4),
        ("chunks-16-width-4-over", 16 * 64 + 1, 16, 4),
        ("chunks-7-width-3-deep", 5_000, 7, 3),
    ];
    for (name, size, chunk, width) in cases {
        let importer = FileImporter::with_layout(chunk, width);
        compare(name, &import(importer, &keystream(name, size)));
    }
}

#[test]
fn folders_have_the_cids_that_other_programs_give_them() {
    let hello = import(FileImporter::new(), b"hello world").entry();
    compare("ipip-499-empty-folder", &TreeBuilder::new().finish(&mut ignore()).unwrap());
    let large = "Übergröße 🏘.bin";
    let three = [
        ("b.txt", hello),
        ("a.txt", whole("", 0).entry()),
        (large, whole(large, 3 * CHUNK).entry()),
    ];
    compare("three-files", &tree(&three));

    let mut nested = TreeBuilder::new();
    nested.add("z/y/x.txt", hello).unwrap();
    nested.add("z/w.txt", whole("w", 100_000).entry()).unwrap();
    nested.add_folder("empty").unwrap();
    nested.add("a.txt", whole("a", 1_500_000).entry()).unwrap();
    compare("nested", &nested.finish(&mut ignore()).unwrap());
}

#[test]
fn folders_of_ten_thousand_files_become_the_tries_that_other_programs_make() {
    let hello = import(FileImporter::new(), b"hello world").entry();
    let (mut many, mut below) = (DirectoryBuilder::new(), TreeBuilder::new());
    for i in (0..10_000).rev() {
        let name = format!("file-{i}");
        many.add(&name, whole(&name, 4_096).entry()).unwrap();
        below.add(&format!("in/{name}"), hello).unwrap();
    }
    let many = many.finish(&mut ignore()).unwrap();
    assert_eq!(many.size, 10_000 * 4_096);
    compare("ten-thousand", &many);
    compare("ten-thousand-below", &below.finish(&mut ignore()).unwrap());
}

/// Two of the fixtures of IPIP-499: a folder whose block has exactly 262,144 bytes, and one of one
/// more.
#[test]
fn a_folder_becomes_a_trie_one_byte_above_the_threshold() {
    let x = import(FileImporter::new(), b"x").entry();
    for (name, last) in
        [("ipip-499-folder-at-threshold", 21), ("ipip-499-folder-over-threshold", 22)]
    {
        let mut directory = DirectoryBuilder::new();
        for file in published_names(last) {
            directory.add(&file, x).unwrap();
        }
        let mut last = 0;
        let made = directory.finish(&mut |_, block| last = block.len()).unwrap();
        compare(name, &made);
        assert!(name.contains("over") || last == 262_144, "{last}");
    }
}

fn compare(name: &str, made: &Imported) {
    let vectors: BTreeMap<&str, &str> = VECTORS.lines().filter_map(|l| l.split_once(' ')).collect();
    assert_eq!(format!("{} {}", made.root, made.tsize), vectors[name], "{name}");
}

fn ignore() -> impl FnMut(kith_core::cid::Cid, bytes::Bytes) {
    |_, _| {}
}

fn import(mut importer: FileImporter, content: &[u8]) -> Imported {
    // Pieces of odd lengths, so that chunks begin and end within them.
    for piece in content.chunks(100_003) {
        importer.push(piece, &mut ignore());
    }
    let made = importer.finish(&mut ignore());
    assert_eq!(made.size, content.len() as u64);
    made
}

fn whole(name: &str, size: usize) -> Imported {
    import(FileImporter::new(), &keystream(name, size))
}

fn tree(files: &[(&str, Entry)]) -> Imported {
    let mut tree = TreeBuilder::new();
    for (path, entry) in files {
        tree.add(path, *entry).unwrap();
    }
    tree.finish(&mut ignore()).unwrap()
}

/// Block i is sha256(name, then i as 8 bytes little-endian).
fn keystream(name: &str, size: usize) -> Vec<u8> {
    let mut stream = Vec::with_capacity(size + 32);
    for i in 0..size.div_ceil(32) as u64 {
        stream.extend(Sha256::new().chain_update(name).chain_update(i.to_le_bytes()).finalize());
    }
    stream.truncate(size);
    stream
}

fn chacha(seed: &str) -> ChaCha20 {
    let key: [u8; 32] = Sha256::digest(seed).into();
    ChaCha20::new(&key.into(), &[0; 12].into())
}

fn published_names(last: usize) -> Vec<String> {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz01234567890-_";
    let mut stream = vec![0; 4_765 * 11 + last];
    chacha("hamt-unixfs-v1-2025").apply_keystream(&mut stream);
    let text: String =
        stream.iter().map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()])).collect();
    (0..4_766)
        .map(|i| {
            text[i * 11..text.len().min(i * 11 + if i == 4_765 { last } else { 11 })].to_owned()
        })
        .collect()
}
