//! Rules of this tree that a reader would otherwise have to check by eye, over `cargo metadata` and
//! the files themselves.
//!
//! Every rule is a pure function from what it looks at to a list of complaints, and has a test that
//! feeds it a bad sample: a rule that cannot complain would prove nothing. Style that the compiler
//! or clippy can see is not repeated here.
#![expect(clippy::unwrap_used, reason = "a tree that cannot be read fails the test")]

mod arrows;
mod fences;
mod layout;
mod licences;
mod text;
mod tree;

use tree::Tree;

/// Fails with all complaints at once, one a line.
#[track_caller]
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
}

#[test]
fn crates_name_only_the_crates_below_them() {
    none(&arrows::complaints(&Tree::here().crates));
}

#[test]
fn each_heavy_crate_stays_behind_its_fence() {
    none(&fences::complaints(&Tree::here().crates));
}

#[test]
fn only_one_file_names_sled() {
    none(&fences::sled_files(&Tree::here().files));
}

#[test]
fn every_dependency_has_an_accepted_licence() {
    let tree = Tree::here();
    none(&licences::complaints(&tree.packages, &licences::accepted(&tree.deny)));
}

#[test]
fn every_dependency_comes_from_crates_io() {
    none(&licences::source_complaints(&Tree::here().packages));
}

#[test]
fn every_crate_says_what_it_is() {
    none(&layout::crate_complaints(&Tree::here().crates));
}

#[test]
fn every_manifest_takes_versions_and_lints_from_the_workspace() {
    none(&layout::manifest_complaints(&Tree::here().files));
}

#[test]
fn the_top_level_holds_only_what_belongs_there() {
    none(&layout::top_complaints(&Tree::here().top));
}

#[test]
fn every_module_says_what_it_is() {
    none(&text::undocumented(&Tree::here().files));
}

#[test]
fn no_file_is_too_long_to_read() {
    none(&text::too_long(&Tree::here().files));
}

#[test]
fn nothing_is_left_unfinished() {
    none(&text::unfinished(&Tree::here().files));
}

#[test]
fn no_line_ends_in_a_space() {
    none(&text::trailing(&Tree::here().files));
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    none(&text::foreign(&Tree::here().files));
}

#[test]
fn npm_lock_files_name_no_registry() {
    none(&text::registries(&Tree::here().files));
}
