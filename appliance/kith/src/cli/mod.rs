//! The command line: which verbs there are and what they share. One file a verb.

use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use kith_model::command::Command;
use kith_model::reply::Reply;
use kith_supervise::logs::Logs;

use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::link::Link;
use crate::show;

mod account;
mod apply;
mod board;
mod changes;
mod clients;
mod config;
mod confirm;
mod demo;
mod files;
mod get;
mod invite;
mod join;
mod logs;
mod network;
mod peers;
mod role;
mod run;
mod safe_mode;
mod set;
mod settings;
mod space;
mod status;
mod store;
mod survey;
mod token;

/// A neighbourhood in a box: notices and files that neighbours share, box to box, without a cloud.
#[derive(Debug, Parser)]
#[command(
    name = "kith",
    version,
    max_term_width = 100,
    after_help = "Start with:\n  kith run          start a box and open its panel in a browser\n  \
                  kith demo         see three of them talk to each other\n\n\
                  Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not confirmed, 4 no node running, \
                  5 not allowed."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Where the box keeps everything [default: $XDG_DATA_HOME/kith or ~/.local/share/kith]
    #[arg(long, global = true, value_name = "DIR", help_heading = "For every command")]
    state: Option<PathBuf>,
    /// Answer in JSON, for programs
    #[arg(long, global = true, help_heading = "For every command")]
    pub(crate) json: bool,
}

/// What one can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start the box and keep it running
    Run(run::Run),
    /// How the box is
    Status(status::Status),
    /// The other boxes
    Peers(peers::Peers),
    /// Make a code with which a neighbour comes in
    Invite(invite::Invite),
    /// Join a neighbour's space with their code
    Join(join::Join),
    /// Files and folders
    Files(files::Files),
    /// Put up a notice, or answer one
    Post(board::Post),
    /// Read the notices
    Posts(board::Posts),
    /// Spaces, their members and what visitors see
    Space(space::Space),
    /// The people with an account on this box
    Account(account::Account),
    /// Tokens for programs that use the API
    Token(token::Token),
    /// How the network is
    Network(network::Network),
    /// The devices of household and visitors
    Clients(clients::Clients),
    /// Listen for other networks
    Survey(survey::Survey),
    /// The settings as lines
    Show(settings::Show),
    /// One value of the settings
    Get(get::Get),
    /// Put values into your draft of the settings
    Set(set::Set),
    /// What your draft would change
    Changes(changes::Changes),
    /// Make your draft hold
    Apply(apply::Apply),
    /// Keep the change that waits
    Confirm(confirm::Confirm),
    /// Take the change that waits back
    Revert(confirm::Revert),
    /// Wait longer for the confirmation
    Extend(confirm::Extend),
    /// The settings as one document
    Config(config::Config),
    /// Check or repair what is on the disk
    Store(store::Store),
    /// What the box and its daemons said lately
    Logs(logs::LogsVerb),
    /// Safe mode: the settings left aside because something failed too often
    SafeMode(safe_mode::SafeMode),
    /// Start three boxes with some content, to look around
    Demo(demo::Demo),
    /// What the supervisor starts; not for people
    #[command(hide = true)]
    Role(role::Role),
}

impl Verb {
    /// Whether it stays and serves, so that its log matters.
    pub(crate) const fn serves(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Role(_))
    }
}

/// Reads the command line; on wrong usage says so and exits with 2.
pub(crate) fn parse() -> Cli {
    Cli::parse()
}

