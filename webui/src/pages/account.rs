//! One's own account: passphrase, open sessions, API tokens, signing out.

use askama::Template;
use kith_model::caller::Scope;
use kith_model::command::Command;
use kith_model::refusal::Refusal;
use kith_model::reply::{Session, Token, TokenCreated};

use crate::answer::{Answer, Failure, page, page_with, see, status_of};
use crate::ask::{Ask, expect_reply};
use crate::flash::Flash;
use crate::lang::msg;
use crate::view::{Nav, View};

#[derive(Template)]
#[template(path = "account.html")]
struct Page {
    v: View,
    sessions: Vec<Session>,
    tokens: Vec<Token>,
    made: Option<TokenCreated>,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let v = View::new(&ask, Nav::Account);
    Ok(page(&account(&ask, v).await?))
}

async fn account(ask: &Ask, v: View) -> Result<Page, Failure> {
    let mut sessions = expect_reply!(ask.call(Command::Sessions).await?, Sessions);
    sessions.sort_by_key(|session| (!session.current, std::cmp::Reverse(session.used)));
    let tokens = expect_reply!(ask.call(Command::Tokens).await?, Tokens);
    let made = match v.flash.clone() {
        Some(Flash::Token(made)) => Some(*made),
        Some(_) | None => None,
    };
    Ok(Page { v, sessions, tokens, made })
}

async fn again(ask: &Ask, refusal: &Refusal) -> Result<Answer, Failure> {
    let v = View::new(ask, Nav::Account).troubled(refusal);
    Ok(page_with(status_of(refusal), &account(ask, v).await?))
}

fn done(ask: &Ask, said: &'static str) -> Answer {
    see(&ask.leave("/account", Flash::Done(said, Vec::new())))
}

pub(crate) async fn passphrase(ask: Ask) -> Result<Answer, Failure> {
    let command = Command::Passphrase { old: ask.form.text("old"), new: ask.form.text("new") };
    match ask.call(command).await {
        Ok(_) => {
            Ok(done(&ask, msg("The passphrase is changed, and your other sessions are ended.")))
        }
        Err(refusal) => again(&ask, &refusal).await,
    }
}

pub(crate) async fn session_revoke(ask: Ask) -> Result<Answer, Failure> {
    ask.call(Command::SessionRevoke { id: ask.form.text("id") }).await?;
    Ok(done(&ask, msg("The session is ended.")))
}

pub(crate) async fn token_create(ask: Ask) -> Result<Answer, Failure> {
    let chosen = ask.form.all("scope");
    let scopes = [
        ("read", Scope::Read),
        ("write", Scope::Write),
        ("admin", Scope::Admin),
        ("metrics", Scope::Metrics),
    ];
    let scopes = scopes.into_iter().filter(|(name, _)| chosen.iter().any(|scope| scope == name));
    let scopes = scopes.map(|(_, scope)| scope).collect();
    let days = ask.form.get("days").and_then(|days| days.parse().ok());
    match ask
        .call(Command::TokenCreate { name: ask.form.text("name").trim().to_owned(), scopes, days })
        .await
    {
        Ok(reply) => {
            let made = expect_reply!(reply, TokenCreated);
            Ok(see(&format!("{}#made", ask.leave("/account", Flash::Token(Box::new(made))))))
        }
        Err(refusal) => again(&ask, &refusal).await,
    }
}

pub(crate) async fn token_revoke(ask: Ask) -> Result<Answer, Failure> {
    ask.call(Command::TokenRevoke { id: ask.form.text("id") }).await?;
    Ok(done(&ask, msg("The token is ended.")))
}
