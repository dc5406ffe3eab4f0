//! The trait of views: how records become the rows that pages and commands read.
//!
//! A view is a pure function of the set of records. Whatever order they arrive in, and however often,
//! the rows end up the same; `kith store rebuild` and the tests hold every fold to that.

use crate::record::Record;

/// In which direction rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By growing key.
    Ascending,
    /// By shrinking key.
    Descending,
}

/// A row: its key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Rows as pages and commands read them, ordered by key.
pub trait ReadRows {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// At most `limit` rows whose key starts with `prefix`, beginning behind `after` (exclusive; it
    /// need not exist) in the direction of `order`.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize, order: Order) -> Vec<Row>;
}

/// The rows a fold reads and writes.
pub trait Rows: ReadRows {
    /// Sets the value at `key`.
    fn put(&mut self, key: &[u8], value: &[u8]);
    /// Removes the row at `key`, if there is one.
    fn remove(&mut self, key: &[u8]);
}

/// A view over records.
pub trait Fold: Send + Sync {
    /// Grows whenever the rows of the same records would differ from before; a store with rows of
    /// another version rebuilds them.
    fn version(&self) -> u32;

    /// Brings the rows up to date with one more record.
    fn fold(&self, record: &Record, rows: &mut dyn Rows);
}
