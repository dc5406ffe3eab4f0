//! What is put in comes out, now and after opening again.

use std::sync::Arc;

use kith_core::fold::{Order, ReadRows as _};
use kith_core::record::{Class, RecordId, SpaceId};
use kith_core::time::Hlc;
use kith_files::RealFiles;
use kith_files::cut::CutFiles;
use kith_store::{Appended, Check, Findings, Hashed, IndexOrigin, Options, Store, StoreError};

use crate::scene::{
    IndexDir, Posts, author, block, genesis, open, options, post, posts, space, try_open,
};

#[test]
fn records_come_out_as_they_went_in_now_and_later() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    assert_eq!(store.findings().index, IndexOrigin::New);
    let records: Vec<_> = [genesis()].into_iter().chain(posts(1, 30)).collect();
    assert_eq!(store.append(&records).unwrap(), vec![Appended::New; 31]);
    assert_eq!(store.append(&records[3..5]).unwrap(), vec![Appended::Known; 2]);
    let check = |store: &Store| {
        for record in &records {
            assert_eq!(store.record(&record.id()).unwrap().as_ref(), Some(record.bytes()));
        }
        let board = store.records(&space(), &Class::Board);
        let board: Vec<_> = board.map(Result::unwrap).collect();
        assert_eq!(board, records[1..]);
        assert_eq!(store.counts().records, 31);
        let last = store.last_of(&space(), &Class::Board, &author(1).author_id()).unwrap();
        assert_eq!(last, Some((29, records[30].id())));
    };
    check(&store);
    drop(store);
    let store = open(&files, &index);
    assert_eq!(store.findings().index, IndexOrigin::Kept);
    assert!(store.findings().damage.is_empty());
    check(&store);
}

#[test]
fn a_batch_may_hold_a_record_twice_and_two_with_one_counter() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    let (one, other) = (post(1, 0, None, "one"), post(1, 0, None, "other"));
    let both = [one.clone(), one.clone(), other.clone()];
    let appended = store.append(&both).unwrap();
    assert_eq!(appended, [Appended::New, Appended::Known, Appended::Fork(one.id())]);
    let third = post(1, 0, None, "third");
    let smaller = one.id().min(other.id());
    assert_eq!(store.append(&[third]).unwrap(), [Appended::Fork(smaller)]);
    assert_eq!(store.counts().records, 3);
}

#[test]
fn ids_are_read_page_by_page_and_spaces_and_classes_are_listed() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    store.append(&[genesis()]).unwrap();
    store.append(&posts(1, 10)).unwrap();
    store.append(&posts(2, 10)).unwrap();
    let (mut ids, mut after): (Vec<(Hlc, RecordId)>, _) = (Vec::new(), None);
    loop {
        let page = store.ids(&space(), &Class::Board, after, 3).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(*last);
        ids.extend(page);
    }
    assert_eq!(ids.len(), 20);
    assert!(ids.is_sorted());
    assert_eq!(store.spaces().unwrap(), [space()]);
    assert_eq!(store.classes(&space()).unwrap(), [Class::Board, Class::Gov]);
    assert_eq!(store.classes(&SpaceId([0; 32])).unwrap(), []);
    let newest = store.views().scan(b"newest/", None, 9, Order::Ascending);
    assert_eq!(newest.len(), 2);
    assert!(store.views().get(&newest[0].0).is_some());
    assert_eq!(store.views().get(b"broken"), None);
}

#[test]
fn a_record_that_a_view_cannot_take_is_kept_and_keeps_nothing_out() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    let bad = post(1, 0, None, "a view fails here");
    let good = post(1, 1, Some(bad.id()), "and not here");
    assert_eq!(store.append(&[bad.clone(), good.clone()]).unwrap(), [Appended::New; 2]);
    assert_eq!(store.record(&bad.id()).unwrap().as_ref(), Some(bad.bytes()));
    let good = [b"post/", &good.id().0[..]].concat();
    assert!(store.views().get(&good).is_some());
    let rows = store.dump_rows().unwrap();
    drop(store);
    assert_eq!(open(&files, &IndexDir::new()).dump_rows().unwrap(), rows);
}

#[test]
fn it_works_the_same_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let files = Arc::new(RealFiles::new());
        Store::open(files, dir.path(), Arc::new(Posts(1)), &Options::default(), &mut |_| ())
    };
    let store = open().unwrap();
    assert!(matches!(open(), Err(StoreError::InUse(_))));
    store.append(&posts(1, 10)).unwrap();
    let mut batch = store.block_batch();
    let blocks: Vec<_> = (0..8).map(|number| block(number, 20_000 * number as usize)).collect();
    for (cid, bytes) in &blocks {
        batch.put(Some(space()), *cid, bytes.clone()).unwrap();
    }
    batch.commit().unwrap();
    store.local_put(&[(b"key", Some(b"value"))]).unwrap();
    assert!(store.free_space().unwrap().free > 0);
    drop((store, batch));
    let store = open().unwrap();
    assert_eq!(store.findings(), &Findings { index: IndexOrigin::Kept, damage: Vec::new() });
    for (cid, bytes) in &blocks {
        assert_eq!(store.block(cid, Check::Hash).unwrap().as_ref(), Some(bytes));
    }
    assert_eq!((store.counts().records, store.counts().blocks), (10, 8));
    assert_eq!(store.local_get(b"key").as_deref(), Some(&b"value"[..]));
}

