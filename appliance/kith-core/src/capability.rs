//! Capabilities: signed permissions one key gives another, in the shape of UCAN.
//!
//! Two exist: a member lets a box synchronise for them ([`Ability::Host`]), and an owner or member
//! lets whoever holds an invite's ephemeral key become a member ([`Ability::Join`]).

use core::time::Duration;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use crate::identity::{AuthorId, Domain, SecretKey, Signature, verify};
use crate::record::SpaceId;
use crate::time::UnixTime;
use crate::wire::cbor;

/// The longest life of a `host` capability; the box renews it well before.
pub const MAX_HOST_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The longest life of an invite.
pub const MAX_INVITE_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

const VERSION: u8 = 1;

/// What a capability allows its audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ability {
    /// Synchronise the space on the issuer's behalf; the audience is a node.
    Host,
    /// Become a member, once; the audience is an invite's ephemeral key.
    Join,
    /// Become a member, any number of people; the audience is an invite's ephemeral key.
    JoinMany,
}

/// What is permitted, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The space it holds in.
    pub space: SpaceId,
    /// The public key of who may use it.
    pub audience: [u8; 32],
    /// What it allows.
    pub ability: Ability,
    /// From when.
    pub not_before: UnixTime,
    /// Until when.
    pub expires: UnixTime,
    /// Makes two grants different.
    pub nonce: [u8; 16],
}

/// A signed permission; the fields are those of `schema/capability.cddl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    v: u8,
    iss: AuthorId,
    aud: ByteArray<32>,
    s: SpaceId,
    can: Ability,
    nbf: UnixTime,
    exp: UnixTime,
    nonce: ByteArray<16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<Signature>,
}

impl Capability {
    /// Signs `grant` as its issuer.
    #[must_use]
    pub fn issue(issuer: &SecretKey, grant: &Grant) -> Self {
        let mut capability = Self::unsigned(issuer.author_id(), grant);
        capability.x = Some(issuer.sign(Domain::Capability, &cbor::encode(&capability)));
        capability
    }

    /// Puts a capability together again from its parts; [`Capability::verifies`] still has to hold.
    #[must_use]
    pub fn from_parts(issuer: AuthorId, grant: &Grant, signature: Signature) -> Self {
        Self { x: Some(signature), ..Self::unsigned(issuer, grant) }
    }

    fn unsigned(issuer: AuthorId, grant: &Grant) -> Self {
        Self {
            v: VERSION,
            iss: issuer,
            aud: grant.audience.into(),
            s: grant.space,
            can: grant.ability,
            nbf: grant.not_before,
            exp: grant.expires,
            nonce: grant.nonce.into(),
            x: None,
        }
    }

    /// Whether version and signature are good. Whether the issuer may give this is not asked here.
    #[must_use]
    pub fn verifies(&self) -> bool {
        let Some(signature) = &self.x else { return false };
        let unsigned = Self { x: None, ..self.clone() };
        self.v == VERSION
            && verify(&self.iss.0, Domain::Capability, &cbor::encode(&unsigned), signature)
    }

    /// Who gives the permission.
    #[must_use]
    pub const fn issuer(&self) -> AuthorId {
        self.iss
    }

    /// The signature, if there is one.
    #[must_use]
    pub const fn signature(&self) -> Option<Signature> {
        self.x
    }

    /// What is permitted.
    #[must_use]
    pub fn grant(&self) -> Grant {
        Grant {
            space: self.s,
            audience: self.aud.into_array(),
            ability: self.can,
            not_before: self.nbf,
            expires: self.exp,
            nonce: self.nonce.into_array(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            space: SpaceId([3; 32]),
            audience: [4; 32],
            ability: Ability::Host,
            not_before: UnixTime::from_millis(5),
            expires: UnixTime::from_millis(6),
            nonce: [7; 16],
        }
    }

    #[test]
    fn a_changed_field_breaks_the_signature() {
        let capability = Capability::issue(&SecretKey::from_seed(&[1; 32]), &grant());
        assert!(capability.verifies());
        assert!(!Capability { can: Ability::Join, ..capability.clone() }.verifies());
        assert!(!Capability { exp: UnixTime::from_millis(7), ..capability.clone() }.verifies());
        assert!(!Capability { x: None, ..capability }.verifies());
    }

    #[test]
    fn it_survives_the_wire_and_its_parts() {
        let capability = Capability::issue(&SecretKey::from_seed(&[1; 32]), &grant());
        let bytes = cbor::encode(&capability);
        assert_eq!(cbor::decode::<Capability>(&bytes, 1024).unwrap(), capability);
        let signature = capability.signature().unwrap();
        let again = Capability::from_parts(capability.issuer(), &capability.grant(), signature);
        assert_eq!(again, capability);
    }
}
