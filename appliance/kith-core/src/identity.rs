//! Who is who: ed25519 keys of appliances and of people, shown as did:key and as six words.
//!
//! A signature always covers a domain ([`Domain`]), so one made for a record can never be replayed as
//! a capability. Keys follow RFC 8032 with the strict checks of ed25519-dalek (`verify_strict`), the
//! text form the did:key method (multicodec 0xed, base58btc).

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::{Signature as DalekSignature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The BIP-39 English list: 2,048 words that differ in their first four letters.
const WORDS: &str = include_str!("words.txt");

/// multicodec ed25519-pub as varint.
const ED25519_PUB: [u8; 2] = [0xed, 0x01];

/// What a signature is for; its text is part of what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// A record of a space.
    Record,
    /// A capability.
    Capability,
    /// The use of an invite.
    Join,
}

impl Domain {
    const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Record => b"kith/rec/1",
            Self::Capability => b"kith/cap/1",
            Self::Join => b"kith/join/1",
        }
    }

    fn message(self, payload: &[u8]) -> Vec<u8> {
        [self.prefix(), payload].concat()
    }
}

/// A 64-byte ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", data_encoding::HEXLOWER.encode(&self.0[..4]))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_bytes::ByteArray::<64>::deserialize(deserializer).map(|b| Self(b.into_array()))
    }
}

/// Why a text is not an identity of ours.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this is not a did:key of an ed25519 key (it should start with did:key:z6Mk)")]
pub struct IdentityError;

/// A secret ed25519 key; wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// The key with this 32-byte seed. The caller draws it from the system's random source.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The 32-byte seed, for writing it to its file and nowhere else.
    #[must_use]
    pub fn seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// The 32 bytes of the public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The public half as an appliance's identity.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        NodeId(self.public())
    }

    /// The public half as a person's identity.
    #[must_use]
    pub fn author_id(&self) -> AuthorId {
        AuthorId(self.public())
    }

    /// Signs `payload` for `domain`.
    #[must_use]
    pub fn sign(&self, domain: Domain, payload: &[u8]) -> Signature {
        Signature(self.0.sign(&domain.message(payload)).to_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// Whether `signature` over `payload` for `domain` was made by the key `public`.
#[must_use]
pub fn verify(public: &[u8; 32], domain: Domain, payload: &[u8], signature: &Signature) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(public) else { return false };
    let signature = DalekSignature::from_bytes(&signature.0);
    key.verify_strict(&domain.message(payload), &signature).is_ok()
}

/// Six words for comparing a key by voice: 66 bits of its sha2-256.
#[must_use]
pub fn words(public: &[u8; 32]) -> String {
    let digest = Sha256::digest(public);
    let bits = digest.iter().take(9).fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    let list: Vec<&str> = WORDS.lines().collect();
    let word = |i: u32| list[((bits >> (72 - 11 * (i + 1))) & 0x7ff) as usize];
    (0..6).map(word).collect::<Vec<_>>().join(" ")
}

macro_rules! public_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// Six words for comparing the key by voice.
            #[must_use]
            pub fn words(&self) -> String {
                words(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let bytes = [&ED25519_PUB[..], &self.0[..]].concat();
                write!(f, "did:key:{}", multibase::encode(multibase::Base::Base58Btc, bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({}…)", stringify!($name), data_encoding::HEXLOWER.encode(&self.0[..4]))
            }
        }

        impl FromStr for $name {
            type Err = IdentityError;

            fn from_str(text: &str) -> Result<Self, IdentityError> {
                parse_did(text).map(Self)
            }
        }

        /// In DAG-CBOR 32 bytes, in JSON the did:key.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    let bytes = serde_bytes::ByteArray::<32>::deserialize(deserializer)?;
                    Ok(Self(bytes.into_array()))
                }
            }
        }
    };
}

public_key!(
    /// The public key of an appliance: what it proves in every TLS handshake.
    NodeId
);
public_key!(
    /// The public key of a person: what signs their records.
    AuthorId
);

