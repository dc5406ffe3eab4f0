//! QUIC with raw keys and no manners: for baselines, and for peers that misbehave.
//!
//! Written apart from `kith-net` on purpose, so that it can say what `kith-net` never would.

use std::net::UdpSocket;
use std::sync::Arc;

use anyhow::{Context, Result};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// What precedes a seed in PKCS #8 (RFC 8410, section 7).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// What precedes a key in SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// An endpoint on `socket`. Has to be called within a tokio runtime.
///
/// # Errors
/// When the socket is of no use.
pub fn endpoint(server: Option<quinn::ServerConfig>, socket: UdpSocket) -> Result<Endpoint> {
    socket.set_nonblocking(true).context("a socket that does not block")?;
    Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(TokioRuntime))
        .context("a QUIC endpoint")
}

/// A server with a key of its own that lets anybody in.
///
/// # Errors
/// When TLS cannot be set up.
pub fn server(alpn: &[u8]) -> Result<quinn::ServerConfig> {
    let key = Arc::new(certified(&[9; 32])?);
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("TLS 1.3")?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key)));
    config.alpn_protocols = vec![alpn.to_vec()];
    let crypto = QuicServerConfig::try_from(config).context("QUIC over TLS")?;
    Ok(quinn::ServerConfig::with_crypto(Arc::new(crypto)))
}

/// A client that takes whoever answers, with the key of this seed or with none.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client(alpn: &[u8], seed: Option<&[u8; 32]>) -> Result<quinn::ClientConfig> {
    let builder = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .context("TLS 1.3")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider())));
    let mut config = match seed {
        Some(seed) => {
            let key = Arc::new(certified(seed)?);
            builder.with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(key)))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![alpn.to_vec()];
    config.enable_sni = false;
    let crypto = QuicClientConfig::try_from(config).context("QUIC over TLS")?;
    Ok(quinn::ClientConfig::new(Arc::new(crypto)))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certified(seed: &[u8; 32]) -> Result<CertifiedKey> {
    let public = kith_core::identity::SecretKey::from_seed(seed).public();
    let pkcs8 = PrivatePkcs8KeyDer::from([&PKCS8[..], &seed[..]].concat());
    let spki = CertificateDer::from([&SPKI[..], &public[..]].concat());
    let key = ring::sign::any_eddsa_type(&pkcs8).context("a key")?;
    Ok(CertifiedKey::new(vec![spki], key))
}

#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(rustls::PeerIncompatible::Tls13RequiredForQuic))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(cert.as_ref());
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
