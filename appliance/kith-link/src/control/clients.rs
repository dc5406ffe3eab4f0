//! What is set for one device at once: a name, an address for good, a pause. None of it can lock anybody
//! out, so it waits for nobody.

use kith_core::time::Instant;
use kith_model::network::status::Client;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::sentence::patterns as say;
use kith_model::sentence::{Part, Sentence};
use kith_model::settings::values::Mac;

use super::changes::Kept;
use super::document::{self, Document};
use super::input::AskId;
use super::{Control, answers};
use crate::store::{Current, Draft};

/// Keys of the settings and their values in TOML.
type Values = Vec<(String, Option<String>)>;

/// What somebody wants for a device; what is nothing is left as it is.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) mac: Mac,
    pub(super) name: Option<String>,
    pub(super) fixed: Option<bool>,
    pub(super) paused: Option<bool>,
}

impl Control {
    /// Puts it in force as soon as it is durable.
    pub(super) fn client_set(
        &mut self,
        now: Instant,
        ask: AskId,
        who: &str,
        wish: &Wish,
    ) -> Result<(), Refusal> {
        if self.transaction.waiting().is_some() {
            return Err(Refusal::new(
                RefusalKind::Conflict,
                "a change of the settings is under way; keep it or take it back first",
            ));
        }
        let (values, words) = self.wanted(wish)?;
        let text = edited(&self.in_force.text, &values)?;
        let document = Document::read(&text).map_err(|findings| answers::invalid(&findings))?;
        let drafts = self.drafts.all().filter(|draft| draft.base == self.in_force.revision);
        let follow = |draft: &Draft| {
            let text = edited(&draft.text, &values).ok()?;
            let draft = Draft { base: document.revision.clone(), text, ..draft.clone() };
            Some((draft.who.clone(), Some(draft)))
        };
        let drafts = drafts.filter_map(follow).collect();
        let current = Current {
            revision: document.revision.clone(),
            since: self.wall_ms(now),
            who: who.to_owned(),
            words,
            last: self.current.last.clone(),
            former_lan: self.current.former_lan.clone(),
        };
        let past = self.past_of_current();
        self.put_in_force(Kept { ask: Some(ask), document, current, past, drafts, change: None });
        Ok(())
    }

    fn wanted(&self, wish: &Wish) -> Result<(Values, Vec<Sentence>), Refusal> {
        let seen = self.seen.clients.iter().find(|client| client.mac == wish.mac);
        let key = |name: &str| format!("client.\"{}\".{name}", wish.mac);
        let mac = || Part::typed(wish.mac);
        let (mut values, mut words) = (Vec::new(), Vec::new());
        if let Some(name) = &wish.name {
            let given = (!name.is_empty()).then(|| quoted(name));
            words.push(match given {
                Some(_) => say::DEVICE_CALLED.with([mac(), Part::typed(format_args!("{name:?}"))]),
                None => say::DEVICE_NAMELESS.with([mac()]),
            });
            values.push((key("name"), given));
        }
        if let Some(fixed) = wish.fixed {
            let address = fixed.then(|| address(seen)).transpose()?;
            words.push(match &address {
                Some(address) => say::DEVICE_FIXED.with([mac(), Part::typed(address)]),
                None => say::DEVICE_FREE.with([mac()]),
            });
            values.push((key("address"), address.as_deref().map(quoted)));
        }
        if let Some(paused) = wish.paused {
            let state = if paused { say::DEVICE_PAUSED } else { say::DEVICE_RESUMED };
            words.push(state.with([mac()]));
            values.push((key("paused"), paused.then(|| "true".to_owned())));
        }
        Ok((values, words))
    }
}

fn address(seen: Option<&Client>) -> Result<String, Refusal> {
    let address = seen.and_then(|client| client.ipv4);
    address.map(|address| address.to_string()).ok_or_else(|| {
        Refusal::new(
            RefusalKind::NotFound,
            "this device has no address yet; connect it once, then fix its address",
        )
    })
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The document with other values.
pub(super) fn edited(text: &str, values: &[(String, Option<String>)]) -> Result<String, Refusal> {
    document::set(text, values).map_err(|findings| answers::invalid(&findings))
}
