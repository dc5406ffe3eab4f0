//! Sessions of browsers, and the devices that are known because they signed in before.

use std::time::Duration;

use kith_core::time::UnixTime;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply;

use super::roll::Used;
use super::{Accounts, Who, full};
use crate::ledger::{self, DeviceEntry, SessionEntry};
use crate::secret;

/// A session that is not used ends after this.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// Every session ends after this.
const ABSOLUTE: Duration = Duration::from_secs(12 * 3600);

/// How far a clock may be set back while people are signed in.
const CLOCK_ERROR: Duration = Duration::from_secs(300);

/// Sessions an account has at one time; the oldest goes first.
const MAX_SESSIONS: usize = 20;

/// Devices known of one account; the oldest goes first.
const MAX_DEVICES: usize = 20;

/// Longest kept description of a browser, in characters.
const MAX_AGENT: usize = 120;

/// Where somebody signs in from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Browser<'a> {
    /// What it calls itself.
    pub agent: &'a str,
    /// Its address.
    pub source: &'a str,
    /// The secret of a known device.
    pub device: Option<&'a str>,
}

impl Accounts {
    /// Opens a session of the account `id`.
    ///
    /// # Errors
    /// When there is no such account any more.
    pub(crate) fn open_session(
        &mut self,
        now: UnixTime,
        id: &str,
        browser: Browser<'_>,
    ) -> Result<reply::LoggedIn, Refusal> {
        self.sweep_sessions(now);
        let secret = secret::fresh();
        let entry = SessionEntry {
            account: id.to_owned(),
            secret: secret::digest(&secret).into(),
            agent: browser.agent.chars().filter(|c| !c.is_control()).take(MAX_AGENT).collect(),
            source: browser.source.to_owned(),
            since: now,
        };
        let session = secret::short_id();
        self.changes.push(ledger::set(ledger::key(ledger::SESSIONS, &session), &entry));
        self.sessions.insert(session, entry);
        self.keep_newest_sessions(id);
        let device = self.know_device(now, id, browser.device);
        let who = self.session(now, &secret).ok_or_else(gone)?;
        Ok(reply::LoggedIn { session: secret, device, principal: who.principal })
    }

    /// The sessions of an account, or of everybody.
    #[must_use]
    pub(crate) fn sessions(&self, of: Option<&str>, current: Option<&str>) -> Vec<reply::Session> {
        let wanted = self.sessions.iter().filter(|(_, s)| of.is_none_or(|id| s.account == id));
        let shown = wanted.map(|(id, session)| reply::Session {
            id: id.clone(),
            account: self
                .accounts
                .get(&session.account)
                .map_or_else(String::new, |a| a.name.clone()),
            agent: session.agent.clone(),
            source: session.source.clone(),
            since: session.since.as_millis(),
            used: self.used.get(id).map_or(session.since, Used::get).as_millis(),
            current: current == Some(id),
        });
        shown.collect()
    }

    /// Ends a session; only its own account's unless `anybody`.
    ///
    /// # Errors
    /// When there is no such session.
    pub(crate) fn end_session(
        &mut self,
        id: &str,
        account: &str,
        anybody: bool,
    ) -> Result<(), Refusal> {
        let theirs = self.sessions.get(id).is_some_and(|s| anybody || s.account == account);
        if !theirs {
            return Err(Refusal::new(RefusalKind::NotFound, "this session has ended already"));
        }
        self.drop_session(id);
        Ok(())
    }

    /// The bucket for tries of signing in: the device's own if it is known, else the source's.
    #[must_use]
    pub(crate) fn bucket(
        &self,
        account: Option<&str>,
        device: Option<&str>,
        source: &str,
    ) -> String {
        let known = device.and_then(|device| self.device(device, account));
        known.map_or_else(|| format!("source/{source}"), |id| format!("device/{id}"))
    }

