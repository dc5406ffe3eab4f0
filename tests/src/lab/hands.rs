//! The hands of the link role on a real kernel: what they make is what they see, doing it twice does no
//! harm, and what somebody else changes is noticed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kith_link::desired::{FileSpec, OnChange, RouteSpec};
use kith_link::hands::real::{RealHands, Setup};
use kith_link::hands::{Event, Hands as _};
use kith_link::names::{DHCP_HOOK, LAN_BRIDGE};
use kith_link::role::Supervised;
use kith_link::seen::{Seen, SeenKind};
use kith_link::step::Step;
use kith_model::role::Report as Said;
use kith_role::clock::SystemClock;
use tokio::sync::{mpsc, watch};

use super::namespace::{call, has_users};
use super::report::Report;
use super::{Wishes, installed};

/// Generous: a machine under load is slow, and a lab is no stopwatch.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where dhcpcd keeps its leases.
const REMEMBERED: &str = "/var/lib/dhcpcd";

/// As the box would load it: one transaction that never deletes the table.
const RULES: &str = "\
add table inet kith
flush table inet kith
table inet kith {
  set busy { type ipv4_addr; flags dynamic,timeout; timeout 1h; }
  set ports { type inet_service; elements = { 22, 53 } }
  chain input {
    type filter hook input priority 0; policy accept;
    tcp dport @ports counter accept
    iifname \"nowhere\" drop
  }
}
";

/// Runs the scenarios that are wanted.
#[must_use]
pub fn run(wishes: &Wishes) -> Report {
    let mut report = Report::default();
    for program in ["ip", "nft", "ping"] {
        if !installed(program) {
            return Report::skipped("hands", format!("needs {program}"));
        }
    }
    if wishes.wants("kernel") {
        report.note("hands kernel", played(kernel));
    }
    if wishes.wants("offers") {
        match offers_can_run() {
            Ok(()) => report.note("hands offers", played(offers)),
            Err(why) => report.skip("hands offers", format!("{why:#}")),
        }
    }
    report
}

/// Hands with a folder of their own and somebody who plays the supervisor.
pub(crate) struct Rig {
    pub(crate) hands: RealHands,
    pub(crate) run: tempfile::TempDir,
    _told: watch::Sender<Vec<kith_model::daemon::DaemonSeen>>,
    _reports: mpsc::Receiver<Said>,
}

impl Rig {
    pub(crate) async fn start() -> Result<Self> {
        let run = tempfile::tempdir().context("make a folder")?;
        std::fs::create_dir(run.path().join("link")).context("make RUN/link")?;
        let (told_sender, told) = watch::channel(Vec::new());
        let (reports, reports_receiver) = mpsc::channel(16);
        let setup = Setup {
            folder: &run.path().join("link"),
            groups: BTreeMap::new(),
            supervisor: Some(Supervised { told, reports }),
            clock: SystemClock::start(),
        };
        let hands = RealHands::start(setup).await.context("take hold")?;
        Ok(Self { hands, run, _told: told_sender, _reports: reports_receiver })
    }

    pub(crate) async fn does(&mut self, step: &Step) -> Result<()> {
        self.hands.perform(step).await.with_context(|| step.to_string())
    }

    async fn refuses(&mut self, step: &Step) -> Result<String> {
        match self.hands.perform(step).await {
            Ok(()) => bail!("it did {step}"),
            Err(error) => Ok(error.to_string()),
        }
    }

    pub(crate) async fn looks(&mut self) -> Result<Seen> {
        self.hands.look().await.context("look")
    }

    /// Whether something is worth looking at within `patience`.
    async fn stirs(&mut self, patience: Duration) -> bool {
        matches!(tokio::time::timeout(patience, self.hands.event()).await, Ok(Event::Changed))
    }
}

fn played<F: Future<Output = Result<String>>>(scenario: fn(Rig) -> F) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { scenario(Rig::start().await?).await })
}

