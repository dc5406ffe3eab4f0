//! Invite codes: what one neighbour shows another, as text or QR code.
//!
//! A code carries the space, a box to ask first and its addresses, an ephemeral secret key, and the
//! issuer's signature that whoever holds this key may join. So every member can admit the newcomer,
//! with neither the issuer nor an owner online. The signature doubles as the checksum of a code that
//! was typed by hand.

use core::fmt;
use core::str::FromStr;
use std::net::{IpAddr, SocketAddr};

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};

use crate::body::{Body, join_proof};
use crate::capability::{Ability, Capability, Grant};
use crate::identity::{AuthorId, Domain, NodeId, SecretKey, Signature};
use crate::record::SpaceId;
use crate::time::UnixTime;
use crate::wire::cbor;

/// What every code starts with.
const PREFIX: &str = "KITH1-";

/// The most addresses a code carries.
pub const MAX_ADDRESSES: usize = 8;

/// The longest code, in characters; a QR code of alphanumeric mode still holds it easily.
pub const MAX_CODE: usize = 1_000;

/// An invite to a space.
#[derive(Clone, Debug)]
pub struct Invite {
    capability: Capability,
    secret: SecretKey,
    /// The box that made the code: the first to ask.
    pub node: NodeId,
    /// Where that box was when it made the code.
    pub addresses: Vec<SocketAddr>,
}

/// Why a text is not an invite.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InviteError {
    /// Not an invite code at all.
    #[error("this is not an invite code: it should start with KITH1-")]
    NotAnInvite,
    /// Characters are missing or wrong.
    #[error("this invite code is damaged: copy it again, whole, from KITH1- to its end")]
    Damaged,
}

/// A code's content, in DAG-CBOR.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    /// Space.
    s: ByteArray<32>,
    /// Issuer.
    i: AuthorId,
    /// Box.
    b: NodeId,
    /// Addresses: 4 or 16 bytes of IP, then the port.
    a: Vec<ByteBuf>,
    /// Seed of the ephemeral key.
    k: ByteArray<32>,
    /// Whether many may use it.
    m: bool,
    /// Not before, in milliseconds.
    f: UnixTime,
    /// Expiry, in milliseconds.
    e: UnixTime,
    /// Nonce.
    n: ByteArray<16>,
    /// Signature of the capability.
    x: Signature,
}

impl Invite {
    /// Makes an invite to `space`, signed by `issuer`. `secret` is a fresh random key.
    #[must_use]
    pub fn issue(issuer: &SecretKey, secret: SecretKey, terms: &Terms, contact: Contact) -> Self {
        let grant = Grant {
            space: terms.space,
            audience: secret.public(),
            ability: if terms.many { Ability::JoinMany } else { Ability::Join },
            not_before: terms.not_before,
            expires: terms.expires,
            nonce: terms.nonce,
        };
        let capability = Capability::issue(issuer, &grant);
        let mut addresses = contact.addresses;
        addresses.truncate(MAX_ADDRESSES);
        Self { capability, secret, node: contact.node, addresses }
    }

    /// The space it leads into.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        self.capability.grant().space
    }

    /// When it ends.
    #[must_use]
    pub fn expires(&self) -> UnixTime {
        self.capability.grant().expires
    }

    /// The permission it carries.
    #[must_use]
    pub const fn capability(&self) -> &Capability {
        &self.capability
    }

    /// The body of the record with which `author` on `node` uses the invite.
    #[must_use]
    pub fn join(&self, author: &AuthorId, node: &NodeId, name: String) -> Body {
        let proof = self.secret.sign(Domain::Join, &join_proof(author, node));
        Body::Join { invite: Box::new(self.capability.clone()), node: *node, name, proof }
    }
}

/// What an invite grants.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The space it leads into.
    pub space: SpaceId,
    /// Whether more than one person may use it.
    pub many: bool,
    /// From when.
    pub not_before: UnixTime,
    /// Until when.
    pub expires: UnixTime,
    /// 16 random bytes.
    pub nonce: [u8; 16],
}

/// Whom to ask first, and where.
#[derive(Clone, Debug)]
pub struct Contact {
    /// The box.
    pub node: NodeId,
    /// Its addresses; at most eight are kept.
    pub addresses: Vec<SocketAddr>,
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grant = self.capability.grant();
        let wire = Wire {
            s: grant.space.0.into(),
            i: self.capability.issuer(),
            b: self.node,
            a: self.addresses.iter().map(pack_address).collect(),
            k: (*self.secret.seed()).into(),
            m: grant.ability == Ability::JoinMany,
            f: grant.not_before,
            e: grant.expires,
            n: grant.nonce.into(),
            x: self.capability.signature().unwrap_or(Signature([0; 64])),
        };
        write!(f, "{PREFIX}{}", BASE32_NOPAD.encode(&cbor::encode(&wire)))
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    /// Reads a code; upper or lower case, with spaces and line ends as chat programs put them in.
    fn from_str(text: &str) -> Result<Self, InviteError> {
        if text.len() > 2 * MAX_CODE {
            return Err(InviteError::NotAnInvite);
        }
        let code: String = text.split_whitespace().collect::<String>().to_ascii_uppercase();
        let encoded = code.strip_prefix(PREFIX).ok_or(InviteError::NotAnInvite)?;
        let bytes = BASE32_NOPAD.decode(encoded.as_bytes()).map_err(|_| InviteError::Damaged)?;
        let wire: Wire = cbor::decode(&bytes, MAX_CODE).map_err(|_| InviteError::Damaged)?;
        wire.into_invite().ok_or(InviteError::Damaged)
    }
}

