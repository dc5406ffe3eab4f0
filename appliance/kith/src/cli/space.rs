//! `kith space`: spaces, who is in them, and what visitors see of them.

use clap::{Args, Subcommand, ValueEnum};
use kith_model::command::Command;
use kith_model::reply::{Member, Reply, Space as SpaceRow};

use super::Desk;
use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::show;

/// Spaces, their members and what visitors see
#[derive(Debug, Args)]
pub(crate) struct Space {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The spaces of this box
    #[command(visible_alias = "ls", after_help = "Example:\n  kith space list")]
    List,
    /// Make a space
    #[command(after_help = "Example:\n  kith space create \"Allotment gardens\"")]
    Create {
        /// Its name
        name: String,
    },
    /// Who is in a space
    #[command(after_help = "Examples:\n  kith space members\n  kith space members --space Gardens")]
    Members {
        #[command(flatten)]
        of: Of,
    },
    /// Say what visitors without an account may read
    #[command(after_help = "Examples:\n  kith space policy board files/shared\n  \
                            kith space policy --nothing")]
    Policy {
        #[command(flatten)]
        of: Of,
        /// What they may read: board, files/NAME
        #[arg(required_unless_present = "nothing", value_name = "CLASS")]
        public: Vec<String>,
        /// They may read nothing
        #[arg(long, conflicts_with = "public")]
        nothing: bool,
    },
    /// Give a member another role
    #[command(after_help = "Example:\n  kith space role Ada owner")]
    Role {
        #[command(flatten)]
        of: Of,
        /// Who: a name or a did:key
        member: String,
        /// What they become
        role: Role,
    },
    /// Remove a member
    #[command(after_help = "Example:\n  kith space remove Ada")]
    Remove {
        #[command(flatten)]
        of: Of,
        /// Who: a name or a did:key
        member: String,
    },
}

#[derive(Debug, Args)]
struct Of {
    /// Which space, by name or id
    #[arg(long, value_name = "S")]
    space: Option<String>,
}

/// What somebody may do in a space.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Reads, writes, and decides who else does
    Owner,
    /// Reads and writes
    Member,
}

impl Space {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        match self.what {
            What::List => list(desk).await,
            What::Create { name } => create(desk, name).await,
            What::Members { of } => members(desk, of).await,
            What::Policy { of, public, .. } => policy(desk, of, public).await,
            What::Role { of, member, role } => set_role(desk, of, member, role).await,
            What::Remove { of, member } => remove(desk, of, member).await,
        }
    }
}

async fn list(desk: &Desk) -> Outcome {
    let Reply::Spaces(spaces) = desk.connect().await?.command(Command::Spaces).await? else {
        return Err(Failure::off_topic());
    };
    if desk.json {
        return show::print_json(&spaces);
    }
    if spaces.is_empty() {
        return show::print("No space yet: make one with kith space create.\n");
    }
    let rows: Vec<_> = spaces.iter().map(space_row).collect();
    show::print(&show::table(&["SPACE", "YOUR ROLE", "MEMBERS", "VISITORS READ", "", "ID"], &rows))
}

fn space_row(space: &SpaceRow) -> Vec<String> {
    let name = if space.name.is_empty() { "(joining)" } else { &space.name };
    let remark = match (space.pending, space.default) {
        (true, _) => "waiting for a neighbour",
        (false, true) => "default",
        (false, false) => "",
    };
    vec![
        name.to_owned(),
        space.role.clone().unwrap_or_else(|| "none".to_owned()),
        show::number(space.members),
        visible(&space.public),
        remark.to_owned(),
        space.id.clone(),
    ]
}

fn visible(public: &[String]) -> String {
    if public.is_empty() { "nothing".to_owned() } else { public.join(", ") }
}

async fn create(desk: &Desk, name: String) -> Outcome {
    let command = Command::SpaceCreate { name };
    let Reply::Space(space) = desk.connect().await?.command(command).await? else {
        return Err(Failure::off_topic());
    };
    if desk.json {
        return show::print_json(&space);
    }
    let name = show::plain(&space.name);
    show::print(&format!(
        "{name} is made: let neighbours in with kith invite --space \"{name}\".\n"
    ))
}