/// A cable with one end here and one in a network namespace of its own.
fn cable(name: &str, other: &str, address: &str) -> Result<()> {
    call("ip", &["netns", "add", other])?;
    call("ip", &["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", other])?;
    call("ip", &["-n", other, "address", "add", address, "dev", "eth0"])?;
    for device in ["eth0", "lo"] {
        call("ip", &["-n", other, "link", "set", device, "up"])?;
    }
    Ok(())
}

/// Takes cables away. A network namespace goes some time after it is deleted, and its end of a cable with it.
fn unplug(cables: &[(&str, &str)]) -> Result<()> {
    for (name, other) in cables {
        call("ip", &["link", "delete", name])?;
        call("ip", &["netns", "delete", other])?;
    }
    Ok(())
}

async fn kernel(mut rig: Rig) -> Result<String> {
    cable("lan1", "phone", "192.168.77.9/24")?;
    cable("wan", "isp", "192.0.2.1/24")?;
    let steps = steps()?;
    for step in &steps {
        rig.does(step).await?;
    }
    let seen = settled(&mut rig).await?;
    as_made(&seen)?;
    for step in &steps {
        rig.does(step).await.context("a second time")?;
    }
    let again = rig.looks().await?;
    let changed = difference(&same(&seen), &same(&again));
    ensure!(changed.is_none(), "doing it twice changed something: {changed:?}");
    rules(&mut rig).await?;
    refusals(&mut rig).await?;
    probes(&mut rig).await?;
    events(&mut rig).await?;
    clients(&mut rig).await?;
    undo(&mut rig).await?;
    unplug(&[("lan1", "phone"), ("wan", "isp")])?;
    Ok(format!("{} steps, done twice, seen, undone twice; drift found", steps.len()))
}

fn route(to: &str, via: Option<&str>, device: Option<&str>) -> Result<RouteSpec> {
    let via = via.map(str::parse).transpose().context("an address")?;
    let to = to.parse().context("a network")?;
    Ok(RouteSpec { to, via, device: device.map(ToOwned::to_owned), metric: 100 })
}

fn routes() -> Result<Vec<RouteSpec>> {
    Ok(vec![
        route("0.0.0.0/0", Some("192.0.2.1"), Some("wan"))?,
        // A router outside of every network of ours, as some providers have it.
        route("203.0.113.0/24", Some("198.51.100.1"), Some("wan"))?,
        route("::/0", Some("fe80::1"), Some("wan"))?,
        route("10.9.0.0/16", None, Some(LAN_BRIDGE))?,
        route("2001:db8:100::/56", None, None)?,
        route("198.18.0.0/15", None, None)?,
    ])
}

fn addresses() -> Result<Vec<(String, ipnet::IpNet)>> {
    let list = [
        (LAN_BRIDGE, "192.168.77.1/24"),
        (LAN_BRIDGE, "fd00:77::1/64"),
        ("wan", "192.0.2.70/24"),
        ("wan", "2001:db8::70/64"),
    ];
    let address = |(device, net): (&str, &str)| Ok((device.to_owned(), net.parse()?));
    list.into_iter().map(address).collect()
}

fn file(content: &str, secret: bool) -> FileSpec {
    FileSpec { content: content.to_owned(), secret, on_change: OnChange::Restart }
}

fn steps() -> Result<Vec<Step>> {
    let name = |name: &str| name.to_owned();
    let sysctl = |path: &str, value: &str| Step::SetSysctl { path: name(path), value: name(value) };
    let mut steps = vec![
        Step::LoadRuleset(RULES.to_owned()),
        Step::AddBridge { name: name(LAN_BRIDGE) },
        Step::SetMaster { name: name("lan1"), master: Some(name(LAN_BRIDGE)) },
        Step::SetIsolated { name: name("lan1"), isolated: true },
        Step::SetMtu { name: name("wan"), mtu: 1_492 },
        sysctl("ipv4/ip_forward", "1"),
        sysctl("ipv4/conf/br-lan/rp_filter", "1"),
        sysctl("ipv6/conf/wan/accept_ra", "0"),
        Step::WriteFile { path: name("dnsmasq-lan.conf"), file: file("port=53\n", false) },
        Step::WriteFile { path: name("hosts/kith"), file: file("192.168.77.1 kith\n", false) },
    ];
    steps.extend(
        [LAN_BRIDGE, "lan1", "wan"].map(|device| Step::SetUp { name: name(device), up: true }),
    );
    let add = |(device, address)| Step::AddAddress { device, address };
    steps.extend(addresses()?.into_iter().map(add));
    steps.extend(routes()?.into_iter().map(Step::AddRoute));
    Ok(steps)
}

