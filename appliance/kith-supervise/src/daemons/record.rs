//! The file of a running daemon in `RUN/daemons`, with which it is found again, and the look at `/proc` that
//! tells it from whoever has its number now.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use kith_model::daemon::{DaemonId, Program};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A file is one line of a few words.
const LARGEST: u64 = 4 << 10;

/// A daemon that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) pid: u32,
    /// When it was started, in clock ticks since the boot (field 22 of `/proc/PID/stat`).
    pub(crate) started: u64,
    /// Which boot.
    pub(crate) boot: String,
    pub(crate) generation: u64,
    pub(crate) program: PathBuf,
}

/// The folder of the files.
pub(crate) fn folder(run: &Path) -> PathBuf {
    run.join("daemons")
}

impl Record {
    /// The record of this very process, which is about to become `program`.
    pub(crate) fn of_self(generation: u64, program: PathBuf) -> io::Result<Self> {
        let pid = std::process::id();
        let started = started(pid).ok_or_else(|| io::Error::other("/proc does not show it"))?;
        Ok(Self { pid, started, boot: boot(), generation, program })
    }

    /// Writes the file, whole or not at all. `RUN` is memory, so nothing is synchronised.
    pub(crate) fn write(&self, run: &Path, id: &DaemonId) -> io::Result<()> {
        let folder = folder(run);
        let beside = folder.join(format!(".{}.{}", id.file(), std::process::id()));
        let Self { pid, started, boot, generation, program } = self;
        let program = program.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
        fs::write(&beside, format!("{pid} {started} {boot} {generation} {program}\n"))?;
        fs::rename(beside, folder.join(id.file()))
    }

    /// Reads the file of a daemon, if there is one that can be understood.
    pub(crate) fn read(run: &Path, id: &DaemonId) -> Option<Self> {
        let file = fs::File::open(folder(run).join(id.file())).ok()?;
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).ok()?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.splitn(5, ' ');
        let record = Self {
            pid: words.next()?.parse().ok().filter(|pid| *pid > 1)?,
            started: words.next()?.parse().ok()?,
            boot: words.next()?.to_owned(),
            generation: words.next()?.parse().ok()?,
            program: PathBuf::from(words.next()?),
        };
        record.program.is_absolute().then_some(record)
    }

    /// The process that is meant, if it is still there. What is returned stays that process: a number that
    /// is given to another one later on does not change it.
    pub(crate) fn process(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
        let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Looked at after it was opened: what is found now is the one that was opened, or it is gone.
        let same = self.boot == boot() && started(self.pid) == Some(self.started);
        (same && is_program(self.pid, &self.program)).then_some(process)
    }
}

/// The daemons that there are files of.
pub(crate) fn all(run: &Path) -> Vec<DaemonId> {
    let Ok(entries) = fs::read_dir(folder(run)) else { return Vec::new() };
    entries.flatten().filter_map(|entry| named(entry.file_name().to_str()?)).collect()
}

/// The daemon that a file belongs to.
fn named(file: &str) -> Option<DaemonId> {
    Program::ALL.into_iter().find_map(|program| {
        let instance = file.strip_prefix(program.name())?.strip_prefix('-')?.parse().ok()?;
        Some(DaemonId { program, instance })
    })
}

/// Forgets a daemon.
pub(crate) fn forget(run: &Path, id: &DaemonId) {
    // That it is gone already is what is wanted.
    fs::remove_file(folder(run).join(id.file())).ok();
}

/// When a process that lives was started (proc_pid_stat(5)).
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold blanks and brackets, so what follows begins after the last one.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Whether a process runs `program`, also when an update has replaced the file since, or is about to: it is
/// this program until it has become the other.
fn is_program(pid: u32, program: &Path) -> bool {
    let Ok(running) = fs::read_link(format!("/proc/{pid}/exe")) else { return false };
    let running = running.to_string_lossy();
    let running = Path::new(running.strip_suffix(" (deleted)").unwrap_or(&running));
    let own = fs::read_link("/proc/self/exe");
    let meant = fs::canonicalize(program);
    running == program
        || meant.is_ok_and(|meant| running == meant)
        || own.is_ok_and(|own| running == own)
}

fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id = id.trim();
    if id.is_empty() { "unknown".to_owned() } else { id.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let run = tempfile::tempdir().unwrap();
        fs::create_dir(folder(run.path())).unwrap();
        let id = id();
        let record = Record::of_self(7, "/usr/sbin/with a blank".into()).unwrap();
        record.write(run.path(), &id).unwrap();
        assert_eq!(Record::read(run.path(), &id), Some(record));
        assert_eq!(all(run.path()), std::slice::from_ref(&id));
        forget(run.path(), &id);
        assert_eq!((Record::read(run.path(), &id), all(run.path())), (None, Vec::new()));
    }

    #[test]
    fn what_is_not_a_record_is_none() {
        for text in [
            "",
            "12",
            "12 13 boot 1 /bin/sleep",
            "12 13 boot 1 sleep\n",
            "0 13 boot 1 /bin/sleep\n",
            "1 13 boot 1 /bin/sleep\n",
            "-5 13 boot 1 /bin/sleep\n",
            "x 13 boot 1 /bin/sleep\n",
            "12 13 1 /bin/sleep\n",
        ] {
            assert_eq!(Record::parse(text), None, "{text:?}");
        }
        for file in ["hostapd", "hostapd-", "nginx-x", "../hostapd-phy0", ".hostapd-phy0.12"] {
            assert_eq!(named(file), None, "{file}");
        }
    }

    #[test]
    fn a_number_that_somebody_else_has_now_is_not_the_daemon() {
        let own = fs::read_link("/proc/self/exe").unwrap();
        let record = Record::of_self(1, own).unwrap();
        assert!(record.process().is_some());
        for stale in [
            Record { started: record.started + 1, ..record.clone() },
            Record { boot: "another".into(), ..record.clone() },
            Record { pid: 4_000_000, ..record.clone() },
        ] {
            assert!(stale.process().is_none(), "{stale:?}");
        }
    }

    #[test]
    fn a_process_of_another_program_is_not_the_daemon() {
        // The first process is never ours, whatever else fits.
        assert!(!is_program(1, Path::new("/usr/sbin/hostapd")));
    }

    fn id() -> DaemonId {
        DaemonId { program: Program::Hostapd, instance: "phy0".parse().unwrap() }
    }
}
