//! The home network: the box's address in it, who gets which addresses, names that may lead inside.

use askama::Template;
use kith_model::network::status::Network;
use kith_model::refusal::Refusal;

use super::{Net, Values, drafted, troubled};
use crate::answer::{Answer, Failure, page, page_with, status_of};
use crate::ask::Ask;
use crate::lang::msg;
use crate::view::{Nav, View};

/// The page's address.
const PATH: &str = "/lan";

#[derive(Template)]
#[template(path = "network/lan.html")]
struct Page {
    v: View,
    net: Net,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    Ok(page(&lan(&ask, None).await?))
}

async fn lan(ask: &Ask, refusal: Option<&Refusal>) -> Result<Page, Failure> {
    let v = troubled(View::new(ask, Nav::Network), refusal);
    let mut net = Net::load(ask, PATH).await?;
    // What has a plug and a label first; what is only inside the box last.
    net.status.links.sort_by_key(|link| link.label.is_none());
    Ok(Page { v, net })
}

/// Notes how the household's network shall be.
pub(crate) async fn submit(ask: Ask) -> Result<Answer, Failure> {
    let form = &ask.form;
    let field = |name| form.get(name).unwrap_or_default().trim();
    let mut values = Values::default();
    values.text("lan.address", field("address"));
    values.switch("lan.dhcp.enabled", form.get("dhcp").is_some());
    values.text("lan.dhcp.first", field("first"));
    values.text("lan.dhcp.last", field("last"));
    values.number("lan.dhcp.lease_seconds", field("lease_seconds"));
    values.list("dns.rebind_exceptions", field("exceptions").split_whitespace());
    done(&ask, values).await
}

/// Notes how the visitors' network shall be.
pub(crate) async fn guest(ask: Ask) -> Result<Answer, Failure> {
    let mut values = Values::default();
    values.text("guest.address", ask.form.get("address").unwrap_or_default().trim());
    values.switch("guest.internet", ask.form.get("internet").is_some());
    values.number("guest.rate_kbit", ask.form.get("rate").unwrap_or_default());
    done(&ask, values).await
}

async fn done(ask: &Ask, values: Values) -> Result<Answer, Failure> {
    match drafted(ask, values, PATH).await? {
        Ok(answer) => Ok(answer),
        Err(refusal) => Ok(page_with(status_of(&refusal), &lan(ask, Some(&refusal)).await?)),
    }
}

impl Page {
    fn first(&self) -> String {
        self.net.settings.lan.dhcp.first.map(|ip| ip.to_string()).unwrap_or_default()
    }

    fn last(&self) -> String {
        self.net.settings.lan.dhcp.last.map(|ip| ip.to_string()).unwrap_or_default()
    }

    fn exceptions(&self) -> String {
        let names = self.net.settings.dns.rebind_exceptions.iter();
        names.map(|name| name.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn rate(&self) -> String {
        self.net.settings.guest.rate_kbit.map(|rate| rate.to_string()).unwrap_or_default()
    }

    fn of(network: &Option<Network>) -> &'static str {
        match network {
            Some(Network::Household) => msg("household"),
            Some(Network::Guest) => msg("visitors"),
            Some(Network::Mesh) => msg("mesh"),
            Some(Network::Wan) => msg("internet"),
            None => msg("not in use"),
        }
    }
}
