//! Range-based set reconciliation (Meyer, arXiv 2212.13567), in the messages of negentropy's protocol
//! version 1, so that the `negentropy` crate understands us and the tests hold us to it.
//!
//! No state is kept between messages: each is answered from the set as it is then. The end that speaks
//! first learns what either side lacks. Its first message splits the newest items finely and the old
//! ones coarsely, since what is missing is nearly always new: then one answer settles it.

use core::ops::Range;

use super::set::{Fingerprint, Item, RecordSet};
use super::varint;

/// The first byte of every message.
const PROTOCOL: u8 = 0x61;

/// Ranges a differing range is split into.
const BUCKETS: usize = 16;

/// The newest items, listed one by one in a first message.
const NEWEST: usize = 16;

/// What a message may end with after the limit was reached.
const SLACK: usize = 200;

/// The time that stands for the end of all.
const INFINITY: u64 = u64::MAX;

/// Why a message is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// It ends in the middle, or a number in it is out of bounds.
    #[error("a reconciliation message is cut or out of bounds")]
    Malformed,
    /// Another protocol than version 1.
    #[error("a reconciliation message of another version")]
    Version,
}

/// What the end that spoke first has learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Ids only we have.
    pub have: Vec<[u8; 32]>,
    /// Ids only the other has.
    pub need: Vec<[u8; 32]>,
}

/// The first message about `set`.
#[must_use]
pub fn begin(set: &RecordSet) -> Vec<u8> {
    let mut writer = Writer::default();
    let end = Bound { item: Item { time: INFINITY, id: [0; 32] }, len: 0 };
    if set.len() < 2 * BUCKETS {
        writer.ids(&end, &set.items(0..set.len()));
        return writer.out;
    }
    let mut cuts = Vec::new();
    let (mut cut, mut step) = (set.len() - NEWEST, NEWEST);
    while step < cut && step <= set.len() / BUCKETS {
        cuts.push(cut);
        cut -= step;
        step *= 2;
    }
    let mut start = 0;
    for i in 0..BUCKETS {
        start = writer.fingerprint_to(set, start, cut * (i + 1) / BUCKETS);
    }
    for cut in cuts.into_iter().rev() {
        start = writer.fingerprint_to(set, start, cut);
    }
    writer.ids(&end, &set.items(start..set.len()));
    writer.out
}

/// The answer of the end that did not speak first. At most about `limit` bytes.
///
/// # Errors
/// [`RangeError`] when the message is no good.
pub fn answer(set: &RecordSet, message: &[u8], limit: usize) -> Result<Vec<u8>, RangeError> {
    reconcile(set, message, limit, None)
}

/// What the end that spoke first makes of an answer; the next message, unless all is settled.
///
/// # Errors
/// [`RangeError`] when the message is no good.
pub fn learn(
    set: &RecordSet,
    message: &[u8],
    limit: usize,
    found: &mut Found,
) -> Result<Option<Vec<u8>>, RangeError> {
    let next = reconcile(set, message, limit, Some(found))?;
    Ok((next.len() > 1).then_some(next))
}

/// The upper end of a range: all items less than `item`, of whose id only `len` bytes are sent.
#[derive(Clone, Copy, Debug)]
struct Bound {
    item: Item,
    len: usize,
}

impl Bound {
    /// The shortest bound between two neighbours.
    fn between(before: &Item, item: &Item) -> Self {
        if before.time != item.time {
            return Self { item: Item { time: item.time, id: [0; 32] }, len: 0 };
        }
        let same = before.id.iter().zip(&item.id).take_while(|(a, b)| a == b).count();
        let len = (same + 1).min(32);
        let mut id = [0; 32];
        id[..len].copy_from_slice(&item.id[..len]);
        Self { item: Item { time: item.time, id }, len }
    }

    const fn at(item: Item) -> Self {
        Self { item, len: 32 }
    }
}

enum Mode<'a> {
    Skip,
    Fingerprint(&'a [u8]),
    /// Ids, end to end.
    Ids(&'a [u8]),
}

struct Reader<'a> {
    input: &'a [u8],
    time: u64,
}

impl<'a> Reader<'a> {
    fn new(message: &'a [u8]) -> Result<Self, RangeError> {
        match message.split_first() {
            Some((&PROTOCOL, input)) => Ok(Self { input, time: 0 }),
            Some(_) => Err(RangeError::Version),
            None => Err(RangeError::Malformed),
        }
    }

    fn next(&mut self) -> Result<Option<(Bound, Mode<'a>)>, RangeError> {
        if self.input.is_empty() {
            return Ok(None);
        }
        self.range().map(Some).ok_or(RangeError::Malformed)
    }

    fn range(&mut self) -> Option<(Bound, Mode<'a>)> {
        let time = varint::read(&mut self.input)?;
        self.time = if time == 0 { INFINITY } else { self.time.saturating_add(time - 1) };
        let len = usize::try_from(varint::read(&mut self.input)?).ok().filter(|l| *l <= 32)?;
        let mut id = [0; 32];
        id[..len].copy_from_slice(self.take(len)?);
        let bound = Bound { item: Item { time: self.time, id }, len };
        let mode = match varint::read(&mut self.input)? {
            0 => Mode::Skip,
            1 => Mode::Fingerprint(self.take(16)?),
            2 => {
                let count = usize::try_from(varint::read(&mut self.input)?).ok()?;
                Mode::Ids(self.take(count.checked_mul(32)?)?)
            }
            _ => return None,
        };
        Some((bound, mode))
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.input.split_at_checked(n)?;
        self.input = rest;
        Some(taken)
    }
}

