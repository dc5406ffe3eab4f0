//! Changes: what the draft would do, carrying it out, the countdown, keeping or undoing it, and the past.

use askama::Template;
use kith_model::command::Command;
use kith_model::network::ask::NetworkAsk;
use kith_model::network::change::{
    CONFIRM_SECONDS_MESH, ChangeState, ChangeStatus, PastSettings, Review,
};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::Reply;

use super::{Net, expect_network, network, troubled};
use crate::answer::{Answer, Failure, page, page_with, refuse, see, status_of};
use crate::ask::{Ask, expect_reply};
use crate::flash::Flash;
use crate::lang::msg;
use crate::urls;
use crate::view::{Nav, View};

/// The page's address.
const PATH: &str = "/changes";

/// How often a page without scripts asks again while a change waits, in seconds.
const ASK_AGAIN: u32 = 5;

#[derive(Template)]
#[template(path = "network/changes.html")]
struct Page {
    v: View,
    net: Net,
    review: Option<Review>,
    past: Vec<PastSettings>,
    /// The token that confirms the change that waits, for whoever applied it.
    token: Option<String>,
    /// Where the panel goes, with the ticket for the session.
    moves: Option<Move>,
    /// When a page without scripts asks again.
    again: Option<u32>,
}

/// The panel goes to another address.
struct Move {
    to: String,
    link: String,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    Ok(page(&changes(&ask, None).await?))
}

async fn changes(ask: &Ask, refusal: Option<&Refusal>) -> Result<Page, Failure> {
    let v = troubled(View::new(ask, Nav::Network), refusal);
    let net = Net::load(ask, PATH).await?;
    let owner = v.principal.is_owner();
    let waits = net.waiting().is_some();
    let review = match owner && net.document.draft && !waits {
        true => Some(expect_network!(network(ask, NetworkAsk::Review).await?, Review)),
        false => None,
    };
    let past = match owner {
        true => expect_network!(network(ask, NetworkAsk::History).await?, History),
        false => Vec::new(),
    };
    let kept = ask.app.waiting.of(&ask.visit.token).filter(|_| waits);
    let (token, link) = kept.map_or((None, None), |(token, link)| (Some(token), link));
    let to = net.waiting().and_then(|change| change.moves_to.clone());
    let moves = to.zip(link).map(|(to, link)| Move { to, link });
    let again = waits.then_some(ASK_AGAIN);
    Ok(Page { v, net, review, past, token, moves, again })
}

/// Carries out what was reviewed.
pub(crate) async fn apply(ask: Ask) -> Result<Answer, Failure> {
    let digest = ask.form.text("digest");
    let confirm_seconds = ask.form.get("seconds").and_then(|seconds| seconds.parse().ok());
    let applied = ask.call(Command::Network(NetworkAsk::Apply { digest, confirm_seconds })).await;
    let (change, token) = match applied {
        Ok(Reply::Network(kith_model::network::ask::NetworkReply::Applied { change, token })) => {
            (change, token)
        }
        Ok(other) => return Err(crate::ask::mismatch("Applied", &other)),
        Err(refusal) => return again(&ask, &refusal).await,
    };
    let Some(token) = token else {
        let said = msg("Done. This could not cut anybody off, so there is nothing to confirm.");
        return Ok(see(&ask.leave(PATH, Flash::Done(said, Vec::new()))));
    };
    let link = match &change.moves_to {
        Some(to) => Some(handover_link(&ask, &change, (to, &token)).await?),
        None => None,
    };
    ask.app.waiting.keep(&ask.visit.token, token, link);
    Ok(see(PATH))
}

