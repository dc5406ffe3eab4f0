//! Whole small files, written so that a crash leaves the old one or the new one.

use std::path::Path;

use crate::{FileError, Files, Kind, Open};

/// Replaces `dir/name` by `bytes`; on return the new file lasts, and a crash before leaves the old one.
///
/// # Errors
/// What the disk says; the old file is then still there.
pub fn write_durably(
    files: &dyn Files,
    dir: &Path,
    name: &str,
    bytes: &[u8],
    mode: u32,
) -> Result<(), FileError> {
    let temporary = dir.join(format!(".{name}.new"));
    let written = replace(files, &temporary, &dir.join(name), bytes, mode);
    if written.is_err() && files.stat(&temporary).is_ok_and(|found| found.is_some()) {
        // The failure is what the caller has to know; a left-over is overwritten next time.
        drop(files.remove(&temporary));
    }
    written?;
    files.sync_dir(dir)
}

fn replace(
    files: &dyn Files,
    temporary: &Path,
    target: &Path,
    bytes: &[u8],
    mode: u32,
) -> Result<(), FileError> {
    if files.stat(temporary)?.is_some() {
        files.remove(temporary)?;
    }
    let file = files.open(temporary, Open::Create(mode))?;
    file.write_at(0, bytes)?;
    file.sync_all()?;
    files.rename(temporary, target)
}

/// Makes `dir` and every missing parent with `mode`, and makes them last.
///
/// # Errors
/// What the disk says.
pub fn create_dir_durably(files: &dyn Files, dir: &Path, mode: u32) -> Result<(), FileError> {
    if files.stat(dir)?.is_some() {
        return Ok(());
    }
    let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) else {
        return made(files.create_dir(dir, mode));
    };
    create_dir_durably(files, parent, mode)?;
    made(files.create_dir(dir, mode))?;
    files.sync_dir(parent)
}

fn made(result: Result<(), FileError>) -> Result<(), FileError> {
    match result {
        Err(error) if error.kind() == Kind::Exists => Ok(()),
        other => other,
    }
}

/// All of a file of at most `limit` bytes; `None` when it is missing or longer.
///
/// # Errors
/// What the disk says.
pub fn read_whole(
    files: &dyn Files,
    path: &Path,
    limit: usize,
) -> Result<Option<Vec<u8>>, FileError> {
    let file = match files.open(path, Open::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == Kind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let Ok(size) = usize::try_from(file.size()?) else { return Ok(None) };
    if size > limit {
        return Ok(None);
    }
    let mut bytes = vec![0; size];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::CutFiles;
    use crate::{PRIVATE_DIR, PRIVATE_FILE, Switches};

    #[test]
    fn a_cut_at_any_moment_leaves_the_old_file_or_the_new_one() {
        assert_eq!(losses(Switches::default()), 0);
    }

    #[test]
    fn without_either_sync_the_same_cuts_find_a_loss() {
        assert!(losses(Switches { no_fsync: true, no_dirsync: false }) > 0);
        assert!(losses(Switches { no_fsync: false, no_dirsync: true }) > 0);
    }

    /// Writes twice, cuts everywhere, and counts the disks that hold neither what they should.
    fn losses(switches: Switches) -> usize {
        let files = CutFiles::with(switches);
        let dir = Path::new("/box/settings");
        create_dir_durably(&files, dir, PRIVATE_DIR).unwrap();
        let old = vec![b'o'; 3_000];
        let new = vec![b'n'; 5_000];
        write_durably(&files, dir, "settings.toml", &old, PRIVATE_FILE).unwrap();
        let first = files.operations();
        write_durably(&files, dir, "settings.toml", &new, PRIVATE_FILE).unwrap();
        let second = files.operations();
        let lost = |at: usize, seed: u64| {
            let disk = files.crashed_at(at, seed);
            let found = read_whole(&disk, &dir.join("settings.toml"), 10_000).unwrap();
            let (is_old, is_new) = (found.as_ref() == Some(&old), found.as_ref() == Some(&new));
            !(is_new || is_old && at < second)
        };
        (first..=second).map(|at| (0..40).filter(|seed| lost(at, *seed)).count()).sum()
    }
}
