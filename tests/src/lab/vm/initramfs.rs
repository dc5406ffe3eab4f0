//! What the kernel starts with: busybox, the modules that reach the host's files, and `init.sh`.
//!
//! The archive is cpio's "newc" format, which the kernel unpacks (Linux,
//! Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::kernel::{Kernel, filtered};

const INIT: &str = include_str!("../../../vm/init.sh");
/// Reaching the host's files takes these; all others are loaded from there.
const MODULES: [&str; 5] = ["virtio_pci", "virtio_rng", "9pnet_virtio", "9p", "overlay"];
const FOLDERS: [&str; 9] =
    ["bin", "dev", "lib", "proc", "sys", "ro", "rw", "newroot", "newroot/dev"];

/// The archive that mounts the host's files and goes on with `next`, a program of the host.
///
/// # Errors
/// When busybox or a module is missing.
pub(crate) fn build(kernel: &Kernel, busybox: &Path, next: &Path) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in FOLDERS {
        archive.add(folder, 0o040_755, b"");
    }
    let program = fs::read(busybox).with_context(|| format!("read {}", busybox.display()))?;
    archive.add("bin/busybox", 0o100_755, &program);
    let folder = kernel.modules();
    let listed = fs::read_to_string(folder.join("modules.dep")).context("read modules.dep")?;
    let builtin = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
    let mut load = String::new();
    for path in in_order(&listed, &builtin, &MODULES)? {
        let packed = fs::read(folder.join(&path)).with_context(|| format!("read {path}"))?;
        let module =
            if path.ends_with(".xz") { filtered("xz", &["-dc"], &packed)? } else { packed };
        let name = format!("lib/{}.ko", name_of(&path));
        archive.add(&name, 0o100_644, &module);
        load.push_str(&format!("/{name}\n"));
    }
    archive.add("load", 0o100_644, load.as_bytes());
    let next = next.to_str().context("a path in UTF-8")?;
    archive.add("next", 0o100_644, format!("{next}\n").as_bytes());
    archive.add("init", 0o100_755, INIT.as_bytes());
    Ok(archive.end())
}

/// The files to load so that `wanted` work, each after what it needs.
fn in_order(listed: &str, builtin: &str, wanted: &[&str]) -> Result<Vec<String>> {
    let needs: BTreeMap<String, (&str, Vec<String>)> = listed
        .lines()
        .filter_map(|l| l.split_once(':'))
        .map(|(path, needs)| {
            (name_of(path), (path, needs.split_whitespace().map(name_of).collect()))
        })
        .collect();
    let builtin: Vec<String> = builtin.lines().map(name_of).collect();
    let mut order = Vec::new();
    for name in wanted.iter().filter(|n| !builtin.iter().any(|b| b == *n)) {
        visit(name, &needs, &mut order)?;
    }
    Ok(order)
}

fn visit(
    name: &str,
    needs: &BTreeMap<String, (&str, Vec<String>)>,
    order: &mut Vec<String>,
) -> Result<()> {
    let (path, needed) = needs.get(name).with_context(|| format!("no module {name}"))?;
    if order.iter().any(|o| o == path) {
        return Ok(());
    }
    for other in needed {
        visit(other, needs, order)?;
    }
    order.push((*path).to_owned());
    Ok(())
}

/// `kernel/fs/9p/9p.ko.xz` is `9p`; dashes and underscores are the same to the kernel.
fn name_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

/// Whether an ELF program of 64 bits asks for no dynamic linker (it has no segment `PT_INTERP`).
pub(super) fn is_static(program: &[u8]) -> bool {
    let number = |at: usize, long: usize| {
        let bytes = program.get(at..at + long)?;
        bytes.iter().rev().try_fold(0_usize, |n, b| n.checked_mul(256)?.checked_add((*b).into()))
    };
    let segments = || -> Option<Vec<usize>> {
        let (start, size, count) = (number(0x20, 8)?, number(0x36, 2)?, number(0x38, 2)?);
        (0..count).map(|n| number(start.checked_add(n * size)?, 4)).collect()
    };
    program.starts_with(b"\x7fELF\x02") && segments().is_some_and(|kinds| !kinds.contains(&3))
}

#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    files: u32,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.files += 1;
        self.bytes.extend_from_slice(b"070701");
        let (length, name_length) = (content.len(), name.len() + 1);
        // inode, mode, uid, gid, links, time, size, 2 + 2 device numbers, length of the name, checksum
        for number in [self.files, mode, 0, 0, 1, 0] {
            self.bytes.extend_from_slice(format!("{number:08x}").as_bytes());
        }
        for number in [length, 0, 0, 0, 0, name_length, 0] {
            self.bytes.extend_from_slice(format!("{number:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, b"");
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n\
                          kernel/net/9p/9pnet.ko.xz: kernel/fs/netfs/netfs.ko.xz\n\
                          kernel/fs/netfs/netfs.ko.xz:\n\
                          kernel/net/batman-adv/batman-adv.ko.xz:\n";

    #[test]
    fn a_module_comes_after_what_it_needs_and_once() {
        let order = in_order(LISTED, "", &["9p", "batman_adv", "9pnet"]).unwrap();
        let names: Vec<String> = order.iter().map(|p| name_of(p)).collect();
        assert_eq!(names, ["netfs", "9pnet", "9p", "batman_adv"]);
    }

    #[test]
    fn what_is_built_in_is_not_loaded_and_what_is_missing_is_said() {
        let order = in_order(LISTED, "kernel/fs/9p/9p.ko\n", &["9p"]).unwrap();
        assert!(order.is_empty());
        assert!(in_order(LISTED, "", &["ext4"]).is_err());
    }

    #[test]
    fn every_part_of_the_archive_is_aligned_and_says_its_length() {
        let mut archive = Archive::default();
        archive.add("a", 0o100_644, b"hello");
        let bytes = archive.end();
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(&bytes[54..62], b"00000005", "the size is the seventh number");
        assert_eq!(&bytes[94..102], b"00000002", "the length of the name is the twelfth");
        assert_eq!(&bytes[112..117], b"hello");
        assert!(bytes.windows(10).any(|w| w == b"TRAILER!!!"));
    }

    #[test]
    fn a_program_that_wants_a_linker_is_no_busybox_for_us() {
        let mut program = vec![0; 0x40 + 2 * 56];
        program[..5].copy_from_slice(b"\x7fELF\x02");
        program[0x20] = 0x40;
        program[0x36] = 56;
        program[0x38] = 2;
        program[0x40] = 1;
        program[0x40 + 56] = 1;
        assert!(is_static(&program));
        program[0x40 + 56] = 3;
        assert!(!is_static(&program));
        assert!(!is_static(b"#!/bin/sh"));
        assert!(!is_static(b"\x7fELF\x02"));
    }
}
