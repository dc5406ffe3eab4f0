//! Whether a board's lines still say what Buildroot's own configuration for that board says.

use std::collections::BTreeMap;

use kith_model::profile::Buildroot;

use crate::definition::symbol;

/// What is the board's affair and not ours: what runs before and below the root.
const BOARD: &[&str] = &[
    "BR2_ARM_FPU",
    "BR2_LINUX_KERNEL_",
    "BR2_PACKAGE_ROCKCHIP",
    "BR2_PACKAGE_RPI_FIRMWARE",
    "BR2_TARGET_ARM_TRUSTED_FIRMWARE",
    "BR2_TARGET_EDK2",
    "BR2_TARGET_GRUB2",
    "BR2_TARGET_UBOOT",
    "BR2_cortex",
];

/// What is composed from several sources, or only about where Buildroot puts a copy of the kernel.
const COMPOSED: &[&str] =
    &["BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES", "BR2_LINUX_KERNEL_INSTALL_TARGET"];

/// Lines of the base that the board neither has nor leaves out on purpose, and fragments it forgot.
#[must_use]
pub fn drift(base: &str, board: &Buildroot) -> Vec<String> {
    let ours: BTreeMap<&str, &str> =
        board.lines.iter().filter_map(|line| Some((symbol(line)?, line.as_str()))).collect();
    let concerns = |symbol: &str| {
        BOARD.iter().any(|begin| symbol.starts_with(begin)) && !COMPOSED.contains(&symbol)
    };
    let own = |symbol: &str| {
        ours.get(symbol).is_some_and(|line| line.contains("$(BR2_EXTERNAL_KITH_PATH)"))
    };
    let theirs = base.lines().filter_map(|line| Some((symbol(line)?, line)));
    let mut drifted: Vec<String> = theirs
        .clone()
        .filter(|(symbol, _)| concerns(symbol) && !own(symbol))
        .filter(|(symbol, _)| !board.without.iter().any(|without| without == symbol))
        .filter(|(symbol, line)| ours.get(symbol) != Some(line))
        .map(|(_, line)| line.to_owned())
        .collect();
    let listed = |key: &str| {
        let line = theirs.clone().find(|(symbol, _)| *symbol == key);
        let value = line.and_then(|(_, line)| line.split_once('=')).map(|(_, value)| value);
        let value = value.unwrap_or_default().trim_matches('"');
        value.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let kept = [
        (listed("BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES"), &board.fragments),
        (listed("BR2_GLOBAL_PATCH_DIR"), &board.patches),
    ];
    for (theirs, ours) in kept {
        drifted.extend(theirs.into_iter().filter(|path| !ours.contains(path)));
    }
    drifted
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "BR2_aarch64=y\nBR2_cortex_a72=y\nBR2_LINUX_KERNEL_DEFCONFIG=\"x\"\n\
                        BR2_PACKAGE_XZ=y\nBR2_TARGET_GRUB2=y\nBR2_GLOBAL_PATCH_DIR=\"board/x/patches\"\n\
                        BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES=\"board/x/a.fragment\"\n";

    fn board(lines: &[&str]) -> Buildroot {
        Buildroot {
            base: Some("x".into()),
            fragments: vec!["board/x/a.fragment".into()],
            patches: vec!["board/x/patches".into()],
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            without: vec!["BR2_TARGET_GRUB2".into()],
        }
    }

    #[test]
    fn what_the_base_says_of_the_board_is_kept_or_left_out_on_purpose() {
        let same = board(&["BR2_cortex_a72=y", "BR2_LINUX_KERNEL_DEFCONFIG=\"x\""]);
        assert!(drift(BASE, &same).is_empty(), "{:?}", drift(BASE, &same));
        let older = board(&["BR2_cortex_a72=y", "BR2_LINUX_KERNEL_DEFCONFIG=\"w\""]);
        assert_eq!(drift(BASE, &older), ["BR2_LINUX_KERNEL_DEFCONFIG=\"x\""]);
        let bare =
            Buildroot { without: Vec::new(), fragments: Vec::new(), patches: Vec::new(), ..same };
        assert_eq!(
            drift(BASE, &bare),
            ["BR2_TARGET_GRUB2=y", "board/x/a.fragment", "board/x/patches"]
        );
    }

    #[test]
    fn a_file_of_ours_in_the_place_of_theirs_is_no_drift() {
        let base = "BR2_PACKAGE_RPI_FIRMWARE_CONFIG_FILE=\"board/x/config.txt\"\n";
        let ours = board(&[
            "BR2_PACKAGE_RPI_FIRMWARE_CONFIG_FILE=\"$(BR2_EXTERNAL_KITH_PATH)/board/pi/config.txt\"",
        ]);
        assert!(drift(base, &ours).is_empty());
        assert_eq!(drift(base, &board(&[])).len(), 1);
    }
}
