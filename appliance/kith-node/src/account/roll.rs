//! The roll of open sessions: who is signed in, as the door looks it up without asking the desk.
//!
//! The desk publishes it anew before it answers whatever changed it, so an ended session is over at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kith_core::identity::AuthorId;
use kith_core::time::UnixTime;
use kith_model::caller::Principal;

use super::session::is_open;
use crate::secret::{self, Digest};

/// When a session was last used, in milliseconds since 1970; the desk and the door both note it.
#[derive(Clone, Debug)]
pub(crate) struct Used(Arc<AtomicU64>);

impl Used {
    pub(super) fn at(time: UnixTime) -> Self {
        Self(Arc::new(AtomicU64::new(time.as_millis())))
    }

    pub(super) fn get(&self) -> UnixTime {
        UnixTime::from_millis(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn set(&self, time: UnixTime) {
        self.0.store(time.as_millis(), Ordering::Relaxed);
    }
}

/// One open session.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// The digest of its secret.
    pub secret: Digest,
    /// Who it is, but for the form token, which follows from the secret.
    pub principal: Principal,
    /// The key of the account.
    pub author: AuthorId,
    /// When it was opened.
    pub since: UnixTime,
    /// When it was last used.
    pub used: Used,
}

/// All open sessions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roll(pub Vec<Listed>);

impl Roll {
    /// The session with this secret, if it is open; notes that it was used. What is not found may only
    /// not be listed yet, so the desk has the last word.
    #[must_use]
    pub(crate) fn find(&self, now: UnixTime, secret: &str) -> Option<&Listed> {
        let digest = secret::digest(secret);
        let listed = self.0.iter().find(|listed| secret::same(&listed.secret, &digest))?;
        if !is_open(now, listed.since, listed.used.get()) {
            return None;
        }
        listed.used.set(now);
        Some(listed)
    }
}

impl Listed {
    /// Who the session belongs to.
    #[must_use]
    pub(crate) fn principal(&self, secret: &str) -> Principal {
        Principal { form_token: Some(secret::form_token(secret)), ..self.principal.clone() }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOON: UnixTime = UnixTime::from_millis(1_800_000_000_000);
    const MINUTE: Duration = Duration::from_secs(60);

    fn roll() -> Roll {
        Roll(vec![Listed {
            secret: secret::digest("right"),
            principal: Principal::visitor(),
            author: AuthorId([1; 32]),
            since: NOON,
            used: Used::at(NOON),
        }])
    }

    #[test]
    fn only_the_right_secret_finds_a_session() {
        let roll = roll();
        let found = roll.find(NOON, "right").unwrap();
        assert_eq!(found.principal("right").form_token, Some(secret::form_token("right")));
        assert!(roll.find(NOON, "wrong").is_none() && roll.find(NOON, "").is_none());
    }

    #[test]
    fn looking_keeps_a_session_open_and_nothing_else_does() {
        let looked_at = roll();
        for quarter in 1..=48 {
            assert!(looked_at.find(NOON + 15 * quarter * MINUTE, "right").is_some(), "{quarter}");
        }
        assert!(looked_at.find(NOON + 721 * MINUTE, "right").is_none(), "twelve hours are all");
        let forgotten = roll();
        assert!(forgotten.find(NOON + 31 * MINUTE, "right").is_none());
        assert_eq!(forgotten.0[0].used.get(), NOON, "and a closed one is not used");
    }
}
