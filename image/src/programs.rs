//! The one place that starts programs: a name, arguments, a folder; no shell.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// What a program said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Whether it succeeded.
    pub success: bool,
    /// Its standard output.
    pub out: Vec<u8>,
    /// Its standard error.
    pub err: String,
}

/// A program to be started.
#[derive(Debug)]
pub struct Program(Command, String);

impl Program {
    /// The program of this name.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "builders are other people's programs; all start here"
    )]
    pub fn new(name: &str) -> Self {
        let mut command = Command::new(name);
        command.stdin(Stdio::null());
        Self(command, name.to_owned())
    }

    /// With this argument too.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// In this folder.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// With this variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Without this variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// Runs it to its end, whatever that is.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn said(mut self) -> anyhow::Result<Said> {
        let name = &self.1;
        let output =
            self.0.output().with_context(|| format!("cannot start {name}: is it installed?"))?;
        Ok(Said {
            success: output.status.success(),
            out: output.stdout,
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it and returns its standard output.
    ///
    /// # Errors
    /// It cannot be started or fails; then with the end of what it complained about.
    pub fn output(self) -> anyhow::Result<Vec<u8>> {
        let name = self.1.clone();
        let said = self.said()?;
        if !said.success {
            bail!("{name} failed:\n{}", last_lines(&said.err));
        }
        Ok(said.out)
    }
}

/// The end of a complaint; its beginning is seldom the reason.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_and_a_failing_one_are_told_apart() {
        let missing = Program::new("kith-no-such-program").output().unwrap_err().to_string();
        assert!(missing.ends_with("is it installed?"), "{missing}");
        let failing = Program::new("false").output().unwrap_err().to_string();
        assert!(failing.starts_with("false failed"), "{failing}");
        assert_eq!(Program::new("echo").arg("$HOME; x").output().unwrap(), b"$HOME; x\n");
    }
}
