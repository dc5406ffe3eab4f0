//! Tickets with which a session goes on at another address of the box.
//!
//! Cookies stay behind when the panel moves to another address. A ticket brings the person along: it is
//! good once, for a few minutes, and only while the session that asked for it lives.

use std::time::Duration;

use kith_core::time::UnixTime;
use kith_model::network::change::CONFIRM_SECONDS_MOST;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply;

use super::session::Browser;
use super::{Accounts, Who};
use crate::secret::{self, Digest};

/// Tickets at one time; the oldest goes first.
const MAX_TICKETS: usize = 8;

/// A ticket that was given out.
#[derive(Debug)]
pub(super) struct Ticket {
    secret: Digest,
    session: String,
    account: String,
    expires: UnixTime,
}

impl Accounts {
    /// Makes a ticket for the session that asks, good for so many seconds.
    ///
    /// # Errors
    /// When nobody's session asks.
    pub(crate) fn hand_over(
        &mut self,
        now: UnixTime,
        who: &Who,
        seconds: u32,
    ) -> Result<reply::HandOver, Refusal> {
        let (Some(session), Some((account, _))) = (&who.principal.session, &who.account) else {
            return Err(Refusal::new(RefusalKind::SignIn, "only a browser's session moves along"));
        };
        let ticket = secret::fresh();
        let lasts = Duration::from_secs(seconds.min(CONFIRM_SECONDS_MOST).into());
        self.tickets.retain(|kept| kept.expires > now && kept.session != *session);
        if self.tickets.len() >= MAX_TICKETS {
            self.tickets.remove(0);
        }
        self.tickets.push(Ticket {
            secret: secret::digest(&ticket),
            session: session.clone(),
            account: account.clone(),
            expires: now + lasts,
        });
        Ok(reply::HandOver { ticket })
    }

    /// Opens a session for whoever brings a ticket, and ends the one it was made for.
    ///
    /// # Errors
    /// When the ticket was used, has expired, or its session has ended.
    pub(crate) fn take_over(
        &mut self,
        now: UnixTime,
        ticket: &str,
        browser: Browser<'_>,
    ) -> Result<reply::LoggedIn, Refusal> {
        let digest = secret::digest(ticket);
        let found = self.tickets.iter().position(|kept| secret::same(&kept.secret, &digest));
        let ticket = found.map(|at| self.tickets.remove(at)).filter(|kept| kept.expires > now);
        let living = ticket.filter(|kept| self.lives(&kept.session));
        let Some(Ticket { session, account, .. }) = living else {
            return Err(Refusal::new(
                RefusalKind::WrongSecret,
                "this link was used already or is too old; sign in instead",
            ));
        };
        let logged_in = self.open_session(now, &account, browser)?;
        self.end_session(&session, &account, false)?;
        Ok(logged_in)
    }
}
