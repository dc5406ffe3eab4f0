//! One UDP socket: dials and accepts.
//!
//! The socket is wrapped through quinn's `AsyncUdpSocket`, where STUN will be told from QUIC by its
//! first byte; that is why the QUIC bit is never greased (RFC 9287).

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use kith_core::identity::{NodeId, SecretKey};
use kith_core::seal::End;
use quinn::crypto::rustls::{NoInitialCipherSuite, QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, ConnectError, Connecting, ConnectionError, EndpointConfig, Incoming,
    Runtime as _, ServerConfig, TokioRuntime, TransportErrorCode, VarInt,
};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::debug;

use super::connection::{Admission, Closed, Connection, canonical};
use super::socket::widen;
use super::tls::{self, Tls};
use super::{Config, race};

/// Bytes of one unanswered handshake, and of all of them, that may wait for us.
const INCOMING_BYTES: (u64, u64) = (64 << 10, 1 << 20);

/// How long [`Endpoint::close`] waits for the peers to hear of it.
const GOODBYE: Duration = Duration::from_secs(1);

/// The alert of our own verifier when the key is another one than asked for (RFC 8446, section 6.2).
const ACCESS_DENIED: u8 = 49;

/// The alert of a peer that speaks another protocol over QUIC (RFC 7301, section 3.2).
const NO_APPLICATION_PROTOCOL: u8 = 120;

/// Why an endpoint could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The key or the TLS library.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// The TLS library lacks the cipher of QUIC's first packets.
    #[error("cannot set up QUIC")]
    Cipher(#[from] NoInitialCipherSuite),
    /// The socket.
    #[error("cannot use the UDP socket")]
    Socket(#[from] std::io::Error),
}

/// Why dialling led to no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// No such address can be dialled from our socket.
    #[error("{address} cannot be dialled: {reason}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why not.
        reason: String,
    },
    /// There was no address to dial.
    #[error("no address to dial")]
    NoAddress,
    /// Another box answered.
    #[error("another box than the expected one answered at {0}")]
    OtherKey(SocketAddr),
    /// We answered ourselves.
    #[error("{0} is this box itself")]
    Ourselves(SocketAddr),
    /// Something that speaks QUIC, but not our protocol, answered.
    #[error("{0} is not a box of ours")]
    OtherProtocol(SocketAddr),
    /// Nobody answered.
    #[error("nobody answered at {0}")]
    Silence(SocketAddr),
    /// The connection broke while it was made.
    #[error("{address}: {closed}")]
    Closed {
        /// The address.
        address: SocketAddr,
        /// Why.
        closed: Closed,
    },
}

/// One UDP socket that dials and accepts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    quic: quinn::Endpoint,
    node: NodeId,
    config: Config,
    named: ClientConfig,
    anybody: ClientConfig,
    proofs: Arc<AtomicU64>,
    admission: Admission,
    arriving: Mutex<FuturesUnordered<Arriving>>,
}

type Arriving = Pin<Box<dyn Future<Output = Option<Connection>> + Send>>;

