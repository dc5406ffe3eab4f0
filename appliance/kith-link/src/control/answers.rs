//! What people ask, and what they are answered.

use std::net::IpAddr;
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::network::ask::{
    Identity, LinkAnswer, LinkAsk, MAX_SETTINGS, NetworkAsk, NetworkReply, SettingsText,
};
use kith_model::network::change::{CONFIRM_SECONDS, CONFIRM_SECONDS_MESH, Finding, PastSettings};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::sentence::{Part, patterns};
use kith_model::settings::check::Hardware;
use kith_model::settings::values::Mac;

use super::changes::Then;
use super::clients::{Wish, edited};
use super::document::{self, Document};
use super::input::AskId;
use super::transaction::{self, Proposal};
use super::{Control, Later};
use crate::store::{Order, VERSIONS};

/// Questions that may wait for the disk.
const MOST_WAITING: usize = 64;

/// Values that may be set at once.
const MOST_VALUES: usize = 256;

/// The longest name of an account that is kept, in bytes.
const LONGEST_WHO: usize = 256;

/// How long after a question about the state it is looked at more often.
const WATCHED_FOR: Duration = Duration::from_secs(30);

/// How long somebody aims.
const AIMED_FOR: Duration = Duration::from_secs(60);

impl Control {
    /// Takes a question. Those that may change what is on the disk wait until it is free.
    pub(super) fn asked(&mut self, now: Instant, (id, ask, random): Later) {
        if ask.who.len() > LONGEST_WHO {
            return self.answer(id, Err(Refusal::new(RefusalKind::Invalid, "too long a name")));
        }
        if let Some(answer) = self.at_once(now, &ask) {
            return self.answer(id, answer);
        }
        if self.storing.is_some() {
            if self.later.len() >= MOST_WAITING {
                let refusal = Refusal::new(RefusalKind::TooMany, "too much at once; try again");
                return self.answer(id, Err(Refusal { retry_after: Some(1), ..refusal }));
            }
            self.later.push_back((id, ask, random));
            return;
        }
        let LinkAsk { who, from, ask } = *ask;
        if let Err(refusal) = self.change(now, (id, &who, from), ask, random) {
            self.answer(id, Err(refusal));
        }
    }

    /// Answers that need neither hands nor disk.
    fn at_once(&mut self, now: Instant, ask: &LinkAsk) -> Option<LinkAnswer> {
        Some(Ok(match &ask.ask {
            NetworkAsk::Status => {
                self.traffic.1 = now + WATCHED_FOR;
                self.reconcile.look_by(now + super::reconcile::WATCHED);
                NetworkReply::Status(Box::new(self.status(now)))
            }
            NetworkAsk::Aim => {
                self.traffic.0 = now + AIMED_FOR;
                self.reconcile.look_by(now + super::reconcile::AIMED);
                NetworkReply::Status(Box::new(self.status(now)))
            }
            NetworkAsk::Settings => NetworkReply::Settings(self.text_in_force()),
            NetworkAsk::Draft => NetworkReply::Settings(self.settings_text(&ask.who)),
            NetworkAsk::Review => {
                let text = self.drafts.get(&ask.who).map_or(&self.in_force.text, |d| &d.text);
                NetworkReply::Review(self.review(text))
            }
            NetworkAsk::Check { text } => NetworkReply::Review(self.review(text)),
            NetworkAsk::Change => NetworkReply::Change(self.transaction.status(now)),
            NetworkAsk::History => NetworkReply::History(self.history()),
            NetworkAsk::Graphs => NetworkReply::Graphs(self.graphs.all()),
            NetworkAsk::Survey => {
                self.survey.begin();
                NetworkReply::Surveyed(self.survey.shown().clone())
            }
            NetworkAsk::Surveyed => NetworkReply::Surveyed(self.survey.shown().clone()),
            NetworkAsk::Ping { mac } => return Some(self.ping(*mac)),
            NetworkAsk::DraftSet { .. }
            | NetworkAsk::DraftReplace { .. }
            | NetworkAsk::DraftDiscard
            | NetworkAsk::Apply { .. }
            | NetworkAsk::Confirm { .. }
            | NetworkAsk::Revert
            | NetworkAsk::Extend
            | NetworkAsk::Restore { .. }
            | NetworkAsk::ClientSet { .. }
            | NetworkAsk::Identify(_) => return None,
        }))
    }

    /// Begins to ask a box that the mesh knows.
    fn ping(&mut self, mac: Mac) -> LinkAnswer {
        let known = self.seen.mesh.nodes.iter().any(|node| node.mac == mac.to_string());
        if !known {
            let message = "the mesh knows no such box right now";
            return Err(Refusal::new(RefusalKind::NotFound, message));
        }
        self.pings.begin(mac).map(|()| NetworkReply::Done)
    }

