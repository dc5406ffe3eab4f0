//! Happy eyeballs (RFC 8305): several ways at once, started a little apart, the first to work wins.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::{Connection, DialError};

/// How long a way has to itself before the next is tried as well (RFC 8305, section 5).
const APART: Duration = Duration::from_millis(250);

/// Runs `ways` in their order and answers with the first that works; else with the most telling error.
///
/// A way that fails lets the next one start at once.
pub(super) async fn first<F>(ways: impl Iterator<Item = F>) -> Result<Connection, DialError>
where
    F: Future<Output = Result<Connection, DialError>>,
{
    let mut waiting = ways.fuse();
    let mut running = FuturesUnordered::new();
    let mut worst = DialError::NoAddress;
    let mut next_at = Instant::now();
    let mut exhausted = false;
    loop {
        tokio::select! {
            () = sleep_until(next_at), if !exhausted => match waiting.next() {
                Some(way) => {
                    running.push(way);
                    next_at = Instant::now() + APART;
                }
                None => exhausted = true,
            },
            Some(result) = running.next(), if !running.is_empty() => match result {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    if weight(&error) >= weight(&worst) {
                        worst = error;
                    }
                    next_at = Instant::now();
                }
            },
            else => return Err(worst),
        }
        if exhausted && running.is_empty() {
            return Err(worst);
        }
    }
}

/// How much an error tells: an answer from the wrong box more than silence.
fn weight(error: &DialError) -> u8 {
    match error {
        DialError::NoAddress => 0,
        DialError::Address { .. } => 1,
        DialError::Silence(_) => 2,
        DialError::Ourselves(_) | DialError::OtherProtocol(_) => 3,
        DialError::Closed { .. } => 4,
        DialError::OtherKey(_) => 5,
    }
}
