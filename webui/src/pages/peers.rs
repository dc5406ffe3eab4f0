//! Neighbours: the other boxes, invites with their QR code, joining a space.

use askama::Template;
use kith_model::command::Command;
use kith_model::reply::InviteCode;
use kith_model::status::{Peer, PeerState, PeerVia};

use crate::answer::{Answer, Failure, page, page_with, refuse, see, status_of};
use crate::ask::{Ask, expect_reply};
use crate::figures;
use crate::flash::Flash;
use crate::lang::msg;
use crate::pages::overview::two_words;
use crate::qr;
use crate::urls;
use crate::view::{Markup, Nav, View};
use kith_model::refusal::RefusalKind;

/// Said of a join that goes on in the background.
const PENDING: &str =
    msg("The invite is good. Its content comes as soon as a box of that space is reached.");

#[derive(Template)]
#[template(path = "peers.html")]
struct Page {
    v: View,
    near: Vec<Row>,
    strangers: Vec<Row>,
    away: Vec<Row>,
    code: String,
    address: String,
}

#[derive(Template)]
#[template(path = "invite.html")]
struct InvitePage {
    v: View,
    invite: InviteCode,
    qr: Option<Markup>,
    space_name: String,
}

/// Another box in a list.
struct Row {
    peer: Peer,
    name: String,
    state: &'static str,
    via: &'static str,
    rtt: Option<String>,
    /// By what it can be forgotten.
    key: Option<String>,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let v = View::new(&ask, Nav::Peers);
    Ok(page(&peers(&ask, v).await?))
}

async fn peers(ask: &Ask, v: View) -> Result<Page, Failure> {
    let (v, peers) = v.with_spaces_and(ask, Command::Peers).await;
    let peers = expect_reply!(peers?, Peers);
    let (mut near, mut strangers, mut away) = (Vec::new(), Vec::new(), Vec::new());
    for peer in peers {
        let list = match peer.state {
            // Whoever shares no space is a stranger, however well it can be reached.
            _ if peer.spaces.is_empty() => &mut strangers,
            PeerState::Connected | PeerState::Connecting | PeerState::Stranger => &mut near,
            PeerState::Away => &mut away,
        };
        list.push(Row::new(&v, peer));
    }
    Ok(Page { v, near, strangers, away, code: String::new(), address: String::new() })
}

impl Row {
    fn new(v: &View, peer: Peer) -> Self {
        let state = match peer.state {
            PeerState::Connected => msg("Connected"),
            PeerState::Connecting => msg("Connecting"),
            PeerState::Stranger => msg("Not in your spaces"),
            PeerState::Away => msg("Out of reach"),
        };
        let via = match peer.via {
            PeerVia::Lan => msg("heard on this network"),
            PeerVia::Typed => msg("its address was typed in"),
            PeerVia::Invite => msg("its address came with an invite"),
            PeerVia::Incoming => msg("it called this box"),
            PeerVia::Known => msg("known from before"),
        };
        let name = peer.name.clone().or_else(|| peer.words.as_deref().map(two_words));
        let name = name.or_else(|| peer.address.clone()).unwrap_or_default();
        let rtt = peer.rtt_us.map(|micros| figures::rtt(v.lang, micros));
        let key = peer.node.clone().or_else(|| peer.address.clone());
        Self { peer, name, state, via, rtt, key }
    }
}

pub(crate) async fn invite(ask: Ask) -> Result<Answer, Failure> {
    let days = ask.form.get("days").and_then(|days| days.parse().ok());
    let many = ask.form.get("many") == Some("yes");
    let command = Command::Invite { space: ask.space(), many, days };
    let invite = expect_reply!(ask.call(command).await?, Invite);
    Ok(see(&ask.leave("/peers/invite", Flash::Invite(Box::new(invite)))))
}

pub(crate) async fn invite_show(ask: Ask) -> Result<Answer, Failure> {
    let Some(Flash::Invite(invite)) = ask.flash() else {
        return Err(refuse(
            RefusalKind::NotFound,
            "invite codes are shown for a quarter of an hour after they are made: make a new one",
        ));
    };
    let v = View::new(&ask, Nav::Peers).with_spaces(&ask).await;
    let space = v.spaces.iter().find(|space| space.id == invite.space);
    let space_name = space.map(|space| space.name.clone()).unwrap_or_default();
    let qr = qr::draw(&invite.code, &v.t("QR code of the invite"));
    Ok(page(&InvitePage { v, qr, space_name, invite: *invite }))
}

pub(crate) async fn join(ask: Ask) -> Result<Answer, Failure> {
    let code = ask.form.text("code").trim().to_owned();
    match ask.call(Command::Join { code: code.clone() }).await {
        Ok(reply) => {
            let space = expect_reply!(reply, Space);
            let (path, flash) = if space.pending {
                ("/peers", Flash::Done(PENDING, Vec::new()))
            } else {
                ("/overview", Flash::Done(msg("You are in. Welcome to {0}!"), vec![space.name]))
            };
            Ok(see(&ask.leave(path, flash)))
        }
        // The invite was taken; only its content takes longer.
        Err(refusal) if refusal.kind == RefusalKind::StillWaiting => {
            Ok(see(&ask.leave("/peers", Flash::Done(PENDING, Vec::new()))))
        }
        Err(refusal) => {
            let shown =
                Page { code, ..peers(&ask, View::new(&ask, Nav::Peers).troubled(&refusal)).await? };
            Ok(page_with(status_of(&refusal), &shown))
        }
    }
}

pub(crate) async fn add(ask: Ask) -> Result<Answer, Failure> {
    let address = ask.form.text("address").trim().to_owned();
    match ask.call(Command::PeerAdd { address: address.clone() }).await {
        Ok(_) => Ok(see(
            &ask.leave("/peers", Flash::Done(msg("This box now keeps trying {0}."), vec![address]))
        )),
        Err(refusal) => {
            let shown = Page {
                address,
                ..peers(&ask, View::new(&ask, Nav::Peers).troubled(&refusal)).await?
            };
            Ok(page_with(status_of(&refusal), &shown))
        }
    }
}

pub(crate) async fn forget(ask: Ask) -> Result<Answer, Failure> {
    ask.call(Command::PeerForget { peer: ask.form.text("peer") }).await?;
    let path = urls::with_query("/peers", &[("space", ask.space().as_deref())]);
    Ok(see(&ask.leave(
        &path,
        Flash::Done(msg("Forgotten. If it calls again, it appears again."), Vec::new()),
    )))
}
