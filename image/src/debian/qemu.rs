//! Boots an image in an emulated machine, its panel forwarded to this one.

use std::path::Path;

use anyhow::Context as _;
use kith_model::profile::{Arch, Profile};

/// The address of a box that nobody has set up, and one on its network for the emulator.
const BOX: &str = "192.168.77.1";
const NETWORK: &str = "192.168.77.0/24,host=192.168.77.254,dhcpstart=192.168.77.250";

/// The program and arguments that boot the image in `folder`, the panel at `port` of this machine. The console
/// goes to the file `console` in the same folder.
///
/// # Errors
/// No emulated machine is like the board.
pub fn command(board: &Profile, folder: &Path, port: u16) -> anyhow::Result<(String, Vec<String>)> {
    let arch = board.arch.context("a board without an instruction set")?;
    let machine: &[&str] = match arch {
        Arch::X86_64 => &["-M", "q35", "-cpu", "max"],
        Arch::Aarch64 => &["-M", "virt", "-cpu", "cortex-a53"],
        Arch::Armv7 => anyhow::bail!("no emulated machine is like {}", board.name),
    };
    let image = board.image.as_ref().context("a board without an image")?;
    let at = |name: &str| folder.join(name).display().to_string();
    let mut arguments: Vec<String> = machine.iter().map(|word| (*word).to_owned()).collect();
    // Emulation: whether a processor's own help can be trusted here is not known.
    for word in [
        "-accel",
        "tcg",
        "-smp",
        "1",
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
    ] {
        arguments.push(word.to_owned());
    }
    arguments.extend([
        "-m".into(),
        board.memory_mb.to_string(),
        "-serial".into(),
        format!("file:{}", at("console")),
        "-device".into(),
        "virtio-rng-pci".into(),
        "-drive".into(),
        format!("if=virtio,format=raw,file={}", at("disk.img")),
        "-netdev".into(),
        format!("user,id=lan,net={NETWORK},hostfwd=tcp:127.0.0.1:{port}-{BOX}:8480"),
        "-device".into(),
        "virtio-net-pci,netdev=lan".into(),
        "-netdev".into(),
        "user,id=wan,restrict=on".into(),
        "-device".into(),
        "virtio-net-pci,netdev=wan".into(),
        "-kernel".into(),
        at("vmlinuz"),
        "-initrd".into(),
        at("initrd"),
        "-append".into(),
        format!("console={} quiet panic=10 net.ifnames=0 kith.root=kith-root-a", image.console),
    ]);
    Ok((format!("qemu-system-{arch}"), arguments))
}
