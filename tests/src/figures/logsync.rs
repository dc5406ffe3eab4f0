//! Two logs with a million records, the newest hundred missing on one side; and nothing new.

use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use negentropy::{Id, Negentropy, NegentropyStorageVector};

use super::Scale;
use super::table::{Table, median};

const MISSING: u32 = 100;

pub(super) fn measure(scale: Scale, table: &mut Table) -> Result<()> {
    let (ours, theirs) = (storage(scale.records)?, storage(scale.records - MISSING)?);
    let mut times = Vec::new();
    let mut seen = (0, 0);
    for _ in 0..scale.rounds {
        let start = Instant::now();
        seen = reconcile(&theirs, &ours)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let (bytes, rounds) = seen;
    let detail = format!("{rounds} rounds, {:.1} ms, {} records", median(times), scale.records);
    table.say("negentropy alone, newest 100 missing", bytes as f64, "bytes", detail);
    Ok(())
}

fn storage(records: u32) -> Result<NegentropyStorageVector> {
    let mut storage = NegentropyStorageVector::with_capacity(records as usize);
    for n in 0..records {
        storage.insert(u64::from(n) << 16, Id::from_byte_array(id(n))).map_err(negentropy_error)?;
    }
    storage.seal().map_err(negentropy_error)?;
    Ok(storage)
}

/// Bytes that went both ways, and rounds, until the asking side knew what it lacks.
fn reconcile(
    asks: &NegentropyStorageVector,
    has: &NegentropyStorageVector,
) -> Result<(usize, u32)> {
    let mut client = Negentropy::borrowed(asks, 0).map_err(negentropy_error)?;
    let mut server = Negentropy::borrowed(has, 0).map_err(negentropy_error)?;
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let mut message = Some(client.initiate().map_err(negentropy_error)?);
    let (mut bytes, mut rounds) = (0, 0);
    while let Some(query) = message {
        let answer = server.reconcile(&query).map_err(negentropy_error)?;
        bytes += query.len() + answer.len();
        rounds += 1;
        message =
            client.reconcile_with_ids(&answer, &mut have, &mut need).map_err(negentropy_error)?;
    }
    if need.len() != MISSING as usize || !have.is_empty() {
        return Err(anyhow!("found {} of {MISSING} missing", need.len())).context("reconcile");
    }
    Ok((bytes, rounds))
}

fn negentropy_error(error: negentropy::Error) -> anyhow::Error {
    anyhow!("negentropy: {error}")
}

/// Bytes spread like a digest's (splitmix64).
fn id(n: u32) -> [u8; 32] {
    let mut id = [0; 32];
    for (lane, word) in (0_u64..).zip(id.chunks_exact_mut(8)) {
        let mut z = (u64::from(n) * 4 + lane).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    id
}