struct Writer {
    out: Vec<u8>,
    time: u64,
}

impl Default for Writer {
    fn default() -> Self {
        Self { out: vec![PROTOCOL], time: 0 }
    }
}

impl Writer {
    fn bound(&mut self, bound: &Bound) {
        if bound.item.time == INFINITY {
            varint::write(&mut self.out, 0);
        } else {
            varint::write(&mut self.out, bound.item.time.saturating_sub(self.time) + 1);
        }
        self.time = bound.item.time;
        varint::write(&mut self.out, bound.len as u64);
        self.out.extend_from_slice(&bound.item.id[..bound.len]);
    }

    fn skip(&mut self, bound: &Bound) {
        self.bound(bound);
        self.out.push(0);
    }

    fn fingerprint(&mut self, bound: &Bound, fingerprint: &Fingerprint) {
        self.bound(bound);
        self.out.push(1);
        self.out.extend_from_slice(fingerprint);
    }

    fn ids(&mut self, bound: &Bound, items: &[Item]) {
        self.bound(bound);
        self.out.push(2);
        varint::write(&mut self.out, items.len() as u64);
        for item in items {
            self.out.extend_from_slice(&item.id);
        }
    }

    /// Writes the fingerprint of the items from `start` to `end`, which is not the end of the set.
    fn fingerprint_to(&mut self, set: &RecordSet, start: usize, end: usize) -> usize {
        if start < end
            && let [before, item] = set.items(end - 1..end + 1)[..]
        {
            self.fingerprint(&Bound::between(&before, &item), &set.fingerprint(start..end));
            return end;
        }
        start
    }

    /// Writes a range that differs: split in buckets, or its ids when they are few.
    fn split(&mut self, set: &RecordSet, range: Range<usize>, bound: &Bound) {
        if range.len() < 2 * BUCKETS {
            self.ids(bound, &set.items(range));
            return;
        }
        let (mut start, len) = (range.start, range.len());
        for i in 1..BUCKETS {
            start = self.fingerprint_to(set, start, range.start + len * i / BUCKETS);
        }
        self.fingerprint(bound, &set.fingerprint(start..range.end));
    }
}

/// Takes one message range by range, as the reference implementation does.
fn reconcile(
    set: &RecordSet,
    message: &[u8],
    limit: usize,
    mut found: Option<&mut Found>,
) -> Result<Vec<u8>, RangeError> {
    let mut reader = Reader::new(message)?;
    let mut writer = Writer::default();
    let (mut lower, mut lower_bound) = (0, None::<Bound>);
    // Ranges up to here need no answer, but the answer has to say so before it goes on.
    let mut skipped = false;
    while let Some((bound, mode)) = reader.next()? {
        let upper =
            if bound.item.time == INFINITY { set.len() } else { set.lower_bound(&bound.item) };
        let upper = upper.max(lower);
        let say_skipped = |writer: &mut Writer| {
            if let Some(bound) = lower_bound.filter(|_| skipped) {
                writer.skip(&bound);
            }
        };
        skipped = match mode {
            Mode::Skip => true,
            Mode::Fingerprint(theirs) if set.fingerprint(lower..upper)[..] == *theirs => true,
            Mode::Fingerprint(_) => {
                say_skipped(&mut writer);
                writer.split(set, lower..upper, &bound);
                false
            }
            Mode::Ids(theirs) => match &mut found {
                Some(found) => {
                    compare(&set.items(lower..upper), theirs, found);
                    true
                }
                None => {
                    say_skipped(&mut writer);
                    let room = limit.saturating_sub(writer.out.len() + SLACK) / 32;
                    if room < upper - lower {
                        finish_early(&mut writer, set, lower..lower + room);
                        return Ok(writer.out);
                    }
                    writer.ids(&bound, &set.items(lower..upper));
                    false
                }
            },
        };
        if writer.out.len() + SLACK > limit && !skipped {
            finish_rest(&mut writer, set, upper);
            return Ok(writer.out);
        }
        (lower, lower_bound) = (upper, Some(bound));
    }
    Ok(writer.out)
}

/// Lists as much of a long range as there is room for and leaves the rest to the next message.
fn finish_early(writer: &mut Writer, set: &RecordSet, range: Range<usize>) {
    let end = range.end;
    if let Some(next) = set.items(end..end + 1).first() {
        writer.ids(&Bound::at(*next), &set.items(range));
    }
    finish_rest(writer, set, end);
}

/// Says one fingerprint for everything from `start` on.
fn finish_rest(writer: &mut Writer, set: &RecordSet, start: usize) {
    let end = Bound { item: Item { time: INFINITY, id: [0; 32] }, len: 0 };
    writer.fingerprint(&end, &set.fingerprint(start..set.len()));
}

/// Notes which ids only one side has.
fn compare(ours: &[Item], theirs: &[u8], found: &mut Found) {
    let mut theirs: Vec<[u8; 32]> = theirs.as_chunks::<32>().0.to_vec();
    theirs.sort_unstable();
    theirs.dedup();
    let mut ours: Vec<[u8; 32]> = ours.iter().map(|item| item.id).collect();
    ours.sort_unstable();
    found.have.extend(ours.iter().filter(|id| theirs.binary_search(id).is_err()));
    found.need.extend(theirs.iter().filter(|id| ours.binary_search(id).is_err()));
}
