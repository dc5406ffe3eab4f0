//! A folder through a CAR file and back. The file stays in the target directory, so that
//! `node tests/ipfs/check.mjs target/tmp/kith-core-car/{folder.car,folder}` can read it too.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use kith_core::cid::Cid;
use kith_core::unixfs::car::{self, CarReader};
use kith_core::unixfs::{
    CHUNK, FileImporter, ListReader, RangeReader, Resolver, Stat, Step, TreeBuilder, stat,
};

type Blocks = BTreeMap<Cid, Bytes>;

#[test]
fn a_folder_survives_a_car_file() {
    let files = files();
    let mut written = Vec::new();
    let mut blocks = Blocks::new();
    let mut emit = |cid: Cid, block: Bytes| {
        if blocks.insert(cid, block.clone()).is_none() {
            written.extend(car::frame_head(&cid, block.len()));
            written.extend(&block);
        }
    };
    let mut tree = TreeBuilder::new();
    for (path, content) in &files {
        let mut importer = FileImporter::new();
        importer.push(content, &mut emit);
        tree.add(path, importer.finish(&mut emit).entry()).unwrap();
    }
    let made = tree.finish(&mut emit).unwrap();
    let car = [car::header(&made.root), written].concat();
    keep(&car, &files);

    let mut reader = CarReader::new();
    let mut read = Blocks::new();
    for piece in car.chunks(70_000) {
        reader.push(piece);
        while let Some((cid, block)) = reader.next_block().unwrap() {
            read.insert(cid, block);
        }
    }
    assert_eq!(reader.roots(), [made.root]);
    reader.finish().unwrap();
    for (path, content) in files.iter().step_by(20).chain(files.iter().take(2)) {
        let root = resolve(made.root, path, &read).unwrap();
        assert_eq!(stat(&root, &read[&root]), Ok(Stat::File { size: content.len() as u64 }));
        assert_eq!(&cat(root, &read), content, "{path}");
    }
    assert_eq!(count(made.root, &read), files.len());
}

fn files() -> BTreeMap<String, Vec<u8>> {
    let noise = |seed: usize, len: usize| (0..len).map(|i| (i * (seed + 7) / 3) as u8).collect();
    let mut files: BTreeMap<String, Vec<u8>> = (0..7_000)
        .map(|i| (format!("many/{i:05}.txt"), format!("file {i}").into_bytes()))
        .collect();
    files.insert("empty".into(), Vec::new());
    files.insert("Größe/ein Megabyte".into(), noise(1, CHUNK));
    files.insert("Größe/drei und etwas".into(), noise(2, 3 * CHUNK + 1));
    files
}

fn resolve(root: Cid, path: &str, blocks: &Blocks) -> Option<Cid> {
    let mut resolver = Resolver::new(root, path).unwrap();
    loop {
        match resolver.step() {
            Step::Need(cid) => resolver.supply(&cid, &blocks[&cid]).unwrap(),
            Step::Item(cid) => return Some(cid),
            Step::Done => return None,
        }
    }
}

fn cat(root: Cid, blocks: &Blocks) -> Vec<u8> {
    let mut reader = RangeReader::whole(root);
    let mut content = Vec::new();
    loop {
        match reader.step() {
            Step::Need(cid) => reader.supply(&cid, &blocks[&cid]).unwrap(),
            Step::Item(bytes) => content.extend(bytes),
            Step::Done => return content,
        }
    }
}

fn count(root: Cid, blocks: &Blocks) -> usize {
    if matches!(stat(&root, &blocks[&root]), Ok(Stat::File { .. })) {
        return 1;
    }
    let mut list = ListReader::new(root);
    let mut files = 0;
    loop {
        match list.step() {
            Step::Need(cid) => list.supply(&cid, &blocks[&cid]).unwrap(),
            Step::Item(entry) => files += count(entry.cid, blocks),
            Step::Done => return files,
        }
    }
}

fn keep(car: &[u8], files: &BTreeMap<String, Vec<u8>>) {
    let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kith-core-car");
    if fs::read(base.join("folder.car")).is_ok_and(|kept| kept == car) {
        return;
    }
    for (path, content) in files {
        let path = base.join("folder").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    fs::write(base.join("folder.car"), car).unwrap();
}
