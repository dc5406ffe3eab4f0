//! Setting the network up in a few short steps, one form each. Answers go into the owner's draft, so a
//! step can be left and come back to; it can be run again at any time and touches only what it shows.

mod countries;

use askama::Template;
use kith_model::network::ask::{Heard, NetworkAsk, NetworkReply, Surveyed};
use kith_model::network::change::Review;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::settings::values::{MeshId, Passphrase, Ssid};

use super::{Net, Values, expect_network, network, put, troubled};
use crate::answer::{Answer, Failure, page, page_with, refuse, see, status_of};
use crate::ask::Ask;
use crate::lang::msg;
use crate::view::{Nav, View};
use countries::COUNTRIES;

/// The page's address.
const PATH: &str = "/setup";

/// Letters and digits that nobody mistakes for one another (Crockford's base 32, small).
const CLEAR: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A step after the claim, which is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Mesh,
    Internet,
    Wifi,
    Place,
    Review,
}

/// All steps: the name in the address, and what people call them.
const STEPS: [(Step, &str, &str); 5] = [
    (Step::Mesh, "mesh", msg("Neighbourhood")),
    (Step::Internet, "internet", msg("Internet")),
    (Step::Wifi, "wifi", msg("Wi-Fi")),
    (Step::Place, "place", msg("Place")),
    (Step::Review, "review", msg("Review")),
];

#[derive(Template)]
#[template(path = "network/setup.html")]
struct Page {
    v: View,
    net: Net,
    step: Step,
    /// Networks in reach, for the steps that ask about them.
    listened: Surveyed,
    /// Whether somebody would rather not wait for the radios.
    impatient: bool,
    /// A fresh passphrase that may be taken.
    fresh: String,
    review: Option<Review>,
}

/// A step as the list of steps shows it.
struct Mark {
    href: String,
    label: &'static str,
    number: usize,
    current: bool,
}

#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn begin(_ask: Ask) -> Result<Answer, Failure> {
    Ok(see("/setup/mesh"))
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let step = step_of(&ask)?;
    Ok(page(&shown(&ask, step, None).await?))
}

