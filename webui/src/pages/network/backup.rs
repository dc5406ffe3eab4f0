//! Backup of the settings: a file to keep, and putting one back as a draft with everything it changes.

use askama::Template;
use axum::http::header::CONTENT_DISPOSITION;
use axum::http::{HeaderValue, StatusCode};
use kith_model::command::Command;
use kith_model::network::ask::{MAX_SETTINGS, NetworkAsk};
use kith_model::network::change::Finding;
use kith_model::refusal::{Refusal, RefusalKind};

use super::{Net, expect_network, network, troubled};
use crate::answer::{Answer, Failure, page, page_with, see, status_of, text};
use crate::ask::Ask;
use crate::flash::Flash;
use crate::lang::msg;
use crate::view::{Nav, View};

/// The page's address.
const PATH: &str = "/backup";

#[derive(Template)]
#[template(path = "network/backup.html")]
struct Page {
    v: View,
    net: Net,
    typed: String,
    findings: Vec<Finding>,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    Ok(page(&backup(&ask, None, (String::new(), Vec::new())).await?))
}

async fn backup(
    ask: &Ask,
    refusal: Option<&Refusal>,
    (typed, findings): (String, Vec<Finding>),
) -> Result<Page, Failure> {
    let v = troubled(View::new(ask, Nav::Network), refusal);
    Ok(Page { v, net: Net::load(ask, PATH).await?, typed, findings })
}

/// The settings in force as a file, with their secrets.
pub(crate) async fn download(ask: Ask) -> Result<Answer, Failure> {
    let settings = expect_network!(network(&ask, NetworkAsk::Settings).await?, Settings);
    let mut answer = text(StatusCode::OK, "application/toml; charset=utf-8", settings.text);
    let name = HeaderValue::from_static("attachment; filename=\"kith-settings.toml\"");
    answer.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(answer)
}

/// Makes a document the draft; nothing changes before it is reviewed and applied.
pub(crate) async fn restore(ask: Ask) -> Result<Answer, Failure> {
    let typed = ask.form.text("text");
    if typed.len() > MAX_SETTINGS {
        let refusal = Refusal::new(RefusalKind::Invalid, "settings have at most 128 KiB");
        let again = backup(&ask, Some(&refusal), (String::new(), Vec::new())).await?;
        return Ok(page_with(status_of(&refusal), &again));
    }
    let check = network(&ask, NetworkAsk::Check { text: typed.clone() }).await?;
    let findings = expect_network!(check, Review).findings;
    if findings.iter().any(|finding| !finding.advice) {
        let refusal =
            Refusal::new(RefusalKind::Invalid, "this is no settings document that a box could use");
        let again = backup(&ask, Some(&refusal), (typed, findings)).await?;
        return Ok(page_with(status_of(&refusal), &again));
    }
    match ask.call(Command::Network(NetworkAsk::DraftReplace { text: typed.clone() })).await {
        Ok(_) => {
            let said = msg("These settings are your draft now: look at what they would change.");
            Ok(see(&ask.leave("/changes", Flash::Done(said, Vec::new()))))
        }
        Err(refusal) if refusal.kind == RefusalKind::Invalid => {
            let again = backup(&ask, Some(&refusal), (typed, findings)).await?;
            Ok(page_with(status_of(&refusal), &again))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
