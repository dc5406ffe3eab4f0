//! `kith files get` and `kith files export`: copies files out.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use kith_core::body::check_path;
use kith_model::control::{Ask, Place};
use kith_model::reply::FileEntry;

use super::out::{self, Part};
use super::{Desk, In, list};
use crate::client::Client;
use crate::failure::{Failure, Outcome};
use crate::progress::Progress;
use crate::show;

/// Copy a file or a folder out
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kith files get soup.pdf .\n  kith files get 2026/summer ~/photos\n  \
                        kith files get list.txt - | sort"
)]
pub(super) struct Get {
    /// The file or folder
    name: String,
    /// Where to: a file, a folder, or - for the standard output
    out: PathBuf,
    #[command(flatten)]
    from: In,
}

/// Write a file or a folder as a CAR file, as IPFS tools read it
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kith files export soup.pdf soup.car\n  kith files export photos - | wc -c"
)]
pub(super) struct Export {
    /// The file or folder
    name: String,
    /// Where to: a file, or - for the standard output
    out: PathBuf,
    #[command(flatten)]
    from: In,
}

impl Get {
    pub(super) async fn carry_out(self, desk: &Desk) -> Outcome {
        let mut client = desk.connect().await?;
        let place = self.from.place(&mut client, &self.name).await?;
        let entry = list::entry(&mut client, place.clone()).await?;
        let piped = is_standard_output(&self.out);
        let mut copy = Copy::new(&mut client, "Getting", entry.size);
        if piped && entry.folder {
            return Err(Failure::Usage(format!(
                "{} is a folder: say where to, or use kith files export {} -",
                self.name, self.name
            )));
        } else if piped {
            copy.pipe(Ask::Get(place)).await?;
        } else if entry.folder {
            copy.folder(&place, &out::goal(&self.out, &place.path)).await?;
        } else {
            let goal = out::goal(&self.out, &place.path);
            copy.file(Ask::Get(place), &goal).await?;
        }
        drop(copy);
        answer(desk, &entry, piped)
    }
}

impl Export {
    pub(super) async fn carry_out(self, desk: &Desk) -> Outcome {
        let mut client = desk.connect().await?;
        let place = self.from.place(&mut client, &self.name).await?;
        let entry = list::entry(&mut client, place.clone()).await?;
        let piped = is_standard_output(&self.out);
        let mut copy = Copy::new(&mut client, "Exporting", entry.size);
        let entry = if piped {
            copy.pipe(Ask::Export(place)).await?
        } else {
            copy.file(Ask::Export(place), &self.out).await?
        };
        drop(copy);
        answer(desk, &entry, piped)
    }
}

fn is_standard_output(out: &Path) -> bool {
    out == Path::new("-")
}

/// Says that it is done, unless the content itself went to the standard output.
fn answer(desk: &Desk, entry: &FileEntry, piped: bool) -> Outcome {
    if piped {
        return Ok(());
    }
    if desk.json {
        return show::print_json(entry);
    }
    let root = entry.root.as_deref().unwrap_or("a folder");
    show::print(&format!(
        "{} is out, {} ({root}).\n",
        show::plain(&entry.path),
        show::size(entry.size)
    ))
}

/// One copying out, of however many files.
struct Copy<'a> {
    client: &'a mut Client,
    progress: Progress,
    /// Bytes of the files that are out already.
    before: u64,
}

impl<'a> Copy<'a> {
    fn new(client: &'a mut Client, what: &'static str, size: u64) -> Self {
        Self { client, progress: Progress::new(what, Some(size)), before: 0 }
    }

    async fn pipe(&mut self, ask: Ask) -> Outcome<FileEntry> {
        self.client.copy(ask, out::standard_output()?, |_| {}).await
    }

    async fn file(&mut self, ask: Ask, goal: &Path) -> Outcome<FileEntry> {
        let (part, descriptor) = Part::create(goal)?;
        let (before, progress) = (self.before, &mut self.progress);
        let entry = self.client.copy(ask, descriptor, |done| progress.at(before + done)).await?;
        part.finish()?;
        self.before += entry.size;
        Ok(entry)
    }

    async fn folder(&mut self, place: &Place, goal: &Path) -> Outcome {
        let mut open = vec![place.path.clone()];
        make_folder(goal)?;
        while let Some(path) = open.pop() {
            let here = Place { path, ..place.clone() };
            for entry in list::entries(self.client, &here).await? {
                let goal = below(goal, &place.path, &entry.path)?;
                if entry.folder {
                    make_folder(&goal)?;
                    open.push(entry.path);
                } else {
                    let place = Place { path: entry.path, ..place.clone() };
                    self.file(Ask::Get(place), &goal).await?;
                }
            }
        }
        Ok(())
    }
}

/// Where the entry at `path` goes when the folder `from` goes to `goal`.
///
/// Names come from other people. The node has checked them; what is written to a disk is checked here
/// once more.
fn below(goal: &Path, from: &str, path: &str) -> Outcome<PathBuf> {
    let relative = path.strip_prefix(from).and_then(|rest| rest.strip_prefix('/'));
    let relative = relative.filter(|relative| check_path(relative).is_ok());
    relative.map(|relative| goal.join(relative)).ok_or_else(|| {
        anyhow::anyhow!("the node names a file that is not in the folder: {}", show::plain(path))
            .into()
    })
}

fn make_folder(path: &Path) -> Outcome {
    Ok(fs::create_dir_all(path)
        .with_context(|| format!("cannot make the folder {}", path.display()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_goes_to_its_place_below_the_goal() {
        let goal = Path::new("/out");
        assert_eq!(below(goal, "a", "a/b/c").unwrap(), Path::new("/out/b/c"));
    }

    #[test]
    fn no_entry_gets_out_of_the_goal() {
        for path in
            ["a/../x", "/etc/passwd", "a", "ab/c", "a//etc/passwd", "a/./b", "a/\u{0}", "b/c"]
        {
            assert!(below(Path::new("/out"), "a", path).is_err(), "{path:?}");
        }
    }
}
