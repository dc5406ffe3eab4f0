//! Records that come in: checked cheaply at once, their signatures a few at a time, stored in batches,
//! and only then acknowledged.
//!
//! A record that several peers send is checked once. One whose author is not known yet waits, a
//! thousand for each peer at most; what does not fit comes again with the next comparison.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use kith_core::body::BodyError;
use kith_core::identity::NodeId;
use kith_core::record::{Class, Record, RecordError, RecordId, SignedBytes, SpaceId};
use kith_core::wire::frame::limits;

use super::set::Item;
use crate::membership::{Space, Verdict};
use crate::replica::{LinkId, StreamId, Ticket};

/// Signatures checked before other work gets its turn: at 36 us about a millisecond, and below five on
/// the smallest boards.
const SLICE: usize = 32;

/// Records of unknown authors kept waiting for one peer.
const MAX_WAITING: usize = 1_000;

/// Where records came from and who is to hear when all are dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) link: LinkId,
    pub(crate) peer: NodeId,
    pub(crate) stream: StreamId,
}

/// Some records from one source.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) source: Source,
    /// Records that are durable here.
    pub(crate) kept: u64,
    left: usize,
}

/// A record no honest box sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offence;

/// What became of one piece of work.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Batches of which every record is dealt with.
    pub(crate) done: Vec<Batch>,
    /// Connections that sent what no honest box sends.
    pub(crate) offenders: Vec<LinkId>,
}

#[derive(Debug)]
enum Waiting {
    Unverified(Box<SignedBytes>),
    Verified(Box<Record>),
}

/// The room.
#[derive(Debug, Default)]
pub(crate) struct Ingest {
    next_batch: u64,
    batches: BTreeMap<u64, Batch>,
    queue: VecDeque<(SpaceId, SignedBytes)>,
    ready: BTreeMap<SpaceId, Vec<Record>>,
    storing: BTreeMap<Ticket, (SpaceId, Vec<Record>)>,
    /// The batches that wait for a record on its way through the above.
    riders: BTreeMap<RecordId, Vec<u64>>,
    waiting: BTreeMap<SpaceId, BTreeMap<RecordId, (NodeId, Waiting)>>,
    waiting_for: BTreeMap<NodeId, usize>,
    /// Refused so far.
    pub(crate) refused: u64,
    /// Takes every copy of a record for a new one: for the test that shows why not.
    #[cfg(test)]
    pub(crate) careless: bool,
}

impl Ingest {
    /// Takes in the records of one frame. An offence leaves the rest of the frame alone.
    pub(crate) fn offer(
        &mut self,
        source: Source,
        space: &Space,
        records: &[Bytes],
    ) -> Result<(Vec<RecordId>, Outcome), Offence> {
        let number = self.next_batch;
        self.next_batch += 1;
        let mut batch = Batch { source, kept: 0, left: 1 };
        let mut signed = records
            .iter()
            .filter_map(|bytes| self.parse(space, bytes).transpose())
            .collect::<Result<Vec<SignedBytes>, Offence>>()?;
        // Governance comes in the order it was made, so that authors are known before they speak.
        signed.sort_by_key(|s| (s.claimed_time(), s.id()));
        let ids = signed.iter().map(SignedBytes::id).collect();
        for signed in signed {
            self.route(number, &mut batch, space, signed);
        }
        batch.left -= 1;
        let mut outcome = Outcome::default();
        if batch.left == 0 {
            outcome.done.push(batch);
        } else {
            self.batches.insert(number, batch);
        }
        Ok((ids, outcome))
    }

    /// A record in canonical form for this space; nothing when it is of a kind to come.
    fn parse(&mut self, space: &Space, bytes: &Bytes) -> Result<Option<SignedBytes>, Offence> {
        match SignedBytes::parse(bytes) {
            Ok(signed) if signed.claimed_space() == space.id => Ok(Some(signed)),
            Err(RecordError::Version(_) | RecordError::Body(BodyError::Kind(_))) => {
                self.refused += 1;
                Ok(None)
            }
            Ok(_)
            | Err(
                RecordError::Wire(_)
                | RecordError::Class
                | RecordError::Id
                | RecordError::Body(_)
                | RecordError::Header(_)
                | RecordError::Signature,
            ) => {
                self.refused += 1;
                Err(Offence)
            }
        }
    }

    fn route(&mut self, number: u64, batch: &mut Batch, space: &Space, signed: SignedBytes) {
        let id = signed.id();
        let item = Item::new(signed.claimed_time(), id);
        #[cfg(test)]
        if self.careless {
            self.riders.insert(id, vec![number]);
            batch.left += 1;
            self.queue.push_back((space.id, signed));
            return;
        }
        if space.has(signed.claimed_class(), &item) {
            batch.kept += 1;
        } else if let Some(riders) = self.riders.get_mut(&id) {
            riders.push(number);
            batch.left += 1;
        } else if *signed.claimed_class() == Class::Gov
            || space.governance.known.contains(&signed.claimed_author())
        {
            self.riders.insert(id, vec![number]);
            batch.left += 1;
            self.queue.push_back((space.id, signed));
        } else {
            self.wait(space.id, batch.source.peer, id, Waiting::Unverified(Box::new(signed)));
        }
    }

