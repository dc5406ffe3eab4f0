//! `kith demo`: three boxes on this machine that talk to each other, to look around in.
//!
//! They are real boxes, each with its own supervisor and node; only their state is thrown away at the
//! end.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use kith_model::command::Command;
use kith_model::control::Place;
use kith_model::reply::Reply;
use kith_supervise::signals::Signals;
use kith_supervise::{Announcement, Options, SuperviseError, Supervisor};
use serde::Serialize;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::{Client, Source};
use crate::failure::{Failure, Outcome};
use crate::progress::Progress;
use crate::show;

/// Start three boxes with some content, to look around
///
/// Prints where their panels are and how to sign in. Ctrl-C stops them and removes what they kept.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kith demo")]
pub(crate) struct Demo {}

/// The people of the demonstration, their boxes, and what they say.
const NEIGHBOURS: [Neighbour; 3] = [
    Neighbour {
        name: "ada",
        box_name: "Ada's kitchen",
        says: "Soup at six in the yard. Bring a bowl.",
    },
    Neighbour {
        name: "ben",
        box_name: "Ben's workshop",
        says: "I bring bread, and the long table.",
    },
    Neighbour { name: "cleo", box_name: "Cleo's attic", says: "The ladder is back in the shed." },
];

/// What Ada puts in.
const FILES: [(&str, &str); 3] = [
    ("Soup.txt", "Leeks, potatoes, a little cream. Serves twelve neighbours.\n"),
    ("Tools/Ladder.txt", "In the shed, behind the mower. Lock: ask Cleo.\n"),
    ("Tools/Drill.txt", "With Ben. Bits are in the red tin.\n"),
];

struct Neighbour {
    name: &'static str,
    box_name: &'static str,
    says: &'static str,
}

/// A box as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    name: &'static str,
    panel: String,
    account: &'static str,
    passphrase: String,
    state: PathBuf,
}

impl Demo {
    pub(crate) async fn carry_out(self, json: bool) -> Outcome {
        let mut signals = Signals::listen().context("cannot catch signals")?;
        let home = home()?;
        let states = NEIGHBOURS.map(|neighbour| home.path().join(neighbour.name));
        let (ready, announcements) = mpsc::channel(NEIGHBOURS.len());
        let (mut boxes, mut stops) = (JoinSet::new(), Vec::new());
        for (at, state) in states.iter().enumerate() {
            let supervisor = Supervisor::prepare(options(state)).map_err(anyhow::Error::new)?;
            let (stop, stopped) = mpsc::channel(1);
            stops.push(stop);
            let ready = ready.clone();
            // Nobody listens any more when a box is started again later on.
            let announce = move |a: &Announcement| drop(ready.try_send((at, a.clone())));
            boxes.spawn(async move { supervisor.run(stopped, announce).await });
        }
        let forward = async {
            loop {
                signals.next().await;
                stops.iter().for_each(ask_to_stop);
            }
        };
        let show = async {
            match furnish(announcements, &states, json).await {
                Ok(()) => std::future::pending().await,
                Err(failure) => failure,
            }
        };
        let mut ended = std::pin::pin!(all(boxes));
        let failure = tokio::select! {
            result = &mut ended => return result,
            never = forward => never,
            failure = show => failure,
        };
        stops.iter().for_each(ask_to_stop);
        ended.await?;
        Err(failure)
    }
}

fn ask_to_stop(stop: &mpsc::Sender<()>) {
    // A request that is waiting already says the same.
    stop.try_send(()).ok();
}

/// Where the demonstration keeps its states; removed when it goes out of scope.
fn home() -> anyhow::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("kith-demo-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
        .context("cannot make a directory for the demonstration")
}

fn options(state: &Path) -> Options {
    // On loopback only: a demonstration is nobody else's business.
    let listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    Options { state: state.to_owned(), listen, ..Options::default() }
}

/// Waits until every box has ended; the end of one that failed ends them all.
async fn all(mut boxes: JoinSet<Result<(), SuperviseError>>) -> Outcome {
    while let Some(ended) = boxes.join_next().await {
        ended.context("a supervisor broke")?.map_err(anyhow::Error::new)?;
    }
    Ok(())
}

