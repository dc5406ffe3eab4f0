//! `kith config`: the settings as one document.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use kith_model::network::ask::NetworkAsk;
use kith_model::network::change::Finding;
use kith_model::settings::{check, mask, migrate};

use super::Desk;
use super::changes::count;
use crate::failure::{Failure, Outcome};
use crate::{link, show};

/// The settings as one document: check, compare, export, import
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Say what is wrong with a file (no running box needed), or with your draft
    #[command(after_help = "Examples:\n  kith config check settings.toml\n  kith config check")]
    Check {
        /// The file, or - for the standard input
        file: Option<PathBuf>,
    },
    /// Show what a file or your draft would change, as a diff without secrets
    #[command(after_help = "Examples:\n  kith config diff\n  kith config diff settings.toml")]
    Diff {
        /// The file, or - for the standard input
        file: Option<PathBuf>,
    },
    /// Write the settings in force, without secrets unless asked
    #[command(after_help = "Examples:\n  kith config export settings.toml --secrets\n  \
                            kith config export | less")]
    Export {
        /// A new file; the standard output if left out
        file: Option<PathBuf>,
        /// With passphrases
        #[arg(long)]
        secrets: bool,
    },
    /// Make a file your draft; kith apply makes it hold
    #[command(after_help = "Example:\n  kith config import settings.toml")]
    Import {
        /// The file, or - for the standard input
        file: PathBuf,
    },
}

impl Config {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        match self.what {
            What::Check { file: Some(file) } => check_file(desk, &file),
            What::Check { file: None } => {
                let draft = desk.link().await?.settings(NetworkAsk::Draft).await?;
                report(desk, if draft.draft { "draft" } else { "settings" }, &draft.findings)
            }
            What::Diff { file } => diff(desk, file.as_deref()).await,
            What::Export { file, secrets } => export(desk, file.as_deref(), secrets).await,
            What::Import { file } => import(desk, &file).await,
        }
    }
}

fn check_file(desk: &Desk, file: &Path) -> Outcome {
    let text = link::read_document(file)?;
    let name = file.display().to_string();
    match migrate::migrate(&text) {
        Ok(migrated) => {
            migrated.words.iter().for_each(|words| show::remark(&format!("{name}: {words}")));
            report(desk, &name, &in_the_file(&text, &migrated.text))
        }
        Err(findings) => report(desk, &name, &findings),
    }
}

/// What is wrong with a document that was brought up to date, with the lines of the file. What comes into
/// it that way, its version, stands at its top.
fn in_the_file(file: &str, current: &str) -> Vec<Finding> {
    let (_, mut findings) = check::document(current);
    let more = current.lines().count().saturating_sub(file.lines().count());
    let more = u32::try_from(more).unwrap_or_default();
    for finding in findings.iter_mut().filter(|finding| finding.line > 0) {
        finding.line = finding.line.saturating_sub(more).max(1);
    }
    findings
}

fn report(desk: &Desk, name: &str, findings: &[Finding]) -> Outcome {
    let errors = findings.iter().filter(|finding| !finding.advice).count();
    if desk.json {
        show::print_json(&serde_json::json!({ "sound": errors == 0, "findings": findings }))?;
    } else {
        show::print(&link::findings(name, findings))?;
    }
    if errors > 0 {
        let errors = show::count(errors as u64, "thing is", "things are");
        return Err(anyhow::anyhow!("{errors} wrong with {name}").into());
    }
    if desk.json { Ok(()) } else { show::print(&format!("{name} can be applied.\n")) }
}

async fn diff(desk: &Desk, file: Option<&Path>) -> Outcome {
    let ask = match file {
        Some(file) => NetworkAsk::Check { text: current(&link::read_document(file)?)? },
        None => NetworkAsk::Review,
    };
    let review = desk.link().await?.review(ask).await?;
    if desk.json {
        return show::print_json(&review);
    }
    show::remark(link::findings("", &review.findings).trim_end());
    if review.diff.is_empty() {
        return show::print("Nothing differs from the settings in force.\n");
    }
    show::print(&show::plain(&review.diff))
}

async fn export(desk: &Desk, file: Option<&Path>, secrets: bool) -> Outcome {
    let settings = desk.link().await?.settings(NetworkAsk::Settings).await?;
    let text = if secrets {
        settings.text
    } else {
        let broken =
            || anyhow::anyhow!("the settings in force cannot be read, so nothing is shown");
        mask::masked(&settings.text).ok_or_else(broken)?
    };
    let Some(file) = file else {
        if desk.json {
            return show::print_json(
                &serde_json::json!({ "text": text, "revision": settings.revision }),
            );
        }
        return show::print(&text);
    };
    // It may hold secrets, and never takes the place of something else.
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    opened
        .and_then(|mut opened| opened.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", file.display()))?;
    desk.say(&format!("Written to {}.", file.display()))
}

async fn import(desk: &Desk, file: &Path) -> Outcome {
    let text = current(&link::read_document(file)?)?;
    let draft = desk.link().await?.settings(NetworkAsk::DraftReplace { text }).await?;
    count(desk, &draft)
}

/// A document of this version; what changed is remarked.
fn current(text: &str) -> Outcome<String> {
    let migrated = migrate::migrate(text).map_err(|findings| link::wrong(&findings))?;
    migrated.words.iter().for_each(|words| show::remark(words));
    Ok(migrated.text)
}

impl From<Vec<Finding>> for Failure {
    fn from(findings: Vec<Finding>) -> Self {
        link::wrong(&findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_have_the_lines_of_the_file_whatever_its_version() {
        for top in ["", "version = 1\n", "version = 0\n", "# Ada\n\n", "# Ada\n"] {
            let file = format!("{top}[wifi.guest]\nsid = \"a\"\n[wifi.home]\nssid = 1\n");
            let file = if top.contains('1') { file.replace("home", "household") } else { file };
            let current = migrate::migrate(&file).unwrap().text;
            let lines: Vec<_> = in_the_file(&file, &current).iter().map(|f| f.line).collect();
            let above = u32::try_from(top.lines().count()).unwrap();
            assert_eq!(lines, [above + 2, above + 4], "{file}");
        }
    }

    #[test]
    fn a_file_is_checked_without_a_running_box() {
        let temp = tempfile::tempdir().unwrap();
        let desk = Desk { state: temp.path().join("none"), json: true };
        let file = temp.path().join("settings.toml");
        let check = |text: &str| {
            std::fs::write(&file, text).unwrap();
            check_file(&desk, &file).map_err(|failure| (failure.exit_code(), failure.to_string()))
        };
        assert_eq!(check("country = \"DE\"\n"), Ok(()));
        assert_eq!(check("[wifi.home]\nssid = \"a\"\n"), Ok(()), "of version 0");
        let (code, words) = check("contry = \"DE\"\nnonsense = 1\n").unwrap_err();
        assert_eq!(code, 1);
        assert!(words.starts_with("2 things are wrong with "), "{words}");
        let (_, words) = check("version = 9\n").unwrap_err();
        assert!(words.starts_with("1 thing is wrong with "), "{words}");
        let (code, words) = check(&"#".repeat(200_000)).unwrap_err();
        assert_eq!(code, 2, "{words}");
        let missing = check_file(&desk, Path::new("/nonexistent")).unwrap_err();
        assert!(missing.to_string().starts_with("cannot read /nonexistent"), "{missing}");
    }
}
