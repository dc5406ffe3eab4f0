//! Reads forms with files (`multipart/form-data`, RFC 7578) as they come: one part at a time, in
//! constant memory. What a part's file means is the caller's to say.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, StreamExt as _};
use memchr::memmem;

/// The most bytes of the headers of one part.
const MAX_PART_HEADERS: usize = 8 << 10;

/// The longest delimiter: a boundary has at most 70 characters (RFC 2046, section 5.1.1).
const MAX_BOUNDARY: usize = 70;

/// Why a form could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MultipartError {
    /// It is not one.
    #[error("the upload is not a form with a boundary")]
    NoBoundary,
    /// It is not built as the standard says.
    #[error("the upload is damaged: {0}")]
    Damaged(&'static str),
    /// It ended, or stopped, before its end.
    #[error("the upload broke off before its end")]
    BrokenOff,
    /// A field that should be short is not.
    #[error("a field of the upload is too long")]
    TooLong,
}

/// What stands above a part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The field's name.
    pub(crate) name: String,
    /// The file's name, if it is a file.
    pub(crate) file: Option<String>,
}

/// A form that is being read.
pub(crate) struct Multipart {
    source: BoxStream<'static, Option<Bytes>>,
    buffer: BytesMut,
    /// `\r\n--` and the boundary.
    delimiter: Vec<u8>,
    /// Whether the body of a part is being read.
    inside: bool,
    ended: bool,
}

impl Multipart {
    /// Reads the form whose bytes come from `source`; a `None` in it is an error on the way.
    pub(crate) fn new(
        headers: &HeaderMap,
        source: BoxStream<'static, Option<Bytes>>,
    ) -> Result<Self, MultipartError> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let boundary =
            kind.and_then(|kind| parameter(kind, "boundary")).ok_or(MultipartError::NoBoundary)?;
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY {
            return Err(MultipartError::NoBoundary);
        }
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter has no line end before it, so one is put there.
        Ok(Self {
            source,
            buffer: BytesMut::from(&b"\r\n"[..]),
            delimiter,
            inside: true,
            ended: false,
        })
    }

    /// The next part; nothing after the last. What is left of the part before is dropped.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, MultipartError> {
        while self.inside {
            self.chunk().await?;
        }
        if self.ended {
            return Ok(None);
        }
        let head = loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                break self.buffer.split_to(end + 4);
            }
            if self.buffer.len() > MAX_PART_HEADERS {
                return Err(MultipartError::Damaged("the head of a part is too long"));
            }
            self.more().await?;
        };
        if head.len() > MAX_PART_HEADERS {
            return Err(MultipartError::Damaged("the head of a part is too long"));
        }
        self.inside = true;
        part(&head).map(Some)
    }

    /// The next piece of the part's body; nothing at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, MultipartError> {
        if !self.inside {
            return Ok(None);
        }
        loop {
            if let Some(at) = memmem::find(&self.buffer, &self.delimiter) {
                let body = self.buffer.split_to(at).freeze();
                if body.is_empty() {
                    return self.delimited().await.map(|()| None);
                }
                return Ok(Some(body));
            }
            // The delimiter may have begun in the last bytes.
            let sure = self.buffer.len().saturating_sub(self.delimiter.len() - 1);
            if sure > 0 {
                return Ok(Some(self.buffer.split_to(sure).freeze()));
            }
            self.more().await?;
        }
    }

    /// The text of a short field.
    pub(crate) async fn text(&mut self, limit: usize) -> Result<String, MultipartError> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.chunk().await? {
            if bytes.len() + piece.len() > limit {
                return Err(MultipartError::TooLong);
            }
            bytes.extend_from_slice(&piece);
        }
        String::from_utf8(bytes).map_err(|_| MultipartError::Damaged("a field is not UTF-8"))
    }

    /// Reads over the delimiter at the front of the buffer.
    async fn delimited(&mut self) -> Result<(), MultipartError> {
        while self.buffer.len() < self.delimiter.len() + 2 {
            self.more().await?;
        }
        let rest = self.buffer.split_off(self.delimiter.len());
        self.buffer = rest;
        let end = self.buffer.split_to(2);
        self.inside = false;
        match &end[..] {
            b"\r\n" => {
                // A part whose head is empty still ends in an empty line.
                Ok(())
            }
            b"--" => {
                self.ended = true;
                Ok(())
            }
            _ => Err(MultipartError::Damaged("a boundary is followed by something else")),
        }
    }

    async fn more(&mut self) -> Result<(), MultipartError> {
        match self.source.next().await {
            Some(Some(piece)) => {
                self.buffer.extend_from_slice(&piece);
                Ok(())
            }
            Some(None) | None => Err(MultipartError::BrokenOff),
        }
    }
}

