//! How fast the store takes records and blocks on a real disk: prints a table, asserts nothing.
//!
//! `cargo run --release -p kith-store --example throughput [DIR]`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement ends at the first failure"
)]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use kith_core::body::Body;
use kith_core::cid::{Cid, Codec};
use kith_core::fold::{Fold, Rows};
use kith_core::identity::SecretKey;
use kith_core::record::{Class, Draft, Record, SpaceId};
use kith_core::time::Hlc;
use kith_files::RealFiles;
use kith_store::{Check, Hashed, Options, Store};

#[derive(Debug)]
struct Texts;

impl Fold for Texts {
    fn version(&self) -> u32 {
        1
    }

    fn fold(&self, record: &Record, rows: &mut dyn Rows) {
        if let Body::Post { text, .. } = record.body() {
            rows.put(&record.id().0, text.as_bytes());
        }
    }
}

fn main() {
    let base = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = base.join(format!("kith-throughput-{}", std::process::id()));
    let mut store = open(&dir);
    blocks(&store, 10_000, 4 << 10);
    blocks(&store, 256, 1 << 20);
    let records = posts(10_000);
    time("10,000 records, 256 at once", || {
        records.chunks(256).for_each(|some| drop(store.append(some).unwrap()));
    });
    let records = posts(10_200);
    time("200 records one by one", || {
        records[10_000..]
            .iter()
            .for_each(|one| drop(store.append(std::slice::from_ref(one)).unwrap()));
    });
    time("200 local values one by one", || {
        (0..200_u32).for_each(|i| store.local_put(&[(b"clock", Some(&i.to_be_bytes()))]).unwrap());
    });
    time("closing", || drop(store.clone()));
    drop(store);
    store = time("opening", || open(&dir));
    drop(store);
    let options = Options { rebuild: true, ..Options::default() };
    let files = Arc::new(RealFiles::new());
    time("making the index anew", || {
        drop(Store::open(files, &dir, Arc::new(Texts), &options, &mut |_| ()).unwrap());
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
    std::fs::remove_dir_all(dir).unwrap();
}

fn open(dir: &Path) -> Store {
    let files = Arc::new(RealFiles::new());
    Store::open(files, dir, Arc::new(Texts), &Options::default(), &mut |_| ()).unwrap()
}

fn blocks(store: &Store, count: u64, size: usize) {
    let block = |number: u64| {
        let mut bytes = vec![size as u8; size];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        (Cid::of(Codec::Raw, &bytes), Bytes::from(bytes))
    };
    let all: Vec<_> = (0..count).map(block).collect();
    let space = Some(SpaceId([1; 32]));
    time(&format!("{count} blocks of {} KiB", size >> 10), || {
        let mut batch = store.block_batch();
        for (cid, bytes) in &all {
            batch.put_hashed(space, Hashed::just_computed(*cid, bytes.clone())).unwrap();
        }
        batch.commit().unwrap();
    });
    time(&format!("reading {count} blocks of {} KiB", size >> 10), || {
        for (cid, _) in &all {
            store.block(cid, Check::Quick).unwrap().unwrap();
        }
    });
}

fn posts(count: u64) -> Vec<Record> {
    let key = SecretKey::from_seed(&[1; 32]);
    let mut prev = None;
    let post = |seq| {
        let draft = Draft {
            space: Some(SpaceId([1; 32])),
            class: Class::Board,
            seq,
            prev,
            time: Hlc::from_bits(seq),
            gov_heads: Vec::new(),
            body: Body::Post { text: format!("Post {seq}"), re: None },
        };
        let record = Record::sign(&key, draft);
        prev = Some(record.id());
        record
    };
    (0..count).map(post).collect()
}

fn time<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!("{what:40} {:9.1} ms", start.elapsed().as_secs_f64() * 1_000.0);
    result
}
