//! The file layer's twin for tests: a disk in memory that loses power, fills up and breaks.
//!
//! Every change is recorded, so one run of a workload gives the disk after a cut behind any of its
//! operations ([`CutFiles::crashed_at`]), each under as many seeds as the test likes. It is no model of
//! speed, permissions or of a particular file system.

mod crash;
mod tree;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::tree::{Node, Op, Tree};
use crate::{Entry, File, FileError, Files, Lock, Open, Operation, Space, Stat, Switches};

/// How large a disk seems that was given no capacity: 1 TiB.
const ROOMY: u64 = 1 << 40;

/// A disk in memory. Clones share it.
#[derive(Clone, Debug)]
pub struct CutFiles {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug)]
struct Disk {
    /// What was there, and lasting, before the first operation.
    base: Tree,
    live: Tree,
    ops: Vec<Op>,
    next: Node,
    switches: Switches,
    faults: Faults,
    locks: BTreeSet<PathBuf>,
}

#[derive(Clone, Debug, Default)]
struct Faults {
    capacity: Option<u64>,
    broken: Option<(usize, usize)>,
    attempts: usize,
    read_only: bool,
    cut: Option<usize>,
}

impl Default for CutFiles {
    fn default() -> Self {
        Self::with(Switches::default())
    }
}

impl CutFiles {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty disk that leaves out some syncs: a crash test on it has to fail.
    #[must_use]
    pub fn with(switches: Switches) -> Self {
        Self::holding(Tree::new(), switches)
    }

    fn holding(base: Tree, switches: Switches) -> Self {
        let disk = Disk {
            live: base.clone(),
            next: base.next_node(),
            base,
            ops: Vec::new(),
            switches,
            faults: Faults::default(),
            locks: BTreeSet::new(),
        };
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    /// How many changes and syncs there have been.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.locked().ops.len()
    }

    /// How many of them changed anything: without the syncs.
    #[must_use]
    pub fn changes(&self) -> usize {
        let sync = |op: &&Op| matches!(op, Op::Sync { .. } | Op::SyncDir { .. } | Op::NoSync);
        let disk = self.locked();
        disk.ops.len() - disk.ops.iter().filter(sync).count()
    }

    /// From the operation with this number on (from 0) nothing works: the power is off.
    pub fn cut_after(&self, operations: usize) {
        self.locked().faults.cut = Some(operations);
    }

    /// Another disk: this one after a power cut behind its first `operations`, with one of the many
    /// outcomes chosen by `seed`. Locks and faults are gone.
    #[must_use]
    pub fn crashed_at(&self, operations: usize, seed: u64) -> Self {
        let disk = self.locked();
        let ops = &disk.ops[..operations.min(disk.ops.len())];
        Self::holding(crash::crash(&disk.base, ops, seed), disk.switches)
    }

    /// Another disk: this one after a power cut now, or where [`CutFiles::cut_after`] made it.
    #[must_use]
    pub fn crashed(&self, seed: u64) -> Self {
        self.crashed_at(usize::MAX, seed)
    }

    /// Lets named files take `bytes` in all, and no more; `None` for any number.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.locked().faults.capacity = bytes;
    }

    /// Bytes in all named files.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.locked().live.used()
    }

    /// Lets `count` changes or syncs fail with EIO, after `skip` more that work. Half of a failing
    /// write reaches the file.
    pub fn break_after(&self, skip: usize, count: usize) {
        let faults = &mut self.locked().faults;
        let from = faults.attempts + skip;
        faults.broken = Some((from, from + count));
    }

    /// Refuses every change, as a file system does after an error.
    pub fn set_read_only(&self, read_only: bool) {
        self.locked().faults.read_only = read_only;
    }

    /// Changes one byte of a file behind everybody's back: bit rot.
    ///
    /// # Panics
    /// When there is no such file or it is shorter.
    pub fn rot(&self, path: &Path, offset: usize) {
        let mut disk = self.locked();
        let found = disk.live.find(path).and_then(|node| disk.live.files.get_mut(&node));
        let byte = found.and_then(|file| file.get_mut(offset));
        *byte.unwrap_or_else(|| panic!("no byte {offset} in {}", path.display())) ^= 0x40;
    }

    fn locked(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self, path: &Path, operation: Operation) -> Result<Node, FileError> {
        let disk = self.locked();
        disk.powered().map_err(|error| FileError::new(operation, path, error))?;
        let missing = || FileError::new(operation, path, io::ErrorKind::NotFound.into());
        disk.live.find(path).ok_or_else(missing)
    }

    fn create(&self, path: &Path, operation: Operation) -> Result<Node, FileError> {
        let failed = |error| FileError::new(operation, path, error);
        let mut disk = self.locked();
        disk.writable(0).map_err(failed)?;
        let missing = || failed(io::ErrorKind::NotFound.into());
        let (dir, name) = disk.live.place(path).ok_or_else(missing)?;
        if disk.live.find(path).is_some() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let node = disk.next;
        disk.next += 1;
        disk.perform(if operation == Operation::CreateDir {
            Op::CreateDir { dir, name, node }
        } else {
            Op::Create { dir, name, node }
        });
        Ok(node)
    }

    fn file(&self, node: Node, path: &Path) -> Arc<dyn File> {
        Arc::new(CutFile { files: self.clone(), node, path: path.to_owned() })
    }
}

