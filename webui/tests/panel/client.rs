//! A browser, or a program, that talks to the panel in the same process.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use kith_webui::backend::Side;
use kith_webui::{Config, Connection, router};
use tower::ServiceExt as _;

use crate::fake::{Fake, MEMBER, MEMBER_FORM, OWNER, OWNER_FORM};

pub(crate) const HOST: &str = "127.0.0.1:8480";
pub(crate) const SUFFIX: &str = "z6MkTest";
/// A form token of somebody who is not signed in.
pub(crate) const VISITOR_FORM: &str = "visitor-form-token-ccc";

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Visitor,
    Member,
    Owner,
}

impl Who {
    pub(crate) fn cookie(self) -> String {
        match self {
            Self::Visitor => format!("kith_v_{SUFFIX}={VISITOR_FORM}"),
            Self::Member => format!("kith_s_{SUFFIX}={MEMBER}"),
            Self::Owner => format!("kith_s_{SUFFIX}={OWNER}"),
        }
    }

    pub(crate) fn form(self) -> &'static str {
        match self {
            Self::Visitor => VISITOR_FORM,
            Self::Member => MEMBER_FORM,
            Self::Owner => OWNER_FORM,
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Seen {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The panel over one fake.
pub(crate) struct Panel {
    router: axum::Router,
    side: Side,
    pub(crate) fake: Arc<Fake>,
}

impl Panel {
    pub(crate) fn new(fake: Arc<Fake>) -> Self {
        Self { router: router(fake.clone(), Config::new(SUFFIX)), side: Side::Household, fake }
    }

    /// The same, where all come by another network.
    pub(crate) fn by(self, side: Side) -> Self {
        Self { side, ..self }
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Seen {
        if self.side != Side::Household {
            let remote = "192.0.2.9:4000".parse().unwrap();
            let local = "127.0.0.1:8480".parse().unwrap();
            request.extensions_mut().insert(Connection { remote, local, side: self.side });
        }
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, 64 << 20).await.unwrap().to_vec();
        Seen { status: parts.status, headers: parts.headers, bytes }
    }

    /// Only the status, for answers that have no end.
    pub(crate) async fn status(&self, request: Request<Body>) -> StatusCode {
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    pub(crate) async fn get(&self, who: Who, path: &str) -> Seen {
        self.get_with(who, path, &[]).await
    }

    pub(crate) async fn get_with(&self, who: Who, path: &str, headers: &[(&str, &str)]) -> Seen {
        let mut request = Request::get(path).header("host", HOST).header("cookie", who.cookie());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// A form as a browser sends it, with its token.
    pub(crate) async fn post(&self, who: Who, path: &str, fields: &[(&str, &str)]) -> Seen {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", who.form());
        form.extend_pairs(fields);
        let request = from_our_page(Request::post(path), who)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form.finish()));
        self.send(request.unwrap()).await
    }

    /// Follows a redirect as a browser does.
    pub(crate) async fn follow(&self, who: Who, seen: &Seen) -> Seen {
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text());
        let path = seen.header(header::LOCATION).split('#').next().unwrap().to_owned();
        self.get(who, &path).await
    }
}

pub(crate) fn from_our_page(
    request: axum::http::request::Builder,
    who: Who,
) -> axum::http::request::Builder {
    request
        .header("host", HOST)
        .header("origin", format!("http://{HOST}"))
        .header("cookie", who.cookie())
}

/// A form with files, as browsers send it.
pub(crate) fn multipart(
    token: &str,
    fields: &[(&str, &str)],
    files: &[(&str, &[u8])],
) -> (String, Vec<u8>) {
    let fields: Vec<_> = [("token", token)].into_iter().chain(fields.iter().copied()).collect();
    multipart_of(&fields, files)
}

/// A form with files and nothing else, as programs send it.
pub(crate) fn multipart_of_files(files: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    multipart_of(&[], files)
}

fn multipart_of(fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let boundary = "----KithTestBoundary7MA4YWxk";
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
            .bytes(),
        );
    }
    for (name, content) in files {
        body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n").bytes());
        body.extend_from_slice(content);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}
