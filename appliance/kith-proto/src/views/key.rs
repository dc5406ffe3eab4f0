//! The keys of rows. Numbers are big-endian, so that rows are in the order pages read them.
//!
//! | table | key after its letter | value |
//! |---|---|---|
//! | `A` activity | space, time, id | author and deed |
//! | `B` board | space, time, id | author, text, what it answers |
//! | `C` collections | space, name | nothing |
//! | `D` taken back | space, id of the notice, time, id | author |
//! | `F` files | space, length of the collection's name, name, path, 0, time, id | author and what was put, or nothing when removed |
//! | `G` governance | space | people and rules |
//! | `I` ids of notices | space, id | time |
//! | `K` forks | space, class, 0, author, number | nothing |
//! | `S` numbers | space, class, 0, author, number, id | nothing |
//! | `V` governance facts | space, time, id | the fact |
//!
//! In a path `/` is written as 1: since paths hold no control characters, everything about one name in
//! a folder, the path itself first, is then one run of rows before those of the next name.

use kith_core::identity::AuthorId;
use kith_core::record::{Class, RecordId, SpaceId};
use kith_core::time::Hlc;

/// The letters of the tables.
pub(super) mod table {
    pub(in crate::views) const ACTIVITY: u8 = b'A';
    pub(in crate::views) const BOARD: u8 = b'B';
    pub(in crate::views) const COLLECTION: u8 = b'C';
    pub(in crate::views) const TAKEN_BACK: u8 = b'D';
    pub(in crate::views) const FILE: u8 = b'F';
    pub(in crate::views) const GOVERNANCE: u8 = b'G';
    pub(in crate::views) const POST_ID: u8 = b'I';
    pub(in crate::views) const FORK: u8 = b'K';
    pub(in crate::views) const NUMBER: u8 = b'S';
    pub(in crate::views) const FACT: u8 = b'V';
}

/// Ends a path.
pub(super) const END: u8 = 0;

/// Stands for `/` in a path.
pub(super) const SLASH: u8 = 1;

/// What all rows of a table in a space start with.
pub(super) fn of_space(table: u8, space: &SpaceId) -> Vec<u8> {
    let mut key = Vec::with_capacity(96);
    key.push(table);
    key.extend(space.0);
    key
}

/// Appends what orders records everywhere.
pub(super) fn with_stamp(mut key: Vec<u8>, time: Hlc, id: &RecordId) -> Vec<u8> {
    key.extend(time.bits().to_be_bytes());
    key.extend(id.0);
    key
}

/// The stamp at the end of a key.
pub(super) fn stamp(key: &[u8]) -> Option<(Hlc, RecordId)> {
    let (rest, id) = key.split_last_chunk::<32>()?;
    let (_, time) = rest.split_last_chunk::<8>()?;
    Some((Hlc::from_bits(u64::from_be_bytes(*time)), RecordId(*id)))
}

/// What all rows of a collection start with.
pub(super) fn of_collection(space: &SpaceId, collection: &str) -> Vec<u8> {
    let mut key = of_space(table::FILE, space);
    // A collection's name has at most 64 bytes; a longer one that somebody asks for has no rows.
    key.push(u8::try_from(collection.len()).unwrap_or(u8::MAX));
    key.extend(collection.as_bytes());
    key
}

/// A path as it stands in a key.
pub(super) fn path_bytes(path: &str) -> Vec<u8> {
    path.bytes().map(|b| if b == b'/' { SLASH } else { b }).collect()
}

/// The path in bytes that [`path_bytes`] made.
pub(super) fn path_text(bytes: &[u8]) -> String {
    let path = bytes.iter().map(|b| if *b == SLASH { b'/' } else { *b }).collect();
    String::from_utf8(path).unwrap_or_default()
}

/// What all numbers, or forks, of a table start with.
pub(super) fn of_number(
    table: u8,
    space: &SpaceId,
    class: &Class,
    who: (&AuthorId, u64),
) -> Vec<u8> {
    let mut key = of_space(table, space);
    key.extend(class.to_string().as_bytes());
    key.push(END);
    key.extend(who.0.0);
    key.extend(who.1.to_be_bytes());
    key
}
