//! The trait of views: how records become the rows that pages and commands read.
//!
//! A view is a pure function of the set of records. Whatever order they arrive in, and however often,
//! the rows end up the same; `kith store rebuild` and the tests hold every fold to that.

use crate::record::Record;

/// The rows a fold reads and writes, ordered by key.
pub trait Rows {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;
    /// Sets the value at `key`.
    fn put(&mut self, key: &[u8], value: &[u8]);
    /// Removes the row at `key`, if there is one.
    fn remove(&mut self, key: &[u8]);
    /// All rows whose key starts with `prefix`, in order. Folds only ask for prefixes that hold few.
    fn with_prefix(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)>;
}

/// A view over records.
pub trait Fold: Send + Sync {
    /// Grows whenever the rows of the same records would differ from before; a store with rows of
    /// another version rebuilds them.
    fn version(&self) -> u32;

    /// Brings the rows up to date with one more record.
    fn fold(&self, record: &Record, rows: &mut dyn Rows);
}
