//! What goes wrong, said with its cause and the next step.

use std::sync::Arc;

use askama::Template;
use axum::extract::Request;
use axum::http::header::{ACCEPT_LANGUAGE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use kith_model::refusal::{Refusal, RefusalKind};

use crate::answer::{Answer, Failure, page_with, refuse, status_of};
use crate::api;
use crate::app::App;
use crate::ask::{Ask, Visit};
use crate::dispatch::dispatch;
use crate::guard;
use crate::lang::Lang;
use crate::routes::NOT_FOUND;
use crate::urls;
use crate::view::View;
use crate::words::{Trouble, next_step, trouble};

#[derive(Template)]
#[template(path = "error.html")]
struct Page<'a> {
    v: View,
    trouble: Trouble,
    next: &'static str,
    sign_in: Option<String>,
    retry: Option<u64>,
    refusal: &'a Refusal,
}

/// A refusal as a page.
///
/// `here` is where signing in leads back to; a form has no such place.
pub(crate) fn refused(app: &App, visit: &Visit, here: Option<&Uri>, refusal: &Refusal) -> Answer {
    let v = View::plain(visit, app.status(), app.now());
    let here = here.and_then(Uri::path_and_query).map(ToString::to_string);
    let may_help = matches!(refusal.kind, RefusalKind::SignIn | RefusalKind::NotFound);
    let sign_in = (may_help && !visit.principal.signed_in() && !v.visiting)
        .then(|| urls::with_query("/login", &[("next", here.as_deref().and_then(urls::back))]));
    let (trouble, next, retry) = (trouble(refusal), next_step(refusal.kind), refusal.retry_after);
    let mut answer =
        page_with(status_of(refusal), &Page { v, trouble, next, sign_in, retry, refusal });
    add_retry(&mut answer, refusal);
    answer
}

/// Says when to try again (RFC 9110, section 10.2.3).
pub(crate) fn add_retry(answer: &mut Answer, refusal: &Refusal) {
    if let Some(seconds) = refusal.retry_after {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// The page for addresses that lead nowhere.
#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn not_found(ask: Ask) -> Result<Answer, Failure> {
    if ask.target.starts_with("/api/") {
        let refusal = Refusal::new(
            RefusalKind::NotFound,
            "there is no such resource; /api/v1/openapi.json lists all",
        );
        return Ok(api::problem::answer(&refusal));
    }
    Err(refuse(RefusalKind::NotFound, "this address leads nowhere"))
}

/// A page or form was asked for in a way it does not take.
pub(crate) async fn wrong_method(app: Arc<App>, request: Request) -> Answer {
    let mut answer = dispatch(&NOT_FOUND, app, request).await;
    *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    answer
}

#[derive(Template)]
#[template(path = "outside.html")]
struct Outside {
    lang: Lang,
    title: String,
    text: String,
    host: Option<String>,
}

/// Somebody used a name the box does not know as its own.
pub(crate) fn wrong_host(headers: &HeaderMap, host: &str) -> Answer {
    let lang = wish(headers);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let plain =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let page = Outside {
        lang,
        title: lang.text("This box does not know itself by that name").into_owned(),
        text: lang.text("To keep strangers’ web pages out, a box answers only to its own addresses, to localhost, to kith.local, kith.internal and kith.home.arpa, and to its name followed by .local.").into_owned(),
        host: plain.then(|| name.to_owned()),
    };
    page_with(guard::MISDIRECTED, &page)
}

/// A form or request that no page of ours sent.
pub(crate) fn wrong_origin(headers: &HeaderMap, path: &str) -> Answer {
    if path.starts_with("/api/") {
        let message = "Origin is missing or names another site: send the token of an account and no cookie, or call from the panel itself";
        return api::problem::answer(&Refusal::new(RefusalKind::NotAllowed, message));
    }
    let lang = wish(headers);
    let page = Outside {
        lang,
        title: lang.text("This came from another site").into_owned(),
        text: lang.text("The box only accepts forms from its own pages, and nothing was changed. Open the panel itself, reload the page and try again. If your browser hides where forms come from, allow it to tell this site.").into_owned(),
        host: None,
    };
    page_with(StatusCode::FORBIDDEN, &page)
}

fn wish(headers: &HeaderMap) -> Lang {
    let wish = headers.get(ACCEPT_LANGUAGE).and_then(|wish| wish.to_str().ok());
    Lang::accepted(wish.unwrap_or_default())
}