#[test]
fn small_and_large_blocks_are_kept_for_the_spaces_that_brought_them() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    let blocks: Vec<_> = [0, 1, 500, 65_535, 65_536, 300_000].into_iter().zip(1..).collect();
    let blocks: Vec<_> = blocks.into_iter().map(|(size, number)| block(number, size)).collect();
    let (ours, theirs) = (SpaceId([1; 32]), SpaceId([2; 32]));
    let mut batch = store.block_batch();
    for (cid, bytes) in &blocks {
        batch.put(Some(ours), *cid, bytes.clone()).unwrap();
        assert!(!store.has_block(cid).unwrap());
    }
    batch.commit().unwrap();
    let (cid, bytes) = &blocks[2];
    batch.put_hashed(Some(theirs), Hashed::just_computed(*cid, bytes.clone())).unwrap();
    batch.put(None, block(99, 10).0, block(99, 10).1).unwrap();
    batch.commit().unwrap();
    drop((batch, store));
    let store = open(&files, &index);
    for (cid, bytes) in &blocks {
        assert_eq!(store.block(cid, Check::Hash).unwrap().as_ref(), Some(bytes));
        assert_eq!(store.block_in(&ours, cid).unwrap().as_ref(), Some(bytes));
        assert_eq!(store.block_size(cid).unwrap(), Some(bytes.len() as u32));
        let theirs = store.block_in(&theirs, cid).unwrap();
        assert_eq!(theirs.is_some(), *cid == blocks[2].0);
    }
    assert_eq!(store.has_blocks(&[block(99, 10).0, block(98, 10).0]).unwrap(), [true, false]);
    let bytes: usize = blocks.iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!((store.counts().blocks, store.counts().block_bytes), (7, bytes as u64 + 10));
}

#[test]
fn bytes_that_are_not_the_block_are_refused() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    let mut batch = store.block_batch();
    let wrong = batch.put(None, block(1, 10).0, block(2, 10).1);
    assert!(matches!(wrong, Err(StoreError::WrongHash(_))));
    let large = batch.put(None, block(1, 10).0, vec![0; (1 << 20) + 1].into());
    assert!(matches!(large, Err(StoreError::TooLarge { .. })));
    batch.commit().unwrap();
    assert_eq!(store.counts().blocks, 0);
}

#[test]
fn a_batch_that_is_dropped_leaves_nothing_behind() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    let before = files.used();
    let mut batch = store.block_batch();
    let (cid, bytes) = block(1, 100_000);
    batch.put(None, cid, bytes).unwrap();
    assert!(files.used() > before);
    drop(batch);
    assert_eq!(files.used(), before);
}

#[test]
fn local_values_survive_change_removal_and_compaction() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    store.local_put(&[(b"peer/1", Some(b"one")), (b"peer/2", Some(b"two"))]).unwrap();
    store.local_put(&[(b"peer/1", None), (b"job/1", Some(b""))]).unwrap();
    for round in 0..400_u32 {
        store.local_put(&[(b"clock", Some(&[round as u8; 1_000]))]).unwrap();
    }
    let size = files.used();
    assert!(size < 300_000, "{size} bytes are left after compaction");
    drop(store);
    let store = open(&files, &index);
    assert_eq!(store.local_get(b"peer/1"), None);
    assert_eq!(store.local_get(b"job/1").as_deref(), Some(&b""[..]));
    assert_eq!(store.local_get(b"clock"), Some(vec![143; 1_000]));
    assert_eq!(store.local_scan(b"peer/"), [(b"peer/2".to_vec(), b"two".to_vec())]);
    let long = vec![0; 1_025];
    assert!(matches!(store.local_put(&[(&long, None)]), Err(StoreError::TooLarge { .. })));
}

#[test]
fn a_store_is_open_once() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    let second = try_open(&files, &options(&IndexDir::new()));
    assert!(matches!(second, Err(StoreError::InUse(_))));
    drop(store);
    open(&files, &index);
}

#[test]
fn an_open_store_that_is_not_used_writes_nothing() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    store.append(&posts(1, 3)).unwrap();
    drop(store);
    let before = files.changes();
    let store = open(&files, &index);
    assert_eq!(store.counts().records, 3);
    store.checkpoint().unwrap();
    drop(store);
    assert_eq!(files.changes(), before);
}

#[test]
fn callers_at_the_same_time_share_flushes() {
    let (files, index) = (CutFiles::new(), IndexDir::new());
    let store = open(&files, &index);
    let authors: Vec<_> = (1..=8).map(|seed| posts(seed, 20)).collect();
    std::thread::scope(|scope| {
        for records in &authors {
            let store = store.clone();
            scope.spawn(move || {
                for record in records {
                    let appended = store.append(std::slice::from_ref(record)).unwrap();
                    assert_eq!(appended, [Appended::New]);
                }
            });
        }
    });
    assert_eq!(store.counts().records, 160);
    let rows = store.dump_rows().unwrap();
    drop(store);
    let rebuilt = Options { rebuild: true, ..options(&index) };
    let store = try_open(&files, &rebuilt).unwrap();
    assert_eq!(store.dump_rows().unwrap(), rows);
}
