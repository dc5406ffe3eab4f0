//! Whose what is: the run directory and the state laid out for the users of an appliance.
//!
//! ```text
//! RUN              root           may be walked through
//! RUN/daemons,log  root           nobody else's business
//! RUN/link         link           what daemons read, by the group it hands on
//! STATE            root, shared   both roles make sockets; nobody removes what is another's (sticky)
//! STATE/settings   link
//! STATE/...        node
//! ```

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};

use kith_role::users;

use crate::daemons::table::HOOK;

/// Why it cannot be laid out.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare {}", path.display())]
pub struct FolderError {
    path: PathBuf,
    source: io::Error,
}

/// What in the state is the supervisor's own.
const OWN: [&str; 4] = ["supervise.lock", "supervise.sock", "peer-port", "run"];

/// The folder of link in the state.
const SETTINGS: &str = "settings";

/// Who owns a folder, and who may do what in it.
#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
    mode: u32,
}

/// Lays out the run directory; for users of their own if `drop`.
///
/// # Errors
/// What the file system says.
pub(crate) fn prepare_run(run: &Path, drop: bool) -> Result<(), FolderError> {
    let private = Owner { uid: 0, gid: 0, mode: 0o700 };
    make(run, drop.then_some(Owner { mode: 0o711, ..private }))?;
    make(&run.join("daemons"), drop.then_some(private))?;
    make(&run.join("log"), drop.then_some(private))?;
    let link = Owner { uid: users::LINK, gid: users::RENDERED, mode: 0o2750 };
    make(&run.join("link"), drop.then_some(link))
}

/// Puts the hook of dhcpcd in its place: this program by another name.
///
/// # Errors
/// What the file system says.
pub(crate) fn place_hook(run: &Path) -> Result<(), FolderError> {
    let path = run.join(HOOK);
    let attempt = || {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        symlink(fs::read_link("/proc/self/exe")?, &path)
    };
    attempt().map_err(|source| FolderError { path: path.clone(), source })
}

/// Gives the state to the roles that own its parts.
///
/// # Errors
/// What the file system says.
pub(crate) fn prepare_state(state: &Path) -> Result<(), FolderError> {
    let shared = Owner { uid: 0, gid: users::SHARED, mode: 0o1770 };
    own(state, shared).map_err(|source| FolderError { path: state.to_owned(), source })?;
    let settings = state.join(SETTINGS);
    make(&settings, Some(Owner { uid: users::LINK, gid: users::LINK, mode: 0o700 }))?;
    give(&settings, users::LINK, 0)?;
    let entries = list(state)?;
    let of_node = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !OWN.contains(&name) && name != SETTINGS && !name.ends_with(".sock")
    };
    entries.into_iter().filter(of_node).try_for_each(|path| give(&path, users::NODE, 0))
}

/// How deep strays are looked for each time: what somebody did as root lies in the upper folders, and the
/// blocks of a large store are not walked through at every start.
const SHALLOW: u32 = 1;

/// Gives `path` and what is in it to `uid`, never through a link. Below something that had another owner,
/// everything is looked at.
fn give(path: &Path, uid: u32, depth: u32) -> Result<(), FolderError> {
    let failed = |source| FolderError { path: path.to_owned(), source };
    let found = fs::symlink_metadata(path).map_err(failed)?;
    let stray = found.uid() != uid || found.gid() != uid;
    if stray {
        lchown(path, Some(uid), Some(uid)).map_err(failed)?;
    }
    if !found.is_dir() || (!stray && depth > SHALLOW) {
        return Ok(());
    }
    list(path)?.iter().try_for_each(|inside| give(inside, uid, if stray { 0 } else { depth + 1 }))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let failed = |source| FolderError { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect()
}

fn make(folder: &Path, owner: Option<Owner>) -> Result<(), FolderError> {
    let attempt = || {
        let found = match fs::symlink_metadata(folder) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder)?;
                fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
                fs::symlink_metadata(folder)?
            }
            Err(error) => return Err(error),
        };
        if !found.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        owner.map_or(Ok(()), |owner| own(folder, owner))
    };
    attempt().map_err(|source| FolderError { path: folder.to_owned(), source })
}

fn own(folder: &Path, owner: Owner) -> io::Result<()> {
    let found: Metadata = fs::symlink_metadata(folder)?;
    if (found.uid(), found.gid()) != (owner.uid, owner.gid) {
        lchown(folder, Some(owner.uid), Some(owner.gid))?;
    }
    if found.mode() & 0o7777 != owner.mode {
        fs::set_permissions(folder, fs::Permissions::from_mode(owner.mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_directory_is_made_once_and_kept() {
        let temp = tempfile::tempdir().unwrap();
        let run = temp.path().join("a/run");
        prepare_run(&run, false).unwrap();
        fs::write(run.join("daemons/hostapd-phy0"), "x").unwrap();
        prepare_run(&run, false).unwrap();
        for folder in ["daemons", "log", "link"] {
            let mode = run.join(folder).metadata().unwrap().mode();
            assert_eq!(mode & 0o777, 0o700, "{folder}");
        }
        assert!(run.join("daemons/hostapd-phy0").exists());
        place_hook(&run).unwrap();
        place_hook(&run).unwrap();
        assert_eq!(fs::canonicalize(run.join(HOOK)).unwrap(), std::env::current_exe().unwrap());
    }

    #[test]
    fn something_else_in_its_place_is_an_error_in_words() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("run"), "x").unwrap();
        let error = prepare_run(&temp.path().join("run"), false).unwrap_err();
        assert!(error.to_string().starts_with("cannot prepare "), "{error}");
    }

    #[test]
    fn the_state_is_given_to_its_owners_and_no_link_is_followed() {
        // In a user namespace with one user there is nobody to give anything to.
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let users: u64 = map.split_whitespace().nth(2).and_then(|n| n.parse().ok()).unwrap_or(0);
        if !nix::unistd::geteuid().is_root() || users <= u64::from(users::NODE) {
            return;
        }
        let temp = tempfile::tempdir().unwrap();
        let (state, outside) = (temp.path().join("state"), temp.path().join("outside"));
        fs::create_dir_all(state.join("blocks/ab")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(state.join("blocks/ab/c"), "x").unwrap();
        fs::write(state.join("supervise.lock"), "x").unwrap();
        symlink(&outside, state.join("blocks/link")).unwrap();
        prepare_state(&state).unwrap();
        let owner = |path: &Path| fs::symlink_metadata(path).unwrap().uid();
        for (path, uid) in [
            ("", 0),
            ("settings", users::LINK),
            ("blocks", users::NODE),
            ("blocks/ab/c", users::NODE),
            ("blocks/link", users::NODE),
            ("supervise.lock", 0),
        ] {
            assert_eq!(owner(&state.join(path)), uid, "{path}");
        }
        assert_eq!(owner(&outside), 0);
        assert_eq!(state.metadata().unwrap().mode() & 0o7777, 0o1770);
        // What was done as root afterwards is found in the upper folders.
        fs::write(state.join("blocks/stray"), "x").unwrap();
        prepare_state(&state).unwrap();
        assert_eq!(owner(&state.join("blocks/stray")), users::NODE);
    }
}
