//! Where the log goes: to the standard error, one line an event, `time level target key=value`.
//!
//! `KITH_LOG` chooses what is in it (`KITH_LOG=debug`, `KITH_LOG=kith_net=trace`). No colours, ever: the
//! log is read in journals and files more often than in terminals.

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::cli::Verb;

/// What a box says about itself, and what of it the crates we stand on may add.
const SERVING: &str = "warn,kith=info";

/// What a command says beside its answer.
const ASKING: &str = "warn";

/// Starts logging for the rest of the process.
pub(crate) fn start(verb: &Verb) {
    let default = if verb.serves() { SERVING } else { ASKING };
    let chosen = std::env::var("KITH_LOG").unwrap_or_else(|_| default.to_owned());
    let filter: Targets = chosen.parse().unwrap_or_else(|error| {
        crate::show::remark(&format!(
            "kith: KITH_LOG is not understood ({error}); using {default}"
        ));
        default.parse().unwrap_or_default()
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let log = tracing_subscriber::registry().with(lines.with_filter(filter));
    // Fails only when something logs already, and nothing does before this.
    tracing::subscriber::set_global_default(log).ok();
}
