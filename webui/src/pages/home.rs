//! What somebody sees who is not signed in: the box's name, what it shows everybody, and ways in.

use askama::Template;
use kith_model::command::Command;
use kith_model::network::status::Internet;
use kith_model::reply::Space;

use crate::answer::{Answer, Failure, page, see};
use crate::ask::{Ask, expect_reply};
use crate::lang::msg;
use crate::pages::glance;
use crate::urls;
use crate::view::{Nav, View};

#[derive(Template)]
#[template(path = "home.html")]
struct Page {
    v: View,
    shown: Vec<Shown>,
    /// Said when the internet is not reached, so that nobody looks for the fault in their phone.
    offline: Option<&'static str>,
}

/// Something a space shows everybody.
struct Shown {
    space: String,
    icon: &'static str,
    what: Option<&'static str>,
    name: String,
    href: String,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    if ask.visit.principal.signed_in() {
        return Ok(see("/overview"));
    }
    let v = View::new(&ask, Nav::Other);
    let mut shown = Vec::new();
    if v.status.claimed {
        // A box that shows nothing may refuse; then there is nothing to show.
        if let Ok(reply) = ask.call(Command::Spaces).await {
            for space in expect_reply!(reply, Spaces) {
                shown.extend(public(&space));
            }
        }
    }
    let network = v.status.network.as_ref().filter(|network| network.managed);
    let offline = network.filter(|network| network.internet == Internet::None);
    let offline = offline.map(|network| glance::internet(network.internet));
    Ok(page(&Page { v, shown, offline }))
}

fn public(space: &Space) -> Vec<Shown> {
    let at = (!space.default).then_some(space.id.as_str());
    let entry = |class: &String| {
        let (icon, what, name, path) = match class.strip_prefix("files/") {
            Some(name) => {
                ("folder", None, name.to_owned(), format!("/files/{}", urls::encode(name)))
            }
            None => ("board", Some(msg("The noticeboard")), String::new(), "/board".to_owned()),
        };
        let href = urls::with_query(&path, &[("space", at)]);
        Shown { space: space.name.clone(), icon, what, name, href }
    };
    space
        .public
        .iter()
        .filter(|class| *class == "board" || class.starts_with("files/"))
        .map(entry)
        .collect()
}
