//! What is fuzzed: one function for each parser of bytes that strangers send.
//!
//! Each answers whether it took the bytes, and panics where taking them breaks a promise; mostly that
//! what is read is written the same again. The fuzzer's binaries and the replay in
//! `appliance/kith-core/tests/fuzz_replay.rs` share this file.

#![allow(dead_code, reason = "each of the fuzzer's binaries uses one function")]

use bytes::Bytes;
use kith_core::body::Body;
use kith_core::capability::Capability;
use kith_core::cid::{Cid, Codec};
use kith_core::identity::{AuthorId, NodeId};
use kith_core::invite::{Invite, MAX_ADDRESSES, MAX_CODE};
use kith_core::record::{Record, SignedBytes};
use kith_core::unixfs::car::{CarReader, frame_head};
use kith_core::unixfs::{ListReader, MAX_LINKS, RangeReader, Resolver, Stat, Step, links, stat};
use kith_core::wire::cbor;
use kith_core::wire::frame::{
    Admission, Block, GetRecords, Hello, Push, Pushed, Recon, Records, Want, limits,
};

/// A record; a byte behind it decides nothing and must be refused with it.
pub(crate) fn record(data: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(parsed) = SignedBytes::parse(&bytes) else { return false };
    assert!(SignedBytes::parse(&Bytes::from([data, &[0]].concat())).is_err());
    let id = parsed.id();
    let unverified = parsed.clone().already_verified();
    let body = unverified.body();
    assert_eq!(body.check(), Ok(()));
    let again = Body::from_ipld(unverified.class(), body.kind(), body.to_ipld());
    assert_eq!(again.as_ref(), Ok(body));
    let Ok(record) = parsed.verify() else { return false };
    assert_eq!((record.id(), record.bytes()), (id, &bytes));
    assert_eq!(Record::decode(&bytes).ok(), Some(record));
    true
}

/// A capability.
pub(crate) fn capability(data: &[u8]) -> bool {
    let Some(capability) = canonical::<Capability>(data, limits::CONTROL) else { return false };
    if !capability.verifies() {
        return false;
    }
    let signature = capability.signature().expect("a good capability is signed");
    let again = Capability::from_parts(capability.issuer(), &capability.grant(), signature);
    assert_eq!(again, capability);
    true
}

/// An invite code.
pub(crate) fn invite(data: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(data) else { return false };
    let Ok(invite) = text.parse::<Invite>() else { return false };
    let code = invite.to_string();
    assert!(code.len() <= MAX_CODE && invite.addresses.len() <= MAX_ADDRESSES);
    let squeezed: String = text.split_whitespace().collect();
    assert_eq!(code, squeezed.to_ascii_uppercase());
    true
}

/// A frame; its first byte says which.
pub(crate) fn frames(data: &[u8]) -> bool {
    let Some((kind, frame)) = data.split_first() else { return false };
    match kind {
        1 => canonical::<Hello>(frame, limits::CONTROL).is_some(),
        2 => canonical::<Admission>(frame, limits::CONTROL).is_some(),
        3 => canonical::<Recon>(frame, limits::RECON).is_some(),
        4 => canonical::<Pushed>(frame, limits::CONTROL).is_some(),
        5 => canonical::<Push>(frame, limits::PUSH).is_some(),
        6 => canonical::<GetRecords>(frame, limits::CONTROL).is_some(),
        7 => canonical::<Want>(frame, limits::CONTROL).is_some(),
        8 => canonical::<Records>(frame, limits::PUSH).is_some(),
        _ => false,
    }
}

/// A BLOCK frame.
pub(crate) fn block_frame(data: &[u8]) -> bool {
    let frame = Bytes::copy_from_slice(data);
    match Block::decode(&frame) {
        Ok(Block::Have(cid, block)) => {
            assert_eq!([&Block::head(&cid, block.len())[..], &block].concat(), data);
            true
        }
        Ok(Block::Missing(cid)) => {
            assert_eq!(Block::missing(&cid), data);
            true
        }
        Err(_) => false,
    }
}