/// Takes the answers of a step and goes on to the next.
pub(crate) async fn submit(ask: Ask) -> Result<Answer, Failure> {
    let step = step_of(&ask)?;
    let values = match step {
        Step::Mesh => mesh(&ask),
        Step::Internet => internet(&ask),
        Step::Wifi => wifi(&ask),
        Step::Place => place(&ask),
        Step::Review => return Ok(see("/changes")),
    };
    match put(&ask, values).await {
        Ok(()) if ask.form.get("listen").is_some() => {
            network(&ask, NetworkAsk::Survey).await?;
            Ok(see(&format!("{PATH}/{}", ask.param("step"))))
        }
        Ok(()) => Ok(see(&after(step))),
        Err(refusal) if refusal.kind == RefusalKind::Invalid => {
            Ok(page_with(status_of(&refusal), &shown(&ask, step, Some(&refusal)).await?))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn step_of(ask: &Ask) -> Result<Step, Failure> {
    let name = ask.param("step");
    let known = STEPS.iter().find(|(_, known, _)| *known == name).map(|(step, ..)| *step);
    known.ok_or_else(|| refuse(RefusalKind::NotFound, "there is no such step of the set-up"))
}

fn after(step: Step) -> String {
    let next = STEPS.iter().find(|(later, ..)| *later > step);
    next.map_or_else(|| "/changes".into(), |(_, name, _)| format!("{PATH}/{name}"))
}

async fn shown(ask: &Ask, step: Step, refusal: Option<&Refusal>) -> Result<Page, Failure> {
    let v = troubled(View::new(ask, Nav::Network), refusal);
    let net = Net::load(ask, PATH).await?;
    let listened = match asks_about_others(step) && !net.status.radios.is_empty() {
        // Without ears the step still works: one can type what one knows.
        true => survey(ask).await,
        false => Surveyed::default(),
    };
    let review = match step {
        Step::Review if net.document.draft => {
            Some(expect_network!(network(ask, NetworkAsk::Review).await?, Review))
        }
        Step::Review | Step::Mesh | Step::Internet | Step::Wifi | Step::Place => None,
    };
    let impatient = ask.query.get("listen") == Some("no") || refusal.is_some();
    Ok(Page { v, net, step, listened, impatient, fresh: fresh_passphrase(), review })
}

const fn asks_about_others(step: Step) -> bool {
    matches!(step, Step::Mesh | Step::Internet)
}

/// What the radios heard last. A box that never listened begins to: there is nothing else to show.
async fn survey(ask: &Ask) -> Surveyed {
    let mut seen = surveyed(ask, NetworkAsk::Surveyed).await;
    if seen.at.is_none() && !seen.listening && seen.error.is_none() {
        seen = surveyed(ask, NetworkAsk::Survey).await;
    }
    seen.heard.sort_by_key(|network| (!network.mesh, std::cmp::Reverse(network.signal_dbm)));
    seen
}

async fn surveyed(ask: &Ask, question: NetworkAsk) -> Surveyed {
    match network(ask, question).await {
        Ok(NetworkReply::Surveyed(seen)) => seen,
        Ok(_) | Err(_) => Surveyed::default(),
    }
}

fn mesh(ask: &Ask) -> Values {
    let mut values = Values::default();
    let form = &ask.form;
    values.text("country", form.get("country").unwrap_or_default());
    let chosen = form.get("mesh").unwrap_or("none");
    let id = match chosen {
        "none" => None,
        "new" => form.some("new_id"),
        "typed" => form.some("typed_id"),
        heard => heard.strip_prefix("heard:").map(str::to_owned),
    };
    values.switch("mesh.enabled", chosen != "none");
    if chosen != "none" {
        values.text("mesh.id", id.as_deref().unwrap_or_default());
        let secret = if chosen == "new" { "new_secret" } else { "secret" };
        values.text("mesh.secret", form.get(secret).unwrap_or_default());
    }
    values
}

fn internet(ask: &Ask) -> Values {
    let mut values = Values::default();
    let form = &ask.form;
    let text = |name: &str| serde_json::Value::from(form.text(name)).to_string();
    match form.get("way") {
        Some("wifi") => {
            let passphrase = form.some("passphrase");
            let passphrase = passphrase
                .map(|secret| format!(", passphrase = {}", serde_json::Value::from(secret)));
            let wifi = format!("{{ ssid = {}{} }}", text("ssid"), passphrase.unwrap_or_default());
            let uplink = format!("[{{ device = {}, wifi = {wifi} }}]", text("radio"));
            values.raw("uplink", Some(uplink));
        }
        // By cable, or none: every uplink port asks by itself.
        Some(_) | None => values.raw("uplink", None),
    }
    values.switch("mesh.share_uplink", form.get("share").is_some());
    values
}

fn wifi(ask: &Ask) -> Values {
    let mut values = Values::default();
    let form = &ask.form;
    values.switch("wifi.household.enabled", form.get("household").is_some());
    values.text("wifi.household.ssid", form.get("ssid").unwrap_or_default());
    values.text("wifi.household.passphrase", form.get("passphrase").unwrap_or_default());
    let guest = form.get("guest").is_some();
    values.switch("wifi.guest.enabled", guest);
    if guest {
        values.text("wifi.guest.ssid", form.get("guest_ssid").unwrap_or_default());
    }
    values
}

fn place(ask: &Ask) -> Values {
    let mut values = Values::default();
    values.switch("place.outdoors", ask.form.get("outdoors").is_some());
    values.text("place.location", ask.form.get("location").unwrap_or_default());
    values.text("place.contact", ask.form.get("contact").unwrap_or_default());
    values
}

/// A passphrase of 80 random bits in groups that can be read out.
fn fresh_passphrase() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Better none than a guessable one: the field stays empty and is asked for.
        return String::new();
    }
    let letters: Vec<char> =
        bytes.iter().map(|byte| char::from(CLEAR[usize::from(byte & 31)])).collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

impl Page {
    fn marks(&self) -> Vec<Mark> {
        let steps = STEPS.iter().zip(2..);
        let mark = |((step, name, label), number): (&(Step, &str, &'static str), usize)| Mark {
            href: format!("{PATH}/{name}"),
            label,
            number,
            current: *step == self.step,
        };
        steps.map(mark).collect()
    }

    fn here(&self) -> String {
        let name = STEPS.iter().find(|(step, ..)| *step == self.step).map(|(_, name, _)| *name);
        format!("{PATH}/{}", name.unwrap_or_default())
    }

    fn back(&self) -> Option<String> {
        let before = STEPS.iter().rev().find(|(step, ..)| *step < self.step);
        before.map(|(_, name, _)| format!("{PATH}/{name}"))
    }

    fn countries(&self) -> &'static [(&'static str, &'static str)] {
        COUNTRIES
    }

    fn country(&self) -> &str {
        self.net.settings.country.as_ref().map(|country| country.as_str()).unwrap_or_default()
    }

    /// Whether the step is about networks in reach, and there are ears for them.
    fn listens(&self) -> bool {
        asks_about_others(self.step) && self.has_radio()
    }

    /// Whether the page waits until the radios have listened.
    fn waits(&self) -> bool {
        self.listened.listening && !self.impatient
    }

    /// Meshes in reach.
    fn meshes(&self) -> impl Iterator<Item = &Heard> {
        self.listened.heard.iter().filter(|heard| heard.mesh)
    }

    /// Access points in reach, which may be a way to the internet.
    fn access_points(&self) -> impl Iterator<Item = &Heard> {
        self.listened.heard.iter().filter(|heard| !heard.mesh && !heard.ssid.is_empty())
    }

    fn mesh_id(&self) -> &str {
        self.net.settings.mesh.id.as_ref().map(MeshId::as_str).unwrap_or_default()
    }

    fn mesh_secret(&self) -> &str {
        self.net.settings.mesh.secret.as_ref().map(Passphrase::as_str).unwrap_or_default()
    }

    /// Which answer about the mesh is marked: what the draft says; else to join what is in reach.
    fn is_chosen(&self, id: &str) -> bool {
        let mesh = &self.net.settings.mesh;
        if mesh.enabled {
            return self.mesh_id() == id;
        }
        self.meshes().next().is_some_and(|first| first.ssid == id)
    }

    /// Whether the draft names a mesh that is not heard.
    fn is_typed(&self) -> bool {
        self.net.settings.mesh.enabled && self.meshes().all(|heard| heard.ssid != self.mesh_id())
    }

    /// Whether there is nothing to join, and nothing was said.
    fn is_none(&self) -> bool {
        !self.net.settings.mesh.enabled && self.meshes().next().is_none()
    }

    fn ssid(&self) -> String {
        let household = &self.net.settings.wifi.household;
        let suggested =
            || self.v.status.name.chars().filter(|c| !c.is_control()).take(16).collect();
        household.ssid.as_ref().map(Ssid::as_str).map_or_else(suggested, str::to_owned)
    }

    fn passphrase(&self) -> &str {
        let household = &self.net.settings.wifi.household;
        household.passphrase.as_ref().map_or(&self.fresh, Passphrase::as_str)
    }

    fn guest_ssid(&self) -> String {
        let guest = &self.net.settings.wifi.guest;
        let suggested = || format!("{} open", self.ssid().chars().take(12).collect::<String>());
        guest.ssid.as_ref().map(Ssid::as_str).map_or_else(suggested, str::to_owned)
    }

    fn location(&self) -> &str {
        self.net.settings.place.location.as_ref().map(|text| text.as_str()).unwrap_or_default()
    }

    fn contact(&self) -> &str {
        self.net.settings.place.contact.as_ref().map(|text| text.as_str()).unwrap_or_default()
    }

    /// Whether there is a radio that could serve Wi-Fi.
    fn has_radio(&self) -> bool {
        !self.net.status.radios.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_passphrase_can_be_read_out_and_is_another_each_time() {
        let (one, two) = (fresh_passphrase(), fresh_passphrase());
        assert_ne!(one, two);
        assert_eq!(one.len(), 19);
        assert!(one.parse::<Passphrase>().is_ok());
        assert!(one.chars().all(|c| c == '-' || CLEAR.contains(&(c as u8))), "{one}");
    }

    #[test]
    fn the_steps_lead_to_the_review() {
        assert_eq!(after(Step::Mesh), "/setup/internet");
        assert_eq!(after(Step::Place), "/setup/review");
    }
}
