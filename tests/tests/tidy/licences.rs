//! Licences and sources of what we link. The accepted licences are those of `deny.toml`, so that
//! there is one list; `cargo deny` checks the same and the advisories besides.

use std::collections::BTreeSet;

use super::tree::Package;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The licences that `deny.toml` accepts.
pub(crate) fn accepted(deny: &str) -> BTreeSet<String> {
    let deny: toml::Table = deny.parse().unwrap();
    let allow = deny["licenses"]["allow"].as_array().unwrap();
    allow.iter().map(|l| l.as_str().unwrap().to_owned()).collect()
}

/// Packages whose licence we cannot satisfy with `accepted` ones.
pub(crate) fn complaints(packages: &[Package], accepted: &BTreeSet<String>) -> Vec<String> {
    packages
        .iter()
        .filter(|p| !p.license.as_ref().is_some_and(|l| satisfied(l, accepted)))
        .map(|p| format!("{} {}: licence {:?}", p.name, p.version, p.license))
        .collect()
}

/// Packages from anywhere but this tree and crates.io.
pub(crate) fn source_complaints(packages: &[Package]) -> Vec<String> {
    packages
        .iter()
        .filter(|p| p.source.as_ref().is_some_and(|s| s != CRATES_IO))
        .map(|p| format!("{} {}: from {:?}", p.name, p.version, p.source))
        .collect()
}

/// Whether an SPDX expression can be satisfied. `/` is the old way to write OR.
fn satisfied(expression: &str, accepted: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    any_of(&mut words, accepted) == Some(true) && words.is_empty()
}

/// The words come last first; nothing is the answer to what is no expression.
fn any_of(words: &mut Vec<&str>, accepted: &BTreeSet<String>) -> Option<bool> {
    let mut result = all_of(words, accepted)?;
    while words.last() == Some(&"OR") {
        words.pop();
        result |= all_of(words, accepted)?;
    }
    Some(result)
}

fn all_of(words: &mut Vec<&str>, accepted: &BTreeSet<String>) -> Option<bool> {
    let mut result = one(words, accepted)?;
    while words.last() == Some(&"AND") {
        words.pop();
        result &= one(words, accepted)?;
    }
    Some(result)
}

fn one(words: &mut Vec<&str>, accepted: &BTreeSet<String>) -> Option<bool> {
    let word = words.pop()?;
    if word == "(" {
        let inner = any_of(words, accepted)?;
        return (words.pop()? == ")").then_some(inner);
    }
    if words.last() == Some(&"WITH") {
        words.pop();
        return Some(accepted.contains(&format!("{word} WITH {}", words.pop()?)));
    }
    Some(accepted.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> BTreeSet<String> {
        accepted("[licenses]\nallow = ['MIT', 'ISC', 'Apache-2.0 WITH LLVM-exception']")
    }

    #[test]
    fn a_licence_outside_the_list_is_caught() {
        let bad =
            [None, Some("GPL-3.0-only"), Some("MIT AND GPL-2.0"), Some("Apache-2.0"), Some("")];
        for licence in bad {
            let package = Package::sample("x", licence, None);
            assert_eq!(complaints(&[package], &two()).len(), 1, "{licence:?}");
        }
    }

    #[test]
    fn expressions_are_read_as_spdx_means_them() {
        let good = [
            "MIT",
            "GPL-3.0-only OR MIT",
            "GPL-3.0-only/MIT",
            "(MIT OR GPL-2.0) AND ISC",
            "Apache-2.0 WITH LLVM-exception",
        ];
        for expression in good {
            assert!(satisfied(expression, &two()), "{expression}");
        }
        for expression in ["MIT OR", "(MIT", "MIT ISC", "MIT AND (ISC AND GPL-2.0)", "MIT OR ISC)"]
        {
            assert!(!satisfied(expression, &two()), "{expression}");
        }
    }

    #[test]
    fn a_package_from_elsewhere_is_caught() {
        let git = Package::sample("x", None, Some("git+https://example.org/x"));
        assert_eq!(source_complaints(&[git]).len(), 1);
        let ours = Package::sample("x", None, None);
        let theirs = Package::sample("y", None, Some(CRATES_IO));
        assert!(source_complaints(&[ours, theirs]).is_empty());
    }
}
