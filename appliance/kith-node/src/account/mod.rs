//! Accounts, sessions, devices, tokens and links: who may act on this box.
//!
//! [`Accounts`] holds them in memory and collects what is to be written in [`Accounts::changes`]; the
//! desk writes that durably before it answers. It knows nothing of spaces.

mod handover;
pub(crate) mod limiter;
pub(crate) mod passphrase;
pub(crate) mod roll;
pub(crate) mod session;
mod token;

use std::collections::BTreeMap;
use std::time::Duration;

use kith_core::body::check_name;
use kith_core::identity::AuthorId;
use kith_core::time::UnixTime;
use kith_model::caller::{AccountRole, Credential, Principal, Scope};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply;
use kith_store::Store;

use crate::account::passphrase::Hash;
use crate::account::roll::{Listed, Roll, Used};
use crate::ledger::{self, AccountEntry, Change, DeviceEntry, LinkEntry, SessionEntry, TokenEntry};
use crate::secret;

/// Accounts on one box.
const MAX_ACCOUNTS: usize = 200;

/// Links for new accounts that are good at one time.
const MAX_LINKS: usize = 50;

/// How long a link for a new account is good.
const LINK_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The account the first start makes.
pub(crate) const OWNER: &str = "owner";

/// Everybody who may act on this box.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    accounts: BTreeMap<String, AccountEntry>,
    sessions: BTreeMap<String, SessionEntry>,
    /// When each session was last used; not worth a write.
    used: BTreeMap<String, Used>,
    devices: BTreeMap<String, DeviceEntry>,
    tokens: BTreeMap<String, TokenEntry>,
    links: BTreeMap<String, LinkEntry>,
    /// Only in memory: a ticket is good for minutes.
    tickets: Vec<handover::Ticket>,
    changes: Vec<Change>,
}

/// Who a credential turned out to be, with the account behind it.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// What the caller may know of it.
    pub principal: Principal,
    /// The account id and key; nothing for a visitor.
    pub account: Option<(String, AuthorId)>,
    /// Whether a token speaks for the account.
    pub by_token: bool,
}

