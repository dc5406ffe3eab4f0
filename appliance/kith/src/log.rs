//! Where the log goes: to the standard error, one line an event, `time level target key=value`.
//!
//! `KITH_LOG` chooses what is in it (`KITH_LOG=debug`, `KITH_LOG=kith_net=trace`). No colours, ever: the
//! log is read in journals and files more often than in terminals.

use kith_supervise::logs::Logs;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::cli::Verb;

/// What a box says about itself, and what of it the crates we stand on may add.
const SERVING: &str = "warn,kith=info";

/// What a command says beside its answer.
const ASKING: &str = "warn";

/// Starts logging for the rest of the process. A supervisor's lines also go into the log that it keeps, which
/// is returned.
pub(crate) fn start(verb: &Verb) -> Option<Logs> {
    let default = if verb.serves() { SERVING } else { ASKING };
    let chosen = std::env::var("KITH_LOG").unwrap_or_else(|_| default.to_owned());
    let filter: Targets = chosen.parse().unwrap_or_else(|error| {
        crate::show::remark(&format!(
            "kith: KITH_LOG is not understood ({error}); using {default}"
        ));
        default.parse().unwrap_or_default()
    });
    let logs = matches!(verb, Verb::Run(_)).then(Logs::new);
    let log = tracing_subscriber::registry();
    let lines = tracing_subscriber::fmt::layer().with_ansi(false);
    // Fails only when something logs already, and nothing does before this.
    match logs.clone() {
        Some(logs) => {
            let lines = lines.with_writer(move || Kept(logs.clone()));
            tracing::subscriber::set_global_default(log.with(lines.with_filter(filter))).ok();
        }
        None => {
            let lines = lines.with_writer(std::io::stderr);
            tracing::subscriber::set_global_default(log.with(lines.with_filter(filter))).ok();
        }
    }
    logs
}

/// Writes into the log that is kept; each write is one line.
struct Kept(Logs);

impl std::io::Write for Kept {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.say(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
