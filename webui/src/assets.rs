//! Style sheet, script and icon: compressed at build, named by their hash, kept by browsers for ever.

use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, Response};

use crate::answer::Answer;

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// One file the browser loads beside the page.
#[derive(Debug)]
struct Asset {
    /// Its name in `assets/`.
    name: &'static str,
    /// Its address, with the hash of its content.
    path: &'static str,
    mime: &'static str,
    plain: &'static [u8],
    gzip: &'static [u8],
}

/// The address of an asset.
pub(crate) fn path(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("/assets/", |asset| asset.path)
}

/// An asset by its address.
pub(crate) fn serve(path: &str, wishes: &HeaderMap) -> Option<Answer> {
    let asset = ASSETS.iter().find(|asset| asset.path == path)?;
    let accepts = wishes.get(ACCEPT_ENCODING).and_then(|header| header.to_str().ok());
    let packed =
        accepts.is_some_and(|list| list.split(',').any(|part| part.trim().starts_with("gzip")));
    let mut answer = Response::new(Body::from(if packed { asset.gzip } else { asset.plain }));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.mime));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(answer)
}
