//! The memory of a box: signed records, blocks, what only this box knows, and an index over them.
//!
//! Truth is in append-only files that are flushed before anything is acknowledged: `log/` (records),
//! `packs/` and `blocks/` (blocks), `local/` (what is never replicated). The index on sled and the rows
//! of views can be made again from those, and are, whenever there is a doubt. Everything here blocks;
//! who calls from async code does so on a thread for that. Nothing here decides what to keep or to send.
//!
//! ```text
//! let store = Store::open(files, dir, fold, &Options::default(), &mut |step| …)?;   // clones share it
//! store.findings()                                  // damage, and whether the index was made anew
//! store.append(&records)?                           // durable; [New | Known | Fork(other)]
//! store.record(&id)?  store.has_record(&id)?  store.ids(&space, &class, after, limit)?
//! store.records(&space, &class)  store.last_of(&space, &class, &author)?
//! store.spaces()?  store.classes(&space)?  store.counts()  store.free_space()?
//! let mut batch = store.block_batch();
//! batch.put(Some(space), cid, bytes)?               // checks the hash; put_hashed(…, Hashed) does not
//! batch.commit()?                                   // durable, all of them; also by itself at 32 MiB
//! store.block(&cid, Check::Quick)?  store.block_in(&space, &cid)?
//! store.has_block(&cid)?  store.has_blocks(&cids)?  store.block_size(&cid)?
//! store.local_put(&[(key, Some(value)), (key, None)])?   // one atomic durable change
//! store.local_get(key)  store.local_scan(prefix)
//! store.views()                                     // kith_core::fold::ReadRows
//! verify(&files, dir, &mut |step| …)?               // reads everything: Report { problems, … }
//! rebuild(files, dir, fold, &options, &mut |step| …)?    // drops the index and makes it anew: Counts
//! store.checkpoint()?                               // so that the next start is quick; drop does it too
//! ```

mod append;
mod blocks;
mod error;
mod frame;
mod index;
mod keeper;
mod local;
mod materialise;
mod query;
mod recover;
mod rows;
mod salt;
mod scan;
mod segments;
mod store;
mod verify;
mod writer;

pub use append::Appended;
pub use blocks::{BlockBatch, Hashed, LARGE};
pub use error::{IndexError, StoreError};
pub use local::{LocalChange, MAX_KEY, MAX_LOCAL};
pub use query::{Check, Views};
pub use recover::{IndexOrigin, Step};
pub use segments::Damage;
pub use store::{Counts, Findings, Options, Store};
pub use verify::{Problem, Report, rebuild, verify};