/// Does what was asked.
pub(crate) fn carry_out(cli: Cli, logs: Option<Logs>) -> Outcome {
    let desk = Desk { state: cli.global.state()?, json: cli.global.json };
    match cli.verb {
        Verb::Role(verb) => verb.carry_out(desk.state),
        Verb::Run(verb) => wait_for(verb.carry_out(desk.state, logs)),
        Verb::Status(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Peers(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Invite(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Join(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Files(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Post(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Posts(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Space(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Account(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Token(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Network(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Clients(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Survey(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Show(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Get(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Set(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Changes(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Apply(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Confirm(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Revert(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Extend(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Config(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Store(verb) => verb.carry_out(&desk),
        Verb::Logs(verb) => wait_for(verb.carry_out(&desk)),
        Verb::SafeMode(verb) => wait_for(verb.carry_out(&desk)),
        Verb::Demo(verb) => wait_for(verb.carry_out(desk.json)),
    }
}

/// What the verbs work with: which box, and how to answer.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) state: PathBuf,
    pub(crate) json: bool,
}

impl Desk {
    /// A connection to the running node.
    pub(crate) async fn connect(&self) -> Outcome<Client> {
        Client::connect(&self.state).await
    }

    /// A connection to whoever drives the network; the node may be down.
    pub(crate) async fn link(&self) -> Outcome<Link> {
        Link::connect(&self.state).await
    }

    /// Says that something is done.
    pub(crate) fn say(&self, words: &str) -> Outcome {
        if self.json {
            return show::print_json(&serde_json::json!({ "done": true }));
        }
        show::print(&format!("{}\n", show::plain(words)))
    }

    /// Gives a command that only answers that it is done, and says so in `words`.
    pub(crate) async fn done(&self, command: Command, words: &str) -> Outcome {
        self.finish(&mut self.connect().await?, command, words).await
    }

    /// The same over a connection that is there already.
    pub(crate) async fn finish(
        &self,
        client: &mut Client,
        command: Command,
        words: &str,
    ) -> Outcome {
        let Reply::Done = client.command(command).await? else { return Err(Failure::off_topic()) };
        self.say(words)
    }
}

impl Global {
    fn state(&self) -> Outcome<PathBuf> {
        let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let state = match &self.state {
            Some(state) => state.clone(),
            None => default_state(given("XDG_DATA_HOME"), given("HOME")).ok_or_else(|| {
                Failure::Usage("no home directory is known: say where with --state DIR".to_owned())
            })?,
        };
        // A role works elsewhere than the shell that named the state.
        Ok(std::path::absolute(&state)
            .with_context(|| format!("cannot use {}", state.display()))?)
    }
}

/// The XDG Base Directory Specification says to ignore a relative directory.
fn default_state(data_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let data_home = data_home.map(PathBuf::from).filter(|path| path.is_absolute());
    let data_home = data_home.or_else(|| Some(PathBuf::from(home?).join(".local/share")))?;
    Some(data_home.join("kith"))
}

/// Runs one verb to its end, on this thread.
fn wait_for(verb: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?
        .block_on(verb)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_but_the_hidden_ones_explains_itself_with_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            if command.is_hide_set() || command.get_name() == "help" {
                return;
            }
            assert!(command.get_about().is_some(), "{path} says nothing about itself");
            for argument in command.get_arguments() {
                let id = argument.get_id();
                assert!(argument.get_help().is_some() || argument.is_hide_set(), "{path}: {id}");
            }
            if command.has_subcommands() {
                command.get_subcommands().for_each(|verb| check(verb, &path));
            } else {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("  kith "), "{path} has no example");
            }
        }
        Cli::command().get_subcommands().for_each(|verb| check(verb, "kith"));
    }

    #[test]
    fn every_example_is_a_command_line_that_is_understood() {
        fn check(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines().filter_map(|line| line.trim().strip_prefix("kith ")) {
                let line = line.split("  ").next().unwrap_or_default();
                let line = line.split(" | ").next().unwrap_or_default();
                if let Err(error) = Cli::try_parse_from(words(&format!("kith {line}"))) {
                    panic!("kith {line}: {error}");
                }
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn nobody_is_shown_the_roles_or_the_switches_of_crash_tests() {
        let help = Cli::command().render_long_help().to_string();
        assert!(!help.contains("role"), "{help}");
        let mut command = Cli::command();
        let run = command.find_subcommand_mut("run").unwrap().render_long_help().to_string();
        assert!(run.contains("--panel") && !run.contains("fsync"), "{run}");
    }

    #[test]
    fn the_state_is_where_xdg_says() {
        let path = |text: &str| Some(OsString::from(text));
        let state = |data, home| default_state(data, home).map(|s| s.display().to_string());
        assert_eq!(state(path("/d"), path("/h")).as_deref(), Some("/d/kith"));
        assert_eq!(state(None, path("/h")).as_deref(), Some("/h/.local/share/kith"));
        assert_eq!(state(path("relative"), path("/h")).as_deref(), Some("/h/.local/share/kith"));
        assert_eq!(state(None, None), None);
    }

    /// Splits a line as a shell does, as far as the examples need it.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut quoted) = (vec![String::new()], false);
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words
    }
}
