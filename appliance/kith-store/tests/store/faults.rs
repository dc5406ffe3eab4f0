//! Full, failing, read-only and rotting disks: the store says so in words, keeps what it acknowledged,
//! and goes on when it can.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kith_core::record::{Class, Record, SpaceId};
use kith_files::cut::CutFiles;
use kith_files::{Files, Kind};
use kith_store::{Appended, Check, Options, Report, Store, StoreError, verify};

use crate::scene::{DIR, IndexDir, author, block, open, options, post, posts, space, try_open};

#[test]
fn a_disk_that_is_full_at_any_byte_takes_up_again_when_there_is_room() {
    let posts = posts(1, 8);
    let index = IndexDir::new();
    let files = CutFiles::new();
    let store = try_open(&files, &Options { reserve: 0, ..options(&index) }).unwrap();
    store.append(&posts[..2]).unwrap();
    for room in (0..1_200).step_by(97) {
        files.set_capacity(Some(files.used() + room));
        // All eight never fit, and the two that do are the only ones acknowledged so far.
        let error = store.append(&posts).unwrap_err();
        assert_eq!(error.kind(), Some(Kind::NoSpace), "{error}");
        assert!(error.to_string().contains("the disk is full"), "{error}");
        let error = store.local_put(&[(b"key", Some(&[0; 2_000]))]).unwrap_err();
        assert_eq!(error.kind(), Some(Kind::NoSpace));
        assert_eq!(store.record(&posts[1].id()).unwrap().as_ref(), Some(posts[1].bytes()));
        files.set_capacity(None);
        store.local_put(&[(b"key", Some(&room.to_be_bytes()))]).unwrap();
    }
    let appended = store.append(&posts).unwrap();
    assert_eq!(appended[..2], [Appended::Known; 2]);
    assert_eq!(appended[2..], [Appended::New; 6]);
    assert_sound(&files.crashed(1), &posts, 1_164_u64.to_be_bytes().as_slice());
}

#[test]
fn a_disk_that_fails_once_anywhere_loses_nothing_that_was_acknowledged() {
    let all = posts(1, 12);
    let mut failures = 0;
    for skip in 0..60 {
        let (files, index) = (CutFiles::new(), IndexDir::new());
        let store = try_open(&files, &Options { segment: 1_500, ..options(&index) }).unwrap();
        files.break_after(skip, 1);
        for some in all.chunks(3) {
            let first = store.append(some);
            failures += usize::from(first.is_err());
            if first.is_err() {
                store.append(some).unwrap();
            }
        }
        let blocks = [block(1, 70_000), block(2, 70_000), block(3, 100)];
        let put = |store: &Store| -> Result<(), StoreError> {
            let mut batch = store.block_batch();
            for (cid, bytes) in &blocks {
                batch.put(Some(space()), *cid, bytes.clone())?;
            }
            batch.commit()
        };
        if put(&store).is_err() {
            failures += 1;
            put(&store).unwrap();
        }
        for round in [0_u8, 1] {
            let change: [(&[u8], Option<&[u8]>); 1] = [(b"key", Some(&[round]))];
            if store.local_put(&change).is_err() {
                failures += 1;
                store.local_put(&change).unwrap();
            }
        }
        let disk = files.crashed(skip as u64);
        assert_sound(&disk, &all, &[1]);
        let store = open(&disk, &IndexDir::new());
        for (cid, bytes) in &blocks {
            assert_eq!(store.block(cid, Check::Hash).unwrap().as_ref(), Some(bytes), "{skip}");
        }
    }
    assert!(failures > 40, "only {failures} failures were noticed");
}

#[test]
fn a_number_is_never_given_twice_whatever_fails_while_a_record_is_appended() {
    let mut failures = 0;
    for skip in 0..16 {
        let (files, index) = (CutFiles::new(), IndexDir::new());
        let store = open(&files, &index);
        let first = post(1, 0, None, "first");
        store.append(std::slice::from_ref(&first)).unwrap();
        // A clean index is the one with the most left to do behind the flush.
        store.checkpoint().unwrap();
        files.break_after(skip, 1);
        let second = post(1, 1, Some(first.id()), "second");
        if store.append(std::slice::from_ref(&second)).is_err() {
            failures += 1;
        }
        files.break_after(1_000_000, 0);
        let last = store.last_of(&space(), &Class::Board, &author(1).author_id()).unwrap();
        let (seq, prev) = last.unwrap();
        store.append(&[post(1, seq + 1, Some(prev), "another")]).unwrap();
        drop(store);
        let store = try_open(&files, &Options { rebuild: true, ..options(&index) }).unwrap();
        let seqs: Vec<u64> =
            store.records(&space(), &Class::Board).map(|post| post.unwrap().seq()).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?} after {skip} steps");
    }
    assert!(failures >= 4, "only {failures} failures were noticed");
}

