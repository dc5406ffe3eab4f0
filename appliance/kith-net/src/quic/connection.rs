//! A connection with another box whose key is proven.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use kith_core::identity::NodeId;
use kith_core::seal::{End, Exporter};
use kith_core::wire::frame::{ALPN, StreamKind};
use quinn::{ConnectionError, RecvStream, SendStream, VarInt};
use rustls::pki_types::CertificateDer;
use tokio::sync::Mutex;
use tracing::debug;

use super::budget::Budgets;
use super::frames::{Common, FrameReceiver, FrameSender, framed};
use super::{code, tls};

/// Characters of the peer's reason for closing that are kept.
const REASON: usize = 200;

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// We closed it.
    #[error("closed by this box")]
    ByUs,
    /// The peer closed it.
    #[error("closed by the other box: {reason} (code {code})")]
    ByPeer {
        /// The peer's code.
        code: u64,
        /// The peer's words, shortened and without control characters.
        reason: String,
    },
    /// Nothing was heard for the idle time.
    #[error("nothing heard for too long")]
    Silent,
    /// The peer does not know the connection any more.
    #[error("the other box has restarted")]
    Forgotten,
    /// One end broke the rules of QUIC or TLS.
    #[error("protocol error: {0}")]
    Broken(String),
}

impl From<ConnectionError> for Closed {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::LocallyClosed => Self::ByUs,
            ConnectionError::ApplicationClosed(close) => Self::ByPeer {
                code: close.error_code.into_inner(),
                reason: printable(&String::from_utf8_lossy(&close.reason)),
            },
            ConnectionError::TimedOut => Self::Silent,
            ConnectionError::Reset => Self::Forgotten,
            ConnectionError::ConnectionClosed(_)
            | ConnectionError::TransportError(_)
            | ConnectionError::VersionMismatch
            | ConnectionError::CidsExhausted => Self::Broken(printable(&error.to_string())),
        }
    }
}

/// Bytes that went over a connection since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of frames sent, with their lengths.
    pub frames_sent: u64,
    /// Bytes of frames received, with their lengths.
    pub frames_received: u64,
    /// Bytes of UDP payload sent, all told.
    pub udp_sent: u64,
    /// Bytes of UDP payload received, all told.
    pub udp_received: u64,
    /// Packets of ours that were lost on the way.
    pub packets_lost: u64,
}

/// What a peer may use once it is admitted, and what all of them share.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    pub(super) streams: VarInt,
    pub(super) window: VarInt,
    pub(super) budgets: Arc<Budgets>,
}

/// A connection with another box. Cheap to clone; it closes when the last clone and stream is dropped.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    quic: quinn::Connection,
    peer: NodeId,
    end: End,
    exporter: Exporter,
    common: Arc<Common>,
    admission: Admission,
    /// Streams of the peer whose first byte has not come yet; at most as many as it may have open.
    opening: Mutex<FuturesUnordered<Opening>>,
}

type Opening = Pin<Box<dyn Future<Output = Option<Opened>> + Send>>;
type Opened = (StreamKind, SendStream, RecvStream);

impl Connection {
    /// `None` when the peer's key or the exporter is missing, which a finished handshake rules out.
    pub(super) fn new(quic: quinn::Connection, end: End, admission: &Admission) -> Option<Self> {
        let identity = quic.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        let peer = tls::node_id(identity.first()?)?;
        let mut exporter = [0; 32];
        quic.export_keying_material(&mut exporter, ALPN, b"").ok()?;
        let common = Arc::new(Common::new(admission.budgets.clone()));
        let (admission, opening) = (admission.clone(), Mutex::default());
        Some(Self(Arc::new(Inner { quic, peer, end, exporter, common, admission, opening })))
    }

    /// The key the peer has proven.
    #[must_use]
    pub fn peer(&self) -> NodeId {
        self.0.peer
    }

    /// Which end of the connection this is.
    #[must_use]
    pub fn end(&self) -> End {
        self.0.end
    }

    /// Says that the peer is no stranger: from here on the limits of [`StreamKind`] and of
    /// [`super::Config`] apply. Before, it has four streams at a time, and frames of 32 KiB on all but
    /// HELLO. Harmless when called again.
    pub fn admit(&self) {
        if self.0.common.admitted.swap(true, Ordering::AcqRel) {
            return;
        }
        self.0.quic.set_max_concurrent_bi_streams(self.0.admission.streams);
        self.0.quic.set_receive_window(self.0.admission.window);
    }

