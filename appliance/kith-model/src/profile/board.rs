//! What is written about a board: its ports, radios, memory, lights, and how it is told from others.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::image::Image;
use crate::settings::values::{InterfaceName, Label};

/// What is known about a board before looking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its short name, which is its folder's.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// What kind of machine it is.
    #[serde(default)]
    pub class: Class,
    /// Its instruction set; none where any will do.
    #[serde(default)]
    pub arch: Option<Arch>,
    /// How much of what is written here somebody has seen.
    #[serde(default)]
    pub tier: Option<Tier>,
    /// The day somebody saw it on the hardware, `2026-11-20`; only with [`Tier::SeenOnHardware`].
    #[serde(default)]
    pub seen: Option<String>,
    /// Ethernet ports in the order in which they are seen from behind.
    #[serde(default)]
    pub port: Vec<Port>,
    /// Whether ports that are not listed belong to the household (else they stay unused).
    #[serde(default)]
    pub other_ports_lan: bool,
    /// Megabytes of memory, of the smallest one sold.
    #[serde(default)]
    pub memory_mb: u32,
    /// Whether its radios and ports are only simulated.
    #[serde(default)]
    pub simulated: bool,
    /// Radios that are built in. What is plugged in is found by looking.
    #[serde(default)]
    pub radio: Vec<Radio>,
    /// Where an image and its data can be kept.
    #[serde(default)]
    pub storage: Vec<Storage>,
    /// Kernel modules that are loaded before anything is looked for, by name.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Lights that can say something.
    #[serde(default)]
    pub led: Vec<Led>,
    /// The button that means safe mode and factory reset.
    #[serde(default)]
    pub button: Option<Button>,
    /// Where a LoRa radio or concentrator is plugged in.
    #[serde(default)]
    pub lora: Option<Lora>,
    /// What a machine says of itself when it is this board.
    #[serde(default)]
    pub detect: Detect,
    /// What its image is made of; none for what no image is made for.
    #[serde(default)]
    pub image: Option<Image>,
}

/// What kind of machine a profile is about.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Nothing is known about it.
    #[default]
    Generic,
    /// It is only played.
    Tryout,
    /// A virtual machine, for tests; its images may do what no release may.
    Ci,
    /// A usual computer.
    Pc,
    /// A Raspberry Pi.
    Pi,
    /// A board with two networks at least.
    Router,
}

impl Class {
    /// Whether it is a machine that an image is made for.
    #[must_use]
    pub const fn is_board(self) -> bool {
        match self {
            Self::Generic | Self::Tryout => false,
            Self::Ci | Self::Pc | Self::Pi | Self::Router => true,
        }
    }
}

/// An instruction set, as Linux calls it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit PCs.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM with hardware floating point.
    Armv7,
}

impl Arch {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::X86_64, Self::Aarch64, Self::Armv7];

    /// What `uname -m` calls it.
    #[must_use]
    pub fn of_machine(machine: &str) -> Option<Self> {
        match machine {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            "armv7l" => Some(Self::Armv7),
            _ => None,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Armv7 => "armv7",
        })
    }
}

/// How much of a profile somebody has seen. A profile claims no more.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Written from documents alone.
    Experimental,
    /// Its configuration resolves in the pinned Buildroot tree; nobody built it.
    Resolves,
    /// An image of it was booted on an emulated machine, up to its panel.
    BootedInQemu,
    /// Somebody booted it on the board itself; [`Profile::seen`] says when.
    SeenOnHardware,
}

/// An Ethernet port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// The kernel's name of it, or the name it is given when it is found by something else.
    pub device: InterfaceName,
    /// What is printed beside it.
    pub label: Label,
    /// What it is for unless the settings say otherwise.
    pub role: PortRole,
    /// What tells it from the others, where the kernel's names follow from who was found first.
    #[serde(default, rename = "match")]
    pub found_by: Option<PortMatch>,
}

