//! `kith files add`: puts in a file or a folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use kith_model::reply::FileEntry;

use super::folder::{self, Folder};
use super::{Desk, In};
use crate::client::Source;
use crate::failure::{Failure, Outcome};
use crate::progress::Progress;
use crate::show;

/// Put in a file or a folder
///
/// A folder goes in with everything below it, but without symbolic links and empty folders.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kith files add soup.pdf\n  kith files add ~/photos --as 2026/summer\n  \
                        kith files add minutes.txt --collection council --space Gardens"
)]
pub(super) struct Add {
    /// The file or folder
    path: PathBuf,
    /// Where to put it [default: its own name]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    into: In,
}

impl Add {
    pub(super) async fn carry_out(self, desk: &Desk) -> Outcome {
        let name = match self.name {
            Some(name) => name,
            None => own_name(&self.path)?,
        };
        super::good_path(&name)?;
        let (whole, folder) = look(&self.path)?;
        for (path, why) in &whole.skipped {
            let path = path.display().to_string();
            show::remark(&format!("left out: {} ({why})", show::plain(&path)));
        }
        let mut client = desk.connect().await?;
        let place = self.into.place(&mut client, &name).await?;
        let mut progress = Progress::new("Adding", Some(whole.bytes));
        let entry = client.import(place, folder, whole.files, &mut progress).await?;
        drop(progress);
        if desk.json { show::print_json(&entry) } else { show::print(&words(&entry)) }
    }
}

/// What `path` holds, and whether it is a folder.
fn look(path: &Path) -> Outcome<(Folder, bool)> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if metadata.is_dir() {
        return Ok((folder::look(path)?, true));
    }
    if !metadata.is_file() {
        return Err(Failure::Usage(format!("{} is neither a file nor a folder", path.display())));
    }
    let file = Source { name: String::new(), path: path.to_owned() };
    Ok((Folder { files: vec![file], bytes: metadata.len(), skipped: Vec::new() }, false))
}

/// The last part of a path, also of one like `.` that does not show it.
fn own_name(path: &Path) -> Outcome<String> {
    let named = match path.file_name() {
        Some(_) => path.to_owned(),
        None => {
            fs::canonicalize(path).with_context(|| format!("cannot read {}", path.display()))?
        }
    };
    let name = named.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| {
        Failure::Usage(format!("{} has no name of its own: give one with --as", path.display()))
    })
}

fn words(entry: &FileEntry) -> String {
    let (path, size) = (show::plain(&entry.path), show::size(entry.size));
    let what = if entry.folder { "a folder of " } else { "" };
    format!("{path} is in, {what}{size}.\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_kept_under_its_last_part() {
        assert_eq!(own_name(Path::new("/a/soup.pdf")).unwrap(), "soup.pdf");
        assert_eq!(own_name(Path::new("photos/")).unwrap(), "photos");
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir_all(temp.path().join("here/below")).unwrap();
        assert_eq!(own_name(&temp.path().join("here/below/..")).unwrap(), "here");
        assert_eq!(own_name(Path::new("/")).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let message = look(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(message.starts_with("cannot read /nonexistent"), "{message}");
    }
}