impl Accounts {
    /// Reads them from the store.
    #[must_use]
    pub(crate) fn load(store: &Store) -> Self {
        Self {
            accounts: ledger::tree(store, ledger::ACCOUNTS).into_iter().collect(),
            sessions: ledger::tree(store, ledger::SESSIONS).into_iter().collect(),
            used: BTreeMap::new(),
            devices: ledger::tree(store, ledger::DEVICES).into_iter().collect(),
            tokens: ledger::tree(store, ledger::TOKENS).into_iter().collect(),
            links: ledger::tree(store, ledger::LINKS).into_iter().collect(),
            tickets: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// What has to be written before anything is answered.
    pub(crate) fn changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// All open sessions, for the door. One that was not used since the start is taken as used `now`.
    #[must_use]
    pub(crate) fn roll(&mut self, now: UnixTime) -> Roll {
        for id in self.sessions.keys() {
            self.used.entry(id.clone()).or_insert_with(|| Used::at(now));
        }
        let listed = self.sessions.iter().filter_map(|(id, session)| {
            let mut who = self.principal(&session.account, full())?;
            who.principal.session = Some(id.clone());
            Some(Listed {
                secret: session.secret.into_array(),
                principal: who.principal,
                author: who.account?.1,
                since: session.since,
                used: self.used.get(id)?.clone(),
            })
        });
        Roll(listed.collect())
    }

    /// The owner's key, which the first start makes.
    #[must_use]
    pub(crate) fn owner(&self) -> Option<AuthorId> {
        self.accounts.get(OWNER).map(|account| account.author)
    }

    /// The keys of everybody with an account.
    pub(crate) fn authors(&self) -> impl Iterator<Item = AuthorId> {
        self.accounts.values().map(|account| account.author)
    }

    /// Whether somebody has claimed the box.
    #[must_use]
    pub(crate) fn claimed(&self) -> bool {
        self.accounts.get(OWNER).is_some_and(|owner| owner.passphrase.is_some())
    }

    /// Makes the owner's account on the first start.
    pub(crate) fn found(&mut self, now: UnixTime, author: AuthorId) {
        let entry = AccountEntry {
            name: String::new(),
            role: AccountRole::Owner,
            author,
            passphrase: None,
            since: now,
        };
        self.put_account(OWNER, entry);
    }

    /// Sets the owner's name and passphrase.
    ///
    /// # Errors
    /// When the box is claimed already or the name is no good.
    pub(crate) fn claim(&mut self, name: &str, passphrase: Hash) -> Result<(), Refusal> {
        check_account_name(name)?;
        if self.named(name).is_some() {
            return Err(taken());
        }
        let owner = self.accounts.get(OWNER).filter(|owner| owner.passphrase.is_none());
        let owner = owner.cloned().ok_or_else(already_claimed)?;
        let entry = AccountEntry { name: name.into(), passphrase: Some(passphrase), ..owner };
        self.put_account(OWNER, entry);
        Ok(())
    }

    /// The id and passphrase of the account called `name`.
    #[must_use]
    pub(crate) fn named(&self, name: &str) -> Option<(&str, &Hash)> {
        let wanted = name.trim().to_lowercase();
        let found = self.accounts.iter().find(|(_, account)| account.name.to_lowercase() == wanted);
        found.and_then(|(id, account)| Some((id.as_str(), account.passphrase.as_ref()?)))
    }

    /// The passphrase of an account.
    #[must_use]
    pub(crate) fn passphrase(&self, id: &str) -> Option<&Hash> {
        self.accounts.get(id)?.passphrase.as_ref()
    }

    /// Changes a passphrase and ends every other session of the account, and its tokens: whoever
    /// changes it may do so because somebody else had it.
    pub(crate) fn set_passphrase(&mut self, id: &str, passphrase: Hash, keep: Option<&str>) {
        if let Some(entry) = self.accounts.get(id).cloned() {
            self.put_account(id, AccountEntry { passphrase: Some(passphrase), ..entry });
        }
        self.end_sessions(id, keep);
        self.forget_devices(id);
        self.end_tokens(id);
    }

    /// Everybody with an account.
    #[must_use]
    pub(crate) fn list(&self) -> Vec<reply::Account> {
        let shown = self.accounts.values().map(|account| reply::Account {
            name: account.name.clone(),
            role: account.role,
            author: account.author.to_string(),
            words: account.author.words(),
            since: account.since.as_millis(),
        });
        shown.collect()
    }

    /// Makes a link for one more account.
    ///
    /// # Errors
    /// When too many links are open.
    pub(crate) fn invite(&mut self, now: UnixTime) -> Result<reply::AccountInvite, Refusal> {
        self.links.retain(|_, link| link.expires > now);
        if self.links.len() >= MAX_LINKS {
            return Err(Refusal::new(
                RefusalKind::TooMany,
                "50 links for new people are open already",
            ));
        }
        let secret = secret::fresh();
        let entry = LinkEntry { secret: secret::digest(&secret).into(), expires: now + LINK_LIFE };
        let answer = reply::AccountInvite { secret, expires: entry.expires.as_millis() };
        let id = secret::short_id();
        self.changes.push(ledger::set(ledger::key(ledger::LINKS, &id), &entry));
        self.links.insert(id, entry);
        Ok(answer)
    }

    /// Checks a link and a name before the passphrase is hashed and the key made.
    ///
    /// # Errors
    /// When the link is not good or the name is taken.
    pub(crate) fn check_join(&self, now: UnixTime, link: &str, name: &str) -> Result<(), Refusal> {
        check_account_name(name)?;
        self.link(now, link)?;
        if self.accounts.len() >= MAX_ACCOUNTS {
            return Err(Refusal::new(
                RefusalKind::TooMany,
                "this box has 200 accounts, the most it keeps",
            ));
        }
        if self.named(name).is_some() {
            return Err(taken());
        }
        Ok(())
    }

    /// Uses a link for a new account; answers its id.
    ///
    /// # Errors
    /// As [`Accounts::check_join`].
    pub(crate) fn join(
        &mut self,
        now: UnixTime,
        link: &str,
        new: NewAccount,
    ) -> Result<String, Refusal> {
        self.check_join(now, link, &new.name)?;
        let used = self.link(now, link)?.to_owned();
        self.links.remove(&used);
        self.changes.push(ledger::unset(ledger::key(ledger::LINKS, &used)));
        let id = secret::short_id();
        let entry = AccountEntry {
            name: new.name,
            role: AccountRole::Member,
            author: new.author,
            passphrase: Some(new.passphrase),
            since: now,
        };
        self.put_account(&id, entry);
        Ok(id)
    }

    /// Changes what an account may do.
    ///
    /// # Errors
    /// When there is no such account, or it is the last owner.
    pub(crate) fn set_role(&mut self, name: &str, role: AccountRole) -> Result<(), Refusal> {
        let id = self.id_of(name)?;
        if role != AccountRole::Owner {
            self.keep_an_owner(&id)?;
        }
        if let Some(entry) = self.accounts.get(&id).cloned() {
            self.put_account(&id, AccountEntry { role, ..entry });
        }
        Ok(())
    }

    /// Removes an account with its sessions, devices and tokens.
    ///
    /// # Errors
    /// When there is no such account, or it is the one that made the box.
    pub(crate) fn remove(&mut self, name: &str) -> Result<(), Refusal> {
        let id = self.id_of(name)?;
        if id == OWNER {
            return Err(Refusal::new(
                RefusalKind::NotAllowed,
                "the account that made the box cannot be removed; change its passphrase instead",
            ));
        }
        self.end_sessions(&id, None);
        self.forget_devices(&id);
        self.end_tokens(&id);
        self.accounts.remove(&id);
        self.changes.push(ledger::unset(ledger::key(ledger::ACCOUNTS, &id)));
        Ok(())
    }

    /// Who a credential belongs to. A wrong or expired one is a visitor's, except for a bearer token,
    /// whose program should hear of it.
    ///
    /// # Errors
    /// When a bearer token is wrong or expired.
    pub(crate) fn who(&mut self, now: UnixTime, credential: &Credential) -> Result<Who, Refusal> {
        let visitor = Who { principal: Principal::visitor(), account: None, by_token: false };
        match credential {
            Credential::Visitor => Ok(visitor),
            Credential::Socket => {
                // Whoever holds the box holds it, whatever became of the account that made it.
                let mut who = self.principal(OWNER, full()).unwrap_or(visitor);
                who.principal.role = Some(AccountRole::Owner);
                Ok(who)
            }
            Credential::Session(secret) => Ok(self.session(now, secret).unwrap_or(visitor)),
            Credential::Bearer(secret) => self.token(now, secret).ok_or_else(|| {
                Refusal::new(RefusalKind::WrongSecret, "this token is wrong, revoked or expired")
            }),
        }
    }

    /// The account id and key of somebody signed in.
    fn principal(&self, id: &str, scopes: Vec<Scope>) -> Option<Who> {
        let account = self.accounts.get(id)?;
        let principal = Principal {
            account: Some(account.name.clone()),
            role: Some(account.role),
            author: Some(account.author.to_string()),
            scopes,
            session: None,
            form_token: None,
        };
        Some(Who { principal, account: Some((id.to_owned(), account.author)), by_token: false })
    }

    fn put_account(&mut self, id: &str, entry: AccountEntry) {
        self.changes.push(ledger::set(ledger::key(ledger::ACCOUNTS, id), &entry));
        self.accounts.insert(id.to_owned(), entry);
    }

    fn link(&self, now: UnixTime, link: &str) -> Result<&str, Refusal> {
        let digest = secret::digest(link);
        let found = self.links.iter().find(|(_, l)| secret::same(&l.secret, &digest));
        found.filter(|(_, l)| l.expires > now).map(|(id, _)| id.as_str()).ok_or_else(|| {
            Refusal::new(
                RefusalKind::BadInvite,
                "this link was used already or has expired; ask the owner of the box for a new one",
            )
        })
    }

    fn id_of(&self, name: &str) -> Result<String, Refusal> {
        let wanted = name.trim().to_lowercase();
        let found = self.accounts.iter().find(|(_, account)| account.name.to_lowercase() == wanted);
        found
            .map(|(id, _)| id.clone())
            .ok_or_else(|| Refusal::new(RefusalKind::NotFound, "nobody on this box has that name"))
    }

    fn keep_an_owner(&self, without: &str) -> Result<(), Refusal> {
        let others = self.accounts.iter().filter(|(id, _)| *id != without);
        if others.into_iter().any(|(_, account)| account.role == AccountRole::Owner) {
            return Ok(());
        }
        Err(Refusal::new(RefusalKind::NotAllowed, "a box keeps at least one owner"))
    }
}

/// What a new account is made of.
#[derive(Debug)]
pub(crate) struct NewAccount {
    /// What its person signs in as.
    pub name: String,
    /// The key it writes with.
    pub author: AuthorId,
    /// Its passphrase.
    pub passphrase: Hash,
}

fn full() -> Vec<Scope> {
    vec![Scope::Read, Scope::Write, Scope::Admin, Scope::Metrics]
}

fn check_account_name(name: &str) -> Result<(), Refusal> {
    check_name(name).map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))
}