    pub(super) fn session(&mut self, now: UnixTime, secret: &str) -> Option<Who> {
        let digest = secret::digest(secret);
        let found = self.sessions.iter().find(|(_, s)| secret::same(&s.secret, &digest));
        let (id, entry) = found.map(|(id, entry)| (id.clone(), entry.clone()))?;
        let used = self.used.entry(id.clone()).or_insert_with(|| Used::at(now));
        if !is_open(now, entry.since, used.get()) {
            self.drop_session(&id);
            return None;
        }
        used.set(now);
        let mut who = self.principal(&entry.account, full())?;
        who.principal.session = Some(id);
        who.principal.form_token = Some(secret::form_token(secret));
        Some(who)
    }

    pub(super) fn end_sessions(&mut self, account: &str, keep: Option<&str>) {
        let theirs =
            self.sessions.iter().filter(|(id, s)| s.account == account && keep != Some(id));
        for id in theirs.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.drop_session(&id);
        }
    }

    pub(super) fn forget_devices(&mut self, account: &str) {
        let theirs = self.devices.iter().filter(|(_, d)| d.account == account);
        for id in theirs.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.drop_device(&id);
        }
    }

    fn sweep_sessions(&mut self, now: UnixTime) {
        let ended = self.sessions.iter().filter(|(_, s)| now.since(s.since) > ABSOLUTE);
        for id in ended.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.drop_session(&id);
        }
    }

    fn keep_newest_sessions(&mut self, account: &str) {
        let mut theirs: Vec<_> =
            self.sessions.iter().filter(|(_, s)| s.account == account).collect();
        theirs.sort_by_key(|(_, session)| core::cmp::Reverse(session.since));
        let surplus = theirs.iter().skip(MAX_SESSIONS);
        for id in surplus.map(|(id, _)| (*id).clone()).collect::<Vec<_>>() {
            self.drop_session(&id);
        }
    }

    /// Whether this session has not ended.
    pub(super) fn lives(&self, id: &str) -> bool {
        self.sessions.contains_key(id)
    }

    fn drop_session(&mut self, id: &str) {
        self.sessions.remove(id);
        self.used.remove(id);
        self.changes.push(ledger::unset(ledger::key(ledger::SESSIONS, id)));
    }

    /// Knows the browser from now on, under a fresh secret.
    fn know_device(&mut self, now: UnixTime, account: &str, known: Option<&str>) -> String {
        let id = known.and_then(|device| self.device(device, Some(account)).map(str::to_owned));
        let id = id.unwrap_or_else(secret::short_id);
        let secret = secret::fresh();
        let digest = secret::digest(&secret).into();
        let entry = DeviceEntry { account: account.to_owned(), secret: digest, since: now };
        self.changes.push(ledger::set(ledger::key(ledger::DEVICES, &id), &entry));
        self.devices.insert(id, entry);
        let mut theirs: Vec<_> =
            self.devices.iter().filter(|(_, d)| d.account == account).collect();
        theirs.sort_by_key(|(_, device)| core::cmp::Reverse(device.since));
        let surplus = theirs.iter().skip(MAX_DEVICES);
        for id in surplus.map(|(id, _)| (*id).clone()).collect::<Vec<_>>() {
            self.drop_device(&id);
        }
        secret
    }

    fn device(&self, secret: &str, account: Option<&str>) -> Option<&str> {
        let digest = secret::digest(secret);
        let mut theirs = self.devices.iter().filter(|(_, d)| account == Some(d.account.as_str()));
        theirs.find(|(_, d)| secret::same(&d.secret, &digest)).map(|(id, _)| id.as_str())
    }

    fn drop_device(&mut self, id: &str) {
        self.devices.remove(id);
        self.changes.push(ledger::unset(ledger::key(ledger::DEVICES, id)));
    }
}

/// Whether a session that was opened and last used then is still open.
pub(super) fn is_open(now: UnixTime, since: UnixTime, used: UnixTime) -> bool {
    // A clock that was ahead when the session was opened must not keep it open for ever.
    let from_the_future = since > now + CLOCK_ERROR || used > now + CLOCK_ERROR;
    !from_the_future && now.since(used) <= IDLE && now.since(since) <= ABSOLUTE
}

fn gone() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "this account was removed meanwhile")
}
