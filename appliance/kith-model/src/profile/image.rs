//! What is written about the image of a board: how it boots, how its disk is laid out, what is in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an image is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// What comes before the kernel.
    pub boot: BootChain,
    /// How the disk is divided.
    pub layout: Layout,
    /// Megabytes of each of the two root partitions. On [`Layout::MbrAb`] the kernel is in them too.
    #[serde(default)]
    pub slot_mb: u32,
    /// The kernel's console, as after `console=`.
    pub console: String,
    /// Firmware that its parts need, by the names of `image/packages.toml`.
    #[serde(default)]
    pub firmware: Vec<String>,
    /// Programs that it needs besides those of every box, by the names of `image/packages.toml`.
    #[serde(default)]
    pub packages: Vec<String>,
    /// What must be written at fixed places before the first partition.
    #[serde(default)]
    pub uboot: Vec<Uboot>,
    /// How Buildroot makes it; none where Buildroot does not.
    #[serde(default)]
    pub buildroot: Option<Buildroot>,
}

/// What comes before the kernel.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum BootChain {
    /// UEFI firmware and a boot loader of ours on an EFI system partition.
    Efi,
    /// The firmware of a Raspberry Pi.
    RpiFirmware,
    /// U-Boot, made with the image.
    UBoot,
    /// The U-Boot that is on the board already. It is not ours, so no second slot is promised: such a board
    /// is updated by writing it anew.
    Existing,
}

/// How the disk is divided.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// GPT: boot, two roots, the raw area that remembers.
    GptAb,
    /// MBR: the firmware's partition and two slots, each kernel and root in one FAT partition.
    MbrAb,
    /// As the boot loader on the board wants it; no slots.
    None,
}

/// A boot loader's file and where on the disk it is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uboot {
    /// The file, as Buildroot names it.
    pub file: String,
    /// Bytes from the beginning of the disk.
    pub offset: u64,
}

/// How Buildroot makes an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Buildroot {
    /// The configuration of Buildroot's own for this board, without `_defconfig`; none if it has none.
    #[serde(default)]
    pub base: Option<String>,
    /// Kernel configuration in Buildroot's tree, before ours.
    #[serde(default)]
    pub fragments: Vec<String>,
    /// Folders in Buildroot's tree with patches and hashes for this board.
    #[serde(default)]
    pub patches: Vec<String>,
    /// What is particular to the board: processor, kernel, device tree, boot loader.
    pub lines: Vec<String>,
    /// Symbols of the base that are left out on purpose.
    #[serde(default)]
    pub without: Vec<String>,
}
