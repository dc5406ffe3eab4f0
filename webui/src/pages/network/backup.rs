//! Backup of the settings: a file to keep, and putting one back as a draft with everything it changes.

use askama::Template;
use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use kith_model::command::Command;
use kith_model::network::ask::{MAX_SETTINGS, NetworkAsk};
use kith_model::network::change::Finding;
use kith_model::refusal::{Refusal, RefusalKind};

use super::{Net, expect_network, network, troubled};
use crate::answer::{Answer, Failure, page, page_with, refuse, see, status_of, text};
use crate::archive::{self, Backup, Label};
use crate::ask::Ask;
use crate::dispatch::check_token;
use crate::figures;
use crate::flash::Flash;
use crate::lang::msg;
use crate::multipart::Multipart;
use crate::upload::{damaged, drain, watched};
use crate::view::{Nav, View};

/// The page's address.
const PATH: &str = "/backup";

/// The longest field beside the file, in bytes.
const MAX_FIELD: usize = 256;

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

/// The same with whose they are, in an archive.
pub(crate) async fn archive(ask: Ask) -> Result<Answer, Failure> {
    let settings = expect_network!(network(&ask, NetworkAsk::Settings).await?, Settings);
    let status = ask.status();
    let label = Label {
        kith: status.version.clone(),
        name: status.name.clone(),
        node: status.node.clone(),
        made: ask.app.now(),
        ..Label::default()
    };
    let packed = archive::pack(&label, &settings.text)
        .map_err(|error| refuse(RefusalKind::Internal, error.to_string()))?;
    let date = figures::date(label.made);
    let name = format!("kith-{}-{date}.tar.gz", crate::host_label(&status.name));
    let disposition = format!("attachment; filename=\"{name}\"");
    let mut answer = Answer::new(Body::from(packed));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/gzip"));
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(answer)
}

/// Makes a document that was pasted the draft; nothing changes before it is reviewed and applied.
pub(crate) async fn restore(ask: Ask) -> Result<Answer, Failure> {
    let typed = ask.form.text("text");
    if typed.len() > MAX_SETTINGS {
        let refusal = Refusal::new(RefusalKind::Invalid, "settings have at most 128 KiB");
        let again = backup(&ask, Some(&refusal), (String::new(), Vec::new())).await?;
        return Ok(page_with(status_of(&refusal), &again));
    }
    put_back(&ask, Backup { label: None, settings: typed }).await
}

/// The same with a file.
pub(crate) async fn restore_file(ask: Ask) -> Result<Answer, Failure> {
    let body = ask.take_body();
    let mut form = Multipart::new(&ask.headers, watched(body)).map_err(damaged)?;
    let bytes = match handed_in(&ask, &mut form).await {
        Ok(bytes) => bytes,
        Err(failure) => {
            drain(form).await;
            return Err(failure);
        }
    };
    match archive::unpack(&bytes) {
        Ok(backup) => put_back(&ask, backup).await,
        Err(why) => {
            let refusal = Refusal::new(RefusalKind::Invalid, why.to_string());
            let again = backup(&ask, Some(&refusal), (String::new(), Vec::new())).await?;
            Ok(page_with(status_of(&refusal), &again))
        }
    }
}

/// The bytes of the one file of the form, whose token stands first.
async fn handed_in(ask: &Ask, form: &mut Multipart) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut proven = false;
    while let Some(part) = form.next().await.map_err(damaged)? {
        if part.file.is_none() {
            let value = form.text(MAX_FIELD).await.map_err(damaged)?;
            if part.name == "token" {
                check_token(&ask.visit, &value)?;
                proven = true;
            }
            continue;
        }
        if !proven {
            check_token(&ask.visit, "")?;
        }
        while let Some(piece) = form.chunk().await.map_err(damaged)? {
            if bytes.len() + piece.len() > archive::MAX {
                return Err(refuse(RefusalKind::Invalid, archive::NoBackup::TooLarge.to_string()));
            }
            bytes.extend_from_slice(&piece);
        }
        break;
    }
    if !proven {
        check_token(&ask.visit, "")?;
    }
    Ok(bytes)
}

/// Makes settings the draft, after a look at whether a box could use them.
async fn put_back(ask: &Ask, Backup { label, settings }: Backup) -> Result<Answer, Failure> {
    let check = network(ask, NetworkAsk::Check { text: settings.clone() }).await?;
    let findings = expect_network!(check, Review).findings;
    if findings.iter().any(|finding| !finding.advice) {
        let refusal =
            Refusal::new(RefusalKind::Invalid, "this is no settings document that a box could use");
        let again = backup(ask, Some(&refusal), (settings, findings)).await?;
        return Ok(page_with(status_of(&refusal), &again));
    }
    match ask.call(Command::Network(NetworkAsk::DraftReplace { text: settings.clone() })).await {
        Ok(_) => Ok(see(&ask.leave("/changes", said(label)))),
        Err(refusal) if refusal.kind == RefusalKind::Invalid => {
            let again = backup(ask, Some(&refusal), (settings, findings)).await?;
            Ok(page_with(status_of(&refusal), &again))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn said(label: Option<Label>) -> Flash {
    match label {
        Some(label) => Flash::Done(
            msg("The backup of {0} from {1} is your draft now: look at what it would change."),
            vec![label.name.chars().take(64).collect(), figures::date(label.made)],
        ),
        None => Flash::Done(
            msg("These settings are your draft now: look at what they would change."),
            Vec::new(),
        ),
    }
}