impl Wire {
    fn into_invite(self) -> Option<Invite> {
        let secret = SecretKey::from_seed(&self.k);
        let grant = Grant {
            space: SpaceId(self.s.into_array()),
            audience: secret.public(),
            ability: if self.m { Ability::JoinMany } else { Ability::Join },
            not_before: self.f,
            expires: self.e,
            nonce: self.n.into_array(),
        };
        let capability = Capability::from_parts(self.i, &grant, self.x);
        if !capability.verifies() || self.a.len() > MAX_ADDRESSES {
            return None;
        }
        let addresses = self.a.iter().map(|a| unpack_address(a)).collect::<Option<_>>()?;
        Some(Invite { capability, secret, node: self.b, addresses })
    }
}

fn pack_address(address: &SocketAddr) -> ByteBuf {
    let mut packed = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    packed.extend(address.port().to_be_bytes());
    ByteBuf::from(packed)
}

fn unpack_address(packed: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = packed.split_last_chunk::<2>()?;
    let ip = match ip.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(ip).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(ip).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn invite() -> Invite {
        let terms = Terms {
            space: SpaceId([9; 32]),
            many: false,
            not_before: UnixTime::from_millis(1),
            expires: UnixTime::from_millis(1_900_000_000_000),
            nonce: [2; 16],
        };
        let addresses =
            vec!["192.168.77.1:7000".parse().unwrap(), "[fd00::1]:7000".parse().unwrap()];
        let contact = Contact { node: NodeId([8; 32]), addresses };
        Invite::issue(
            &SecretKey::from_seed(&[1; 32]),
            SecretKey::from_seed(&[5; 32]),
            &terms,
            contact,
        )
    }

    #[test]
    fn a_code_survives_lower_case_and_line_breaks() {
        let code = invite().to_string();
        let messy = format!(" {}\n{} ", &code[..50].to_lowercase(), &code[50..]);
        let read: Invite = messy.parse().unwrap();
        assert_eq!(read.to_string(), code);
        assert_eq!(read.addresses, invite().addresses);
        assert!(code.len() < MAX_CODE, "{}", code.len());
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let code = invite().to_string();
        for i in PREFIX.len()..code.len() {
            let mut changed = code.clone().into_bytes();
            changed[i] = if changed[i] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // An address is a hint and carries no signature; all else must be noticed.
            if let Ok(read) = changed.parse::<Invite>() {
                assert_eq!(read.capability(), invite().capability(), "at {i}");
            }
        }
        assert_eq!("hello".parse::<Invite>().unwrap_err(), InviteError::NotAnInvite);
        assert_eq!(code[..80].parse::<Invite>().unwrap_err(), InviteError::Damaged);
    }

    #[test]
    fn codes_too_long_or_with_too_many_addresses_are_refused() {
        let long = format!("KITH1-{}", "A".repeat(2 * MAX_CODE));
        assert_eq!(long.parse::<Invite>().unwrap_err(), InviteError::NotAnInvite);
        let mut many = invite();
        many.addresses = vec![many.addresses[0]; MAX_ADDRESSES + 1];
        assert_eq!(many.to_string().parse::<Invite>().unwrap_err(), InviteError::Damaged);
        many.addresses.truncate(MAX_ADDRESSES);
        assert_eq!(many.to_string().parse::<Invite>().unwrap().addresses, many.addresses);
    }

    proptest! {
        #[test]
        fn any_invite_survives_as_a_code(
            (space, nonce, node, secret) in any::<([u8; 32], [u8; 16], [u8; 32], [u8; 32])>(),
            (many, from, until) in any::<(bool, u64, u64)>(),
            addresses in prop::collection::vec(any::<SocketAddr>(), 0..=MAX_ADDRESSES),
        ) {
            let terms = Terms {
                space: SpaceId(space),
                many,
                not_before: UnixTime::from_millis(from),
                expires: UnixTime::from_millis(until),
                nonce,
            };
            // A code has no room for flow labels and scopes.
            let plain = |a: &SocketAddr| SocketAddr::new(a.ip(), a.port());
            let addresses: Vec<_> = addresses.iter().map(plain).collect();
            let contact = Contact { node: NodeId(node), addresses };
            let key = SecretKey::from_seed(&[1; 32]);
            let made = Invite::issue(&key, SecretKey::from_seed(&secret), &terms, contact);
            let read: Invite = made.to_string().parse().unwrap();
            prop_assert_eq!(read.to_string(), made.to_string());
            prop_assert_eq!(read.capability(), made.capability());
            prop_assert_eq!((read.node, &read.addresses), (made.node, &made.addresses));
            prop_assert!(made.to_string().len() <= MAX_CODE);
        }

        #[test]
        fn any_text_is_refused_without_harm(text in "(KITH1-)?[A-Z2-7 \\n]{0,100}") {
            prop_assert!(text.parse::<Invite>().is_err());
        }
    }
}
