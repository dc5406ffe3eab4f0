//! The power goes at every single operation of a workload, with many outcomes each. What was
//! acknowledged has to be there; what was not is there whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use bytes::Bytes;
use kith_core::cid::Cid;
use kith_core::record::Record;
use kith_files::Switches;
use kith_files::cut::CutFiles;
use kith_store::{Appended, Check, Options, Store};

use crate::scene::{IndexDir, block, genesis, options, posts, space, try_open};

/// After how many operations a value was acknowledged, and the value.
type Said = (usize, Option<Vec<u8>>);

/// What a workload has been told is safe, and after how many operations of the disk.
#[derive(Default)]
struct Acknowledged {
    records: Vec<(usize, Record)>,
    blocks: Vec<(usize, Cid)>,
    /// Every value a key had, in order; `None` is removed.
    local: BTreeMap<Vec<u8>, Vec<Said>>,
}

/// A run, and everything it tried to store.
struct Run {
    files: CutFiles,
    acknowledged: Acknowledged,
    bodies: BTreeMap<Cid, Bytes>,
    records: BTreeSet<Vec<u8>>,
}

#[test]
fn whatever_was_acknowledged_survives_a_cut_at_every_operation() {
    let run = run(Switches::default(), 1);
    let operations = run.files.operations();
    assert!(operations > 120, "{operations} operations are too few to mean anything");
    for cut in 0..=operations {
        for seed in 0..6 {
            let losses = run.losses(cut, seed);
            assert!(losses.is_empty(), "cut at {cut} with seed {seed}: {losses:?}");
        }
    }
}

#[test]
fn other_workloads_survive_cuts_here_and_there() {
    for workload in 2..8 {
        let run = run(Switches::default(), workload);
        for cut in (workload as usize..=run.files.operations()).step_by(7) {
            let losses = run.losses(cut, workload ^ cut as u64);
            assert!(losses.is_empty(), "workload {workload}, cut at {cut}: {losses:?}");
        }
    }
}

#[test]
fn without_either_sync_the_same_cuts_lose_what_was_acknowledged() {
    for switches in [
        Switches { no_fsync: true, no_dirsync: false },
        Switches { no_fsync: false, no_dirsync: true },
    ] {
        let run = run(switches, 1);
        let cuts = (0..=run.files.operations()).step_by(5);
        let lost = cuts.filter(|cut| !run.losses(*cut, *cut as u64).is_empty()).count();
        assert!(lost > 5, "{switches:?} lost something after {lost} cuts only");
    }
}

#[test]
fn what_is_left_after_a_cut_takes_new_records_and_survives_the_next() {
    let first = run(Switches::default(), 1);
    let more = posts(9, 6);
    let operations = first.files.operations();
    for (cut, seed) in (0..=operations).flat_map(|cut| [(cut, 3), (cut, 4)]) {
        let disk = first.files.crashed_at(cut, seed);
        let index = IndexDir::new();
        let store = try_open(&disk, &options(&index)).unwrap();
        assert_eq!(store.append(&more).unwrap(), [Appended::New; 6]);
        let again = disk.crashed(cut as u64);
        drop(store);
        let store = try_open(&again, &options(&IndexDir::new())).unwrap();
        for record in &more {
            assert_eq!(store.record(&record.id()).unwrap().as_ref(), Some(record.bytes()));
        }
        let mut damage = store.findings().damage.iter();
        assert!(damage.all(|damage| damage.torn), "cut at {cut}: {:?}", store.findings());
        assert_eq!(first.missing(&store, cut), Vec::<String>::new(), "cut at {cut}");
    }
}

#[test]
fn what_callers_at_the_same_time_were_told_survives_a_cut_at_every_operation() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = try_open(&files, &options(&index)).unwrap();
    let told = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for caller in 1..=4 {
            let (store, told, files) = (store.clone(), &told, &files);
            scope.spawn(move || {
                for record in posts(caller, 12) {
                    store.append(std::slice::from_ref(&record)).unwrap();
                    told.lock().unwrap().push((files.operations(), record));
                }
            });
        }
    });
    drop(store);
    let told = told.into_inner().unwrap();
    for cut in 0..=files.operations() {
        let store =
            try_open(&files.crashed_at(cut, cut as u64), &options(&IndexDir::new())).unwrap();
        for (_, record) in told.iter().filter(|(at, _)| *at <= cut) {
            assert_eq!(store.record(&record.id()).unwrap().as_ref(), Some(record.bytes()));
        }
    }
}

