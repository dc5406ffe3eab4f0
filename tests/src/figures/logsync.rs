//! Two logs with a million records, the newest hundred missing on one side; and nothing new.

use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};
use kith_core::record::Class;
use kith_core::wire::cbor;
use kith_core::wire::frame::{Recon, limits};
use kith_proto::sync::ranges::{self, Found};
use kith_proto::sync::set::{Item, RecordSet};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use serde_bytes::ByteArray;

use super::Scale;
use super::table::{Goal, Table, median};

const MISSING: u32 = 100;
const COMPARISONS: u32 = 1_000;
/// As the answering end of a node bounds its messages.
const MAX_MESSAGE: usize = 250_000;

pub(super) fn measure(scale: Scale, table: &mut Table) -> Result<()> {
    bare(scale, table)?;
    let whole: Vec<Item> = (0..scale.records).map(item).collect();
    let newest = whole.len() - MISSING as usize;
    let lacking = RecordSet::of(whole[..newest].to_vec());
    let full = RecordSet::of(whole);

    let mut times = Vec::new();
    let mut worst = Cost::default();
    for _ in 0..scale.rounds {
        // Either may be the one that asks first.
        for (opener, other) in [(&lacking, &full), (&full, &lacking)] {
            let start = Instant::now();
            let cost = compare(opener, other)?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
            worst.bytes = worst.bytes.max(cost.bytes);
            worst.rounds = worst.rounds.max(cost.rounds);
            ensure!(cost.found == MISSING as usize, "found {} of {MISSING}", cost.found);
        }
    }
    let of = format!("of {} records", scale.records);
    let detail = format!("{of}, {:.2} ms both sides; aim 4500", median(times));
    let bytes = (worst.bytes as f64, "bytes");
    table.judge("newest 100 missing, ours", bytes, (Goal::AtMost, 6_000.0), detail);
    let rounds = (f64::from(worst.rounds), "rounds");
    table.judge("… round trips", rounds, (Goal::AtMost, 3.0), String::new());
    nothing_new(&full, table)
}

/// The same set on both sides, compared a thousand times.
fn nothing_new(set: &RecordSet, table: &mut Table) -> Result<()> {
    let start = Instant::now();
    let mut bytes = 0;
    for _ in 0..COMPARISONS {
        bytes = compare(set, set)?.bytes;
    }
    let each = start.elapsed().as_secs_f64() * 1e3 / f64::from(COMPARISONS);
    let detail = format!("{each:.4} ms both sides, mean of {COMPARISONS}");
    table.judge("nothing new, ours", (bytes as f64, "bytes"), (Goal::AtMost, 128.0), detail);
    table.judge("… CPU", (each, "ms"), (Goal::AtMost, 0.1), "frames in and out included".into());
    Ok(())
}

/// What a comparison took.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    bytes: usize,
    rounds: u32,
    found: usize,
}

/// A comparison frame by frame, as `opener` and `other` would have it on a stream.
fn compare(opener: &RecordSet, other: &RecordSet) -> Result<Cost> {
    let n = opener.len() as u64;
    let f = ByteArray::new(opener.whole());
    let open = Recon::Open { h: ByteArray::new([0; 16]), c: Class::Board, n, f };
    let mut cost = Cost { bytes: 1, rounds: 1, found: 0 };
    let Recon::Open { n, f, .. } = carried(&open, &mut cost)? else { bail!("not carried") };
    if n == other.len() as u64 && f.into_array() == other.whole() {
        carried(&Recon::Equal, &mut cost)?;
        return Ok(cost);
    }
    let mut found = Found::default();
    let mut message = Some(ranges::begin(other));
    while let Some(said) = message.take() {
        let Recon::Message(said) = carried(&Recon::Message(said.into()), &mut cost)? else {
            bail!("not carried")
        };
        let answer = ranges::answer(opener, &said, MAX_MESSAGE)?;
        cost.rounds += 1;
        let Recon::Message(answer) = carried(&Recon::Message(answer.into()), &mut cost)? else {
            bail!("not carried")
        };
        message = ranges::learn(other, &answer, MAX_MESSAGE, &mut found)?;
    }
    carried(&Recon::Equal, &mut cost)?;
    cost.found = found.have.len() + found.need.len();
    Ok(cost)
}

/// Over the wire and back.
fn carried(frame: &Recon, cost: &mut Cost) -> Result<Recon> {
    let bytes = cbor::encode(frame);
    cost.bytes += 4 + bytes.len();
    cbor::decode(&bytes, limits::RECON).context("decode a frame")
}

fn item(n: u32) -> Item {
    Item { time: u64::from(n) << 16, id: id(n) }
}

/// The negentropy crate with its own storage.
fn bare(scale: Scale, table: &mut Table) -> Result<()> {
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
