//! What the radios heard when they listened last, and whether somebody wants them to listen again.

use kith_model::network::ask::{Heard, Surveyed};

use crate::hands::HandsError;

/// The last survey, and the next.
#[derive(Debug, Default)]
pub(super) struct Survey(Surveyed);

impl Survey {
    /// Somebody wants to know who is in reach; who asks meanwhile waits for the same.
    pub(super) fn begin(&mut self) {
        self.0.listening = true;
    }

    /// Whether the radios are to listen.
    pub(super) const fn wanted(&self) -> bool {
        self.0.listening
    }

    /// They have listened. When that failed, what was heard before is still the best there is.
    pub(super) fn done(&mut self, wall_ms: u64, result: Result<Vec<Heard>, HandsError>) {
        self.0.listening = false;
        match result {
            Ok(heard) => {
                self.0 = Surveyed { heard, at: Some(wall_ms), ..Surveyed::default() };
            }
            Err(error) => self.0.error = Some(error.to_string()),
        }
    }

    /// As it is shown.
    pub(super) const fn shown(&self) -> &Surveyed {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_that_fails_leaves_what_was_heard_before() {
        let mut survey = Survey::default();
        assert!(!survey.wanted());
        survey.begin();
        assert!(survey.wanted() && survey.shown().at.is_none());
        survey.done(7, Ok(vec![Heard { ssid: "Valley".into(), ..Heard::default() }]));
        assert_eq!((survey.shown().at, survey.shown().listening), (Some(7), false));
        survey.begin();
        assert_eq!(survey.shown().heard.len(), 1, "while it listens, the last one is shown");
        survey.done(9, Err(HandsError::Refused("busy".into())));
        let shown = survey.shown();
        assert_eq!((shown.at, shown.heard.len(), shown.listening), (Some(7), 1, false));
        assert!(shown.error.as_ref().is_some_and(|error| error.contains("busy")));
    }
}