async fn members(desk: &Desk, of: Of) -> Outcome {
    let mut client = desk.connect().await?;
    let space = client.space(of.space).await?;
    let members = fetch(&mut client, space).await?;
    if desk.json {
        return show::print_json(&members);
    }
    let (now, heading) = (show::now(), ["NAME", "ROLE", "SINCE", "KEY IN WORDS", "DID"]);
    let rows: Vec<_> = members.iter().map(|member| member_row(now, member)).collect();
    show::print(&show::table(&heading, &rows))
}

fn member_row(now: u64, member: &Member) -> Vec<String> {
    let role = if member.removed { "removed" } else { &member.role };
    vec![
        member.name.clone(),
        role.to_owned(),
        show::when(now, member.since),
        member.words.clone(),
        member.author.clone(),
    ]
}

async fn policy(desk: &Desk, of: Of, public: Vec<String>) -> Outcome {
    let mut client = desk.connect().await?;
    let space = client.space(of.space).await?;
    let words = format!("Visitors may read {} now.", visible(&public));
    desk.finish(&mut client, Command::PolicySet { space, public }, &words).await
}

async fn set_role(desk: &Desk, of: Of, member: String, role: Role) -> Outcome {
    let mut client = desk.connect().await?;
    let space = client.space(of.space).await?;
    let did = author(&mut client, space.clone(), &member).await?;
    let role = match role {
        Role::Owner => "owner",
        Role::Member => "member",
    };
    let words = format!("{member} is {role} now.");
    let command = Command::MemberSet { space, member: did, role: role.to_owned() };
    desk.finish(&mut client, command, &words).await
}

async fn remove(desk: &Desk, of: Of, member: String) -> Outcome {
    let mut client = desk.connect().await?;
    let space = client.space(of.space).await?;
    let did = author(&mut client, space.clone(), &member).await?;
    let words = format!("{member} is no member any more.");
    desk.finish(&mut client, Command::MemberRemove { space, member: did }, &words).await
}

async fn fetch(client: &mut Client, space: Option<String>) -> Outcome<Vec<Member>> {
    let Reply::Members(members) = client.command(Command::Members { space }).await? else {
        return Err(Failure::off_topic());
    };
    Ok(members)
}

/// The did:key somebody means by it or by a name.
async fn author(client: &mut Client, space: Option<String>, typed: &str) -> Outcome<String> {
    if typed.starts_with("did:key:") {
        return Ok(typed.to_owned());
    }
    only_author(&fetch(client, space).await?, typed)
}

fn only_author(members: &[Member], typed: &str) -> Outcome<String> {
    let mut meant = members.iter().filter(|m| !m.removed && (m.name == typed || m.words == typed));
    match (meant.next(), meant.next()) {
        (Some(member), None) => Ok(member.author.clone()),
        (Some(_), Some(_)) => Err(Failure::Usage(format!(
            "more than one member is called {typed}: give the did:key that kith space members shows"
        ))),
        (None, _) => Err(Failure::Usage(format!(
            "nobody is called {typed} here: kith space members shows who is"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_meant_by_name_unless_two_have_it() {
        let members = [member("Ada", "did:key:a", false), member("Ben", "did:key:b", false)];
        assert_eq!(only_author(&members, "Ben").unwrap(), "did:key:b");
        assert_eq!(only_author(&members, "Cyd").unwrap_err().exit_code(), 2);
        let twins = [member("Ada", "did:key:a", false), member("Ada", "did:key:c", false)];
        assert!(only_author(&twins, "Ada").unwrap_err().to_string().starts_with("more than one"));
    }

    #[test]
    fn a_removed_member_is_not_meant() {
        let members = [member("Ada", "did:key:a", true), member("Ada", "did:key:c", false)];
        assert_eq!(only_author(&members, "Ada").unwrap(), "did:key:c");
    }

    fn member(name: &str, author: &str, removed: bool) -> Member {
        Member {
            author: author.to_owned(),
            name: name.to_owned(),
            words: String::new(),
            role: "member".to_owned(),
            since: 0,
            invited_by: None,
            removed,
        }
    }
}