    /// Where the peer is; IPv4 in its own form. Changes when the peer's address does.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        canonical(self.0.quic.remote_address())
    }

    /// 32 bytes that both ends know and nobody else, different on every connection.
    #[must_use]
    pub fn exporter(&self) -> &Exporter {
        &self.0.exporter
    }

    /// The current estimate of the round-trip time.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        self.0.quic.rtt()
    }

    /// What went over the connection so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let stats = self.0.quic.stats();
        Traffic {
            frames_sent: self.0.common.sent.load(Ordering::Relaxed),
            frames_received: self.0.common.received.load(Ordering::Relaxed),
            udp_sent: stats.udp_tx.bytes,
            udp_received: stats.udp_rx.bytes,
            packets_lost: stats.path.lost_packets,
        }
    }

    /// Opens a stream. Waits while as many are open as the peer allows.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn open(&self, kind: StreamKind) -> Result<(FrameSender, FrameReceiver), Closed> {
        let (mut sender, receiver) = self.0.quic.open_bi().await?;
        // A peer that already gave up this stream is met again at the first frame.
        let _given_up = sender.write_all(&[kind as u8]).await;
        Ok(framed((sender, receiver), kind, true, &self.0.common))
    }

    /// The next stream the peer opened. May be cancelled and called again.
    ///
    /// Streams of unknown kind are reset and passed over; one whose first byte is late holds up nobody.
    ///
    /// # Errors
    /// When the connection ended.
    pub async fn accept(&self) -> Result<(StreamKind, FrameSender, FrameReceiver), Closed> {
        let mut opening = self.0.opening.lock().await;
        loop {
            tokio::select! {
                stream = self.0.quic.accept_bi() => opening.push(Box::pin(first_byte(stream?))),
                Some(opened) = opening.next(), if !opening.is_empty() => {
                    let Some((kind, sender, receiver)) = opened else { continue };
                    let (sender, receiver) =
                        framed((sender, receiver), kind, false, &self.0.common);
                    return Ok((kind, sender, receiver));
                }
            }
        }
    }

    /// Closes the connection at once; streams under way are lost.
    pub fn close(&self, code: u32, reason: &str) {
        self.0.quic.close(VarInt::from_u32(code), reason.as_bytes());
    }

    /// Waits for the connection to end and says why.
    pub async fn closed(&self) -> Closed {
        self.0.quic.closed().await.into()
    }

    /// Why the connection ended, if it has.
    #[must_use]
    pub fn close_reason(&self) -> Option<Closed> {
        self.0.quic.close_reason().map(Closed::from)
    }
}

#[cfg(test)]
impl Connection {
    pub(super) fn quic(&self) -> &quinn::Connection {
        &self.0.quic
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.0.peer)
            .field("end", &self.0.end)
            .field("address", &self.remote_address())
            .finish_non_exhaustive()
    }
}

/// IPv4 addresses in their own form, as people know them.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip if ip == address.ip() => address,
        ip => SocketAddr::new(ip, address.port()),
    }
}

async fn first_byte((mut sender, mut receiver): (SendStream, RecvStream)) -> Option<Opened> {
    let mut byte = [0];
    receiver.read_exact(&mut byte).await.ok()?;
    if let Some(kind) = StreamKind::from_byte(byte[0]) {
        return Some((kind, sender, receiver));
    }
    debug!(byte = byte[0], "a stream of unknown kind");
    // Errors mean that the peer has given the stream up itself.
    let _closed = sender.reset(VarInt::from_u32(code::UNKNOWN_KIND));
    let _closed = receiver.stop(VarInt::from_u32(code::UNKNOWN_KIND));
    None
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peers_reason_is_short_and_printable() {
        assert_eq!(printable("bye\u{1b}[2J\nnow"), "bye[2Jnow");
        assert_eq!(printable(&"x".repeat(9000)).len(), REASON);
    }

    #[test]
    fn a_link_local_address_keeps_its_scope() {
        let scoped = "[fe80::1%7]:9".parse().unwrap();
        assert_eq!(canonical(scoped), scoped);
        assert_eq!(canonical("[::ffff:10.0.0.1]:9".parse().unwrap()).to_string(), "10.0.0.1:9");
    }
}
