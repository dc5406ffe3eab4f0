//! The last steps before a program becomes a daemon, in a process of its own: into its session, group and
//! limits, out of root, and then it is the program.
//!
//! This happens here and not between fork and exec in the supervisor, where hardly anything is safe to do.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kith_model::daemon::{DaemonId, Program};
use kith_role::sandbox::SandboxError;
use kith_role::sandbox::user::{User, become_user};
use kith_role::users;
use nix::sys::prctl::set_no_new_privs;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use rustix::fs::{Gid, Mode as FileMode, OFlags, Uid};
use rustix::io::Errno;

use super::record::Record;
use super::table::{self, Launch, Limits};

/// The folder below `RUN/link` in which each daemon has one for its control sockets.
const CONTROL: &str = "ctrl";

/// More than the largest configuration link renders.
const LARGEST: u64 = 1 << 20;

/// What a process is to become.
#[derive(Clone, Debug)]
pub struct Task {
    /// Which daemon.
    pub id: DaemonId,
    /// Of which generation.
    pub generation: u64,
    /// The run directory.
    pub run: PathBuf,
    /// Its control group; without one it is limited as far as one process can be.
    pub group: Option<PathBuf>,
    /// Whether it becomes its own user and gives up capabilities.
    pub drop: bool,
}

/// Why it did not become the daemon.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The program is not there.
    #[error("{0} is not on this machine: install the package that has it")]
    Missing(&'static str),
    /// Its configuration is not there or is not link's.
    #[error("{} is no configuration: {why}", path.display())]
    Configuration {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A step failed.
    #[error("cannot {what}")]
    Step {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel does not take a privilege back.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

fn failed<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> ExecError {
    move |source| ExecError::Step { what, source: source.into() }
}

/// Becomes the daemon; returns only when that fails.
pub fn exec_daemon(task: &Task) -> ExecError {
    let Some(program) = table::find(task.id.program) else {
        return ExecError::Missing(task.id.program.name());
    };
    let launch = table::launch(&task.id, program, &task.run, task.drop);
    let user = task.drop.then(|| table::user(task.id.program));
    match become_daemon(task, &launch, user.as_ref()) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

/// The same with what it becomes as an argument.
pub(crate) fn become_daemon(
    task: &Task,
    launch: &Launch,
    user: Option<&User>,
) -> Result<std::convert::Infallible, ExecError> {
    // A session of its own: nothing that ends ours ends it.
    nix::unistd::setsid().map_err(failed("begin a session"))?;
    umask(Mode::from_bits_truncate(0o027));
    limit(task, table::limits(task.id.program), user)?;
    if let Some(path) = &launch.configuration {
        let owner = if user.is_some() { users::LINK } else { nix::unistd::geteuid().as_raw() };
        check_configuration(path, owner)?;
    }
    prepare(task, user)?;
    // Before it is the program, so that no daemon ever runs without its file.
    Record::of_self(task.generation, launch.program.clone())
        .and_then(|record| record.write(&task.run, &task.id))
        .map_err(failed("leave a file in the run directory"))?;
    set_no_new_privs().map_err(failed("give up gaining privileges"))?;
    if let Some(user) = user {
        become_user(user)?;
    }
    #[expect(clippy::disallowed_methods, reason = "this is the supervisor's hand")]
    let mut command = Command::new(&launch.program);
    command.args(&launch.arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Err(failed("execute the program")(command.current_dir("/").exec()))
}

fn limit(
    task: &Task,
    Limits { memory, pids }: Limits,
    user: Option<&User>,
) -> Result<(), ExecError> {
    let set = |resource, value| setrlimit(resource, value, value).map_err(failed("set a limit"));
    set(Resource::RLIMIT_CORE, 0)?;
    // A second fence behind the group's, and the only one where groups cannot limit memory.
    set(Resource::RLIMIT_DATA, 2 * memory)?;
    match (&task.group, user) {
        (Some(group), _) => std::fs::write(group.join("cgroup.procs"), "0")
            .map_err(failed("join the control group")),
        // Counted by user, so it means something only for one that has no other processes.
        (None, Some(user)) if user.uid != 0 => set(Resource::RLIMIT_NPROC, pids),
        (None, _) => Ok(()),
    }
}

/// Whether `path` is a file that only `owner` can have written.
fn check_configuration(path: &Path, owner: u32) -> Result<(), ExecError> {
    let wrong = |why: String| ExecError::Configuration { path: path.to_owned(), why };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, FileMode::empty()).map_err(|error| match error {
        Errno::NOENT => wrong("it is not there yet".to_owned()),
        Errno::LOOP => wrong("it is a symbolic link".to_owned()),
        error => wrong(error.to_string()),
    })?;
    let found = File::from(file).metadata().map_err(|error| wrong(error.to_string()))?;
    if !found.is_file() {
        Err(wrong("it is not a file".to_owned()))
    } else if found.uid() != owner {
        Err(wrong(format!("it belongs to user {} and not to {owner}", found.uid())))
    } else if found.mode() & 0o022 != 0 {
        Err(wrong("others may write it".to_owned()))
    } else if found.len() > LARGEST {
        Err(wrong("it is too large".to_owned()))
    } else {
        Ok(())
    }
}

/// Makes what the daemon writes and could not make itself. `RUN/link` belongs to link, which may have been
/// taken over, so nothing on the way is a symbolic link or a file with a second name.
fn prepare(task: &Task, user: Option<&User>) -> Result<(), ExecError> {
    let link = match open_folder(rustix::fs::CWD, task.run.join("link").as_os_str()) {
        Ok(link) => link,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(failed("open the folder of link")(error)),
    };
    let gid = users::of(task.id.program);
    let ids = user.map(|user| (Uid::from_raw(user.uid), Gid::from_raw(gid)));
    make_control(&link, task, ids).map_err(failed("make the folder for control sockets"))?;
    if let Some(name) = table::writes(task.id.program) {
        make_file(&link, name, ids).map_err(failed("make the file it writes"))?;
    }
    if let (Program::Dhcpcd, Some((_, gid))) = (task.id.program, ids) {
        share_sockets(gid).map_err(failed("make the folder for its sockets"))?;
    }
    Ok(())
}

/// dhcpcd makes its sockets where it was built to, and under our umask for itself alone; link, which asks
/// it whether it is well, is in its group.
fn share_sockets(gid: Gid) -> rustix::io::Result<()> {
    let run = open_folder(rustix::fs::CWD, OsStr::new("/run"))?;
    let own = make_folder(&run, "dhcpcd", 0o750)?;
    rustix::fs::fchown(&own, None, Some(gid))?;
    rustix::fs::fchmod(&own, FileMode::from_raw_mode(0o750))
}

fn make_control(link: &OwnedFd, task: &Task, ids: Option<(Uid, Gid)>) -> rustix::io::Result<()> {
    let control = make_folder(link, CONTROL, 0o755)?;
    let own = make_folder(&control, &task.id.file(), 0o700)?;
    if let Some((uid, gid)) = ids {
        rustix::fs::fchown(&own, Some(uid), Some(gid))?;
        // What is made in it belongs to the daemon's group, which link is in.
        rustix::fs::fchmod(&own, FileMode::from_raw_mode(0o2770))?;
    }
    Ok(())
}

fn make_folder(inside: &OwnedFd, name: &str, mode: u32) -> rustix::io::Result<OwnedFd> {
    match rustix::fs::mkdirat(inside, name, FileMode::from_raw_mode(mode)) {
        Ok(()) | Err(Errno::EXIST) => open_folder(inside.as_fd(), OsStr::new(name)),
        Err(error) => Err(error),
    }
}

fn open_folder(inside: std::os::fd::BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(inside, name, flags, FileMode::empty())
}

fn make_file(link: &OwnedFd, name: &str, ids: Option<(Uid, Gid)>) -> rustix::io::Result<()> {
    let flags =
        OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(link, name, flags, FileMode::from_raw_mode(0o640))?;
    let found = rustix::fs::fstat(&file)?;
    let plain =
        rustix::fs::FileType::from_raw_mode(found.st_mode) == rustix::fs::FileType::RegularFile;
    if !plain || found.st_nlink != 1 {
        return Err(Errno::INVAL);
    }
    if let Some((uid, gid)) = ids {
        rustix::fs::fchown(&file, Some(uid), Some(gid))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use kith_model::daemon::Program;

    use super::*;

    #[test]
    fn only_a_plain_file_of_its_owner_is_a_configuration() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("hostapd-phy0");
        let own = nix::unistd::geteuid().as_raw();
        let why = |owner| check_configuration(&path, owner).unwrap_err().to_string();
        assert!(why(own).ends_with("it is not there yet"), "{}", why(own));
        fs::write(&path, "interface=kith-ap0").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        check_configuration(&path, own).unwrap();
        assert!(why(own + 1).contains("belongs to user"), "{}", why(own + 1));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(why(own).ends_with("others may write it"));
        fs::remove_file(&path).unwrap();
        symlink("/etc/hostname", &path).unwrap();
        assert!(why(own).ends_with("it is a symbolic link"), "{}", why(own));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(why(own).ends_with("it is not a file"), "{}", why(own));
    }

    #[test]
    fn what_it_writes_is_made_and_never_through_a_link() {
        let temp = tempfile::tempdir().unwrap();
        let task = task(temp.path());
        prepare(&task, None).unwrap();
        assert!(!temp.path().join("link").exists(), "that is for link to make");
        fs::create_dir(temp.path().join("link")).unwrap();
        prepare(&task, None).unwrap();
        prepare(&task, None).unwrap();
        assert!(temp.path().join("link/ctrl/dnsmasq-lan").is_dir());
        let leases = temp.path().join("link/dnsmasq.leases");
        assert_eq!(leases.metadata().unwrap().permissions().mode() & 0o777, 0o640);

        let precious = temp.path().join("precious");
        fs::write(&precious, "data").unwrap();
        fs::remove_file(&leases).unwrap();
        symlink(&precious, &leases).unwrap();
        assert!(prepare(&task, None).is_err());
        fs::remove_file(&leases).unwrap();
        fs::hard_link(&precious, &leases).unwrap();
        assert!(prepare(&task, None).is_err());
        fs::remove_file(&leases).unwrap();
        fs::remove_dir_all(temp.path().join("link/ctrl")).unwrap();
        symlink(temp.path(), temp.path().join("link/ctrl")).unwrap();
        assert!(prepare(&task, None).is_err());
        assert!(!temp.path().join("dnsmasq-lan").exists());
    }

    fn task(run: &Path) -> Task {
        let id = DaemonId { program: Program::Dnsmasq, instance: "lan".parse().unwrap() };
        Task { id, generation: 1, run: run.to_owned(), group: None, drop: false }
    }
}
