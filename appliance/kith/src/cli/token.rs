//! `kith token`: tokens for programs that use the API.

use clap::{Args, Subcommand, ValueEnum};
use kith_model::caller::Scope as ModelScope;
use kith_model::command::Command;
use kith_model::reply::{Reply, Token as TokenRow};

use super::Desk;
use crate::failure::{Failure, Outcome};
use crate::show;

/// Tokens for programs that use the API
#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Your tokens, without their secrets
    #[command(visible_alias = "ls", after_help = "Example:\n  kith token list")]
    List,
    /// Make a token; its secret is shown this once
    #[command(after_help = "Examples:\n  kith token create \"weather station\" --scope write\n  \
                            kith token create prometheus --scope metrics --days 30")]
    Create {
        /// What it is for, in your words
        name: String,
        /// What it may be used for; may be given several times
        #[arg(long, value_name = "SCOPE", default_value = "read")]
        scope: Vec<Scope>,
        /// Good for so many days [default: 365]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        days: Option<u32>,
    },
    /// End a token
    #[command(after_help = "Example:\n  kith token revoke 7f3a")]
    Revoke {
        /// Its id, as kith token list shows it
        id: String,
    },
}

/// What a token may be used for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scope {
    /// Read what you may read
    Read,
    /// Write notices and files
    Write,
    /// Everything you may do
    Admin,
    /// Read /metrics and nothing else
    Metrics,
}

impl From<Scope> for ModelScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Write => Self::Write,
            Scope::Admin => Self::Admin,
            Scope::Metrics => Self::Metrics,
        }
    }
}

impl Token {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        match self.what {
            What::List => list(desk).await,
            What::Create { name, scope, days } => {
                let scopes = scope.into_iter().map(Into::into).collect();
                create(desk, Command::TokenCreate { name, scopes, days }).await
            }
            What::Revoke { id } => {
                let words = format!("The token {id} is good for nothing now.");
                desk.done(Command::TokenRevoke { id }, &words).await
            }
        }
    }
}

async fn list(desk: &Desk) -> Outcome {
    let Reply::Tokens(tokens) = desk.connect().await?.command(Command::Tokens).await? else {
        return Err(Failure::off_topic());
    };
    if desk.json {
        return show::print_json(&tokens);
    }
    if tokens.is_empty() {
        return show::print("No tokens: make one with kith token create.\n");
    }
    let now = show::now();
    let rows: Vec<_> = tokens.iter().map(|token| row(now, token)).collect();
    show::print(&show::table(&["ID", "FOR", "MAY", "MADE", "USED", "ENDS"], &rows))
}

fn row(now: u64, token: &TokenRow) -> Vec<String> {
    vec![
        token.id.clone(),
        token.name.clone(),
        token.scopes.iter().copied().map(scope).collect::<Vec<_>>().join(", "),
        show::when(now, token.since),
        token.used.map_or_else(|| "never".to_owned(), |used| show::when(now, used)),
        show::when(now, token.expires),
    ]
}

const fn scope(scope: ModelScope) -> &'static str {
    match scope {
        ModelScope::Read => "read",
        ModelScope::Write => "write",
        ModelScope::Admin => "admin",
        ModelScope::Metrics => "metrics",
    }
}

async fn create(desk: &Desk, command: Command) -> Outcome {
    let Reply::TokenCreated(created) = desk.connect().await?.command(command).await? else {
        return Err(Failure::off_topic());
    };
    if desk.json {
        return show::print_json(&created);
    }
    // The secret alone on the standard output, so that it can be piped into a file.
    show::print(&format!("{}\n", created.secret))?;
    let (id, until) = (&created.token.id, show::when(show::now(), created.token.expires));
    show::remark(&format!(
        "This is shown once. Token {id} ends {until}; kith token revoke {id} ends it now."
    ));
    Ok(())
}
