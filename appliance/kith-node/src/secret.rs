//! Random secrets, and what is kept of them: only a sha2-256.
//!
//! Every secret here has at least 60 bits from the system's random source, so a plain hash is enough;
//! passphrases, which have fewer, go through `account::passphrase`.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest as _, Sha256};

/// The sha2-256 of a secret.
pub(crate) type Digest = [u8; 32];

/// Letters and digits that nobody mistakes for one another on a sticker (Crockford's base 32).
const CLEAR: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// `N` bytes from the system's random source.
///
/// # Panics
/// When the system has no random source; nothing safe could follow.
#[must_use]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without a random source no key of ours would be safe")]
    getrandom::fill(&mut bytes).expect("the system has a random source");
    bytes
}

/// A secret of 256 bits for a cookie, a link or a token.
#[must_use]
pub(crate) fn fresh() -> String {
    BASE64URL_NOPAD.encode(&random::<32>())
}

/// A short public name for something that has a secret.
#[must_use]
pub(crate) fn short_id() -> String {
    BASE32_NOPAD.encode(&random::<5>()).to_ascii_lowercase()
}

/// A one-time claim secret of 60 bits, `XXXX-XXXX-XXXX`.
#[must_use]
pub(crate) fn claim() -> String {
    let letters: Vec<char> = CLEAR.chars().collect();
    let text: String = random::<12>().iter().map(|byte| letters[usize::from(byte & 31)]).collect();
    [&text[..4], &text[4..8], &text[8..]].join("-")
}

/// A claim secret as somebody typed it: any case, with or without dashes, O for 0 and I or L for 1.
#[must_use]
pub(crate) fn normal_claim(typed: &str) -> String {
    let plain = |c: char| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    typed.chars().filter(char::is_ascii_alphanumeric).take(64).map(plain).collect()
}

/// What is kept of a secret.
#[must_use]
pub(crate) fn digest(secret: &str) -> Digest {
    Sha256::digest(secret.as_bytes()).into()
}

/// The token that forms of a session carry; it follows from the session's secret, which no other site
/// can read.
#[must_use]
pub(crate) fn form_token(session: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(["kith/form/1", session].concat().as_bytes())[..16])
}

/// Whether two digests are equal; takes as long for any two.
#[must_use]
pub(crate) fn same(a: &Digest, b: &Digest) -> bool {
    a.iter().zip(b).fold(0, |difference, (x, y)| difference | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_secret_survives_being_typed() {
        let secret = claim();
        assert_eq!(secret.len(), 14);
        let typed = secret.to_lowercase().replace('0', "o").replace('1', "l").replace('-', " ");
        assert_eq!(normal_claim(&typed), normal_claim(&secret));
    }

    #[test]
    fn secrets_differ_and_their_form_tokens_too() {
        let (a, b) = (fresh(), fresh());
        assert_ne!(a, b);
        assert_ne!(form_token(&a), form_token(&b));
        assert!(same(&digest(&a), &digest(&a)) && !same(&digest(&a), &digest(&b)));
    }
}
