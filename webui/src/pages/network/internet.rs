//! Internet: the ways there, in which order, and whether they are shared.

use askama::Template;
use kith_model::network::status::Uplink;
use kith_model::refusal::Refusal;
use kith_model::settings;

use super::{Net, Values, drafted, troubled};
use crate::answer::{Answer, Failure, page, page_with, status_of};
use crate::ask::Ask;
use crate::lang::msg;
use crate::view::{Nav, View};

/// The page's address.
const PATH: &str = "/internet";

#[derive(Template)]
#[template(path = "network/internet.html")]
struct Page {
    v: View,
    net: Net,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    Ok(page(&internet(&ask, None).await?))
}

async fn internet(ask: &Ask, refusal: Option<&Refusal>) -> Result<Page, Failure> {
    let v = troubled(View::new(ask, Nav::Network), refusal);
    Ok(Page { v, net: Net::load(ask, PATH).await? })
}

/// Notes one more way, or another than before.
pub(crate) async fn add(ask: Ask) -> Result<Answer, Failure> {
    let form = &ask.form;
    let quoted = |name: &str| serde_json::Value::from(form.text(name).trim()).to_string();
    let mut uplink = format!("device = {}", quoted("device"));
    if form.some("ssid").is_some() {
        let secret =
            form.some("passphrase").map(|_| format!(", passphrase = {}", quoted("passphrase")));
        uplink +=
            &format!(", wifi = {{ ssid = {}{} }}", quoted("ssid"), secret.unwrap_or_default());
    }
    if form.some("address").is_some() {
        let dns: Vec<&str> = form.get("dns").unwrap_or_default().split_whitespace().collect();
        let dns = serde_json::Value::from(dns);
        uplink += &format!(
            ", fixed = {{ address = {}, router = {}, dns = {dns} }}",
            quoted("address"),
            quoted("router"),
        );
    }
    let mut values = Values::default();
    values.raw("uplink.+", Some(format!("{{ {uplink} }}")));
    done(&ask, values).await
}

/// Notes that a way is no longer one.
pub(crate) async fn remove(ask: Ask) -> Result<Answer, Failure> {
    let mut values = Values::default();
    let number: usize = ask.form.get("number").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    values.raw(format!("uplink.{number}"), None);
    done(&ask, values).await
}

/// Notes what is shared with the mesh, and who is asked about names.
pub(crate) async fn share(ask: Ask) -> Result<Answer, Failure> {
    let mut values = Values::default();
    values.switch("mesh.share_uplink", ask.form.get("share").is_some());
    values.number("mesh.share_down_kbit", ask.form.get("down").unwrap_or_default());
    values.number("mesh.share_up_kbit", ask.form.get("up").unwrap_or_default());
    values.list("dns.upstream", ask.form.get("dns").unwrap_or_default().split_whitespace());
    done(&ask, values).await
}

async fn done(ask: &Ask, values: Values) -> Result<Answer, Failure> {
    match drafted(ask, values, PATH).await? {
        Ok(answer) => Ok(answer),
        Err(refusal) => Ok(page_with(status_of(&refusal), &internet(ask, Some(&refusal)).await?)),
    }
}

impl Page {
    fn sentence(&self) -> &'static str {
        crate::pages::glance::internet(self.net.status.internet)
    }

    fn state(uplink: &Uplink) -> &'static str {
        match (uplink.carrier, uplink.healthy, uplink.in_use) {
            (_, true, true) => msg("in use"),
            (_, true, false) => msg("works, in reserve"),
            (true, false, _) => msg("does not reach the internet"),
            (false, ..) => msg("nothing plugged in"),
        }
    }

    fn wanted(&self) -> &[settings::Uplink] {
        &self.net.settings.uplink
    }

    /// Devices that may lead to the internet: cable ports and radios.
    fn devices(&self) -> Vec<&str> {
        let links = self.net.status.links.iter();
        let ports = links.filter(|link| link.kind == "ethernet").map(|link| link.name.as_str());
        ports.chain(self.net.status.radios.iter().map(|radio| radio.name.as_str())).collect()
    }

    fn upstream(&self) -> String {
        let servers: Vec<String> =
            self.net.settings.dns.upstream.iter().map(ToString::to_string).collect();
        servers.join(" ")
    }

    fn rtt(&self, micros: &u64) -> String {
        crate::figures::rtt(self.v.lang, *micros)
    }
}
