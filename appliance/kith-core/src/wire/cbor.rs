//! Strict DAG-CBOR: one value has exactly one encoding, and any other is refused.
//!
//! The decoder itself refuses non-minimal integers, trailing bytes and deep nesting; encoding the
//! decoded value again and comparing catches whatever else is not canonical (key order, for one).

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are not the canonical encoding of a value.
#[derive(Debug, thiserror::Error)]
pub enum CborError {
    /// Longer than the caller allows.
    #[error("{size} bytes are more than the {limit} allowed")]
    TooLarge {
        /// What came, in bytes.
        size: usize,
        /// What is allowed, in bytes.
        limit: usize,
    },
    /// Not DAG-CBOR of the expected shape.
    #[error("malformed DAG-CBOR: {0}")]
    Malformed(String),
    /// Another encoding of a value than the canonical one.
    #[error("the encoding is not canonical DAG-CBOR")]
    NotCanonical,
}

/// The canonical encoding of `value`.
///
/// Only types of this workspace are encoded and none of them can fail, so there is no error to give.
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "our own types hold nothing DAG-CBOR cannot express")]
    serde_ipld_dagcbor::to_vec(value).expect("our types are expressible in DAG-CBOR")
}

/// Decodes `bytes` when they are at most `limit` long and canonical.
///
/// # Errors
/// [`CborError`] when they are not.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, CborError> {
    if bytes.len() > limit {
        return Err(CborError::TooLarge { size: bytes.len(), limit });
    }
    let value: T = serde_ipld_dagcbor::from_slice(bytes)
        .map_err(|error| CborError::Malformed(error.to_string()))?;
    if encode(&value) != bytes {
        return Err(CborError::NotCanonical);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ipld_core::ipld::Ipld;
    use proptest::prelude::*;

    use super::*;
    use crate::cid::{Cid, Codec};

    #[test]
    fn other_encodings_of_the_same_value_are_refused() {
        let not_canonical: [&[u8]; 6] = [
            b"\xa2\x61b\x01\x61a\x02", // unsorted keys
            b"\x18\x01",               // 1 in two bytes
            b"\x9f\x01\xff",           // indefinite length
            b"\x01\x01",               // trailing byte
            b"\xa2\x61a\x01\x61a\x01", // a key twice
            b"\xfa\x3f\x80\x00\x00",   // a 32-bit float
        ];
        for bytes in not_canonical {
            assert!(decode::<Ipld>(bytes, 100).is_err(), "{bytes:02x?}");
        }
    }

    #[test]
    fn keys_are_sorted_by_length_then_bytes() {
        let map = BTreeMap::from([("aa", 1), ("b", 2)]);
        assert_eq!(encode(&map), b"\xa2\x61b\x02\x62aa\x01");
    }

    #[test]
    fn deep_nesting_and_huge_headers_end_in_an_error() {
        assert!(decode::<Ipld>(&[0x81; 60_000], 1 << 16).is_err());
        assert!(decode::<Ipld>(b"\x9b\x00\xff\xff\xff\xff\xff\xff\xff", 100).is_err());
        assert!(matches!(decode::<Ipld>(&[0; 9], 8), Err(CborError::TooLarge { .. })));
    }

    proptest! {
        #[test]
        fn any_value_survives_and_in_one_encoding_only(value in value()) {
            let bytes = encode(&value);
            prop_assert_eq!(&decode::<Ipld>(&bytes, bytes.len()).unwrap(), &value);
            for end in 0..bytes.len() {
                prop_assert!(decode::<Ipld>(&bytes[..end], 1 << 16).is_err());
            }
        }

        #[test]
        fn whatever_is_read_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(value) = decode::<Ipld>(&bytes, 40) {
                prop_assert_eq!(encode(&value), bytes);
            }
        }
    }

    fn value() -> impl Strategy<Value = Ipld> {
        let cid = cid::Cid::from(Cid::from_digest(Codec::Raw, [7; 32]));
        let leaf = prop_oneof![
            Just(Ipld::Null),
            Just(Ipld::Link(cid)),
            any::<bool>().prop_map(Ipld::Bool),
            any::<i64>().prop_map(|n| Ipld::Integer(n.into())),
            any::<u64>().prop_map(|n| Ipld::Integer(n.into())),
            any::<String>().prop_map(Ipld::String),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Ipld::Bytes),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Ipld::List),
                prop::collection::btree_map(any::<String>(), inner, 0..5).prop_map(Ipld::Map),
            ]
        })
    }
}
