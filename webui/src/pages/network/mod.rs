//! The pages about the box's network, and what they share: how it is, what is drafted, what waits.
//!
//! Forms put values into the owner's draft; nothing changes before the draft is reviewed and applied on
//! [`changes`].

pub(crate) mod aim;
pub(crate) mod backup;
pub(crate) mod changes;
pub(crate) mod clients;
pub(crate) mod firewall;
pub(crate) mod handover;
pub(crate) mod internet;
pub(crate) mod lan;
pub(crate) mod mesh;
pub(crate) mod setup;
pub(crate) mod wifi;

use kith_model::command::Command;
use kith_model::network::ask::{NetworkAsk, NetworkReply, SettingsText};
use kith_model::network::change::{ChangeState, ChangeStatus};
use kith_model::network::status::NetworkStatus;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::settings::{Settings, text};

use crate::answer::{Answer, Failure, see};
use crate::ask::{Ask, expect_reply};
use crate::flash::Flash;
use crate::lang::msg;
use crate::view::View;

/// Takes the expected variant out of a reply about the network.
macro_rules! expect_network {
    ($reply:expr, $variant:ident) => {
        match $reply {
            kith_model::network::ask::NetworkReply::$variant(inner) => inner,
            other => {
                let other = kith_model::reply::Reply::Network(other);
                return Err($crate::ask::mismatch(stringify!($variant), &other));
            }
        }
    };
}
pub(crate) use expect_network;

/// The pages of this room in the order of their chips: where, and what it is called.
const CHIPS: &[(&str, &str)] = &[
    ("/wifi", msg("Wi-Fi")),
    ("/internet", msg("Internet")),
    ("/lan", msg("Home network")),
    ("/clients", msg("Devices")),
    ("/firewall", msg("Firewall")),
    ("/mesh", msg("Mesh")),
    ("/aim", msg("Aim")),
    ("/changes", msg("Changes")),
    ("/backup", msg("Backup")),
    ("/setup", msg("Set-up")),
];

/// What every page of this room has at hand.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    /// How the network is.
    pub(crate) status: NetworkStatus,
    /// The owner's draft, or the settings in force; the defaults for everybody else.
    pub(crate) settings: Settings,
    /// The document that the settings were read from.
    pub(crate) document: SettingsText,
    /// The path of the page.
    path: &'static str,
}

/// A page that one can change to.
pub(crate) struct Chip {
    pub(crate) href: &'static str,
    pub(crate) label: &'static str,
    pub(crate) current: bool,
}

impl Net {
    /// Asks how things stand, for the page at `path`.
    pub(crate) async fn load(ask: &Ask, path: &'static str) -> Result<Self, Failure> {
        if !ask.visit.principal.is_owner() {
            let status = network(ask, NetworkAsk::Status).await?;
            let status = *expect_network!(status, Status);
            let (settings, document) = (Settings::default(), SettingsText::default());
            return Ok(Self { status, settings, document, path });
        }
        let (status, document) =
            tokio::try_join!(network(ask, NetworkAsk::Status), network(ask, NetworkAsk::Draft))?;
        let status = *expect_network!(status, Status);
        let document = expect_network!(document, Settings);
        let settings = text::parse(&document.text).unwrap_or_default();
        Ok(Self { status, settings, document, path })
    }

    pub(crate) fn chips(&self) -> impl Iterator<Item = Chip> {
        CHIPS.iter().map(|(href, label)| {
            let current = *href == self.path;
            Chip { href, label, current }
        })
    }

    /// Whether the page is the one about changes.
    pub(crate) fn is_changes(&self) -> bool {
        self.path == "/changes"
    }

    /// The change that waits for its confirmation, if one does.
    pub(crate) fn waiting(&self) -> Option<&ChangeStatus> {
        self.status.change.as_ref().filter(|change| change.state <= ChangeState::Applied)
    }
}

/// Asks about the network in the caller's name.
pub(crate) async fn network(ask: &Ask, question: NetworkAsk) -> Result<NetworkReply, Failure> {
    let reply = ask.call(Command::Network(question)).await?;
    Ok(expect_reply!(reply, Network))
}

