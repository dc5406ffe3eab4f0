//! Control groups (version 2): how much of the machine a daemon may take, and a way to end all of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kith_model::daemon::DaemonId;

use super::table::Limits;

/// Where version 2 is mounted, on every system with nothing else.
const ROOT: &str = "/sys/fs/cgroup";

/// Our branch of the tree.
const OURS: &str = "kith";

/// Our branch, with what it can limit.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups {
    folder: PathBuf,
    memory: bool,
}

impl Cgroups {
    /// Makes our branch.
    ///
    /// # Errors
    /// In words, why daemons are not limited this way.
    pub(crate) fn open() -> Result<Self, String> {
        Self::open_at(Path::new(ROOT))
    }

    fn open_at(root: &Path) -> Result<Self, String> {
        let offered = fs::read_to_string(root.join("cgroup.controllers"))
            .map_err(|_| "the system has no control groups of version 2".to_owned())?;
        let has = |controller: &str| offered.split_whitespace().any(|word| word == controller);
        if !has("pids") {
            return Err("the kernel's control groups cannot count processes".to_owned());
        }
        let memory = has("memory");
        let folder = root.join(OURS);
        let wanted = if memory { "+pids +memory" } else { "+pids" };
        let made = fs::write(root.join("cgroup.subtree_control"), wanted)
            .and_then(|()| make(&folder))
            .and_then(|()| fs::write(folder.join("cgroup.subtree_control"), wanted));
        made.map_err(|error| format!("control groups cannot be made: {error}"))?;
        Ok(Self { folder, memory })
    }

    /// Whether memory is limited; kernels of the Raspberry Pi have that switched off.
    pub(crate) const fn limit_memory(&self) -> bool {
        self.memory
    }

    /// The group of a daemon, made and limited.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn make(&self, id: &DaemonId, limits: Limits) -> io::Result<PathBuf> {
        let group = self.group(id);
        make(&group)?;
        fs::write(group.join("pids.max"), limits.pids.to_string())?;
        if self.memory {
            fs::write(group.join("memory.max"), limits.memory.to_string())?;
            // When one of its processes must go for want of memory, all of them go, and it is started anew.
            fs::write(group.join("memory.oom.group"), "1")?;
        }
        Ok(group)
    }

    /// Ends every process of a daemon, whoever its parent is by now.
    pub(crate) fn kill(&self, id: &DaemonId) -> io::Result<()> {
        fs::write(self.group(id).join("cgroup.kill"), "1")
    }

    /// Removes the group of a daemon that has ended; one that is not empty stays for the next start.
    pub(crate) fn remove(&self, id: &DaemonId) {
        fs::remove_dir(self.group(id)).ok();
    }

    fn group(&self, id: &DaemonId) -> PathBuf {
        self.folder.join(id.file())
    }
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use kith_model::daemon::Program;

    use super::*;

    #[test]
    fn a_group_holds_the_limits_of_its_daemon() {
        // Plain files stand in for the kernel's; what they mean is tried where it runs.
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        let groups = Cgroups::open_at(root.path()).unwrap();
        let id = DaemonId { program: Program::Dnsmasq, instance: "lan".parse().unwrap() };
        let group = groups.make(&id, Limits { memory: 32 << 20, pids: 24 }).unwrap();
        assert_eq!(group, root.path().join("kith/dnsmasq-lan"));
        let says = |file: &str| fs::read_to_string(group.join(file)).unwrap();
        assert_eq!((&*says("pids.max"), &*says("memory.max")), ("24", "33554432"));
        groups.make(&id, Limits { memory: 1, pids: 1 }).unwrap();
        assert_eq!(says("memory.max"), "1");
    }

    #[test]
    fn without_memory_groups_processes_are_still_counted_and_without_any_it_is_said() {
        let root = tempfile::tempdir().unwrap();
        assert!(Cgroups::open_at(root.path()).unwrap_err().contains("version 2"));
        fs::write(root.path().join("cgroup.controllers"), "cpu pids\n").unwrap();
        assert!(!Cgroups::open_at(root.path()).unwrap().limit_memory());
        fs::write(root.path().join("cgroup.controllers"), "cpu\n").unwrap();
        assert!(Cgroups::open_at(root.path()).is_err());
    }
}
