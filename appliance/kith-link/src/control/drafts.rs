//! What people are still editing: one document a person.

use std::collections::BTreeMap;

use crate::store::{Draft, MOST_DRAFTS};

/// All drafts, by whose they are.
#[derive(Debug)]
pub(super) struct Drafts {
    drafts: BTreeMap<String, Draft>,
    touched: u64,
}

impl Drafts {
    pub(super) fn new(drafts: Vec<Draft>) -> Self {
        let touched = drafts.iter().map(|draft| draft.touched).max().unwrap_or_default();
        let drafts = drafts.into_iter().map(|draft| (draft.who.clone(), draft)).collect();
        Self { drafts, touched }
    }

    pub(super) fn get(&self, who: &str) -> Option<&Draft> {
        self.drafts.get(who)
    }

    /// A draft of `text`, to be kept and then put here, and whose has to make room for it.
    pub(super) fn edit(&self, who: &str, base: &str, text: String) -> (Draft, Option<String>) {
        let full = self.drafts.len() >= MOST_DRAFTS && !self.drafts.contains_key(who);
        let oldest = self.drafts.values().min_by_key(|draft| draft.touched);
        let room = oldest.filter(|_| full).map(|draft| draft.who.clone());
        let touched = self.touched + 1;
        (Draft { who: who.to_owned(), base: base.to_owned(), text, touched }, room)
    }

    /// Takes what has been kept.
    pub(super) fn put(&mut self, who: &str, draft: Option<Draft>, instead_of: Option<&str>) {
        if let Some(other) = instead_of {
            self.drafts.remove(other);
        }
        match draft {
            Some(draft) => {
                self.touched = self.touched.max(draft.touched);
                self.drafts.insert(who.to_owned(), draft);
            }
            None => drop(self.drafts.remove(who)),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Draft> {
        self.drafts.values()
    }
}
