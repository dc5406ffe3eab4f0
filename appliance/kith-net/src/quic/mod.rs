//! QUIC version 1 (RFC 9000) between boxes: TLS 1.3 with raw public keys (RFC 7250) both ways, and
//! frames of `kith/1` on bidirectional streams.
//!
//! The peer's key is its name: no certificate, no authority, no clock. There is no 0-RTT, since the
//! exporter of the finished handshake blinds everything that is said (see `kith_core::seal`).

mod budget;
mod connection;
mod endpoint;
mod frames;
mod race;
mod socket;
mod tls;
mod transport;

#[cfg(test)]
mod tests;

pub use connection::{Closed, Connection, Traffic};
pub use endpoint::{BindError, DialError, Endpoint};
pub use frames::{FrameError, FrameReceiver, FrameSender};
pub use socket::{open_socket, open_socket_at};
pub use transport::Config;

/// Codes of resets of streams.
pub mod code {
    /// Nothing was wrong.
    pub const NONE: u32 = 0;
    /// The stream's first byte names no operation.
    pub const UNKNOWN_KIND: u32 = 1;
    /// A frame is larger than its kind of stream allows.
    pub const TOO_LARGE: u32 = 2;
    /// A frame took too long to arrive while others waited for the room.
    pub const OVERDUE: u32 = 3;
}
