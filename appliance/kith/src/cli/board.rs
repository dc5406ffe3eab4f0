//! `kith post` and `kith posts`: the noticeboard.

use std::io::Read as _;

use anyhow::Context as _;
use clap::Args;
use kith_core::body::MAX_TEXT;
use kith_model::command::Command;
use kith_model::reply::{self, Reply};

use super::Desk;
use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::show;

/// How much of an id is shown; the ends of ids differ, their beginnings do not.
const SHORT_ID: usize = 8;

/// Put up a notice, or answer one
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith post \"Soup at six, bring bowls\"\n  \
                        kith post --re 4kq2xw7a \"I bring bread\"\n  date | kith post -")]
pub(crate) struct Post {
    /// What it says; - reads it from the standard input
    text: String,
    /// The notice it answers: its id, or the last characters that kith posts shows
    #[arg(long, value_name = "ID")]
    re: Option<String>,
    /// In which space, by name or id
    #[arg(long, value_name = "S")]
    space: Option<String>,
}

/// Read the notices, newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith posts\n  kith posts --limit 5\n  kith posts --json")]
pub(crate) struct Posts {
    /// In which space, by name or id
    #[arg(long, value_name = "S")]
    space: Option<String>,
    /// At most so many, 200 at most [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: Option<u32>,
    /// Only those before this one: the cursor of a notice in the JSON
    #[arg(long, value_name = "CURSOR")]
    before: Option<String>,
}

impl Post {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let text = if self.text == "-" { read_text()? } else { self.text };
        let mut client = desk.connect().await?;
        let space = client.space(self.space).await?;
        let re = match self.re {
            Some(typed) => Some(full_id(&mut client, space.clone(), typed).await?),
            None => None,
        };
        let command = Command::Post { space, text, re };
        let Reply::Posted(post) = client.command(command).await? else {
            return Err(Failure::off_topic());
        };
        if desk.json {
            return show::print_json(&post);
        }
        show::print(&format!("It is up, as {}.\n", short(&post.id)))
    }
}

impl Posts {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let mut client = desk.connect().await?;
        let space = client.space(self.space).await?;
        let command = Command::Posts { space, before: self.before, limit: self.limit };
        let Reply::Posts(posts) = client.command(command).await? else {
            return Err(Failure::off_topic());
        };
        if desk.json {
            return show::print_json(&posts);
        }
        if posts.is_empty() {
            return show::print("No notices yet: put one up with kith post.\n");
        }
        let now = show::now();
        let shown: Vec<String> = posts.iter().map(|post| notice(now, post)).collect();
        show::print(&shown.join("\n"))
    }
}

fn read_text() -> Outcome<String> {
    let mut text = String::new();
    // One byte more than fits, so that the node can say it is too long.
    let bound = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX) + 1;
    std::io::stdin()
        .take(bound)
        .read_to_string(&mut text)
        .context("cannot read the notice from the standard input")?;
    Ok(text.trim_end().to_owned())
}

/// The id somebody means by its last characters, among the newest notices.
async fn full_id(client: &mut Client, space: Option<String>, typed: String) -> Outcome<String> {
    let command = Command::Posts { space, before: None, limit: Some(200) };
    let Reply::Posts(posts) = client.command(command).await? else {
        return Err(Failure::off_topic());
    };
    let mut ids = posts.into_iter().map(|post| post.id).filter(|id| id.ends_with(&typed));
    match (ids.next(), ids.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(Failure::Usage(format!(
            "more than one notice ends in {typed}: give more of its id"
        ))),
        // Perhaps the whole id of an older one; the node knows.
        (None, _) => Ok(typed),
    }
}

fn notice(now: u64, post: &reply::Post) -> String {
    let answers =
        post.re.as_deref().map(|re| format!(", answers {}", short(re))).unwrap_or_default();
    let head = format!(
        "{}, {} [{}{answers}]",
        post.author_name,
        show::when(now, post.time),
        short(&post.id)
    );
    let text: Vec<String> = post.text.lines().map(|line| format!("  {line}")).collect();
    format!("{}\n{}\n", show::plain(&head).replace('\n', " "), show::plain(&text.join("\n")))
}

fn short(id: &str) -> &str {
    id.char_indices().rev().nth(SHORT_ID - 1).map_or(id, |(at, _)| &id[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_shows_who_when_which_and_what() {
        let post = reply::Post {
            id: "bafyreiabcdefgh".to_owned(),
            text: "Soup at six,\nbring \u{1b}[31mbowls".to_owned(),
            author: "did:key:z6Mk".to_owned(),
            author_name: "Ada".to_owned(),
            time: 0,
            re: Some("bafyrei12345678".to_owned()),
            cursor: String::new(),
            removable: true,
        };
        let shown = notice(120_000, &post);
        let expected = "Ada, 2 minutes ago [abcdefgh, answers 12345678]\n  Soup at six,\n  bring \u{fffd}[31mbowls\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_short_id_is_shown_whole() {
        assert_eq!([short("abc"), short(""), short("éééééééééé")], ["abc", "", "éééééééé"]);
    }
}
