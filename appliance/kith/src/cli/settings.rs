//! `kith show`: the settings as flat lines.

use clap::Args;
use kith_model::network::ask::{NetworkAsk, SettingsText};
use kith_model::settings::show::{self as values, Line};

use super::Desk;
use crate::failure::Outcome;
use crate::show;

/// The settings as lines, with a mark of what is default
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith show\n  kith show wifi --secrets\n  kith show uplink.0")]
pub(crate) struct Show {
    /// Only this key and what is below it
    key: Option<String>,
    /// With passphrases
    #[arg(long)]
    secrets: bool,
}

impl Show {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let settings = desk.link().await?.settings(NetworkAsk::Draft).await?;
        let lines = values::show(&settings.text, self.key.as_deref(), self.secrets)?;
        if desk.json {
            return show::print_json(&lines);
        }
        draft_remark(&settings);
        show::print(&lines.iter().map(line).collect::<String>())
    }
}

fn line(line: &Line) -> String {
    let text = match &line.value {
        Some(value) => format!("{} = {value}", line.key),
        None => format!("# {} is not set", line.key),
    };
    let mark = if line.default && line.value.is_some() { "  # default" } else { "" };
    show::plain(&text).replace('\n', "\\n") + mark + "\n"
}

/// Says when what is shown does not hold yet.
pub(super) fn draft_remark(settings: &SettingsText) {
    if settings.draft {
        show::remark(
            "This is your draft: kith apply makes it hold, kith changes says what it changes.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_can_be_pasted_into_a_document() {
        let lines = values::show("[guest]\ninternet = false\n", None, false).unwrap();
        let text: String = lines.iter().map(line).collect();
        assert!(text.contains("# country is not set\n"), "{text}");
        assert!(text.contains("guest.internet = false\n"), "{text}");
        assert!(text.contains("guest.rate_kbit = 20000  # default\n"), "{text}");
        assert!(kith_model::settings::text::parse(&text).is_ok(), "{text}");
    }
}
