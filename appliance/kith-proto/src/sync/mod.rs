//! How record sets are brought together: what they are, how two are compared, and how records that
//! come in are checked before they are kept.

pub(crate) mod ingest;
pub mod ranges;
pub(crate) mod recon;
pub mod set;
mod varint;

#[cfg(test)]
mod tests;
