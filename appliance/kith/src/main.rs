//! The binary: wires, nothing else. What it does is in the crates it names; `cli/` holds one file a verb.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use kith_link::names::DHCP_HOOK;
use kith_supervise::logs::Logs;

mod cli;
mod client;
mod failure;
mod link;
mod log;
mod progress;
mod show;

fn main() -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    let called = Path::new(&called);
    if called.file_name().is_some_and(|name| name == DHCP_HOOK) {
        return dhcp_hook(called);
    }
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

/// Called by dhcpcd, which reads what is complained about into its log.
fn dhcp_hook(called: &Path) -> ExitCode {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let environment = std::env::vars_os().filter_map(text).collect();
    match kith_link::hands::real::dhcpcd::hook(called, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show::remark(&format!("{}: nobody hears: {error}", called.display()));
            ExitCode::FAILURE
        }
    }
}