fn parse_did(text: &str) -> Result<[u8; 32], IdentityError> {
    /// `did:key:` and 48 characters of base58btc; longer texts are refused before decoding.
    const MAX_DID: usize = 64;
    let encoded = text.strip_prefix("did:key:").ok_or(IdentityError)?;
    if text.len() > MAX_DID || !encoded.starts_with('z') {
        return Err(IdentityError);
    }
    let (_, bytes) = multibase::decode(encoded).map_err(|_| IdentityError)?;
    let key = bytes.strip_prefix(&ED25519_PUB).ok_or(IdentityError)?;
    key.try_into().map_err(|_| IdentityError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first did:key of the method's own test vectors (Ed25519, seed 00…00).
    #[test]
    fn the_did_of_the_zero_seed_is_the_published_one() {
        let id = SecretKey::from_seed(&[0; 32]).node_id();
        let did = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
        assert_eq!(id.to_string(), did);
        assert_eq!(did.parse(), Ok(id));
    }

    #[test]
    fn a_signature_is_good_for_one_domain_only() {
        let key = SecretKey::from_seed(&[7; 32]);
        let signature = key.sign(Domain::Record, b"payload");
        assert!(verify(&key.public(), Domain::Record, b"payload", &signature));
        assert!(!verify(&key.public(), Domain::Capability, b"payload", &signature));
        assert!(!verify(&key.public(), Domain::Record, b"Payload", &signature));
    }

    #[test]
    fn the_words_are_six_of_the_list() {
        let words = SecretKey::from_seed(&[1; 32]).author_id().words();
        assert_eq!(words.split(' ').count(), 6);
        assert!(words.split(' ').all(|w| WORDS.lines().any(|line| line == w)));
        assert_eq!(WORDS.lines().count(), 2048);
    }

    #[test]
    fn texts_that_are_no_did_are_refused() {
        for text in ["", "did:key:", "did:key:z6Mk", "did:web:x", &"did:key:z".repeat(5000)] {
            assert_eq!(text.parse::<NodeId>(), Err(IdentityError), "{text:.20}");
        }
    }

    #[test]
    fn keys_of_other_kinds_and_bases_are_refused() {
        let key = [7; 32];
        let did = |prefix: &[u8], base| {
            format!("did:key:{}", multibase::encode(base, [prefix, &key].concat()))
        };
        assert_eq!(did(&ED25519_PUB, multibase::Base::Base58Btc).parse(), Ok(NodeId(key)));
        let secp256k1 = did(&[0xe7, 0x01], multibase::Base::Base58Btc);
        let base32 = did(&ED25519_PUB, multibase::Base::Base32Lower);
        let short = did(&ED25519_PUB[..1], multibase::Base::Base58Btc);
        for text in [secp256k1, base32, short] {
            assert_eq!(text.parse::<NodeId>(), Err(IdentityError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_key_survives_as_did_and_has_no_other(key: [u8; 32], at in 0..56_usize, other in "[!-~]") {
            let did = AuthorId(key).to_string();
            prop_assert_eq!(did.parse(), Ok(AuthorId(key)));
            let changed = format!("{}{other}{}", &did[..at], &did[at + 1..]);
            if changed != did {
                prop_assert_ne!(changed.parse(), Ok(AuthorId(key)));
            }
        }

        #[test]
        fn any_text_is_refused_without_harm(text in "(did:key:z)?.{0,80}") {
            let _ = text.parse::<NodeId>();
        }

        #[test]
        fn what_is_signed_cannot_be_changed(seed: [u8; 32], payload: Vec<u8>, bit in 0..512_usize) {
            let key = SecretKey::from_seed(&seed);
            let mut signature = key.sign(Domain::Join, &payload);
            prop_assert!(verify(&key.public(), Domain::Join, &payload, &signature));
            signature.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify(&key.public(), Domain::Join, &payload, &signature));
        }
    }
}
