//! Settings as flat lines, `key = value`: what holds, and what of it is only the default.

use toml_edit::DocumentMut;

use super::keys::Kind;
use super::mask::MASK;
use super::path::Path;
use super::place::{self, Place};
use super::text::{self, finding};
use crate::network::change::Finding;

/// One value of the settings.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// The dotted key.
    pub key: String,
    /// The value in TOML, or nothing when there is none; hidden unless secrets were asked for.
    pub value: Option<String>,
    /// Whether the document does not say it, so that it is the default.
    pub default: bool,
}

/// All values of a document, or those at and below `under`.
///
/// # Errors
/// What is wrong with the document, or that there is no such key.
pub fn show(text: &str, under: Option<&str>, secrets: bool) -> Result<Vec<Line>, Vec<Finding>> {
    let under = match under {
        Some(key) => read(key)?.0,
        None => Path::default(),
    };
    let (tree, document) = trees(text)?;
    let shown = |(path, place): (Path, Place)| {
        let value = place::find(&tree, &place.steps);
        let hidden = place.kind.secret() && !secrets && value.is_some();
        let value = value.map(ToString::to_string);
        Line {
            key: path.to_string(),
            value: if hidden { Some(format!("\"{MASK}\"")) } else { value },
            default: place::find(&document, &place.steps).is_none(),
        }
    };
    let below = |(path, _): &(Path, Place)| path.0.starts_with(&under.0);
    Ok(place::leaves(&tree).into_iter().filter(below).map(shown).collect())
}

/// What holds at a key, in TOML; nothing where there is no value. Secrets are told.
///
/// # Errors
/// What is wrong with the document, or that there is no such key.
pub fn get(text: &str, key: &str) -> Result<Option<String>, Vec<Finding>> {
    let (_, place) = read(key)?;
    let (tree, _) = trees(text)?;
    Ok(place::find(&tree, &place.steps).map(ToString::to_string))
}

/// The value at `key` in TOML that somebody meant who typed `word` in a shell: texts need no quotes,
/// lists are written with commas, `on` and `yes` are true.
///
/// # Errors
/// If there is no such key.
pub fn typed(key: &str, word: &str) -> Result<String, Vec<Finding>> {
    let (_, place) = read(key)?;
    let quoted = |text: &str| toml::Value::from(text.trim()).to_string();
    let is_text = word.starts_with(['"', '\'']) && word.parse::<toml_edit::Value>().is_ok();
    Ok(match place.kind {
        Kind::Text(_) | Kind::Choice(_) if !is_text => toml::Value::from(word).to_string(),
        Kind::Flag if matches!(word, "on" | "yes" | "1") => "true".to_owned(),
        Kind::Flag if matches!(word, "off" | "no" | "0") => "false".to_owned(),
        Kind::List(_) if !word.trim_start().starts_with('[') => {
            let parts: Vec<String> =
                word.split(',').filter(|part| !part.trim().is_empty()).map(quoted).collect();
            format!("[{}]", parts.join(", "))
        }
        Kind::Flag
        | Kind::Number(_)
        | Kind::Text(_)
        | Kind::Choice(_)
        | Kind::List(_)
        | Kind::Table(_)
        | Kind::Tables(_)
        | Kind::Map(..) => word.to_owned(),
    })
}

/// A key and what it means.
pub(super) fn read(key: &str) -> Result<(Path, Place), Vec<Finding>> {
    let words = |message: String| vec![finding(&Path(vec![key.to_owned()]), message)];
    let path = Path::read(key)
        .ok_or_else(|| words("This is no key; one looks like wifi.household.ssid.".to_owned()))?;
    match place::place(&path) {
        Ok(place) => Ok((path, place)),
        Err(message) => Err(vec![finding(&path, message)]),
    }
}

