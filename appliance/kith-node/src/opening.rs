//! What the network side is told at the start: people, spaces, boxes met before, content wanted.

use std::path::Path;

use kith_core::body::Body;
use kith_core::record::{Class, Record, SpaceId};
use kith_core::time::UnixTime;
use kith_files::Files;
use kith_proto::replica::Input;
use kith_proto::views::{self, Visible};
use kith_store::{Store, StoreError};

use crate::account::Accounts;
use crate::clock::Clock;
use crate::hub::HubHandle;
use crate::keys::Keys;
use crate::ledger::{self, PeerEntry, SpaceEntry};
use crate::words;

/// Tells everything the box remembers. From a thread: it waits when the hub is behind.
pub(crate) fn tell_all(
    (store, clock, hub): (&Store, &Clock, &HubHandle),
    (files, state): (&dyn Files, &Path),
) {
    hub.tell(Input::WallClock { now: clock.wall(), trusted: clock.trusted() });
    let keys = Keys::new(files, state);
    for author in Accounts::load(store).authors() {
        match keys.author(&author) {
            Ok(Some(key)) => hub.tell(Input::AuthorAdded { key }),
            Ok(None) => tracing::error!(%author, "the key of an account is missing"),
            Err(error) => {
                tracing::error!(%author, error = %words::chain(&error), "a key cannot be read")
            }
        }
    }
    for (id, entry) in ledger::tree::<SpaceEntry>(store, ledger::SPACES) {
        if let Ok(space) = id.parse()
            && let Err(error) = open_space(store, hub, (space, &entry))
        {
            tracing::error!(%space, error = %words::chain(&error), "a space cannot be opened");
        }
    }
    for (text, PeerEntry { addresses, .. }) in ledger::tree(store, ledger::PEERS) {
        if let Ok(node) = text.parse() {
            hub.tell(Input::PeerKnown { node, addresses });
        }
    }
    for (text, ()) in ledger::tree(store, ledger::TYPED) {
        if let Ok(address) = text.parse() {
            hub.tell(Input::AddressTyped { address });
        }
    }
    for (id, entry) in ledger::tree::<SpaceEntry>(store, ledger::SPACES) {
        if let (Ok(space), None) = (id.parse(), entry.joining) {
            want_content(store, hub, &space);
        }
    }
}

/// Whatever its time: content of a record from the future is fetched now and shown then.
pub(crate) const EVERYTHING: Visible = Visible { now: UnixTime::from_millis(0), trusted: false };

/// Wants all content of a space.
pub(crate) fn want_content(store: &Store, hub: &HubHandle, space: &SpaceId) {
    for root in views::live_roots(&store.views(), space, EVERYTHING) {
        hub.want(*space, root.root, root.size);
    }
}

fn open_space(
    store: &Store,
    hub: &HubHandle,
    (space, entry): (SpaceId, &SpaceEntry),
) -> Result<(), StoreError> {
    let gov = gov_records(store, &space)?;
    let invite = entry.joining.as_ref().and_then(|code| code.parse().ok());
    let ours =
        |record: &&Record| matches!(record.body(), Body::Join { node, .. } if *node == hub.node());
    let join = gov.iter().rev().find(ours).cloned();
    match (invite, join) {
        (Some(invite), Some(join)) => {
            hub.tell(Input::JoinStarted { invite: Box::new(invite), join: Box::new(join), gov });
        }
        (Some(_) | None, _) => {
            let classes = store.classes(&space)?;
            hub.tell(Input::SpaceOpened { space, gov, classes });
        }
    }
    Ok(())
}

fn gov_records(store: &Store, space: &SpaceId) -> Result<Vec<Record>, StoreError> {
    store.records(space, &Class::Gov).collect()
}
