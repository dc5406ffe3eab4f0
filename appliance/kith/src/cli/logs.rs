//! `kith logs`: what the supervisor, the roles and the daemons said lately.

use std::time::Duration;

use clap::Args;
use kith_model::log::{LogLine, LogPage, MAX_LINES};
use kith_model::role::SuperviseAsk;

use super::Desk;
use crate::client;
use crate::failure::Outcome;
use crate::show;

/// How often there is a look for more.
const EVERY: Duration = Duration::from_millis(500);

/// What the box and its daemons said lately
///
/// Works also while the node is down. The log is in memory and gone after a restart.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith logs\n  kith logs --follow --source hostapd-phy0\n  \
                        kith logs --json | jq -r .text")]
pub(crate) struct LogsVerb {
    /// Go on with what is said from now on
    #[arg(long, short)]
    follow: bool,
    /// Only what this one says: supervisor, link, node, or a daemon such as hostapd-phy0
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
}

impl LogsVerb {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let mut after = Some(0);
        loop {
            let ask = SuperviseAsk::Logs { after, limit: MAX_LINES };
            let page: LogPage = client::ask_supervisor(&desk.state, ask).await?;
            if page.missed > 0 && after != Some(0) {
                show::remark(&format!("({} lines went by too fast)", page.missed));
            }
            for line in page.lines.iter().filter(|line| self.wants(line)) {
                // One object a line, so that what follows can be read by a program as well.
                show::print(&if desk.json { json(line)? } else { words(line) })?;
            }
            after = Some(page.next);
            match (page.lines.is_empty(), self.follow) {
                (false, _) => {}
                (true, true) => tokio::time::sleep(EVERY).await,
                (true, false) => return Ok(()),
            }
        }
    }

    fn wants(&self, line: &LogLine) -> bool {
        self.source.as_ref().is_none_or(|source| *source == line.source)
    }
}

fn json(line: &LogLine) -> Outcome<String> {
    let json = serde_json::to_string(line).map_err(anyhow::Error::new)?;
    Ok(json + "\n")
}

fn words(line: &LogLine) -> String {
    let LogLine { time, source, level, text, .. } = line;
    show::plain(&format!("{}  {:5}  {source}: {text}", show::moment(*time), level.name())) + "\n"
}

#[cfg(test)]
mod tests {
    use kith_model::log::LogLevel;

    use super::*;

    #[test]
    fn a_line_says_when_who_how_grave_and_what() {
        let line = LogLine {
            seq: 1,
            time: 1_795_164_120_250,
            source: "hostapd-phy0".to_owned(),
            level: LogLevel::Warn,
            text: "kith-ap0: AP-DISABLED".to_owned(),
        };
        assert_eq!(
            words(&line),
            "2026-11-20 08:42:00.250Z  WARN   hostapd-phy0: kith-ap0: AP-DISABLED\n"
        );
        assert!(json(&line).unwrap().ends_with("}\n"));
    }
}
