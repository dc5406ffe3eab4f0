//! The log: what the supervisor, the roles and the daemons said lately, the newest first.

use askama::Template;
use axum::http::StatusCode;
use kith_model::command::Command;
use kith_model::log::{LogLevel, LogLine, MAX_LINES};

use crate::answer::{Answer, Failure, page, text};
use crate::ask::{Ask, expect_reply};
use crate::figures;
use crate::lang::msg;
use crate::view::{Nav, View};

/// The most lines on the page; the plain text has them all.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "logs.html")]
struct Page {
    v: View,
    lines: Vec<LogLine>,
    /// Who said something, for choosing.
    sources: Vec<String>,
    source: String,
    /// Whether only what may need somebody is shown.
    grave: bool,
    search: String,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let v = View::new(&ask, Nav::Health);
    let lines = newest(&ask).await?;
    let mut sources: Vec<String> = lines.iter().map(|line| line.source.clone()).collect();
    sources.sort();
    sources.dedup();
    let (source, search) = (ask.query.text("source"), ask.query.text("search"));
    let grave = ask.query.get("grave").is_some();
    let wanted = |line: &&LogLine| {
        (source.is_empty() || line.source == source)
            && (!grave || line.level <= LogLevel::Warn)
            && (search.is_empty() || line.text.to_lowercase().contains(&search.to_lowercase()))
    };
    let lines = lines.iter().rev().filter(wanted).take(SHOWN).cloned().collect();
    Ok(page(&Page { v, lines, sources, source, grave, search }))
}

async fn newest(ask: &Ask) -> Result<Vec<LogLine>, Failure> {
    let command = Command::Logs { after: None, limit: Some(MAX_LINES) };
    Ok(expect_reply!(ask.call(command).await?, Logs).lines)
}

/// The same as plain text, to save or send.
pub(crate) async fn plain(ask: Ask) -> Result<Answer, Failure> {
    let mut shown = String::new();
    for line in newest(&ask).await? {
        let (at, level) = (figures::timestamp(line.time), line.level.name());
        shown += &format!("{at} {level} {} {}\n", line.source, line.text);
    }
    Ok(text(StatusCode::OK, "text/plain; charset=utf-8", shown))
}

impl Page {
    fn is_source(&self, name: &str) -> bool {
        self.source == name
    }

    fn level(line: &LogLine) -> &'static str {
        match line.level {
            LogLevel::Error => msg("broken"),
            LogLevel::Warn => msg("look"),
            LogLevel::Info => msg("news"),
            LogLevel::Debug | LogLevel::Trace => msg("detail"),
        }
    }
}
