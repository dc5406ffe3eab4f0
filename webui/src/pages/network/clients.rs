//! Devices: who is here, how well it hears us, its name, its address, a pause.

use askama::Template;
use kith_model::command::Command;
use kith_model::network::ask::NetworkAsk;
use kith_model::network::status::{Client, Network};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::settings::values::Mac;

use super::{Net, troubled};
use crate::answer::{Answer, Failure, page, page_with, refuse, see, status_of};
use crate::ask::Ask;
use crate::flash::Flash;
use crate::lang::msg;
use crate::view::{Nav, View};

/// The page's address.
const PATH: &str = "/clients";

#[derive(Template)]
#[template(path = "network/clients.html")]
struct Page {
    v: View,
    net: Net,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    Ok(page(&clients(&ask, None).await?))
}

async fn clients(ask: &Ask, refusal: Option<&Refusal>) -> Result<Page, Failure> {
    let v = troubled(View::new(ask, Nav::Network), refusal);
    let mut net = Net::load(ask, PATH).await?;
    net.status.clients.sort_by_key(|client| (!client.here, client.network, client.mac));
    Ok(Page { v, net })
}

/// Gives a device a name, an address for good, or a pause.
pub(crate) async fn submit(ask: Ask) -> Result<Answer, Failure> {
    let form = &ask.form;
    let mac: Mac = form
        .text("mac")
        .parse()
        .map_err(|_| refuse(RefusalKind::NotFound, "there is no such device"))?;
    let yes = |name: &str| form.get(name).map(|value| value == "yes");
    // Names are small letters in the DNS; whoever types them need not know.
    let name = form.get("name").map(|name| name.trim().to_lowercase().replace(' ', "-"));
    let set = NetworkAsk::ClientSet { mac, name, fixed: yes("fixed"), paused: yes("paused") };
    match ask.call(Command::Network(set)).await {
        Ok(_) => Ok(see(&ask.leave(PATH, Flash::Done(msg("Done, for this device."), Vec::new())))),
        Err(refusal) if refusal.kind == RefusalKind::Invalid => {
            Ok(page_with(status_of(&refusal), &clients(&ask, Some(&refusal)).await?))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

impl Page {
    /// What a device is called: by the household, by itself, or by its address.
    fn name(client: &Client) -> String {
        let name = client.name.clone().or_else(|| client.hostname.clone());
        name.filter(|name| !name.is_empty()).unwrap_or_else(|| client.mac.to_string())
    }

    fn given(client: &Client) -> &str {
        client.name.as_deref().unwrap_or_default()
    }

    fn rate(client: &Client) -> Option<String> {
        client.rate_kbit.map(|rate| format!("{} Mbit/s", rate / 1_000))
    }

    fn network(client: &Client) -> &'static str {
        match client.network {
            Network::Household => msg("household"),
            Network::Guest => msg("visitors"),
            Network::Mesh => msg("mesh"),
            Network::Wan => msg("internet"),
        }
    }
}
