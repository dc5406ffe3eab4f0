//! Files below `RUN/link/`, which daemons read: written whole or not at all, never outside.
//!
//! Every folder on the way is opened as a folder and never through a symbolic link, since some of them
//! belong to daemons that may have been taken over. `RUN` is memory and gone after a restart of the
//! machine, so nothing is synchronised.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use kith_model::daemon::Program;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::desired::{FileSpec, OnChange};
use crate::hands::HandsError;
use crate::names::{CONTROL, LEASES};

/// What every daemon may read, by the group that `RUN/link` hands on to what is made in it.
const PLAIN: Mode = Mode::from_raw_mode(0o640);
/// What nobody else may read.
const SECRET: Mode = Mode::from_raw_mode(0o600);
/// Folders on the way to a file.
const FOLDER: Mode = Mode::from_raw_mode(0o750);

/// More than the largest file of ours, in bytes.
const LARGEST: u64 = 1 << 20;
/// More files than the box ever makes.
const MOST: usize = 512;
/// The end of the name of a mark beside a file of which its daemon has not been told yet.
const UNTOLD: &str = ".untold";
/// Folders within folders.
const DEEPEST: usize = 4;

const OPEN_FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The folder.
#[derive(Debug)]
pub(crate) struct Files {
    root: OwnedFd,
    /// The group of each daemon, where it has one of its own that this process is in too. Without one, a
    /// secret is readable by this process's user alone.
    groups: BTreeMap<Program, u32>,
}

impl Files {
    /// Opens `RUN/link`, which is there.
    ///
    /// # Errors
    /// When it is not.
    pub(crate) fn open(root: &Path, groups: BTreeMap<Program, u32>) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::open(root, flags, Mode::empty())?, groups })
    }

    /// The folder itself, for sockets in it.
    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Writes a file: a new one beside it, moved over it. One that its daemon has to be told of is marked
    /// until that is done ([`Self::told`]): whoever looks in between, after a crash too, does not see it,
    /// and so writes it and tells the daemon once more.
    pub(crate) fn write(&self, path: &str, spec: &FileSpec) -> Result<(), HandsError> {
        if matches!(spec.on_change, OnChange::Reload(_)) {
            let mark =
                FileSpec { content: String::new(), secret: true, on_change: OnChange::Restart };
            self.put(&format!("{path}{UNTOLD}"), &mark)?;
        }
        self.put(path, spec)
    }

    /// A daemon has read its file.
    pub(crate) fn told(&self, path: &str) -> Result<(), HandsError> {
        self.remove(&format!("{path}{UNTOLD}"))
    }

    fn put(&self, path: &str, spec: &FileSpec) -> Result<(), HandsError> {
        let failed = |error: Errno| file_error("written", path, error.into());
        let (folder, name) = self.way(path, true)?;
        let beside = format!("{name}.tmp");
        match rustix::fs::unlinkat(&folder, &beside, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(failed(error)),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&folder, &beside, flags, SECRET).map_err(failed)?;
        let mut file = File::from(fd);
        let written = file
            .write_all(spec.content.as_bytes())
            .and_then(|()| Ok(self.admit(&file, path, spec.secret)?))
            .and_then(|()| Ok(rustix::fs::renameat(&folder, &beside, &folder, name)?));
        written.map_err(|error| {
            // The write's error is the one to be told.
            let _ = rustix::fs::unlinkat(&folder, &beside, AtFlags::empty());
            file_error("written", path, error)
        })
    }

    /// Lets in who shall read it.
    fn admit(&self, file: &File, path: &str, secret: bool) -> rustix::io::Result<()> {
        let reader = self.groups.iter().find(|(program, _)| path.starts_with(program.name()));
        let mode = match reader {
            Some((_, group)) if secret => {
                rustix::fs::fchown(file, None, Some(rustix::fs::Gid::from_raw(*group)))?;
                PLAIN
            }
            Some(_) | None if secret => SECRET,
            Some(_) | None => PLAIN,
        };
        rustix::fs::fchmod(file, mode)
    }

    /// Removes a file; that it is gone is fine.
    pub(crate) fn remove(&self, path: &str) -> Result<(), HandsError> {
        let (folder, name) = match self.way(path, false) {
            Ok(way) => way,
            Err(HandsError::Missing(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(file_error("removed", path, error.into())),
        }
    }

    /// What one file holds, if it is there; at most `limit` bytes of it.
    pub(crate) fn read(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        let (folder, name) = self.way(path, false).ok()?;
        read_file(folder.as_fd(), OsStr::new(name), limit).ok().map(|(bytes, _)| bytes)
    }

    /// All files that this process made, by their paths. What daemons keep here is theirs.
    pub(crate) fn look(&self) -> Result<BTreeMap<String, String>, HandsError> {
        let mut found = BTreeMap::new();
        self.look_into(&mut found, self.root.as_fd(), String::new(), DEEPEST)
            .map_err(|error| file_error("read", "RUN/link", error))?;
        let marked = |path: &String| path.strip_suffix(UNTOLD).map(str::to_owned);
        for path in found.keys().filter_map(marked).collect::<Vec<_>>() {
            found.remove(&format!("{path}{UNTOLD}"));
            found.remove(&path);
        }
        Ok(found)
    }

    fn look_into(
        &self,
        found: &mut BTreeMap<String, String>,
        folder: BorrowedFd<'_>,
        prefix: String,
        deeper: usize,
    ) -> io::Result<()> {
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            // Other names are none of ours.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if found.len() >= MOST || !is_name(name) || (prefix.is_empty() && is_theirs(name)) {
                continue;
            }
            let path = format!("{prefix}{name}");
            let kind = entry.file_type();
            if kind == FileType::Directory && deeper > 0 {
                let inner = rustix::fs::openat(folder, name, OPEN_FOLDER, Mode::empty())?;
                self.look_into(found, inner.as_fd(), format!("{path}/"), deeper - 1)?;
            } else if kind == FileType::RegularFile
                // It may be gone by now; then it is not there.
                && let Ok((bytes, true)) = read_file(folder, OsStr::new(name), LARGEST)
            {
                found.insert(path, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(())
    }

    /// The folder of a file and its name in it. Folders are made if `make` says so.
    fn way<'a>(&self, path: &'a str, make: bool) -> Result<(OwnedFd, &'a str), HandsError> {
        let parts: Vec<&str> = path.split('/').collect();
        if parts.len() > DEEPEST || !parts.iter().all(|part| is_name(part)) {
            return Err(HandsError::Refused(format!("{path:?} is no name of a file in RUN/link")));
        }
        let (name, folders) = parts.split_last().unwrap_or((&path, &[]));
        let failed = |error: io::Error| {
            if error.kind() == io::ErrorKind::NotFound {
                HandsError::Missing(format!("there is no {path} in RUN/link"))
            } else {
                file_error("reached", path, error)
            }
        };
        let mut at = self.root.try_clone().map_err(failed)?;
        for folder in folders {
            if make {
                match rustix::fs::mkdirat(&at, *folder, FOLDER) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(failed(error.into())),
                }
            }
            at = rustix::fs::openat(&at, *folder, OPEN_FOLDER, Mode::empty())
                .map_err(|error| failed(error.into()))?;
        }
        Ok((at, name))
    }
}

