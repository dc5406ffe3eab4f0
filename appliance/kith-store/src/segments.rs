//! An append-only log in segment files: reading it, and what to make of its end after a power cut.
//!
//! A frame that fails its checksum is a torn write when no later commit follows it in the last segment,
//! and is cut off; anywhere else it is damage, reported and skipped. Nothing here knows what the
//! payloads mean.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use kith_files::{File, Files, Open};

use crate::error::StoreError;
use crate::frame::{HEAD, Head, Place};
use crate::scan::{Found, Scan};

/// What precedes the first frame of a segment, in bytes.
pub(crate) const HEADER: u64 = 32;

/// The first bytes of every segment; the digit is the version of the format.
const MAGIC: &[u8; 8] = b"kithseg1";

/// How many segments are kept open for reading.
const OPEN_AT_ONCE: usize = 16;

/// Where a payload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

/// Up to where a log is known, and the last frame before that to recognise it by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) segment: u32,
    pub(crate) end: u32,
    pub(crate) last: u32,
    pub(crate) crc: u32,
}

/// A frame of a log, read.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) location: Location,
    pub(crate) crc: u32,
    pub(crate) payload: Bytes,
}

impl Frame {
    /// The place behind this frame.
    pub(crate) const fn mark(&self) -> Mark {
        let Location { segment, offset, len } = self.location;
        Mark { segment, end: offset + HEAD as u32 + len, last: offset, crc: self.crc }
    }
}

/// What takes the frames of a replay.
pub(crate) type Sink<'a> = dyn FnMut(Frame) -> Result<(), StoreError> + 'a;

/// Bytes that are no frames, where frames should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub file: PathBuf,
    /// Where in it, in bytes.
    pub offset: u64,
    /// How much, in bytes.
    pub len: u64,
    /// Whether it was the unfinished end of the last write, which was never acknowledged.
    pub torn: bool,
}

/// Which of the store's logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Ends the segments' names.
    pub(crate) suffix: &'static str,
    /// A new segment begins at this size, in bytes.
    pub(crate) rotate_at: u64,
    /// The largest payload, in bytes.
    pub(crate) max_payload: usize,
}

/// A log on disk, for reading.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) dir: PathBuf,
    pub(crate) shape: Shape,
    salt: u64,
    open: Mutex<BTreeMap<u32, Arc<dyn File>>>,
}

impl Log {
    pub(crate) fn new(files: Arc<dyn Files>, dir: PathBuf, shape: Shape, salt: u64) -> Self {
        Self { files, dir, shape, salt, open: Mutex::default() }
    }

    pub(crate) fn path(&self, segment: u32) -> PathBuf {
        self.dir.join(format!("{segment:04}.{}", self.shape.suffix))
    }