/// The values a form puts into the draft, as TOML.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(Vec<(String, Option<String>)>);

impl Values {
    /// A text; an empty one takes the key back to its default.
    pub(crate) fn text(&mut self, key: impl Into<String>, value: &str) {
        // JSON's strings are TOML's basic strings (TOML 1.0, section "String").
        let quoted = (!value.is_empty()).then(|| serde_json::Value::from(value).to_string());
        self.0.push((key.into(), quoted));
    }

    /// A switch.
    pub(crate) fn switch(&mut self, key: impl Into<String>, on: bool) {
        self.0.push((key.into(), Some(on.to_string())));
    }

    /// A number as it was typed; an empty one takes the key back to its default. What is no number is
    /// quoted, and so refused in words by whoever reads it.
    pub(crate) fn number(&mut self, key: impl Into<String>, value: &str) {
        let key = key.into();
        match value.trim() {
            "" => self.0.push((key, None)),
            digits if digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() < 19 => {
                let digits = digits.trim_start_matches('0');
                let digits = if digits.is_empty() { "0" } else { digits };
                self.0.push((key, Some(digits.to_owned())));
            }
            other => self.text(key, other),
        }
    }

    /// A list of texts.
    pub(crate) fn list<'a>(
        &mut self,
        key: impl Into<String>,
        values: impl Iterator<Item = &'a str>,
    ) {
        let values: Vec<&str> = values.collect();
        let list = (!values.is_empty()).then(|| serde_json::Value::from(values).to_string());
        self.0.push((key.into(), list));
    }

    /// Anything that is TOML already.
    pub(crate) fn raw(&mut self, key: impl Into<String>, value: Option<String>) {
        self.0.push((key.into(), value));
    }
}

/// Puts values into the caller's draft.
pub(crate) async fn put(ask: &Ask, values: Values) -> Result<(), Refusal> {
    ask.call(Command::Network(NetworkAsk::DraftSet { values: values.0 })).await.map(|_| ())
}

/// Puts values into the draft and goes back to the page, which then shows that there is something to
/// review. A refusal that is not about the values is a failure.
pub(crate) async fn drafted(
    ask: &Ask,
    values: Values,
    path: &'static str,
) -> Result<Result<Answer, Refusal>, Failure> {
    match put(ask, values).await {
        Ok(()) => Ok(Ok(saved(ask, path))),
        Err(refusal) if refusal.kind == RefusalKind::Invalid => Ok(Err(refusal)),
        Err(refusal) => Err(refusal.into()),
    }
}

fn saved(ask: &Ask, path: &str) -> Answer {
    let said = msg("Noted as a draft. Nothing changes until you review and apply it.");
    see(&ask.leave(path, Flash::Done(said, Vec::new())))
}

/// A page of this room with what was refused about it.
pub(crate) fn troubled(v: View, refusal: Option<&Refusal>) -> View {
    match refusal {
        Some(refusal) => v.troubled(refusal),
        None => v,
    }
}

/// How strong a signal is, in a word.
pub(crate) fn strength(dbm: &i8) -> &'static str {
    match *dbm {
        -60.. => msg("strong"),
        -75..=-61 => msg("good"),
        _ => msg("weak"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_stays_in_its_place() {
        let mut values = Values::default();
        values.text("wifi.household.ssid", "a\" \nenabled = true # \u{1}");
        values.number("lan.dhcp.lease_seconds", "1 # comment");
        values.number("radio.phy0.channel", "011");
        values.list("dns.rebind_exceptions", ["a", "b\"]"].into_iter());
        values.text("mesh.id", "");
        let shown: Vec<_> = values.0.iter().map(|(_, value)| value.as_deref()).collect();
        assert_eq!(
            shown,
            [
                Some(r#""a\" \nenabled = true # \u0001""#),
                Some(r#""1 # comment""#),
                Some("11"),
                Some(r#"["a","b\"]"]"#),
                None
            ]
        );
    }
}