    /// Begins what ends on the disk; the answer comes then.
    fn change(
        &mut self,
        now: Instant,
        (id, who, from): (AskId, &str, Option<IpAddr>),
        ask: NetworkAsk,
        random: [u8; 32],
    ) -> Result<(), Refusal> {
        match ask {
            NetworkAsk::DraftSet { values } => self.draft_set((id, who), &values),
            NetworkAsk::DraftReplace { text } => {
                let base = self.in_force.revision.clone();
                self.keep_draft((id, who), &base, text)
            }
            NetworkAsk::Restore { revision } => self.restore((id, who), &revision),
            NetworkAsk::DraftDiscard => {
                self.store_draft((id, who), None, None, false);
                Ok(())
            }
            NetworkAsk::Apply { digest, confirm_seconds } => {
                let seconds = confirm_seconds.unwrap_or_else(|| self.waits_for(from));
                self.apply(now, (id, who), &digest, (seconds, random))
            }
            NetworkAsk::Confirm { token } => {
                self.transaction.check(&token)?;
                self.keep(now, Some(id));
                Ok(())
            }
            NetworkAsk::Revert => {
                let reason = patterns::WANTED_SO.with([Part::typed(who)]);
                self.revert(now, Some(id), reason);
                Ok(())
            }
            NetworkAsk::Extend => {
                let armed = self.transaction.extend(now)?;
                self.store(Order::Arm(armed.clone()), Then::Extended { ask: id, armed });
                Ok(())
            }
            NetworkAsk::ClientSet { mac, name, fixed, paused } => {
                self.client_set(now, id, who, &Wish { mac, name, fixed, paused })
            }
            NetworkAsk::Identify(identity) => {
                self.identify(id, identity);
                Ok(())
            }
            NetworkAsk::Status
            | NetworkAsk::Settings
            | NetworkAsk::Draft
            | NetworkAsk::Review
            | NetworkAsk::Check { .. }
            | NetworkAsk::Change
            | NetworkAsk::History
            | NetworkAsk::Survey
            | NetworkAsk::Surveyed
            | NetworkAsk::Ping { .. }
            | NetworkAsk::Aim
            | NetworkAsk::Graphs => Ok(()),
        }
    }

    fn draft_set(
        &mut self,
        (id, who): (AskId, &str),
        values: &[(String, Option<String>)],
    ) -> Result<(), Refusal> {
        if values.len() > MOST_VALUES {
            return Err(Refusal::new(RefusalKind::Invalid, "too many values at once"));
        }
        let (base, text) = match self.drafts.get(who) {
            Some(draft) => (draft.base.clone(), draft.text.clone()),
            None => (self.in_force.revision.clone(), self.in_force.text.clone()),
        };
        let text = edited(&text, values)?;
        self.keep_draft((id, who), &base, text)
    }

    fn restore(&mut self, (id, who): (AskId, &str), revision: &str) -> Result<(), Refusal> {
        let past = self.past.iter().rev().find(|past| past.revision == revision);
        let in_force = (self.in_force.revision == revision).then_some(&self.in_force.text);
        let text = past.map(|past| &past.text).or(in_force).ok_or_else(|| {
            Refusal::new(RefusalKind::NotFound, "this version is not kept any more")
        })?;
        let (base, text) = (self.in_force.revision.clone(), text.clone());
        self.keep_draft((id, who), &base, text)
    }

    fn identify(&mut self, id: AskId, identity: Identity) {
        if self.identity.as_ref() == Some(&identity) {
            return self.answer(id, Ok(NetworkReply::Done));
        }
        self.store(Order::Identity(identity.clone()), Then::Identity { ask: id, identity });
    }

    fn keep_draft(
        &mut self,
        (id, who): (AskId, &str),
        base: &str,
        text: String,
    ) -> Result<(), Refusal> {
        if text.len() > MAX_SETTINGS {
            return Err(Refusal::new(
                RefusalKind::Invalid,
                format!("settings have at most {MAX_SETTINGS} bytes"),
            ));
        }
        let (draft, instead_of) = self.drafts.edit(who, base, text);
        self.store_draft((id, who), Some(draft), instead_of, true);
        Ok(())
    }

    fn store_draft(
        &mut self,
        (ask, who): (AskId, &str),
        draft: Option<crate::store::Draft>,
        instead_of: Option<String>,
        say: bool,
    ) {
        let who = who.to_owned();
        let order =
            Order::Draft { who: who.clone(), draft: draft.clone(), instead_of: instead_of.clone() };
        self.store(order, Then::Draft { ask, who, draft, instead_of, say });
    }

