//! What the first program decides: which slot, which device, which modules. Pure functions of what the kernel
//! says.

/// The slot that starts when nobody names one.
const FIRST: &str = "kith-root-a";

/// The slots there are. Nothing else is ever mounted as the root, whoever writes the command line.
const SLOTS: &[&str] = &[FIRST, "kith-root-b"];

/// The slot that the kernel's command line names.
pub(crate) fn slot(line: &str) -> &'static str {
    let named = line.split_ascii_whitespace().find_map(|word| word.strip_prefix("kith.root="));
    let known = named.and_then(|name| SLOTS.iter().find(|slot| **slot == name));
    known.copied().unwrap_or(FIRST)
}

/// The device that a block device's `uevent` is about, when its label is `label`.
pub(crate) fn device<'e>(event: &'e str, label: &str) -> Option<&'e str> {
    let value = |key: &str| event.lines().find_map(|line| line.strip_prefix(key));
    (value("PARTNAME=") == Some(label)).then(|| value("DEVNAME=")).flatten()
}

/// The names in the list of modules.
pub(crate) fn modules(list: &str) -> impl Iterator<Item = &str> {
    list.lines().filter(|line| !line.is_empty() && !line.contains('/') && !line.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_slots_can_be_named() {
        assert_eq!(slot("quiet kith.root=kith-root-b panic=1\n"), "kith-root-b");
        for line in ["", "kith.root=", "kith.root=data", "kith.root=../x", "xkith.root=kith-root-b"]
        {
            assert_eq!(slot(line), "kith-root-a", "{line}");
        }
    }

    #[test]
    fn a_partition_is_found_by_its_whole_label() {
        let event =
            "MAJOR=254\nMINOR=2\nDEVNAME=vda2\nDEVTYPE=partition\nPARTN=2\nPARTNAME=kith-root-a\n";
        assert_eq!(device(event, "kith-root-a"), Some("vda2"));
        assert_eq!(device(event, "kith-root"), None);
        assert_eq!(device("DEVNAME=vda\nDEVTYPE=disk\n", "kith-root-a"), None);
        assert_eq!(device("", ""), None);
    }

    #[test]
    fn modules_are_names_and_no_paths() {
        let list = "virtio.ko\n\n../x.ko\n.hidden\nsquashfs.ko\n";
        assert_eq!(modules(list).collect::<Vec<_>>(), ["virtio.ko", "squashfs.ko"]);
    }
}
