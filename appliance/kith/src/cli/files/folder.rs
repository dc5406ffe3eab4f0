//! What is in a folder on this machine, in an order that does not depend on the file system.
//!
//! Symbolic links are not followed and not kept: they could lead anywhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use kith_core::body::normal_path;

use crate::client::Source;

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// Its files, each folder's in the order of their names' bytes.
    pub(super) files: Vec<Source>,
    /// Bytes in all files together.
    pub(super) bytes: u64,
    /// What is left out, and why.
    pub(super) skipped: Vec<(PathBuf, &'static str)>,
}

/// Looks through the folder at `root`.
///
/// # Errors
/// Says which file cannot be kept under its name, before any is sent: a folder that seems whole and is
/// not would be worse.
pub(super) fn look(root: &Path) -> anyhow::Result<Folder> {
    let mut folder = Folder::default();
    let mut names = BTreeSet::new();
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        let mut inner = Vec::new();
        for entry in entries(&root.join(&below))? {
            let path = below.join(entry.file_name());
            let kind =
                entry.file_type().with_context(|| format!("cannot look at {}", path.display()))?;
            if kind.is_dir() {
                inner.push(path);
            } else if kind.is_file() {
                let name = name(&path)?;
                if !names.insert(name.clone()) {
                    bail!("two files would both be called {name}: rename one");
                }
                folder.bytes += entry.metadata().map_or(0, |metadata| metadata.len());
                folder.files.push(Source { name, path: root.join(path) });
            } else {
                let why = if kind.is_symlink() { "a symbolic link" } else { "not a plain file" };
                folder.skipped.push((root.join(path), why));
            }
        }
        open.extend(inner.into_iter().rev());
    }
    Ok(folder)
}

fn entries(folder: &Path) -> anyhow::Result<Vec<fs::DirEntry>> {
    let attempt = || format!("cannot look into {}", folder.display());
    let mut entries: Vec<_> =
        fs::read_dir(folder).and_then(Iterator::collect).with_context(attempt)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

fn name(path: &Path) -> anyhow::Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("the name of {} is not UTF-8: rename it", path.display()))?;
    normal_path(text).with_context(|| format!("cannot keep {} under this name", path.display()))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_come_in_one_order_whatever_the_disk_says() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["b/2", "b/10", "a", "c", "b/x/y", ".hidden"] {
            let path = temp.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let folder = look(temp.path()).unwrap();
        let names: Vec<_> = folder.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, [".hidden", "a", "c", "b/10", "b/2", "b/x/y"]);
        assert_eq!(folder.bytes, 7 + 1 + 1 + 4 + 3 + 5);
        assert!(folder.skipped.is_empty());
    }

    #[test]
    fn links_are_left_out_even_those_that_lead_in_circles() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("file"), "x").unwrap();
        symlink("/etc/passwd", temp.path().join("link")).unwrap();
        symlink(".", temp.path().join("circle")).unwrap();
        let folder = look(temp.path()).unwrap();
        assert_eq!(folder.files.len(), 1);
        let skipped: Vec<_> = folder.skipped.iter().map(|(path, _)| path.file_name()).collect();
        assert_eq!(skipped, [Some(OsStr::new("circle")), Some(OsStr::new("link"))]);
    }

    #[test]
    fn a_name_that_cannot_be_kept_stops_it_before_anything_is_sent() {
        for name in [&b"\xff"[..], b"a\\b", b"line\nbreak"] {
            let temp = tempfile::tempdir().unwrap();
            fs::write(temp.path().join(OsStr::from_bytes(name)), "x").unwrap();
            look(temp.path()).unwrap_err();
        }
    }

    #[test]
    fn two_spellings_of_one_name_are_noticed() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("caf\u{e9}"), "x").unwrap();
        fs::write(temp.path().join("cafe\u{301}"), "x").unwrap();
        let message = look(temp.path()).unwrap_err().to_string();
        assert!(message.starts_with("two files would both be called"), "{message}");
    }
}
