//! The virtual machine from outside: QEMU started, listened to, and ended in time.
//!
//! It needs no root. It reads the host's files and writes into one folder of results, which it sees
//! as `/labout`; its only other memory is a disk that lives as long as the scenario.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::kernel::Kernel;
use crate::lab::namespace::call;

/// Bytes of the disk that outlives a restart; a sparse file, so only what is written counts.
const DISK: u64 = 1 << 30;
/// A scenario that asks for more restarts than this has lost its way.
const BOOTS: u32 = 32;
/// Nothing of ours runs in the machine after this: it does not start.
const START: Duration = Duration::from_secs(120);

/// What a machine is made of, and where it writes.
#[derive(Debug)]
pub(crate) struct Machine<'a> {
    /// Its kernel.
    pub(crate) kernel: &'a Kernel,
    /// The folder of results: seen inside as `/labout`, kept afterwards.
    pub(crate) out: PathBuf,
    /// What the program inside is asked: `SCENARIO SEED`.
    pub(crate) asked: String,
    /// How long all of it may take.
    pub(crate) limit: Duration,
}

/// How a boot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// The scenario is over, with this exit code.
    Over(i32),
    /// The scenario cut the power, and wants to go on after a restart.
    Restart,
    /// Nobody inside said how it ended.
    Silent(String),
}

