//! The knobs: what one connection may use, and what strangers may use of the endpoint.
//!
//! The defaults keep a box with a transfer under way below 35 MiB: the windows bound what waits in
//! memory, whatever the peer or a slow reader does.

use std::sync::Arc;
use std::time::Duration;

use super::budget::{Budget, Budgets};
use super::connection::Admission;
use kith_core::buffers::Buffers;
use kith_core::seal::End;
use quinn::{IdleTimeout, TransportConfig, VarInt};

/// Streams a stranger may have open at once.
const STRANGERS_STREAMS: u32 = 4;

/// Bytes of a stranger's connection that may wait to be read.
const STRANGERS_WINDOW: u32 = 256 << 10;

/// Bounds and times of an endpoint.
#[derive(Clone, Debug)]
pub struct Config {
    /// Streams a peer may have open at once, when it is admitted.
    pub streams: u32,
    /// Bytes of one stream that may wait to be read.
    pub stream_window: u32,
    /// Bytes of one connection that may wait to be read, when its peer is admitted.
    pub connection_window: u32,
    /// Bytes of one connection that may wait to be acknowledged.
    pub send_window: u64,
    /// Bytes of frames that have begun and not ended, over all connections of strangers; at least the
    /// largest frame.
    pub strangers_frames: usize,
    /// The same over all connections of peers that were admitted.
    pub admitted_frames: usize,
    /// Bytes of the socket's buffers in the kernel, where it lets us.
    pub socket_buffer: usize,
    /// How often the end that dialled makes itself heard. Most middleboxes forget a silent UDP mapping
    /// after 30 s (RFC 9000, section 10.1.2).
    pub keep_alive: Duration,
    /// After how much silence a connection is given up.
    pub idle: Duration,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// Handshakes under way above which a dialler has to prove its address first (RFC 9000, section
    /// 8.1.2).
    pub retry_above: usize,
    /// Handshakes under way above which nobody else is let in.
    pub half_open: usize,
    /// Connections above which nobody else is let in.
    pub connections: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            streams: 32,
            stream_window: 3 << 20,
            connection_window: 8 << 20,
            send_window: 4 << 20,
            strangers_frames: 8 << 20,
            admitted_frames: 16 << 20,
            socket_buffer: 4 << 20,
            keep_alive: Duration::from_secs(15),
            idle: Duration::from_secs(45),
            handshake: Duration::from_secs(10),
            retry_above: 32,
            half_open: 128,
            connections: 256,
        }
    }
}

impl Config {
    pub(super) fn admission(&self) -> Admission {
        let streams = VarInt::from_u32(self.streams);
        let window = VarInt::from_u32(self.connection_window);
        let (strangers, admitted) =
            (Budget::new(self.strangers_frames), Budget::new(self.admitted_frames));
        let budgets = Budgets { strangers, admitted, buffers: Buffers::default() };
        Admission { streams, window, budgets: Arc::new(budgets) }
    }

    pub(super) fn transport(&self, end: End) -> Arc<TransportConfig> {
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(VarInt::from_u32(self.streams.min(STRANGERS_STREAMS)))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .datagram_receive_buffer_size(None)
            .stream_receive_window(VarInt::from_u32(self.stream_window))
            .receive_window(VarInt::from_u32(self.connection_window.min(STRANGERS_WINDOW)))
            .send_window(self.send_window)
            .max_idle_timeout(IdleTimeout::try_from(self.idle).ok());
        // The acknowledgement refreshes the mappings on the other side as well, so one end is enough.
        if end == End::Dialler {
            transport.keep_alive_interval(Some(self.keep_alive));
        }
        Arc::new(transport)
    }
}
