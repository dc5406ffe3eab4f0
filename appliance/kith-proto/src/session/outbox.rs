//! Records on their way to one peer: pushed in frames, with a window of bytes, and asked for in turn.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use kith_core::record::{RecordId, SpaceId};
use kith_core::wire::frame::limits;

use crate::replica::StreamId;

/// Bytes of records in one frame at most; the frame's bound less its head.
const FRAME: usize = limits::PUSH - 4 * 1024 - limits::RECORDS * 8;

/// Bytes pushed and not acknowledged at most.
const WINDOW: usize = 2 << 20;

/// Frames pushed and not acknowledged at most; a receiver bears a few more.
const MAX_FRAMES: usize = 12;

/// Records waiting to be pushed at most; beyond that the next comparison brings them.
const MAX_QUEUED: usize = 8_192;

/// Records being loaded for pushing at once, in batches of one frame.
const MAX_LOADS: usize = 2;

/// Requests for records open at once.
const MAX_GETS: usize = 16;

/// A record to be pushed.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) space: SpaceId,
    pub(crate) bytes: Bytes,
    /// The comparison that found it missing.
    pub(crate) recon: Option<StreamId>,
}

/// Records a comparison found, by id.
#[derive(Clone, Debug)]
pub(crate) struct Lot {
    pub(crate) space: SpaceId,
    pub(crate) ids: Vec<RecordId>,
    pub(crate) recon: StreamId,
}

/// How many records of which comparison a frame held.
pub(crate) type Receipt = BTreeMap<StreamId, usize>;

/// What goes to one peer.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The open stream, while something is on its way.
    pub(crate) stream: Option<StreamId>,
    parcels: VecDeque<Parcel>,
    to_load: VecDeque<Lot>,
    to_get: VecDeque<Lot>,
    loading: usize,
    getting: usize,
    in_flight: VecDeque<(usize, Receipt)>,
    in_flight_bytes: usize,
}

impl Outbox {
    /// Queues a record; tells whether there was room.
    pub(crate) fn push(&mut self, parcel: Parcel) -> bool {
        let room = parcel.recon.is_some() || self.parcels.len() < MAX_QUEUED;
        if room {
            self.parcels.push_back(parcel);
        }
        room
    }

    /// Queues what a comparison found the peer to lack.
    pub(crate) fn push_lot(&mut self, space: SpaceId, ids: &[RecordId], recon: StreamId) {
        let lots = ids.chunks(limits::RECORDS);
        self.to_load.extend(lots.map(|ids| Lot { space, ids: ids.to_vec(), recon }));
    }

    /// Queues what a comparison found this box to lack.
    pub(crate) fn get_lot(&mut self, space: SpaceId, ids: &[RecordId], recon: StreamId) {
        let lots = ids.chunks(limits::RECORDS);
        self.to_get.extend(lots.map(|ids| Lot { space, ids: ids.to_vec(), recon }));
    }

    /// What to load from the store next, while little is queued already.
    pub(crate) fn next_load(&mut self) -> Option<Lot> {
        if self.loading >= MAX_LOADS || self.parcels.len() >= 4 * limits::RECORDS {
            return None;
        }
        let lot = self.to_load.pop_front()?;
        self.loading += 1;
        Some(lot)
    }

    pub(crate) const fn loaded(&mut self) {
        self.loading = self.loading.saturating_sub(1);
    }

    /// What to ask the peer for next.
    pub(crate) fn next_get(&mut self) -> Option<Lot> {
        if self.getting >= MAX_GETS {
            return None;
        }
        let lot = self.to_get.pop_front()?;
        self.getting += 1;
        Some(lot)
    }

    pub(crate) const fn gotten(&mut self) {
        self.getting = self.getting.saturating_sub(1);
    }

    /// The records of the next frame, all of one space, while the window has room.
    pub(crate) fn next_frame(&mut self) -> Option<(SpaceId, Vec<Bytes>)> {
        if self.in_flight_bytes >= WINDOW || self.in_flight.len() >= MAX_FRAMES {
            return None;
        }
        let space = self.parcels.front()?.space;
        let (mut records, mut size, mut receipt) = (Vec::new(), 0, Receipt::new());
        while records.len() < limits::RECORDS
            && let Some(parcel) = self.parcels.front()
            && parcel.space == space
            && size + parcel.bytes.len() <= FRAME
            && let Some(parcel) = self.parcels.pop_front()
        {
            size += parcel.bytes.len();
            if let Some(recon) = parcel.recon {
                *receipt.entry(recon).or_default() += 1;
            }
            records.push(parcel.bytes);
        }
        self.in_flight_bytes += size;
        self.in_flight.push_back((size, receipt));
        Some((space, records))
    }

    /// The peer has the oldest frame; nothing when none was on its way.
    pub(crate) fn acknowledged(&mut self) -> Option<Receipt> {
        let (size, receipt) = self.in_flight.pop_front()?;
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(size);
        Some(receipt)
    }

    /// Whether the stream has nothing more to carry for now.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.parcels.is_empty()
    }

    pub(crate) fn awaits_answer(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Forgets what was to go to a space that is no longer shared.
    pub(crate) fn drop_space(&mut self, space: &SpaceId) {
        self.parcels.retain(|parcel| parcel.space != *space);
        self.to_load.retain(|lot| lot.space != *space);
        self.to_get.retain(|lot| lot.space != *space);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::LinkId;

    #[test]
    fn frames_keep_their_bounds_and_the_window_fills() {
        let mut outbox = Outbox::default();
        let recon = StreamId { link: LinkId(1), ours: false, number: 0 };
        for n in 0..2_000_usize {
            let bytes = Bytes::from(vec![0; 2_000 + 3 * (n % 2_000)]);
            outbox.push(Parcel { space: SpaceId([1; 32]), bytes, recon: Some(recon) });
        }
        let mut sent = 0;
        let mut frames = 0;
        while sent < 2_000 {
            while let Some((_, records)) = outbox.next_frame() {
                let size: usize = records.iter().map(|r| r.len() + 8).sum();
                assert!(records.len() <= limits::RECORDS && size < limits::PUSH);
                sent += records.len();
                frames += 1;
            }
            assert!(outbox.in_flight_bytes < WINDOW + limits::PUSH);
            assert!(outbox.acknowledged().is_some());
        }
        assert!(frames > 5);
        while outbox.acknowledged().is_some() {}
        assert!(outbox.is_idle());
    }

    #[test]
    fn unasked_news_beyond_the_bound_is_left_to_the_next_comparison() {
        let mut outbox = Outbox::default();
        let parcel = || Parcel { space: SpaceId([1; 32]), bytes: Bytes::new(), recon: None };
        assert!((0..MAX_QUEUED).all(|_| outbox.push(parcel())));
        assert!(!outbox.push(parcel()));
    }
}