fn taken() -> Refusal {
    Refusal::new(RefusalKind::Exists, "somebody here has this name; choose another")
}

/// The refusal for a second claim.
#[must_use]
pub(crate) fn already_claimed() -> Refusal {
    Refusal::new(RefusalKind::AlreadyClaimed, "this box has an owner already: sign in")
}

#[cfg(test)]
mod tests {
    use super::passphrase::Cost;
    use super::session::Browser;
    use super::*;

    const NOON: UnixTime = UnixTime::from_millis(1_800_000_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);
    const PHONE: Browser<'_> = Browser { agent: "Phone", source: "192.168.77.20", device: None };

    #[test]
    fn a_box_is_claimed_once() {
        let mut accounts = unclaimed();
        assert!(!accounts.claimed() && accounts.named("ada").is_none());
        accounts.claim("Ada", hash()).unwrap();
        let refused = accounts.claim("Eve", hash()).unwrap_err();
        assert_eq!(refused.kind, RefusalKind::AlreadyClaimed);
        assert_eq!(accounts.named(" ADA ").map(|(id, _)| id), Some(OWNER));
    }

    #[test]
    fn a_session_ends_when_it_is_idle_and_after_twelve_hours_in_any_case() {
        let mut accounts = claimed();
        let used = accounts.open_session(NOON, OWNER, PHONE).unwrap().session;
        let idle = accounts.open_session(NOON, OWNER, PHONE).unwrap().session;
        let mut now = NOON;
        while now.since(NOON) < HOUR * 12 {
            assert!(signed_in(&mut accounts, now, &used), "{:?}", now.since(NOON));
            now = now + HOUR / 3;
        }
        assert!(!signed_in(&mut accounts, NOON + HOUR, &idle));
        assert!(!signed_in(&mut accounts, NOON + HOUR * 12 + HOUR / 3, &used));
    }

