//! Views: records as rows, and rows as pages read them.
//!
//! [`Views`] is the one [`Fold`](kith_core::fold::Fold) of a box. Rows depend on the set of records
//! alone; who may be seen and what lies in the future is decided when rows are read.

mod fold;
mod key;
pub mod read;
mod row;

pub use fold::Views;
pub use read::{
    Activity, At, Collection, Cover, Deed, FileEntry, FileKind, Fork, Listing, LiveRoot, Located,
    Post, Put, Visible, activity, collections, file, files, forks, governance, live_roots, post,
    posts,
};

#[cfg(test)]
mod tests;
