//! A house: a box that runs the whole product, with ports as a board has them, the family's devices on two
//! of them and a provider on a third.
//!
//! ```text
//! NAME-wan eth0 ─ wan ┌──────┐ lan1 ─ eth0 NAME-lan
//!                     │ NAME │ lan2 ─ eth0 NAME-lan2
//!                     └──────┘ lan3 ─ eth1 NAME-lan2 (nobody answers there)
//! ```
//!
//! What the box keeps until its next boot lies in a mount namespace of its own, so that several houses stand
//! side by side, and nothing of the machine's own daemons is seen or touched.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::lab::namespace::{call, inside, make, set};
use crate::lab::panel::Visitor;
use crate::lab::process::tree;
use crate::lab::{kith, wait_asking};

/// The box's address in every household.
pub(super) const BOX: &str = "192.168.77.1";
/// Where the panel is.
pub(super) const PANEL: u16 = 8_480;
/// Generous: a machine under load is slow, and what has a bound is measured.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks that start a program.
const PAUSE: Duration = Duration::from_millis(100);

/// Folders beside `/run` in which the machine's own daemons keep something.
pub(super) const HIDDEN: [&str; 3] = ["/var/lib/dhcpcd", "/var/lib/dhcp", "/var/lib/misc"];

/// A house with its wires, in which the box runs or not.
#[derive(Debug)]
pub(super) struct Home {
    /// Its name, and that of the box's network namespace.
    pub(super) name: String,
    folder: PathBuf,
    program: PathBuf,
    /// Holds the box's mount namespace.
    holder: Child,
    supervisor: Option<Child>,
    /// The secret to claim the box with, as it was printed last.
    secret: Option<String>,
    /// Whoever has claimed it, with their cookies.
    pub(super) owner: Visitor,
}

impl Home {
    /// Lays the wires. The provider's is not plugged in: a box that knows nothing of its ports takes them
    /// all for the household's.
    ///
    /// # Errors
    /// When the kernel refuses something.
    pub(super) fn build(name: &str, folder: &Path) -> Result<Self> {
        let this = Self {
            name: name.to_owned(),
            folder: folder.join(name),
            program: kith()?,
            holder: hold(name)?,
            supervisor: None,
            secret: None,
            owner: Visitor::default(),
        };
        fs::create_dir_all(&this.folder).context("make the box's folder")?;
        this.hide()?;
        let (lan, lan2, wan) = (this.lan(), this.lan2(), this.wan());
        for space in [&lan, &lan2, &wan] {
            make(space)?;
        }
        for (port, space, device) in [
            ("wan", &wan, "eth0"),
            ("lan1", &lan, "eth0"),
            ("lan2", &lan2, "eth0"),
            ("lan3", &lan2, "eth1"),
        ] {
            let words = ["link", "add", port, "netns", name, "type", "veth", "peer", "name"];
            call("ip", &[&words[..], &[device, "netns", space]].concat())?;
        }
        for space in [&lan, &lan2] {
            call("ip", &["-n", space, "link", "set", "eth0", "up"])?;
        }
        // A box has no br_netfilter, which would send what is bridged through the rules for what is forwarded.
        if Path::new("/proc/sys/net/bridge").exists() {
            for family in ["iptables", "ip6tables", "arptables"] {
                set(name, &format!("bridge/bridge-nf-call-{family}"), "0")?;
            }
        }
        Ok(this)
    }

    /// The namespace of the device at the first port.
    pub(super) fn lan(&self) -> String {
        format!("{}-lan", self.name)
    }

    /// That of the device at the second and third.
    pub(super) fn lan2(&self) -> String {
        format!("{}-lan2", self.name)
    }

    /// That of the provider.
    pub(super) fn wan(&self) -> String {
        format!("{}-wan", self.name)
    }

