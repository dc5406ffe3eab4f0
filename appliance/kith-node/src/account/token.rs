//! API tokens: bearer secrets with scopes, for programs.

use std::time::Duration;

use kith_core::body::check_name;
use kith_core::time::UnixTime;
use kith_model::caller::Scope;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply;

use super::roll::Used;
use super::{Accounts, Who};
use crate::ledger::{self, TokenEntry};
use crate::secret;

/// Tokens of one account.
const MAX_TOKENS: usize = 50;

/// The longest life of a token, in days.
const MAX_DAYS: u32 = 3_650;

/// What every token starts with, so that people and scanners know a leaked one.
const PREFIX: &str = "kith_";

impl Accounts {
    /// The tokens of an account.
    #[must_use]
    pub(crate) fn tokens(&self, account: &str) -> Vec<reply::Token> {
        let theirs = self.tokens.iter().filter(|(_, token)| token.account == account);
        theirs.map(|(id, token)| self.shown_token(id, token)).collect()
    }

    /// Makes a token.
    ///
    /// # Errors
    /// When its name, scopes or life are no good, or the account has too many.
    pub(crate) fn create_token(
        &mut self,
        now: UnixTime,
        account: &str,
        new: (&str, &[Scope], Option<u32>),
    ) -> Result<reply::TokenCreated, Refusal> {
        let (name, scopes, days) = new;
        let invalid = |message: &str| Refusal::new(RefusalKind::Invalid, message);
        check_name(name).map_err(|error| invalid(&error.to_string()))?;
        let days = days.unwrap_or(365);
        if scopes.is_empty() || days == 0 || days > MAX_DAYS {
            return Err(invalid("a token needs at least one scope and a life of 1 to 3,650 days"));
        }
        if self.tokens(account).len() >= MAX_TOKENS {
            return Err(Refusal::new(
                RefusalKind::TooMany,
                "50 tokens are the most; revoke one first",
            ));
        }
        let secret = [PREFIX, &secret::fresh()].concat();
        let entry = TokenEntry {
            account: account.to_owned(),
            secret: secret::digest(&secret).into(),
            name: name.to_owned(),
            scopes: scopes.to_vec(),
            since: now,
            expires: now + Duration::from_secs(u64::from(days) * 24 * 3600),
        };
        let id = secret::short_id();
        self.changes.push(ledger::set(ledger::key(ledger::TOKENS, &id), &entry));
        let token = self.shown_token(&id, &entry);
        self.tokens.insert(id, entry);
        Ok(reply::TokenCreated { token, secret })
    }

    /// Ends a token of the account.
    ///
    /// # Errors
    /// When it has no such token.
    pub(crate) fn revoke_token(&mut self, id: &str, account: &str) -> Result<(), Refusal> {
        if self.tokens.get(id).is_none_or(|token| token.account != account) {
            return Err(Refusal::new(RefusalKind::NotFound, "there is no such token"));
        }
        self.drop_token(id);
        Ok(())
    }

    pub(super) fn token(&mut self, now: UnixTime, secret: &str) -> Option<Who> {
        let digest = secret::digest(secret);
        let found = self.tokens.iter().find(|(_, token)| secret::same(&token.secret, &digest));
        let (id, entry) = found.map(|(id, entry)| (id.clone(), entry.clone()))?;
        // Refused and not dropped: the clock may be wrong, and right again tomorrow.
        if entry.expires <= now {
            return None;
        }
        self.used.insert(id, Used::at(now));
        let who = self.principal(&entry.account, entry.scopes)?;
        Some(Who { by_token: true, ..who })
    }

    pub(super) fn end_tokens(&mut self, account: &str) {
        let theirs = self.tokens.iter().filter(|(_, token)| token.account == account);
        for id in theirs.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.drop_token(&id);
        }
    }

    fn shown_token(&self, id: &str, token: &TokenEntry) -> reply::Token {
        reply::Token {
            id: id.to_owned(),
            name: token.name.clone(),
            scopes: token.scopes.clone(),
            since: token.since.as_millis(),
            expires: token.expires.as_millis(),
            used: self.used.get(id).map(|used| used.get().as_millis()),
        }
    }

    fn drop_token(&mut self, id: &str) {
        self.tokens.remove(id);
        self.used.remove(id);
        self.changes.push(ledger::unset(ledger::key(ledger::TOKENS, id)));
    }
}