    /// The numbers of the segments there are, in order, and their sizes in bytes.
    pub(crate) fn segments(&self) -> Result<Vec<(u32, u64)>, StoreError> {
        let mut found = Vec::new();
        for entry in self.files.list(&self.dir)? {
            let stem = entry.name.strip_suffix(self.shape.suffix);
            let number = stem.and_then(|stem| stem.strip_suffix('.')).map(str::parse);
            if let (Some(Ok(number)), false) = (number, entry.stat.is_dir) {
                found.push((number, entry.stat.size));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The payload at `location`, checked.
    pub(crate) fn read(&self, location: Location) -> Result<Bytes, StoreError> {
        let file = self.file(location.segment)?;
        let mut bytes = vec![0; HEAD + (location.len as usize).min(self.shape.max_payload)];
        let read = file.read_at(location.offset.into(), &mut bytes)?;
        bytes.truncate(read);
        let place = self.place(location.segment, location.offset.into());
        let fits = |head: &Head| head.fits(place, bytes.get(HEAD..).unwrap_or_default());
        if !Head::parse(&bytes).as_ref().is_some_and(fits) {
            return Err(StoreError::Damaged {
                file: self.path(location.segment),
                offset: place.offset,
                what: "the checksum does not hold; restore it from another box",
            });
        }
        Ok(Bytes::from(bytes).slice(HEAD..))
    }

    /// Whether `mark` is a place in this very log.
    pub(crate) fn knows(&self, mark: Mark) -> Result<bool, StoreError> {
        if mark == Mark::default() {
            return Ok(true);
        }
        let found = self.segments()?.into_iter().find(|(number, _)| *number == mark.segment);
        if found.is_none_or(|(_, size)| size < mark.end.into()) {
            return Ok(false);
        }
        if mark.last == 0 {
            return Ok(true);
        }
        let mut head = [0; HEAD];
        self.file(mark.segment)?.read_at(mark.last.into(), &mut head)?;
        Ok(Head::parse(&head).is_some_and(|head| head.crc == mark.crc))
    }

    pub(crate) const fn place(&self, segment: u32, offset: u64) -> Place {
        Place { salt: self.salt, segment, offset }
    }

    fn file(&self, segment: u32) -> Result<Arc<dyn File>, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&segment) {
            return Ok(Arc::clone(file));
        }
        if open.len() >= OPEN_AT_ONCE {
            open.pop_first();
        }
        let file = self.files.open(&self.path(segment), Open::Read)?;
        open.insert(segment, Arc::clone(&file));
        Ok(file)
    }

    /// Hands every frame behind `from` to `sink`, and tells what was damaged and where the good part
    /// of the last segment ends.
    pub(crate) fn replay(&self, from: Mark, sink: &mut Sink<'_>) -> Result<Replay, StoreError> {
        let segments = self.segments()?;
        let last = segments.last().map(|(number, _)| *number);
        let mut replay = Replay { mark: from, damage: Vec::new() };
        for (number, size) in segments {
            if number < from.segment {
                continue;
            }
            let start = if number == from.segment { from.end.into() } else { HEADER };
            let header = self.header(number)?;
            if start == HEADER && header.is_none() {
                replay.damage.push(self.damage(number, 0, HEADER.min(size), size <= HEADER));
            }
            if number != replay.mark.segment {
                replay.mark = Mark { segment: number, end: HEADER as u32, last: 0, crc: 0 };
            }
            let end = match last {
                Some(last) if last == number => self.survey(number, start, size, &mut replay)?,
                Some(_) | None => size,
            };
            self.replay_segment((number, start, end), &mut replay, sink)?;
        }
        Ok(replay)
    }

    fn replay_segment(
        &self,
        (number, start, end): (u32, u64, u64),
        replay: &mut Replay,
        sink: &mut Sink<'_>,
    ) -> Result<(), StoreError> {
        let mut scan = self.scan(number, start, end)?;
        while let Some(found) = scan.next()? {
            match found {
                Found::Frame { offset, head, payload } => {
                    let (offset, len) = (offset as u32, head.len as u32);
                    let location = Location { segment: number, offset, len };
                    let frame = Frame { location, crc: head.crc, payload };
                    replay.mark = frame.mark();
                    sink(frame)?;
                }
                Found::Gap { from, to } => {
                    replay.damage.push(self.damage(number, from, to - from, false));
                }
            }
        }
        Ok(())
    }

    /// Where the last segment's good part ends: before the first bad bytes that no commit follows.
    fn survey(
        &self,
        number: u32,
        start: u64,
        size: u64,
        replay: &mut Replay,
    ) -> Result<u64, StoreError> {
        let mut torn = None;
        let mut scan = self.scan(number, start, size)?;
        while let Some(found) = scan.next()? {
            match found {
                Found::Frame { head, .. } if head.begins => torn = None,
                Found::Frame { .. } => {}
                Found::Gap { from, .. } => torn = torn.or(Some(from)),
            }
        }
        if let Some(from) = torn {
            replay.damage.push(self.damage(number, from, size - from, true));
        }
        Ok(torn.unwrap_or(size))
    }

    fn scan(&self, segment: u32, start: u64, end: u64) -> Result<Scan, StoreError> {
        let place = self.place(segment, start);
        Ok(Scan::new(self.file(segment)?, place, end, self.shape.max_payload))
    }

    fn damage(&self, segment: u32, offset: u64, len: u64, torn: bool) -> Damage {
        Damage { file: self.path(segment), offset, len, torn }
    }

    /// The flags of a segment, if its header is whole.
    pub(crate) fn header(&self, segment: u32) -> Result<Option<Flags>, StoreError> {
        let mut bytes = [0; HEADER as usize];
        self.file(segment)?.read_at(0, &mut bytes)?;
        let crc = crc32c::crc32c(&bytes[..28]).to_le_bytes();
        let whole = bytes.starts_with(MAGIC) && bytes[28..] == crc;
        Ok(whole.then_some(Flags { snapshot: bytes[8] != 0 }))
    }

    /// Removes segments that a snapshot made void. A cut in between leaves some, which is harmless.
    pub(crate) fn remove_before(&self, snapshot: u32) -> Result<(), StoreError> {
        for (number, _) in self.segments()?.into_iter().filter(|(number, _)| *number < snapshot) {
            self.files.remove(&self.path(number))?;
            self.forget(number);
        }
        Ok(self.files.sync_dir(&self.dir)?)
    }

    pub(crate) fn forget(&self, segment: u32) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&segment);
    }

    /// The bytes of a segment's header.
    pub(crate) fn header_bytes(&self, segment: u32, flags: Flags) -> [u8; HEADER as usize] {
        let mut bytes = [0; HEADER as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8] = flags.snapshot.into();
        bytes[12..16].copy_from_slice(&segment.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.salt.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..28]).to_le_bytes();
        bytes[28..].copy_from_slice(&crc);
        bytes
    }
}

/// The salt in the header of a segment, for when the store's own copy is gone.
pub(crate) fn salt_in(header: &[u8]) -> Option<u64> {
    let crc = crc32c::crc32c(header.get(..28)?).to_le_bytes();
    let whole = header.starts_with(MAGIC) && header.get(28..32)? == crc;
    whole.then(|| header[16..24].try_into().ok().map(u64::from_le_bytes))?
}

/// What a segment's header says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// Everything in the segments before it is void.
    pub(crate) snapshot: bool,
}

