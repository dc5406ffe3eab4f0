//! Views: records as rows, and rows as pages read them.
//!
//! [`Views`] is the one [`Fold`](kith_core::fold::Fold) of a box. Rows depend on the set of records
//! alone; who may be seen and what lies in the future is decided when rows are read.

mod read;

pub use read::{
    Activity, At, Collection, Cover, Deed, FileEntry, FileKind, Fork, Listing, LiveRoot, Located,
    Post, Put, Visible, activity, collections, file, files, forks, governance, live_roots, post,
    posts,
};

use kith_core::fold::{Fold, Rows};
use kith_core::record::Record;

/// The fold of every class this build knows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Views;

impl Fold for Views {
    fn version(&self) -> u32 {
        1
    }

    fn fold(&self, _record: &Record, _rows: &mut dyn Rows) {}
}