impl Disk {
    fn powered(&self) -> io::Result<()> {
        match self.faults.cut {
            Some(cut) if self.ops.len() >= cut => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    /// Whether a change that adds `more` bytes goes through.
    fn writable(&mut self, more: u64) -> io::Result<()> {
        self.powered()?;
        if self.faults.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let attempt = self.faults.attempts;
        self.faults.attempts += 1;
        if self.faults.broken.is_some_and(|(from, to)| (from..to).contains(&attempt)) {
            return Err(io::Error::other("input/output error"));
        }
        if more > 0 && more > self.free() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn free(&self) -> u64 {
        self.faults.capacity.unwrap_or(ROOMY).saturating_sub(self.live.used())
    }

    fn perform(&mut self, op: Op) {
        self.live.apply(&op);
        self.ops.push(op);
    }
}

#[derive(Debug)]
struct CutFile {
    files: CutFiles,
    node: Node,
    path: PathBuf,
}

impl CutFile {
    fn failed(&self, operation: Operation) -> impl Fn(io::Error) -> FileError {
        move |error| FileError::new(operation, &self.path, error)
    }

    fn sync(&self) -> Result<(), FileError> {
        let mut disk = self.files.locked();
        if let Err(error) = disk.writable(0) {
            if disk.powered().is_ok() {
                disk.perform(Op::SyncFailed { node: self.node });
            }
            return Err(self.failed(Operation::Sync)(error));
        }
        let off = disk.switches.no_fsync;
        disk.perform(if off { Op::NoSync } else { Op::Sync { node: self.node } });
        Ok(())
    }
}

impl File for CutFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, FileError> {
        let disk = self.files.locked();
        disk.powered().map_err(self.failed(Operation::Read))?;
        let file = disk.live.files.get(&self.node).map_or(&[][..], Vec::as_slice);
        let from = usize::try_from(offset).map_or(file.len(), |offset| offset.min(file.len()));
        let part = &file[from..file.len().min(from + buf.len())];
        buf[..part.len()].copy_from_slice(part);
        Ok(part.len())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        let failed = self.failed(Operation::Write);
        let offset = to_usize(offset).map_err(&failed)?;
        let mut disk = self.files.locked();
        let size = disk.live.files.get(&self.node).map_or(0, Vec::len);
        let more = (offset + bytes.len()).saturating_sub(size);
        let free = disk.free();
        let result = disk.writable(more as u64);
        let kept = match &result {
            Ok(()) => bytes,
            // What a full or failing disk leaves behind is a part of the write.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                let room = usize::try_from(free).unwrap_or(usize::MAX);
                &bytes[..(bytes.len() - more + room).min(bytes.len())]
            }
            Err(_) if disk.powered().is_ok() && !disk.faults.read_only => &bytes[..bytes.len() / 2],
            Err(_) => &[],
        };
        if !kept.is_empty() {
            let bytes = Arc::from(kept);
            disk.perform(Op::Write { node: self.node, offset, bytes });
        }
        result.map_err(failed)
    }

    fn size(&self) -> Result<u64, FileError> {
        let disk = self.files.locked();
        disk.powered().map_err(self.failed(Operation::Stat))?;
        Ok(disk.live.files.get(&self.node).map_or(0, |file| file.len() as u64))
    }

    fn set_size(&self, size: u64) -> Result<(), FileError> {
        let failed = self.failed(Operation::Resize);
        let mut disk = self.files.locked();
        disk.writable(0).map_err(&failed)?;
        disk.perform(Op::Resize { node: self.node, size: to_usize(size).map_err(failed)? });
        Ok(())
    }

    fn sync_data(&self) -> Result<(), FileError> {
        self.sync()
    }

    fn sync_all(&self) -> Result<(), FileError> {
        self.sync()
    }
}

#[derive(Debug)]
struct CutLock {
    files: CutFiles,
    path: PathBuf,
}

impl Lock for CutLock {}

impl Drop for CutLock {
    fn drop(&mut self) {
        self.files.locked().locks.remove(&self.path);
    }
}

impl Files for CutFiles {
    fn open(&self, path: &Path, how: Open) -> Result<Arc<dyn File>, FileError> {
        let node = match how {
            Open::Read | Open::Write => self.node(path, Operation::Open)?,
            Open::Create(_) => self.create(path, Operation::Create)?,
        };
        Ok(self.file(node, path))
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>, FileError> {
        let disk = self.locked();
        disk.powered().map_err(|error| FileError::new(Operation::Stat, path, error))?;
        Ok(disk.live.find(path).map(|node| stat_of(&disk.live, node)))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FileError> {
        let node = self.node(dir, Operation::List)?;
        let disk = self.locked();
        let names = disk.live.dirs.get(&node).into_iter().flatten();
        let entry = |(name, node): (&String, &Node)| Entry {
            name: name.clone(),
            stat: stat_of(&disk.live, *node),
        };
        Ok(names.map(entry).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        let failed = |error| FileError::new(Operation::Rename, from, error);
        let mut disk = self.locked();
        disk.writable(0).map_err(failed)?;
        let found = (disk.live.find(from), disk.live.place(from), disk.live.place(to));
        let (Some(node), Some(from), Some(to)) = found else {
            return Err(failed(io::ErrorKind::NotFound.into()));
        };
        disk.perform(Op::Rename { from, to, node });
        Ok(())
    }

    fn remove(&self, path: &Path) -> Result<(), FileError> {
        let failed = |error| FileError::new(Operation::Remove, path, error);
        let mut disk = self.locked();
        disk.writable(0).map_err(failed)?;
        let (Some(_), Some((dir, name))) = (disk.live.find(path), disk.live.place(path)) else {
            return Err(failed(io::ErrorKind::NotFound.into()));
        };
        disk.perform(Op::Remove { dir, name });
        Ok(())
    }

    fn create_dir(&self, dir: &Path, _mode: u32) -> Result<(), FileError> {
        self.create(dir, Operation::CreateDir).map(drop)
    }

    fn sync_dir(&self, dir: &Path) -> Result<(), FileError> {
        let node = self.node(dir, Operation::SyncDir)?;
        let mut disk = self.locked();
        disk.writable(0).map_err(|error| FileError::new(Operation::SyncDir, dir, error))?;
        let off = disk.switches.no_dirsync;
        disk.perform(if off { Op::NoSync } else { Op::SyncDir { node } });
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn Lock>, FileError> {
        if !self.locked().locks.insert(path.to_owned()) {
            let taken = io::ErrorKind::WouldBlock.into();
            return Err(FileError::new(Operation::Lock, path, taken));
        }
        Ok(Box::new(CutLock { files: self.clone(), path: path.to_owned() }))
    }

    fn space(&self, path: &Path) -> Result<Space, FileError> {
        self.node(path, Operation::Space)?;
        let disk = self.locked();
        Ok(Space { free: disk.free(), total: disk.faults.capacity.unwrap_or(ROOMY) })
    }
}

fn stat_of(tree: &Tree, node: Node) -> Stat {
    let size = tree.files.get(&node).map_or(0, |file| file.len() as u64);
    Stat { size, is_dir: tree.dirs.contains_key(&node) }
}

fn to_usize(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn a_full_disk_takes_a_part_and_goes_on_when_there_is_room() {
        let files = CutFiles::new();
        let file = files.open(Path::new("/a"), Open::Create(0o600)).unwrap();
        files.set_capacity(Some(10));
        assert_eq!(file.write_at(0, &[1; 16]).unwrap_err().kind(), Kind::NoSpace);
        assert_eq!(file.size().unwrap(), 10);
        files.set_capacity(None);
        file.write_at(0, &[1; 16]).unwrap();
    }

    #[test]
    fn a_failing_disk_and_a_read_only_one_say_so_and_recover() {
        let files = CutFiles::new();
        let file = files.open(Path::new("/a"), Open::Create(0o600)).unwrap();
        files.break_after(1, 1);
        file.write_at(0, b"x").unwrap();
        assert_eq!(file.sync_data().unwrap_err().kind(), Kind::Io);
        file.sync_data().unwrap();
        files.set_read_only(true);
        assert_eq!(file.write_at(0, b"y").unwrap_err().kind(), Kind::ReadOnly);
        let mut byte = [0];
        file.read_at(0, &mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn after_the_cut_nothing_works_until_the_disk_comes_back() {
        let files = CutFiles::new();
        let file = files.open(Path::new("/a"), Open::Create(0o600)).unwrap();
        files.cut_after(2);
        file.write_at(0, b"x").unwrap();
        assert_eq!(file.sync_data().unwrap_err().kind(), Kind::Io);
        assert!(files.stat(Path::new("/a")).is_err());
        assert!(files.crashed(1).list(Path::new("/")).is_ok());
    }
}
