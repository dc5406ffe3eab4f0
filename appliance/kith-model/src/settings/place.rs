//! What a dotted key means: which steps lead to it and what may stand there.

use super::keys::{self, Key, Kind, SETTINGS, Text};
use super::path::{Path, short};
use super::{Client, Radio, Settings};

/// One step into the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A key of a table, or a name of a map.
    Key(String),
    /// An element of a list of tables, from 0.
    Index(usize),
    /// A new element at its end.
    Append,
}

/// A place in the document.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The way there.
    pub(super) steps: Vec<Step>,
    /// What may stand there; a table for an element or a name.
    pub(super) kind: Kind,
}

/// What a key means; else why there is no such, in words.
pub(super) fn place(path: &Path) -> Result<Place, String> {
    let mut steps = Vec::new();
    let mut kind = Kind::Table(SETTINGS);
    for part in &path.0 {
        let (step, inner) = step(kind, part)?;
        steps.push(step);
        kind = inner;
    }
    Ok(Place { steps, kind })
}

fn step(kind: Kind, part: &str) -> Result<(Step, Kind), String> {
    match kind {
        Kind::Table(keys) => match keys::find(keys, part) {
            Some(key) => Ok((Step::Key(part.to_owned()), key.kind)),
            None => {
                Err(format!("There is no key {}: {}", short(part), keys::instead_of(part, keys)))
            }
        },
        Kind::Tables(keys) if part == "+" => Ok((Step::Append, Kind::Table(keys))),
        Kind::Tables(keys) => match part.parse() {
            Ok(index) => Ok((Step::Index(index), Kind::Table(keys))),
            Err(_) => Err(format!(
                "{} is no number: these are counted from 0, and + adds one.",
                short(part)
            )),
        },
        Kind::Map(rule, keys) => match rule.check(part) {
            // Names are compared as they are, but for those of which capitals are no part.
            Ok(()) if rule == Text::Mac => {
                Ok((Step::Key(part.to_ascii_lowercase()), Kind::Table(keys)))
            }
            Ok(()) => Ok((Step::Key(part.to_owned()), Kind::Table(keys))),
            Err(error) => Err(format!("{} does not fit: {error}.", short(part))),
        },
        Kind::Flag | Kind::Number(_) | Kind::Text(_) | Kind::Choice(_) | Kind::List(_) => {
            Err(format!("Nothing comes below this key; its value is {}.", kind.words()))
        }
    }
}

/// The value that holds where the document has none, if any does.
pub(super) fn default_of(steps: &[Step]) -> Option<toml::Value> {
    let (defaults, rest) = match steps {
        [Step::Key(radio), Step::Key(_), rest @ ..] if radio == "radio" => {
            (toml::Value::try_from(Radio::default()).ok()?, rest)
        }
        [Step::Key(client), Step::Key(_), rest @ ..] if client == "client" => {
            (toml::Value::try_from(Client::default()).ok()?, rest)
        }
        [Step::Key(uplink), Step::Index(_) | Step::Append, rest @ ..] if uplink == "uplink" => {
            (toml::Table::from_iter([("ipv6".to_owned(), true.into())]).into(), rest)
        }
        _ => (toml::Value::try_from(Settings::default()).ok()?, steps),
    };
    find(&defaults, rest).cloned()
}

/// The value at the end of the way.
pub(super) fn find<'v>(value: &'v toml::Value, steps: &[Step]) -> Option<&'v toml::Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Key(name) => value.get(name),
        Step::Index(index) => value.get(index),
        Step::Append => None,
    })
}

/// Every place below a table that has a value of its own or could have one, in the order of the table of
/// keys, with what `tree` says about lists and names.
pub(super) fn leaves(tree: &toml::Value) -> Vec<(Path, Place)> {
    let mut found = Vec::new();
    let top = Place { steps: Vec::new(), kind: Kind::Table(SETTINGS) };
    walk(SETTINGS, tree, &Path::default(), &top.steps, &mut found);
    found
}

fn walk(
    keys: &'static [Key],
    tree: &toml::Value,
    path: &Path,
    steps: &[Step],
    found: &mut Vec<(Path, Place)>,
) {
    static NONE: toml::Value = toml::Value::Boolean(false);
    for key in keys {
        let path = path.join(key.name);
        let steps: Vec<Step> =
            steps.iter().cloned().chain([Step::Key(key.name.to_owned())]).collect();
        let value = tree.get(key.name);
        match key.kind {
            // A section of which nothing holds by default (`uplink.0.fixed`) is not shown as a whole.
            Kind::Table(inner) if value.is_some() => {
                walk(inner, value.unwrap_or(&NONE), &path, &steps, found);
            }
            Kind::Table(_) => {}
            Kind::Tables(inner) => {
                let list = value.and_then(toml::Value::as_array).map_or(&[][..], Vec::as_slice);
                for (index, element) in list.iter().enumerate() {
                    let path = path.join(&index.to_string());
                    let steps: Vec<Step> =
                        steps.iter().cloned().chain([Step::Index(index)]).collect();
                    walk(inner, element, &path, &steps, found);
                }
            }
            Kind::Map(_, inner) => {
                for (name, element) in value.and_then(toml::Value::as_table).into_iter().flatten() {
                    let steps: Vec<Step> =
                        steps.iter().cloned().chain([Step::Key(name.clone())]).collect();
                    walk(inner, element, &path.join(name), &steps, found);
                }
            }
            kind @ (Kind::Flag
            | Kind::Number(_)
            | Kind::Text(_)
            | Kind::Choice(_)
            | Kind::List(_)) => found.push((path, Place { steps, kind })),
        }
    }
}
