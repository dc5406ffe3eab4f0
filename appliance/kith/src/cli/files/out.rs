//! Where what is copied out goes: the standard output, or a file that appears only when it is whole.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A file under another name until it is whole; removed when it never gets so.
#[derive(Debug)]
pub(super) struct Part {
    part: PathBuf,
    goal: PathBuf,
}

impl Part {
    /// Opens the part of what shall be the file `goal`.
    pub(super) fn create(goal: &Path) -> anyhow::Result<(Self, OwnedFd)> {
        // Named by process: the goal's own name may be as long as the file system allows.
        let part = goal.with_file_name(format!(".kith-{}.part", std::process::id()));
        let file =
            File::create(&part).with_context(|| format!("cannot write {}", goal.display()))?;
        Ok((Self { part, goal: goal.to_owned() }, file.into()))
    }

    /// It is whole.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        fs::rename(&self.part, &self.goal)
            .with_context(|| format!("cannot write {}", self.goal.display()))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After the renaming there is nothing left under this name.
        fs::remove_file(&self.part).ok();
    }
}

/// The standard output as a descriptor to pass on.
pub(super) fn standard_output() -> anyhow::Result<OwnedFd> {
    io::stdout().as_fd().try_clone_to_owned().context("cannot use the standard output")
}

/// Where `name` goes when somebody says `out`: into it when it is a folder, as cp does.
pub(super) fn goal(out: &Path, name: &str) -> PathBuf {
    match name.rsplit('/').next() {
        Some(last) if out.is_dir() => out.join(last),
        Some(_) | None => out.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_appears_when_it_is_whole_and_not_before() {
        let temp = tempfile::tempdir().unwrap();
        let goal = temp.path().join("soup.pdf");
        fs::write(&goal, "old").unwrap();
        let (part, descriptor) = Part::create(&goal).unwrap();
        File::from(descriptor).write_all(b"new").unwrap();
        assert_eq!(fs::read(&goal).unwrap(), b"old");
        part.finish().unwrap();
        assert_eq!(fs::read(&goal).unwrap(), b"new");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_never_gets_whole_leaves_nothing_behind() {
        let temp = tempfile::tempdir().unwrap();
        let (part, _descriptor) = Part::create(&temp.path().join("soup.pdf")).unwrap();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
        drop(part);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn into_a_folder_it_goes_under_its_own_name() {
        let temp = tempfile::tempdir().unwrap();
        assert_eq!(goal(temp.path(), "a/soup.pdf"), temp.path().join("soup.pdf"));
        assert_eq!(goal(Path::new("new.pdf"), "a/soup.pdf"), Path::new("new.pdf"));
    }
}
