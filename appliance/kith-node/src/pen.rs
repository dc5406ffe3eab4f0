//! The pen: writes records in the name of the people of this box.
//!
//! A record leaves the box only after its segment is durable, else a crash could use its number twice.

use std::sync::Arc;

use kith_core::body::Body;
use kith_core::identity::SecretKey;
use kith_core::record::{Class, Draft, Record, SpaceId};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_proto::views;
use kith_store::Store;

use crate::clock::Clock;
use crate::words;

/// Writes records.
#[derive(Debug)]
pub(crate) struct Pen {
    store: Store,
    clock: Arc<Clock>,
}

impl Pen {
    /// A pen that writes into `store`.
    #[must_use]
    pub(crate) const fn new(store: Store, clock: Arc<Clock>) -> Self {
        Self { store, clock }
    }

    /// Writes a record and returns it when it is durable.
    ///
    /// # Errors
    /// When the body is no good or the disk refuses.
    pub(crate) fn write(
        &self,
        author: &SecretKey,
        (space, class): (Option<SpaceId>, Class),
        body: Body,
    ) -> Result<Record, Refusal> {
        body.check().map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))?;
        let last = match &space {
            Some(space) => self
                .store
                .last_of(space, &class, &author.author_id())
                .map_err(|error| words::of_store(&error))?,
            None => None,
        };
        let (seq, prev) = last.map_or((0, None), |(seq, id)| (seq + 1, Some(id)));
        let gov_heads = space.map_or_else(Vec::new, |space| {
            views::governance(&self.store.views(), &space).unwrap_or_default().heads
        });
        let time = self.clock.tick(&self.store).map_err(|error| words::of_store(&error))?;
        let draft = Draft { space, class, seq, prev, time, gov_heads, body };
        let record = Record::sign(author, draft);
        self.store
            .append(std::slice::from_ref(&record))
            .map_err(|error| words::of_store(&error))?;
        Ok(record)
    }
}
