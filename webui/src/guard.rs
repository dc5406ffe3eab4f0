//! What every request passes first: the Host list, then Origin against Host; and the headers that every
//! answer carries.
//!
//! A page on the internet can make a browser send requests here (request forgery) and can make its own
//! name resolve to this box (DNS rebinding). Browsers send no `Sec-Fetch-*` on plain-HTTP addresses of
//! a LAN (seen with Chromium 156), so nothing here leans on it; `Origin` they do send.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;

use crate::Connection;
use crate::answer::Answer;
use crate::app::App;
use crate::pages;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Names every box answers to. All are reserved, so no stranger can ever register one.
const OWN_NAMES: [&str; 4] = ["localhost", "kith.local", "kith.internal", "kith.home.arpa"];

/// The longest Host header that is looked at: a name of the DNS and a port.
const MAX_HOST: usize = 262;

/// Refuses what no browser at this box's own pages sends, and puts on every answer what keeps a browser
/// from doing more with it than we mean.
pub(crate) async fn stand(State(app): State<Arc<App>>, request: Request, next: Next) -> Answer {
    const ALWAYS: [(HeaderName, &str); 6] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // With `no-referrer` Chromium sends `Origin: null` on our own forms.
        (REFERRER_POLICY, "same-origin"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let refused = refuse_host(&app, &request).or_else(|| refuse_origin(&request));
    let mut answer = match refused {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    for (name, value) in ALWAYS {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    answer
}

/// The answer to a request whose Host is not one of this box's names.
fn refuse_host(app: &App, request: &Request) -> Option<Answer> {
    let connection = request.extensions().get::<Connection>().copied();
    let host =
        host(request.headers(), request.uri().authority().map(|authority| authority.as_str()));
    if host.as_deref().is_some_and(|host| known(app, connection, host)) {
        return None;
    }
    Some(pages::error::wrong_host(request.headers(), &host.unwrap_or_default()))
}

/// The answer to what would change something and was not sent by a page of ours.
fn refuse_origin(request: &Request) -> Option<Answer> {
    if safe(request.method()) {
        return None;
    }
    let headers = request.headers();
    let mut origins = headers.get_all(ORIGIN).iter();
    let allowed = match (origins.next(), origins.next()) {
        (Some(origin), None) => same_origin(origin, headers),
        (Some(_), Some(_)) => false,
        // Browsers send Origin with every such request; without it this is a program, which has to
        // identify itself by a token or not at all, on the API.
        (None, _) => request.uri().path().starts_with("/api/") && !headers.contains_key(COOKIE),
    };
    (!allowed).then(|| pages::error::wrong_origin(request.headers(), request.uri().path()))
}

/// Whether a method changes nothing.
pub(crate) fn safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// The one Host of a request, in lower case. A request line that names another is refused (RFC 9112,
/// section 3.2.2 would let it win).
fn host(headers: &HeaderMap, authority: Option<&str>) -> Option<String> {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, None) = (hosts.next()?.to_str().ok()?, hosts.next()) else { return None };
    let agrees = authority.is_none_or(|authority| authority.eq_ignore_ascii_case(host));
    (agrees && host.len() <= MAX_HOST).then(|| host.to_ascii_lowercase())
}

fn known(app: &App, connection: Option<Connection>, host: &str) -> bool {
    let Some(name) = without_port(host) else { return false };
    if let Some(ip) = literal(name) {
        let local = connection.map(|connection| connection.local.ip().to_canonical());
        return ip.is_loopback() || local == Some(ip);
    }
    let own = host_label(&app.status().name);
    let is_own = !own.is_empty() && name.strip_suffix(".local") == Some(&own);
    OWN_NAMES.contains(&name)
        || is_own
        || app.config.extra_hosts.iter().any(|extra| extra.eq_ignore_ascii_case(name))
}

/// The name or address before an optional port.
fn without_port(host: &str) -> Option<&str> {
    let after_address = if host.starts_with('[') { host.find(']')? + 1 } else { 0 };
    let tail = host.get(after_address..)?;
    let name = match tail.split_once(':') {
        None => host,
        Some((name, port)) if port.parse::<u16>().is_ok() => {
            host.get(..after_address + name.len())?
        }
        Some(_) => return None,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

fn literal(name: &str) -> Option<IpAddr> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    // Link-local addresses may name their interface (RFC 6874).
    let bare = bare.split('%').next().unwrap_or(bare);
    bare.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// Whether a Host only ever means the machine that asks.
pub(crate) fn only_here(host: &str) -> bool {
    without_port(host).is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost") || literal(name).is_some_and(|ip| ip.is_loopback())
    })
}

/// A box's name as a label of the DNS: the panel answers to this label followed by `.local`.
#[must_use]
pub fn host_label(name: &str) -> String {
    let plain =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let mut slug = String::new();
    for char in plain.take(63) {
        if char != '-' || !(slug.is_empty() || slug.ends_with('-')) {
            slug.push(char);
        }
    }
    slug.trim_matches('-').to_owned()
}

fn same_origin(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

/// The status of a request sent to the wrong box (RFC 9110, section 15.5.20).
pub(crate) const MISDIRECTED: StatusCode = StatusCode::MISDIRECTED_REQUEST;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_part_of_the_name() {
        assert_eq!(without_port("kith.local:8480"), Some("kith.local"));
        assert_eq!(without_port("kith.local."), Some("kith.local"));
        assert_eq!(without_port("[::1]:8480"), Some("[::1]"));
        assert_eq!(without_port("[::1]"), Some("[::1]"));
        assert_eq!(without_port("127.0.0.1:80"), Some("127.0.0.1"));
        for bad in ["", ":80", "a:b", "a:99999", "[::1", "a:80:80"] {
            assert_eq!(without_port(bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        assert_eq!(literal("[::ffff:192.0.2.1]"), literal("192.0.2.1"));
        assert!(literal("[fe80::1%25eth0]").is_some());
        assert_eq!(literal("1.2.3.4.evil.example"), None);
        assert_eq!(literal("2130706433"), None);
    }

    #[test]
    fn a_loopback_host_means_this_machine_only() {
        for here in ["localhost:8480", "LOCALHOST", "127.0.0.1:8480", "127.1.2.3", "[::1]:8480"] {
            assert!(only_here(here), "{here}");
        }
        for there in ["192.0.2.1:8480", "kith.local", "127.0.0.1.example", "[fe80::1]:8480", ""] {
            assert!(!only_here(there), "{there}");
        }
    }

    #[test]
    fn a_name_becomes_a_label() {
        assert_eq!(host_label("Ada’s Box (attic)"), "ada-s-box-attic");
        assert_eq!(host_label("…"), "");
    }

    #[test]
    fn an_origin_has_to_be_this_host_and_port() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "kith.local:8480".parse().unwrap());
        let same = |origin: &str| same_origin(&origin.parse().unwrap(), &headers);
        assert!(same("http://kith.local:8480"));
        for bad in [
            "null",
            "http://kith.local",
            "http://kith.local:8480.evil.example",
            "file://",
            "kith.local:8480",
            "",
        ] {
            assert!(!same(bad), "{bad}");
        }
    }
}
