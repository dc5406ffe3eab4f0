//! A box: the machine, its disk, its wrong clock, and the person who lives on it.

use std::collections::BTreeSet;

use kith_core::body::Body;
use kith_core::cid::Cid;
use kith_core::identity::SecretKey;
use kith_core::invite::Invite;
use kith_core::record::{Class, Draft, Record, SpaceId};
use kith_core::time::{Hlc, HlcClock, Tick, UnixTime};
use kith_proto::replica::Replica;
use kith_proto::views::{self, Visible};

use super::disk::Disk;
use super::scenario::Trick;

/// The true time at which worlds begin: 2026-11-20.
pub const DAWN: u64 = 1_795_132_800_000;

/// A box.
#[derive(Debug)]
pub struct Node {
    /// The key of the box.
    pub key: SecretKey,
    /// The key of its person.
    pub author: SecretKey,
    /// The machine, while the box is on.
    pub replica: Option<Replica>,
    /// What survives.
    pub disk: Disk,
    /// Grows with every start, so that nothing meant for an earlier life arrives.
    pub life: u32,
    /// How far its clock is off, in milliseconds.
    pub wrong_ms: i64,
    /// Whether its clock has been confirmed.
    pub trusted: bool,
    /// The hybrid clock, while the box is on.
    pub clock: HlcClock,
    /// Whether its person is in the space, or on the way.
    pub in_space: bool,
    /// The invite being used.
    pub joining: Option<(Invite, Record)>,
    /// Whether the machine said that joining failed for good.
    pub join_failed: bool,
    /// How it cheats.
    pub trick: Option<Trick>,
    /// Roots the machine was told to hold.
    pub wanted: BTreeSet<Cid>,
    /// When the machine wants to be woken.
    pub wake: Option<u64>,
    /// Most records its machine ever had waiting.
    pub most_waiting: u64,
    /// Peers it dropped, over all earlier lives.
    pub dropped: u64,
    /// Bytes of blocks it fetched, over all earlier lives.
    pub fetched: u64,
}

impl Node {
    /// A box that is off.
    #[must_use]
    pub fn new(key: SecretKey, author: SecretKey) -> Self {
        Self {
            key,
            author,
            replica: None,
            disk: Disk::default(),
            life: 0,
            wrong_ms: 0,
            trusted: false,
            clock: HlcClock::resume(Hlc::default()),
            in_space: false,
            joining: None,
            join_failed: false,
            trick: None,
            wanted: BTreeSet::new(),
            wake: None,
            most_waiting: 0,
            dropped: 0,
            fetched: 0,
        }
    }

    /// Peers dropped and bytes of blocks fetched, over all lives.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        let now = self.replica.as_ref().map(Replica::counters).unwrap_or_default();
        (self.dropped + now.peers_dropped, self.fetched + now.block_bytes_received)
    }

    /// What the box's clock shows, `micros` after the dawn.
    #[must_use]
    pub fn wall(&self, micros: u64) -> UnixTime {
        let true_time = DAWN + micros / 1_000;
        let wrong = if self.trusted { 0 } else { self.wrong_ms };
        UnixTime::from_millis(true_time.saturating_add_signed(wrong))
    }

    /// The box's best guess of the present.
    #[must_use]
    pub fn guess(&self, micros: u64) -> UnixTime {
        self.clock.now(self.wall(micros))
    }

    /// What the box shows.
    #[must_use]
    pub fn visible(&self, micros: u64) -> Visible {
        Visible { now: self.wall(micros), trusted: self.trusted }
    }

    /// The next timestamp, its lease durable before it is used.
    pub fn tick(&mut self, micros: u64) -> Hlc {
        let now = self.wall(micros);
        loop {
            match self.clock.tick(now) {
                Tick::Ready(time) => return time,
                Tick::Lease(ceiling) => {
                    self.disk.ceiling = self.disk.ceiling.max(ceiling);
                    self.clock.leased(ceiling);
                }
            }
        }
    }

    /// A record by the person of this box, after what is durable; not durable itself.
    pub fn sign(
        &mut self,
        micros: u64,
        space: Option<SpaceId>,
        class: Class,
        body: Body,
    ) -> Record {
        let time = self.tick(micros);
        let me = self.author.author_id();
        let mine = self.disk.records.values().filter(|r| r.author() == me && *r.class() == class);
        let last = mine.max_by_key(|r| r.seq());
        let (seq, prev) = last.map_or((0, None), |r| (r.seq() + 1, Some(r.id())));
        let governance = space.and_then(|s| views::governance(&self.disk.rows, &s));
        let gov_heads = governance.map(|g| g.heads).unwrap_or_default();
        Record::sign(&self.author, Draft { space, class, seq, prev, time, gov_heads, body })
    }
}
