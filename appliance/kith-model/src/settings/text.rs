//! The settings document as text: read with every problem in words and in its place, and written.
//!
//! Reading is bounded before it begins: in bytes by [`MAX_SETTINGS`], in depth by the parser (80 brackets
//! or dots), in what is said about it by [`MAX_FINDINGS`].

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{self, Key, Kind, SETTINGS, Text};
use super::path::{Path, short};
use super::{Settings, VERSION};
use crate::network::ask::MAX_SETTINGS;
use crate::network::change::Finding;

/// At most so many findings are told about one document.
pub const MAX_FINDINGS: usize = 50;

/// Reads a document of this version, or one without a version.
///
/// # Errors
/// What is wrong with it, in the order of its lines: no TOML, an unknown key, a wrong type or value, a
/// missing key.
pub fn parse(text: &str) -> Result<Settings, Vec<Finding>> {
    let mut reader = Reader::new(text);
    if text.len() > MAX_SETTINGS {
        let most = MAX_SETTINGS >> 10;
        let words = format!("The document is too large: it may have {most} KiB.");
        return Err(vec![finding(&Path::default(), words)]);
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors.iter().take(MAX_FINDINGS) {
        reader.syntax(error.message(), error.span());
    }
    if let Some(refusal) = reader.version(document.get_ref()) {
        return Err(vec![refusal]);
    }
    reader.table(&Path::default(), SETTINGS, document.get_ref(), 0..0);
    if reader.findings.is_empty() {
        let deserializer = toml::Deserializer::from(document);
        match serde::Deserialize::deserialize(deserializer) {
            Ok(settings) => return Ok(settings),
            Err(error) => reader.types(&error),
        }
    }
    reader.findings.sort_by_key(|finding| (finding.line, finding.column));
    reader.findings.truncate(MAX_FINDINGS);
    Err(reader.findings)
}

/// Fills in line and column of findings that only name their key, as those of [`super::check`] do. What
/// is not in the document is told at what it would be in.
#[must_use]
pub fn located(text: &str, findings: Vec<Finding>) -> Vec<Finding> {
    let (document, _) = DeTable::parse_recoverable(text);
    let lines = Lines::new(text);
    let place = |mut finding: Finding| {
        let at = Path::read(&finding.key).and_then(|path| place_of(document.get_ref(), &path.0));
        if let Some(at) = at.filter(|_| finding.line == 0) {
            (finding.line, finding.column) = lines.at(at.start);
        }
        finding
    };
    findings.into_iter().map(place).collect()
}

/// Where the value of a key stands, or the nearest that it would be in; nothing for the whole document.
fn place_of(table: &DeTable<'_>, path: &[String]) -> Option<Range<usize>> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    let inner = match value.get_ref() {
        DeValue::Table(table) => place_of(table, rest),
        DeValue::Array(array) => rest.split_first().and_then(|(index, rest)| {
            let element = array.get(index.parse::<usize>().ok()?)?;
            let inner = element.get_ref().as_table().and_then(|table| place_of(table, rest));
            inner.or_else(|| Some(element.span()))
        }),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => None,
    };
    inner.or_else(|| Some(key.span()))
}

/// A finding about no line yet.
pub(super) fn finding(key: &Path, message: impl Into<String>) -> Finding {
    Finding { key: key.to_string(), message: message.into(), ..Finding::default() }
}

/// Writes settings as a document without comments; defaults are left out.
#[must_use]
pub fn render(settings: &Settings) -> String {
    let mut text = format!("version = {VERSION}\n");
    let (Ok(ours), Ok(theirs)) =
        (toml::Value::try_from(settings), toml::Value::try_from(Settings::default()))
    else {
        return text;
    };
    let (Some(ours), Some(theirs)) = (ours.as_table(), theirs.as_table()) else { return text };
    let kept = without_defaults(ours, SETTINGS, theirs);
    text.push_str(&toml::to_string(&kept).unwrap_or_default());
    text
}

