//! The frames of ALPN `kith/1`.
//!
//! Every operation has a bidirectional QUIC stream of its own: one byte says which ([`StreamKind`]),
//! then frames follow, each a big-endian `u32` length and that many bytes of strict DAG-CBOR. Lengths
//! are checked against the bound of the stream's kind before anything is allocated.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use super::cbor::{self, CborError};
use crate::capability::Capability;
use crate::cid::{Cid, Codec, MAX_BLOCK};
use crate::record::{Class, RecordId};
use crate::seal::Handle;
use crate::time::UnixTime;

/// The protocol's name in the TLS handshake.
pub const ALPN: &[u8] = b"kith/1";

/// The version of the frames.
pub const VERSION: u8 = 1;

/// Bounds on frames, in bytes, and on what they hold.
pub mod limits {
    /// HELLO, WANT and GET_REC frames.
    pub const CONTROL: usize = 64 * 1024;
    /// RECON frames.
    pub const RECON: usize = 256 * 1024;
    /// PUSH and RECORDS frames.
    pub const PUSH: usize = 1 << 20;
    /// Records in one PUSH or RECORDS frame, and ids in one GET_REC.
    pub const RECORDS: usize = 256;
    /// BLOCK frames: the block and its head.
    pub const BLOCK: usize = super::MAX_BLOCK + 64;
    /// Cids in one WANT frame.
    pub const WANT: usize = 1_024;
    /// Blocks asked for and not yet answered on one stream.
    pub const WANT_WINDOW_BLOCKS: usize = 4_096;
    /// Bytes asked for and not yet answered on one stream.
    pub const WANT_WINDOW_BYTES: usize = 4 << 20;
    /// Spaces in one HELLO.
    pub const SPACES: usize = 64;
}

/// The operation of a stream; the value is its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum StreamKind {
    /// Says who one is to the other.
    Hello = 1,
    /// Finds which records differ.
    Recon = 3,
    /// Hands over new records unasked.
    Push = 5,
    /// Asks for records by id.
    GetRecords = 6,
    /// Asks for blocks by cid.
    Want = 7,
}

impl StreamKind {
    /// Reads the first byte of a stream.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Hello),
            3 => Some(Self::Recon),
            5 => Some(Self::Push),
            6 => Some(Self::GetRecords),
            7 => Some(Self::Want),
            _ => None,
        }
    }

    /// The largest frame that may arrive on such a stream, in bytes.
    ///
    /// `opener` tells whether the reader opened the stream: answers may be larger than requests.
    #[must_use]
    pub const fn max_frame(self, opener: bool) -> usize {
        match (self, opener) {
            (Self::Recon, _) => limits::RECON,
            (Self::Push, false) | (Self::GetRecords, true) => limits::PUSH,
            (Self::Want, true) => limits::BLOCK,
            (Self::Hello, _) | (Self::Push, true) | (Self::GetRecords | Self::Want, false) => {
                limits::CONTROL
            }
        }
    }
}

/// HELLO and its answer: which spaces the sender is in, told only to those who know them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Versions the sender speaks.
    pub v: Vec<u8>,
    /// How many the sender sent on this connection before; part of the nonce of what is sealed.
    pub i: u64,
    /// The sender's wall clock.
    pub t: UnixTime,
    /// The spaces; in an answer only those whose capability was accepted.
    pub s: Vec<HelloSpace>,
}

/// One space in a [`Hello`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelloSpace {
    /// The space's pseudonym on this connection.
    pub h: Handle,
    /// A sealed [`Admission`].
    pub c: ByteBuf,
}

/// What opens a space to the other box; sealed inside [`HelloSpace`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admission {
    /// A member lets this box synchronise for them.
    pub host: Capability,
    /// The join record of a member the other box may not know yet.
    pub join: Option<ByteBuf>,
}

/// The frames of a RECON stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Recon {
    /// The opener's whole set at a glance.
    #[serde(rename = "o")]
    Open {
        /// The space's pseudonym.
        h: Handle,
        /// Which set.
        c: Class,
        /// How many records.
        n: u64,
        /// Their fingerprint.
        f: ByteArray<16>,
    },
    /// Both sets are equal.
    #[serde(rename = "e")]
    Equal,
    /// A negentropy message (protocol version 1).
    #[serde(rename = "m")]
    Message(ByteBuf),
    /// Not for you, or no such thing: the same bytes for either.
    #[serde(rename = "r")]
    Refused,
}

/// PUSH: new records, unasked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// The space's pseudonym.
    pub h: Handle,
    /// Records, each as its canonical bytes.
    pub r: Vec<ByteBuf>,
}

/// The answer to [`Push`], sent when the records are durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pushed {
    /// How many are stored, counting those that already were.
    pub n: u64,
}

/// GET_REC: asks for records by id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetRecords {
    /// The space's pseudonym.
    pub h: Handle,
    /// Their digests.
    pub i: Vec<ByteArray<32>>,
}

impl GetRecords {
    /// The ids asked for.
    pub fn ids(&self) -> impl Iterator<Item = RecordId> {
        self.i.iter().map(|id| RecordId(id.into_array()))
    }
}

