//! The lock file: every Debian package of an image by name, version and digest.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};

/// A package that is locked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of its file, in hexadecimal.
    pub sha256: String,
}

/// Reads a lock file: a package a line, three words.
///
/// # Errors
/// A line that says something else, with its number.
pub fn parse(text: &str) -> anyhow::Result<Vec<Locked>> {
    let mut locked = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        let [name, version, sha256] = *words else {
            bail!("line {}: write NAME VERSION SHA256", i + 1);
        };
        let hex = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hex || !is_word(name) || !is_word(version) {
            bail!("line {}: {line:?} names no package", i + 1);
        }
        locked.push(Locked { name: name.into(), version: version.into(), sha256: sha256.into() });
    }
    Ok(locked)
}

/// What Debian allows in names and versions (Policy 5.6.1 and 5.6.12): nothing that means anything to others.
fn is_word(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || "+-.~:".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(sound)
}

/// Writes a lock file, sorted.
#[must_use]
pub fn text(suite: &str, arch: &str, mut locked: Vec<Locked>) -> String {
    locked.sort();
    let mut text = format!(
        "# Debian {suite}, {arch}: what an image is made of. Written by `kith-image debian-lock`.\n"
    );
    for package in locked {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{} {} {}", package.name, package.version, package.sha256);
    }
    text
}

/// What a simulated installation would install: name and version of each `Inst` line of apt-get(8).
///
/// # Errors
/// A line that apt-get would not write.
pub fn simulated(said: &str) -> anyhow::Result<Vec<(String, String)>> {
    let lines = said.lines().filter_map(|line| line.strip_prefix("Inst "));
    lines
        .map(|line| {
            let wrong = || format!("apt-get said {line:?}");
            let (name, rest) = line.split_once(' ').with_context(wrong)?;
            let (_, rest) = rest.split_once('(').with_context(wrong)?;
            let version = rest.split([' ', ')']).next().with_context(wrong)?;
            anyhow::ensure!(is_word(name) && is_word(version), wrong());
            Ok((name.to_owned(), version.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let digest = "ab".repeat(32);
        let package = |name: &str| Locked {
            name: name.into(),
            version: "1:2.0-3+b1~x".into(),
            sha256: digest.clone(),
        };
        let text = text("trixie", "amd64", vec![package("zlib1g"), package("iw")]);
        assert_eq!(parse(&text).unwrap(), [package("iw"), package("zlib1g")]);
    }

    #[test]
    fn a_line_that_could_mean_something_to_a_program_is_refused() {
        let digest = "ab".repeat(32);
        for name in ["-o=x", "../x", "a;b", "", "a=b"] {
            assert!(parse(&format!("{name} 1 {digest}\n")).is_err(), "{name}");
        }
        assert!(parse("iw 1 abc\n").is_err());
        assert!(parse("iw 1\n").unwrap_err().to_string().starts_with("line 1"));
    }

    #[test]
    fn a_simulation_is_read_as_apt_writes_it() {
        let said = "Reading...\nInst iw (6.9-1 Debian:13.1/stable [amd64])\nConf iw (6.9-1)\n\
                    Inst libc6 [2.40] (2.41-12 Debian:13 [amd64]) []\n";
        let found = simulated(said).unwrap();
        assert_eq!(found, [("iw".into(), "6.9-1".into()), ("libc6".into(), "2.41-12".into())]);
        assert!(simulated("Inst x\n").is_err());
    }
}
