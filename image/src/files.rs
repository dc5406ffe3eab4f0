//! Where things are in the source tree, and files that are generated into it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The source tree.
#[derive(Clone, Debug)]
pub struct Source(PathBuf);

impl Source {
    /// The tree that `from` lies in.
    ///
    /// # Errors
    /// No folder above it has an `image/packages.toml`.
    pub fn above(from: &Path) -> anyhow::Result<Self> {
        let from =
            from.canonicalize().with_context(|| format!("there is no {}", from.display()))?;
        let found = from.ancestors().find(|folder| folder.join("image/packages.toml").is_file());
        match found {
            Some(folder) => Ok(Self(folder.to_owned())),
            None => bail!("{} is not in Kith's source tree: say --source DIR", from.display()),
        }
    }

    /// A path in it.
    #[must_use]
    pub fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Its top.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.0
    }

    /// A file of it.
    ///
    /// # Errors
    /// It cannot be read as text.
    pub fn read(&self, path: &str) -> anyhow::Result<String> {
        fs::read_to_string(self.join(path)).with_context(|| format!("cannot read {path}"))
    }
}

/// A file that is a function of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Where in the tree.
    pub path: String,
    /// What shall be in it.
    pub text: String,
}

/// Which of `files` are not as they shall be. A missing one is stale too.
#[must_use]
pub fn stale(source: &Source, files: &[Generated]) -> Vec<String> {
    let differs = |file: &&Generated| {
        fs::read_to_string(source.join(&file.path)).map_or(true, |text| text != file.text)
    };
    files.iter().filter(differs).map(|file| file.path.clone()).collect()
}

/// Writes those of `files` that are stale, and says which.
///
/// # Errors
/// One cannot be written.
pub fn write(source: &Source, files: &[Generated]) -> anyhow::Result<Vec<String>> {
    let stale = stale(source, files);
    for file in files.iter().filter(|file| stale.contains(&file.path)) {
        let path = source.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        fs::write(&path, &file.text).with_context(|| format!("cannot write {}", file.path))?;
    }
    Ok(stale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_stale_and_written_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("image")).unwrap();
        fs::write(folder.path().join("image/packages.toml"), "").unwrap();
        let source = Source::above(&folder.path().join("image")).unwrap();
        let files = [Generated { path: "a/b".into(), text: "new".into() }];
        assert_eq!(stale(&source, &files), ["a/b"]);
        assert_eq!(write(&source, &files).unwrap(), ["a/b"]);
        assert!(write(&source, &files).unwrap().is_empty());
        fs::write(folder.path().join("a/b"), "old").unwrap();
        assert_eq!(stale(&source, &files), ["a/b"]);
    }

    #[test]
    fn outside_the_tree_one_is_told_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = Source::above(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("say --source DIR"), "{error}");
    }
}