/// What was made is what is seen.
fn as_made(seen: &Seen) -> Result<()> {
    let link = |name: &str| seen.links.get(name).with_context(|| format!("{name} is not seen"));
    let (bridge, port, wan) = (link(LAN_BRIDGE)?, link("lan1")?, link("wan")?);
    ensure!(bridge.kind == SeenKind::Bridge && bridge.up, "{bridge:?}");
    ensure!(port.kind == SeenKind::Port && port.isolated && port.up && port.carrier, "{port:?}");
    ensure!(port.master.as_deref() == Some(LAN_BRIDGE), "{port:?}");
    ensure!(wan.mtu == 1_492 && wan.master.is_none() && !wan.isolated, "{wan:?}");
    ensure!(bridge.mac != port.mac, "a bridge has an address of its own");
    ensure!(seen.addresses == addresses()?.into_iter().collect(), "{:?}", seen.addresses);
    ensure!(seen.routes == routes()?.into_iter().collect(), "{:#?}", seen.routes);
    ensure!(seen.ruleset.as_deref() == Some(RULES), "the ruleset is not the one that was loaded");
    let set = |path: &str| seen.sysctls.get(path).map(String::as_str);
    ensure!(set("ipv4/ip_forward") == Some("1"), "{:?}", seen.sysctls);
    ensure!(set("ipv6/conf/wan/accept_ra") == Some("0"), "{:?}", seen.sysctls);
    ensure!(seen.files.len() == 2 && seen.files.contains_key("hosts/kith"), "{:?}", seen.files);
    Ok(())
}

/// A bridge has a carrier a moment after its first port.
async fn settled(rig: &mut Rig) -> Result<Seen> {
    let patience = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen = rig.looks().await?;
        if seen.links.get(LAN_BRIDGE).is_some_and(|bridge| bridge.carrier) {
            return Ok(seen);
        }
        ensure!(tokio::time::Instant::now() < patience, "the bridge has no carrier");
        rig.stirs(Duration::from_millis(100)).await;
    }
}

/// The first lines that differ.
fn difference(one: &str, other: &str) -> Option<(String, String)> {
    let mut pairs = one.lines().zip(other.lines()).filter(|(a, b)| a != b);
    pairs.next().map(|(a, b)| (a.trim().to_owned(), b.trim().to_owned()))
}

/// What does not change by itself, in words that can be compared.
fn same(seen: &Seen) -> String {
    let mut seen = seen.clone();
    for link in seen.links.values_mut() {
        (link.received_bytes, link.sent_bytes) = (0, 0);
    }
    seen.clients.clear();
    format!("{seen:#?}")
}

async fn in_force(rig: &mut Rig) -> Result<bool> {
    Ok(rig.looks().await?.ruleset.as_deref() == Some(RULES))
}

