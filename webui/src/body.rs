//! Bodies that are gathered before a handler sees them: forms and JSON, never uploads. Each is bounded
//! by who sends it, and all of them together by the memory of the smallest board.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_LENGTH;
use kith_model::refusal::{Refusal, RefusalKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::answer::{Failure, refuse};

/// The largest body of somebody who is not signed in, and of routes for everybody, in bytes.
const MAX_STRANGER: u32 = 16 << 10;

/// The largest body of all others, in bytes.
const MAX_KNOWN: u32 = 1 << 20;

/// The room for all small bodies together, in bytes: as many as there are connections.
const SMALL: usize = 4 << 20;

/// The room for all larger bodies together, in bytes; apart, so that who is signed in cannot take the
/// room that others need to sign in.
const LARGE: usize = 4 << 20;

/// How long a body may take to get room and to arrive.
const TIME: Duration = Duration::from_secs(20);

/// Room for bodies.
pub(crate) struct Rooms {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { small: Arc::new(Semaphore::new(SMALL)), large: Arc::new(Semaphore::new(LARGE)) }
    }
}

/// A body and the room it takes, which is free again when this is dropped.
pub(crate) struct Gathered {
    pub(crate) bytes: Vec<u8>,
    pub(crate) room: OwnedSemaphorePermit,
}

impl Rooms {
    /// Gathers a body; `known` is whether an account sends it to a route that needs one.
    pub(crate) async fn gather(
        &self,
        headers: &HeaderMap,
        body: Body,
        known: bool,
    ) -> Result<Gathered, Failure> {
        let limit = if known { MAX_KNOWN } else { MAX_STRANGER };
        // hyper has refused lengths that are no number or not the only one.
        let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        let announced = announced.and_then(|length| length.parse::<u64>().ok());
        let needed = announced.map_or(Ok(limit), u32::try_from);
        let Some(needed) = needed.ok().filter(|needed| *needed <= limit) else {
            return Err(too_large(limit));
        };
        let rooms = if needed <= MAX_STRANGER { &self.small } else { &self.large };
        let gather = async {
            let room = Arc::clone(rooms).acquire_many_owned(needed).await.ok();
            let Some(room) = room else { return Err(no_room()) };
            match axum::body::to_bytes(body, needed as usize).await {
                Ok(bytes) => Ok(Gathered { bytes: bytes.into(), room }),
                Err(_) => Err(too_large(limit)),
            }
        };
        match tokio::time::timeout(TIME, gather).await {
            Ok(gathered) => gathered,
            Err(_) if rooms.available_permits() < needed as usize => Err(no_room()),
            Err(_) => {
                Err(refuse(RefusalKind::Invalid, "the form took too long to arrive: try again"))
            }
        }
    }
}

fn too_large(limit: u32) -> Failure {
    let limit = if limit == MAX_KNOWN { "1 MiB" } else { "16 KiB" };
    refuse(RefusalKind::Invalid, format!("this is more than {limit} of text: shorten it"))
}

fn no_room() -> Failure {
    let message = "the box takes in as much text as it can hold: try again in a moment";
    let mut refusal = Refusal::new(RefusalKind::TooMany, message);
    refusal.retry_after = Some(5);
    Failure::from(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use futures_util::stream;

    fn announcing(length: usize) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from(length))])
    }

    /// What a refusal says, or how long the body is.
    async fn try_gather(rooms: &Rooms, length: usize, known: bool) -> Result<usize, String> {
        let announced = rooms.gather(&announcing(length), Body::from(vec![0; length]), known).await;
        let pieces = vec![0_u8; length];
        let pieces: Vec<_> =
            pieces.chunks(1_000).map(|p| Ok::<_, std::io::Error>(p.to_vec())).collect();
        let chunked = Body::from_stream(stream::iter(pieces));
        let chunked = rooms.gather(&HeaderMap::new(), chunked, known).await;
        let plain = |gathered: Result<Gathered, Failure>| match gathered {
            Ok(gathered) => Ok(gathered.bytes.len()),
            Err(Failure::Refused(refusal)) => Err(refusal.message),
            Err(Failure::Made(_)) => Err("an answer".into()),
        };
        let (announced, chunked) = (plain(announced), plain(chunked));
        assert_eq!(announced, chunked, "the same whether its length is announced or not");
        announced
    }

    #[tokio::test(start_paused = true)]
    async fn a_strangers_body_is_a_small_one() {
        let rooms = Rooms::default();
        assert_eq!(try_gather(&rooms, 16 << 10, false).await, Ok(16 << 10));
        assert!(try_gather(&rooms, (16 << 10) + 1, false).await.unwrap_err().contains("16 KiB"));
        assert_eq!(try_gather(&rooms, 1 << 20, true).await, Ok(1 << 20));
        assert!(try_gather(&rooms, (1 << 20) + 1, true).await.unwrap_err().contains("1 MiB"));
        assert_eq!(rooms.small.available_permits(), SMALL);
        assert_eq!(rooms.large.available_permits(), LARGE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_announced_too_large_is_refused_unread() {
        let silent = || Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let begun = tokio::time::Instant::now();
        assert!(Rooms::default().gather(&announcing(20 << 10), silent(), false).await.is_err());
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(Rooms::default().gather(&announcing(20 << 10), silent(), true).await.is_err());
        assert_eq!(begun.elapsed(), TIME);
    }

    #[tokio::test(start_paused = true)]
    async fn full_rooms_refuse_and_leave_the_way_in_open() {
        let rooms = Rooms::default();
        let mut held = Vec::new();
        for _ in 0..LARGE / (1 << 20) {
            held.push(rooms.gather(&HeaderMap::new(), Body::from("x"), true).await.ok().unwrap());
        }
        let Err(Failure::Refused(refusal)) =
            rooms.gather(&HeaderMap::new(), Body::from("x"), true).await
        else {
            panic!("there was room")
        };
        assert_eq!((refusal.kind, refusal.retry_after), (RefusalKind::TooMany, Some(5)));
        assert!(rooms.gather(&HeaderMap::new(), Body::from("x"), false).await.is_ok());
        drop(held);
        assert!(rooms.gather(&HeaderMap::new(), Body::from("x"), true).await.is_ok());
    }
}
