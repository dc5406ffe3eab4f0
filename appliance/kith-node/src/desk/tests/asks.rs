//! Commands that the tests of the desk give often.

use super::{Command, GOOD};

pub(super) fn claim(secret: &str) -> Command {
    Command::Claim {
        secret: secret.into(),
        name: "Ada".into(),
        box_name: "Corner house".into(),
        passphrase: GOOD.into(),
    }
}

pub(super) fn login(passphrase: &str) -> Command {
    let (name, passphrase) = ("Ada".into(), passphrase.into());
    Command::Login { name, passphrase, device: None, agent: String::new() }
}

pub(super) fn post(text: &str) -> Command {
    Command::Post { space: None, text: text.into(), re: None }
}

pub(super) fn files(path: &str) -> Command {
    let path = Some(path.to_owned()).filter(|path| !path.is_empty());
    Command::Files { space: None, collection: None, path, after: None, limit: None }
}
