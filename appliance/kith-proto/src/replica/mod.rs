//! The replica: everything a box decides about its peers, in one machine.
//!
//! It owns the rooms beside it (discovery, session, sync, blocks, governance, membership), tells them
//! what happened and turns what they want into [`Output`]s. It owns no socket, file, clock or random
//! source: the seed and the time are arguments.

mod input;
mod output;
mod snapshot;

pub use input::{DialId, HaveBlock, Input, Link, LinkId, LinkUp, StreamId, Ticket, Via};
pub use output::{Change, Close, JoinFailure, Output};
pub use snapshot::{Counters, PeerSnapshot, PeerState, TransferSnapshot};

use kith_core::identity::NodeId;
use kith_core::machine::Machine;
use kith_core::time::Instant;

/// What a replica starts with.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The key of this box.
    pub node: NodeId,
    /// 32 bytes from the system's random source.
    pub seed: [u8; 32],
}

/// The machine of one box.
#[derive(Debug)]
pub struct Replica {
    setup: Setup,
}

impl Replica {
    /// A replica that knows nobody yet.
    #[must_use]
    pub const fn new(setup: Setup) -> Self {
        Self { setup }
    }

    /// Every box known, connected ones first.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerSnapshot> {
        let _ = self.setup;
        Vec::new()
    }

    /// Every download under way.
    #[must_use]
    pub fn transfers(&self) -> Vec<TransferSnapshot> {
        Vec::new()
    }

    /// Counters since the start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters::default()
    }
}

impl Machine for Replica {
    type Input = Input;
    type Output = Output;

    fn handle_input(&mut self, _now: Instant, _input: Input) {}

    fn handle_timeout(&mut self, _now: Instant) {}

    fn poll_output(&mut self) -> Option<Output> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}
