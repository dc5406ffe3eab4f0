//! Links between boxes: QUIC as its users see it. Within a stream frames come in order and whole; across
//! streams they overtake each other; what is lost delays; and connections die.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::chance::Chance;
use super::scenario::Links;

/// The index of a box.
pub type Place = usize;

/// A connection. Both ends call it by its number.
#[derive(Debug)]
pub struct Wire {
    /// Who dialled and who accepted.
    pub ends: [Place; 2],
    /// The incarnations of both ends that share it.
    pub lives: [u32; 2],
    /// Whether it still carries anything.
    pub alive: bool,
    latency: u64,
    /// When each end's sender is free, and when the last frame of each stream arrives: (sender, opened by
    /// the dialler, number).
    free: [u64; 2],
    last: BTreeMap<(usize, bool, u64), u64>,
}

impl Wire {
    /// A new connection.
    pub const fn new(
        ends: [Place; 2],
        lives: [u32; 2],
        links: &Links,
        chance: &mut Chance,
    ) -> Self {
        let latency = 1_000 * chance.between(links.latency_ms.0, links.latency_ms.1);
        Self { ends, lives, alive: true, latency, free: [0; 2], last: BTreeMap::new() }
    }

    /// Which end a box is: 0 dialled, 1 accepted.
    #[must_use]
    pub fn end_of(&self, place: Place) -> usize {
        usize::from(self.ends[0] != place)
    }

    /// One way, in microseconds.
    #[must_use]
    pub const fn latency(&self) -> u64 {
        self.latency
    }

    /// When something of `size` bytes that `end` sends now on a stream arrives.
    pub fn arrival(
        &mut self,
        now: u64,
        (end, by_dialler, number): (usize, bool, u64),
        size: usize,
        (links, chance): (&Links, &mut Chance),
    ) -> u64 {
        let sending = (size as u64 + 50) * 1_000_000 / (links.kib_per_s * 1024);
        self.free[end] = self.free[end].max(now) + sending;
        let jitter = chance.below(self.latency / 4 + 2);
        let lost = if chance.hits(links.lost_per_mille) { 3 * self.latency + 10_000 } else { 0 };
        let arrival = self.free[end] + self.latency + jitter + lost;
        let last = self.last.entry((end, by_dialler, number)).or_default();
        *last = arrival.max(*last + 1);
        *last
    }
}

/// The address of a box.
#[must_use]
pub fn address(place: Place) -> SocketAddr {
    let place = u32::try_from(place).unwrap_or(u32::MAX);
    let [_, b, c, d] = place.to_be_bytes();
    SocketAddr::from(([10, b, c, d], 7_000))
}

/// The box at an address.
#[must_use]
pub fn place(address: &SocketAddr) -> Option<Place> {
    match address {
        SocketAddr::V4(v4) => {
            let [_, b, c, d] = v4.ip().octets();
            usize::try_from(u32::from_be_bytes([0, b, c, d])).ok()
        }
        SocketAddr::V6(_) => None,
    }
}
