//! Going on at another address of the box: the link of a change that moves the panel leads here.
//!
//! One press takes the session along and then keeps the change; both need their secret, and only the
//! press, which carries the origin of this very page, counts.

use askama::Template;
use kith_model::command::Command;
use kith_model::reply::{LoggedIn, Reply};

use crate::answer::{Answer, Failure, page};
use crate::ask::Ask;
use crate::dispatch::agent;
use crate::lang::msg;
use crate::pages::enter;
use crate::view::{Nav, View};

#[derive(Template)]
#[template(path = "network/handover.html")]
struct Page {
    v: View,
    ticket: String,
    change: String,
}

#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let v = View::new(&ask, Nav::Other);
    let (ticket, change) = (ask.query.text("ticket"), ask.query.text("change"));
    Ok(page(&Page { v, ticket, change }))
}

/// Takes the session along; the page after it keeps the change.
pub(crate) async fn submit(ask: Ask) -> Result<Answer, Failure> {
    let (ticket, agent) = (ask.form.text("ticket"), agent(&ask.headers));
    let reply = ask.call(Command::TakeOver { ticket, agent }).await?;
    if let Reply::LoggedIn(LoggedIn { principal, .. }) = &reply {
        let owner = principal.form_token.as_deref().unwrap_or_default();
        ask.app.waiting.keep(owner, ask.form.text("change"), None);
    }
    enter::signed_in(
        &ask,
        reply,
        "/changes",
        msg("You are at the new address. Keep the change if all is well."),
    )
}
