//! Replays what the fuzzer starts from, and thousands of broken copies of it, on every test run. The
//! fuzzer itself (`tests/fuzz`) needs the nightly toolchain and time.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests may panic too")]

use std::fs;
use std::path::Path;

#[path = "../../../tests/fuzz/targets.rs"]
mod targets;

type Target = (&'static str, fn(&[u8]) -> bool);

const TARGETS: [Target; 9] = [
    ("record", targets::record),
    ("capability", targets::capability),
    ("invite", targets::invite),
    ("frames", targets::frames),
    ("block_frame", targets::block_frame),
    ("dag_pb", targets::dag_pb),
    ("car", targets::car),
    ("cid", targets::cid),
    ("did", targets::did),
];

#[test]
fn every_seed_is_taken() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(seeds.len() >= 2, "{name} has hardly any seeds");
        for (file, seed) in seeds {
            assert!(target(&seed), "{name}/{file} is refused");
        }
    }
}

#[test]
fn broken_copies_break_no_promise_and_are_mostly_refused() {
    for (name, target) in TARGETS {
        let (mut taken, mut tried) = (0, 0);
        for (_, seed) in seeds(name) {
            for broken in broken(&seed) {
                tried += 1;
                taken += usize::from(target(&broken));
            }
        }
        // Numbers and sealed bytes may change unnoticed in frames, and names in blocks, but far from
        // all bytes may.
        assert!(taken < tried * 9 / 10, "{name}: {taken} of {tried} taken");
    }
}

#[test]
fn there_is_a_target_for_every_folder_of_seeds() {
    let names: Vec<_> = fs::read_dir(folder("")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(names.len(), TARGETS.len(), "{names:?}");
}

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds").join(name)
}

fn seeds(name: &str) -> Vec<(String, Vec<u8>)> {
    let mut seeds: Vec<_> = fs::read_dir(folder(name))
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_name().unwrap().display().to_string(), fs::read(&path).unwrap()))
        .collect();
    seeds.sort();
    seeds
}

/// Every cut, every byte with one bit flipped, set to an extreme, doubled or left out, and a few
/// hundred copies with several of these at places from a fixed sequence.
fn broken(seed: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..seed.len()).map(|end| seed[..end].to_vec()).collect();
    for at in 0..seed.len() {
        for how in 0..5 {
            all.push(damage(seed.to_vec(), at, how + 5 * (at % 8)));
        }
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed.len() as u64;
    for _ in 0..300 {
        let mut copy = seed.to_vec();
        for _ in 0..3 {
            // xorshift64 (Marsaglia, 2003).
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = (state >> 20) as usize % copy.len().max(1);
            copy = damage(copy, at, (state % 40) as usize);
        }
        all.push(copy);
    }
    all
}

fn damage(mut bytes: Vec<u8>, at: usize, how: usize) -> Vec<u8> {
    if at >= bytes.len() {
        return bytes;
    }
    match how % 5 {
        0 => bytes[at] ^= 1 << (how / 5 % 8),
        1 => bytes[at] = 0xff,
        2 => bytes[at] = 0,
        3 => bytes.insert(at, bytes[at]),
        _ => drop(bytes.remove(at)),
    }
    bytes
}
