//! What only this box remembers and nobody can give back: keys and values in a log of their own.
//!
//! All of it is held in memory, so it is for peers, accounts, sessions and jobs, not for content. It is
//! never replicated.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kith_files::Files;

use crate::error::StoreError;
use crate::segments::{Damage, Log, Mark, Shape};
use crate::writer::Writer;

/// The longest key, in bytes.
pub const MAX_KEY: usize = 1024;

/// The most that one [`crate::Store::local_put`] takes, in bytes.
pub const MAX_LOCAL: usize = 1 << 20;

/// The log is made anew when it is larger than this and mostly garbage, in bytes.
const COMPACT_AT: u64 = 256 * 1024;

/// Marks a removed key where the length of its value would be.
const REMOVED: u32 = u32::MAX;

/// A change to one key.
pub type LocalChange<'a> = (&'a [u8], Option<&'a [u8]>);

#[derive(Debug)]
pub(crate) struct Local {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    map: BTreeMap<Vec<u8>, Vec<u8>>,
    writer: Writer,
    /// Bytes of keys and values in the map.
    live: u64,
}

impl Local {
    pub(crate) fn open(
        files: Arc<dyn Files>,
        dir: PathBuf,
        salt: u64,
    ) -> Result<(Self, Vec<Damage>), StoreError> {
        let shape = Shape { suffix: "seg", rotate_at: u32::MAX.into(), max_payload: MAX_LOCAL };
        let log = Arc::new(Log::new(files, dir, shape, salt));
        let (mut map, mut segment) = (BTreeMap::new(), 0);
        let replay = log.replay(Mark::default(), &mut |frame| {
            if frame.location.segment != segment {
                segment = frame.location.segment;
                if log.header(segment)?.is_some_and(|flags| flags.snapshot) {
                    map.clear();
                }
            }
            apply(&mut map, &frame.payload);
            Ok(())
        })?;
        let live = map.iter().map(|(key, value)| size(key, value)).sum();
        let writer = Writer::resume(log, &replay);
        Ok((Self { state: Mutex::new(State { map, writer, live }) }, replay.damage))
    }

    pub(crate) fn put(&self, changes: &[LocalChange<'_>]) -> Result<(), StoreError> {
        let payload = encode(changes)?;
        if payload.is_empty() {
            return Ok(());
        }
        let mut state = self.locked();
        let State { writer, .. } = &mut *state;
        writer.append(&[&payload])?;
        writer.flush()?;
        for (key, value) in changes {
            let gone = match value {
                Some(value) => {
                    state.live += size(key, value);
                    state.map.insert(key.to_vec(), value.to_vec())
                }
                None => state.map.remove(*key),
            };
            state.live -= gone.map_or(0, |value| size(key, &value));
        }
        state.compact();
        Ok(())
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.locked().map.get(key).cloned()
    }

    pub(crate) fn scan(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let state = self.locked();
        let range = state.map.range(prefix.to_vec()..);
        let within = range.take_while(|(key, _)| key.starts_with(prefix));
        within.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Writes the map to a fresh segment when most of the log is garbage.
    fn compact(&mut self) {
        let size = u64::from(self.writer.mark().end);
        if size < COMPACT_AT || size < 4 * self.live {
            return;
        }
        if let Err(error) = self.writer.snapshot(&snapshot(&self.map)) {
            // The old log is whole and goes on; the next change tries again.
            tracing::warn!("the local log was not compacted: {error}");
        }
    }
}

/// The map as frames that each fit the limit.
fn snapshot(map: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<Vec<u8>> {
    let mut payloads = vec![Vec::new()];
    for (key, value) in map {
        let mut entry = Vec::new();
        push(&mut entry, key, Some(value));
        match payloads.last_mut() {
            Some(last) if last.len() + entry.len() <= MAX_LOCAL => last.append(&mut entry),
            Some(_) | None => payloads.push(entry),
        }
    }
    payloads.retain(|payload| !payload.is_empty());
    payloads
}

fn size(key: &[u8], value: &[u8]) -> u64 {
    (6 + key.len() + value.len()) as u64
}

fn encode(changes: &[LocalChange<'_>]) -> Result<Vec<u8>, StoreError> {
    let mut payload = Vec::new();
    for (key, value) in changes {
        let size = key.len();
        if size > MAX_KEY {
            return Err(StoreError::TooLarge { size, limit: MAX_KEY });
        }
        push(&mut payload, key, *value);
    }
    if payload.len() > MAX_LOCAL {
        return Err(StoreError::TooLarge { size: payload.len(), limit: MAX_LOCAL });
    }
    Ok(payload)
}

fn push(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    out.extend((key.len() as u16).to_le_bytes());
    out.extend(value.map_or(REMOVED, |value| value.len() as u32).to_le_bytes());
    out.extend(key);
    out.extend(value.unwrap_or_default());
}

/// Takes over one frame; its checksum held, so it is whole.
fn apply(map: &mut BTreeMap<Vec<u8>, Vec<u8>>, mut payload: &[u8]) {
    while let Some((key, value, rest)) = pull(payload) {
        match value {
            Some(value) => map.insert(key.to_vec(), value.to_vec()),
            None => map.remove(key),
        };
        payload = rest;
    }
}

type Pulled<'a> = (&'a [u8], Option<&'a [u8]>, &'a [u8]);

fn pull(payload: &[u8]) -> Option<Pulled<'_>> {
    let (key, rest) = payload.split_first_chunk::<2>()?;
    let (value, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(u16::from_le_bytes(*key).into())?;
    match u32::from_le_bytes(*value) {
        REMOVED => Some((key, None, rest)),
        len => {
            let (value, rest) = rest.split_at_checked(len as usize)?;
            Some((key, Some(value), rest))
        }
    }
}
