//! `kith-image`: what a maintainer asks of the image. Wires only; each verb is a room of the library.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use kith_image::debian::apt::Apt;
use kith_image::debian::build::Parts;
use kith_image::debian::lock;
use kith_image::definition::Definition;
use kith_image::files::{self, Generated, Source};
use kith_image::programs::Program;
use kith_image::{buildroot, debian, defconfig, definition, disk, dist, table};
use kith_model::profile::{self, Profile};

mod show;

use show::say;

/// From a board's profile to its image.
#[derive(Debug, Parser)]
#[command(name = "kith-image", version, max_term_width = 100)]
struct Cli {
    /// Kith's source tree [default: the one this folder lies in]
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    source: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

/// What one can do.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Write Buildroot's configuration of every board
    GenDefconfig,
    /// Write the table of boards into hw-profiles/README.md
    Docs,
    /// Check profiles and configurations; with BUILDROOT_DIR also against a Buildroot tree
    Check {
        /// Only this board
        #[arg(long, value_name = "NAME")]
        board: Option<String>,
        /// Say what is worth knowing too
        #[arg(long)]
        verbose: bool,
    },
    /// Write the image of a disk: its partitions, and what is put into them
    Disk {
        /// The board whose layout it has
        #[arg(long, value_name = "NAME")]
        board: String,
        /// What is in an area: its name and a file, such as kith-root-a=root.squashfs
        #[arg(long = "put", value_name = "AREA=FILE")]
        payloads: Vec<String>,
        /// What decides the ids of disk and partitions [default: the board's name]
        #[arg(long, value_name = "TEXT")]
        seed: Option<String>,
        /// Where to
        image: PathBuf,
    },
    /// Lock Debian's packages anew: their versions of today, with digests
    DebianLock {
        /// For this board's kind of processor
        #[arg(long, value_name = "NAME", default_value = "qemu-x86_64")]
        board: String,
        /// Where apt keeps its lists and files [default: image/dist/apt]
        #[arg(long, value_name = "DIR")]
        cache: Option<PathBuf>,
    },
    /// Build an image from Debian's locked packages
    Debian {
        /// The board
        #[arg(long, value_name = "NAME", default_value = "qemu-x86_64")]
        board: String,
        /// Our program, built for the board
        #[arg(long, value_name = "FILE")]
        kith: PathBuf,
        /// The first program, built for the board and linked statically
        #[arg(long, value_name = "FILE")]
        init: PathBuf,
        /// Where apt keeps its lists and files [default: image/dist/apt]
        #[arg(long, value_name = "DIR")]
        cache: Option<PathBuf>,
        /// Where to
        out: PathBuf,
    },
    /// Boot such an image in an emulated machine, its panel at http://127.0.0.1:PORT/
    Boot {
        /// The board
        #[arg(long, value_name = "NAME", default_value = "qemu-x86_64")]
        board: String,
        /// The panel's port on this machine
        #[arg(long, value_name = "PORT", default_value_t = 8481)]
        port: u16,
        /// Where the image lies
        folder: PathBuf,
    },
    /// Make the archive of this source and of all crates it is built from
    Dist {
        /// Where to [default: image/dist]
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match carry_out(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            show::remark(&format!("kith-image: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether all was well.
fn carry_out(cli: &Cli) -> anyhow::Result<bool> {
    let source = Source::above(&cli.source)?;
    let definition = Definition::parse(&source.read(definition::FILE)?)?;
    let boards = boards(&source)?;
    match &cli.verb {
        Verb::GenDefconfig => written(&source, &defconfig::all(&definition, &boards)?),
        Verb::Docs => {
            let page = table::page(&source.read(table::FILE)?, &boards)?;
            written(&source, &[page])
        }
        Verb::Check { board, verbose } => {
            check(&source, &definition, &boards, board.as_deref(), *verbose)
        }
        Verb::DebianLock { board, cache } => {
            lock_anew(&source, &definition, named(&boards, board)?, cache.as_deref())
        }
        Verb::Debian { board, kith, init, cache, out } => {
            let board = named(&boards, board)?;
            let lock_file = source.read(&lock_path(board)?)?;
            let packages = apt(&source, &definition, board, cache.as_deref())?;
            let packages = packages.locked(&lock::parse(&lock_file)?)?;
            let parts = Parts { board, debian: &definition.debian, packages, kith, init };
            debian::build::build(&source, &parts, out)?;
            say(&format!("wrote {}\n", out.join("disk.img").display()));
            Ok(true)
        }
        Verb::Boot { board, port, folder } => {
            let (program, arguments) =
                debian::qemu::command(named(&boards, board)?, folder, *port)?;
            say(&format!("the panel will be at http://127.0.0.1:{port}/; Ctrl-C ends it\n"));
            arguments.iter().fold(Program::new(&program), Program::arg).output()?;
            Ok(true)
        }
        Verb::Disk { board, payloads, seed, image } => {
            let board = named(&boards, board)?;
            let plan = disk::plan(board)?;
            let payloads = payloads.iter().map(|text| {
                let (area, file) = text.split_once('=').context("write --put AREA=FILE")?;
                Ok((area.to_owned(), Path::new(file)))
            });
            let payloads = payloads.collect::<anyhow::Result<Vec<_>>>()?;
            let seed = seed.as_deref().unwrap_or(&board.name);
            disk::image::write(&plan, seed.as_bytes(), &payloads, image)?;
            for area in plan.partitions.iter().chain(&plan.raw) {
                say(&format!("{:>12} {:>12} {}\n", area.offset, area.bytes, area.name));
            }
            Ok(true)
        }
        Verb::Dist { to } => {
            let to = to.clone().unwrap_or_else(|| source.join("image/dist"));
            let made = dist::make(&source, &to)?;
            say(&format!("{}  {} ({} files)\n", made.sha256, made.path.display(), made.files));
            Ok(true)
        }
    }
}

fn named<'b>(boards: &'b [Profile], name: &str) -> anyhow::Result<&'b Profile> {
    let found = boards.iter().find(|known| known.name == name);
    found.with_context(|| format!("there is no board {name} in hw-profiles"))
}

fn lock_path(board: &Profile) -> anyhow::Result<String> {
    let arch = board.arch.context("a board without an instruction set")?;
    Ok(format!("image/debian/{arch}.lock"))
}

fn apt(
    source: &Source,
    definition: &Definition,
    board: &Profile,
    cache: Option<&Path>,
) -> anyhow::Result<Apt> {
    let arch = board.arch.context("a board without an instruction set")?;
    let part = definition.arch.get(&arch).context("an instruction set that is not defined")?;
    let cache = cache.map_or_else(|| source.join("image/dist/apt"), Path::to_owned);
    let cache = cache.join(&part.debian);
    Apt::start(&cache, &definition.debian.suite, &part.debian)
}

fn lock_anew(
    source: &Source,
    definition: &Definition,
    board: &Profile,
    cache: Option<&Path>,
) -> anyhow::Result<bool> {
    let apt = apt(source, definition, board, cache)?;
    let arch = board.arch.context("a board without an instruction set")?;
    let part = definition.arch.get(&arch).context("an instruction set that is not defined")?;
    let parts = definition.package.values().filter(|package| package.every_box);
    let mut names: Vec<String> = parts.flat_map(|package| package.debian.clone()).collect();
    names.sort();
    let mut wanted = apt.resolve(&names)?;
    wanted.retain(|name, _| !definition.debian.without.contains(name));
    // The kernel alone, without what would make an initrd of its own.
    let kernels = apt.resolve(std::slice::from_ref(&part.kernel))?;
    let kernel = kernels.into_iter().find(|(name, _)| {
        name.strip_prefix("linux-image-")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    wanted.extend([kernel.context("Debian names no kernel")?]);
    let text = lock::text(&definition.debian.suite, &part.debian, apt.fetch(&wanted)?);
    written(source, &[Generated { path: lock_path(board)?, text }])
}

/// The profiles as they lie in the tree now, not as they were when this program was built.
fn boards(source: &Source) -> anyhow::Result<Vec<Profile>> {
    let folder = source.join("hw-profiles");
    let mut boards = Vec::new();
    let mut problems = Vec::new();
    let entries = std::fs::read_dir(&folder).context("cannot list hw-profiles")?;
    let mut names: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
    names.sort();
    for name in names.iter().filter_map(|name| name.to_str()) {
        let Ok(text) = std::fs::read_to_string(folder.join(name).join("profile.toml")) else {
            continue;
        };
        match profile::read(name, &text) {
            Ok(board) => boards.push(board),
            Err(errors) => problems.extend(errors.iter().map(ToString::to_string)),
        }
    }
    anyhow::ensure!(problems.is_empty(), "{}", problems.join("\n"));
    Ok(boards)
}

fn written(source: &Source, files: &[Generated]) -> anyhow::Result<bool> {
    let fresh = files::write(source, files)?;
    for path in &fresh {
        say(&format!("wrote {path}\n"));
    }
    say(&format!("{} of {} were stale\n", fresh.len(), files.len()));
    Ok(true)
}

fn check(
    source: &Source,
    definition: &Definition,
    boards: &[Profile],
    only: Option<&str>,
    verbose: bool,
) -> anyhow::Result<bool> {
    let mut well = true;
    let mut generated = defconfig::all(definition, boards)?;
    generated.push(table::page(&source.read(table::FILE)?, boards)?);
    for path in files::stale(source, &generated) {
        well = false;
        say(&format!("FAULT {path}: stale; run kith-image gen-defconfig and docs\n"));
    }
    say(&format!("{} profiles are sound\n", boards.len()));
    let Some(tree) = std::env::var_os("BUILDROOT_DIR").map(PathBuf::from) else {
        say(
            "skipped: what only a Buildroot tree can answer; say where one is with BUILDROOT_DIR\n",
        );
        return Ok(well);
    };
    let tree = tree.canonicalize().context("BUILDROOT_DIR is not there")?;
    let release = buildroot::run::release(&tree)?;
    let pinned = &definition.buildroot.release;
    if release != *pinned {
        say(&format!("note: the tree is of {release}, and {pinned} is pinned\n"));
    }
    if !source.join("image/dist/patches/kith/kith.hash").is_file() {
        anyhow::bail!("Buildroot asks for the digest of our archive: run kith-image dist first");
    }
    let made = |board: &&Profile| {
        let image = board.image.as_ref().is_some_and(|image| image.buildroot.is_some());
        image && only.is_none_or(|only| only == board.name)
    };
    for board in boards.iter().filter(made) {
        let findings = buildroot::run::board(source, &tree, definition, board)?;
        let verdict = if findings.faults.is_empty() { "resolves" } else { "FAULT" };
        say(&format!("{}: {verdict}\n", board.name));
        for fault in &findings.faults {
            say(&format!("  {fault}\n"));
        }
        for remark in findings.remarks.iter().filter(|_| verbose) {
            say(&format!("  ({remark})\n"));
        }
        well &= findings.faults.is_empty();
    }
    say("skipped: what needs the internet (sources, legal-info, CVEs) and utils/check-package\n");
    Ok(well)
}