impl Machine<'_> {
    /// Boots as often as the scenario wants, and answers the exit code of the program inside.
    ///
    /// # Errors
    /// When the machine does not start, hangs, or ends without a word: the lab is broken then, and
    /// says nothing about what it was to test. With the end of the console.
    pub(crate) fn play(&self, initramfs: &[u8]) -> Result<i32> {
        if self.out.exists() {
            fs::remove_dir_all(&self.out).context("remove the last results")?;
        }
        let shared = self.shared();
        fs::create_dir_all(&shared).context("make the folder of results")?;
        fs::write(self.out.join("initramfs"), initramfs).context("write the initramfs")?;
        fs::write(shared.join("asked"), &self.asked).context("write what is asked")?;
        let modules = self.kernel.modules();
        fs::write(shared.join("modules"), utf8(&modules)?).context("write where modules are")?;
        let disk = File::create(self.out.join("disk")).context("make the disk")?;
        disk.set_len(DISK).context("make the disk")?;
        call(
            utf8(&super::find("mke2fs")?)?,
            &["-qF", "-t", "ext4", utf8(&self.out.join("disk"))?],
        )?;
        let end = Instant::now() + self.limit;
        let mut accelerator = if has_kvm() { "kvm" } else { "tcg,thread=multi,tb-size=512" };
        for boot in 1..=BOOTS {
            fs::write(shared.join("boot"), boot.to_string()).context("count the boots")?;
            let mut ended = self.boot(accelerator, end)?;
            if accelerator == "kvm" && boot == 1 && !shared.join("started").exists() {
                println!("the machine does not start with KVM; once more without");
                accelerator = "tcg,thread=multi,tb-size=512";
                ended = self.boot(accelerator, end)?;
            }
            match ended {
                End::Over(code) => {
                    fs::remove_file(self.out.join("disk")).context("remove the disk")?;
                    return Ok(code);
                }
                End::Restart => println!("-- restarted"),
                End::Silent(why) => bail!("{why}; its console:\n{}", self.console()),
            }
        }
        bail!("restarted {BOOTS} times without an end")
    }

    /// The results, as the machine sees them at `/labout`.
    #[must_use]
    pub(crate) fn shared(&self) -> PathBuf {
        self.out.join("labout")
    }

    /// The last lines of the console.
    #[must_use]
    pub(crate) fn console(&self) -> String {
        let bytes = fs::read(self.out.join("console.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn boot(&self, accelerator: &str, end: Instant) -> Result<End> {
        let shared = self.shared();
        let mut child = self.command(accelerator)?.spawn().context("start QEMU")?;
        let mut log = Follow::new(shared.join("log"));
        let began = Instant::now();
        let result = loop {
            log.show();
            if let Some(status) = child.try_wait().context("wait for QEMU")? {
                break Some(status);
            }
            let late = began.elapsed() > START && !shared.join("started").exists();
            if late || Instant::now() > end {
                break None;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        stop(&mut child)?;
        log.show();
        if shared.join("again").exists() {
            fs::remove_file(shared.join("again")).context("note the restart")?;
            return Ok(End::Restart);
        }
        if let Ok(code) = fs::read_to_string(shared.join("rc")) {
            return Ok(End::Over(code.trim().parse().context("read the exit code")?));
        }
        let took = began.elapsed().as_secs();
        Ok(End::Silent(match result {
            Some(status) => format!("the machine ended after {took} s ({status}), saying nothing"),
            None if shared.join("started").exists() => format!("not over after {took} s"),
            None => format!("the machine did not start in {took} s"),
        }))
    }

    /// QEMU, which ends with this program whatever happens to it.
    fn command(&self, accelerator: &str) -> Result<Command> {
        let (out, shared) = (utf8(&self.out)?.to_owned(), self.shared());
        let shared = utf8(&shared)?;
        // QEMU's options separate with commas.
        ensure!(!out.contains(','), "{out} holds a comma");
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args(["-M", "q35", "-accel", accelerator, "-cpu", "max"])
            .args(["-m", "1536", "-smp", processors()])
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .args(["-device", "virtio-rng-pci"])
            .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
            .args(["-chardev", &format!("file,id=c,append=on,path={out}/console.log")])
            .args(["-serial", "chardev:c"])
            .args(["-fsdev", "local,id=r,path=/,security_model=none,readonly=on,multidevs=remap"])
            .args(["-device", "virtio-9p-pci,fsdev=r,mount_tag=hostroot"])
            .args(["-fsdev", &format!("local,id=o,path={shared},security_model=none")])
            .args(["-device", "virtio-9p-pci,fsdev=o,mount_tag=labout"])
            .args(["-drive", &format!("if=virtio,format=raw,file={out}/disk")])
            .args(["-kernel", utf8(&self.kernel.image())?])
            .args(["-initrd", &format!("{out}/initramfs")])
            .args([
                "-append",
                "console=ttyS0 quiet panic=-1 mitigations=off nokaslr no_timer_check",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Ok(command)
    }
}

/// As many as the host can lend, and no more than help.
fn processors() -> &'static str {
    let some = std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
    if some { "2" } else { "1" }
}

/// Ends QEMU if it still runs.
fn stop(child: &mut Child) -> Result<()> {
    let _ = child.kill();
    child.wait().map(drop).context("wait for QEMU")
}

/// Whether this machine can lend its processor. A kernel that is itself a guest without hardware's
/// help offers the device too, and nothing boots with it.
fn has_kvm() -> bool {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpu.lines().find(|l| l.starts_with("flags")).unwrap_or_default();
    let helps = flags.split_whitespace().any(|f| f == "svm" || f == "vmx");
    let may = File::options().read(true).write(true).open("/dev/kvm").is_ok();
    helps && may && !Path::new("/sys/module/kvm_pvm").exists()
}

/// What is written to a file is shown as it comes.
struct Follow {
    path: PathBuf,
    seen: u64,
}

impl Follow {
    fn new(path: PathBuf) -> Self {
        let seen = fs::metadata(&path).map(|m| m.len()).unwrap_or_default();
        Self { path, seen }
    }

    fn show(&mut self) {
        let mut new = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.seen))?;
            file.read_to_end(&mut new)
        });
        // Only whole lines, so that two writers do not share one.
        let whole = new.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        if read.is_ok() && whole > 0 {
            print!("{}", String::from_utf8_lossy(&new[..whole]));
            self.seen += u64::try_from(whole).unwrap_or_default();
        }
    }
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}
