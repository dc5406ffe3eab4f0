//! How two boxes find the spaces they share without naming them to anyone else.
//!
//! Both derive keys from the secret that TLS exports for their connection (RFC 8446, section 7.5) and
//! from the space id. [`Seal::handle`] is a pseudonym of the space for this connection only, and what
//! is sealed under it (HMAC-SHA-256 for keys, ChaCha20-Poly1305 for the text, RFC 8439) opens only for
//! who knows the space. A stranger sees random bytes.

use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;
use sha2::Sha256;

use crate::record::SpaceId;

/// 32 bytes from the TLS exporter of a connection, equal on both of its ends.
pub type Exporter = [u8; 32];

/// A space's pseudonym on one connection.
pub type Handle = ByteArray<16>;

/// Which end of the connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum End {
    /// The one that dialled.
    Dialler,
    /// The one that accepted.
    Acceptor,
}

/// The keys of one space on one connection.
#[derive(Debug)]
pub struct Seal<'a> {
    exporter: &'a Exporter,
    space: &'a SpaceId,
}

impl<'a> Seal<'a> {
    /// The keys of `space` on the connection with this exporter.
    #[must_use]
    pub const fn new(exporter: &'a Exporter, space: &'a SpaceId) -> Self {
        Self { exporter, space }
    }

    /// The space's pseudonym on this connection.
    #[must_use]
    pub fn handle(&self) -> Handle {
        let mut handle = [0; 16];
        handle.copy_from_slice(&self.derive(b"kith/handle/1", b"")[..16]);
        handle.into()
    }

    /// Seals `text` as the `count`-th thing that `end` seals on this connection. The pair must never
    /// repeat, since it is the nonce.
    #[must_use]
    pub fn seal(&self, end: End, count: u64, text: &[u8]) -> Vec<u8> {
        #[expect(clippy::expect_used, reason = "only texts of more than 256 GiB fail")]
        self.cipher(end).encrypt(&nonce(count), text).expect("the text is short")
    }

    /// Opens what the other side sealed; `None` when it was sealed for another space or connection.
    #[must_use]
    pub fn open(&self, end: End, count: u64, sealed: &[u8]) -> Option<Vec<u8>> {
        self.cipher(end).decrypt(&nonce(count), sealed).ok()
    }

    fn cipher(&self, end: End) -> ChaCha20Poly1305 {
        let end: &[u8] = match end {
            End::Dialler => b"dialler",
            End::Acceptor => b"acceptor",
        };
        ChaCha20Poly1305::new(&Key::from(self.derive(b"kith/seal/1", end)))
    }

    fn derive(&self, purpose: &[u8], end: &[u8]) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.exporter).expect("any length will do");
        mac.update(purpose);
        mac.update(end);
        mac.update(&self.space.0);
        mac.finalize().into_bytes().into()
    }
}

fn nonce(count: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&count.to_be_bytes());
    nonce.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_knows_the_space_opens_what_is_sealed() {
        let (space, other) = (SpaceId([1; 32]), SpaceId([2; 32]));
        let sealed = Seal::new(&[9; 32], &space).seal(End::Dialler, 1, b"text");
        let opens =
            |exporter, space, end, count| Seal::new(exporter, space).open(end, count, &sealed);
        assert_eq!(opens(&[9; 32], &space, End::Dialler, 1).as_deref(), Some(&b"text"[..]));
        assert_eq!(opens(&[9; 32], &other, End::Dialler, 1), None);
        assert_eq!(opens(&[8; 32], &space, End::Dialler, 1), None);
        assert_eq!(opens(&[9; 32], &space, End::Acceptor, 1), None);
        assert_eq!(opens(&[9; 32], &space, End::Dialler, 2), None);
    }

    #[test]
    fn a_handle_tells_nothing_on_another_connection() {
        let space = SpaceId([1; 32]);
        assert_ne!(Seal::new(&[1; 32], &space).handle(), Seal::new(&[2; 32], &space).handle());
    }
}
