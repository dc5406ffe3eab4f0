//! Labs: real nodes as processes, each in a temporary state, some in network namespaces of their own.
//!
//! Everything happens inside one private user, network and mount namespace, so no lab needs root and
//! none can reach a network; the lab `vm` has a machine of its own. What can be decided without
//! processes is tested in virtual time instead.
#![expect(clippy::disallowed_methods, reason = "a lab starts programs and looks at the clock")]
#![expect(clippy::print_stdout, reason = "a lab tells what it sees")]

pub mod avahi;
pub mod browser;
pub mod hands;
pub mod hostile;
pub mod house;
pub mod http;
pub mod ipfs;
pub mod namespace;
pub mod netns;
pub mod panel;
pub mod process;
pub mod raw_quic;
pub mod report;
pub mod router;
pub mod transcript;
pub mod vm;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Which lab.
    pub lab: String,
    /// Which of its scenarios; all when not given.
    pub scenario: Option<String>,
    /// The seed of what is random.
    pub seed: u64,
    /// Only what fits into three minutes.
    pub short: bool,
    /// A skip is a failure.
    pub must: bool,
}

impl Wishes {
    /// Reads the command line without the program's name.
    #[must_use]
    pub fn parse(args: &[String]) -> Option<Self> {
        let mut wishes = Self { seed: 1, ..Self::default() };
        let mut words = Vec::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--seed" => wishes.seed = args.next()?.parse().ok()?,
                "--short" => wishes.short = true,
                "--must" => wishes.must = true,
                word if word.starts_with('-') => return None,
                word => words.push(word.to_owned()),
            }
        }
        let mut words = words.into_iter();
        wishes.lab = words.next()?;
        wishes.scenario = words.next();
        words.next().is_none().then_some(wishes)
    }

    /// Whether `scenario` is to run.
    #[must_use]
    pub fn wants(&self, scenario: &str) -> bool {
        self.scenario.as_deref().is_none_or(|s| s == scenario)
    }
}

/// A folder for one lab, on the file system of the build, removed when dropped.
///
/// # Errors
/// When it cannot be made.
pub fn scratch(name: &str) -> Result<tempfile::TempDir> {
    let near = beside()?.join("lab");
    std::fs::create_dir_all(&near).with_context(|| format!("make {}", near.display()))?;
    tempfile::Builder::new().prefix(name).tempdir_in(&near).context("make a folder for the lab")
}

/// The `kith` that is tested: `$KITH`, or the one built beside this program.
///
/// # Errors
/// When there is none.
pub fn kith() -> Result<PathBuf> {
    let path = match std::env::var_os("KITH") {
        Some(path) => PathBuf::from(path),
        None => beside()?.join("kith"),
    };
    if !path.is_file() {
        bail!("{} is not built: cargo build --release", path.display());
    }
    path.canonicalize().context("find kith")
}

/// A folder of this crate's source, such as `browser`.
#[must_use]
pub fn source(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn beside() -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    Ok(own.parent().context("find this program's folder")?.to_owned())
}

/// Waits until `done` says so, and says how long that took.
///
/// # Errors
/// When `limit` passes first, or `done` fails.
pub fn wait(limit: Duration, what: &str, done: impl FnMut() -> Result<bool>) -> Result<Duration> {
    wait_asking(Duration::from_millis(10), (limit, what), done)
}

/// As [`wait`], asking with pauses of `pause`, for what costs something to be asked.
///
/// # Errors
/// As [`wait`].
pub fn wait_asking(
    pause: Duration,
    (limit, what): (Duration, &str),
    mut done: impl FnMut() -> Result<bool>,
) -> Result<Duration> {
    let start = Instant::now();
    loop {
        if done().with_context(|| format!("while waiting until {what}"))? {
            return Ok(start.elapsed());
        }
        if start.elapsed() > limit {
            bail!("after {limit:?} still waiting until {what}");
        }
        std::thread::sleep(pause);
    }
}

/// Whether a program is installed.
#[must_use]
pub fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}