    fn wait(&mut self, space: SpaceId, peer: NodeId, id: RecordId, waiting: Waiting) {
        let count = self.waiting_for.entry(peer).or_default();
        let waiters = self.waiting.entry(space).or_default();
        if *count < MAX_WAITING && !waiters.contains_key(&id) {
            *count += 1;
            waiters.insert(id, (peer, waiting));
        }
    }

    /// Whether signatures are left to check.
    pub(crate) fn is_busy(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Records that wait for their author to become known.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.values().map(BTreeMap::len).sum()
    }

    /// Checks a slice of signatures.
    pub(crate) fn verify(&mut self, spaces: &BTreeMap<SpaceId, Space>) -> Outcome {
        let mut outcome = Outcome::default();
        for _ in 0..SLICE {
            let Some((space, signed)) = self.queue.pop_front() else { break };
            let id = signed.id();
            match (signed.verify(), spaces.get(&space)) {
                (Ok(record), Some(known)) => self.sort_in(known, record, &mut outcome),
                (Ok(_), None) => self.release(id, false, &mut outcome),
                (Err(_), _) => {
                    self.refused += 1;
                    let riders = self.riders.get(&id).into_iter().flatten();
                    let links = riders.filter_map(|n| self.batches.get(n)).map(|b| b.source.link);
                    outcome.offenders.extend(links);
                    self.release(id, false, &mut outcome);
                }
            }
        }
        outcome
    }

    fn sort_in(&mut self, space: &Space, record: Record, outcome: &mut Outcome) {
        let id = record.id();
        match space.judge(&record) {
            Verdict::Keep => self.ready.entry(space.id).or_default().push(record),
            Verdict::Wait => {
                let first = self.riders.get(&id).and_then(|riders| riders.first());
                let peer = first.and_then(|n| self.batches.get(n)).map(|b| b.source.peer);
                if let Some(peer) = peer {
                    self.wait(space.id, peer, id, Waiting::Verified(Box::new(record)));
                }
                self.release(id, false, outcome);
            }
        }
    }

    /// The next records to be stored, when there are enough or no more are coming.
    pub(crate) fn next_store(&mut self, ticket: Ticket) -> Option<(SpaceId, Vec<Record>)> {
        let busy = self.is_busy();
        let full = |records: &Vec<Record>| !busy || records.len() >= limits::RECORDS;
        let (space, records) = self.ready.iter_mut().find(|(_, records)| full(records))?;
        let space = *space;
        let batch: Vec<Record> = records.drain(..records.len().min(limits::RECORDS)).collect();
        if records.is_empty() {
            self.ready.remove(&space);
        }
        self.storing.insert(ticket, (space, batch.clone()));
        Some((space, batch))
    }

    /// The store answered; nothing when it was not asked by this room.
    pub(crate) fn stored(
        &mut self,
        ticket: Ticket,
        durable: bool,
    ) -> Option<(SpaceId, Vec<Record>, Outcome)> {
        let (space, records) = self.storing.remove(&ticket)?;
        let mut outcome = Outcome::default();
        for record in &records {
            self.release(record.id(), durable, &mut outcome);
        }
        Some((space, records, outcome))
    }

    /// Takes up what waited for authors that are known by now.
    pub(crate) fn governed(&mut self, space: &Space) {
        let Some(waiters) = self.waiting.remove(&space.id) else { return };
        for (id, (peer, waiting)) in waiters {
            if let Some(count) = self.waiting_for.get_mut(&peer) {
                *count = count.saturating_sub(1);
            }
            match waiting {
                Waiting::Unverified(signed)
                    if space.governance.known.contains(&signed.claimed_author()) =>
                {
                    self.riders.entry(id).or_default();
                    self.queue.push_back((space.id, *signed));
                }
                Waiting::Verified(record) if space.judge(&record) == Verdict::Keep => {
                    self.riders.entry(id).or_default();
                    self.ready.entry(space.id).or_default().push(*record);
                }
                waiting @ (Waiting::Unverified(_) | Waiting::Verified(_)) => {
                    self.wait(space.id, peer, id, waiting);
                }
            }
        }
    }

    /// Forgets what waits in a space this box has left.
    pub(crate) fn drop_space(&mut self, space: &SpaceId) {
        for (peer, _) in self.waiting.remove(space).into_iter().flatten().map(|(_, w)| w) {
            if let Some(count) = self.waiting_for.get_mut(&peer) {
                *count = count.saturating_sub(1);
            }
        }
    }

    fn release(&mut self, id: RecordId, kept: bool, outcome: &mut Outcome) {
        for number in self.riders.remove(&id).unwrap_or_default() {
            let Some(batch) = self.batches.get_mut(&number) else { continue };
            batch.left -= 1;
            batch.kept += u64::from(kept);
            if batch.left == 0 {
                outcome.done.extend(self.batches.remove(&number));
            }
        }
    }
}