impl Endpoint {
    /// Starts on `socket`. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// When the socket or the key is of no use.
    pub fn bind(
        socket: std::net::UdpSocket,
        key: &SecretKey,
        config: Config,
    ) -> Result<Self, BindError> {
        let tls = Tls::new(key)?;
        let client = |crypto| -> Result<ClientConfig, BindError> {
            let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(crypto)?));
            client.transport_config(config.transport(End::Dialler));
            Ok(client)
        };
        let (named, anybody) = (client(tls.named)?, client(tls.anybody)?);
        let mut server =
            ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls.server)?));
        server
            .transport_config(config.transport(End::Acceptor))
            .max_incoming(config.half_open)
            .incoming_buffer_size(INCOMING_BYTES.0)
            .incoming_buffer_size_total(INCOMING_BYTES.1);
        let mut endpoint = EndpointConfig::default();
        endpoint.grease_quic_bit(false);
        socket.set_nonblocking(true)?;
        widen(&socket, config.socket_buffer);
        let runtime = Arc::new(TokioRuntime);
        let socket = runtime.wrap_udp_socket(socket)?;
        let quic =
            quinn::Endpoint::new_with_abstract_socket(endpoint, Some(server), socket, runtime)?;
        let (node, proofs, arriving) = (key.node_id(), tls.proofs, Mutex::default());
        let admission = config.admission();
        let inner = Inner { quic, node, config, named, anybody, proofs, admission, arriving };
        Ok(Self(Arc::new(inner)))
    }

    /// Where the socket is bound.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn local_address(&self) -> std::io::Result<SocketAddr> {
        self.0.quic.local_addr()
    }

    /// The key of this box.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.0.node
    }

    /// Connections that are open or being made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.0.quic.open_connections()
    }

    /// Proofs of peers' keys seen so far: one for each handshake that was not a resumption.
    #[must_use]
    pub fn proofs(&self) -> u64 {
        self.0.proofs.load(Ordering::Relaxed)
    }

    /// Dials `address`. With `expect` only that key connects, and any other fails in the handshake.
    ///
    /// # Errors
    /// [`DialError`] says what answered instead, if anything.
    pub async fn dial(
        &self,
        address: SocketAddr,
        expect: Option<NodeId>,
    ) -> Result<Connection, DialError> {
        let config = if expect.is_some() { &self.0.named } else { &self.0.anybody };
        let connecting = self
            .0
            .quic
            .connect_with(config.clone(), address, &tls::dial_name(expect))
            .map_err(|error| unusable(address, &error))?;
        let quic = match timeout(self.0.config.handshake, connecting).await {
            Ok(Ok(quic)) => quic,
            Ok(Err(error)) => return Err(dial_error(address, error)),
            Err(_) => return Err(DialError::Silence(address)),
        };
        let connection = Connection::new(quic, End::Dialler, &self.0.admission)
            .ok_or(DialError::OtherKey(address))?;
        if connection.peer() == self.0.node {
            connection.close(super::code::NONE, "this is myself");
            return Err(DialError::Ourselves(address));
        }
        if expect.is_some_and(|node| node != connection.peer()) {
            return Err(DialError::OtherKey(address));
        }
        Ok(connection)
    }

    /// Dials all of `addresses`, in their order and a little apart; the first that connects wins
    /// (RFC 8305).
    ///
    /// # Errors
    /// The error of the address that got furthest.
    pub async fn dial_any(
        &self,
        addresses: &[SocketAddr],
        expect: Option<NodeId>,
    ) -> Result<Connection, DialError> {
        race::first(addresses.iter().map(|address| self.dial(*address, expect))).await
    }

    /// The next connection that somebody made to us; `None` when the endpoint is closed. May be
    /// cancelled and called again; handshakes go on only while somebody waits here.
    pub async fn accept(&self) -> Option<Connection> {
        let mut arriving = self.0.arriving.lock().await;
        loop {
            tokio::select! {
                incoming = self.0.quic.accept() => {
                    let half_open = arriving.len();
                    if let Some(connecting) = self.let_in(incoming?, half_open) {
                        arriving.push(Box::pin(arrive(connecting, self.0.config.handshake, self.0.admission.clone())));
                    }
                }
                Some(arrived) = arriving.next(), if !arriving.is_empty() => match arrived {
                    Some(connection) if connection.peer() != self.0.node => {
                        return Some(connection);
                    }
                    Some(_) | None => {}
                }
            }
        }
    }

    /// Closes every connection and the endpoint, and waits a moment for the peers to hear of it.
    pub async fn close(&self, code: u32, reason: &str) {
        self.0.quic.close(VarInt::from_u32(code), reason.as_bytes());
        // Peers that do not hear of it will notice the silence.
        let _gone = timeout(GOODBYE, self.0.quic.wait_idle()).await;
    }

    fn let_in(&self, incoming: Incoming, half_open: usize) -> Option<Connecting> {
        let config = &self.0.config;
        let proven = incoming.remote_address_validated();
        if half_open >= config.half_open || self.connections() >= config.connections {
            debug!(address = %canonical(incoming.remote_address()), "full, refusing");
            // A refusal to an address that nobody has proven would be sent to whoever is named there.
            if proven {
                incoming.refuse()
            } else {
                incoming.ignore()
            }
            return None;
        }
        if half_open >= config.retry_above && !proven && incoming.may_retry() {
            if let Err(error) = incoming.retry() {
                debug!(%error, "cannot ask for a proof of the address");
            }
            return None;
        }
        incoming.accept().inspect_err(|error| debug!(%error, "a bad first packet")).ok()
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("node", &self.node)
            .field("connections", &self.quic.open_connections())
            .finish_non_exhaustive()
    }
}

async fn arrive(
    connecting: Connecting,
    patience: Duration,
    admission: Admission,
) -> Option<Connection> {
    let address = canonical(connecting.remote_address());
    match timeout(patience, connecting).await {
        Ok(Ok(quic)) => Connection::new(quic, End::Acceptor, &admission),
        Ok(Err(error)) => {
            debug!(%address, %error, "a handshake failed");
            None
        }
        Err(_) => {
            debug!(%address, "a handshake took too long");
            None
        }
    }
}

fn unusable(address: SocketAddr, error: &ConnectError) -> DialError {
    DialError::Address { address, reason: error.to_string() }
}

fn dial_error(address: SocketAddr, error: ConnectionError) -> DialError {
    let other_key = TransportErrorCode::crypto(ACCESS_DENIED);
    let other_protocol = TransportErrorCode::crypto(NO_APPLICATION_PROTOCOL);
    match &error {
        ConnectionError::TransportError(ours) if ours.code == other_key => {
            DialError::OtherKey(address)
        }
        ConnectionError::TransportError(ours) if ours.code == other_protocol => {
            DialError::OtherProtocol(address)
        }
        ConnectionError::ConnectionClosed(theirs) if theirs.error_code == other_protocol => {
            DialError::OtherProtocol(address)
        }
        ConnectionError::VersionMismatch => DialError::OtherProtocol(address),
        ConnectionError::TimedOut => DialError::Silence(address),
        ConnectionError::TransportError(_)
        | ConnectionError::ConnectionClosed(_)
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::Reset
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => DialError::Closed { address, closed: error.into() },
    }
}
