//! Reading a segment from one frame to the next, and across what is damaged in between.

use std::sync::Arc;

use bytes::Bytes;
use kith_files::{File, FileError};

use crate::frame::{HEAD, Head, Place};

/// How much is read at once, in bytes.
const WINDOW: usize = 256 * 1024;

/// What stands in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole frame.
    Frame { offset: u64, head: Head, payload: Bytes },
    /// Bytes that are no frame, up to the next frame or the end of the file.
    Gap { from: u64, to: u64 },
}

/// A walk over the frames of one segment.
#[derive(Debug)]
pub(crate) struct Scan {
    file: Arc<dyn File>,
    place: Place,
    end: u64,
    max: usize,
    window: Vec<u8>,
    window_at: u64,
}

impl Scan {
    /// From the frame that begins at `place`, not looking behind `end`, of frames with at most `max`
    /// bytes of payload.
    pub(crate) fn new(file: Arc<dyn File>, place: Place, end: u64, max: usize) -> Self {
        Self { file, place, end, max, window: Vec::new(), window_at: place.offset }
    }

    /// The next thing, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Found>, FileError> {
        let from = self.place.offset;
        while self.place.offset < self.end {
            let offset = self.place.offset;
            let Some((head, payload)) = self.frame()? else {
                self.place.offset += 1;
                continue;
            };
            if offset > from {
                // The frame itself is read again, as what comes next.
                return Ok(Some(Found::Gap { from, to: offset }));
            }
            self.place.offset += (HEAD + head.len) as u64;
            return Ok(Some(Found::Frame { offset, head, payload }));
        }
        Ok((from < self.end).then_some(Found::Gap { from, to: self.end }))
    }

    fn frame(&mut self) -> Result<Option<(Head, Bytes)>, FileError> {
        let Some(head) = Head::parse(self.bytes(HEAD)?) else { return Ok(None) };
        if head.len > self.max || self.place.offset + (HEAD + head.len) as u64 > self.end {
            return Ok(None);
        }
        let place = self.place;
        let payload = self.bytes(HEAD + head.len)?.get(HEAD..).unwrap_or_default();
        let fits = head.fits(place, payload);
        Ok(fits.then(|| (head, Bytes::copy_from_slice(payload))))
    }

    /// Up to `len` bytes from where the walk stands.
    fn bytes(&mut self, len: usize) -> Result<&[u8], FileError> {
        let mut skip = (self.place.offset - self.window_at) as usize;
        if skip + len > self.window.len() {
            let left = usize::try_from(self.end - self.place.offset).unwrap_or(usize::MAX);
            self.window.resize(left.min(len.max(WINDOW)), 0);
            self.window_at = self.place.offset;
            let read = self.file.read_at(self.window_at, &mut self.window)?;
            self.window.truncate(read);
            skip = 0;
        }
        let end = (skip + len).min(self.window.len());
        Ok(&self.window[skip..end])
    }
}
