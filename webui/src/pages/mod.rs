//! Pages and forms, one file for each thing people do.

use axum::http::{HeaderMap, StatusCode, Uri};

use crate::answer::{Answer, Failure, refuse, text};
use crate::ask::Ask;
use crate::assets;
use kith_model::refusal::RefusalKind;

pub(crate) mod account;
pub(crate) mod activity;
pub(crate) mod board;
pub(crate) mod enter;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod glance;
pub(crate) mod health;
pub(crate) mod home;
pub(crate) mod logs;
pub(crate) mod manual;
pub(crate) mod network;
pub(crate) mod overview;
pub(crate) mod peers;
pub(crate) mod people;
pub(crate) mod taste;

/// A style sheet, script or icon; needs nobody's name.
pub(crate) fn asset(uri: &Uri, headers: &HeaderMap) -> Answer {
    assets::serve(uri.path(), headers).unwrap_or_else(|| {
        text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "no such asset".into())
    })
}

/// Stands in the table for routes that are answered before any handler.
#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn never(_ask: Ask) -> Result<Answer, Failure> {
    Err(refuse(RefusalKind::NotFound, "there is nothing here"))
}
