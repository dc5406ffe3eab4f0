//! Coming in and going out: claim, sign in, an account by link, sign out.

use askama::Template;
use axum::http::header::SET_COOKIE;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::{LoggedIn, Reply};

use crate::answer::{Answer, Failure, page, page_with, see, status_of};
use crate::ask::{Ask, expect_reply};
use crate::cookies::{self, Jar};
use crate::dispatch::agent;
use crate::flash::Flash;
use crate::lang::msg;
use crate::pages::error::add_retry;
use crate::urls;
use crate::view::{Nav, View};

#[derive(Template)]
#[template(path = "claim.html")]
struct ClaimPage {
    v: View,
    secret: String,
    name: String,
    box_name: String,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    v: View,
    name: String,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "join.html")]
struct JoinPage {
    v: View,
    secret: String,
    name: String,
    /// What to do after a refusal.
    next: Option<&'static str>,
}

#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn claim(ask: Ask) -> Result<Answer, Failure> {
    if ask.status().claimed {
        return Ok(see(if ask.visit.principal.signed_in() { "/overview" } else { "/login" }));
    }
    let secret = ask.query.text("secret");
    Ok(page(&claim_page(&ask, View::new(&ask, Nav::Other), secret)))
}

fn claim_page(ask: &Ask, v: View, secret: String) -> ClaimPage {
    let box_name = ask.form.some("box_name").unwrap_or_else(|| v.status.name.clone());
    ClaimPage { v, secret, name: ask.form.text("name"), box_name }
}

pub(crate) async fn claim_submit(ask: Ask) -> Result<Answer, Failure> {
    let field = |name| ask.form.text(name);
    let command = Command::Claim {
        secret: field("secret").trim().to_owned(),
        name: field("name").trim().to_owned(),
        box_name: field("box_name").trim().to_owned(),
        passphrase: field("passphrase"),
    };
    match ask.call(command).await {
        Ok(reply) => signed_in(&ask, reply, "/overview", msg("Welcome! This box is yours.")),
        Err(refusal) => {
            let v = View::new(&ask, Nav::Other).troubled(&refusal);
            Ok(again(&refusal, &claim_page(&ask, v, ask.form.text("secret"))))
        }
    }
}

#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn login(ask: Ask) -> Result<Answer, Failure> {
    if ask.visit.principal.signed_in() {
        return Ok(see("/overview"));
    }
    if !ask.status().claimed {
        return Ok(see("/claim"));
    }
    let next = ask.query.get("next").and_then(urls::back).map(str::to_owned);
    Ok(page(&LoginPage { v: View::new(&ask, Nav::Other), name: String::new(), next }))
}

pub(crate) async fn login_submit(ask: Ask) -> Result<Answer, Failure> {
    let name = ask.form.text("name").trim().to_owned();
    let next = ask.form.get("next").and_then(urls::back).map(str::to_owned);
    let command = Command::Login {
        name: name.clone(),
        passphrase: ask.form.text("passphrase"),
        device: cookies::read(&ask.headers, &ask.app.config, Jar::Device),
        agent: agent(&ask.headers),
    };
    match ask.call(command).await {
        Ok(reply) => {
            let next = next.as_deref().unwrap_or("/overview");
            signed_in(&ask, reply, next, msg("You are signed in."))
        }
        Err(refusal) => {
            let v = View::new(&ask, Nav::Other).troubled(&refusal);
            Ok(again(&refusal, &LoginPage { v, name, next }))
        }
    }
}

pub(crate) async fn logout_submit(ask: Ask) -> Result<Answer, Failure> {
    ask.call(Command::Logout).await?;
    let mut answer = see("/");
    set(&ask, &mut answer, Jar::Session, "");
    Ok(answer)
}

#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn join(ask: Ask) -> Result<Answer, Failure> {
    let v = View::new(&ask, Nav::Other);
    Ok(page(&JoinPage { v, secret: ask.param("secret"), name: String::new(), next: None }))
}

pub(crate) async fn join_submit(ask: Ask) -> Result<Answer, Failure> {
    let (secret, name) = (ask.param("secret"), ask.form.text("name").trim().to_owned());
    let passphrase = ask.form.text("passphrase");
    let command = Command::AccountJoin { secret: secret.clone(), name: name.clone(), passphrase };
    match ask.call(command).await {
        Ok(reply) => signed_in(
            &ask,
            reply,
            "/overview",
            msg("Welcome! You have an account on this box now."),
        ),
        Err(refusal) => {
            let v = View::new(&ask, Nav::Other).troubled(&refusal);
            Ok(again(&refusal, &JoinPage { v, secret, name, next: after(refusal.kind) }))
        }
    }
}

/// What to do when a link made no account.
fn after(kind: RefusalKind) -> Option<&'static str> {
    match kind {
        RefusalKind::BadInvite | RefusalKind::WrongSecret | RefusalKind::NotFound => Some(msg(
            "Every link makes one account, and only for a while. If you used it before, sign in; otherwise ask the owner of the box for a new one.",
        )),
        RefusalKind::Exists => Some(msg("Choose another name, or sign in if it is yours.")),
        RefusalKind::Invalid
        | RefusalKind::SignIn
        | RefusalKind::NotAllowed
        | RefusalKind::AlreadyClaimed
        | RefusalKind::NotClaimed
        | RefusalKind::TooMany
        | RefusalKind::NoSpace
        | RefusalKind::DiskFailed
        | RefusalKind::StillWaiting
        | RefusalKind::NotHereYet
        | RefusalKind::Conflict
        | RefusalKind::Unavailable
        | RefusalKind::Internal => None,
    }
}

/// The form once more, with what was wrong and what was typed (but never a passphrase).
fn again(refusal: &Refusal, template: &impl Template) -> Answer {
    let mut answer = page_with(status_of(refusal), template);
    add_retry(&mut answer, refusal);
    answer
}

/// Sets the cookies of a session that was just opened, and goes on.
pub(crate) fn signed_in(
    ask: &Ask,
    reply: Reply,
    next: &str,
    greeting: &'static str,
) -> Result<Answer, Failure> {
    let LoggedIn { session, device, principal } = expect_reply!(reply, LoggedIn);
    let token = principal.form_token.unwrap_or_default();
    let mut answer = see(&ask.leave_for(&token, next, Flash::Done(greeting, Vec::new())));
    set(ask, &mut answer, Jar::Session, &session);
    set(ask, &mut answer, Jar::Device, &device);
    set(ask, &mut answer, Jar::Visitor, "");
    Ok(answer)
}

fn set(ask: &Ask, answer: &mut Answer, jar: Jar, value: &str) {
    if let Some(cookie) = cookies::write(&ask.app.config, jar, value) {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
}