/// What a replay came upon.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) mark: Mark,
    pub(crate) damage: Vec<Damage>,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kith_files::cut::CutFiles;
    use kith_files::{Open, PRIVATE_DIR};
    use proptest::prelude::*;

    use super::*;
    use crate::writer::Writer;

    const SHAPE: Shape = Shape { suffix: "seg", rotate_at: 1 << 20, max_payload: 1_000 };

    /// Commits of frames, by the length of each.
    fn commits() -> impl Strategy<Value = Vec<Vec<usize>>> {
        prop::collection::vec(prop::collection::vec(1..90_usize, 1..4), 1..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn a_log_that_ends_at_any_byte_gives_every_frame_before_it(commits in commits()) {
            let (files, payloads) = written(&commits);
            let size = size(&files);
            for end in HEADER..=size {
                let cut = files.crashed(0);
                cut.open(Path::new(FILE), Open::Write).unwrap().set_size(end).unwrap();
                let (found, replay) = read(&cut);
                prop_assert!(payloads.starts_with(&found));
                let whole: u64 = found.iter().map(|payload| (payload.len() + HEAD) as u64).sum();
                prop_assert_eq!(u64::from(replay.mark.end), HEADER + whole);
                let torn = replay.damage.iter().map(|damage| damage.len).sum::<u64>();
                prop_assert_eq!(torn, end - HEADER - whole);
                prop_assert!(replay.damage.iter().all(|damage| damage.torn));
            }
        }

        #[test]
        fn any_bytes_overwritten_cost_only_the_frames_they_touch(
            commits in commits(),
            at in 0..600_u64,
            junk in prop::collection::vec(any::<u8>(), 1..60),
        ) {
            let (files, payloads) = written(&commits);
            let (from, size) = (HEADER + at % (size(&files) - HEADER), size(&files));
            let junk = &junk[..junk.len().min((size - from) as usize)];
            files.open(Path::new(FILE), Open::Write).unwrap().write_at(from, junk).unwrap();
            let mut offset = HEADER;
            let mut touched = Vec::new();
            for payload in &payloads {
                let end = offset + (HEAD + payload.len()) as u64;
                touched.push(offset < from + junk.len() as u64 && from < end);
                offset = end;
            }
            let (found, replay) = read(&files);
            let mut found = found.into_iter().peekable();
            let torn_at = replay.damage.iter().find(|damage| damage.torn).map(|damage| damage.offset);
            let mut offset = HEADER;
            for (payload, touched) in payloads.iter().zip(touched) {
                let cut_off = torn_at.is_some_and(|torn| offset >= torn);
                let same = found.next_if(|found| found == payload).is_some();
                prop_assert!(same || touched || cut_off, "a frame that nothing touched is gone");
                offset += (HEAD + payload.len()) as u64;
            }
            prop_assert_eq!(found.next(), None, "a frame that nobody wrote");
        }
    }

    #[test]
    fn frames_hidden_in_a_damaged_payload_are_not_found() {
        let inner = Place { salt: 7, segment: 1, offset: HEADER + HEAD as u64 + 10 };
        let mut forged = vec![0; 10];
        // A stranger does not know the salt; and even what another place made does not fit here.
        crate::frame::push(&mut forged, Place { salt: 8, ..inner }, true, &[b"forged"]);
        crate::frame::push(&mut forged, inner, true, &[b"copied"]);
        let files = empty();
        let mut writer = Writer::resume(Arc::new(log(&files)), &read(&files).1);
        writer.append(&[&forged]).unwrap();
        writer.flush().unwrap();
        writer.append(&[b"next"]).unwrap();
        writer.flush().unwrap();
        files.rot(Path::new(FILE), HEADER as usize);
        let (found, replay) = read(&files);
        assert_eq!(found, [&b"next"[..]]);
        assert!(!replay.damage[0].torn);
    }

    const FILE: &str = "/log/0001.seg";

    fn empty() -> CutFiles {
        let files = CutFiles::new();
        files.create_dir(Path::new("/log"), PRIVATE_DIR).unwrap();
        files.sync_dir(Path::new("/")).unwrap();
        files
    }

    fn log(files: &CutFiles) -> Log {
        Log::new(Arc::new(files.clone()), "/log".into(), SHAPE, 7)
    }

    fn written(commits: &[Vec<usize>]) -> (CutFiles, Vec<Bytes>) {
        let (files, mut payloads) = (empty(), Vec::new());
        let mut writer = Writer::resume(Arc::new(log(&files)), &read(&files).1);
        for commit in commits {
            for len in commit {
                let payload = vec![payloads.len() as u8; *len];
                writer.append(&[&payload]).unwrap();
                payloads.push(payload.into());
            }
            writer.flush().unwrap();
        }
        (files, payloads)
    }

    fn size(files: &CutFiles) -> u64 {
        files.stat(Path::new(FILE)).unwrap().unwrap().size
    }

    fn read(files: &CutFiles) -> (Vec<Bytes>, Replay) {
        let mut found = Vec::new();
        let replay = log(files).replay(Mark::default(), &mut |frame| {
            found.push(frame.payload);
            Ok(())
        });
        (found, replay.unwrap())
    }
}
