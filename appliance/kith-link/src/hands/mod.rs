//! What carries out steps and looks at the world: the real hands here, simulated ones in
//! [`crate::simulated`]. They decide nothing.

pub mod real;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use kith_model::daemon::DaemonId;
use kith_model::network::ask::Heard;
use kith_model::settings::values::Mac;

use crate::facts::Offer;
use crate::seen::Seen;
use crate::step::Step;

/// Why the hands could not do something, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandsError {
    /// A program, module or interface is not there.
    #[error("{0}")]
    Missing(String),
    /// The kernel or a daemon refused.
    #[error("{0}")]
    Refused(String),
    /// A file could not be read or written.
    #[error("{0}")]
    File(String),
}

/// Something happened that the plan may depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something in the kernel or of a daemon changed: it is worth looking.
    Changed,
    /// An uplink was offered something else.
    Offered {
        /// Its device.
        device: String,
        /// All that it offers now; empty when the lease is lost.
        offer: Offer,
    },
    /// The supervisor is gone: the role ends.
    SupervisorGone,
}

/// What carries out steps and looks at the world. One call at a time; each is bounded in time.
pub trait Hands: Send {
    /// Everything that is there.
    fn look(&mut self) -> impl Future<Output = Result<Seen, HandsError>> + Send;

    /// Does one step. Doing it again does no harm.
    fn perform(&mut self, step: &Step) -> impl Future<Output = Result<(), HandsError>> + Send;

    /// Listens for networks on all radios.
    fn survey(&mut self) -> impl Future<Output = Result<Vec<Heard>, HandsError>> + Send;

    /// Asks `target` for a sign of life through an uplink; the round trip, or nothing within two seconds.
    fn probe(
        &mut self,
        device: &str,
        target: IpAddr,
    ) -> impl Future<Output = Option<Duration>> + Send;

    /// Asks a box of the mesh for a sign of life; the round trip, or nothing within two seconds.
    fn ping(
        &mut self,
        mac: Mac,
    ) -> impl Future<Output = Result<Option<Duration>, HandsError>> + Send;

    /// Whether a daemon answers on its control socket within two seconds. One without a control socket
    /// answers as long as it runs.
    fn answers(&mut self, daemon: &DaemonId) -> impl Future<Output = bool> + Send;

    /// Tells the supervisor that a daemon hangs.
    fn report_hung(&mut self, daemon: &DaemonId) -> impl Future<Output = ()> + Send;

    /// Asks everybody in the mesh who has an address, without saying one of the box's own (RFC 5227, 2.1.1).
    /// Who answers is seen at the next looks ([`Seen::mesh_arp`]).
    fn ask_for(&mut self, address: Ipv4Addr)
    -> impl Future<Output = Result<(), HandsError>> + Send;

    /// Waits for the next event. It may be dropped while it waits and called again, and loses nothing by
    /// that.
    fn event(&mut self) -> impl Future<Output = Event> + Send;
}
