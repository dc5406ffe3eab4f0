//! `kith join CODE`: comes into a neighbour's space and returns when its content is on the way.

use std::time::Duration;

use clap::Args;
use kith_core::invite::Invite;
use kith_model::command::Command;
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::Reply;

use super::Desk;
use crate::failure::{Failure, Outcome};
use crate::show;

/// How long somebody waits at a prompt. The node goes on trying after that.
const PATIENCE: Duration = Duration::from_secs(60);

/// Join a neighbour's space with their code
///
/// Returns when what the neighbours have is known here. After a minute it gives up waiting; the box
/// goes on trying in the background.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith join KITH1-ABCDEF\n  kith join \"KITH1-ABC DEF\"")]
pub(crate) struct Join {
    /// The code that kith invite or the neighbour's panel shows
    #[arg(required = true)]
    code: Vec<String>,
}

impl Join {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let code = self.code.concat();
        // A slip of the fingers is noticed here, before anybody waits.
        let invite: Invite = code
            .parse()
            .map_err(|error| Refusal::new(RefusalKind::BadInvite, format!("{error}")))?;
        let mut client = desk.connect().await?;
        let command = Command::Join { code: invite.to_string() };
        let reply = match tokio::time::timeout(PATIENCE, client.command(command)).await {
            Ok(reply) => reply?,
            Err(_) => return Err(still_waiting().into()),
        };
        let Reply::Space(space) = reply else { return Err(Failure::off_topic()) };
        if desk.json {
            return show::print_json(&space);
        }
        let members = show::count(space.members, "member", "members");
        show::print(&format!("You are in {} now, with {members}.\n", show::plain(&space.name)))
    }
}

fn still_waiting() -> Refusal {
    Refusal::new(
        RefusalKind::StillWaiting,
        "no neighbour answered within a minute; the join stays pending and goes on by itself \
         (kith space list shows when it is through)",
    )
}
