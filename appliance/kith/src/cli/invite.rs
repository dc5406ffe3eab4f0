//! `kith invite`: a code with which a neighbour comes in, as text and as QR code.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use clap::Args;
use kith_model::command::Command;
use kith_model::reply::{InviteCode, Reply};
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::Desk;
use crate::failure::{Failure, Outcome};
use crate::show;

/// Make a code with which a neighbour comes in
///
/// Whoever has the code may join, so pass it on as you would a door key.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith invite\n  kith invite --many --days 1\n  \
                        kith invite --json | jq -r .code")]
pub(crate) struct Invite {
    /// Good for any number of people, not just one
    #[arg(long)]
    many: bool,
    /// Good for so many days, 30 at most [default: 7]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=30))]
    days: Option<u32>,
    /// Into which space, by name or id
    #[arg(long, value_name = "S")]
    space: Option<String>,
    /// Draw the QR code even when this is not a terminal
    #[arg(long)]
    qr: bool,
}

impl Invite {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let mut client = desk.connect().await?;
        let space = client.space(self.space).await?;
        let command = Command::Invite { space, many: self.many, days: self.days };
        let Reply::Invite(invite) = client.command(command).await? else {
            return Err(Failure::off_topic());
        };
        if desk.json {
            return show::print_json(&invite);
        }
        let drawn = self.qr || io::stdout().is_terminal();
        let picture = if drawn { draw(&invite.code)? + "\n" } else { String::new() };
        show::print(&format!("{picture}{}\n\n{}\n", invite.code, explanation(&invite)))
    }
}

fn explanation(invite: &InviteCode) -> String {
    let who = if invite.many { "anyone who has it" } else { "one person" };
    let until = show::when(show::now(), invite.expires);
    format!(
        "On the other box: kith join CODE, or the page Neighbours of its panel.\nGood for {who}; it ends {until}."
    )
}

/// The code in half blocks, light on dark terminals and dark on light ones alike: phones read both.
fn draw(code: &str) -> Outcome<String> {
    let picture = QrCode::with_error_correction_level(code, EcLevel::L)
        .context("the code does not fit into a QR code")?;
    // A terminal's ink is light more often than not, so the code's light modules are drawn with it.
    let drawn = picture
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .quiet_zone(true)
        .build();
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_full_length_is_drawn_within_80_columns() {
        let code = format!("KITH1-{}", "A2B3".repeat(110));
        let drawn = draw(&code).unwrap();
        let widths: Vec<_> = drawn.lines().map(|line| line.chars().count()).collect();
        assert!(widths.iter().all(|width| *width == widths[0] && *width <= 80), "{widths:?}");
        assert!(drawn.lines().next().unwrap().chars().all(|c| c == '█'), "a quiet zone of light");
    }
}