fn without_defaults(
    table: &toml::Table,
    keys: &'static [Key],
    defaults: &toml::Table,
) -> toml::Table {
    let mut kept = toml::Table::new();
    for (name, value) in table {
        let Some(key) = keys::find(keys, name) else { continue };
        let default = defaults.get(name);
        match (key.kind, value) {
            (Kind::Table(inner), toml::Value::Table(value)) => {
                let none = toml::Table::new();
                let inner_defaults = default.and_then(toml::Value::as_table).unwrap_or(&none);
                let table = without_defaults(value, inner, inner_defaults);
                if !table.is_empty() || default.is_none() {
                    kept.insert(name.clone(), table.into());
                }
            }
            _ if default == Some(value) => {}
            (_, value) => {
                kept.insert(name.clone(), value.clone());
            }
        }
    }
    kept
}

/// Collects what is wrong with a document.
struct Reader<'t> {
    lines: Lines<'t>,
    findings: Vec<Finding>,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str) -> Self {
        Self { lines: Lines::new(text), findings: Vec::new() }
    }

    fn tell(&mut self, path: &Path, at: Range<usize>, message: String) {
        // Twice the bound, since what is nearest to the top is told in the end.
        if self.findings.len() >= 2 * MAX_FINDINGS {
            return;
        }
        let (line, column) = self.lines.at(at.start);
        self.findings.push(Finding { line, column, ..finding(path, message) });
    }

    fn syntax(&mut self, message: &str, span: Option<Range<usize>>) {
        let message = match message {
            "duplicate key" => "This key is given a second time: keep one of them.".to_owned(),
            other => format!("This is no TOML: {other}."),
        };
        self.tell(&Path::default(), span.unwrap_or_default(), message);
    }

    /// What serde says and the walk did not: the table of keys lacks something then.
    fn types(&mut self, error: &toml::de::Error) {
        let message = format!("This cannot be used: {}.", error.message());
        self.tell(&Path::default(), error.span().unwrap_or_default(), message);
    }

    /// Why a document of another version is not looked at any further.
    fn version(&self, document: &DeTable<'_>) -> Option<Finding> {
        let (_, value) = document.iter().find(|(key, _)| key.get_ref() == "version")?;
        let version = whole(value.get_ref())?;
        let message = match version.cmp(&i64::from(VERSION)) {
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Less => super::migrate::older(version),
            std::cmp::Ordering::Greater => super::migrate::newer(version),
        };
        let (line, column) = self.lines.at(value.span().start);
        Some(Finding { line, column, key: "version".to_owned(), message, advice: false })
    }

    fn table(&mut self, path: &Path, keys: &'static [Key], table: &DeTable<'_>, at: Range<usize>) {
        for (name, value) in table.iter() {
            let here = path.join(name.get_ref());
            match keys::find(keys, name.get_ref()) {
                Some(key) => self.value(&here, key.kind, value),
                None => {
                    let instead = keys::instead_of(name.get_ref(), keys);
                    let words = format!("There is no {} here: {instead}", short(name.get_ref()));
                    self.tell(&here, name.span(), words);
                }
            }
        }
        let missing =
            |key: &&Key| key.required && !table.iter().any(|(k, _)| k.get_ref() == key.name);
        for key in keys.iter().filter(missing) {
            let words = format!("{} is missing here: {}.", key.name, key.kind.words());
            self.tell(&path.join(key.name), at.clone(), words);
        }
    }

    fn value(&mut self, path: &Path, kind: Kind, value: &Spanned<DeValue<'_>>) {
        let at = value.span();
        match (kind, value.get_ref()) {
            (Kind::Flag, DeValue::Boolean(_)) => {}
            (Kind::Number(most), DeValue::Integer(_)) => {
                if whole(value.get_ref()).is_none_or(|n| n < 0 || n > i64::from(most)) {
                    self.tell(path, at, format!("This is outside its bounds: {}.", kind.words()));
                }
            }
            (Kind::Text(rule), DeValue::String(text)) => self.text(path, rule, text, at),
            (Kind::Choice(words), DeValue::String(text)) => {
                if !words.contains(&&**text) {
                    let words =
                        format!("{} is none of the choices: {}.", short(text), kind.words());
                    self.tell(path, at, words);
                }
            }
            (Kind::List(rule), DeValue::Array(array)) => {
                for (index, element) in array.iter().enumerate() {
                    self.value(&path.join(&index.to_string()), Kind::Text(rule), element);
                }
            }
            (Kind::Table(keys), DeValue::Table(table)) => self.table(path, keys, table, at),
            (Kind::Tables(keys), DeValue::Array(array)) => {
                for (index, element) in array.iter().enumerate() {
                    self.value(&path.join(&index.to_string()), Kind::Table(keys), element);
                }
            }
            (Kind::Map(rule, keys), DeValue::Table(table)) => {
                for (name, element) in table.iter() {
                    let here = path.join(name.get_ref());
                    self.text(&here, rule, name.get_ref(), name.span());
                    self.value(&here, Kind::Table(keys), element);
                }
                self.twice(path, rule, table);
            }
            (_, other) => {
                let words = format!("Here stands {}, not {}.", named(other), kind.words());
                self.tell(path, at, words);
            }
        }
    }

    fn text(&mut self, path: &Path, rule: Text, text: &str, at: Range<usize>) {
        if rule == Text::Passphrase && super::mask::is_mask(text) {
            let words =
                "This passphrase was hidden when the settings were exported: write it here, or \
                         export with --secrets."
                    .to_owned();
            self.tell(path, at, words);
        } else if let Err(error) = rule.check(text) {
            self.tell(path, at, format!("This does not fit: {error}."));
        }
    }

    /// Names that differ in their letters' size only, as MAC addresses may.
    fn twice(&mut self, path: &Path, rule: Text, table: &DeTable<'_>) {
        if rule != Text::Mac {
            return;
        }
        let mut seen = std::collections::BTreeSet::new();
        for (name, _) in table.iter() {
            if !seen.insert(name.get_ref().to_ascii_lowercase()) {
                let words = format!("{} is there twice: keep one of them.", short(name.get_ref()));
                self.tell(&path.join(name.get_ref()), name.span(), words);
            }
        }
    }
}

