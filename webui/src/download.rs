//! The bytes of files. Whatever neighbours put up is hostile: four kinds of pictures are shown in place,
//! known by their first bytes, and all else is only ever saved.

use std::fmt::Write as _;
use std::ops::Range;
use std::str::FromStr as _;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use futures_util::StreamExt as _;
use kith_core::cid::Cid;
use kith_model::command::Command;
use kith_model::refusal::RefusalKind;
use kith_model::reply::FileEntry;

use crate::answer::{Answer, Failure, refuse};
use crate::ask::{Ask, expect_reply};
use crate::figures;
use crate::range::{Wanted, wanted};
use crate::urls;

/// How many first bytes tell a picture.
const MAGIC: u64 = 12;

/// A file for a browser: a picture in place, unless `?save` is asked for.
pub(crate) async fn page(ask: Ask) -> Result<Answer, Failure> {
    let inline = ask.query.get("save").is_none();
    bytes(ask, inline).await
}

/// A file for a program.
pub(crate) async fn program(ask: Ask) -> Result<Answer, Failure> {
    bytes(ask, false).await
}

async fn bytes(ask: Ask, inline: bool) -> Result<Answer, Failure> {
    let command = Command::File {
        space: ask.space(),
        collection: Some(ask.param("collection")),
        path: ask.param("path"),
    };
    let entry = expect_reply!(ask.call(command).await?, File);
    let root = match (&entry.root, entry.folder) {
        (Some(root), false) => root,
        (_, true) | (None, _) => {
            return Err(refuse(
                RefusalKind::NotFound,
                "this is a folder: open it and take its files one by one",
            ));
        }
    };
    if !entry.complete {
        let (here, size) =
            (figures::size(ask.visit.lang, entry.here), figures::size(ask.visit.lang, entry.size));
        return Err(refuse(
            RefusalKind::NotHereYet,
            format!(
                "{here} of {size} are on this box; the rest comes as soon as a box that has it is connected"
            ),
        ));
    }
    let cid =
        Cid::from_str(root).map_err(|error| refuse(RefusalKind::Internal, error.to_string()))?;
    let wanted = wanted(&ask.headers, &etag(&entry), entry.size);
    let (status, range) = match wanted {
        Wanted::NotModified => (StatusCode::NOT_MODIFIED, 0..0),
        Wanted::Changed => (StatusCode::PRECONDITION_FAILED, 0..0),
        Wanted::Beyond => (StatusCode::RANGE_NOT_SATISFIABLE, 0..0),
        Wanted::Whole => (StatusCode::OK, 0..entry.size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
    };
    let picture = if inline { picture(&ask, &cid, &entry).await? } else { None };
    let sends = status.is_success() && ask.method != Method::HEAD && !range.is_empty();
    let body = if sends {
        Body::from_stream(ask.app.backend.read(entry.space.clone(), cid, range.clone()).await?)
    } else {
        Body::empty()
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    describe(&mut answer, &entry, &range, picture);
    Ok(answer)
}

/// Puts on the headers that say what the bytes are, and what a browser must not do with them.
fn describe(
    answer: &mut Answer,
    entry: &FileEntry,
    range: &Range<u64>,
    picture: Option<&'static str>,
) {
    let status = answer.status();
    let mut set = |name: HeaderName, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    };
    set(ETAG, etag(entry));
    set(ACCEPT_RANGES, "bytes".into());
    // Members only, and each use asks whether it is still the same.
    set(CACHE_CONTROL, "private, no-cache".into());
    set(CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'".into());
    if status.is_success() {
        set(CONTENT_LENGTH, (range.end - range.start).to_string());
        set(CONTENT_TYPE, picture.unwrap_or_else(|| saved_type(entry)).into());
        set(CONTENT_DISPOSITION, disposition(&entry.path, picture.is_some()));
    }
    if status == StatusCode::PARTIAL_CONTENT {
        set(CONTENT_RANGE, format!("bytes {}-{}/{}", range.start, range.end - 1, entry.size));
    }
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        set(CONTENT_RANGE, format!("bytes */{}", entry.size));
    }
}

/// The root's cid is the strongest validator there is.
fn etag(entry: &FileEntry) -> String {
    format!("\"{}\"", entry.root.as_deref().unwrap_or_default())
}

/// The media type of a picture that may be shown in place, by its first bytes.
async fn picture(ask: &Ask, cid: &Cid, entry: &FileEntry) -> Result<Option<&'static str>, Failure> {
    if entry.size < MAGIC {
        return Ok(None);
    }
    let mut pieces = ask.app.backend.read(entry.space.clone(), *cid, 0..MAGIC).await?;
    let mut first = Vec::new();
    while let Some(Ok(piece)) = pieces.next().await {
        first.extend_from_slice(&piece);
        if first.len() >= 12 {
            break;
        }
    }
    Ok(sniff(&first))
}

/// What kind of picture begins with these bytes.
pub(crate) fn sniff(first: &[u8]) -> Option<&'static str> {
    match first {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// The media type under which a file is saved: harmless ones by name, so that phones know what opens it.
fn saved_type(entry: &FileEntry) -> &'static str {
    media_type(&entry.path)
        .filter(|mime| !mime.starts_with("image/"))
        .unwrap_or("application/octet-stream")
}

/// A media type by a file's name; never one that a browser would run.
pub(crate) fn media_type(path: &str) -> Option<&'static str> {
    let (_, end) = path.rsplit_once('.')?;
    Some(match end.to_ascii_lowercase().as_str() {
        "txt" | "md" | "csv" | "log" => "text/plain; charset=utf-8",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "epub" => "application/epub+zip",
        "odt" => "application/vnd.oasis.opendocument.text",
        "ods" => "application/vnd.oasis.opendocument.spreadsheet",
        "mp3" => "audio/mpeg",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "flac" => "audio/flac",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        _ => return None,
    })
}

/// Content-Disposition with the name in both of its forms (RFC 6266, RFC 8187).
fn disposition(path: &str, inline: bool) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut plain = String::new();
    for char in name.chars() {
        let kept = char.is_ascii_alphanumeric() || " ._-()+".contains(char);
        plain.push(if kept { char } else { '_' });
    }
    let mut line = String::from(if inline { "inline" } else { "attachment" });
    let _ = write!(line, "; filename=\"{plain}\"; filename*=UTF-8''{}", urls::encode(name));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_kinds_of_pictures_are_shown() {
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n0000"), Some("image/png"));
        assert_eq!(sniff(b"\xff\xd8\xff\xe000000000"), Some("image/jpeg"));
        assert_eq!(sniff(b"GIF89a000000"), Some("image/gif"));
        assert_eq!(sniff(b"RIFF0000WEBP"), Some("image/webp"));
        for hostile in [&b"<svg xmlns="[..], b"<html>", b"%PDF-1.7", b"RIFF0000WAVE", b"", b"GIF8"]
        {
            assert_eq!(sniff(hostile), None);
        }
    }

    #[test]
    fn no_name_breaks_out_of_its_header() {
        assert_eq!(
            disposition("a/b\"; x=\"\r\nSet-Cookie: y ü.html", false),
            "attachment; filename=\"b__ x____Set-Cookie_ y _.html\"; filename*=UTF-8''b%22%3B%20x%3D%22%0D%0ASet-Cookie%3A%20y%20%C3%BC.html"
        );
    }

    #[test]
    fn nothing_a_browser_would_run_keeps_its_type() {
        for name in ["a.html", "a.svg", "a.js", "a.xhtml", "a.xml", "a", "a.htm"] {
            assert_eq!(media_type(name), None, "{name}");
        }
    }
}
