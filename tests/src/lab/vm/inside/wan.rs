//! The internet as a box sees it: a provider's network with DHCP and DNS, router advertisements and
//! delegated prefixes, and a host far behind it.
//!
//! Addresses and names are those of documentation (RFC 5737, RFC 3849, RFC 2606).

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::ns::Ns;
use super::running::Running;
use super::wait::{until, when};

/// A host on the internet, and its name.
pub(crate) const FAR: &str = "198.51.100.1";
pub(crate) const FAR6: &str = "2001:db8:2::1";
pub(crate) const FAR_NAME: &str = "internet.example";
/// The provider's router.
pub(crate) const NEAR: &str = "192.0.2.1";
const NEAR6: &str = "2001:db8:1::1";

/// A provider.
#[derive(Debug)]
pub(crate) struct Wan {
    ns: Ns,
    _servers: [Running; 3],
}

impl Wan {
    /// Makes it, with nobody connected.
    ///
    /// # Errors
    /// When the kernel or dnsmasq refuses.
    pub(crate) fn start() -> Result<Self> {
        let ns = Ns::new("wan")?;
        ns.ip("link add br0 type bridge")?;
        ns.ip("link set br0 up")?;
        ns.ip(&format!("address add {NEAR}/24 dev br0"))?;
        ns.ip(&format!("address add {FAR}/32 dev lo"))?;
        ns.run("sysctl", &["-q", "net.ipv4.ip_forward=1"])?;
        ns.run("sysctl", &["-q", "net.ipv6.conf.all.forwarding=1"])?;
        ns.ip(&format!("-6 address add {NEAR6}/64 dev br0 nodad"))?;
        ns.ip(&format!("-6 address add {FAR6}/128 dev lo"))?;
        let servers = [serve(&ns, "br0", "192.0.2")?, advertise(&ns)?, delegate(&ns)?];
        Ok(Self { ns, _servers: servers })
    }

    /// A wire from the provider to `port` of somebody, who gets a name at the provider's end and is not
    /// plugged in yet.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub(crate) fn connect(&self, customer: &Ns, port: &str) -> Result<()> {
        let here = customer.name();
        self.ns.wire(here, customer, port)?;
        // Nothing of the provider's is heard before: one router's word would leave an address.
        self.ns.ip(&format!("link set {here} down"))?;
        self.ns.ip(&format!("link set {here} master br0"))
    }

    /// Pulls somebody's wire, or plugs it in again.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub(crate) fn plug(&self, customer: &Ns, there: bool) -> Result<()> {
        let state = if there { "up" } else { "down" };
        self.ns.ip(&format!("link set {} {state}", customer.name()))
    }

    /// Whether the provider reaches the box at `outside`, and behind it somebody at `inside`.
    ///
    /// # Errors
    /// When `ip` or ping cannot be started.
    pub(crate) fn knocks(&self, outside: &str, inside: &str) -> Result<(bool, bool)> {
        self.ns.ip(&format!("route add {inside} via {outside}"))?;
        let seen = (self.ns.pings(outside, 2)?, self.ns.pings(inside, 2)?);
        self.ns.ip(&format!("route delete {inside}"))?;
        Ok(seen)
    }

    /// Whether somebody on the internet gets the page at `url`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(crate) fn gets(&self, url: &str) -> Result<bool> {
        Ok(self.ns.page(url)?.is_some())
    }

    /// Whether there is more behind the provider than the provider.
    ///
    /// # Errors
    /// When `ip` refuses.
    pub(crate) fn reach(&self, far: bool) -> Result<()> {
        let act = if far { "add" } else { "delete" };
        self.ns.ip(&format!("address {act} {FAR}/32 dev lo"))
    }
}

/// dnsmasq as the provider's router, which says that it is one.
fn advertise(ns: &Ns) -> Result<Running> {
    let mut command = ns.command("dnsmasq");
    command
        .args(["-k", "-C", "/dev/null", "-R", "-h", "-u", "root", "-p", "0", "--bind-interfaces"])
        .args(["--log-facility=-", "--pid-file", "-i", "br0", "--enable-ra"])
        .args(["--dhcp-leasefile=/run/dnsmasq-ra.leases", "--dhcp-range=2001:db8:1::,ra-only"]);
    Running::start("dnsmasq-ra", &mut command)
}

fn delegate(ns: &Ns) -> Result<Running> {
    let own = std::env::current_exe().context("find this program")?;
    let mut command = ns.command(own.to_str().context("a path in UTF-8")?);
    command.args(["vm-dhcp6", "br0"]);
    Running::start("dhcp6", &mut command)
}

/// dnsmasq for the network `prefix`.0/24 at `interface`, which knows one name.
///
/// # Errors
/// When it does not serve.
pub(crate) fn serve(ns: &Ns, interface: &str, prefix: &str) -> Result<Running> {
    let name = format!("dnsmasq-{}", ns.name());
    let mut command = ns.command("dnsmasq");
    command
        .args(["-k", "-C", "/dev/null", "-R", "-h", "-u", "root", "--bind-interfaces"])
        .args(["--no-ping", "--log-facility=-", "--pid-file", "-I", "lo", "-i", interface])
        .arg(format!("--dhcp-leasefile=/run/{name}.leases"))
        .arg(format!("--dhcp-range={prefix}.100,{prefix}.200,255.255.255.0,10m"))
        .arg(format!("--address=/{FAR_NAME}/{FAR}"));
    let mut server = Running::start(&name, &mut command)?;
    until(Duration::from_secs(60), "dnsmasq serves", || {
        ensure!(server.alive(), "it ended: {}", server.said());
        let said = server.said();
        Ok(when(said.contains("started, version"), (), || said))
    })?;
    Ok(server)
}