/// Somebody else's changes of the firewall.
async fn rules(rig: &mut Rig) -> Result<()> {
    // None of ours, and none of the box's: neither is drift.
    call("nft", &["add", "table", "ip", "other"])?;
    ensure!(in_force(rig).await?, "another table is no drift");
    call("nft", &["add", "element", "inet", "kith", "busy", "{ 192.0.2.7 }"])?;
    ensure!(in_force(rig).await?, "what traffic puts into a set is no drift");

    let bad = RULES.replace("tcp dport @ports", "tcp dport nonsense");
    let words = rig.refuses(&Step::LoadRuleset(bad)).await?;
    ensure!(words.contains("line 8: tcp dport nonsense counter accept"), "{words}");
    ensure!(in_force(rig).await?, "after a refused load the old rules are in force");

    for drift in [
        &["add", "rule", "inet", "kith", "input", "tcp", "dport", "8080", "accept"][..],
        &["add", "element", "inet", "kith", "ports", "{ 8080 }"],
        &["delete", "table", "inet", "kith"],
    ] {
        call("nft", drift)?;
        ensure!(!in_force(rig).await?, "not noticed: nft {}", drift.join(" "));
        rig.does(&Step::LoadRuleset(RULES.to_owned())).await?;
        ensure!(in_force(rig).await?, "not repaired: nft {}", drift.join(" "));
    }
    Ok(())
}

async fn refusals(rig: &mut Rig) -> Result<()> {
    let name = || "lan1".to_owned();
    let words = rig.refuses(&Step::RemoveLink { name: name() }).await?;
    ensure!(words.contains("it stays") && rig.looks().await?.links.contains_key("lan1"), "{words}");
    let words = rig.refuses(&Step::AddBridge { name: name() }).await?;
    ensure!(words.contains("something else"), "{words}");
    let words = rig.refuses(&Step::SetUp { name: "gone0".into(), up: true }).await?;
    ensure!(words.contains("no interface gone0"), "{words}");
    let outside = Step::SetSysctl { path: "../kernel/hostname".into(), value: "evil".into() };
    rig.refuses(&outside).await?;
    let mode = kith_link::desired::WifiMode::AccessPoint;
    let wifi = Step::AddWifi { name: "kith-ap0".into(), radio: "phy0".into(), mode };
    let words = rig.refuses(&wifi).await?;
    ensure!(words.contains("radio"), "{words}");
    Ok(())
}

async fn probes(rig: &mut Rig) -> Result<()> {
    let (router, nobody): (IpAddr, IpAddr) = ("192.0.2.1".parse()?, "192.0.2.99".parse()?);
    ensure!(rig.hands.probe("wan", router).await.is_some(), "the router does not answer");
    ensure!(rig.hands.probe("wan", nobody).await.is_none(), "nobody answers");
    // The control: only through the device that was asked for.
    ensure!(rig.hands.probe(LAN_BRIDGE, router).await.is_none(), "it went another way");
    Ok(())
}

async fn events(rig: &mut Rig) -> Result<()> {
    while rig.stirs(Duration::from_secs(6)).await {}
    call("ip", &["-n", "isp", "link", "set", "eth0", "down"])?;
    ensure!(rig.stirs(PATIENCE).await, "a pulled cable was not noticed");
    ensure!(!rig.looks().await?.links.get("wan").is_some_and(|wan| wan.carrier), "no carrier");
    call("ip", &["-n", "isp", "link", "set", "eth0", "up"])?;
    ensure!(rig.stirs(PATIENCE).await, "a plugged cable was not noticed");
    while rig.stirs(Duration::from_secs(1)).await {}
    call("nft", &["flush", "chain", "inet", "kith", "input"])?;
    ensure!(rig.stirs(PATIENCE).await, "a change of the firewall was not noticed");
    rig.does(&Step::LoadRuleset(RULES.to_owned())).await
}

/// A device that says something is seen with its address and port.
async fn clients(rig: &mut Rig) -> Result<()> {
    call("ip", &["netns", "exec", "phone", "ping", "-c1", "-W5", "192.168.77.1"])?;
    let clients = rig.looks().await?.clients;
    let [phone] = &clients[..] else { bail!("{clients:#?}") };
    ensure!(phone.here && phone.device.as_deref() == Some("lan1"), "{phone:?}");
    ensure!(phone.ipv4 == Some("192.168.77.9".parse()?), "{phone:?}");
    ensure!(phone.band.as_deref() == Some("cable"), "{phone:?}");
    Ok(())
}

