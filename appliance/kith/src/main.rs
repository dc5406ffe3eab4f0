//! The binary: wires, nothing else. What it does is in the crates it names; `cli/` holds one file a verb.

use std::process::ExitCode;

mod cli;
mod client;
mod failure;
mod log;
mod progress;
mod show;

fn main() -> ExitCode {
    let options = cli::parse();
    log::start(&options.verb);
    let json = options.global.json;
    match cli::carry_out(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            show::remark(&if json { failure.to_json() } else { format!("kith: {failure}") });
            ExitCode::from(failure.exit_code())
        }
    }
}
