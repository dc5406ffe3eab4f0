//! `kith survey`: networks in reach of the radios.

use clap::Args;
use kith_model::network::ask::{Heard, NetworkAsk, NetworkReply};

use super::Desk;
use crate::failure::{Failure, Outcome};
use crate::show;

/// Listen for other networks on all radios, which takes some seconds
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith survey\n  kith survey --json | jq '.[] | select(.mesh)'")]
pub(crate) struct Survey {}

impl Survey {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let NetworkReply::Survey(heard) = desk.link().await?.ask(NetworkAsk::Survey).await? else {
            return Err(Failure::off_topic());
        };
        if desk.json {
            return show::print_json(&heard);
        }
        if heard.is_empty() {
            return show::print("Nothing is heard.\n");
        }
        let rows: Vec<_> = heard.iter().map(row).collect();
        show::print(&show::table(&["NAME", "WHAT", "SIGNAL", "CHANNEL", "BY", "BOXES"], &rows))
    }
}

fn row(heard: &Heard) -> Vec<String> {
    let what = match (heard.mesh, heard.secured) {
        (true, true) => "mesh",
        (true, false) => "open mesh",
        (false, true) => "Wi-Fi",
        (false, false) => "open Wi-Fi",
    };
    vec![
        heard.ssid.clone(),
        what.to_owned(),
        format!("{} dBm", heard.signal_dbm),
        heard.channel.to_string(),
        heard.radio.clone(),
        heard.count.to_string(),
    ]
}
