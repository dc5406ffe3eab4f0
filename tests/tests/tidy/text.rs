//! Rules about what is written in the files.
//!
//! The forbidden words are put together from halves, so that this file does not hold them.

use super::tree::File;

/// More than this before its tests and a file does several jobs.
const MAX_LINES: usize = 450;

const UNFINISHED: &[&str] = &[
    concat!("to", "do!("),
    concat!("unimplemen", "ted!("),
    concat!("#[ign", "ore"),
    concat!("should_", "panic"),
    concat!("FIX", "ME"),
];

/// Folders of one machine, which no other has.
const FOREIGN: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];

const PROSE: &[&str] = &[".rs", ".toml", ".md", ".mjs", ".js", ".css", ".html", ".sh", ".po"];

/// Rust files that do not open by saying what they are.
pub(crate) fn undocumented(files: &[File]) -> Vec<String> {
    rust(files)
        .filter(|f| !f.text.starts_with("//! ") || f.text.starts_with("//! (not yet)"))
        .map(|f| format!("{}: does not begin with //! and what it is", f.path))
        .collect()
}

/// Rust files with too much before their tests.
pub(crate) fn too_long(files: &[File]) -> Vec<String> {
    rust(files)
        .map(|f| (f, f.text.lines().take_while(|l| !l.starts_with("#[cfg(test)]")).count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(f, lines)| format!("{}: {lines} lines before its tests", f.path))
        .collect()
}

/// Marks of unfinished work, in code or comment.
pub(crate) fn unfinished(files: &[File]) -> Vec<String> {
    rust(files).flat_map(|f| lines_with(f, UNFINISHED)).collect()
}

/// Lines of code and prose that end in white space.
pub(crate) fn trailing(files: &[File]) -> Vec<String> {
    let is_prose = |f: &&File| PROSE.iter().any(|end| f.path.ends_with(end)) || f.path == ".ci/run";
    let ends_badly = |line: &str| line.ends_with(' ') || line.ends_with('\t');
    files
        .iter()
        .filter(is_prose)
        .flat_map(|f| {
            let bad = f.text.lines().enumerate().filter(move |(_, line)| ends_badly(line));
            bad.map(|(n, _)| format!("{}:{}: ends in a space", f.path, n + 1))
        })
        .collect()
}

/// Names of one machine's folders, anywhere.
pub(crate) fn foreign(files: &[File]) -> Vec<String> {
    files.iter().flat_map(|f| lines_with(f, FOREIGN)).collect()
}

/// npm lock files that say where a package was downloaded.
pub(crate) fn registries(files: &[File]) -> Vec<String> {
    files
        .iter()
        .filter(|f| f.path.ends_with("package-lock.json"))
        .flat_map(|f| lines_with(f, &["\"resolved\"", "http://"]))
        .collect()
}

fn rust(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|f| f.path.ends_with(".rs"))
}

fn lines_with(file: &File, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (n, line) in file.text.lines().enumerate() {
        for word in words.iter().filter(|w| line.contains(**w)) {
            found.push(format!("{}:{}: {word}", file.path, n + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: impl Into<String>) -> [File; 1] {
        [File { path: path.into(), text: text.into() }]
    }

    #[test]
    fn a_module_that_does_not_say_what_it_is_is_caught() {
        assert_eq!(undocumented(&file("a.rs", "use std::fs;")).len(), 1);
        assert_eq!(undocumented(&file("a.rs", "//! (not yet)\n")).len(), 1);
        assert!(undocumented(&file("a.rs", "//! A room.\n")).is_empty());
    }

    #[test]
    fn a_long_file_is_caught_and_its_tests_do_not_count() {
        assert_eq!(too_long(&file("a.rs", "x\n".repeat(MAX_LINES + 1))).len(), 1);
        let tested = format!("{}#[cfg(test)]\n{}", "x\n".repeat(9), "x\n".repeat(MAX_LINES));
        assert!(too_long(&file("a.rs", tested)).is_empty());
    }

    #[test]
    fn every_mark_of_unfinished_work_is_caught() {
        for mark in UNFINISHED {
            assert_eq!(unfinished(&file("a.rs", format!("    {mark}"))).len(), 1, "{mark}");
        }
    }

    #[test]
    fn a_space_at_the_end_is_caught() {
        assert_eq!(trailing(&file("a.md", "a \nb\t\nc\n")).len(), 2);
    }

    #[test]
    fn a_machine_of_ours_is_caught() {
        for folder in FOREIGN {
            assert_eq!(foreign(&file("a.toml", format!("path = '{folder}x'"))).len(), 1);
        }
    }

    #[test]
    fn a_registry_in_a_lock_file_is_caught() {
        let lock = "{\"resolved\": \"https://registry.example/x.tgz\"}";
        assert_eq!(registries(&file("tests/x/package-lock.json", lock)).len(), 1);
    }
}
