//! The index is a convenience: absent, stale, of another store or garbage, the rows end up the same.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use kith_core::fold::Row;
use kith_files::cut::CutFiles;
use kith_store::{IndexOrigin, Options, Store, rebuild};

use crate::scene::{DIR, IndexDir, Posts, block, genesis, open, options, posts, space, try_open};

#[test]
fn after_a_cut_any_index_gives_the_rows_that_a_rebuild_gives() {
    let (files, fresh) = (CutFiles::new(), IndexDir::new());
    let half = IndexDir::new();
    let store = open(&files, &fresh);
    fill(&store, 0);
    drop(store);
    copy(&fresh, &half);
    let from = files.operations();
    let store = open(&files, &fresh);
    fill(&store, 1);
    drop(store);
    let mut origins = [0; 3];
    for cut in from..=files.operations() {
        let disk = files.crashed_at(cut, cut as u64);
        let expected = rows(&disk, &IndexDir::new()).0;
        for (image, count) in [&half, &fresh].into_iter().zip(0..) {
            let index = IndexDir::new();
            copy(image, &index);
            let (found, origin) = rows(&disk, &index);
            assert_eq!(found, expected, "cut at {cut}, image {count}: {origin:?}");
            origins[match origin {
                IndexOrigin::Kept => 0,
                IndexOrigin::Checked => 1,
                IndexOrigin::Rebuilt(_) => 2,
                IndexOrigin::New => panic!("there was an index"),
            }] += 1;
        }
    }
    assert!(origins.iter().all(|count| *count > 0), "kept, checked, rebuilt: {origins:?}");
}

#[test]
fn garbage_in_the_index_is_found_whether_or_not_it_was_closed_in_good_order() {
    let (files, fresh) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &fresh);
    fill(&store, 0);
    // Enough rows for several of sled's own segments of 512 KiB.
    let mut batch = store.block_batch();
    for number in 1_000..4_000 {
        let (cid, bytes) = block(number, 8);
        batch.put(Some(space()), cid, bytes).unwrap();
    }
    batch.commit().unwrap();
    drop(batch);
    let expected = store.dump_rows().unwrap();
    let unclean = files.crashed(0);
    drop(store);
    let mut origins = [0; 2];
    let mut check = |name: &std::ffi::OsStr, bytes: &[u8]| {
        for disk in [&unclean, &files] {
            let index = IndexDir::new();
            copy(&fresh, &index);
            fs::write(index.path().join(name), bytes).unwrap();
            let (found, origin) = rows(disk, &index);
            assert!(found == expected, "{name:?}: {origin:?}");
            origins[usize::from(matches!(origin, IndexOrigin::Rebuilt(_)))] += 1;
        }
    };
    for entry in fs::read_dir(fresh.path()).unwrap().map(Result::unwrap) {
        let Ok(good) = fs::read(entry.path()) else { continue };
        check(&entry.file_name(), &[]);
        check(&entry.file_name(), &vec![0xa5; good.len()]);
        let used: Vec<usize> = (0..good.len()).filter(|at| good[*at] != 0).collect();
        for (round, at) in used.iter().step_by(used.len() / 5).enumerate() {
            let mut bytes = good.clone();
            match round % 3 {
                0 => bytes[*at..(at + 3_000).min(good.len())].fill(0xa5),
                1 => bytes.truncate(*at),
                _ => bytes[*at] ^= 1,
            }
            check(&entry.file_name(), &bytes);
        }
    }
    assert!(origins.iter().all(|count| *count > 2), "mended, made anew: {origins:?}");
}

#[test]
fn the_index_of_another_store_is_not_believed() {
    let (ours, theirs) = (CutFiles::new(), CutFiles::new());
    let (our_index, their_index) = (IndexDir::new(), IndexDir::new());
    let store = open(&theirs, &their_index);
    store.append(&posts(2, 9)).unwrap();
    drop(store);
    let store = open(&ours, &our_index);
    store.append(&posts(1, 9)).unwrap();
    let expected = store.dump_rows().unwrap();
    drop(store);
    let (found, origin) = rows(&ours, &their_index);
    assert_eq!(found, expected);
    assert!(matches!(origin, IndexOrigin::Rebuilt(_)), "{origin:?}");
}

#[test]
fn views_of_another_version_are_made_anew_and_so_are_those_that_were_asked_for() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    fill(&store, 0);
    let counts = store.counts();
    drop(store);
    let fold = Arc::new(Posts(2));
    let disk = Arc::new(files.clone());
    let store =
        Store::open(disk.clone(), Path::new(DIR), fold.clone(), &options(&index), &mut |_| ());
    let store = store.unwrap();
    assert!(matches!(&store.findings().index, IndexOrigin::Rebuilt(_)));
    assert_eq!(store.counts(), counts);
    drop(store);
    let mut steps = Vec::new();
    let wide = Options { segment: 1 << 30, ..options(&index) };
    let mut heard = |step| steps.push(step);
    assert_eq!(rebuild(disk, Path::new(DIR), fold, &wide, &mut heard).unwrap(), counts);
    assert!(steps.iter().all(|step| step.done <= step.total), "{steps:?}");
}

/// Records, blocks of both sizes, and tags; `part` makes them different.
fn fill(store: &Store, part: u32) {
    store.append(&[genesis()]).unwrap();
    let posts = posts(1 + part as u8, 12);
    posts.chunks(4).for_each(|some| drop(store.append(some).unwrap()));
    let mut batch = store.block_batch();
    for number in 0..4 {
        let (cid, bytes) = block(part * 3 + number, 3_000 + 66_000 * (number as usize % 2));
        batch.put(Some(space()), cid, bytes).unwrap();
        batch.commit().unwrap();
    }
    store.append(&posts).unwrap();
}

fn rows(disk: &CutFiles, index: &IndexDir) -> (Vec<Row>, IndexOrigin) {
    let disk = disk.crashed(0);
    let store = try_open(&disk, &options(index)).unwrap();
    let rows = store.dump_rows().unwrap();
    (rows, store.findings().index.clone())
}

/// Copies an index that nobody has open.
fn copy(from: &IndexDir, to: &IndexDir) {
    fs::create_dir(to.path()).unwrap();
    for entry in fs::read_dir(from.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
        }
    }
}
