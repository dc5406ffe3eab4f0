//! `kith survey`: networks in reach of the radios.

use std::time::Duration;

use clap::Args;
use kith_model::network::ask::{Heard, NetworkAsk, NetworkReply, Surveyed};

use super::Desk;
use crate::failure::{Failure, Outcome};
use crate::show;

/// How often it is asked whether the radios have listened to the end.
const AGAIN: Duration = Duration::from_secs(1);

/// How long they may take: some ten seconds for each radio.
const PATIENCE: Duration = Duration::from_secs(90);

/// Listen for other networks on all radios, which takes some seconds
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kith survey\n  kith survey --last\n  kith survey --json | jq '.heard[] | select(.mesh)'"
)]
pub(crate) struct Survey {
    /// Answer at once with what was heard the last time
    #[arg(long)]
    last: bool,
}

impl Survey {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let mut link = desk.link().await?;
        let mut ask = if self.last { NetworkAsk::Surveyed } else { NetworkAsk::Survey };
        let end = tokio::time::Instant::now() + PATIENCE;
        let mut said = false;
        let seen = loop {
            let NetworkReply::Surveyed(seen) = link.ask(ask).await? else {
                return Err(Failure::off_topic());
            };
            if self.last || !seen.listening || tokio::time::Instant::now() >= end {
                break seen;
            }
            if !std::mem::replace(&mut said, true) {
                show::remark("the radios listen, which takes some seconds …");
            }
            tokio::time::sleep(AGAIN).await;
            ask = NetworkAsk::Surveyed;
        };
        if desk.json {
            return show::print_json(&seen);
        }
        tell(&seen)
    }
}

fn tell(seen: &Surveyed) -> Outcome {
    if seen.listening {
        show::remark("the radios still listen; this is what they heard the time before");
    }
    if let Some(error) = &seen.error {
        show::remark(&format!("the radios could not listen: {error}"));
    }
    let Some(at) = seen.at else {
        return show::print("The radios have not listened yet.\n");
    };
    if seen.heard.is_empty() {
        return show::print(&format!("Nothing was heard, {}.\n", show::when(show::now(), at)));
    }
    let rows: Vec<_> = seen.heard.iter().map(row).collect();
    show::print(&show::table(&["NAME", "WHAT", "SIGNAL", "CHANNEL", "BY", "BOXES"], &rows))
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
