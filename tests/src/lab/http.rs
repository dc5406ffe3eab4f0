//! A small HTTP/1.1 client that does exactly what it is told, wrong things included.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

/// Nothing a lab fetches is larger.
const MAX_BODY: u64 = 256 << 20;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case; the last of several wins.
    pub headers: BTreeMap<String, String>,
    /// All `Set-Cookie` values.
    pub cookies: Vec<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request under construction.
#[derive(Clone, Debug)]
pub struct Ask {
    host: String,
    path: String,
    method: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask {
    /// A GET of `http://HOST:PORT/PATH`.
    ///
    /// # Errors
    /// When the address is something else.
    pub fn get(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("http://").ok_or_else(|| anyhow!("not http: {url}"))?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(Self {
            host: host.to_owned(),
            path: format!("/{path}"),
            method: "GET".into(),
            headers: Vec::new(),
            body: Vec::new(),
        })
    }

    /// A POST of JSON.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn post_json(url: &str, body: &serde_json::Value) -> Result<Self> {
        let mut ask = Self::get(url)?.header("content-type", "application/json");
        ask.method = "POST".into();
        ask.body = body.to_string().into_bytes();
        Ok(ask)
    }

    /// A POST of form fields.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn post_form(url: &str, fields: &[(&str, &str)]) -> Result<Self> {
        let mut ask = Self::get(url)?.header("content-type", "application/x-www-form-urlencoded");
        let pairs: Vec<String> =
            fields.iter().map(|(k, v)| format!("{}={}", quote(k), quote(v))).collect();
        ask.method = "POST".into();
        ask.body = pairs.join("&").into_bytes();
        Ok(ask)
    }

    /// With another method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As a browser's own form would send it.
    #[must_use]
    pub fn same_origin(self) -> Self {
        let origin = format!("http://{}", self.host);
        self.header("origin", &origin)
    }

    /// Sends it on a connection of its own and reads the whole answer.
    ///
    /// # Errors
    /// When the connection fails or the answer is not HTTP.
    pub fn send(self) -> Result<Answer> {
        self.send_streaming(|_| Ok(()))
    }

    /// Sends it with a body that `write` writes; the caller has set `content-length`.
    ///
    /// # Errors
    /// When the connection fails or the answer is not HTTP.
    pub fn send_streaming(
        self,
        write: impl FnOnce(&mut TcpStream) -> std::io::Result<()>,
    ) -> Result<Answer> {
        let mut stream =
            TcpStream::connect(&self.host).with_context(|| format!("connect to {}", self.host))?;
        let limit = Some(Duration::from_secs(60));
        stream.set_read_timeout(limit).context("set a limit")?;
        stream.set_write_timeout(limit).context("set a limit")?;
        let head = self.head();
        // A server that has seen enough may answer before it has read everything.
        let sent = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(&self.body))
            .and_then(|()| write(&mut stream));
        read_answer(stream)
            .with_context(|| format!("{} {} (sent: {sent:?})", self.method, self.path))
    }

    fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let has = |n: &str| self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(n));
        if !has("host") {
            head.push_str(&format!("host: {}\r\n", self.host));
        }
        if !has("content-length") && (!self.body.is_empty() || self.method != "GET") {
            head.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head + "connection: close\r\n\r\n"
    }
}

fn quote(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(b).to_string()
            }
            b => format!("%{b:02X}"),
        })
        .collect()
}

fn read_answer(stream: TcpStream) -> Result<Answer> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).context("read the status line")?;
    let status = line.split(' ').nth(1).and_then(|s| s.parse().ok());
    let Some(status) = status else { bail!("no status line but {line:?}") };
    let mut headers = BTreeMap::new();
    let mut cookies = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line).context("read a header")?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        if name == "set-cookie" {
            cookies.push(value.clone());
        }
        headers.insert(name, value);
    }
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|t| t == "chunked") {
        read_chunks(&mut reader, &mut body)?;
    } else {
        let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(MAX_BODY);
        reader.take(length).read_to_end(&mut body).context("read the body")?;
    }
    Ok(Answer { status, headers, cookies, body })
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).context("read a chunk's size")?;
        let size = u64::from_str_radix(line.trim(), 16).context("read a chunk's size")?;
        if size == 0 || body.len() as u64 + size > MAX_BODY {
            return Ok(());
        }
        reader.by_ref().take(size).read_to_end(body).context("read a chunk")?;
        line.clear();
        reader.read_line(&mut line).context("read a chunk's end")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_fields_are_quoted() {
        let ask = Ask::post_form("http://127.0.0.1:1/x", &[("a b", "c&ä")]).unwrap();
        assert_eq!(ask.body, b"a%20b=c%26%C3%A4");
        assert!(
            ask.head().starts_with("POST /x HTTP/1.1\r\nhost: 127.0.0.1:1\r\ncontent-length: 16")
        );
    }

    #[test]
    fn chunks_are_put_together() {
        let mut body = Vec::new();
        read_chunks(&mut &b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"[..], &mut body).unwrap();
        assert_eq!(body, b"abcde");
    }
}
