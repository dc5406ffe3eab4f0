//! What the machine hears and what it says: facts in, orders out.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use kith_core::time::UnixTime;
use kith_model::daemon::DaemonId;
use kith_model::network::ask::{Heard, LinkAnswer, LinkAsk};
use kith_model::settings::values::Mac;

use crate::hands::{Event, HandsError};
use crate::seen::Seen;
use crate::step::Step;
use crate::store::{Order, StoreError};

/// Which question an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// What the wall clock shows. It is only ever shown to people.
    Wall(UnixTime),
    /// Somebody asks something.
    Asked {
        /// To be given back with the answer.
        id: AskId,
        /// Who and what.
        ask: Box<LinkAsk>,
        /// Fresh from the system's random source, for a one-time token.
        random: [u8; 32],
    },
    /// The [`Job`] under way is done.
    Done(Outcome),
    /// The [`Order`] under way is carried out, durably, or it failed and nothing of it counts.
    Stored(Result<(), StoreError>),
    /// Something happened by itself.
    Happened(Event),
}

/// What became of a [`Job`].
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Of [`Job::Look`]. Boxed, since it is large beside the others.
    Looked(Result<Box<Seen>, HandsError>),
    /// Of [`Job::Perform`].
    Performed(Result<(), HandsError>),
    /// Of [`Job::Survey`].
    Surveyed(Result<Vec<Heard>, HandsError>),
    /// Of [`Job::Ping`]: the round trip, or nothing.
    Pinged(Result<Option<Duration>, HandsError>),
    /// Of [`Job::Probe`]: the round trip, or nothing.
    Probed(Option<Duration>),
    /// Of [`Job::Check`].
    Answers(bool),
    /// Of [`Job::ReportHung`].
    Reported,
    /// Of [`Job::AskFor`].
    AskedFor(Result<(), HandsError>),
}

/// Something for the hands; there is one at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// See what is there.
    Look,
    /// Do one step.
    Perform(Step),
    /// Listen for networks.
    Survey,
    /// Ask a box of the mesh for a sign of life.
    Ping(Mac),
    /// Ask for a sign of life through an uplink.
    Probe {
        /// The uplink's interface.
        device: String,
        /// Whom.
        target: IpAddr,
    },
    /// Ask a daemon whether it answers.
    Check(DaemonId),
    /// Tell the supervisor that one hangs.
    ReportHung(DaemonId),
    /// Ask everybody in the mesh who has an address.
    AskFor(Ipv4Addr),
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// For the hands. Answered by [`Input::Done`]; until then there is no other.
    Do(Job),
    /// For the disk. Answered by [`Input::Stored`]; until then there is no other.
    Store(Box<Order>),
    /// For whoever asked.
    Answer {
        /// Which question.
        id: AskId,
        /// The answer.
        answer: Box<LinkAnswer>,
    },
}
