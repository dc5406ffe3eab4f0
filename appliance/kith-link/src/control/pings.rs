//! Signs of life of one box of the mesh: a few, one after the other, and of one box at a time.

use std::time::Duration;

use kith_model::network::status::{PINGS, Pinged};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::settings::values::Mac;

use crate::hands::HandsError;

/// The box that is asked, or was last.
#[derive(Debug, Default)]
pub(super) struct Pings(Option<(Mac, Pinged)>);

impl Pings {
    /// Begins to ask a box.
    ///
    /// # Errors
    /// While another one is asked.
    pub(super) fn begin(&mut self, mac: Mac) -> Result<(), Refusal> {
        if self.wanted().is_some() {
            let message = "a box is being asked already: wait some seconds";
            let refusal = Refusal::new(RefusalKind::TooMany, message);
            return Err(Refusal { retry_after: Some(5), ..refusal });
        }
        self.0 = Some((mac, Pinged { mac: mac.to_string(), running: true, ..Pinged::default() }));
        Ok(())
    }

    /// Whom to ask next.
    pub(super) fn wanted(&self) -> Option<Mac> {
        self.0.as_ref().filter(|(_, pinged)| pinged.running).map(|(mac, _)| *mac)
    }

    /// What came of it.
    pub(super) fn done(&mut self, result: Result<Option<Duration>, HandsError>) {
        let Some((_, pinged)) = &mut self.0 else { return };
        match result {
            Ok(rtt) => {
                let micros = rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX));
                pinged.rtt_us.push(micros);
                pinged.running = pinged.rtt_us.len() < usize::from(PINGS);
            }
            Err(error) => {
                pinged.error = Some(error.to_string());
                pinged.running = false;
            }
        }
    }

    /// As it is shown.
    pub(super) fn shown(&self) -> Option<Pinged> {
        self.0.as_ref().map(|(_, pinged)| pinged.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);

    #[test]
    fn a_box_is_asked_a_few_times_and_then_the_next_may_be() {
        let mut pings = Pings::default();
        assert!(pings.shown().is_none() && pings.wanted().is_none());
        pings.begin(ONE).unwrap();
        for round in 0..PINGS {
            assert_eq!(pings.wanted(), Some(ONE));
            assert_eq!(pings.begin(OTHER).unwrap_err().kind, RefusalKind::TooMany);
            pings.done(Ok((round != 2).then_some(Duration::from_micros(900))));
        }
        let seen = pings.shown().unwrap();
        assert_eq!(seen.rtt_us, [Some(900), Some(900), None, Some(900), Some(900)]);
        assert!(!seen.running && pings.wanted().is_none());
        pings.begin(OTHER).unwrap();
        assert_eq!(pings.shown().unwrap().rtt_us, []);
    }

    #[test]
    fn what_is_not_possible_is_said_once() {
        let mut pings = Pings::default();
        pings.begin(ONE).unwrap();
        pings.done(Err(HandsError::Missing("no mesh".into())));
        assert!(pings.wanted().is_none());
        assert!(pings.shown().unwrap().error.unwrap().contains("no mesh"));
    }
}