/// An inner block of a file or folder, read by everything that reads such blocks, with a store that
/// answers every question with the same block.
pub(crate) fn dag_pb(data: &[u8]) -> bool {
    let block = Bytes::copy_from_slice(data);
    let root = Cid::of(Codec::DagPb, data);
    let known = stat(&root, data);
    let children = links(Codec::DagPb, data);
    assert_eq!(known.is_ok(), children.is_ok());

    let mut list = ListReader::new(root);
    drain(|| list_step(&mut list, &block));
    for path in ["a", "file-1/b", ""] {
        let mut resolver = Resolver::new(root, path).expect("a good path");
        drain(|| match resolver.step() {
            Step::Need(cid) => resolver.supply(&cid, &block).is_ok(),
            Step::Item(_) => true,
            Step::Done => false,
        });
    }
    let mut reader = RangeReader::new(root, 1..1 << 40);
    drain(|| {
        assert!(reader.ahead(8).count() <= 8);
        match reader.step() {
            Step::Need(cid) => reader.supply(&cid, &block).is_ok(),
            Step::Item(bytes) => {
                assert!(!bytes.is_empty());
                true
            }
            Step::Done => false,
        }
    });
    if let (Ok(Stat::File { size }), Ok(_)) = (&known, &children) {
        assert_eq!(reader.size(), Some(*size));
    }
    children.is_ok_and(|children| children.len() <= MAX_LINKS)
}

fn list_step(list: &mut ListReader, block: &Bytes) -> bool {
    match list.step() {
        Step::Need(cid) => list.supply(&cid, block).is_ok(),
        Step::Item(entry) => {
            assert!(kith_core::body::good_segment(&entry.name));
            true
        }
        Step::Done => false,
    }
}

/// Steps until the reader ends, or far beyond what honest blocks of a few kilobytes need.
fn drain(mut step: impl FnMut() -> bool) {
    let mut steps = 0;
    while steps < 2_000 && step() {
        steps += 1;
    }
}

/// A CAR file; its first byte says in how large pieces it comes.
pub(crate) fn car(data: &[u8]) -> bool {
    let Some((piece, file)) = data.split_first() else { return false };
    let mut reader = CarReader::new();
    let mut frames = Vec::new();
    for piece in file.chunks(usize::from(*piece) + 1) {
        reader.push(piece);
        loop {
            match reader.next_block() {
                Ok(Some((cid, block))) => {
                    assert!(cid.verifies(&block));
                    frames.extend(frame_head(&cid, block.len()));
                    frames.extend(block);
                }
                Ok(None) => break,
                Err(_) => return false,
            }
        }
    }
    if reader.finish().is_err() {
        return false;
    }
    assert!(file.ends_with(&frames));
    true
}

/// A cid in either form.
pub(crate) fn cid(data: &[u8]) -> bool {
    let binary = Cid::from_bytes(data);
    if let Ok(cid) = binary {
        assert_eq!(cid.to_bytes(), data);
    }
    let text = core::str::from_utf8(data).ok().and_then(|text| text.parse::<Cid>().ok());
    if let Some(cid) = text {
        assert_eq!(cid.to_string().parse(), Ok(cid));
        assert_eq!(Cid::from_bytes(&cid.to_bytes()), Ok(cid));
    }
    binary.is_ok() || text.is_some()
}

/// A did:key, which has one text only.
pub(crate) fn did(data: &[u8]) -> bool {
    let Ok(text) = core::str::from_utf8(data) else { return false };
    let Ok(id) = text.parse::<AuthorId>() else { return false };
    assert_eq!(id.to_string(), text);
    assert_eq!(text.parse(), Ok(NodeId(id.0)));
    assert_eq!(id.words().split(' ').count(), 6);
    true
}

fn canonical<T: serde::Serialize + serde::de::DeserializeOwned>(
    data: &[u8],
    limit: usize,
) -> Option<T> {
    let value = cbor::decode::<T>(data, limit).ok()?;
    assert_eq!(cbor::encode(&value), data);
    Some(value)
}