/// What holds, and what the document says of it.
fn trees(text: &str) -> Result<(toml::Value, toml::Value), Vec<Finding>> {
    let settings = text::parse(text)?;
    let broken = |error: String| vec![finding(&Path::default(), error)];
    let tree = toml::Value::try_from(&settings).map_err(|error| broken(error.to_string()))?;
    // Names in the document may be spelled otherwise (MAC addresses); what holds has one spelling.
    let document =
        text.parse::<toml::Table>().map_err(|error| broken(error.message().to_owned()))?;
    Ok((tree, spelled(document)))
}

fn spelled(mut document: toml::Table) -> toml::Value {
    if let Some(toml::Value::Table(clients)) = document.get_mut("client") {
        *clients = std::mem::take(clients)
            .into_iter()
            .map(|(mac, c)| (mac.to_ascii_lowercase(), c))
            .collect();
    }
    document.into()
}

/// The name in the document of a map's entry, which may be spelled otherwise.
pub(super) fn spelling(document: &DocumentMut, map: &str, name: &str) -> String {
    let names = document.get(map).and_then(toml_edit::Item::as_table_like);
    let same = |other: &&str| other.eq_ignore_ascii_case(name);
    let found = names.and_then(|names| names.iter().map(|(name, _)| name).find(same));
    found.unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = include_str!("full.toml");

    fn lines(text: &str, under: Option<&str>, secrets: bool) -> Vec<String> {
        let lines = show(text, under, secrets).unwrap();
        let line = |line: Line| {
            let value = line.value.unwrap_or_else(|| "-".to_owned());
            format!("{} = {value}{}", line.key, if line.default { " (default)" } else { "" })
        };
        lines.into_iter().map(line).collect()
    }

    #[test]
    fn values_are_flat_lines_with_a_mark_of_what_is_default() {
        assert_eq!(
            lines("[guest]\ninternet = false\n", Some("guest"), false),
            [
                "guest.address = \"192.168.78.1/24\" (default)",
                "guest.internet = false",
                "guest.rate_kbit = 20000 (default)"
            ]
        );
        assert_eq!(lines("", Some("country"), false), ["country = - (default)"]);
        assert_eq!(lines(FULL, Some("uplink.1.wifi"), true).len(), 2);
        let radio = lines("[radio.phy0]\nchannel = 6\n", Some("radio"), false);
        assert!(radio.contains(&"radio.phy0.enabled = true (default)".to_owned()), "{radio:?}");
        assert!(radio.contains(&"radio.phy0.channel = 6".to_owned()), "{radio:?}");
        let upper =
            lines("[client.\"AA:BB:CC:DD:EE:02\"]\nname = \"nas\"\n", Some("client"), false);
        assert_eq!(upper[0], "client.\"aa:bb:cc:dd:ee:02\".name = \"nas\"");
    }

    #[test]
    fn secrets_are_shown_to_who_asks_for_them() {
        let secret = ["valley", "battery", "sit down", "sugar"];
        let hidden = lines(FULL, None, false).join("\n");
        assert!(secret.iter().skip(1).all(|secret| !hidden.contains(secret)), "{hidden}");
        assert!(!hidden.contains("the mesh of"), "{hidden}");
        let shown = lines(FULL, None, true).join("\n");
        assert!(secret.iter().all(|secret| shown.contains(secret)), "{shown}");
    }

    #[test]
    fn words_of_a_shell_become_values() {
        let typed = |key, word| typed(key, word).unwrap();
        let ssid = typed("wifi.household.ssid", "Ada's \"8\"").parse::<toml_edit::Value>();
        assert_eq!(ssid.unwrap().as_str(), Some("Ada's \"8\""));
        assert_eq!(typed("wifi.household.ssid", "\"Valley\""), "\"Valley\"");
        assert_eq!(typed("wifi.guest.enabled", "on"), "true");
        assert_eq!(typed("lan.ports", "lan1,lan2"), "[\"lan1\", \"lan2\"]");
        assert_eq!(typed("lan.ports", "[]"), "[]");
        assert_eq!(typed("radio.phy0.channel", "36"), "36");
        assert_eq!(typed("country", "DE"), "\"DE\"");
        assert_eq!(typed("uplink.+", "{ device = 'wan' }"), "{ device = 'wan' }");
    }
}
