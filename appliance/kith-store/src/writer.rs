//! Writing to a log: frames gathered into commits, one flush each, and putting right what a full or
//! failing disk left half done.

use std::sync::Arc;

use kith_files::{File, Open, PRIVATE_FILE, write_durably};

use crate::error::StoreError;
use crate::frame::{self, HEAD};
use crate::segments::{Flags, HEADER, Location, Log, Mark, Replay};

/// How many bytes are gathered before they are written.
const GATHER: usize = 1 << 20;

/// The one that appends to a log.
#[derive(Debug)]
pub(crate) struct Writer {
    log: Arc<Log>,
    file: Option<Arc<dyn File>>,
    /// The end of what is flushed.
    mark: Mark,
    /// The end of what is gathered.
    next: Mark,
    gathered: Vec<u8>,
    written: u64,
    repair: Repair,
}

/// What has to be done before the next frame is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    Nothing,
    /// Cut off what a failed write left.
    Truncate,
    /// That, and never use the segment again: after a failed flush its pages are in doubt.
    Leave,
}

impl Writer {
    /// Goes on behind `replay`, whose torn end is cut off before the first write.
    pub(crate) fn resume(log: Arc<Log>, replay: &Replay) -> Self {
        let mark = replay.mark;
        let torn = replay.damage.iter().any(|damage| damage.torn);
        let repair = if torn { Repair::Truncate } else { Repair::Nothing };
        let (gathered, written) = (Vec::new(), mark.end.into());
        Self { log, file: None, mark, next: mark, gathered, written, repair }
    }

    /// Adds one frame to the commit under way. Nothing lasts before [`Writer::flush`].
    pub(crate) fn append(&mut self, parts: &[&[u8]]) -> Result<Location, StoreError> {
        let size = parts.iter().map(|part| part.len()).sum();
        let limit = self.log.shape.max_payload;
        if size == 0 || size > limit {
            return Err(StoreError::TooLarge { size, limit });
        }
        let begins = self.next == self.mark;
        if begins {
            self.ready()?;
        }
        let Mark { segment, end: offset, .. } = self.next;
        let place = self.log.place(segment, offset.into());
        let crc = frame::push(&mut self.gathered, place, begins, parts);
        let len = size as u32;
        self.next = Mark { segment, end: offset + HEAD as u32 + len, last: offset, crc };
        if self.gathered.len() >= GATHER {
            self.write()?;
        }
        Ok(Location { segment, offset, len })
    }

    /// Makes all appended frames last.
    pub(crate) fn flush(&mut self) -> Result<Mark, StoreError> {
        if self.next == self.mark {
            return Ok(self.mark);
        }
        self.write()?;
        if let Some(file) = &self.file
            && let Err(error) = file.sync_data()
        {
            self.drop_commit(Repair::Leave);
            return Err(error.into());
        }
        self.mark = self.next;
        Ok(self.mark)
    }

    /// Drops the commit under way.
    pub(crate) fn abort(&mut self) {
        if self.next != self.mark {
            self.drop_commit(Repair::Truncate);
        }
    }

    pub(crate) const fn mark(&self) -> Mark {
        self.mark
    }

    fn drop_commit(&mut self, repair: Repair) {
        self.gathered.clear();
        self.next = self.mark;
        self.written = self.mark.end.into();
        if self.repair != Repair::Leave {
            self.repair = repair;
        }
        if let Some(file) = &self.file {
            // A full disk gets its room back at once; what fails here is done before the next write.
            drop(file.set_size(self.mark.end.into()));
        }
    }

    fn write(&mut self) -> Result<(), StoreError> {
        if let Some(file) = &self.file
            && let Err(error) = file.write_at(self.written, &self.gathered)
        {
            self.drop_commit(Repair::Truncate);
            return Err(error.into());
        }
        self.written += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }

    /// Sees to it that there is a sound segment to write to.
    fn ready(&mut self) -> Result<(), StoreError> {
        let none_yet = self.mark == Mark::default();
        if self.file.is_none() && !none_yet {
            self.file = Some(self.log.files.open(&self.log.path(self.mark.segment), Open::Write)?);
        }
        if let (Some(file), true) = (&self.file, self.repair != Repair::Nothing) {
            file.set_size(self.mark.end.into())?;
            if u64::from(self.mark.end) == HEADER {
                // The cut may have come before the header was whole.
                file.write_at(0, &self.log.header_bytes(self.mark.segment, Flags::default()))?;
            }
            file.sync_data()?;
        }
        if none_yet
            || self.repair == Repair::Leave
            || u64::from(self.mark.end) >= self.log.shape.rotate_at
        {
            self.rotate(Flags::default())?;
        }
        self.repair = Repair::Nothing;
        Ok(())
    }

    /// Begins a new segment that holds `payloads` and makes all before it void, then removes those.
    pub(crate) fn snapshot(&mut self, payloads: &[Vec<u8>]) -> Result<(), StoreError> {
        let log = Arc::clone(&self.log);
        let segment = self.mark.segment + 1;
        let mut bytes = log.header_bytes(segment, Flags { snapshot: true }).to_vec();
        let mut mark = Mark { segment, end: HEADER as u32, last: 0, crc: 0 };
        for payload in payloads {
            let last = bytes.len() as u32;
            let place = log.place(segment, last.into());
            let crc = frame::push(&mut bytes, place, mark.last == 0, &[payload]);
            mark = Mark { segment, end: bytes.len() as u32, last, crc };
        }
        let name = format!("{segment:04}.{}", log.shape.suffix);
        // Should the snapshot come to be there though its writing failed, nothing that follows may
        // stand before it: the next commit replaces it by a segment of its own.
        self.repair = Repair::Leave;
        write_durably(&*log.files, &log.dir, &name, &bytes, PRIVATE_FILE)?;
        log.forget(segment);
        self.file = Some(log.files.open(&log.path(segment), Open::Write)?);
        (self.mark, self.next, self.written) = (mark, mark, mark.end.into());
        self.repair = Repair::Nothing;
        log.remove_before(segment)
    }

    /// Begins a new segment. Its header and its name last before the first frame is written.
    fn rotate(&mut self, flags: Flags) -> Result<(), StoreError> {
        let segment = self.mark.segment + 1;
        let path = self.log.path(segment);
        if self.log.files.stat(&path)?.is_some() {
            // Left by a creation that failed: nothing in it was acknowledged that is not elsewhere.
            self.log.files.remove(&path)?;
            self.log.forget(segment);
        }
        let file = self.log.files.open(&path, Open::Create(PRIVATE_FILE))?;
        file.write_at(0, &self.log.header_bytes(segment, flags))?;
        file.sync_data()?;
        self.log.files.sync_dir(&self.log.dir)?;
        self.file = Some(file);
        self.mark = Mark { segment, end: HEADER as u32, last: 0, crc: 0 };
        self.next = self.mark;
        self.written = HEADER;
        Ok(())
    }
}