fn part(head: &[u8]) -> Result<Part, MultipartError> {
    let head = std::str::from_utf8(head)
        .map_err(|_| MultipartError::Damaged("the head of a part is not UTF-8"))?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let disposition = disposition.ok_or(MultipartError::Damaged("a part has no name"))?;
    let name =
        parameter(disposition, "name").ok_or(MultipartError::Damaged("a part has no name"))?;
    Ok(Part { name, file: parameter(disposition, "filename") })
}

/// A parameter of a header; browsers write `"` in a quoted one as `%22` (WHATWG HTML, "multipart form
/// data"), and a backslash stands for itself in file names.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, next) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let (value, next) = quoted.split_once('"')?;
                (value, next.split_once(';').map_or("", |(_, next)| next))
            }
            None => after.split_once(';').unwrap_or((after, "")),
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(
                value.trim().replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"),
            );
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use proptest::prelude::*;

    type Read = Vec<(Part, Vec<u8>)>;

    fn form() -> Vec<u8> {
        [
            &b"--XX\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nabc\r\n"[..],
            b"--XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a %22b.txt\"\r\nContent-Type: text/plain\r\n\r\n",
            b"line\r\n--X\r\n--XY\r\nline\r\n--",
            b"\r\n--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\"\r\n\r\n",
            b"\r\n--XX--\r\n",
        ]
        .concat()
    }

    fn read(bytes: &[u8], piece: usize) -> Result<Read, MultipartError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "multipart/form-data; boundary=XX".parse().unwrap());
        let pieces: Vec<_> =
            bytes.chunks(piece.max(1)).map(|piece| Some(Bytes::copy_from_slice(piece))).collect();
        let mut form = Multipart::new(&headers, stream::iter(pieces).boxed())?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut read = Vec::new();
            while let Some(part) = form.next().await? {
                let mut body = Vec::new();
                while let Some(piece) = form.chunk().await? {
                    body.extend_from_slice(&piece);
                }
                read.push((part, body));
            }
            Ok(read)
        })
    }

    #[test]
    fn a_form_reads_the_same_however_it_is_cut() {
        for piece in 1..=form().len() {
            let parts = read(&form(), piece).unwrap();
            assert_eq!(parts.len(), 3, "in pieces of {piece}");
            assert_eq!(parts[0], (Part { name: "token".into(), file: None }, b"abc".to_vec()));
            assert_eq!(parts[1].0.file.as_deref(), Some("a \"b.txt"));
            assert_eq!(parts[1].1, b"line\r\n--X\r\n--XY\r\nline\r\n--");
            assert_eq!(
                parts[2],
                (Part { name: "file".into(), file: Some(String::new()) }, Vec::new())
            );
        }
    }

    #[test]
    fn a_form_that_breaks_off_is_an_error_wherever_it_does() {
        let form = form();
        // The line end after the last boundary may be missing.
        for end in 0..form.len() - 2 {
            assert!(read(&form[..end], 7).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn a_head_without_end_is_not_gathered() {
        let mut endless = b"--XX\r\nContent-Disposition: ".to_vec();
        endless.extend(std::iter::repeat_n(b'x', 1 << 20));
        assert!(matches!(read(&endless, 1_000), Err(MultipartError::Damaged(_))));
    }

    #[test]
    fn boundaries_have_bounds() {
        let mut headers = HeaderMap::new();
        let long = "b".repeat(71);
        for kind in [
            "multipart/form-data".to_owned(),
            "multipart/form-data; boundary=".into(),
            format!("multipart/form-data; boundary={long}"),
        ] {
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            assert!(Multipart::new(&headers, stream::empty().boxed()).is_err(), "{kind}");
        }
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_end_in_parts_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300), piece in 1..40_usize) {
            let _ = read(&bytes, piece);
            let body = [&b"--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n"[..], &bytes, b"\r\n--XX--"].concat();
            if memmem::find(&bytes, b"--XX").is_none() {
                prop_assert_eq!(&read(&body, piece).unwrap()[0].1, &bytes);
            }
        }
    }
}