#[test]
fn a_disk_that_fails_while_local_values_are_compacted_and_again_loses_none() {
    let mut failures = 0;
    for (first, second) in (0..10).flat_map(|first| (0..10).map(move |second| (first, second))) {
        let (files, index) = (CutFiles::new(), IndexDir::new());
        let store = open(&files, &index);
        // The fourth value makes the log large enough to be compacted.
        (0..3).for_each(|_| store.local_put(&[(b"key", Some(&[9; 90_000]))]).unwrap());
        for (round, skip) in [(0_u8, first), (1, second)] {
            files.break_after(skip, 1);
            let change: [(&[u8], Option<&[u8]>); 1] = [(b"key", Some(&[round; 90_000]))];
            if store.local_put(&change).is_err() {
                failures += 1;
                store.local_put(&change).unwrap();
            }
            for seed in 0..3 {
                assert_sound(&files.crashed(seed), &[], &[round; 90_000]);
            }
        }
    }
    assert!(failures > 20, "only {failures} failures were noticed");
}

#[test]
fn a_read_only_disk_is_said_to_be_one_and_can_still_be_read() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    let posts = posts(1, 4);
    store.append(&posts[..2]).unwrap();
    files.set_read_only(true);
    let error = store.append(&posts).unwrap_err();
    assert_eq!(error.kind(), Some(Kind::ReadOnly), "{error}");
    let mut batch = store.block_batch();
    let (cid, bytes) = block(1, 100);
    batch.put(None, cid, bytes).unwrap();
    assert_eq!(batch.commit().unwrap_err().kind(), Some(Kind::ReadOnly));
    assert_eq!(store.record(&posts[0].id()).unwrap().as_ref(), Some(posts[0].bytes()));
    files.set_read_only(false);
    assert_eq!(store.append(&posts[2..]).unwrap(), [Appended::New; 2]);
}

#[test]
fn blocks_leave_the_reserve_free_and_records_a_part_of_it() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    let reserve = Options::default().reserve;
    files.set_capacity(Some(files.used() + reserve + 100_000));
    let mut batch = store.block_batch();
    let mut put = |number, size| batch.put(None, block(number, size).0, block(number, size).1);
    put(1, 80_000).unwrap();
    let error = put(2, 80_000).unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error}");
    assert_eq!(error.kind(), Some(Kind::NoSpace));
    assert!(put(3, 60_000).is_err(), "a small block that is not on the disk yet counts too");
    batch.commit().unwrap();
    files.set_capacity(Some(files.used() + reserve / 2));
    store.append(&posts(1, 3)).unwrap();
    files.set_capacity(Some(files.used() + reserve / 5));
    assert!(matches!(store.append(&posts(2, 3)).unwrap_err().kind(), Some(Kind::NoSpace)));
    store.local_put(&[(b"key", Some(b"value"))]).unwrap();
}

#[test]
fn rot_anywhere_in_the_log_is_found_and_takes_only_what_it_hit() {
    let all = posts(1, 9);
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = try_open(&files, &Options { segment: 1 << 20, ..options(&index) }).unwrap();
    all.iter().for_each(|post| drop(store.append(std::slice::from_ref(post)).unwrap()));
    drop(store);
    let log = Path::new(DIR).join("log/0001.seg");
    let size = files.stat(&log).unwrap().unwrap().size as usize;
    for offset in (32..size).step_by(41) {
        let rotten = files.crashed(0);
        rotten.rot(&log, offset);
        let report = report(&rotten);
        assert_eq!(report.records, 8, "byte {offset}");
        let [problem] = &report.problems[..] else { panic!("{report:?}") };
        assert_eq!(problem.file, log);
        assert!(problem.offset.unwrap() as usize <= offset, "{problem:?} for byte {offset}");
        let store = try_open(&rotten, &Options { segment: 1 << 20, ..options(&IndexDir::new()) });
        let store = store.unwrap();
        assert_eq!(store.findings().damage.len(), 1);
        let read = store.records(&space(), &Class::Board).filter(Result::is_ok).count();
        assert_eq!(read, 8, "byte {offset}");
    }
}

