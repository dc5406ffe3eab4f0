//! Values put into a document as text: comments, order and layout of everything else stay.
//!
//! Values are put in one after the other and all or none. What equals the default is not written; a key
//! that goes back to its default leaves the comments beside it.

use std::collections::BTreeMap;

use toml_edit::{Array, Decor, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use super::keys::Kind;
use super::path::Path;
use super::place::{self, Place, Step};
use super::text::{self, finding};
use super::{migrate, show};
use crate::network::ask::MAX_SETTINGS;
use crate::network::change::Finding;

/// At most so many values in one go.
const MAX_VALUES: usize = 512;

/// Puts values in: dotted keys and their values in TOML, or nothing for the default.
///
/// `uplink.0.device` is a key of an element, counted from 0; `uplink.+` adds one. `uplink.+.device` and
/// `uplink.+.ipv6` in one go mean the same new element.
///
/// # Errors
/// What is wrong with the keys or the values, or with the document they lead to; then nothing is changed.
pub fn set(text: &str, values: &[(String, Option<String>)]) -> Result<String, Vec<Finding>> {
    text::parse(text)?;
    let nowhere = |message: &str| vec![finding(&Path::default(), message)];
    if values.len() > MAX_VALUES {
        return Err(nowhere("These are too many values at once."));
    }
    let document = text.parse().map_err(|_| nowhere("This is no TOML."))?;
    let mut editor = Editor { document, added: BTreeMap::new() };
    let mut findings = Vec::new();
    for (key, value) in values {
        if let Err(message) = editor.carry_out(key, value.as_deref()) {
            findings.extend(message);
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let text = migrate::stamped(editor.document.to_string());
    if text.len() > MAX_SETTINGS {
        return Err(nowhere("The settings would be too large: they may have 128 KiB."));
    }
    match text::parse(&text) {
        Ok(_) => Ok(text),
        // The lines are those of a document that nobody has seen.
        Err(findings) => Err(findings
            .into_iter()
            .map(|finding| Finding { line: 0, column: 0, ..finding })
            .collect()),
    }
}

struct Editor {
    document: DocumentMut,
    /// The elements that were added, by the dotted key of their list.
    added: BTreeMap<String, usize>,
}

impl Editor {
    fn carry_out(&mut self, key: &str, value: Option<&str>) -> Result<(), Vec<Finding>> {
        let (path, place) = show::read(key)?;
        let say = |message: String| vec![finding(&path, message)];
        if path.0 == ["version"] {
            return Err(say("The version is the program's to set.".to_owned()));
        }
        if place.steps.is_empty() {
            return Err(say("This is the whole document.".to_owned()));
        }
        let steps = self.settled(&path, &place, value.is_some()).map_err(say)?;
        let Some(value) = value else {
            self.reset(&steps, place.kind);
            return Ok(());
        };
        let mut value: Value = value.parse().map_err(|_| {
            say(format!("This is no value in TOML; here belongs {}.", place.kind.words()))
        })?;
        value.decor_mut().clear();
        if is_default(&steps, &value) {
            self.reset(&steps, place.kind);
            return Ok(());
        }
        put(self.document.as_table_mut(), &steps, item(value, place.kind)).map_err(say)
    }

    /// The steps with `+` as a number and names as the document spells them.
    fn settled(&mut self, path: &Path, place: &Place, adds: bool) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        for (depth, step) in place.steps.iter().enumerate() {
            let step = match step {
                Step::Append if !adds => {
                    return Err("What is not there yet has no default to go back to.".to_owned());
                }
                Step::Append => {
                    let list = Path(path.0[..depth].to_vec()).to_string();
                    let length = length(self.document.as_table(), &steps);
                    let whole = depth + 1 == place.steps.len();
                    let index = match self.added.get(&list) {
                        Some(index) if !whole => *index,
                        Some(_) | None => length,
                    };
                    self.added.insert(list, index);
                    Step::Index(index)
                }
                Step::Key(name) => match steps.as_slice() {
                    [Step::Key(map)] if map == "client" => {
                        Step::Key(show::spelling(&self.document, map, name))
                    }
                    _ => Step::Key(name.clone()),
                },
                Step::Index(index) => Step::Index(*index),
            };
            steps.push(step);
        }
        Ok(steps)
    }

    /// Takes away what stands at the end of the steps, so that the default holds.
    fn reset(&mut self, steps: &[Step], kind: Kind) {
        if kind.keys().is_none() && self.cut(steps) {
            return;
        }
        take(self.document.as_table_mut(), steps);
    }

    /// Cuts a `key = value` out of the text, so that the comments beside it stay. Not for keys in
    /// braces.
    fn cut(&mut self, steps: &[Step]) -> bool {
        let text = self.document.to_string();
        let Ok(spans) = toml_edit::Document::parse(text.as_str()) else { return false };
        let Some((key, value)) = line_of(spans.as_table(), steps) else { return false };
        let start = text[..key].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[value..].find('\n').map_or(text.len(), |newline| value + newline + 1);
        let comment = text[value..end].trim_start();
        let rest = if comment.starts_with('#') { comment } else { "" };
        let without = format!("{}{rest}{}", &text[..start], &text[end..]);
        match without.parse() {
            Ok(document) => {
                self.document = document;
                prune(self.document.as_table_mut(), steps);
                true
            }
            Err(_) => false,
        }
    }
}

/// Takes away the section in which the key at the end of the steps was, if nothing is left in it and
/// nobody wrote anything beside its header.
fn prune(table: &mut Table, steps: &[Step]) {
    let (Some(Step::Key(name)), [_, rest @ ..]) = (steps.first(), steps) else { return };
    if rest.is_empty() {
        return;
    }
    let Some(inner) = table.get_mut(name).and_then(Item::as_table_mut) else { return };
    prune(inner, rest);
    let beside = [inner.decor().prefix(), inner.decor().suffix()];
    let silent = |raw: Option<&toml_edit::RawString>| {
        raw.and_then(toml_edit::RawString::as_str).is_none_or(|text| !text.contains('#'))
    };
    if inner.is_empty() && beside.into_iter().all(silent) {
        table.remove(name);
    }
}

/// Where a key begins and its value ends, if they stand on lines of their own.
fn line_of(table: &Table, steps: &[Step]) -> Option<(usize, usize)> {
    match steps {
        [Step::Key(name)] => {
            let (key, item) = table.get_key_value(name)?;
            Some((key.span()?.start, item.as_value()?.span()?.end))
        }
        [Step::Key(name), Step::Index(index), rest @ ..] => {
            line_of(table.get(name)?.as_array_of_tables()?.get(*index)?, rest)
        }
        [Step::Key(name), rest @ ..] => line_of(table.get(name)?.as_table()?, rest),
        _ => None,
    }
}

fn is_default(steps: &[Step], value: &Value) -> bool {
    let Some(default) = place::default_of(steps) else { return false };
    let wrapped = format!("x = {value}").parse::<toml::Table>();
    wrapped.is_ok_and(|table| table.get("x") == Some(&default)) && !default.is_table()
}

/// A value in the form in which it stands in a document: tables under headers.
fn item(value: Value, kind: Kind) -> Item {
    match (kind, value) {
        (Kind::Table(_), Value::InlineTable(table)) => Item::Table(under_header(table)),
        (Kind::Tables(_) | Kind::Map(..), value) => {
            let item = Item::Value(value);
            match item.into_array_of_tables() {
                Ok(tables) => Item::ArrayOfTables(tables),
                Err(item) => item.into_table().map_or_else(|item| item, Item::Table),
            }
        }
        (_, value) => Item::Value(value),
    }
}

fn under_header(table: InlineTable) -> Table {
    let mut table = table.into_table();
    table.fmt();
    table
}

/// How many elements a list of tables has.
fn length(table: &Table, steps: &[Step]) -> usize {
    let mut item: Option<&Item> = None;
    for step in steps {
        let table = item.map_or(Some(table as &dyn TableLike), Item::as_table_like);
        item = match step {
            Step::Key(name) => table.and_then(|table| table.get(name)),
            Step::Index(_) | Step::Append => None,
        };
    }
    match item {
        Some(Item::ArrayOfTables(tables)) => tables.len(),
        Some(Item::Value(Value::Array(array))) => array.len(),
        Some(Item::None | Item::Value(_) | Item::Table(_)) | None => 0,
    }
}

/// Puts an item at the end of the steps; what is missing on the way is made.
fn put(table: &mut dyn TableLike, steps: &[Step], item: Item) -> Result<(), String> {
    match steps {
        [Step::Key(name)] => {
            put_here(table, name, item);
            Ok(())
        }
        [Step::Key(name), Step::Index(index), rest @ ..] => {
            if !table.contains_key(name) {
                table.insert(name, Item::ArrayOfTables(toml_edit::ArrayOfTables::new()));
            }
            let list = table.get_mut(name).ok_or("This cannot be written.")?;
            put_element(list, *index, rest, item)
        }
        [Step::Key(name), rest @ ..] => {
            if !table.contains_key(name) {
                let mut made = Table::new();
                // Shown only once there is a value in it: `[wifi.guest]` needs no `[wifi]` above.
                made.set_implicit(true);
                made.set_dotted(table.is_dotted());
                table.insert(name, Item::Table(made));
            }
            let inner = table.get_mut(name).ok_or("This cannot be written.")?;
            put(inner.as_table_like_mut().ok_or("This cannot be written.")?, rest, item)?;
            if let Some(inner) = inner.as_inline_table_mut() {
                inner.fmt();
            }
            Ok(())
        }
        _ => Err("This cannot be written.".to_owned()),
    }
}

fn put_here(table: &mut dyn TableLike, name: &str, mut item: Item) {
    match (table.get_mut(name), &mut item) {
        (Some(Item::Value(old)), Item::Value(new)) => {
            *new.decor_mut() = old.decor().clone();
            *old = new.clone();
        }
        (Some(Item::Table(old)), Item::Table(new)) => {
            *new.decor_mut() = old.decor().clone();
            new.set_position(old.position());
            *old = new.clone();
        }
        (Some(_) | None, _) => drop(table.insert(name, item)),
    }
}

fn put_element(list: &mut Item, index: usize, rest: &[Step], item: Item) -> Result<(), String> {
    let length = match &*list {
        Item::ArrayOfTables(tables) => tables.len(),
        Item::Value(Value::Array(array)) => array.len(),
        Item::None | Item::Value(_) | Item::Table(_) => {
            return Err("This cannot be written.".to_owned());
        }
    };
    if index > length {
        return Err(format!("There are only {length} of these, counted from 0; + adds one."));
    }
    match list {
        Item::ArrayOfTables(tables) => {
            if index == length {
                tables.push(Table::new());
            }
            let element = tables.get_mut(index).ok_or("This cannot be written.")?;
            match (rest, item) {
                ([], Item::Table(mut new)) => {
                    *new.decor_mut() = element.decor().clone();
                    new.set_position(element.position());
                    *element = new;
                    Ok(())
                }
                ([], _) => Err("Here belongs a section, such as { device = \"eth0\" }.".to_owned()),
                (rest, item) => put(element, rest, item),
            }
        }
        Item::Value(Value::Array(array)) => put_inline(array, index, rest, item),
        Item::None | Item::Value(_) | Item::Table(_) => Ok(()),
    }
}

fn put_inline(array: &mut Array, index: usize, rest: &[Step], item: Item) -> Result<(), String> {
    if index == array.len() {
        array.push(InlineTable::new());
    }
    let element = array.get_mut(index).ok_or("This cannot be written.")?;
    if rest.is_empty() {
        let new = item.into_value().map_err(|_| "This cannot be written.")?;
        *element = new.decorated_as(element.decor());
        return Ok(());
    }
    let element = element.as_inline_table_mut().ok_or("This cannot be written.")?;
    put(element, rest, item)?;
    element.fmt();
    Ok(())
}

/// Takes the item at the end of the steps away, and sections that are empty then.
fn take(table: &mut dyn TableLike, steps: &[Step]) {
    match steps {
        [Step::Key(name)] => drop(table.remove(name)),
        [Step::Key(name), Step::Index(index), rest @ ..] => {
            let Some(list) = table.get_mut(name) else { return };
            if take_element(list, *index, rest) {
                table.remove(name);
            }
        }
        [Step::Key(name), rest @ ..] => {
            if let Some(inner) = table.get_mut(name).and_then(Item::as_table_like_mut) {
                take(inner, rest);
            }
        }
        _ => {}
    }
}

/// Whether that was the last element.
fn take_element(list: &mut Item, index: usize, rest: &[Step]) -> bool {
    match list {
        Item::ArrayOfTables(tables) => match (tables.get_mut(index), rest) {
            (None, _) => false,
            (Some(_), []) => {
                tables.remove(index);
                tables.is_empty()
            }
            (Some(element), rest) => {
                take(element, rest);
                false
            }
        },
        Item::Value(Value::Array(array)) => match (array.get_mut(index), rest) {
            (None, _) => false,
            (Some(_), []) => {
                array.remove(index);
                array.is_empty()
            }
            (Some(element), rest) => {
                if let Some(element) = element.as_inline_table_mut() {
                    take(element, rest);
                }
                false
            }
        },
        Item::None | Item::Value(_) | Item::Table(_) => false,
    }
}

/// A value laid out as another one was.
trait Decorated {
    fn decorated_as(self, decor: &Decor) -> Self;
}

impl Decorated for Value {
    fn decorated_as(mut self, decor: &Decor) -> Self {
        *self.decor_mut() = decor.clone();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::show::get;

    const FULL: &str = include_str!("full.toml");

    fn edit(text: &str, values: &[(&str, &str)]) -> Result<String, Vec<Finding>> {
        let value = |value: &str| (value != "-").then(|| value.to_owned());
        let values: Vec<_> = values.iter().map(|(k, v)| ((*k).to_owned(), value(v))).collect();
        set(text, &values)
    }

    #[track_caller]
    fn edited(text: &str, values: &[(&str, &str)]) -> String {
        edit(text, values).unwrap_or_else(|findings| panic!("{findings:#?}"))
    }

    fn refused(text: &str, key: &str, value: &str) -> String {
        let findings = edit(text, &[(key, value)]).unwrap_err();
        findings.into_iter().map(|f| format!("{}: {}\n", f.key, f.message)).collect()
    }

    /// The lines that are in one text only.
    fn changed(old: &str, new: &str) -> Vec<String> {
        let diff = similar::TextDiff::from_lines(old, new);
        let lines = diff.iter_all_changes().filter(|c| c.tag() != similar::ChangeTag::Equal);
        lines.map(|c| format!("{}{}", c.tag(), c.value().trim_end())).collect()
    }

    #[test]
    fn a_value_is_put_where_its_key_is_and_nothing_else_changes() {
        let new = edited(FULL, &[("place.location", "\"the old barn\"")]);
        let lines = [
            "-location = \"47.99, 7.85\" # on the roof",
            "+location = \"the old barn\" # on the roof",
        ];
        assert_eq!(changed(FULL, &new), lines);
        let new =
            edited(FULL, &[("wifi.guest.ssid", "'Guests'"), ("firewall.forward.1.port", "7")]);
        let lines = ["-ssid = \"Visitors\"", "+ssid = 'Guests'", "-port = 27015", "+port = 7"];
        assert_eq!(changed(FULL, &new), lines);
    }

    #[test]
    fn sections_that_are_missing_are_made() {
        let new = edited("", &[("wifi.household.ssid", "\"Valley\""), ("country", "\"DE\"")]);
        assert_eq!(new, "version = 1\ncountry = \"DE\"\n\n[wifi.household]\nssid = \"Valley\"\n");
        let new =
            edited("# Ada's box\n\n[lan]\nula = \"fd00::/48\"\n", &[("lan.dhcp.enabled", "false")]);
        let expected = "# Ada's box\nversion = 1\n\n[lan]\nula = \"fd00::/48\"\n\n[lan.dhcp]\nenabled = false\n";
        assert_eq!(new, expected);
        let new = edited("lan.ula = \"fd00::/48\"\n", &[("lan.dhcp.enabled", "false")]);
        assert_eq!(new, "version = 1\nlan.ula = \"fd00::/48\"\nlan.dhcp.enabled = false\n");
    }

    #[test]
    fn lists_of_sections_grow_change_and_shrink() {
        let two = edited(
            "",
            &[
                ("uplink.+.device", "\"wan\""),
                ("uplink.+.ipv6", "false"),
                ("uplink.+", "{ device = \"phy0\", wifi = { ssid = \"a\" } }"),
            ],
        );
        let expected = "version = 1\n\n[[uplink]]\ndevice = \"wan\"\nipv6 = false\n\n[[uplink]]\n\
                        device = \"phy0\"\nwifi = { ssid = \"a\" }\n";
        assert_eq!(two, expected);
        let new = edited(&two, &[("uplink.1.wifi.ssid", "\"b\""), ("uplink.0", "-")]);
        let expected = "version = 1\n\n[[uplink]]\ndevice = \"phy0\"\nwifi = { ssid = \"b\" }\n";
        assert_eq!(new, expected);
        assert_eq!(edited(&new, &[("uplink.0", "-")]), "version = 1\n");
        assert!(refused(&two, "uplink.3.device", "\"x\"").contains("only 2 of these"));
        assert!(refused(&two, "uplink.+", "-").contains("no default to go back to"));
        let inline = "version = 1\nuplink = [{ device = \"wan\" }]\n";
        let new = edited(inline, &[("uplink.+.device", "\"lan4\""), ("uplink.0.ipv6", "false")]);
        let expected =
            "version = 1\nuplink = [{ device = \"wan\", ipv6 = false }, { device = \"lan4\" }]\n";
        assert_eq!(new, expected);
    }

    #[test]
    fn names_and_addresses_make_sections() {
        let new = edited(
            "",
            &[("client.AA:bb:cc:dd:ee:02.name", "\"nas\""), ("radio.phy0.channel", "6")],
        );
        let expected = "version = 1\n\n[client.\"aa:bb:cc:dd:ee:02\"]\nname = \"nas\"\n\n[radio.phy0]\nchannel = 6\n";
        assert_eq!(new, expected);
        let upper = "[client.\"AA:BB:CC:DD:EE:02\"]\nname = \"nas\"\n";
        let new = edited(upper, &[("client.aa:bb:cc:dd:ee:02.paused", "true")]);
        assert_eq!(new, format!("version = 1\n\n{upper}paused = true\n"));
    }

    #[test]
    fn a_default_is_not_written_and_comments_outlive_their_value() {
        assert_eq!(edited("", &[("lan.dhcp.enabled", "true")]), "version = 1\n");
        let text = "version = 1\n\n[mesh]\n# ask Ada\nshare_up_kbit = 5000 # for now\nenabled = false\n# end\n";
        let new = edited(text, &[("mesh.share_up_kbit", "-")]);
        assert_eq!(new, "version = 1\n\n[mesh]\n# ask Ada\n# for now\nenabled = false\n# end\n");
        assert_eq!(edited(text, &[("mesh.share_up_kbit", "2_000")]), new);
        assert_eq!(edited(text, &[("lan.dhcp.first", "-")]), text);
        let new = edited(FULL, &[("wifi.household", "-"), ("wifi.guest", "-")]);
        assert!(!new.contains("[wifi") && new.contains("[radio.phy0]"), "{new}");
    }

    #[test]
    fn all_or_nothing_and_why_is_said() {
        let both =
            [("country", "\"DE\""), ("mesh.id", "\"\""), ("lan.adress", "1"), ("guest", "{")];
        let findings = edit("", &both).unwrap_err();
        let keys: Vec<&str> = findings.iter().map(|f| f.key.as_str()).collect();
        assert_eq!(keys, ["lan.adress", "guest"], "{findings:#?}");
        assert!(findings[0].message.contains("did you mean address?"));
        let findings = edit("", &both[..2]).unwrap_err();
        assert_eq!((findings[0].key.as_str(), findings[0].line), ("mesh.id", 0));
        assert!(refused("", "version", "2").contains("the program's"));
        assert!(refused("", "lan.dhcp.enabled.x", "1").contains("Nothing comes below"));
        assert!(refused("", "firewall.forward.+.name", "\"x\"").contains("protocol is missing"));
        assert!(refused("nonsense = 1", "country", "\"DE\"").contains("nonsense"));
        assert!(refused("", "", "1").contains("no key"));
    }

    #[test]
    fn a_value_cannot_leave_its_place() {
        for value in ["1\nx = 2", "\"a\" # b\n[lan]", "1 }", "\"a\"\n", "# c"] {
            if let Ok(text) = edit("", &[("place.contact", value)]) {
                assert_eq!(text, "version = 1\n\n[place]\ncontact = \"a\"\n", "{value:?}");
            }
        }
    }

    #[test]
    fn what_was_put_in_is_got_out() {
        let new = edited(
            FULL,
            &[("dns.upstream", "[\"1.1.1.1\", \"::2\"]"), ("mesh.secret", "\"eight or more\"")],
        );
        assert_eq!(get(&new, "dns.upstream").unwrap().as_deref(), Some("[\"1.1.1.1\", \"::2\"]"));
        assert_eq!(get(&new, "mesh.secret").unwrap().as_deref(), Some("\"eight or more\""));
        assert_eq!(get("", "lan.address").unwrap().as_deref(), Some("\"192.168.77.1/24\""));
        assert_eq!(get("", "country"), Ok(None));
        assert!(get("", "cuntry").unwrap_err()[0].message.contains("did you mean country?"));
    }
}