    #[test]
    fn a_ticket_takes_its_session_along_once() {
        let mut accounts = claimed();
        let here = accounts.open_session(NOON, OWNER, PHONE).unwrap().session;
        let ticket = ticket_of(&mut accounts, NOON, &here);
        let there = accounts.take_over(NOON, &ticket, PHONE).unwrap().session;
        assert!(signed_in(&mut accounts, NOON, &there));
        assert!(!signed_in(&mut accounts, NOON, &here), "the old one is over");
        assert!(accounts.take_over(NOON, &ticket, PHONE).is_err(), "it is good once");
    }

    #[test]
    fn a_ticket_dies_with_its_time_and_with_its_session() {
        let mut accounts = claimed();
        let session = accounts.open_session(NOON, OWNER, PHONE).unwrap().session;
        let late = ticket_of(&mut accounts, NOON, &session);
        assert!(accounts.take_over(NOON + HOUR / 30, &late, PHONE).is_err());
        let orphan = ticket_of(&mut accounts, NOON, &session);
        let id = accounts.sessions(None, None)[0].id.clone();
        accounts.end_session(&id, OWNER, false).unwrap();
        assert!(accounts.take_over(NOON, &orphan, PHONE).is_err());
        assert!(accounts.take_over(NOON, "invented", PHONE).is_err());
    }

    #[test]
    fn whoever_has_no_session_gets_no_ticket() {
        let mut accounts = claimed();
        let socket = accounts.who(NOON, &Credential::Socket).unwrap();
        assert!(accounts.hand_over(NOON, &socket, 120).is_err());
    }

    fn ticket_of(accounts: &mut Accounts, now: UnixTime, session: &str) -> String {
        let who = accounts.who(now, &Credential::Session(session.into())).unwrap();
        accounts.hand_over(now, &who, 120).unwrap().ticket
    }

