//! Cookies: which we set, and how they are read (RFC 6265).

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::Config;

/// A year in seconds.
const YEAR: u64 = 365 * 24 * 3600;

/// What a cookie holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jar {
    /// The secret of a session.
    Session,
    /// By what this browser is known at the next sign-in.
    Device,
    /// The form token of somebody who is not signed in.
    Visitor,
    /// `light` or `dark`.
    Theme,
    /// A language's code.
    Language,
}

impl Jar {
    fn name(self, config: &Config) -> String {
        let letter = match self {
            Self::Session => 's',
            Self::Device => 'd',
            Self::Visitor => 'v',
            // Taste belongs to the person at the browser, whichever box it looks at.
            Self::Theme => return "kith_theme".into(),
            Self::Language => return "kith_lang".into(),
        };
        format!("kith_{letter}_{}", config.cookie_suffix)
    }

    const fn max_age(self) -> Option<u64> {
        match self {
            Self::Session | Self::Visitor => None,
            Self::Device | Self::Theme | Self::Language => Some(YEAR),
        }
    }
}

/// The value of a cookie in a request. Of two with one name, neither is believed.
pub(crate) fn read(headers: &HeaderMap, config: &Config, jar: Jar) -> Option<String> {
    let name = jar.name(config);
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let value = values.next()?;
    let good = !value.is_empty() && value.len() <= 256 && values.next().is_none();
    good.then(|| value.to_owned())
}

/// The Set-Cookie header that stores a value; an empty value removes the cookie.
pub(crate) fn write(config: &Config, jar: Jar, value: &str) -> Option<HeaderValue> {
    let plain =
        value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~+/=".contains(&byte));
    let age = if value.is_empty() { Some(0) } else { jar.max_age() };
    let age = age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
    let line = format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{age}", jar.name(config));
    plain.then(|| HeaderValue::from_str(&line).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_goes_there_and_back() {
        let config = Config::new("z6MkAbCd");
        let set = write(&config, Jar::Session, "abc-DEF_1").unwrap();
        assert_eq!(set, "kith_s_z6MkAbCd=abc-DEF_1; Path=/; HttpOnly; SameSite=Strict");
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, "x=y; kith_s_z6MkAbCd=abc-DEF_1; kith_s_other=no".parse().unwrap());
        assert_eq!(read(&headers, &config, Jar::Session).as_deref(), Some("abc-DEF_1"));
    }

    #[test]
    fn a_doubled_cookie_is_not_believed() {
        let config = Config::new("a");
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, "kith_s_a=one".parse().unwrap());
        headers.append(COOKIE, "kith_s_a=two".parse().unwrap());
        assert_eq!(read(&headers, &config, Jar::Session), None);
    }

    #[test]
    fn no_value_breaks_out_of_its_header() {
        assert_eq!(write(&Config::new("a"), Jar::Session, "x; Domain=evil"), None);
        assert_eq!(write(&Config::new("a"), Jar::Session, "x\r\nY: z"), None);
    }
}
