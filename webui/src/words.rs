//! What refusals and alerts are called, and what to do about them: message ids, translated where they
//! are shown.

use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::status::AlertKind;

use crate::lang::msg;

/// What went wrong with a form that is shown again.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    pub(crate) code: String,
}

/// A refusal in a heading's words, and the node's own below it.
pub(crate) fn trouble(refusal: &Refusal) -> Trouble {
    let code =
        serde_json::to_value(refusal.kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
    Trouble {
        title: title(refusal.kind),
        detail: refusal.message.clone(),
        code: code.unwrap_or_default(),
    }
}

/// What a kind of refusal is called, as a message id.
pub(crate) const fn title(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Invalid => msg("Something in this cannot be accepted"),
        RefusalKind::SignIn => msg("Please sign in first"),
        RefusalKind::WrongSecret => msg("That did not match"),
        RefusalKind::NotAllowed => msg("You may not do this here"),
        RefusalKind::NotFound => msg("There is nothing here"),
        RefusalKind::AlreadyClaimed => msg("This box has an owner already"),
        RefusalKind::NotClaimed => msg("This box has no owner yet"),
        RefusalKind::Exists => msg("Something of that name exists already"),
        RefusalKind::TooMany => msg("Too many tries: please wait a little"),
        RefusalKind::NoSpace => msg("There is no room for this"),
        RefusalKind::DiskFailed => msg("The disk does not take what is written"),
        RefusalKind::StillWaiting => msg("This takes longer and goes on in the background"),
        RefusalKind::NotHereYet => msg("This has not arrived on this box yet"),
        RefusalKind::BadInvite => msg("This invite cannot be used"),
        RefusalKind::Conflict => msg("Something changed in the meantime"),
        RefusalKind::Unavailable => msg("This part of the box does not run right now"),
        RefusalKind::Internal => msg("Something in the box broke"),
    }
}

/// What to do after a refusal, as a message id.
pub(crate) const fn next_step(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Invalid | RefusalKind::Exists => msg("Go back, change it and try again."),
        RefusalKind::SignIn => msg("Then do it once more."),
        RefusalKind::WrongSecret => {
            msg("Check what you typed, also for capital letters, and try again.")
        }
        RefusalKind::NotAllowed => msg("If you think you should, talk to the owner of the box."),
        RefusalKind::NotFound => {
            msg("It may have been removed, or it was never meant for visitors.")
        }
        RefusalKind::AlreadyClaimed => msg("Sign in, or ask its owner for an account."),
        RefusalKind::NotClaimed => msg("Claim it with the secret that it printed when it started."),
        RefusalKind::TooMany => msg("Waiting is all it takes; nothing is locked for good."),
        RefusalKind::NoSpace => msg("Remove what nobody needs, or give the box a larger disk."),
        RefusalKind::DiskFailed => {
            msg("What is on the box can still be read. Ask its owner to look at the disk soon.")
        }
        RefusalKind::StillWaiting => {
            msg("You can leave this page; it will be there when it is done.")
        }
        RefusalKind::NotHereYet => msg("It comes as soon as a box that has it is connected."),
        RefusalKind::BadInvite => {
            msg("Ask for a new one; they are good for a few days and often for one person only.")
        }
        RefusalKind::Conflict => msg("Look at how things stand now, and decide again."),
        RefusalKind::Unavailable => msg("It may be starting: try again in a moment."),
        RefusalKind::Internal => msg("Try again. If it stays so, the log of the box says more."),
    }
}

/// What a kind of alert is called, as a message id.
pub(crate) const fn alert(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::DiskFull => msg("The disk is full, or nearly so"),
        AlertKind::DiskFailed => msg("The disk does not take what is written"),
        AlertKind::ClockUntrusted => msg("This box is not sure what time it is"),
        AlertKind::Fork => msg("Two boxes write with the same key"),
        AlertKind::NotClaimed => msg("Nobody owns this box yet"),
    }
}