    /// A file that is the house's.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn state(&self) -> PathBuf {
        self.file("state")
    }

    /// A program in the box.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()));
        command.arg(format!("--net=/run/netns/{}", self.name)).arg("--").arg(program);
        command.stdin(Stdio::null());
        command
    }

    /// Gives the box folders of its own for what lasts until its next boot.
    fn hide(&self) -> Result<()> {
        for path in HIDDEN.iter().chain(&["/run"]).filter(|path| Path::new(path).is_dir()) {
            let words = ["-t", "tmpfs", "tmpfs", *path];
            let output = self.command(Path::new("mount")).args(words).output().context("mount")?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "mount {path}: {said}");
        }
        Ok(())
    }

    /// Starts the box as its first process would, and waits until it serves.
    ///
    /// # Errors
    /// When it does not come to that; with its log.
    pub(super) fn start(&mut self) -> Result<Duration> {
        let began = Instant::now();
        let log = OpenOptions::new().create(true).append(true).open(self.file("log"));
        let said = self.file("said");
        let child = self
            .command(&self.program)
            .args(["run", "--profile", "appliance", "--no-privilege-drop", "--state"])
            .arg(self.state())
            .stdout(File::create(&said).context("make a file for what it says")?)
            .stderr(log.context("make the log")?)
            .spawn()
            .context("start kith run")?;
        let child = self.supervisor.insert(child);
        let mut line = String::new();
        let served = wait_asking(Duration::from_millis(20), (PATIENCE, "the box serves"), || {
            line = fs::read_to_string(&said).context("what it says")?;
            if let Some(status) = child.try_wait().context("look at the box")? {
                bail!("the box ended: {status}");
            }
            Ok(line.ends_with('\n'))
        });
        served.with_context(|| format!("log of {}:\n{}", self.name, self.log()))?;
        if let Some((_, secret)) = line.trim().split_once(" claim ") {
            self.secret = Some(secret.to_owned());
        }
        Ok(began.elapsed())
    }

    /// Starts the box for the first time, as bought; the owner claims it from the first port, whose
    /// device has `192.168.77.23`.
    ///
    /// # Errors
    /// When it does not let itself be claimed.
    pub(super) fn claim(&mut self) -> Result<()> {
        call("ip", &["-n", &self.lan(), "address", "add", "192.168.77.23/24", "dev", "eth0"])?;
        self.start()?;
        wait_asking(PAUSE, (PATIENCE, "the panel is reached"), || Ok(self.reached()))?;
        let secret = self.secret.clone().context("a secret to claim it with")?;
        let panel = format!("http://{BOX}:{PANEL}");
        self.owner = inside(&self.lan(), || Visitor::claim_at(&panel, &secret))?;
        Ok(())
    }

    /// Whether the device at the first port gets the panel's first page from the old address.
    pub(super) fn reached(&self) -> bool {
        super::device::serves(&self.lan(), (BOX, PANEL))
    }

    /// The end of the log, for people.
    pub(super) fn log(&self) -> String {
        let log = fs::read_to_string(self.file("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }

    /// `kith WORDS`, which must succeed; answers what it printed.
    ///
    /// # Errors
    /// When it fails; with what it said.
    pub(super) fn kith(&self, words: &[&str]) -> Result<String> {
        let output = Command::new(&self.program)
            .args(words)
            .arg("--state")
            .arg(self.state())
            .stdin(Stdio::null())
            .output()
            .context("start kith")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{}$ kith {}: {}", self.name, words.join(" "), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// `kith WORDS --json`, read.
    ///
    /// # Errors
    /// When it fails or the answer is not JSON.
    pub(super) fn json(&self, words: &[&str]) -> Result<Value> {
        let said = self.kith(&[words, &["--json"]].concat())?;
        serde_json::from_str(&said).with_context(|| format!("kith {words:?} said {said:?}"))
    }

    /// `kith set … && kith apply && kith confirm`.
    ///
    /// # Errors
    /// When one of them is refused.
    pub(super) fn change(&self, values: &[(&str, &str)]) -> Result<()> {
        let words: Vec<&str> = values.iter().flat_map(|(key, value)| [*key, *value]).collect();
        self.kith(&[&["set"][..], &words].concat())?;
        if self.json(&["apply", "--yes"])?["token"].is_string() {
            self.kith(&["confirm"])?;
        }
        Ok(())
    }

    /// How its network is.
    ///
    /// # Errors
    /// When it does not say.
    pub(super) fn network(&self) -> Result<Value> {
        self.json(&["network"])
    }

    /// Waits until its network is as `look` wants it; how long that took.
    ///
    /// # Errors
    /// When it does not come to that; with how it is instead.
    pub(super) fn settles(&self, what: &str, look: impl Fn(&Value) -> bool) -> Result<Duration> {
        let mut last = Value::Null;
        let waited = wait_asking(PAUSE, (PATIENCE, what), || {
            // While a role is started again nobody answers.
            last = self.network().unwrap_or_default();
            Ok(look(&last))
        });
        waited.with_context(|| {
            let parts = ["internet", "uplinks", "daemons", "problems", "change"];
            parts.iter().map(|part| format!("{part}: {} ", last[*part])).collect::<String>()
        })
    }

    /// The processes of its roles.
    pub(super) fn roles(&self) -> BTreeMap<String, u32> {
        let Some(supervisor) = &self.supervisor else { return BTreeMap::new() };
        let role = |pid: u32| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let words = String::from_utf8_lossy(&words).into_owned();
            let mut words = words.split('\0').skip_while(|word| *word != "role").skip(1);
            words.next().filter(|name| ["link", "node"].contains(name)).map(str::to_owned)
        };
        tree(supervisor.id()).into_iter().filter_map(|pid| Some((role(pid)?, pid))).collect()
    }

    /// The eldest process of a daemon.
    pub(super) fn daemon(&self, program: &str) -> Option<u32> {
        let is = |pid: &u32| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            name.trim() == program
        };
        pids(&self.name).into_iter().filter(is).min()
    }

    /// Kills somebody: `supervisor`, a role or a daemon. The first process of a box starts the supervisor
    /// again, and so does this.
    ///
    /// # Errors
    /// When there is nobody of that name.
    pub(super) fn kill(&mut self, who: &str) -> Result<()> {
        if who == "supervisor" {
            let mut child = self.supervisor.take().context("a supervisor")?;
            child.kill().context("kill it")?;
            child.wait().context("wait for its end")?;
            return self.start().map(drop);
        }
        let pid = self.roles().get(who).copied().or_else(|| self.daemon(who));
        let pid = pid.with_context(|| format!("no {who} in {}", self.name))?;
        call("kill", &["-KILL", &pid.to_string()]).map(drop)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for child in self.supervisor.iter_mut().chain([&mut self.holder]) {
            let _ = child.kill();
            let _ = child.wait();
        }
        // Daemons live on without their supervisor, and clients without the lab.
        for space in [self.name.clone(), self.lan(), self.lan2(), self.wan()] {
            for pid in pids(&space) {
                let _ = call("kill", &["-KILL", &pid.to_string()]);
            }
        }
    }
}

/// The processes in a network namespace.
fn pids(space: &str) -> Vec<u32> {
    let Ok(output) = call("ip", &["netns", "pids", space]) else { return Vec::new() };
    String::from_utf8_lossy(&output.stdout).split_whitespace().flat_map(str::parse).collect()
}

/// Makes the box's namespaces and somebody who holds the one of mounts.
fn hold(name: &str) -> Result<Child> {
    make(name)?;
    let child = Command::new("nsenter")
        .arg(format!("--net=/run/netns/{name}"))
        .args(["--", "unshare", "--mount", "sleep", "infinity"])
        .stdin(Stdio::null())
        .spawn()
        .context("hold a mount namespace")?;
    let comm = format!("/proc/{}/comm", child.id());
    let asleep = || Ok(fs::read_to_string(&comm).is_ok_and(|name| name.trim() == "sleep"));
    wait_asking(Duration::from_millis(5), (PATIENCE, "the mount namespace is there"), asleep)?;
    Ok(child)
}
