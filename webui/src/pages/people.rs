//! People: members of a space, accounts on this box, what visitors may read.

use askama::Template;
use kith_model::caller::AccountRole;
use kith_model::command::Command;
use kith_model::refusal::RefusalKind;
use kith_model::reply::{Account, Collection, Member};

use crate::answer::{Answer, Failure, page, refuse, see};
use crate::ask::{Ask, expect_reply};
use crate::flash::Flash;
use crate::guard;
use crate::lang::msg;
use crate::qr;
use crate::urls;
use crate::view::{Markup, Nav, View};

#[derive(Template)]
#[template(path = "people.html")]
struct Page {
    v: View,
    members: Vec<Member>,
    accounts: Vec<Account>,
    collections: Vec<Collection>,
    board_public: bool,
    /// Whether the caller may change members and policy of the space.
    may: bool,
}

#[derive(Template)]
#[template(path = "account_invite.html")]
struct LinkPage {
    v: View,
    link: String,
    expires: u64,
    qr: Option<Markup>,
    /// Whether the link leads nowhere but on this machine.
    only_here: bool,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let v = View::new(&ask, Nav::People);
    let ((v, members), collections) = tokio::join!(
        v.with_spaces_and(&ask, Command::Members { space: ask.space() }),
        ask.call(Command::Collections { space: ask.space() }),
    );
    let members = expect_reply!(members?, Members);
    let collections = expect_reply!(collections?, Collections);
    let mut accounts = Vec::new();
    if v.principal.is_owner() {
        accounts = expect_reply!(ask.call(Command::Accounts).await?, Accounts);
    }
    let space = v.current_space();
    let board_public = space.is_some_and(|space| space.public.iter().any(|class| class == "board"));
    let may =
        v.principal.is_owner() && space.is_some_and(|space| space.role.as_deref() == Some("owner"));
    Ok(page(&Page { v, members, accounts, collections, board_public, may }))
}

fn back(ask: &Ask, said: &'static str, values: Vec<String>) -> Answer {
    let path = urls::with_query("/people", &[("space", ask.space().as_deref())]);
    see(&ask.leave(&path, Flash::Done(said, values)))
}

pub(crate) async fn member_set(ask: Ask) -> Result<Answer, Failure> {
    let (member, role) = (ask.form.text("member"), ask.form.text("role"));
    ask.call(Command::MemberSet { space: ask.space(), member, role }).await?;
    Ok(back(&ask, msg("The role is changed."), Vec::new()))
}

pub(crate) async fn member_remove(ask: Ask) -> Result<Answer, Failure> {
    ask.call(Command::MemberRemove { space: ask.space(), member: ask.form.text("member") }).await?;
    Ok(back(&ask, msg("They are no longer a member. What they wrote so far stays."), Vec::new()))
}

pub(crate) async fn policy(ask: Ask) -> Result<Answer, Failure> {
    ask.call(Command::PolicySet { space: ask.space(), public: ask.form.all("public") }).await?;
    Ok(back(&ask, msg("What visitors may read is changed."), Vec::new()))
}

pub(crate) async fn space_create(ask: Ask) -> Result<Answer, Failure> {
    let name = ask.form.text("name").trim().to_owned();
    let space = expect_reply!(ask.call(Command::SpaceCreate { name }).await?, Space);
    let path = urls::with_query("/people", &[("space", Some(&space.id))]);
    Ok(see(&ask.leave(
        &path,
        Flash::Done(msg("The space {0} is there. Invite somebody!"), vec![space.name]),
    )))
}

pub(crate) async fn account_invite(ask: Ask) -> Result<Answer, Failure> {
    let link = expect_reply!(ask.call(Command::AccountInvite).await?, AccountInvite);
    Ok(see(&ask.leave("/accounts/invite", Flash::AccountLink(link))))
}

#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn account_invite_show(ask: Ask) -> Result<Answer, Failure> {
    let Some(Flash::AccountLink(invite)) = ask.flash() else {
        return Err(refuse(
            RefusalKind::NotFound,
            "links are shown for a quarter of an hour after they are made: make a new one",
        ));
    };
    let v = View::new(&ask, Nav::People);
    // The address by which this very browser came is one that works.
    let host = ask.headers.get(axum::http::header::HOST).and_then(|host| host.to_str().ok());
    let host = reachable(host.unwrap_or("kith.local"), &v.status.panel);
    let only_here = guard::only_here(host);
    let link = format!("http://{host}/join/{}", urls::encode(&invite.secret));
    let draw = || qr::draw(&link, &v.t("QR code of the link"));
    let qr = if only_here { None } else { draw() };
    Ok(page(&LinkPage { v, link, expires: invite.expires, qr, only_here }))
}

/// The host for links given to others: `asked`, unless that means this machine only and the panel
/// is known to answer at another.
fn reachable<'a>(asked: &'a str, panel: &'a str) -> &'a str {
    let known = panel.strip_prefix("http://").and_then(|rest| rest.split('/').next());
    let known = known.filter(|known| !known.is_empty() && !guard::only_here(known));
    known.filter(|_| guard::only_here(asked)).unwrap_or(asked)
}

pub(crate) async fn account_role(ask: Ask) -> Result<Answer, Failure> {
    let name = ask.form.text("name");
    let role = if ask.form.get("role") == Some("owner") {
        AccountRole::Owner
    } else {
        AccountRole::Member
    };
    ask.call(Command::AccountRole { name: name.clone(), role }).await?;
    Ok(back(&ask, msg("The role of {0} is changed."), vec![name]))
}

pub(crate) async fn account_remove(ask: Ask) -> Result<Answer, Failure> {
    let name = ask.form.text("name");
    ask.call(Command::AccountRemove { name: name.clone() }).await?;
    Ok(back(&ask, msg("{0} no longer has an account here. What they wrote stays."), vec![name]))
}

/// Whether an account is an owner of the box.
pub(crate) fn looks_after(account: &Account) -> bool {
    account.role == AccountRole::Owner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_a_host_that_others_reach_where_there_is_one() {
        let wide = "http://192.0.2.7:8480/";
        assert_eq!(reachable("localhost:8480", wide), "192.0.2.7:8480");
        assert_eq!(reachable("kith.local:8480", wide), "kith.local:8480");
        assert_eq!(reachable("localhost:8480", "http://127.0.0.1:8480/"), "localhost:8480");
        assert_eq!(reachable("[::1]:8480", ""), "[::1]:8480");
    }
}
