//! Peers that cheat: members of the space with a working machine whose frames are tampered with on
//! their way out.

use bytes::Bytes;
use kith_core::cid::{Cid, Codec};
use kith_core::wire::cbor;
use kith_core::wire::frame::{Block, Push, Records, StreamKind};
use serde_bytes::ByteBuf;

use super::chance::Chance;
use super::scenario::Trick;

/// What becomes of a frame that a cheat's machine sends on a stream of this kind.
pub fn tamper(
    trick: Trick,
    kind: StreamKind,
    ours: bool,
    frame: Bytes,
    chance: &mut Chance,
) -> Option<Bytes> {
    match trick {
        Trick::Mutate if chance.hits(200) => Some(mutate(&frame, chance)),
        Trick::Silent if kind != StreamKind::Hello && !ours => None,
        Trick::Forge if kind == StreamKind::Push && ours => Some(forge_push(&frame)),
        Trick::Forge if kind == StreamKind::GetRecords && !ours => Some(forge_records(&frame)),
        Trick::Unasked if kind == StreamKind::Want && !ours => Some(other_block(chance)),
        Trick::Unasked if kind == StreamKind::GetRecords && !ours => Some(other_records()),
        Trick::Corrupt if kind == StreamKind::Want && !ours => Some(corrupt(&frame)),
        Trick::Mutate
        | Trick::Silent
        | Trick::Forge
        | Trick::Unasked
        | Trick::Corrupt
        | Trick::Flood
        | Trick::Replay => Some(frame),
    }
}

fn mutate(frame: &Bytes, chance: &mut Chance) -> Bytes {
    let mut bytes = frame.to_vec();
    for _ in 0..=chance.below(3) {
        let at = chance.index(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << chance.below(8);
        }
    }
    if chance.hits(100) {
        bytes.truncate(chance.index(bytes.len() + 1));
    }
    Bytes::from(bytes)
}

/// Breaks the signature and nothing else: `x` is the last field but one byte of the map's order, so the
/// signature is found by its length.
fn forge(record: &ByteBuf) -> ByteBuf {
    let mut bytes = record.to_vec();
    // The field `x`, one letter, then a byte string of 64.
    let mark = [0x61, b'x', 0x58, 0x40];
    if let Some(at) = bytes.windows(4).rposition(|w| w == mark) {
        bytes[at + 10] ^= 1;
    }
    ByteBuf::from(bytes)
}

fn forge_push(frame: &Bytes) -> Bytes {
    let Ok(mut push) = cbor::decode::<Push>(frame, frame.len()) else { return frame.clone() };
    push.r = push.r.iter().map(forge).collect();
    cbor::encode(&push).into()
}

fn forge_records(frame: &Bytes) -> Bytes {
    let Ok(mut records) = cbor::decode::<Records>(frame, frame.len()) else { return frame.clone() };
    records.r = records.r.iter().map(forge).collect();
    cbor::encode(&records).into()
}

fn other_block(chance: &mut Chance) -> Bytes {
    let block = chance.seed().to_vec();
    let cid = Cid::of(Codec::Raw, &block);
    [Block::head(&cid, block.len()), block].concat().into()
}

fn other_records() -> Bytes {
    cbor::encode(&Records { r: vec![ByteBuf::from(vec![0xa0])], z: false }).into()
}

fn corrupt(frame: &Bytes) -> Bytes {
    let mut bytes = frame.to_vec();
    if let (Ok(Block::Have(..)), Some(last)) = (Block::decode(frame), bytes.last_mut()) {
        *last ^= 1;
    }
    Bytes::from(bytes)
}
