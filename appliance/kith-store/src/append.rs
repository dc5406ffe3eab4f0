//! Taking records: callers that come at the same time share one flush.
//!
//! Whoever finds nobody at work takes all that is waiting, writes it, flushes once, and hands out the
//! results (leader and followers, as in write-ahead logs of databases).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use kith_core::fold::Order;
use kith_core::record::{Record, RecordId};

use crate::error::{IndexError, StoreError};
use crate::index::Index;
use crate::keeper::Moved;
use crate::materialise;
use crate::rows::{counter_and_id, counter_prefix, id_key};
use crate::segments::Location;
use crate::store::{Inner, Store, locked};
use crate::writer::Writer;

/// Records may use the reserve down to this part of it: the index needs room to follow them.
const RECORDS_SHARE: u64 = 4;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is stored now.
    New,
    /// It was there already.
    Known,
    /// It is stored now, and its author gave the same counter to this other record.
    Fork(RecordId),
}

type Outcome = Result<Vec<Appended>, StoreError>;

/// Who waits for a flush.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Vec<(u64, Vec<Record>)>,
    done: BTreeMap<u64, Outcome>,
    next: u64,
    led: bool,
}

impl Store {
    /// Stores records; they last on return, and the views hold them.
    ///
    /// # Errors
    /// [`StoreError::Full`] with a quarter of the reserve left, or what the disk says; records that came with others in one flush share its failure. Whoever asks
    /// again gets [`Appended::Known`] for what was stored all the same.
    pub fn append(&self, records: &[Record]) -> Result<Vec<Appended>, StoreError> {
        let inner = &*self.inner;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let mut queue = locked(&inner.queue);
        let ticket = queue.next;
        queue.next += 1;
        queue.waiting.push((ticket, records.to_vec()));
        loop {
            if let Some(outcome) = queue.done.remove(&ticket) {
                return outcome;
            }
            if queue.led {
                queue = inner.turn.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            queue.led = true;
            let group = std::mem::take(&mut queue.waiting);
            drop(queue);
            let outcomes = lead(inner, group);
            queue = locked(&inner.queue);
            queue.done.extend(outcomes);
            queue.led = false;
            inner.turn.notify_all();
        }
    }
}

fn lead(inner: &Inner, group: Vec<(u64, Vec<Record>)>) -> Vec<(u64, Outcome)> {
    let (tickets, batches): (Vec<u64>, Vec<Vec<Record>>) = group.into_iter().unzip();
    match store(inner, &batches.concat()) {
        Ok(appended) => {
            let mut appended = appended.into_iter();
            let share = |batch: &Vec<Record>| Ok(appended.by_ref().take(batch.len()).collect());
            tickets.into_iter().zip(batches.iter().map(share).collect::<Vec<_>>()).collect()
        }
        Err(error) => {
            let error = Arc::new(error);
            let share = |ticket| (ticket, Err(StoreError::Shared(Arc::clone(&error))));
            tickets.into_iter().map(share).collect()
        }
    }
}

fn store(inner: &Inner, records: &[Record]) -> Outcome {
    let mut writer = locked(&inner.log);
    let index = inner.sound_index()?;
    let appended = classify(&index, records).inspect_err(|error| {
        inner.index_failed(error);
    })?;
    drop(index);
    let new: Vec<&Record> = records
        .iter()
        .zip(&appended)
        .filter(|(_, appended)| **appended != Appended::Known)
        .map(|(record, _)| record)
        .collect();
    if new.is_empty() {
        return Ok(appended);
    }
    inner.check_room(inner.reserve / RECORDS_SHARE, 0)?;
    let placed = write(&mut writer, &new).inspect_err(|_| writer.abort())?;
    let bytes = placed.iter().map(|(_, location)| u64::from(location.len)).sum();
    let mut placed = placed.into_iter();
    inner.change_index(Moved::Log(writer.mark(), bytes), &mut |changes, progress| {
        let Some((record, location)) = placed.next() else { return Ok(false) };
        materialise::record(changes, progress, (record, location), &*inner.parts.fold);
        Ok(true)
    })?;
    Ok(appended)
}

/// What each record will be; a record twice in the group is new once.
fn classify(index: &Index, records: &[Record]) -> Result<Vec<Appended>, IndexError> {
    let mut ids = BTreeSet::new();
    let mut counters: BTreeMap<Vec<u8>, RecordId> = BTreeMap::new();
    let mut classify = |record: &Record| {
        if !ids.insert(record.id()) || index.get(&id_key(&record.id()))?.is_some() {
            return Ok(Appended::Known);
        }
        let counter = counter_prefix(record);
        let stored = index.scan(&counter, None, (1, Order::Ascending))?;
        let stored = stored.first().map(|(key, _)| counter_and_id(key)).transpose()?;
        let other = stored.map(|(_, id)| id).or_else(|| counters.get(&counter).copied());
        counters.entry(counter).or_insert(record.id());
        Ok(other.map_or(Appended::New, Appended::Fork))
    };
    records.iter().map(&mut classify).collect()
}

fn write<'a>(
    writer: &mut Writer,
    records: &[&'a Record],
) -> Result<Vec<(&'a Record, Location)>, StoreError> {
    let mut placed = Vec::with_capacity(records.len());
    for record in records {
        placed.push((*record, writer.append(&[record.bytes()])?));
    }
    writer.flush()?;
    Ok(placed)
}
