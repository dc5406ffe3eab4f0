//! `kith account`: the people with an account on this box.

use clap::{Args, Subcommand, ValueEnum};
use kith_model::caller::AccountRole;
use kith_model::command::Command;
use kith_model::reply::Reply;
use kith_model::status::Status;

use super::Desk;
use crate::failure::{Failure, Outcome};
use crate::show;

/// The people with an account on this box
#[derive(Debug, Args)]
pub(crate) struct Account {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Everybody with an account
    #[command(visible_alias = "ls", after_help = "Example:\n  kith account list")]
    List,
    /// Make a link with which one more person gets an account
    #[command(after_help = "Example:\n  kith account invite")]
    Invite,
    /// Change what somebody may do on this box
    #[command(after_help = "Example:\n  kith account role ben owner")]
    Role {
        /// Whose
        name: String,
        /// What they become
        role: Role,
    },
    /// Remove an account; what its owner wrote stays
    #[command(after_help = "Example:\n  kith account remove ben")]
    Remove {
        /// Whose
        name: String,
    },
}

/// What somebody may do on a box.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Looks after the box
    Owner,
    /// Uses the box
    Member,
}

impl Account {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        match self.what {
            What::List => list(desk).await,
            What::Invite => invite(desk).await,
            What::Role { name, role } => {
                let (role, words) = match role {
                    Role::Owner => (AccountRole::Owner, format!("{name} looks after the box now.")),
                    Role::Member => (AccountRole::Member, format!("{name} uses the box now.")),
                };
                desk.done(Command::AccountRole { name, role }, &words).await
            }
            What::Remove { name } => {
                let words = format!("{name} has no account here any more.");
                desk.done(Command::AccountRemove { name }, &words).await
            }
        }
    }
}

async fn list(desk: &Desk) -> Outcome {
    let Reply::Accounts(accounts) = desk.connect().await?.command(Command::Accounts).await? else {
        return Err(Failure::off_topic());
    };
    if desk.json {
        return show::print_json(&accounts);
    }
    if accounts.is_empty() {
        return show::print("Nobody has an account yet: open the panel to claim the box.\n");
    }
    let now = show::now();
    let role = |role| match role {
        AccountRole::Owner => "owner".to_owned(),
        AccountRole::Member => "member".to_owned(),
    };
    let rows: Vec<_> = accounts
        .into_iter()
        .map(|a| vec![a.name, role(a.role), show::when(now, a.since), a.words, a.author])
        .collect();
    show::print(&show::table(&["NAME", "ROLE", "SINCE", "KEY IN WORDS", "DID"], &rows))
}

async fn invite(desk: &Desk) -> Outcome {
    let mut client = desk.connect().await?;
    let Reply::AccountInvite(invite) = client.command(Command::AccountInvite).await? else {
        return Err(Failure::off_topic());
    };
    let Reply::Status(status) = client.command(Command::Status).await? else {
        return Err(Failure::off_topic());
    };
    let link = link(&status, &invite.secret);
    if desk.json {
        let (secret, expires) = (invite.secret, invite.expires);
        let whole = serde_json::json!({ "link": link, "secret": secret, "expires": expires });
        return show::print_json(&whole);
    }
    let until = show::when(show::now(), invite.expires);
    show::print(&format!("{link}\n\nGood for one person; it ends {until}.\n"))
}

fn link(status: &Status, secret: &str) -> String {
    format!("{}/join/{secret}", status.panel.trim_end_matches('/'))
}
