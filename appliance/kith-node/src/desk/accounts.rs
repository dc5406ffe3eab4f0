//! Accounts, sessions and tokens at the desk.

use kith_core::time::UnixTime;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::Reply;

use super::Desk;
use crate::account::Who;

impl Desk {
    #[expect(clippy::wildcard_enum_match_arm, reason = "access::room_of names every command")]
    pub(super) fn account_command(
        &mut self,
        now: UnixTime,
        who: &Who,
        command: Command,
    ) -> Result<Reply, Refusal> {
        let owner = who.principal.is_owner();
        let session = who.principal.session.as_deref();
        let account = who.account.as_ref().map(|(id, _)| id.as_str()).unwrap_or_default();
        match command {
            Command::WhoAmI => Ok(Reply::Principal(who.principal.clone())),
            Command::Logout => match session {
                Some(session) => self.accounts.end_session(session, account, false).map(done),
                None => Ok(Reply::Done),
            },
            Command::Sessions => {
                let of = (!owner).then_some(account);
                Ok(Reply::Sessions(self.accounts.sessions(of, session)))
            }
            Command::SessionRevoke { id } => {
                self.accounts.end_session(&id, account, owner).map(done)
            }
            Command::Accounts => Ok(Reply::Accounts(self.accounts.list())),
            Command::AccountInvite => self.accounts.invite(now).map(Reply::AccountInvite),
            Command::AccountRole { name, role } => self.accounts.set_role(&name, role).map(done),
            Command::AccountRemove { name } => self.accounts.remove(&name).map(done),
            Command::Tokens => Ok(Reply::Tokens(self.accounts.tokens(account))),
            Command::TokenCreate { .. } if who.by_token => Err(Refusal::new(
                RefusalKind::NotAllowed,
                "a token makes no other tokens; sign in for that",
            )),
            Command::TokenCreate { name, scopes, days } => self
                .accounts
                .create_token(now, account, (&name, &scopes, days))
                .map(Reply::TokenCreated),
            Command::HandOver { seconds } => {
                self.accounts.hand_over(now, who, seconds).map(Reply::HandOver)
            }
            Command::TokenRevoke { id } => self.accounts.revoke_token(&id, account).map(done),
            other => Err(misrouted(&other)),
        }
    }
}

const fn done(_: ()) -> Reply {
    Reply::Done
}

/// A command that came to the wrong room: a fault of ours, never of the caller.
pub(super) fn misrouted(command: &Command) -> Refusal {
    tracing::error!(command = ?std::mem::discriminant(command), "a command came to the wrong room");
    Refusal::new(RefusalKind::Internal, "the box mislaid this command; please report it")
}