/// What a port is told by. All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PortMatch {
    /// Its driver, as the link `device/driver` in sysfs ends.
    #[serde(default)]
    pub driver: Option<String>,
    /// What its device's path in sysfs contains.
    #[serde(default)]
    pub path: Option<String>,
}

/// What a port is for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum PortRole {
    /// The household.
    Lan,
    /// The internet.
    Wan,
}

/// A radio that is built in. What it can really do is asked of the kernel at run time; this is what a
/// reader and an image builder may expect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Radio {
    /// Its driver's name.
    pub driver: String,
    /// What it hangs on: `sdio`, `pcie`, `usb`, `soc` or `virtual`.
    pub bus: String,
    /// Where it can send.
    pub bands: Vec<Band>,
    /// What it can be.
    pub modes: Vec<Mode>,
}

impl Radio {
    /// Whether it can take part in a mesh (IEEE 802.11s).
    #[must_use]
    pub fn mesh_capable(&self) -> bool {
        self.modes.contains(&Mode::MeshPoint)
    }
}

/// A band of Wi-Fi, in GHz.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum Band {
    /// 2.4 GHz.
    #[serde(rename = "2.4")]
    Two,
    /// 5 GHz.
    #[serde(rename = "5")]
    Five,
    /// 6 GHz.
    #[serde(rename = "6")]
    Six,
}

/// What a radio can be, by the kernel's names of interface types.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Others join it.
    AccessPoint,
    /// It joins others.
    Station,
    /// It takes part in a mesh (IEEE 802.11s).
    MeshPoint,
}

/// Where data can be kept.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// A memory card.
    Sd,
    /// Soldered flash that behaves as a card.
    Emmc,
    /// Raw NAND flash.
    Nand,
    /// A few megabytes of NOR flash, for boot loaders.
    Nor,
    /// A USB stick or disk.
    Usb,
    /// A SATA disk.
    Sata,
    /// An NVMe disk.
    Nvme,
    /// The disk of a virtual machine.
    Virtio,
}

/// A light.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Led {
    /// Its name under `/sys/class/leds`.
    pub name: String,
    /// What it says.
    pub shows: Shows,
}

/// What a light says.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Shows {
    /// That there is power.
    Power,
    /// How the box is.
    Status,
    /// The household.
    Lan,
    /// The internet.
    Wan,
}

/// A button that the kernel reports as a key (input-event-codes.h).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// What is printed beside it.
    pub label: String,
    /// The key, `KEY_RESTART`.
    pub key: String,
}

/// Where a LoRa radio is plugged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// What it is plugged into, in words.
    pub connector: String,
    /// The SPI device that leads there.
    pub spi: Spi,
    /// The line that resets it, where the connector and not the module decides it.
    #[serde(default)]
    pub reset: Option<Gpio>,
}

/// A device on a serial bus: `/dev/spidevB.C`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spi {
    /// The controller, as the device tree counts them.
    pub bus: u8,
    /// Its chip select.
    pub select: u8,
}

/// A general-purpose line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gpio {
    /// The controller's label in the device tree.
    pub controller: String,
    /// The line, from 0.
    pub line: u32,
}

/// What a machine says of itself when it is this board.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Names in the device tree's `compatible` of the root (Devicetree Specification 2.3.1).
    #[serde(default)]
    pub compatible: Vec<String>,
    /// What the firmware of a PC says, each a rule of its own.
    #[serde(default)]
    pub dmi: Vec<Dmi>,
}

/// A rule about what the firmware of a PC says (SMBIOS 7.2 and 7.4, as under `/sys/class/dmi/id`). All that
/// is given must hold; the rule that gives more wins.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Dmi {
    /// The maker.
    #[serde(default)]
    pub sys_vendor: Option<String>,
    /// The product.
    #[serde(default)]
    pub product_name: Option<String>,
    /// Which kinds of housing (SMBIOS 7.4.1).
    #[serde(default)]
    pub chassis_type: Vec<u8>,
}
