//! Buildroot's configuration of a board: a pure function of the definition and the profile.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use kith_model::profile::{Buildroot, Class, Profile};

use crate::definition::{Definition, symbol};
use crate::files::Generated;

/// Where our part of Buildroot's world begins, as Buildroot calls it.
const OURS: &str = "$(BR2_EXTERNAL_KITH_PATH)";

/// Where the configurations lie.
pub const FOLDER: &str = "buildroot-overlay/configs";

/// The name of a board's configuration, without `_defconfig`.
#[must_use]
pub fn name(board: &Profile) -> String {
    format!("kith_{}", board.name.replace('-', "_"))
}

/// The configurations of all boards that Buildroot makes images for.
///
/// # Errors
/// A board contradicts itself, or names what is not defined.
pub fn all(definition: &Definition, boards: &[Profile]) -> anyhow::Result<Vec<Generated>> {
    let made = boards.iter().filter_map(|board| {
        let buildroot = board.image.as_ref()?.buildroot.as_ref()?;
        Some((board, buildroot))
    });
    made.map(|(board, buildroot)| {
        let path = format!("{FOLDER}/{}_defconfig", name(board));
        Ok(Generated { path, text: text(definition, board, buildroot)? })
    })
    .collect()
}

fn text(definition: &Definition, board: &Profile, buildroot: &Buildroot) -> anyhow::Result<String> {
    let arch = board.arch.context("a board without an instruction set")?;
    let part = definition.arch.get(&arch).with_context(|| format!("{arch} is not defined"))?;
    let mut lines = Lines::default();
    lines.section(&format!("The processor ({arch}) and the board"));
    lines.add(&part.buildroot)?;
    lines.add(&buildroot.lines)?;
    for (name, package) in definition.of(board)? {
        lines.section(&format!("{name}: {}", package.why));
        lines.add(&package.buildroot)?;
    }
    lines.section("Which board it is, and what is laid over Buildroot");
    lines.add(&composed(board, buildroot))?;
    let mut text = format!(
        "# {}: written by `cargo run -p kith-image -- gen-defconfig` from hw-profiles/{}\n\
         # and image/packages.toml; a test fails when it is stale. Buildroot {}.\n",
        board.title, board.name, definition.buildroot.release
    );
    text.push_str(&lines.text);
    Ok(text)
}

fn composed(board: &Profile, buildroot: &Buildroot) -> Vec<String> {
    let mut fragments = buildroot.fragments.clone();
    let ours = ["common", "network", "radio"].into_iter();
    let ours = ours.chain((board.class == Class::Ci).then_some("ci"));
    fragments.extend(ours.map(|name| format!("{OURS}/../image/kernel/{name}.config")));
    let mut patches = buildroot.patches.clone();
    patches.push(format!("{OURS}/patches"));
    // The digest of our own archive, which is made with it.
    patches.push(format!("{OURS}/../image/dist/patches"));
    vec![
        format!("BR2_PACKAGE_KITH_BOARD=\"{}\"", board.name),
        format!("BR2_GLOBAL_PATCH_DIR=\"{}\"", patches.join(" ")),
        format!("BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES=\"{}\"", fragments.join(" ")),
        format!("BR2_ROOTFS_OVERLAY=\"{OURS}/board/common/rootfs-overlay\""),
    ]
}

/// Lines in the order of their sections, each symbol once.
#[derive(Default)]
struct Lines {
    text: String,
    title: Option<String>,
    known: BTreeMap<String, String>,
}

impl Lines {
    /// A title, written when something stands under it.
    fn section(&mut self, title: &str) {
        self.title = Some(title.to_owned());
    }

    fn add(&mut self, lines: &[String]) -> anyhow::Result<()> {
        for line in lines {
            let symbol = symbol(line).with_context(|| format!("{line:?} is no line"))?;
            match self.known.get(symbol) {
                Some(known) if known == line => continue,
                Some(known) => bail!("{known:?} and {line:?} contradict each other"),
                None => {}
            }
            self.known.insert(symbol.to_owned(), line.clone());
            if let Some(title) = self.title.take() {
                // Writing to a text does not fail.
                let _ = write!(self.text, "\n# {title}\n");
            }
            self.text.push_str(line);
            self.text.push('\n');
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use kith_model::profile;

    use super::*;
    use crate::files::{Source, stale};

    fn generated() -> Vec<Generated> {
        let definition = Definition::parse(include_str!("../packages.toml")).unwrap();
        all(&definition, &profile::all()).unwrap()
    }

    #[test]
    fn the_committed_configurations_are_those_that_are_generated() {
        let source = Source::above(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let stale = stale(&source, &generated());
        assert!(stale.is_empty(), "stale: {stale:?}: cargo run -p kith-image -- gen-defconfig");
        let known: Vec<String> = generated().into_iter().map(|file| file.path).collect();
        for entry in std::fs::read_dir(source.join(FOLDER)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(known.contains(&format!("{FOLDER}/{name}")), "{name} is of no board");
        }
    }

    #[test]
    fn release_images_have_nothing_that_only_tests_need() {
        for file in generated() {
            let ci = file.path.contains("qemu");
            assert_eq!(file.text.contains("kernel/ci.config"), ci, "{}", file.path);
        }
    }

    #[test]
    fn no_image_lets_anybody_sign_in() {
        for file in generated() {
            for line in [
                "# BR2_TARGET_ENABLE_ROOT_LOGIN is not set",
                "# BR2_TARGET_GENERIC_GETTY is not set",
            ] {
                assert!(file.text.lines().any(|is| is == line), "{}: {line}", file.path);
            }
        }
    }

    #[test]
    fn a_contradiction_is_told_and_a_repetition_is_not() {
        let mut lines = Lines::default();
        lines.add(&["BR2_A=y".into(), "BR2_A=y".into()]).unwrap();
        assert_eq!(lines.text, "BR2_A=y\n");
        let error = lines.add(&["# BR2_A is not set".into()]).unwrap_err().to_string();
        assert!(error.contains("contradict each other"), "{error}");
    }
}
