//! The number that makes a store's frames its own, and the places it is kept in.

use std::path::Path;

use kith_files::{Files, Open, PRIVATE_FILE, read_whole, write_durably};

use crate::error::StoreError;
use crate::segments::{HEADER, salt_in};

/// The file with the store's salt.
const SALT: &str = "store";

/// The first bytes of that file; the digit is the version of the format.
const SALT_MAGIC: &[u8; 8] = b"kithsto1";

/// The number that makes this store's frames its own; drawn once, and kept in every segment as well.
pub(crate) fn salt(files: &dyn Files, dir: &Path) -> Result<u64, StoreError> {
    if let Some(salt) = salt_of_store(files, dir)? {
        return Ok(salt);
    }
    let salt = match salt_of_segments(files, dir)? {
        Some(salt) => salt,
        None => getrandom::u64().map_err(StoreError::Random)?,
    };
    let mut bytes = [&SALT_MAGIC[..], &salt.to_le_bytes()].concat();
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    write_durably(files, dir, SALT, &bytes, PRIVATE_FILE)?;
    Ok(salt)
}

/// The same, of a store that is there already.
pub(crate) fn saved_salt(files: &dyn Files, dir: &Path) -> Result<Option<u64>, StoreError> {
    match salt_of_store(files, dir)? {
        Some(salt) => Ok(Some(salt)),
        None => salt_of_segments(files, dir),
    }
}

fn salt_of_store(files: &dyn Files, dir: &Path) -> Result<Option<u64>, StoreError> {
    let bytes = read_whole(files, &dir.join(SALT), 64)?;
    Ok(bytes.and_then(|bytes| parse_salt(&bytes)))
}

fn parse_salt(bytes: &[u8]) -> Option<u64> {
    let crc = crc32c::crc32c(bytes.get(..16)?).to_le_bytes();
    let whole = bytes.starts_with(SALT_MAGIC) && bytes.get(16..) == Some(&crc);
    whole.then(|| bytes[8..16].try_into().ok().map(u64::from_le_bytes))?
}

fn salt_of_segments(files: &dyn Files, dir: &Path) -> Result<Option<u64>, StoreError> {
    for name in ["log", "packs", "local"] {
        let dir = dir.join(name);
        for entry in files.list(&dir)? {
            let mut header = [0; HEADER as usize];
            files.open(&dir.join(&entry.name), Open::Read)?.read_at(0, &mut header)?;
            if let Some(salt) = salt_in(&header) {
                return Ok(Some(salt));
            }
        }
    }
    Ok(None)
}
