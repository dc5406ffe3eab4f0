//! Hands on the internet: QUIC between boxes, DNS-SD on the local network, this host's addresses.
//!
//! Nothing here decides anything: whom to dial, whom to believe and which connection to keep is the
//! business of the machines in `kith-proto`. This is the only crate that names quinn, rustls and
//! mdns-sd.

pub mod interfaces;
pub mod mdns;
pub mod quic;
