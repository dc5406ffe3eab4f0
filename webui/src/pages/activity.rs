//! What happened lately, in sentences.

use askama::Template;
use kith_model::command::Command;
use kith_model::reply::{Activity, Deed};

use crate::answer::{Answer, Failure, page};
use crate::ask::{Ask, expect_reply};
use crate::lang::msg;
use crate::urls;
use crate::view::{Markup, Nav, View};

/// How many lines the page shows.
const LINES: u32 = 100;

/// One thing that happened.
pub(crate) struct Line {
    pub(crate) icon: &'static str,
    pub(crate) text: Markup,
    pub(crate) quote: Option<String>,
    pub(crate) href: Option<String>,
    pub(crate) time: u64,
}

#[derive(Template)]
#[template(path = "activity.html")]
struct Page {
    v: View,
    lines: Vec<Line>,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let command = Command::Activity { space: ask.space(), limit: Some(LINES) };
    let (v, activity) = View::new(&ask, Nav::Activity).with_spaces_and(&ask, command).await;
    let activity = expect_reply!(activity?, Activity);
    let lines = activity.into_iter().map(|done| Line::new(&v, done)).collect();
    Ok(page(&Page { v, lines }))
}

impl Line {
    pub(crate) fn new(v: &View, done: Activity) -> Self {
        let Activity { time, who, what, .. } = done;
        let line = |icon, text| Self { icon, text, quote: None, href: None, time };
        let who = if who.is_empty() { v.t(msg("Somebody")).into_owned() } else { who };
        match what {
            Deed::MadeSpace { name } => line("leaf", v.say2("{0} made the space {1}", who, name)),
            Deed::Joined => line("people", v.say("{0} came in", who)),
            Deed::ChangedMember { name } if name == who => {
                line("people", v.say("A member took the name {0}", who))
            }
            Deed::ChangedMember { name } => {
                line("people", v.say2("{0} changed the membership of {1}", who, name))
            }
            Deed::RemovedMember { name } => line("people", v.say2("{0} removed {1}", who, name)),
            Deed::ChangedPolicy => line("key", v.say("{0} changed what visitors may read", who)),
            Deed::Posted { text, id } => Self {
                quote: Some(text),
                href: Some(format!("{}#p-{}", v.url("/board"), urls::encode(&id))),
                ..line("board", v.say("{0} put up a notice", who))
            },
            Deed::RemovedPost => line("board", v.say("{0} took a notice back", who)),
            Deed::PutFile { collection, path } => Self {
                href: Some(v.url(&super::files::address(&collection, &path))),
                ..line("file", v.say_all("{0} put {1} into {2}", &[&who, &path, &collection]))
            },
            Deed::RemovedFile { collection, path } => {
                line("bin", v.say_all("{0} removed {1} from {2}", &[&who, &path, &collection]))
            }
        }
    }
}
