//! Settings of the kernel's network below `/proc/sys/net`, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use crate::hands::HandsError;
use crate::names::BRIDGE_NETFILTER;

const ROOT: &str = "/proc/sys/net";

/// More than any setting of ours takes, in bytes.
const LONGEST: usize = 64;

/// The settings that the box has set since it started.
#[derive(Debug, Default)]
pub(crate) struct Sysctls {
    ours: BTreeSet<String>,
}

impl Sysctls {
    /// Sets one; nothing is written when it is as wanted, since some forget things at each write.
    pub(crate) fn set(&mut self, path: &str, value: &str) -> Result<(), HandsError> {
        let file = place(path)?;
        if !is_value(value) {
            return Err(HandsError::Refused(format!("{value:?} is no value of a kernel setting")));
        }
        self.ours.insert(path.to_owned());
        let failed = |error: io::Error| {
            if error.kind() == io::ErrorKind::NotFound {
                HandsError::Missing(format!("this kernel has no setting net/{path}"))
            } else {
                HandsError::File(format!("net/{path} cannot be set to {value}: {error}"))
            }
        };
        if read(&file).map_err(failed)? == value {
            return Ok(());
        }
        std::fs::write(&file, value).map_err(failed)
    }

    /// Those that the box has set and those that come with a module, with their values, as far as they are
    /// there.
    pub(crate) fn look(&self) -> BTreeMap<String, String> {
        let read = |path: &str| Some((path.to_owned(), read(&place(path).ok()?).ok()?));
        let ours = self.ours.iter().map(String::as_str);
        ours.chain(BRIDGE_NETFILTER).filter_map(read).collect()
    }
}

/// A value as it is written: words of one line with one space between them.
fn read(file: &Path) -> io::Result<String> {
    let text = std::fs::read_to_string(file)?;
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn is_value(value: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | ',' | ':' | '.');
    !value.is_empty() && value.len() <= LONGEST && value.chars().all(sound)
}

/// Where a setting is, if its path stays below.
fn place(path: &str) -> Result<PathBuf, HandsError> {
    let sound = |part: &str| {
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
        !part.is_empty()
            && part.len() <= LONGEST
            && part.chars().all(sound)
            && !part.starts_with('.')
    };
    if path.split('/').count() > 8 || !path.split('/').all(sound) {
        return Err(HandsError::Refused(format!("{path:?} is no kernel setting of the network")));
    }
    Ok(Path::new(ROOT).join(path))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_stay_below() {
        assert!(place("ipv4/conf/br-lan/rp_filter").is_ok());
        assert!(place("netfilter/nf_conntrack_udp_timeout").is_ok());
        for path in
            ["", "/", "../kernel/hostname", "ipv4/../../kernel/core_pattern", "ipv4//x", "a\0b"]
        {
            assert!(place(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn values_are_words() {
        assert!(is_value("1") && is_value("0 2147483647") && is_value("fd00::1"));
        assert!(!is_value("") && !is_value("1\n2") && !is_value(&"1".repeat(LONGEST + 1)));
    }

    #[test]
    fn what_is_not_there_is_said_in_words() {
        let missing = Sysctls::default().set("ipv4/conf/no-such-port/rp_filter", "1").unwrap_err();
        assert!(matches!(missing, HandsError::Missing(_)), "{missing}");
    }

    proptest! {
        #[test]
        fn no_path_leads_out(path in "[a-z./]{0,40}") {
            if let Ok(place) = place(&path) {
                prop_assert!(place.starts_with(ROOT));
                prop_assert!(place.components().all(|c| c != std::path::Component::ParentDir));
            }
        }
    }
}
