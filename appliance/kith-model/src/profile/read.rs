//! A profile as text: read with every problem in words, with its file and line.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::board::Profile;
use super::check;

/// What is wrong with a profile and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError {
    /// The file, `hw-profiles/<board>/profile.toml`.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what to write.
    pub words: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.words)
    }
}

impl std::error::Error for ProfileError {}

/// Reads the profile in `folder` of `hw-profiles`.
///
/// # Errors
/// What is wrong with it: the first thing that is no TOML, an unknown key, a missing key or a value of the
/// wrong kind; else all that cannot be true, in the order of its lines.
pub fn read(folder: &str, text: &str) -> Result<Profile, Vec<ProfileError>> {
    let file = format!("hw-profiles/{folder}/profile.toml");
    let profile: Profile = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        vec![ProfileError {
            file: file.clone(),
            line: line(text, at),
            words: error.message().into(),
        }]
    })?;
    let mut problems: Vec<check::Problem> = check::problems(&profile);
    if profile.name != folder {
        problems.push((vec!["name".into()], format!("write {folder:?}, the name of its folder")));
    }
    if problems.is_empty() {
        return Ok(profile);
    }
    let (document, _) = DeTable::parse_recoverable(text);
    let mut errors: Vec<ProfileError> = problems
        .into_iter()
        .map(|(path, words)| {
            let at = place(document.get_ref(), &path).unwrap_or(0);
            ProfileError { file: file.clone(), line: line(text, at), words }
        })
        .collect();
    errors.sort_by_key(|error| error.line);
    Err(errors)
}

fn line(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// Where a key stands, or what it would stand in.
fn place(table: &DeTable<'_>, path: &[String]) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    Some(inside(value, rest).unwrap_or(key.span().start))
}

fn inside(value: &Spanned<DeValue<'_>>, rest: &[String]) -> Option<usize> {
    match value.get_ref() {
        DeValue::Table(table) => place(table, rest),
        DeValue::Array(list) => {
            let (index, rest) = rest.split_first()?;
            let element = list.get(index.parse::<usize>().ok()?)?;
            Some(inside(element, rest).unwrap_or(element.span().start))
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOARD: &str = "name = \"one\"\ntitle = \"One\"\nother_ports_lan = true\n";

    fn said(text: &str) -> Vec<String> {
        read("one", text)
            .expect_err("something is wrong with it")
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn what_is_sound_is_read() {
        assert_eq!(read("one", BOARD).map(|profile| profile.title), Ok("One".to_owned()));
    }

    #[test]
    fn a_wrong_field_is_told_with_file_line_and_what_to_write() {
        let unknown = format!(
            "{BOARD}[[port]]\ndevice = \"eth0\"\nlabel = \"1\"\nrole = \"lan\"\nspeed = 1\n"
        );
        assert_eq!(
            said(&unknown),
            [
                "hw-profiles/one/profile.toml:8: unknown field `speed`, expected one of `device`, `label`, \
              `role`, `match`"
            ]
        );
        let missing = format!("{BOARD}[[port]]\ndevice = \"eth0\"\nrole = \"lan\"\n");
        assert_eq!(said(&missing), ["hw-profiles/one/profile.toml:4: missing field `label`"]);
        let wrong =
            format!("{BOARD}[[port]]\ndevice = \"eth0\"\nlabel = \"1\"\nrole = \"uplink\"\n");
        assert_eq!(
            said(&wrong),
            ["hw-profiles/one/profile.toml:7: unknown variant `uplink`, expected `lan` or `wan`"]
        );
        assert!(said("name = \n")[0].starts_with("hw-profiles/one/profile.toml:1: "));
    }

    #[test]
    fn what_cannot_be_true_is_told_at_its_line() {
        let radio = "[[radio]]\ndriver = \"brcmfmac\"\nbus = \"sdio\"\nbands = [\"5\"]\n\
                     modes = [\"station\", \"mesh-point\"]\n";
        let said = said(&format!("{BOARD}{radio}"));
        assert_eq!(said.len(), 1, "{said:#?}");
        assert!(said[0].starts_with("hw-profiles/one/profile.toml:8: brcmfmac"), "{said:#?}");
    }

    #[test]
    fn another_folder_is_told() {
        let errors = read("two", BOARD).unwrap_err();
        assert_eq!(
            errors[0].to_string(),
            "hw-profiles/two/profile.toml:1: write \"two\", the name of its folder"
        );
    }
}
