//! A virtual machine with what a container lacks: simulated radios, batman-adv, users and cgroups.
//!
//! Outside, this fetches a kernel, boots it in QEMU with the host's files as its own, and shows what
//! was seen. Inside, the same program makes a world of radios, wires and boxes and plays a scenario
//! in it. Needs no root, and leaves nothing but `target/vm`.
//!
//! What the machine cannot show: real radios, their range and their faults.

mod initramfs;
mod inside;
mod kernel;
mod machine;
mod row;
mod scenario;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use self::kernel::Kernel;
use self::machine::Machine;
use super::report::Report;
use super::{Wishes, beside, installed};

/// What the machine and the world in it are made with.
const PROGRAMS: [&str; 19] = [
    "qemu-system-x86_64",
    "busybox",
    "mke2fs",
    "setpriv",
    "xz",
    "zstd",
    "modprobe",
    "depmod",
    "ip",
    "ping",
    "sysctl",
    "iw",
    "hostapd",
    "wpa_supplicant",
    "batctl",
    "dnsmasq",
    "dhcpcd",
    "nft",
    "tcpdump",
];

/// What radios may do in which country.
const RULES: &str = "/lib/firmware/regulatory.db";

/// The parts of this program that are no lab: those that run inside the machine, and the one that
/// only fetches the kernel.
#[must_use]
pub fn part(args: &[String]) -> Option<ExitCode> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["vm-kernel"] => Some(match Ground::prepare() {
            Ok(_) => ExitCode::SUCCESS,
            Err(why) => {
                println!("no kernel for the virtual machine: {why:#}");
                ExitCode::FAILURE
            }
        }),
        _ => inside::part(&words),
    }
}

/// Plays the scenarios that are wanted, each in a machine of its own.
#[must_use]
pub fn run(wishes: &Wishes) -> Report {
    let ground = match Ground::prepare() {
        Ok(ground) => ground,
        Err(why) => return Report::skipped("vm", format!("{why:#}")),
    };
    let mut report = Report::default();
    for scenario in scenario::ALL.iter().filter(|s| wishes.wants(s.name)) {
        if let Err(why) = ground.play(scenario, wishes.seed, &mut report) {
            report.broke(&format!("vm {}", scenario.name), format!("{why:#}"));
        }
    }
    report
}

/// What every machine needs, found or fetched. One at a time: two would share two processors.
struct Ground {
    kernel: Kernel,
    busybox: PathBuf,
    folder: PathBuf,
    _turn: File,
}

impl Ground {
    fn prepare() -> Result<Self> {
        ensure!(cfg!(target_arch = "x86_64"), "the machine runs this program, built for x86_64");
        for program in PROGRAMS {
            ensure!(installed(program), "{program} is not installed");
        }
        let busybox = find("busybox")?;
        let program = fs::read(&busybox).context("read busybox")?;
        ensure!(initramfs::is_static(&program), "busybox is not static: busybox-static is");
        ensure!(Path::new(RULES).exists(), "wireless-regdb is not installed");
        let folder = beside()?.parent().context("the folder of builds")?.join("vm");
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        let turn = File::create(folder.join("lock")).context("make a lock")?;
        turn.lock().context("wait for another lab's machine")?;
        let kernel = Kernel::get(&folder)?;
        println!("kernel {} of {}, sha256 {}", kernel.release, kernel.package, kernel.sha256);
        Ok(Self { kernel, busybox, folder, _turn: turn })
    }

    fn play(&self, scenario: &scenario::Scenario, seed: u64, report: &mut Report) -> Result<()> {
        println!("\n-- {}: a virtual machine", scenario.name);
        let own = std::env::current_exe().context("find this program")?;
        let initramfs = initramfs::build(&self.kernel, &self.busybox, &own)?;
        let machine = Machine {
            kernel: &self.kernel,
            out: self.folder.join("out").join(scenario.name),
            asked: format!("{} {seed} {}", scenario.name, kith_or_nothing()),
            limit: scenario.limit,
        };
        let began = Instant::now();
        let code = machine.play(&initramfs);
        let rows = row::read(&machine.shared().join("rows"))?;
        let count = rows.len();
        for row in rows {
            row.tell(scenario.name, report);
        }
        let kept = machine.out.display();
        match code? {
            0 if count > 0 => {
                let seconds = began.elapsed().as_secs();
                println!("-- {}: {count} rows in {seconds} s; kept in {kept}", scenario.name);
                Ok(())
            }
            0 => bail!("it ended well without a single row; what it said is in {kept}"),
            _ => {
                let why = fs::read_to_string(machine.shared().join("broke")).unwrap_or_default();
                bail!("{}; what it said is in {kept}", why.trim())
            }
        }
    }
}

/// The box's program for the scenarios that want it; they say so when there is none.
fn kith_or_nothing() -> String {
    super::kith().map(|path| path.display().to_string()).unwrap_or_default()
}

/// Where a program is; people's `PATH` often lacks the places of root's.
fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut found = places.map(|p: PathBuf| p.join(program)).filter(|p: &PathBuf| Path::is_file(p));
    found.next().with_context(|| format!("{program} is not installed"))
}
