//! What a form leaves for the page after it: a message, an undo, a secret that is shown once.
//!
//! Kept in memory under a random key and bound to the form token of whoever gave the form, so nothing
//! of it travels in an address where somebody else could write it. Bounded and short-lived.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use kith_model::reply::{AccountInvite, FileEntry, InviteCode, TokenCreated};

/// How long a flash is kept, in milliseconds.
const LIFE_MS: u64 = 15 * 60 * 1000;

/// The most flashes kept; the oldest go first.
const MOST: usize = 256;

/// What is left for the next page.
#[derive(Clone, Debug)]
pub(crate) enum Flash {
    /// A message (its id) with values.
    Done(&'static str, Vec<String>),
    /// Something was removed and can be put back.
    Removed { space: Option<String>, collection: String, entry: Box<FileEntry> },
    /// An invite code was made.
    Invite(Box<InviteCode>),
    /// A link for one more account was made.
    AccountLink(AccountInvite),
    /// An API token was made.
    Token(Box<TokenCreated>),
}

struct Kept {
    owner: String,
    at: u64,
    flash: Flash,
}

/// The flashes of all browsers.
#[derive(Default)]
pub(crate) struct Flashes(Mutex<BTreeMap<String, Kept>>);

impl Flashes {
    /// Keeps a flash for `owner` and answers its key.
    pub(crate) fn keep(&self, owner: &str, at: u64, flash: Flash) -> Option<String> {
        let key = crate::app::random_token()?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, flash| flash.at.saturating_add(LIFE_MS) > at);
        if kept.len() >= MOST {
            let oldest = kept.iter().min_by_key(|(_, flash)| flash.at).map(|(key, _)| key.clone());
            oldest.and_then(|key| kept.remove(&key));
        }
        kept.insert(key.clone(), Kept { owner: owner.to_owned(), at, flash });
        Some(key)
    }

    /// The flash of this key, if it is `owner`'s and not too old.
    pub(crate) fn look(&self, owner: &str, now: u64, key: &str) -> Option<Flash> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(key).filter(|flash| flash.owner == owner && !owner.is_empty())?;
        (found.at.saturating_add(LIFE_MS) > now).then(|| found.flash.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whose_form_it_was_sees_it_and_not_for_ever() {
        let flashes = Flashes::default();
        let key = flashes.keep("ada", 1_000, Flash::Done("Done", Vec::new())).unwrap();
        assert!(flashes.look("ada", 2_000, &key).is_some());
        assert!(flashes.look("bob", 2_000, &key).is_none());
        assert!(flashes.look("ada", 1_000 + LIFE_MS, &key).is_none());
        assert!(flashes.look("ada", 2_000, "invented").is_none());
    }

    #[test]
    fn the_oldest_make_room() {
        let flashes = Flashes::default();
        let first = flashes.keep("ada", 1, Flash::Done("Done", Vec::new())).unwrap();
        for at in 2..=MOST as u64 + 1 {
            flashes.keep("ada", at, Flash::Done("Done", Vec::new())).unwrap();
        }
        assert!(flashes.look("ada", 300, &first).is_none());
        assert_eq!(flashes.0.lock().unwrap().len(), MOST);
    }
}
