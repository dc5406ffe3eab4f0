//! Which of a kernel's modules an image needs: those that are named, and all they rest on, in the order in
//! which they can be loaded. Pure functions of `modules.dep`, `modules.softdep`, `modules.alias` and
//! `modules.builtin`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;

/// What a kernel says of its modules.
#[derive(Clone, Debug, Default)]
pub struct Known {
    paths: BTreeMap<String, String>,
    needs: BTreeMap<String, Vec<String>>,
    before: BTreeMap<String, Vec<String>>,
    aliases: BTreeMap<String, Vec<String>>,
    builtin: BTreeSet<String>,
}

/// The name of a module from its path, with the one spelling that the kernel uses inside.
fn name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.split(".ko").next().unwrap_or(file).replace('-', "_")
}

impl Known {
    /// Reads the files that depmod(8) writes.
    #[must_use]
    pub fn read(dep: &str, softdep: &str, alias: &str, builtin: &str) -> Self {
        let mut known = Self::default();
        for line in dep.lines() {
            let Some((path, needs)) = line.split_once(':') else { continue };
            known.paths.insert(name(path), path.to_owned());
            // The one that is needed first is named last.
            known.needs.insert(name(path), needs.split_whitespace().rev().map(name).collect());
        }
        for line in softdep.lines().filter_map(|line| line.strip_prefix("softdep ")) {
            let mut words = line.split_whitespace();
            let Some(module) = words.next() else { continue };
            let mut pre = false;
            let mut before = Vec::new();
            for word in words {
                match word {
                    "pre:" => pre = true,
                    "post:" => pre = false,
                    module if pre => before.push(name(module)),
                    _ => {}
                }
            }
            known.before.entry(name(module)).or_default().extend(before);
        }
        for line in alias.lines().filter_map(|line| line.strip_prefix("alias ")) {
            if let Some((other, module)) = line.split_once(' ') {
                known.aliases.entry(name(other)).or_default().push(name(module));
            }
        }
        known.builtin = builtin.lines().map(name).collect();
        known
    }

    /// The paths of `wanted` and all they rest on, each after what it needs.
    ///
    /// # Errors
    /// The kernel has no module of a name.
    pub fn closure(&self, wanted: &[String]) -> anyhow::Result<Vec<String>> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for module in wanted {
            let module = name(module);
            if !self.paths.contains_key(&module) && !self.builtin.contains(&module) {
                bail!("the kernel has no module {module}");
            }
            self.visit(&module, &mut seen, &mut order);
        }
        Ok(order)
    }

    fn visit(&self, module: &str, seen: &mut BTreeSet<String>, order: &mut Vec<String>) {
        if !seen.insert(module.to_owned()) {
            return;
        }
        // A module that is only wished for may be missing: it has another implementation then.
        for wished in self.before.get(module).into_iter().flatten() {
            self.visit(wished, seen, order);
            for other in self.aliases.get(wished).into_iter().flatten() {
                self.visit(other, seen, order);
            }
        }
        for needed in self.needs.get(module).into_iter().flatten() {
            self.visit(needed, seen, order);
        }
        order.extend(self.paths.get(module).cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let dep = "kernel/a/libcrc32c.ko.xz:\nkernel/net/batman-adv.ko.xz: kernel/a/libcrc32c.ko.xz kernel/n/cfg80211.ko.xz\n\
                   kernel/n/cfg80211.ko.xz: kernel/n/rfkill.ko.xz\nkernel/n/rfkill.ko.xz:\nkernel/c/crc32c_generic.ko.xz:\n";
        let softdep = "# words\nsoftdep libcrc32c pre: crc32c missing post: rfkill\n";
        let alias = "alias crc32c crc32c_generic\nalias pci:v* virtio_pci\n";
        Known::read(dep, softdep, alias, "kernel/fs/ext4/ext4.ko\n")
    }

    #[test]
    fn what_is_rested_on_comes_first_soft_or_not() {
        let order = known().closure(&["batman_adv".into()]).unwrap();
        let order: Vec<String> = order.iter().map(|path| name(path)).collect();
        assert_eq!(order, ["rfkill", "cfg80211", "crc32c_generic", "libcrc32c", "batman_adv"]);
    }

    #[test]
    fn what_is_built_in_is_there_and_what_is_not_known_is_told() {
        assert!(known().closure(&["ext4".into()]).unwrap().is_empty());
        let error = known().closure(&["nothing".into()]).unwrap_err().to_string();
        assert_eq!(error, "the kernel has no module nothing");
    }

    #[test]
    fn a_circle_of_wishes_ends() {
        let known = Known::read("a.ko:\nb.ko:\n", "softdep a pre: b\nsoftdep b pre: a\n", "", "");
        assert_eq!(known.closure(&["a".into()]).unwrap(), ["b.ko", "a.ko"]);
    }
}
