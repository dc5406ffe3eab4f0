//! The hands of a box that is not there.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use kith_model::daemon::DaemonId;
use kith_model::network::ask::Heard;
use kith_model::settings::values::Mac;
use kith_role::clock::SystemClock;

use super::World;
use crate::hands::{Event, Hands, HandsError};
use crate::seen::Seen;
use crate::step::Step;

/// How long it takes to listen on all channels.
const SURVEY: Duration = Duration::from_secs(3);

/// How long one waits for a sign of life.
const PROBE: Duration = Duration::from_secs(2);

/// Hands that do nothing to the machine they run on.
#[derive(Debug)]
pub struct SimulatedHands {
    world: World,
    clock: SystemClock,
}

impl SimulatedHands {
    /// Hands in `world`, whose time is `clock`'s.
    #[must_use]
    pub const fn new(world: World, clock: SystemClock) -> Self {
        Self { world, clock }
    }
}

impl Hands for SimulatedHands {
    async fn look(&mut self) -> Result<Seen, HandsError> {
        Ok(self.world.look(self.clock.now(), self.clock.wall()))
    }

    async fn perform(&mut self, step: &Step) -> Result<(), HandsError> {
        self.world.perform(self.clock.now(), step)
    }

    async fn survey(&mut self) -> Result<Vec<Heard>, HandsError> {
        tokio::time::sleep(SURVEY).await;
        Ok(self.world.survey(self.clock.now()))
    }

    async fn probe(&mut self, device: &str, target: IpAddr) -> Option<Duration> {
        let rtt = self.world.probe(self.clock.now(), device, target);
        tokio::time::sleep(rtt.unwrap_or(PROBE)).await;
        rtt
    }

    async fn ping(&mut self, mac: Mac) -> Result<Option<Duration>, HandsError> {
        let rtt = self.world.ping(self.clock.now(), mac);
        tokio::time::sleep(rtt.unwrap_or(PROBE)).await;
        Ok(rtt)
    }

    async fn answers(&mut self, daemon: &DaemonId) -> bool {
        self.world.answers(self.clock.now(), daemon)
    }

    async fn report_hung(&mut self, daemon: &DaemonId) {
        self.world.replace(self.clock.now(), daemon);
    }

    async fn ask_for(&mut self, address: Ipv4Addr) -> Result<(), HandsError> {
        self.world.ask_for(self.clock.now(), address)
    }

    async fn event(&mut self) -> Event {
        loop {
            let now = self.clock.now();
            if let Some(event) = self.world.event(now) {
                return event;
            }
            match self.world.next_event() {
                Some(at) => tokio::time::sleep_until(self.clock.deadline(at)).await,
                None => std::future::pending().await,
            }
        }
    }
}
