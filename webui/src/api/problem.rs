//! Refusals as problem documents (RFC 9457).

use axum::http::StatusCode;
use kith_model::refusal::Refusal;
use serde_json::json;

use crate::answer::{Answer, status_of, text};
use crate::pages::error::add_retry;
use crate::words::title;

/// The media type of a problem document.
pub(crate) const PROBLEM: &str = "application/problem+json";

/// A refusal with the status of its kind.
pub(crate) fn answer(refusal: &Refusal) -> Answer {
    with_status(refusal, status_of(refusal))
}

/// A refusal with another status.
pub(crate) fn with_status(refusal: &Refusal, status: StatusCode) -> Answer {
    let kind = serde_json::to_value(refusal.kind).unwrap_or_default();
    let document = json!({
        "type": format!("urn:kith:refusal:{}", kind.as_str().unwrap_or_default()),
        "title": title(refusal.kind),
        "status": status.as_u16(),
        "detail": refusal.message,
        "kind": kind,
        "retry_after": refusal.retry_after,
    });
    let mut answer = text(status, PROBLEM, document.to_string());
    add_retry(&mut answer, refusal);
    answer
}
