//! `kith files ls`, `rm` and `collections`: what there is.

use clap::Args;
use kith_model::command::Command;
use kith_model::control::Place;
use kith_model::reply::{FileEntry, Reply};

use super::{Desk, In, good_path};
use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::show;

/// How many entries are asked for at once: the most a node answers.
const PAGE: u32 = 1_000;

/// What there is
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kith files ls\n  kith files ls 2026/summer\n  kith files ls --json"
)]
pub(super) struct Ls {
    /// Which folder [default: the top]
    path: Option<String>,
    #[command(flatten)]
    from: In,
}

/// Remove a file or a folder
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kith files rm soup.pdf")]
pub(super) struct Rm {
    /// The file or folder
    name: String,
    #[command(flatten)]
    from: In,
}

/// The collections of a space
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  kith files collections --space Gardens")]
pub(super) struct Collections {
    /// In which space, by name or id
    #[arg(long, value_name = "S")]
    space: Option<String>,
}

impl Ls {
    pub(super) async fn carry_out(self, desk: &Desk) -> Outcome {
        let path = self.path.filter(|path| !path.trim_matches('/').is_empty());
        let path = path.as_deref().map(good_path).transpose()?.unwrap_or_default();
        let mut client = desk.connect().await?;
        let space = client.space(self.from.space).await?;
        let place = Place { space, collection: self.from.collection, path };
        let entries = entries(&mut client, &place).await?;
        if desk.json {
            return show::print_json(&entries);
        }
        if entries.is_empty() && place.path.is_empty() {
            return show::print("No files yet: put some in with kith files add.\n");
        }
        if entries.is_empty() {
            return show::print(&format!("Nothing in {}.\n", show::plain(&place.path)));
        }
        let now = show::now();
        let rows: Vec<_> = entries.iter().map(|entry| row(now, entry)).collect();
        show::print(&show::table(&["NAME", "SIZE", "HERE", "BY", "WHEN"], &rows))
    }
}

fn row(now: u64, entry: &FileEntry) -> Vec<String> {
    let name = entry.path.rsplit('/').next().unwrap_or_default();
    // A folder that only exists as part of other paths, or lies within one that was put, has no size of
    // its own.
    let unknown = entry.folder && entry.size == 0;
    let here = if entry.complete || entry.size == 0 {
        "all".to_owned()
    } else {
        format!("{} %", u128::from(entry.here) * 100 / u128::from(entry.size))
    };
    vec![
        if entry.folder { format!("{name}/") } else { name.to_owned() },
        if unknown { "-".to_owned() } else { show::size(entry.size) },
        here,
        entry.author_name.clone().unwrap_or_default(),
        if entry.time == 0 { "-".to_owned() } else { show::when(now, entry.time) },
    ]
}

impl Rm {
    pub(super) async fn carry_out(self, desk: &Desk) -> Outcome {
        let mut client = desk.connect().await?;
        let Place { space, collection, path } = self.from.place(&mut client, &self.name).await?;
        let command = Command::FileRemove { space, collection, path };
        let Reply::File(entry) = client.command(command).await? else {
            return Err(Failure::off_topic());
        };
        if desk.json {
            return show::print_json(&entry);
        }
        show::print(&format!("{} is removed.\n", show::plain(&entry.path)))
    }
}

impl Collections {
    pub(super) async fn carry_out(self, desk: &Desk) -> Outcome {
        let mut client = desk.connect().await?;
        let space = client.space(self.space).await?;
        let Reply::Collections(collections) =
            client.command(Command::Collections { space }).await?
        else {
            return Err(Failure::off_topic());
        };
        if desk.json {
            return show::print_json(&collections);
        }
        if collections.is_empty() {
            return show::print("No collections yet: the first file makes one.\n");
        }
        let seen = |public| if public { "yes".to_owned() } else { "no".to_owned() };
        let rows: Vec<_> = collections
            .into_iter()
            .map(|c| vec![c.name, show::number(c.entries), seen(c.public)])
            .collect();
        show::print(&show::table(&["COLLECTION", "ENTRIES", "VISITORS"], &rows))
    }
}

/// The one file or folder at a place.
pub(super) async fn entry(client: &mut Client, place: Place) -> Outcome<FileEntry> {
    let Place { space, collection, path } = place;
    let Reply::File(entry) = client.command(Command::File { space, collection, path }).await?
    else {
        return Err(Failure::off_topic());
    };
    Ok(entry)
}

/// Everything in a folder, page by page.
pub(super) async fn entries(client: &mut Client, place: &Place) -> Outcome<Vec<FileEntry>> {
    let Place { space, collection, path } = place.clone();
    let path = Some(path).filter(|path| !path.is_empty());
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let (space, collection, path) = (space.clone(), collection.clone(), path.clone());
        let command = Command::Files { space, collection, path, after, limit: Some(PAGE) };
        let Reply::Files(page) = client.command(command).await? else {
            return Err(Failure::off_topic());
        };
        after = page.last().and_then(|entry| entry.path.rsplit('/').next()).map(str::to_owned);
        let more = page.len() >= PAGE as usize;
        all.extend(page);
        if !more {
            return Ok(all);
        }
    }
}