#[test]
fn a_damaged_header_or_a_lost_salt_takes_nothing_with_it() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    let posts = posts(1, 5);
    store.append(&posts).unwrap();
    store.local_put(&[(b"key", Some(b"value"))]).unwrap();
    drop(store);
    files.rot(&Path::new(DIR).join("log/0001.seg"), 20);
    files.remove(&Path::new(DIR).join("store")).unwrap();
    assert_eq!(report(&files).records, 5);
    let store = open(&files, &IndexDir::new());
    assert_eq!(store.counts().records, 5);
    assert_eq!(store.local_get(b"key").as_deref(), Some(&b"value"[..]));
    assert_eq!(store.findings().damage.len(), 1, "the header is reported");
}

#[test]
fn a_block_that_rotted_or_vanished_is_reported_once_and_can_be_fetched_again() {
    let (small, large, gone) = (block(1, 500), block(2, 70_000), block(3, 80_000));
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    let put = |(cid, bytes): &(kith_core::cid::Cid, bytes::Bytes)| {
        let mut batch = store.block_batch();
        batch.put(Some(space()), *cid, bytes.clone()).unwrap();
        batch.commit().unwrap();
    };
    [&small, &large, &gone].into_iter().for_each(&put);
    let mut batch = store.block_batch();
    batch.put(Some(SpaceId([9; 32])), large.0, large.1.clone()).unwrap();
    batch.commit().unwrap();
    files.rot(&Path::new(DIR).join("packs/0001.pack"), 200);
    files.rot(&file_of(&files, 70_000), 50_000);
    files.remove(&file_of(&files, 80_000)).unwrap();
    for (cid, bytes) in [&small, &large, &gone] {
        let error = store.block(cid, Check::Hash).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(!store.has_block(cid).unwrap());
        put(&(*cid, bytes.clone()));
        assert_eq!(store.block_in(&space(), cid).unwrap().as_ref(), Some(bytes));
    }
    drop(batch);
    assert_eq!(store.counts().blocks, 3);
    let rows = store.dump_rows().unwrap();
    drop(store);
    let store = try_open(&files, &Options { rebuild: true, ..options(&index) }).unwrap();
    assert_eq!(store.dump_rows().unwrap(), rows);
}

#[test]
fn verifying_reads_everything_and_says_what_to_do() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    store.append(&posts(1, 5)).unwrap();
    store.local_put(&[(b"key", Some(b"value"))]).unwrap();
    let mut batch = store.block_batch();
    for (cid, bytes) in [block(1, 500), block(2, 70_000)] {
        batch.put(None, cid, bytes).unwrap();
    }
    batch.commit().unwrap();
    let disk: Arc<dyn Files> = Arc::new(files.clone());
    let busy = verify(&disk, Path::new(DIR), &mut |_| ());
    assert!(matches!(busy, Err(StoreError::InUse(_))));
    drop((store, batch));
    let good = report(&files);
    assert_eq!(good.problems, []);
    assert_eq!(
        (good.records, good.blocks, good.block_bytes, good.local_changes),
        (5, 2, 70_500, 1)
    );
    files.rot(&file_of(&files, 70_000), 69_999);
    files.rot(&Path::new(DIR).join("local/0001.seg"), 45);
    let bad = report(&files);
    assert_eq!((bad.problems.len(), bad.blocks, bad.local_changes), (2, 1, 0));
    assert!(bad.problems.iter().all(|problem| !problem.advice.is_empty()));
}

fn report(files: &CutFiles) -> Report {
    let files: Arc<dyn Files> = Arc::new(files.clone());
    verify(&files, Path::new(DIR), &mut |_| ()).unwrap()
}

/// The file of the block of this size.
fn file_of(files: &CutFiles, size: u64) -> PathBuf {
    let blocks = Path::new(DIR).join("blocks");
    let dirs = files.list(&blocks).unwrap().into_iter().map(|entry| blocks.join(entry.name));
    let mut paths = dirs.flat_map(|dir| {
        let entries = files.list(&dir).unwrap().into_iter();
        let right = entries.filter(|entry| entry.stat.size == size);
        right.map(|entry| dir.join(entry.name)).collect::<Vec<_>>()
    });
    paths.next().unwrap()
}

fn assert_sound(disk: &CutFiles, records: &[Record], key: &[u8]) {
    let store = open(disk, &IndexDir::new());
    for record in records {
        assert_eq!(store.record(&record.id()).unwrap().as_ref(), Some(record.bytes()));
    }
    assert_eq!(store.local_get(b"key").as_deref(), Some(key));
    let damage = store.findings().damage.iter().filter(|damage| !damage.torn);
    assert_eq!(damage.collect::<Vec<_>>(), Vec::<&kith_store::Damage>::new());
}
