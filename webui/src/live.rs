//! The event stream: one for each browser. It says what changed, never what to; pages fetch themselves.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};
use bytes::Bytes;
use futures_util::stream;
use kith_model::caller::Scope;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::status::{Revisions, Status};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use crate::answer::{Answer, Failure, refuse};
use crate::ask::Ask;

/// The least time between two events.
const PAUSE: Duration = Duration::from_secs(1);

/// A comment is sent after this much silence, so that both ends notice a dead connection.
const SILENCE: Duration = Duration::from_secs(20);

/// A stream ends after this; the browser comes again and shows its session anew.
const LIFE: Duration = Duration::from_secs(600);

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Event {
    #[serde(flatten)]
    revisions: Revisions,
    connected: u64,
    heard: u64,
    transfers: usize,
    alerts: usize,
}

impl Event {
    fn of(status: &Status) -> Self {
        Self {
            revisions: status.revisions,
            connected: status.peers_connected,
            heard: status.peers_heard,
            transfers: status.transfers.len(),
            alerts: status.alerts.len(),
        }
    }
}

struct Stream {
    status: watch::Receiver<Arc<Status>>,
    last: Option<Event>,
    ends: Instant,
    _slot: OwnedSemaphorePermit,
}

/// Server-sent events (WHATWG HTML, section 9.2).
#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn events(ask: Ask) -> Result<Answer, Failure> {
    let scopes = &ask.visit.principal.scopes;
    if !scopes.contains(&Scope::Read) && !scopes.contains(&Scope::Admin) {
        return Err(refuse(
            RefusalKind::NotAllowed,
            "this token may not read: make one with the scope “read”",
        ));
    }
    let Ok(slot) = Arc::clone(&ask.app.streams).try_acquire_owned() else {
        let mut refusal = Refusal::new(
            RefusalKind::TooMany,
            "too many pages are watching at once: this one asks again by itself",
        );
        refusal.retry_after = Some(30);
        return Err(refusal.into());
    };
    let start = Stream {
        status: ask.app.backend.status(),
        last: None,
        ends: Instant::now() + LIFE,
        _slot: slot,
    };
    let mut answer = Response::new(Body::from_stream(stream::unfold(start, next)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(answer)
}

async fn next(mut stream: Stream) -> Option<(Result<Bytes, Infallible>, Stream)> {
    let Some(last) = stream.last.clone() else {
        let event = Event::of(&stream.status.borrow_and_update());
        let text = format!("retry: 3000\n{}", render(&event));
        stream.last = Some(event);
        return Some((Ok(text.into()), stream));
    };
    let rest = Instant::now() + PAUSE;
    let silent = Instant::now() + SILENCE;
    loop {
        if Instant::now() >= stream.ends {
            return None;
        }
        tokio::select! {
            changed = stream.status.changed() => changed.ok()?,
            () = tokio::time::sleep_until(silent) => return Some((Ok(Bytes::from_static(b": quiet\n\n")), stream)),
        }
        tokio::time::sleep_until(rest).await;
        let event = Event::of(&stream.status.borrow_and_update());
        if event != last {
            let text = render(&event);
            stream.last = Some(event);
            return Some((Ok(text.into()), stream));
        }
    }
}

fn render(event: &Event) -> String {
    let json = serde_json::to_string(event).unwrap_or_default();
    format!("event: status\ndata: {json}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> (watch::Sender<Arc<Status>>, Stream) {
        let (publish, status) = watch::channel(Arc::new(Status::default()));
        let slot = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap();
        (publish, Stream { status, last: None, ends: Instant::now() + LIFE, _slot: slot })
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_changes_is_one_event_a_second() {
        let (publish, stream) = stream();
        let begun = Instant::now();
        let (_, mut stream) = next(stream).await.unwrap();
        for round in 0..5_u64 {
            for change in 0..100_u64 {
                publish.send_modify(|status| {
                    Arc::make_mut(status).revisions.board = round * 100 + change + 1;
                });
            }
            let (text, after) = next(stream).await.unwrap();
            let text = String::from_utf8(text.unwrap().to_vec()).unwrap();
            assert!(text.contains(&format!("\"board\":{}", round * 100 + 100)), "{text}");
            stream = after;
        }
        assert!(begun.elapsed() >= Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_says_so_and_ends_one_day() {
        let (_publish, stream) = stream();
        let begun = Instant::now();
        let (_, mut stream) = next(stream).await.unwrap();
        let mut comments = 0;
        while let Some((text, after)) = next(stream).await {
            assert_eq!(text.unwrap(), Bytes::from_static(b": quiet\n\n"));
            comments += 1;
            stream = after;
        }
        assert!((29..=31).contains(&comments), "{comments}");
        assert!(begun.elapsed() <= LIFE + SILENCE);
    }
}
