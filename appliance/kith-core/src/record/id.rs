//! The ids of records and spaces: digests, shown as the cids of DAG-CBOR blocks.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::RecordError;
use crate::cid::{Cid, Codec};

macro_rules! record_digest {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "Cid", into = "Cid")]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The cid this id stands for.
            #[must_use]
            pub const fn cid(&self) -> Cid {
                Cid::from_digest(Codec::DagCbor, self.0)
            }
        }

        impl From<$name> for Cid {
            fn from(id: $name) -> Self {
                id.cid()
            }
        }

        impl TryFrom<Cid> for $name {
            type Error = RecordError;

            fn try_from(cid: Cid) -> Result<Self, RecordError> {
                match cid.codec() {
                    Codec::DagCbor => Ok(Self(*cid.digest())),
                    Codec::Raw | Codec::DagPb => Err(RecordError::Id),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.cid().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({}…)", stringify!($name), data_encoding::HEXLOWER.encode(&self.0[..4]))
            }
        }

        impl FromStr for $name {
            type Err = RecordError;

            fn from_str(text: &str) -> Result<Self, RecordError> {
                text.parse::<Cid>().map_err(|_| RecordError::Id)?.try_into()
            }
        }
    };
}

record_digest!(
    /// The id of a record: sha2-256 of its bytes, shown as a DAG-CBOR cid.
    RecordId
);
record_digest!(
    /// The id of a space: the id of its genesis record.
    SpaceId
);