    fn apply(
        &mut self,
        now: Instant,
        (id, who): (AskId, &str),
        digest: &str,
        (seconds, random): (u32, [u8; 32]),
    ) -> Result<(), Refusal> {
        let Some(draft) = self.drafts.get(who) else {
            return Err(Refusal::new(RefusalKind::NotFound, "there is no draft to apply"));
        };
        if draft.base != self.in_force.revision {
            let by = if self.current.who.is_empty() { "somebody" } else { &self.current.who };
            return Err(Refusal::new(
                RefusalKind::Conflict,
                format!(
                    "{by} has changed the settings since this draft was begun; discard it and begin \
                     again, or restore it from a copy"
                ),
            ));
        }
        let text = draft.text.clone();
        let review = self.review(&text);
        if review.digest != digest {
            return Err(Refusal::new(
                RefusalKind::Conflict,
                "the draft is not what was reviewed any more; review it again",
            ));
        }
        let document = Document::read(&text).map_err(|findings| invalid(&findings))?;
        if review.findings.iter().any(|finding| !finding.advice) {
            return Err(invalid(&review.findings));
        }
        // Out of safe mode everything changes at once.
        let risky = review.risky || self.safe_mode().is_some();
        let token = risky.then(|| data_encoding::BASE64URL_NOPAD.encode(&random));
        let proposal = Proposal {
            who: who.to_owned(),
            document,
            base: self.in_force.revision.clone(),
            words: review.words,
            moves_to: review.moves_to,
            token: token.as_deref().map(transaction::hash),
            seconds,
        };
        let wall = self.wall_ms(now);
        let armed = self.transaction.begin(now, wall, proposal)?;
        self.store(Order::Arm(armed), Then::Armed { ask: id, token });
        Ok(())
    }

    /// For how many seconds a change waits whose author does not say.
    fn waits_for(&self, from: Option<IpAddr>) -> u32 {
        let mesh = &self.in_force.settings.mesh;
        let of_mesh = |id| from.is_some_and(|from| crate::desire::in_mesh(id, from));
        let over_mesh = mesh.enabled && mesh.id.as_ref().is_some_and(of_mesh);
        if over_mesh { CONFIRM_SECONDS_MESH } else { CONFIRM_SECONDS }
    }

    fn review(&self, text: &str) -> kith_model::network::change::Review {
        let radios = self.seen.radios.iter();
        let radios = radios.map(|(name, radio)| (name.clone(), radio.can)).collect();
        let hardware = Hardware {
            profile: &self.setup.profile,
            radios: &radios,
            panel_port: self.panel_port(),
            peer_port: self.peer_port(),
        };
        document::review(&self.in_force, text, &hardware)
    }

    fn text_in_force(&self) -> SettingsText {
        SettingsText {
            text: self.in_force.text.clone(),
            revision: self.in_force.revision.clone(),
            draft: false,
            changes: 0,
            findings: Vec::new(),
        }
    }

    /// The caller's draft, or what is in force.
    pub(super) fn settings_text(&self, who: &str) -> SettingsText {
        let Some(draft) = self.drafts.get(who) else { return self.text_in_force() };
        let review = self.review(&draft.text);
        let changes = document::changes(&self.in_force.settings, &draft.text);
        SettingsText {
            text: draft.text.clone(),
            revision: draft.base.clone(),
            draft: draft.text != self.in_force.text,
            changes,
            findings: review.findings,
        }
    }

    fn history(&self) -> Vec<PastSettings> {
        let current = PastSettings {
            revision: self.in_force.revision.clone(),
            since: self.current.since,
            who: self.current.who.clone(),
            words: self.current.words.clone(),
        };
        let past = self.past.iter().rev().map(|past| PastSettings {
            revision: past.revision.clone(),
            since: past.since,
            who: past.who.clone(),
            words: past.words.clone(),
        });
        std::iter::once(current).chain(past).take(VERSIONS).collect()
    }
}

/// What is wrong with settings, as a refusal.
pub(super) fn invalid(findings: &[Finding]) -> Refusal {
    let wrong = findings.iter().find(|finding| !finding.advice).or(findings.first());
    let message = wrong.map_or_else(
        || "the settings cannot be used".to_owned(),
        |finding| match (&*finding.key, finding.line) {
            ("", 0) => finding.message.clone(),
            ("", line) => format!("line {line}: {}", finding.message),
            (key, _) => format!("{key}: {}", finding.message),
        },
    );
    Refusal::new(RefusalKind::Invalid, message)
}