/// Reads a regular file, and tells whether it is this process's own.
fn read_file(folder: BorrowedFd<'_>, name: &OsStr, limit: u64) -> io::Result<(Vec<u8>, bool)> {
    // A pipe in its place must not keep anybody waiting.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::openat(folder, name.as_bytes(), flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&fd)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    File::from(fd).take(limit).read_to_end(&mut bytes)?;
    Ok((bytes, stat.st_uid == nix::unistd::geteuid().as_raw()))
}

fn file_error(what: &str, path: &str, error: io::Error) -> HandsError {
    HandsError::File(format!("{path} cannot be {what}: {error}"))
}

/// What daemons write: their sockets and leases.
fn is_theirs(name: &str) -> bool {
    name == CONTROL || name.starts_with(LEASES)
}

fn is_name(name: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=64).contains(&name.len())
        && !name.starts_with('.')
        && !name.ends_with(".tmp")
        && name.chars().all(sound)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use kith_model::daemon::DaemonId;

    use super::*;

    fn spec(content: &str, secret: bool) -> FileSpec {
        FileSpec { content: content.to_owned(), secret, on_change: OnChange::Restart }
    }

    fn files(folder: &Path) -> Files {
        Files::open(folder, BTreeMap::new()).unwrap()
    }

    #[test]
    fn what_is_written_is_seen_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        files.write("dnsmasq-lan.conf", &spec("port=53\n", false)).unwrap();
        files.write("hosts/kith", &spec("192.168.77.1 kith\n", false)).unwrap();
        for _ in 0..2 {
            files.write("hostapd-phy0.conf", &spec("wpa_passphrase=…\n", true)).unwrap();
        }
        let seen = files.look().unwrap();
        let paths: Vec<_> = seen.keys().map(String::as_str).collect();
        assert_eq!(paths, ["dnsmasq-lan.conf", "hostapd-phy0.conf", "hosts/kith"]);
        assert_eq!(seen["hosts/kith"], "192.168.77.1 kith\n");
        let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode("hostapd-phy0.conf") & 0o777, 0o600);
        assert_eq!(mode("dnsmasq-lan.conf") & 0o777, 0o640);
        for _ in 0..2 {
            files.remove("hosts/kith").unwrap();
        }
        files.remove("no/such/file").unwrap();
        assert_eq!(files.look().unwrap().len(), 2);
    }

    #[test]
    fn a_file_of_which_its_daemon_was_not_told_is_not_seen() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let id: DaemonId =
            DaemonId { program: Program::Hostapd, instance: "phy0".parse().unwrap() };
        let told = FileSpec { on_change: OnChange::Reload(id), ..spec("ssid=a\n", true) };
        files.write("hostapd-phy0", &told).unwrap();
        assert!(files.look().unwrap().is_empty(), "it may have been killed right here");
        assert!(files.read("hostapd-phy0", 99).is_some(), "the daemon reads it");
        files.told("hostapd-phy0").unwrap();
        assert_eq!(files.look().unwrap().len(), 1);
    }

    #[test]
    fn what_daemons_keep_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(CONTROL).join("hostapd-phy0")).unwrap();
        std::fs::write(folder.path().join(CONTROL).join("x"), "").unwrap();
        std::fs::write(folder.path().join(LEASES), "").unwrap();
        std::fs::write(folder.path().join("half.tmp"), "").unwrap();
        assert!(files(folder.path()).look().unwrap().is_empty());
    }

    #[test]
    fn no_name_and_no_link_leads_outside() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = files(folder.path());
        symlink(outside.path(), folder.path().join("hosts")).unwrap();
        let victim = outside.path().join("settings.toml");
        std::fs::write(&victim, "precious").unwrap();
        symlink(&victim, folder.path().join("plain.conf")).unwrap();
        for path in ["", "/etc/passwd", "../x", "a/../../x", "a//b", ".x", "a\0b", "hosts/x"] {
            assert!(files.write(path, &spec("x", false)).is_err(), "{path:?}");
        }
        assert!(files.remove("hosts/settings.toml").is_err());
        files.write("plain.conf", &spec("new", false)).unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(files.look().unwrap()["plain.conf"], "new");
    }
}