/// Claims the boxes as they come up, joins them, gives them some content, and shows them.
async fn furnish(
    mut announcements: mpsc::Receiver<(usize, Announcement)>,
    states: &[PathBuf; NEIGHBOURS.len()],
    json: bool,
) -> Outcome {
    let passphrase = passphrase()?;
    let mut shown = Vec::new();
    while shown.len() < NEIGHBOURS.len() {
        let Some((at, announcement)) = announcements.recv().await else {
            return Err(anyhow::anyhow!("the boxes ended before they were ready").into());
        };
        claim(&NEIGHBOURS[at], &states[at], &announcement, &passphrase).await?;
        shown.push((at, announcement.panel));
    }
    // Boxes without content are still something to see.
    if let Err(failure) = fill(states).await {
        show::remark(&format!("kith: {failure}"));
    }
    shown.sort();
    let shown: Vec<Shown> = shown
        .into_iter()
        .map(|(at, panel)| {
            let Neighbour { name, box_name, .. } = NEIGHBOURS[at];
            Shown {
                name: box_name,
                panel,
                account: name,
                passphrase: passphrase.clone(),
                state: states[at].clone(),
            }
        })
        .collect();
    if json { show::print_json(&shown) } else { show::print(&words(&shown, &passphrase)) }
}

/// Four words of the list that names keys: 44 bits, on loopback, for as long as somebody looks around.
fn passphrase() -> anyhow::Result<String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    let words = kith_core::identity::words(&seed);
    Ok(words.split_whitespace().take(4).collect::<Vec<_>>().join("-"))
}

async fn claim(
    neighbour: &Neighbour,
    state: &Path,
    announcement: &Announcement,
    passphrase: &str,
) -> Outcome {
    let Some(secret) = announcement.claim.clone() else { return Ok(()) };
    let command = Command::Claim {
        secret,
        name: neighbour.name.to_owned(),
        box_name: neighbour.box_name.to_owned(),
        passphrase: passphrase.to_owned(),
    };
    Client::connect(state).await?.command(command).await?;
    Ok(())
}

/// Ada's box is the first; the others join her space, and each says something.
async fn fill([ada, others @ ..]: &[PathBuf; NEIGHBOURS.len()]) -> Outcome {
    put(Client::connect(ada).await?).await?;
    let mut ada = Client::connect(ada).await?;
    post(&mut ada, NEIGHBOURS[0].says).await?;
    let invite = Command::Invite { space: None, many: true, days: Some(1) };
    let Reply::Invite(invite) = ada.command(invite).await? else {
        return Err(Failure::off_topic());
    };
    for (state, neighbour) in others.iter().zip(&NEIGHBOURS[1..]) {
        let mut client = Client::connect(state).await?;
        client.command(Command::Join { code: invite.code.clone() }).await?;
        post(&mut client, neighbour.says).await?;
    }
    Ok(())
}

async fn post(client: &mut Client, text: &str) -> Outcome {
    client.command(Command::Post { space: None, text: text.to_owned(), re: None }).await?;
    Ok(())
}

async fn put(client: Client) -> Outcome {
    let temp = home()?;
    let mut sources = Vec::new();
    for (name, text) in FILES {
        let path = temp.path().join(name);
        let attempt = || format!("cannot write {}", path.display());
        path.parent().map_or(Ok(()), fs::create_dir_all).with_context(attempt)?;
        fs::write(&path, text).with_context(attempt)?;
        sources.push(Source { name: name.to_owned(), path });
    }
    let place = Place { space: None, collection: None, path: "Yard".to_owned() };
    client.import(place, true, sources, &mut Progress::silent()).await?;
    Ok(())
}

fn words(shown: &[Shown], passphrase: &str) -> String {
    let rows: Vec<_> = shown
        .iter()
        .map(|shown| vec![shown.name.to_owned(), shown.panel.clone(), shown.account.to_owned()])
        .collect();
    format!(
        "Three boxes, joined with each other:\n\n{}\nThe passphrase of all three: {passphrase}\n\
         Ctrl-C stops them and removes what they kept.\n",
        show::table(&["BOX", "PANEL", "SIGN IN AS"], &rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_long_enough_and_never_the_same() {
        let (one, two) = (passphrase().unwrap(), passphrase().unwrap());
        assert!(one.len() >= 10 && one != two, "{one} {two}");
    }

    #[test]
    fn the_home_of_the_demonstration_is_private_and_goes_away() {
        let home = home().unwrap();
        let path = home.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        drop(home);
        assert!(!path.exists());
    }
}
