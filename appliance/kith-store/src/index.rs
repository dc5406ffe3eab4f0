//! The index: ordered rows on sled 0.34.7, the only file that names it.
//!
//! sled is fast and small here, and not believed: its `flush` is not durable on Linux, and it may panic
//! on what a power cut left (its issue 1533). So it opens in a thread of its own with a deadline, every
//! call is fenced against panics, its file is flushed by us, and all its rows can be made again. It
//! writes nothing of its own accord.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kith_core::fold::{Order, Row};

use crate::error::IndexError;

/// How long to wait before asking again for the lock of an index that is just being closed.
const AGAIN: Duration = Duration::from_millis(20);

/// Ordered rows on disk.
#[derive(Debug)]
pub(crate) struct Index {
    rows: sled::Db,
    dir: PathBuf,
}

/// How to open the index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    /// Bytes of cache.
    pub(crate) cache: u64,
    /// How long sled may take.
    pub(crate) timeout: Duration,
}

impl Index {
    /// Opens, or makes, the index in `dir`.
    pub(crate) fn open(dir: &Path, opening: Opening) -> Result<Self, IndexError> {
        let (report, opened) = mpsc::sync_channel(1);
        let path = dir.to_owned();
        let open = move || {
            let rows = guarded(|| {
                let config = sled::Config::new().path(&path).cache_capacity(opening.cache);
                patiently(&config.flush_every_ms(None), opening.timeout)
            });
            // Nobody listens behind the deadline; then sled is closed again here.
            drop(report.send(rows));
        };
        thread::Builder::new().name("index".into()).spawn(open).map_err(directory)?;
        let timeout = IndexError::Timeout(opening.timeout);
        let rows = opened.recv_timeout(opening.timeout).map_err(|_| timeout)??;
        let index = Self { rows, dir: dir.to_owned() };
        if !index.rows.was_recovered() {
            index.sync_names()?;
        }
        Ok(index)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        guarded(|| self.rows.get(key)).map(|row| row.map(|value| value.to_vec()))
    }

    /// Sets and removes rows, all of them or none.
    pub(crate) fn apply<'a>(
        &self,
        changes: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) -> Result<(), IndexError> {
        let mut batch = sled::Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        guarded(|| self.rows.apply_batch(batch))
    }

    /// At most `limit` rows whose key begins with `prefix`, behind `after` in the order given.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        (limit, order): (usize, Order),
    ) -> Result<Vec<Row>, IndexError> {
        guarded(|| match order {
            Order::Ascending => {
                let range = match after {
                    Some(after) if after >= prefix => self.rows.range([after, &[0]].concat()..),
                    Some(_) | None => self.rows.range(prefix..),
                };
                collect(range.take_while(within(prefix)).take(limit))
            }
            Order::Descending => {
                let end = ends_before(prefix);
                let end = match (after, end) {
                    (Some(after), Some(end)) => Some(end.min(after.to_vec())),
                    (Some(after), None) => Some(after.to_vec()),
                    (None, end) => end,
                };
                let range = match end {
                    Some(end) if end.as_slice() <= prefix => return Ok(Vec::new()),
                    Some(end) => self.rows.range(prefix.to_vec()..end),
                    None => self.rows.range(prefix..),
                };
                collect(range.rev().take(limit))
            }
        })
    }

    /// Makes all rows so far last: sled's flush, then a flush of its file that deserves the name.
    pub(crate) fn flush(&self) -> Result<(), IndexError> {
        guarded(|| self.rows.flush())?;
        fs::File::open(self.dir.join("db")).and_then(|db| db.sync_data()).map_err(directory)
    }

    /// The names sled made at its creation do not last by themselves.
    fn sync_names(&self) -> Result<(), IndexError> {
        guarded(|| self.rows.flush())?;
        for name in ["conf", "db", "."] {
            let path = self.dir.join(name);
            fs::File::open(path).and_then(|file| file.sync_all()).map_err(directory)?;
        }
        let parent = self.dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or_else(|| Path::new("."));
        fs::File::open(parent).and_then(|dir| dir.sync_all()).map_err(directory)
    }
}

/// Moves what is at `dir` aside, where the next one to fail replaces it.
pub(crate) fn move_aside(dir: &Path) -> Result<(), IndexError> {
    let mut aside = dir.as_os_str().to_owned();
    aside.push(".bad");
    let gone = |result: std::io::Result<()>| match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(directory(error)),
        Ok(()) | Err(_) => Ok(()),
    };
    gone(fs::remove_dir_all(&aside))?;
    gone(fs::rename(dir, &aside))
}

fn within(prefix: &[u8]) -> impl Fn(&sled::Result<(sled::IVec, sled::IVec)>) -> bool {
    move |row| row.as_ref().map_or(true, |(key, _)| key.starts_with(prefix))
}

fn collect(
    rows: impl Iterator<Item = sled::Result<(sled::IVec, sled::IVec)>>,
) -> sled::Result<Vec<Row>> {
    rows.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

/// The first key behind all that begin with `prefix`, if there is one.
fn ends_before(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Opens sled; the lock of an index that was closed a moment ago may still be held by its threads.
fn patiently(config: &sled::Config, patience: Duration) -> sled::Result<sled::Db> {
    let mut waited = Duration::ZERO;
    loop {
        match config.open() {
            Err(sled::Error::Io(error))
                if error.to_string().contains("lock") && waited + AGAIN < patience =>
            {
                thread::sleep(AGAIN);
                waited += AGAIN;
            }
            other => return other,
        }
    }
}

fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, IndexError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| IndexError::Sled(error.to_string())),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Err(IndexError::Panicked(words.unwrap_or_else(|| "without a word".into())))
        }
    }
}

fn directory(error: std::io::Error) -> IndexError {
    IndexError::Directory(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENING: Opening = Opening { cache: 1 << 20, timeout: Duration::from_secs(10) };

    #[test]
    fn rows_are_read_in_both_directions_from_behind_any_key() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(&dir.path().join("index"), OPENING).unwrap();
        let keys: [&[u8]; 6] = [b"a", b"b", b"b1", b"b2", b"b\xff", b"c"];
        index.apply(keys.iter().map(|key| (*key, Some(*key)))).unwrap();
        let read = |after, limit, order| -> Vec<Vec<u8>> {
            let rows = index.scan(b"b", after, (limit, order)).unwrap();
            rows.into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(read(None, 9, Order::Ascending), [&b"b"[..], b"b1", b"b2", b"b\xff"]);
        assert_eq!(read(Some(b"b1"), 1, Order::Ascending), [b"b2"]);
        assert_eq!(read(Some(b"a"), 1, Order::Ascending), [b"b"]);
        assert_eq!(read(Some(b"c"), 9, Order::Ascending), [] as [&[u8]; 0]);
        assert_eq!(read(None, 2, Order::Descending), [&b"b\xff"[..], b"b2"]);
        assert_eq!(read(Some(b"b11"), 9, Order::Descending), [&b"b1"[..], b"b"]);
        assert_eq!(read(Some(b"z"), 1, Order::Descending), [b"b\xff"]);
        assert_eq!(read(Some(b"a"), 9, Order::Descending), [] as [&[u8]; 0]);
    }

    #[test]
    fn garbage_is_an_error_and_not_a_panic_and_can_be_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        fs::create_dir(&path).unwrap();
        for name in ["conf", "db"] {
            fs::write(path.join(name), [0xa5; 70_000]).unwrap();
        }
        assert!(Index::open(&path, OPENING).is_err());
        move_aside(&path).unwrap();
        Index::open(&path, OPENING).unwrap();
    }
}
