//! `kith get`: one value of the settings.

use clap::Args;
use kith_model::network::ask::NetworkAsk;
use kith_model::settings::show as values;

use super::Desk;
use super::settings::draft_remark;
use crate::failure::Outcome;
use crate::show;

/// One value of the settings; nothing where there is none
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kith get wifi.guest.enabled\n  kith get firewall.forward.0.port"
)]
pub(crate) struct Get {
    /// The key
    key: String,
}

impl Get {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let settings = desk.link().await?.settings(NetworkAsk::Draft).await?;
        let value = values::get(&settings.text, &self.key)?;
        if desk.json {
            return show::print_json(&serde_json::json!({ "key": self.key, "value": value }));
        }
        draft_remark(&settings);
        show::print(&value.map_or_else(String::new, |value| show::plain(&value) + "\n"))
    }
}
