//! `kith safe-mode`: whether the settings are left aside, and their second chance.

use clap::{Args, Subcommand};
use kith_model::role::{SuperviseAsk, Supervision};

use super::Desk;
use crate::client;
use crate::failure::Outcome;
use crate::show;

/// Safe mode: the settings left aside because something failed too often
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith safe-mode status\n  kith safe-mode end")]
pub(crate) struct SafeMode {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum What {
    /// Whether it is on, and why
    #[command(after_help = "Example:\n  kith safe-mode status")]
    Status,
    /// End it, and try the settings again
    #[command(after_help = "Example:\n  kith safe-mode end")]
    End,
}

impl SafeMode {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let ask = match self.what {
            What::Status => SuperviseAsk::Status,
            What::End => SuperviseAsk::EndSafeMode,
        };
        let supervision: Supervision = client::ask_supervisor(&desk.state, ask).await?;
        if desk.json {
            return show::print_json(&serde_json::json!({ "safe_mode": supervision.safe_mode }));
        }
        show::print(&show::plain(&words(supervision.safe_mode.as_deref())))
    }
}

fn words(reason: Option<&str>) -> String {
    reason.map_or_else(
        || "The settings are in force: there is no safe mode.\n".to_owned(),
        |why| {
            format!(
                "Safe mode: the settings are left aside, because {why}.\n\
                 When that is put right: kith safe-mode end\n"
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_why_and_how_to_end_it() {
        assert!(words(None).starts_with("The settings are in force"));
        let said = words(Some("the link failed 3 times"));
        assert!(said.contains("the link failed 3 times") && said.contains("kith safe-mode end"));
    }
}
