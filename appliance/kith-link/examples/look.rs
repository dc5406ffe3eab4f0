//! Prints what the hands see of this machine's network: `cargo run -p kith-link --example look`.
//!
//! Changes nothing. Without rights to the firewall it says so and shows the rest.

use std::collections::BTreeMap;

use kith_link::hands::Hands as _;
use kith_link::hands::real::{RealHands, Setup};
use kith_role::clock::SystemClock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // There is no folder of daemons' files; an empty one does.
    let folder = tempfile::tempdir()?;
    let setup = Setup {
        folder: folder.path(),
        groups: BTreeMap::new(),
        supervisor: None,
        clock: SystemClock::start(),
    };
    let mut hands = RealHands::start(setup).await?;
    let seen = hands.look().await?;
    #[expect(clippy::print_stdout, reason = "it is what this program is for")]
    {
        println!("{seen:#?}");
    }
    if std::env::args().nth(1).as_deref() == Some("survey") {
        let heard = hands.survey().await?;
        #[expect(clippy::print_stdout, reason = "it is what this program is for")]
        {
            println!("{heard:#?}");
        }
    }
    Ok(())
}