/// The address with which this session goes on where the panel moves to.
async fn handover_link(
    ask: &Ask,
    change: &ChangeStatus,
    (to, token): (&str, &str),
) -> Result<String, Failure> {
    let seconds = change.seconds_left.unwrap_or_default();
    let reply = ask.call(Command::HandOver { seconds }).await?;
    let ticket = expect_reply!(reply, HandOver).ticket;
    let path = urls::with_query("handover", &[("ticket", Some(&ticket)), ("change", Some(token))]);
    Ok(format!("{}/{path}", to.trim_end_matches('/')))
}

/// Keeps the change.
pub(crate) async fn keep(ask: Ask) -> Result<Answer, Failure> {
    let token = ask.form.text("change");
    match ask.call(Command::Network(NetworkAsk::Confirm { token })).await {
        Ok(_) => Ok(over(&ask, msg("Kept. The box stays as it is now."))),
        Err(refusal) => again(&ask, &refusal).await,
    }
}

/// Takes the change back.
pub(crate) async fn undo(ask: Ask) -> Result<Answer, Failure> {
    match ask.call(Command::Network(NetworkAsk::Revert)).await {
        Ok(_) => Ok(over(&ask, msg("Taken back. The box is as it was before."))),
        Err(refusal) => again(&ask, &refusal).await,
    }
}

/// Waits a little longer.
pub(crate) async fn longer(ask: Ask) -> Result<Answer, Failure> {
    match ask.call(Command::Network(NetworkAsk::Extend)).await {
        Ok(_) => Ok(see(PATH)),
        Err(refusal) => again(&ask, &refusal).await,
    }
}

/// Throws the draft away.
pub(crate) async fn discard(ask: Ask) -> Result<Answer, Failure> {
    ask.call(Command::Network(NetworkAsk::DraftDiscard)).await?;
    Ok(said(&ask, msg("The draft is gone; the box stays as it is.")))
}

/// Makes past settings the draft.
pub(crate) async fn restore(ask: Ask) -> Result<Answer, Failure> {
    let revision = ask.form.text("revision");
    match ask.call(Command::Network(NetworkAsk::Restore { revision })).await {
        Ok(_) => {
            Ok(said(&ask, msg("That version is your draft now: look at what it would change.")))
        }
        Err(refusal) => again(&ask, &refusal).await,
    }
}

fn over(ask: &Ask, what: &'static str) -> Answer {
    ask.app.waiting.forget();
    said(ask, what)
}

fn said(ask: &Ask, what: &'static str) -> Answer {
    see(&ask.leave(PATH, Flash::Done(what, Vec::new())))
}

async fn again(ask: &Ask, refusal: &Refusal) -> Result<Answer, Failure> {
    if refusal.kind == RefusalKind::Unavailable {
        return Err(refuse(refusal.kind, refusal.message.clone()));
    }
    Ok(page_with(status_of(refusal), &changes(ask, Some(refusal)).await?))
}

impl Page {
    /// Whether the change that waits is in force, so that one can tell whether the box is reached.
    fn carried_out(&self) -> bool {
        self.net.waiting().is_some_and(|change| change.state == ChangeState::Applied)
    }

    /// What became of the last change, where it is worth a sentence.
    fn ended(&self) -> Option<&ChangeStatus> {
        let change = self.net.status.change.as_ref()?;
        (change.state == ChangeState::Reverted).then_some(change)
    }

    /// The lines of the diff with what they are: added, removed or neither.
    fn diff(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let diff = self.review.iter().flat_map(|review| review.diff.lines());
        diff.map(|line| match line.as_bytes().first() {
            Some(b'+') => ("add", line),
            Some(b'-') => ("del", line),
            Some(_) | None => ("", line),
        })
    }

    /// Whether the draft can be applied as it is.
    fn applicable(&self) -> bool {
        let findings = self.review.iter().flat_map(|review| &review.findings);
        findings.filter(|finding| !finding.advice).count() == 0
    }

    /// For how long one may want to try the change instead of the usual time, in seconds.
    fn waits(&self) -> impl Iterator<Item = u32> {
        [300, CONFIRM_SECONDS_MESH].into_iter()
    }
}
