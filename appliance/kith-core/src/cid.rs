//! Content ids: `CIDv1` with sha2-256 over raw, DAG-PB or DAG-CBOR blocks.
//!
//! Other versions, codecs and hashes are refused when a cid is read, so the rest of the code knows
//! that a [`Cid`] can be verified with one function.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The largest block that is stored or sent, in bytes (1 MiB, as the IPFS block limit).
pub const MAX_BLOCK: usize = 1 << 20;

/// The longest text read as a cid, in characters: even bit by bit (base 2) it has 289.
const MAX_TEXT: usize = 300;

/// multicodec sha2-256.
const SHA2_256: u64 = 0x12;

/// How the bytes of a block are to be read (multicodec table).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Codec {
    /// Plain bytes: leaves of files.
    Raw = 0x55,
    /// DAG-PB: `UnixFS` directories and inner nodes of files.
    DagPb = 0x70,
    /// DAG-CBOR: records.
    DagCbor = 0x71,
}

/// A `CIDv1` over sha2-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid {
    codec: Codec,
    digest: [u8; 32],
}

/// Why a text or byte string is not one of our cids.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CidError {
    /// Not a cid at all.
    #[error("this is not a content id")]
    Malformed,
    /// A cid, but of a version, codec or hash that Kith does not use.
    #[error(
        "this content id uses version, codec or hash that Kith does not (CIDv1, sha2-256, raw, dag-pb or dag-cbor)"
    )]
    Unsupported,
}

impl Cid {
    /// The cid of a block's bytes.
    #[must_use]
    pub fn of(codec: Codec, block: &[u8]) -> Self {
        Self { codec, digest: Sha256::digest(block).into() }
    }

    /// The cid with this digest.
    #[must_use]
    pub const fn from_digest(codec: Codec, digest: [u8; 32]) -> Self {
        Self { codec, digest }
    }

    /// How the block is to be read.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The sha2-256 digest of the block.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// Whether `block` is what this cid names.
    #[must_use]
    pub fn verifies(&self, block: &[u8]) -> bool {
        Self::of(self.codec, block) == *self
    }

    /// The 36 bytes of the binary form.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 36] {
        let mut bytes = [0; 36];
        bytes[..4].copy_from_slice(&[0x01, self.codec as u8, SHA2_256 as u8, 32]);
        bytes[4..].copy_from_slice(&self.digest);
        bytes
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// [`CidError`] when the bytes are no cid of ours.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CidError> {
        let cid = cid::Cid::try_from(bytes).map_err(|_| CidError::Malformed)?;
        let cid = Self::try_from(cid)?;
        // The crate takes bytes behind a cid; here they would make a second name for one block.
        if cid.to_bytes() == *bytes { Ok(cid) } else { Err(CidError::Malformed) }
    }
}

impl TryFrom<cid::Cid> for Cid {
    type Error = CidError;

    fn try_from(cid: cid::Cid) -> Result<Self, CidError> {
        let codec = match cid.codec() {
            0x55 => Codec::Raw,
            0x70 => Codec::DagPb,
            0x71 => Codec::DagCbor,
            _ => return Err(CidError::Unsupported),
        };
        if cid.version() != cid::Version::V1 || cid.hash().code() != SHA2_256 {
            return Err(CidError::Unsupported);
        }
        let digest = cid.hash().digest().try_into().map_err(|_| CidError::Unsupported)?;
        Ok(Self { codec, digest })
    }
}

impl From<Cid> for cid::Cid {
    fn from(ours: Cid) -> Self {
        #[expect(clippy::expect_used, reason = "32 bytes always fit the 64 of the multihash")]
        let hash = multihash::Multihash::wrap(SHA2_256, &ours.digest).expect("32 bytes fit");
        Self::new_v1(ours.codec as u64, hash)
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        cid::Cid::from(*self).fmt(f)
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Cid {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Self, CidError> {
        if text.len() > MAX_TEXT {
            return Err(CidError::Malformed);
        }
        let cid = Self::try_from(cid::Cid::try_from(text).map_err(|_| CidError::Malformed)?)?;
        let bytes = multibase::decode(text).map_err(|_| CidError::Malformed)?.1;
        if cid.to_bytes() == *bytes { Ok(cid) } else { Err(CidError::Malformed) }
    }
}

/// In DAG-CBOR a cid is a link (tag 42); in JSON it is its text.
impl Serialize for Cid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            cid::Cid::from(*self).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Cid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            let cid = cid::Cid::deserialize(deserializer)?;
            cid.try_into().map_err(serde::de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cid of "hello world" as raw leaf, as `ipfs add --cid-version 1` prints it.
    const HELLO: &str = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

    #[test]
    fn the_text_form_is_the_one_ipfs_prints() {
        let cid = Cid::of(Codec::Raw, b"hello world");
        assert_eq!(cid.to_string(), HELLO);
        assert_eq!(HELLO.parse(), Ok(cid));
        assert_eq!(Cid::from_bytes(&cid.to_bytes()), Ok(cid));
    }

    #[test]
    fn other_versions_and_hashes_are_refused() {
        let v0 = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG";
        assert_eq!(v0.parse::<Cid>(), Err(CidError::Unsupported));
        assert_eq!("bafk".parse::<Cid>(), Err(CidError::Malformed));
        assert!(Cid::from_bytes(&[1; 36]).is_err());
    }

    #[test]
    fn bytes_behind_a_cid_are_refused() {
        let longer = [&Cid::of(Codec::Raw, b"").to_bytes()[..], &[0]].concat();
        assert_eq!(Cid::from_bytes(&longer), Err(CidError::Malformed));
        let text = multibase::encode(multibase::Base::Base32Lower, longer);
        assert_eq!(text.parse::<Cid>(), Err(CidError::Malformed));
        assert_eq!("b".repeat(1_000_000).parse::<Cid>(), Err(CidError::Malformed));
    }
}