fn whole(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn named(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

/// Where the lines of a text begin.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let starts = text.match_indices('\n').map(|(i, _)| i + 1);
        Self { text, starts: std::iter::once(0).chain(starts).collect() }
    }

    /// Line and column of a byte, both from 1; columns are characters.
    fn at(&self, byte: usize) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= byte).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let before = self.text.get(start..byte.min(self.text.len())).unwrap_or_default();
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (number(line), number(before.chars().count() + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of value there is, with comments.
    pub(in crate::settings) const FULL: &str = include_str!("full.toml");

    fn said(text: &str) -> Vec<String> {
        let findings = parse(text).expect_err("something is wrong with it");
        findings
            .iter()
            .map(|f| format!("{}:{} {} {}", f.line, f.column, f.key, f.message))
            .collect()
    }

    #[test]
    fn an_empty_document_has_all_defaults() {
        assert_eq!(parse(""), Ok(Settings::default()));
        assert_eq!(parse("version = 1\n# nothing\n"), Ok(Settings::default()));
        assert_eq!(render(&Settings::default()), "version = 1\n");
    }

    #[test]
    fn every_key_can_be_given_and_comes_back() {
        let settings = parse(FULL).unwrap();
        assert_eq!(settings.uplink.len(), 2);
        assert_eq!(parse(&render(&settings)), Ok(settings.clone()), "{}", render(&settings));
        let defaults = render(&settings).matches("ipv6 = true").count();
        assert!(defaults <= 1, "only list elements may repeat a default");
    }

    #[test]
    fn an_unknown_key_is_told_with_its_place_and_what_was_meant() {
        let text = "[wifi.household]\nenabled = true\nsid = \"Valley\"\n";
        assert_eq!(
            said(text),
            ["3:1 wifi.household.sid There is no \"sid\" here: did you mean ssid?"]
        );
    }

    #[test]
    fn several_problems_are_told_at_once_in_the_order_of_their_lines() {
        let text = "country = \"de\"\nnonsense = 1\n[lan]\naddress = \"192.168.77.1\"\ndhcp = 3\n\
                    [wifi.guest]\nenabled = \"yes\"\nsecurity = \"wpa2\"\n[[firewall.forward]]\n\
                    name = \"x\"\nport = 70000\nto = 5\n";
        let said = said(text);
        let begin: Vec<&str> =
            said.iter().map(|line| line.split(" This").next().unwrap()).collect();
        assert_eq!(begin.len(), 9, "{said:#?}");
        assert!(
            said[0].starts_with("1:11 country This does not fit: a country is two"),
            "{said:#?}"
        );
        assert!(said[1].starts_with("2:1 nonsense There is no"), "{said:#?}");
        assert!(said[2].contains("looks like 192.168.77.1/24"), "{said:#?}");
        assert!(
            said[3].contains("lan.dhcp Here stands a whole number, not a section"),
            "{said:#?}"
        );
        assert!(said[4].contains("Here stands a text, not true or false"), "{said:#?}");
        assert!(
            said[5].contains("\"wpa2\" is none of the choices: \"transition\" or"),
            "{said:#?}"
        );
        let rest = said[6..].join("\n");
        assert!(rest.contains("firewall.forward.0.protocol protocol is missing"), "{rest}");
    }

    #[test]
    fn syntax_errors_are_told_and_what_stands_elsewhere_too() {
        let said = said("[lan\n[wifi.guest]\nenabeld = true\nssid = \"a\nsecurity = \"wpa3\"\n");
        assert!(said.len() >= 3, "{said:#?}");
        assert!(said[0].starts_with("1:"), "{said:#?}");
        assert!(said.iter().any(|line| line.contains("did you mean enabled?")), "{said:#?}");
        assert!(said.iter().any(|line| line.starts_with("4:")), "{said:#?}");
    }

    #[test]
    fn other_versions_are_refused_before_anything_else() {
        let said = |text| said(text).join("\n");
        let newer = said("whatever = 1\nversion = 7\n");
        assert!(newer.starts_with("2:11 version These settings are of version 7;"), "{newer}");
        assert!(newer.ends_with("update the box first."), "{newer}");
        assert!(said("version = 0\n").contains("kith config import"));
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let large = format!("# {}", "x".repeat(MAX_SETTINGS));
        assert!(said(&large)[0].contains("128 KiB"));
        for open in ["a = [", "a = {b=", "a."] {
            let said = said(&open.repeat(20_000).chars().take(MAX_SETTINGS).collect::<String>());
            assert!(!said.is_empty() && said.len() <= MAX_FINDINGS);
        }
        let many = "=\n".repeat(60_000);
        assert_eq!(said(&many).len(), MAX_FINDINGS);
    }

    #[test]
    fn a_secret_is_in_no_finding() {
        let secret = "zyxwvuts";
        for wrong in [
            format!("[mesh]\nsecret = \"{secret}\u{e4}\"\n"),
            format!("[mesh]\nsecret = [\"{secret}\"]\n"),
            format!("[mesh]\nsecret = \"{secret}\n"),
            format!("[mesh]\nsecret = {secret}\n"),
            format!("[mesh]\nsecret = \"{secret}\"\nid = 1\n"),
        ] {
            assert!(!said(&wrong).join(" ").contains(secret), "{:?}", said(&wrong));
        }
    }

    #[test]
    fn what_a_masked_export_lacks_is_said() {
        let said = said(&super::super::mask::masked("[mesh]\nsecret = \"zyxwvuts\"\n").unwrap());
        assert!(said[0].contains("export with --secrets"), "{said:?}");
    }

    #[test]
    fn one_device_under_two_spellings_of_its_address_is_told() {
        let said = said("[client.\"aa:bb:cc:dd:ee:ff\"]\n[client.\"AA:bb:cc:dd:ee:ff\"]\n");
        assert!(said[0].contains("twice"), "{said:?}");
    }

    #[test]
    fn findings_without_a_line_get_the_nearest() {
        let text = "[lan]\naddress = \"192.168.77.1/24\"\n\n[wifi.guest]\nenabled = true\n";
        let find = |key: &str| {
            let finding = Finding { key: key.to_owned(), ..Finding::default() };
            let found = located(text, vec![finding]).remove(0);
            (found.line, found.column)
        };
        assert_eq!(find("lan.address"), (2, 1));
        assert_eq!(find("wifi.guest.ssid"), (4, 7));
        assert_eq!(find("mesh.id"), (0, 0));
    }
}