/// An answer to [`GetRecords`]; those the answerer does not have are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Records {
    /// Records, each as its canonical bytes.
    pub r: Vec<ByteBuf>,
    /// Whether this is the last frame of the answer.
    pub z: bool,
}

/// WANT: asks for blocks. More frames may follow on the same stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// The space's pseudonym.
    pub h: Handle,
    /// The blocks, most urgent first.
    pub c: Vec<Cid>,
}

/// BLOCK: one answer to a [`Want`], in the order of the question.
///
/// On the wire a list of cid and bytes; the bytes are empty and the flag false when the answerer does
/// not have the block or will not give it, the same for either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// Here it is; not verified yet.
    Have(Cid, Bytes),
    /// Not here, or not for you.
    Missing(Cid),
}

impl Block {
    /// The head of the frame that carries `size` bytes of the block `cid`; the bytes follow it as they
    /// are, so that a block is never copied to be framed.
    #[must_use]
    pub fn head(cid: &Cid, size: usize) -> Vec<u8> {
        let mut head = vec![0x82];
        head.extend(cbor::encode(cid));
        match size {
            0..=23 => head.push(0x40 | size as u8),
            24..=0xff => head.extend([0x58, size as u8]),
            0x100..=0xffff => {
                head.push(0x59);
                head.extend((size as u16).to_be_bytes());
            }
            _ => {
                head.push(0x5a);
                head.extend((size as u32).to_be_bytes());
            }
        }
        head
    }

    /// The frame that says a block is not here.
    #[must_use]
    pub fn missing(cid: &Cid) -> Vec<u8> {
        let mut frame = vec![0x82];
        frame.extend(cbor::encode(cid));
        frame.push(0xf6);
        frame
    }

    /// Reads a frame; the block's bytes are a slice of it.
    ///
    /// # Errors
    /// [`CborError`] when it is not a canonical list of a cid and bytes or null.
    pub fn decode(frame: &Bytes) -> Result<Self, CborError> {
        /// Tag 42, a byte string of 37: the identity multibase prefix and the cid.
        const CID_HEAD: [u8; 5] = [0xd8, 0x2a, 0x58, 0x25, 0x00];
        const CID_END: usize = 1 + CID_HEAD.len() + 36;
        if frame.len() > limits::BLOCK {
            return Err(CborError::TooLarge { size: frame.len(), limit: limits::BLOCK });
        }
        let malformed = || CborError::Malformed("a block frame is a list of cid and bytes".into());
        let head = frame.get(..CID_END).filter(|h| h[0] == 0x82 && h[1..6] == CID_HEAD);
        let cid = Cid::from_bytes(&head.ok_or_else(malformed)?[6..]).map_err(|_| malformed())?;
        match &frame[CID_END..] {
            [0xf6] => Ok(Self::Missing(cid)),
            rest => {
                let size_len = bytes_head_len(rest).ok_or_else(malformed)?;
                let start = CID_END + size_len;
                let block = frame.slice(start..);
                if Self::head(&cid, block.len()) != frame[..start] {
                    return Err(malformed());
                }
                Ok(Self::Have(cid, block))
            }
        }
    }
}

/// Length of the head of a CBOR byte string, in bytes.
fn bytes_head_len(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        0x40..=0x57 => Some(1),
        0x58 if bytes.len() >= 2 => Some(2),
        0x59 if bytes.len() >= 3 => Some(3),
        0x5a if bytes.len() >= 5 => Some(5),
        _ => None,
    }
}

/// Whether cids of this codec name blocks that WANT may ask for: records have GET_REC.
#[must_use]
pub const fn is_block(codec: Codec) -> bool {
    matches!(codec, Codec::Raw | Codec::DagPb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_frames_are_the_canonical_dag_cbor_of_a_pair() {
        for size in [0, 23, 24, 255, 256, 65_535, 65_536, MAX_BLOCK] {
            let block = vec![7; size];
            let cid = Cid::of(Codec::Raw, &block);
            let frame = [Block::head(&cid, size), block.clone()].concat();
            assert_eq!(frame, cbor::encode(&(cid, serde_bytes::Bytes::new(&block))));
            assert!(frame.len() <= limits::BLOCK);
            let read = Block::decode(&frame.into()).unwrap();
            assert_eq!(read, Block::Have(cid, block.into()));
        }
        let cid = Cid::of(Codec::Raw, b"");
        assert_eq!(Block::decode(&Block::missing(&cid).into()).unwrap(), Block::Missing(cid));
    }

    #[test]
    fn every_cut_of_a_block_frame_is_refused() {
        let cid = Cid::of(Codec::Raw, b"some bytes");
        let frame = Bytes::from([Block::head(&cid, 10), b"some bytes".to_vec()].concat());
        for end in 0..frame.len() {
            assert!(Block::decode(&frame.slice(..end)).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn nothing_new_costs_less_than_128_bytes() {
        let class = Class::files("a-rather-long-collection-name").unwrap();
        let open = Recon::Open { h: [1; 16].into(), c: class, n: 1_000_000, f: [2; 16].into() };
        let bytes = cbor::encode(&open).len() + cbor::encode(&Recon::Equal).len() + 8 + 1;
        assert!(bytes < 128, "{bytes}");
    }
}
