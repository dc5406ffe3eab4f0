//! Replays what the fuzzer starts from, and thousands of broken copies of it, on every test run. The fuzzer
//! itself (`tests/fuzz`) needs the nightly toolchain and time.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::fs;
use std::path::Path;

#[path = "../../../tests/fuzz/medium.rs"]
mod medium;

type Target = (&'static str, fn(&[u8]) -> bool);

const TARGETS: [Target; 3] =
    [("scan", medium::scan), ("offer", medium::offer), ("leases", medium::leases)];

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds_medium").join(name)
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    fs::read_dir(folder(name))
        .unwrap()
        .map(|seed| fs::read(seed.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn every_seed_is_taken_and_broken_copies_break_no_promise() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(seeds.len() >= 2, "{name} has hardly any seeds");
        for seed in seeds {
            assert!(target(&seed), "{name}: {}", String::from_utf8_lossy(&seed));
            for at in 0..seed.len() {
                let (mut changed, mut doubled) = (seed.clone(), seed.clone());
                changed[at] ^= 1 << (at % 8);
                doubled.insert(at, seed[at]);
                for broken in [&seed[..at], &seed[at..], &changed, &doubled] {
                    target(broken);
                }
            }
        }
    }
}

#[test]
fn there_is_a_target_for_every_folder_of_seeds() {
    assert_eq!(fs::read_dir(folder("")).unwrap().count(), TARGETS.len());
}
