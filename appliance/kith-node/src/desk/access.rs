//! Who may give which command: the one table every door leads through.

use kith_core::time::UnixTime;
use kith_model::caller::{AccountRole, Credential, Scope};
use kith_model::command::{Command, Request, Right};
use kith_model::refusal::{Refusal, RefusalKind};

use super::Desk;
use crate::account::Who;

/// The part of the desk that carries a command out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Accounts, sessions, tokens.
    Accounts,
    /// Spaces, members, invites.
    Spaces,
    /// Notices and the list of what happened.
    Board,
    /// Files.
    Files,
    /// Other boxes.
    Peers,
    /// The box itself.
    Box,
}

pub(super) const fn room_of(command: &Command) -> Room {
    match command {
        Command::WhoAmI
        | Command::Claim { .. }
        | Command::Login { .. }
        | Command::Logout
        | Command::Sessions
        | Command::SessionRevoke { .. }
        | Command::Passphrase { .. }
        | Command::Accounts
        | Command::AccountInvite
        | Command::AccountJoin { .. }
        | Command::AccountRole { .. }
        | Command::AccountRemove { .. }
        | Command::Tokens
        | Command::TokenCreate { .. }
        | Command::TokenRevoke { .. }
        | Command::HandOver { .. }
        | Command::TakeOver { .. } => Room::Accounts,
        Command::Spaces
        | Command::SpaceCreate { .. }
        | Command::Members { .. }
        | Command::MemberSet { .. }
        | Command::MemberRemove { .. }
        | Command::PolicySet { .. }
        | Command::Invite { .. }
        | Command::Join { .. } => Room::Spaces,
        Command::Posts { .. }
        | Command::Post { .. }
        | Command::PostRemove { .. }
        | Command::Activity { .. } => Room::Board,
        Command::Collections { .. }
        | Command::Files { .. }
        | Command::File { .. }
        | Command::FilePut { .. }
        | Command::FileRemove { .. } => Room::Files,
        Command::Peers | Command::PeerAdd { .. } | Command::PeerForget { .. } => Room::Peers,
        Command::Status
        | Command::Metrics
        | Command::Supervision
        | Command::Logs { .. }
        | Command::Network(_) => Room::Box,
    }
}

impl Desk {
    /// Finds out who asks and whether they may give this command at all.
    pub(super) fn admit(&mut self, now: UnixTime, request: &Request) -> Result<Who, Refusal> {
        let who = self.accounts.who(now, &request.credential)?;
        check(&request.credential, &who, request.command.right())?;
        Ok(who)
    }
}

/// Whether somebody has what a command needs.
pub(super) fn check(
    credential: &Credential,
    who: &Who,
    (right, scope): (Right, Scope),
) -> Result<(), Refusal> {
    let scopes = &who.principal.scopes;
    let bearer = matches!(credential, Credential::Bearer(_));
    if bearer
        && right != Right::Anyone
        && !scopes.contains(&scope)
        && !scopes.contains(&Scope::Admin)
    {
        return Err(Refusal::new(
            RefusalKind::NotAllowed,
            "this token does not have the scope for that; make one that does",
        ));
    }
    match (right, who.principal.role) {
        (Right::Anyone | Right::Reader, _)
        | (Right::Account, Some(_))
        | (Right::BoxOwner, Some(AccountRole::Owner)) => Ok(()),
        (Right::Account | Right::BoxOwner, None) => {
            Err(Refusal::new(RefusalKind::SignIn, "sign in first"))
        }
        (Right::BoxOwner, Some(AccountRole::Member)) => {
            Err(Refusal::new(RefusalKind::NotAllowed, "only an owner of this box may do that"))
        }
    }
}
