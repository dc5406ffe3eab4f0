//! One comparison as its answering end runs it: that end speaks negentropy first, learns what either
//! side lacks, moves the records, and only then says that the sets are equal.

use kith_core::record::{Class, RecordId, SpaceId};

use super::ranges::{self, Found, RangeError};
use super::set::RecordSet;

/// A reconciliation message at most, in bytes; the frame's bound is 256 KiB.
pub(crate) const MESSAGE: usize = 250_000;

/// Frames in one comparison at most; an honest one of a million differences needs far fewer.
pub(crate) const MAX_FRAMES: u32 = 4_096;

/// Records under way above which the next message waits.
const BUSY: usize = 2_048;

/// A comparison a peer opened.
#[derive(Debug, Default)]
pub(crate) struct Answering {
    /// Which set; nothing before the opening frame was read.
    pub(crate) of: Option<(SpaceId, Class)>,
    /// The opening frame's count and fingerprint, while the set is being loaded.
    pub(crate) opened: Option<(u64, [u8; 16])>,
    frames: u32,
    /// Records to be pushed or asked for, and not done.
    moving: usize,
    /// The next message, held back while much is moving.
    held: Option<Vec<u8>>,
    asked: bool,
}

/// What a message told.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    pub(crate) push: Vec<RecordId>,
    pub(crate) get: Vec<RecordId>,
}

/// What to send next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing yet.
    Wait,
    /// A negentropy message.
    Message(Vec<u8>),
    /// All is moved.
    Equal,
}

impl Answering {
    /// The first message.
    pub(crate) fn begin(&mut self, set: &RecordSet) -> Vec<u8> {
        self.asked = true;
        self.frames += 1;
        ranges::begin(set)
    }

    /// Takes the peer's message.
    pub(crate) fn learn(&mut self, set: &RecordSet, message: &[u8]) -> Result<Learnt, RangeError> {
        if !self.asked || self.frames > MAX_FRAMES {
            return Err(RangeError::Malformed);
        }
        self.asked = false;
        self.frames += 1;
        let mut found = Found::default();
        self.held = ranges::learn(set, message, MESSAGE, &mut found)?;
        self.moving += found.have.len() + found.need.len();
        let ids = |ids: Vec<[u8; 32]>| ids.into_iter().map(RecordId).collect();
        Ok(Learnt { push: ids(found.have), get: ids(found.need) })
    }

    /// Notes that records arrived where they were missing, or never will on this comparison.
    pub(crate) const fn moved(&mut self, records: usize) {
        self.moving = self.moving.saturating_sub(records);
    }

    /// What to send now.
    pub(crate) fn next(&mut self) -> Next {
        if self.asked || self.of.is_none() || self.moving > BUSY {
            return Next::Wait;
        }
        if let Some(message) = self.held.take() {
            self.asked = true;
            return Next::Message(message);
        }
        if self.moving > 0 { Next::Wait } else { Next::Equal }
    }
}
