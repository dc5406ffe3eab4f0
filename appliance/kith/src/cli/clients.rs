//! `kith clients`: the devices of household and visitors.

use clap::Args;
use kith_model::network::ask::{NetworkAsk, NetworkReply};
use kith_model::network::status::{Client, Network};

use super::Desk;
use crate::failure::{Failure, Outcome};
use crate::show;

/// The devices of household and visitors
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith clients\n  kith clients --json | jq '.[].mac'")]
pub(crate) struct Clients {}

impl Clients {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let NetworkReply::Status(status) = desk.link().await?.ask(NetworkAsk::Status).await? else {
            return Err(Failure::off_topic());
        };
        if desk.json {
            return show::print_json(&status.clients);
        }
        if status.clients.is_empty() {
            return show::print("No device is connected.\n");
        }
        let rows: Vec<_> = status.clients.iter().map(row).collect();
        let heading = ["NAME", "NETWORK", "ADDRESS", "MAC", "BY", "SIGNAL", ""];
        show::print(&show::table(&heading, &rows))
    }
}

fn row(client: &Client) -> Vec<String> {
    let name =
        client.name.clone().or_else(|| client.hostname.as_ref().map(|name| format!("({name})")));
    let network = match client.network {
        Network::Household => "household",
        Network::Guest => "visitors",
        Network::Mesh => "mesh",
        Network::Wan => "internet",
    };
    let marks = [(client.fixed, "fixed"), (client.paused, "paused"), (!client.here, "away")];
    let marks: Vec<&str> = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect();
    vec![
        name.unwrap_or_default(),
        network.to_owned(),
        client.ipv4.map_or_else(String::new, |address| address.to_string()),
        client.mac.to_string(),
        client.band.clone().unwrap_or_default(),
        client.signal_dbm.map_or_else(String::new, |dbm| format!("{dbm} dBm")),
        marks.join(", "),
    ]
}
