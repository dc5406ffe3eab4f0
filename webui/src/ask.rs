//! A request after all checks, as a handler sees it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::{HeaderMap, Method};
use kith_model::caller::{Credential, Principal};
use kith_model::command::{Command, Request};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::Reply;
use kith_model::status::Status;

use crate::answer::Failure;
use crate::app::App;
use crate::backend::Side;
use crate::flash::Flash;
use crate::lang::Lang;
use crate::urls;

/// Names and values of a form or a query, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The first value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of this name that is not empty.
    pub(crate) fn some(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// The value of this name, or nothing.
    pub(crate) fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// All values of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }
}

/// How a page looks, by the browser's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    /// As the device is set.
    Auto,
    Light,
    Dark,
}

/// Who asks, and how they like it.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) credential: Credential,
    pub(crate) principal: Principal,
    /// The browser's or program's address, for rate limits.
    pub(crate) source: String,
    /// What every form of this browser must carry.
    pub(crate) token: String,
    pub(crate) lang: Lang,
    pub(crate) theme: Theme,
    /// For whom the address is that they came to.
    pub(crate) side: Side,
}

/// A request after all checks.
pub(crate) struct Ask {
    pub(crate) app: Arc<App>,
    pub(crate) visit: Arc<Visit>,
    pub(crate) method: Method,
    /// Path and query as the browser wrote them.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) query: Fields,
    /// The fields of a form; empty for all else.
    pub(crate) form: Fields,
    /// The bytes of a JSON body; empty for all else.
    pub(crate) json: Vec<u8>,
    /// The body of an upload, unread; behind a lock only so that a request can be shared.
    pub(crate) body: Mutex<Option<Body>>,
}

impl Ask {
    /// Gives a command to the node in the caller's name.
    pub(crate) async fn call(&self, command: Command) -> Result<Reply, Refusal> {
        let Visit { credential, source, .. } = &*self.visit;
        let (credential, source) = (credential.clone(), source.clone());
        self.app.backend.call(Request { credential, source, command }).await
    }

    /// The body of an upload, once.
    pub(crate) fn take_body(&self) -> Body {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    pub(crate) fn status(&self) -> Arc<Status> {
        self.app.status()
    }

    pub(crate) fn param(&self, name: &str) -> String {
        self.params.get(name).cloned().unwrap_or_default()
    }

    /// The space the request names, in its form or its address.
    pub(crate) fn space(&self) -> Option<String> {
        self.form.some("space").or_else(|| self.query.some("space"))
    }

    /// Leaves something for the page at `path`, and answers the address that shows it.
    pub(crate) fn leave(&self, path: &str, flash: Flash) -> String {
        self.leave_for(&self.visit.token, path, flash)
    }

    /// The same for somebody whose form token just changed.
    pub(crate) fn leave_for(&self, token: &str, path: &str, flash: Flash) -> String {
        let key = self.app.flashes.keep(token, self.app.now(), flash);
        urls::with_query(path, &[("f", key.as_deref())])
    }

    /// What the form before this page left.
    pub(crate) fn flash(&self) -> Option<Flash> {
        self.app.flashes.look(&self.visit.token, self.app.now(), self.query.get("f")?)
    }
}

/// The node answered a command with the reply to another.
///
/// Replies hold secrets, so no more of one is logged than which it is.
pub(crate) fn mismatch(expected: &'static str, reply: &Reply) -> Failure {
    let got = std::mem::discriminant(reply);
    tracing::error!(expected, ?got, "a command got the reply to another");
    Failure::from(Refusal::new(
        RefusalKind::Internal,
        "the box answered something else; its log has more",
    ))
}

/// Takes the expected variant out of a reply.
macro_rules! expect_reply {
    ($reply:expr, $variant:ident) => {
        match $reply {
            kith_model::reply::Reply::$variant(inner) => inner,
            other => return Err($crate::ask::mismatch(stringify!($variant), &other)),
        }
    };
}
pub(crate) use expect_reply;

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Write as _};

    use kith_model::reply::AccountInvite;
    use tracing::field::{Field, Visit as Fields};
    use tracing::span::{Attributes, Id, Record};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<String>>);

    impl Fields for Log {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            let _ = write!(self.0.lock().unwrap(), "{field}={value:?} ");
        }
    }

    impl tracing::Subscriber for Log {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            event.record(&mut self.clone());
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn no_secret_of_a_reply_gets_into_the_log() {
        let log = Log::default();
        let reply = Reply::AccountInvite(AccountInvite { secret: "TELLNOBODY".into(), expires: 7 });
        let take = || -> Result<kith_model::reply::LoggedIn, Failure> {
            Ok(expect_reply!(reply.clone(), LoggedIn))
        };
        let taken = tracing::subscriber::with_default(log.clone(), take);
        let Err(Failure::Refused(refusal)) = taken else { panic!("it was taken") };
        let log = log.0.lock().unwrap();
        assert!(log.contains("expected=\"LoggedIn\""), "{log}");
        assert!(!log.contains("TELLNOBODY") && !refusal.message.contains("TELLNOBODY"), "{log}");
    }
}
