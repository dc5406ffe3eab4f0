//! The firewall in words: who may reach what, and what the owner has opened.

use askama::Template;
use kith_model::refusal::Refusal;

use super::{Net, Values, drafted, troubled};
use crate::answer::{Answer, Failure, page, page_with, status_of};
use crate::ask::Ask;
use crate::view::{Nav, View};

/// The page's address.
const PATH: &str = "/firewall";

#[derive(Template)]
#[template(path = "network/firewall.html")]
struct Page {
    v: View,
    net: Net,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    Ok(page(&firewall(&ask, None).await?))
}

async fn firewall(ask: &Ask, refusal: Option<&Refusal>) -> Result<Page, Failure> {
    let v = troubled(View::new(ask, Nav::Network), refusal);
    Ok(Page { v, net: Net::load(ask, PATH).await? })
}

/// Notes a port that leads to a device.
pub(crate) async fn add(ask: Ask) -> Result<Answer, Failure> {
    let form = &ask.form;
    let quoted = |name: &str| serde_json::Value::from(form.text(name).trim()).to_string();
    // A port is a number; anything else goes on quoted, and is refused in words by whoever reads it.
    let port = |name: &str| {
        let typed = form.text(name);
        typed.trim().parse::<u16>().map_or_else(|_| quoted(name), |port| port.to_string())
    };
    let common = format!(
        "name = {}, protocol = {}, port = {}, to = {}",
        quoted("name"),
        quoted("protocol"),
        port("port"),
        quoted("to")
    );
    let mut values = Values::default();
    if form.text("to").contains(':') {
        values.raw("firewall.pinhole.+", Some(format!("{{ {common} }}")));
    } else {
        let other = form.some("to_port").map(|_| format!(", to_port = {}", port("to_port")));
        let forward = format!("{{ {common}{} }}", other.unwrap_or_default());
        values.raw("firewall.forward.+", Some(forward));
    }
    done(&ask, values).await
}

/// Notes that a port leads nowhere any more.
pub(crate) async fn remove(ask: Ask) -> Result<Answer, Failure> {
    let list = if ask.form.get("of") == Some("pinhole") { "pinhole" } else { "forward" };
    let number: usize = ask.form.get("number").and_then(|n| n.parse().ok()).unwrap_or(usize::MAX);
    let mut values = Values::default();
    values.raw(format!("firewall.{list}.{number}"), None);
    done(&ask, values).await
}

async fn done(ask: &Ask, values: Values) -> Result<Answer, Failure> {
    match drafted(ask, values, PATH).await? {
        Ok(answer) => Ok(answer),
        Err(refusal) => Ok(page_with(status_of(&refusal), &firewall(ask, Some(&refusal)).await?)),
    }
}

impl Page {
    fn closed(&self) -> bool {
        let firewall = &self.net.settings.firewall;
        firewall.forward.is_empty() && firewall.pinhole.is_empty()
    }
}
