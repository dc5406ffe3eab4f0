//! The binary: wires, nothing else. What it does is in the crates it names; `cli/` holds one file a verb.

use std::process::ExitCode;

use kith_supervise::logs::Logs;

mod cli;
mod client;
mod failure;
mod link;
mod log;
mod progress;
mod show;

fn main() -> ExitCode {
    let options = cli::parse();
    let logs = log::start(&options.verb);
    let json = options.global.json;
    let result = cli::carry_out(options, logs.clone());
    // What was said on the way comes before the result.
    logs.iter().for_each(Logs::flush);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            show::remark(&if json { failure.to_json() } else { format!("kith: {failure}") });
            ExitCode::from(failure.exit_code())
        }
    }
}