/// Runs a workload on a fresh disk. It is the same for the same number.
fn run(switches: Switches, workload: u64) -> Run {
    let files = CutFiles::with(switches);
    let index = IndexDir::new();
    // Segments this small turn over several times.
    let small = Options { segment: 2_000, ..options(&index) };
    let store = try_open(&files, &small).unwrap();
    let mut run = Run {
        files,
        acknowledged: Acknowledged::default(),
        bodies: BTreeMap::new(),
        records: BTreeSet::new(),
    };
    let mut posts = posts(1, 40).into_iter();
    run.append(&store, &[genesis()]);
    for step in 0..12_u64 {
        match (step + workload) * (workload + 2) % 7 {
            0 | 3 => {
                let some: Vec<_> = posts.by_ref().take(1 + (step % 4) as usize).collect();
                run.append(&store, &some);
            }
            1 | 4 => run.put_blocks(&store, step as u32, &[10, 900, 70_000]),
            5 => run.put_blocks(&store, 100 + step as u32, &[66_000, 80_000, 5]),
            _ => {
                // Large enough for the local log to be made anew every few steps.
                let value = vec![step as u8; 90_000];
                run.put_local(&store, b"clock", Some(&value));
                run.put_local(&store, &[step as u8], Some(b"x"));
                run.put_local(&store, &[step.wrapping_sub(3) as u8], None);
            }
        }
    }
    drop(store);
    run
}

impl Run {
    fn append(&mut self, store: &Store, records: &[Record]) {
        self.records.extend(records.iter().map(|record| record.bytes().to_vec()));
        store.append(records).unwrap();
        let now = self.files.operations();
        self.acknowledged.records.extend(records.iter().map(|record| (now, record.clone())));
    }

    fn put_blocks(&mut self, store: &Store, number: u32, sizes: &[usize]) {
        let blocks: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(i, size)| block(number * 10 + i as u32, *size))
            .collect();
        let mut batch = store.block_batch();
        for (cid, bytes) in &blocks {
            self.bodies.insert(*cid, bytes.clone());
            batch.put(Some(space()), *cid, bytes.clone()).unwrap();
        }
        batch.commit().unwrap();
        let now = self.files.operations();
        self.acknowledged.blocks.extend(blocks.iter().map(|(cid, _)| (now, *cid)));
    }

    fn put_local(&mut self, store: &Store, key: &[u8], value: Option<&[u8]>) {
        let values = self.acknowledged.local.entry(key.to_vec()).or_default();
        // Until it is acknowledged it may or may not be there.
        values.push((usize::MAX, value.map(<[u8]>::to_vec)));
        store.local_put(&[(key, value)]).unwrap();
        values.last_mut().unwrap().0 = self.files.operations();
    }

    /// Cuts the power, opens what is left with no index, and says what is not as it has to be.
    fn losses(&self, cut: usize, seed: u64) -> Vec<String> {
        let disk = self.files.crashed_at(cut, seed);
        let index = IndexDir::new();
        let store = match try_open(&disk, &Options { segment: 2_000, ..options(&index) }) {
            Ok(store) => store,
            Err(error) => return vec![format!("it does not open: {error}")],
        };
        let mut losses = self.missing(&store, cut);
        losses.extend(self.halves(&store));
        let damage = store.findings().damage.iter().filter(|damage| !damage.torn);
        losses.extend(damage.map(|damage| format!("damage in the middle: {damage:?}")));
        losses
    }

    fn missing(&self, store: &Store, cut: usize) -> Vec<String> {
        let mut missing = Vec::new();
        for (_, record) in self.acknowledged.records.iter().filter(|(at, _)| *at <= cut) {
            if store.record(&record.id()).unwrap().as_ref() != Some(record.bytes()) {
                missing.push(format!("record {}", record.id()));
            }
        }
        for (_, cid) in self.acknowledged.blocks.iter().filter(|(at, _)| *at <= cut) {
            let found = store.block(cid, Check::Hash);
            if !matches!(found, Ok(Some(bytes)) if bytes == self.bodies[cid]) {
                missing.push(format!("block {cid}"));
            }
            if !matches!(store.block_in(&space(), cid), Ok(Some(_))) {
                missing.push(format!("the tag of block {cid}"));
            }
        }
        for (key, values) in &self.acknowledged.local {
            let known = values.iter().rposition(|(at, _)| *at <= cut);
            // The value after the last acknowledged one may have made it as well.
            let allowed = match known {
                Some(known) => &values[known..(known + 2).min(values.len())],
                None => &values[..1],
            };
            let found = store.local_get(key);
            let nothing_yet = known.is_none() && found.is_none();
            if !nothing_yet && !allowed.iter().any(|(_, value)| *value == found) {
                missing.push(format!("local {key:?}"));
            }
        }
        missing
    }

    /// Everything that is there has to be whole.
    fn halves(&self, store: &Store) -> Vec<String> {
        let mut halves = Vec::new();
        for class in store.classes(&space()).unwrap() {
            for record in store.records(&space(), &class) {
                match record {
                    Ok(record) if self.records.contains(&record.bytes()[..]) => {}
                    other => halves.push(format!("{other:?}")),
                }
            }
        }
        for (cid, body) in &self.bodies {
            match store.block(cid, Check::Hash) {
                Ok(None) => {}
                Ok(Some(bytes)) if bytes == *body => {}
                other => halves.push(format!("{cid}: {other:?}")),
            }
        }
        halves
    }
}
