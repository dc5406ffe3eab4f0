//! The token of the change that waits, kept for the session that applied it: whoever comes back after
//! the Wi-Fi has changed finds the page without any address to remember.

use std::sync::{Mutex, PoisonError};

/// What confirms a change, and whose it is.
#[derive(Clone, Debug)]
struct Kept {
    owner: String,
    token: String,
    link: Option<String>,
}

/// The one change that may wait; a later one takes its place.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<Option<Kept>>);

impl Waiting {
    /// Keeps a change's token for `owner`, and the link to where the panel moves.
    pub(crate) fn keep(&self, owner: &str, token: String, link: Option<String>) {
        let kept = Kept { owner: owner.to_owned(), token, link };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }

    /// The token and the link, if the change is `owner`'s.
    pub(crate) fn of(&self, owner: &str) -> Option<(String, Option<String>)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.as_ref().filter(|kept| kept.owner == owner && !owner.is_empty())?;
        Some((kept.token.clone(), kept.link.clone()))
    }

    /// Forgets it: the change is over.
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_session_that_applied_it_gets_the_token() {
        let waiting = Waiting::default();
        waiting.keep("ada", "token".into(), None);
        assert_eq!(waiting.of("ada"), Some(("token".into(), None)));
        assert_eq!(waiting.of("eve"), None);
        assert_eq!(waiting.of(""), None);
        waiting.forget();
        assert_eq!(waiting.of("ada"), None);
    }
}
