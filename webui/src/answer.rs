//! Answers: pages, redirects and failures.

use askama::Template;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderValue, Response, StatusCode};
use kith_model::refusal::{Refusal, RefusalKind};

/// What goes back to the browser or program.
pub(crate) type Answer = Response<Body>;

/// Why a handler has no answer of its own.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The node, or a check, said no; shown as the route's kind wants it.
    Refused(Box<Refusal>),
    /// An answer that is already made.
    Made(Box<Answer>),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<Answer> for Failure {
    fn from(answer: Answer) -> Self {
        Self::Made(Box::new(answer))
    }
}

/// A refusal of this kind in these words, as a failure.
pub(crate) fn refuse(kind: RefusalKind, message: impl Into<String>) -> Failure {
    Failure::from(Refusal::new(kind, message))
}

/// A page.
pub(crate) fn page(template: &impl Template) -> Answer {
    page_with(StatusCode::OK, template)
}

/// A page with another status than 200.
pub(crate) fn page_with(status: StatusCode, template: &impl Template) -> Answer {
    match template.render() {
        Ok(html) => text(status, "text/html; charset=utf-8", html),
        Err(error) => {
            tracing::error!(%error, "a page did not render");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "text/plain; charset=utf-8",
                "page did not render".into(),
            )
        }
    }
}

/// A text of some media type.
pub(crate) fn text(status: StatusCode, mime: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(mime));
    answer
}

/// “See other”: what a form answers (RFC 9110, section 15.4.4).
pub(crate) fn see(path: &str) -> Answer {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    answer.headers_mut().insert(LOCATION, location);
    answer
}

/// The HTTP status of a refusal.
pub(crate) fn status_of(refusal: &Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