async fn undo(rig: &mut Rig) -> Result<()> {
    for _ in 0..2 {
        for route in routes()? {
            rig.does(&Step::RemoveRoute(route)).await?;
        }
        for (device, address) in addresses()? {
            rig.does(&Step::RemoveAddress { device, address }).await?;
        }
        rig.does(&Step::RemoveLink { name: LAN_BRIDGE.into() }).await?;
        for path in ["dnsmasq-lan.conf", "hosts/kith"] {
            rig.does(&Step::RemoveFile { path: path.into() }).await?;
        }
    }
    let seen = rig.looks().await?;
    ensure!(
        seen.addresses.is_empty() && seen.routes.is_empty() && seen.files.is_empty(),
        "{seen:#?}"
    );
    ensure!(!seen.links.contains_key(LAN_BRIDGE), "the bridge is still there");
    ensure!(seen.links.get("lan1").is_some_and(|lan1| lan1.master.is_none()), "{seen:#?}");
    Ok(())
}

fn offers_can_run() -> Result<()> {
    ensure!(has_users(), "dhcpcd wants a uid of its own, so this needs root");
    for program in ["dhcpcd", "dnsmasq"] {
        ensure!(installed(program), "needs {program}");
    }
    super::kith().map(drop)
}

/// A stock DHCP server, a stock client, and our hook between the client and the hands.
async fn offers(mut rig: Rig) -> Result<String> {
    cable("wan", "isp", "192.0.2.1/24")?;
    call("ip", &["link", "set", "wan", "up"])?;
    let run = rig.run.path().to_owned();
    // What dhcpcd remembers of the system's leases is none of this lab's.
    if Path::new(REMEMBERED).is_dir() {
        call("mount", &["-t", "tmpfs", "tmpfs", REMEMBERED])?;
    }
    std::os::unix::fs::symlink(super::kith()?, run.join(DHCP_HOOK))
        .context("put the hook there")?;
    let mut server = serve(&run)?;
    let mut client = ask(&run)?;
    let offered = async {
        loop {
            if let Event::Offered { device, offer } = rig.hands.event().await
                && offer.ipv4.is_some()
            {
                return (device, offer);
            }
        }
    };
    let got = tokio::time::timeout(PATIENCE, offered).await;
    for child in [&mut client, &mut server] {
        child.kill().context("end it")?;
        child.wait().context("wait for its end")?;
    }
    unplug(&[("wan", "isp")])?;
    let (device, offer) = got.context("nothing was offered")?;
    ensure!(device == "wan", "{device}");
    ensure!(offer.router == Some("192.0.2.1".parse()?), "{offer:?}");
    ensure!(offer.dns == ["192.0.2.53".parse::<IpAddr>()?], "{offer:?}");
    Ok(format!(
        "{} by {:?}",
        offer.ipv4.map(|net| net.to_string()).unwrap_or_default(),
        offer.router
    ))
}

fn serve(run: &Path) -> Result<std::process::Child> {
    let leases = run.join("leases");
    let mut command = std::process::Command::new("ip");
    command
        .args(["netns", "exec", "isp", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null"])
        .args(["--user=root", "--group=", "--port=0", "--interface=eth0", "--dhcp-authoritative"])
        .args([
            "--dhcp-range=192.0.2.50,192.0.2.90,2m",
            "--dhcp-option=option:dns-server,192.0.2.53",
        ])
        .arg(format!("--dhcp-leasefile={}", leases.display()));
    command.stderr(std::process::Stdio::null()).spawn().context("start dnsmasq")
}

fn ask(run: &Path) -> Result<std::process::Child> {
    let conf = run.join("dhcpcd.conf");
    std::fs::write(&conf, "noconfigure\nnoipv4ll\nipv4only\noption domain_name_servers\n")?;
    let mut command = std::process::Command::new("dhcpcd");
    command.arg("--nobackground").arg("-f").arg(conf).arg("--script").arg(run.join(DHCP_HOOK));
    command.arg("wan").stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    command.spawn().context("start dhcpcd")
}
