//! TLS 1.3 with raw ed25519 public keys (RFC 7250, RFC 8410) in place of certificates.
//!
//! A box that dials asks for a key by name: the name is the key in base32 under `.invalid` and is
//! never sent. The name is also what tickets are filed under, so a session that was made with one key
//! is never resumed for another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::BASE32_DNSSEC;
use kith_core::identity::{NodeId, SecretKey};
use kith_core::wire::frame::ALPN;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::verify_tls13_signature_with_raw_key;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};

/// What precedes the 32 bytes of a key in its SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI_HEAD: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What precedes the 32 bytes of a seed in its PKCS #8 (RFC 8410, section 7).
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The name to dial when any key will do.
const ANYBODY: &str = "anybody.kith.invalid";

/// Sessions remembered for resumption, by the key they were made with.
const SESSIONS: usize = 256;

/// Both halves of the TLS configuration of one box.
#[derive(Debug)]
pub(super) struct Tls {
    /// For dialling a known key.
    pub(super) named: Arc<ClientConfig>,
    /// For dialling whoever answers; its sessions are not resumed.
    pub(super) anybody: Arc<ClientConfig>,
    /// For accepting.
    pub(super) server: Arc<ServerConfig>,
    /// Proofs of a peer's key seen: handshakes that were not resumptions.
    pub(super) proofs: Arc<AtomicU64>,
}

impl Tls {
    pub(super) fn new(key: &SecretKey) -> Result<Self, Error> {
        let provider = Arc::new(provider());
        let proofs = Arc::new(AtomicU64::new(0));
        let verifier = Arc::new(KeyVerifier {
            algorithms: provider.signature_verification_algorithms,
            proofs: proofs.clone(),
        });
        let certified = Arc::new(certified_key(key)?);
        let client = |resumption: Resumption| -> Result<Arc<ClientConfig>, Error> {
            let mut config = ClientConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[&TLS13])?
                .dangerous()
                .with_custom_certificate_verifier(verifier.clone())
                .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
                    certified.clone(),
                )));
            config.alpn_protocols = vec![ALPN.to_vec()];
            // The name is a key, and the first packet is readable by everybody on the way.
            config.enable_sni = false;
            config.resumption = resumption;
            Ok(Arc::new(config))
        };
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier.clone())
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(
                certified.clone(),
            )));
        server.alpn_protocols = vec![ALPN.to_vec()];
        // Tickets carry the session themselves, so strangers cannot make us remember anything.
        server.ticketer = ring::Ticketer::new()?;
        Ok(Self {
            named: client(Resumption::in_memory_sessions(SESSIONS))?,
            anybody: client(Resumption::disabled())?,
            server: Arc::new(server),
            proofs,
        })
    }
}

/// The name to dial for a key, or for any.
pub(super) fn dial_name(expect: Option<NodeId>) -> String {
    expect.map_or_else(
        || ANYBODY.to_owned(),
        |node| format!("{}.kith.invalid", BASE32_DNSSEC.encode(&node.0)),
    )
}

/// The key in what TLS calls the peer's certificate; nothing unless it is a raw ed25519 key.
pub(super) fn node_id(spki: &[u8]) -> Option<NodeId> {
    let key = spki.strip_prefix(&SPKI_HEAD)?;
    key.try_into().ok().map(NodeId)
}

/// Ring with X25519 alone, and the cipher first that the processor is fast at: a Raspberry Pi 4 has no
/// instructions for AES.
fn provider() -> CryptoProvider {
    use ring::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256};
    let mut suites = vec![TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256];
    if !fast_at_aes() {
        suites.reverse();
    }
    CryptoProvider {
        cipher_suites: suites,
        kx_groups: vec![ring::kx_group::X25519],
        ..ring::default_provider()
    }
}

fn fast_at_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

fn certified_key(key: &SecretKey) -> Result<CertifiedKey, Error> {
    let seed = key.seed();
    let pkcs8 = PrivatePkcs8KeyDer::from([&PKCS8_HEAD[..], &seed[..]].concat());
    let spki = CertificateDer::from([&SPKI_HEAD[..], &key.public()[..]].concat());
    Ok(CertifiedKey::new(vec![spki], ring::sign::any_eddsa_type(&pkcs8)?))
}

/// Takes raw ed25519 keys and nothing else; when dialling, only the one named.
///
/// One value serves both ends and all connections: rustls resumes a session only under the verifier
/// it was made under.
#[derive(Debug)]
struct KeyVerifier {
    algorithms: WebPkiSupportedAlgorithms,
    proofs: Arc<AtomicU64>,
}

impl KeyVerifier {
    fn check_shape(
        end_entity: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
    ) -> Result<NodeId, Error> {
        match node_id(end_entity) {
            Some(node) if others.is_empty() => Ok(node),
            _ => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
        let valid = verify_tls13_signature_with_raw_key(message, &spki, signed, &self.algorithms)?;
        self.proofs.fetch_add(1, Ordering::Relaxed);
        Ok(valid)
    }
}

const NO_TLS12: Error = Error::PeerIncompatible(rustls::PeerIncompatible::Tls13RequiredForQuic);

impl ServerCertVerifier for KeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let node = Self::check_shape(end_entity, intermediates)?;
        let name = server_name.to_str();
        if name == ANYBODY || name == dial_name(Some(node)) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(NO_TLS12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for KeyVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Self::check_shape(end_entity, intermediates)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(NO_TLS12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_half_of_the_pkcs8_is_the_key_itself() {
        let key = SecretKey::from_seed(&[3; 32]);
        let certified = certified_key(&key).unwrap();
        let derived = certified.key.public_key().unwrap();
        assert_eq!(node_id(derived.as_ref()), Some(key.node_id()));
        assert_eq!(node_id(&certified.cert[0]), Some(key.node_id()));
    }

    #[test]
    fn anything_but_a_raw_ed25519_key_is_refused() {
        let spki = [&SPKI_HEAD[..], &[9; 32]].concat();
        assert_eq!(node_id(&spki), Some(NodeId([9; 32])));
        let mut rsa = spki.clone();
        rsa[8] = 0x71;
        assert_eq!(node_id(&rsa), None);
        assert_eq!(node_id(&spki[..43]), None);
        assert_eq!(node_id(&[&spki[..], &[0]].concat()), None);
        let chain = [CertificateDer::from(spki.clone()), CertificateDer::from(spki)];
        assert!(KeyVerifier::check_shape(&chain[0], &chain[1..]).is_err());
        assert!(KeyVerifier::check_shape(&chain[0], &[]).is_ok());
    }

    #[test]
    fn the_name_of_a_key_is_a_dns_name() {
        for node in [None, Some(NodeId([0; 32])), Some(NodeId([255; 32]))] {
            let name = dial_name(node);
            assert!(ServerName::try_from(name.as_str()).is_ok(), "{name}");
        }
    }
}
