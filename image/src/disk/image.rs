//! The hand that writes an image: tables and payloads at their places in a sparse file.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};

use super::layout::Plan;
use super::{SECTOR, gpt, mbr};

/// Writes an image to `path` with `payloads` (the name of an area, a file) in it. The seed decides the ids of
/// disk and partitions.
///
/// # Errors
/// A payload is larger than its area or belongs to none, or a file cannot be read or written.
pub fn write(
    plan: &Plan,
    seed: &[u8],
    payloads: &[(String, &Path)],
    path: &Path,
) -> anyhow::Result<()> {
    let wrong = || format!("cannot write {}", path.display());
    let mut image = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .with_context(wrong)?;
    image.set_len(plan.bytes).with_context(wrong)?;
    if plan.gpt {
        let (begin, end) = gpt::tables(plan, seed);
        at(&mut image, 0, &begin).with_context(wrong)?;
        at(&mut image, plan.bytes - end.len() as u64, &end).with_context(wrong)?;
    } else {
        at(&mut image, 0, &mbr::record(plan, seed)).with_context(wrong)?;
    }
    for (name, file) in payloads {
        let Some(area) = plan.area(name) else {
            let all: Vec<&str> =
                plan.partitions.iter().chain(&plan.raw).map(|area| &*area.name).collect();
            bail!("there is no {name} on this disk; there is {}", all.join(", "));
        };
        let bytes =
            file.metadata().with_context(|| format!("cannot read {}", file.display()))?.len();
        if bytes > area.bytes {
            bail!("{} has {bytes} bytes, and {name} has room for {}", file.display(), area.bytes);
        }
        copy(file, &mut image, area.offset)
            .with_context(|| format!("cannot write {} to {name}", file.display()))?;
    }
    image.sync_all().with_context(wrong)
}

fn at(image: &mut File, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    image.seek(SeekFrom::Start(offset))?;
    image.write_all(bytes)
}

/// Copies a file, leaving out what is zero, so that the image stays as small as what is in it.
fn copy(from: &Path, image: &mut File, offset: u64) -> std::io::Result<()> {
    let mut from = File::open(from)?;
    let mut block = vec![0; 128 * SECTOR as usize];
    let mut offset = offset;
    loop {
        let read = from.read(&mut block)?;
        if read == 0 {
            return Ok(());
        }
        let bytes = &block[..read];
        if bytes.iter().any(|byte| *byte != 0) {
            at(image, offset, bytes)?;
        }
        offset += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests_plan;
    use super::*;
    use crate::programs::Program;

    fn written(gpt: bool) -> (tempfile::TempDir, std::path::PathBuf, Plan) {
        let folder = tempfile::tempdir().unwrap();
        let payload = folder.path().join("payload");
        std::fs::write(&payload, [7; 1000]).unwrap();
        let plan = tests_plan(gpt);
        let path = folder.path().join("disk");
        write(&plan, b"seed", &[("kith-meta".into(), &payload)], &path).unwrap();
        (folder, path, plan)
    }

    /// What another program says about the image; nothing where it is not installed.
    fn asked(program: &str, arguments: &[&str], disk: &Path) -> Option<String> {
        let places = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let there = places.split(':').map(|place| Path::new(place).join(program));
        let Some(found) = there.into_iter().find(|path| path.is_file()) else {
            println!("skipped: {program} is not installed");
            return None;
        };
        let mut called = Program::new(found.to_str().unwrap());
        for argument in arguments {
            called = called.arg(argument);
        }
        Some(String::from_utf8(called.arg(disk).output().unwrap()).unwrap())
    }

    #[test]
    fn a_payload_lies_in_its_area() {
        for gpt in [true, false] {
            let (_folder, path, plan) = written(gpt);
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(bytes.len() as u64, plan.bytes);
            let at = usize::try_from(plan.area("kith-meta").unwrap().offset).unwrap();
            assert_eq!((bytes[at - 1], bytes[at], bytes[at + 999], bytes[at + 1000]), (0, 7, 7, 0));
        }
    }

    #[test]
    fn a_payload_that_is_too_large_or_nobodys_is_refused() {
        let (folder, path, plan) = written(true);
        let payload = folder.path().join("large");
        File::create(&payload).unwrap().set_len((1 << 20) + 1).unwrap();
        let error = |name: &str| {
            let payloads = [(name.to_owned(), &*payload)];
            write(&plan, b"seed", &payloads, &path).unwrap_err().to_string()
        };
        assert!(error("kith-meta").contains("has room for 1048576"));
        assert!(error("data").contains("there is no data on this disk; there is kith-boot"));
    }

    #[test]
    fn sfdisk_reads_what_was_planned() {
        for gpt in [true, false] {
            let (_folder, path, plan) = written(gpt);
            let Some(said) = asked("sfdisk", &["--json"], &path) else { return };
            let said: serde_json::Value = serde_json::from_str(&said).unwrap();
            let table = &said["partitiontable"];
            assert_eq!(table["label"], if gpt { "gpt" } else { "dos" });
            let found = table["partitions"].as_array().unwrap();
            assert_eq!(found.len(), plan.partitions.len());
            for (found, planned) in found.iter().zip(&plan.partitions) {
                assert_eq!(found["start"], planned.first());
                assert_eq!(found["size"], planned.sectors());
                assert!(!gpt || found["name"] == *planned.name);
            }
        }
    }

    #[test]
    fn sgdisk_finds_nothing_wrong_unless_something_is() {
        let (_folder, path, plan) = written(true);
        let Some(said) = asked("sgdisk", &["--verify"], &path) else { return };
        assert!(said.contains("No problems found"), "{said}");
        let mut image = OpenOptions::new().write(true).open(&path).unwrap();
        at(&mut image, plan.bytes - 8 * SECTOR, &[1; 16]).unwrap();
        let said = asked("sgdisk", &["--verify"], &path).unwrap();
        assert!(!said.contains("No problems found"), "{said}");
    }
}