    #[test]
    fn a_new_passphrase_ends_the_other_sessions() {
        let mut accounts = claimed();
        let mine = accounts.open_session(NOON, OWNER, PHONE).unwrap();
        let thief = accounts.open_session(NOON, OWNER, PHONE).unwrap().session;
        accounts.set_passphrase(OWNER, hash(), mine.principal.session.as_deref());
        assert!(signed_in(&mut accounts, NOON, &mine.session));
        assert!(!signed_in(&mut accounts, NOON, &thief));
    }

    #[test]
    fn a_link_makes_one_account() {
        let mut accounts = claimed();
        let link = accounts.invite(NOON).unwrap().secret;
        accounts.join(NOON, &link, new_account("Ben")).unwrap();
        let again = accounts.join(NOON, &link, new_account("Cleo")).unwrap_err();
        assert_eq!(again.kind, RefusalKind::BadInvite);
        let late = accounts.invite(NOON).unwrap().secret;
        assert!(accounts.check_join(NOON + LINK_LIFE, &late, "Cleo").is_err());
        assert_eq!(accounts.list().len(), 2);
    }

    #[test]
    fn a_removed_account_leaves_no_way_in() {
        let mut accounts = claimed();
        let link = accounts.invite(NOON).unwrap().secret;
        let id = accounts.join(NOON, &link, new_account("Ben")).unwrap();
        let session = accounts.open_session(NOON, &id, PHONE).unwrap().session;
        let token =
            accounts.create_token(NOON, &id, ("sync", &[Scope::Read], None)).unwrap().secret;
        accounts.remove("Ben").unwrap();
        assert!(!signed_in(&mut accounts, NOON, &session));
        assert!(accounts.who(NOON, &Credential::Bearer(token)).is_err());
        assert!(accounts.remove("Ada").is_err(), "the account that made the box stays");
    }

    #[test]
    fn a_box_keeps_an_owner() {
        let mut accounts = claimed();
        assert!(accounts.set_role("Ada", AccountRole::Member).is_err());
        let link = accounts.invite(NOON).unwrap().secret;
        accounts.join(NOON, &link, new_account("Ben")).unwrap();
        accounts.set_role("Ben", AccountRole::Owner).unwrap();
        accounts.set_role("Ada", AccountRole::Member).unwrap();
    }

    #[test]
    fn a_known_device_has_a_bucket_of_its_own() {
        let mut accounts = claimed();
        let device = accounts.open_session(NOON, OWNER, PHONE).unwrap().device;
        let known = accounts.bucket(Some(OWNER), Some(&device), "10.0.0.1");
        assert!(known.starts_with("device/"));
        assert_eq!(accounts.bucket(Some(OWNER), Some("guess"), "10.0.0.1"), "source/10.0.0.1");
        assert_eq!(accounts.bucket(None, Some(&device), "10.0.0.1"), "source/10.0.0.1");
    }

    #[test]
    fn a_token_ends_and_is_never_stored_in_the_clear() {
        let mut accounts = claimed();
        accounts.changes();
        let made = accounts.create_token(NOON, OWNER, ("script", &[Scope::Read], Some(1))).unwrap();
        let written: Vec<u8> = accounts
            .changes()
            .into_iter()
            .flat_map(|(key, value)| [key, value.unwrap()].concat())
            .collect();
        let secret = made.secret.trim_start_matches("kith_").as_bytes();
        assert!(!written.windows(secret.len()).any(|window| window == secret));
        let bearer = Credential::Bearer(made.secret);
        assert!(accounts.who(NOON, &bearer).is_ok());
        assert!(accounts.who(NOON + HOUR * 24, &bearer).is_err());
    }

    fn signed_in(accounts: &mut Accounts, now: UnixTime, session: &str) -> bool {
        accounts.who(now, &Credential::Session(session.to_owned())).unwrap().principal.signed_in()
    }

    fn hash() -> Hash {
        Hash::make("three old bicycles", Cost { memory: 64, passes: 1 }).unwrap()
    }

    fn unclaimed() -> Accounts {
        let mut accounts = Accounts::default();
        accounts.found(NOON, AuthorId([1; 32]));
        accounts
    }

    fn claimed() -> Accounts {
        let mut accounts = unclaimed();
        accounts.claim("Ada", hash()).unwrap();
        accounts
    }

    fn new_account(name: &str) -> NewAccount {
        NewAccount { name: name.into(), author: AuthorId([2; 32]), passphrase: hash() }
    }
}
