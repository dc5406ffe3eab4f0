//! The internet of a house: a provider's router that gives an IPv4 address and answers questions about
//! names, and a server far behind it.

use std::fs::File;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::home::Home;
use crate::lab::namespace::{call, inside};
use crate::lab::wait;

/// The provider's router.
pub(super) const NEAR: &str = "192.0.2.1";
/// A server on the internet.
pub(super) const FAR: &str = "198.51.100.1";
/// A name of the internet, and its address: none of documentation, which dnsmasq takes for private ones.
pub(super) const NAME: (&str, &str) = ("internet.example", "203.0.114.7");
/// Names of the internet that lead into somebody's house.
pub(super) const REBINDING: (&str, &str) = ("rebind.example", "192.168.77.23");
/// The same for a good reason.
pub(super) const TRUSTED: (&str, &str) = ("nas.example", "192.168.5.5");

/// Seconds for which answers hold.
const TTL: &str = "600";

/// A provider whose cable is plugged in.
#[derive(Debug)]
pub(super) struct Provider(Child);

impl Provider {
    /// Plugs it in.
    ///
    /// # Errors
    /// When the kernel or dnsmasq refuses.
    pub(super) fn start(home: &Home) -> Result<Self> {
        let space = home.wan();
        for (address, device) in [(format!("{NEAR}/24"), "eth0"), (format!("{FAR}/32"), "lo")] {
            call("ip", &["-n", &space, "address", "add", &address, "dev", device])?;
        }
        call("ip", &["-n", &space, "link", "set", "eth0", "up"])?;
        let child = serve(&space, &home.file("provider"))?;
        let answers = || inside(&space, || Ok(TcpStream::connect((NEAR, 53)).is_ok()));
        wait(super::home::PATIENCE, "the provider's dnsmasq serves", answers)?;
        Ok(Self(child))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(space: &str, folder: &Path) -> Result<Child> {
    std::fs::create_dir_all(folder).context("make the provider's folder")?;
    let log = File::create(folder.join("log")).context("make the provider's log")?;
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--net=/run/netns/{space}"))
        .args(["--", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null"])
        .args(["--user=root", "--group=", "--pid-file=", "--log-facility=-"])
        .args(["--no-hosts", "--no-resolv", "--no-ping", "--dhcp-authoritative"])
        .args(["--interface=eth0", "--bind-interfaces", "--local-ttl", TTL])
        .arg(format!("--dhcp-leasefile={}", folder.join("leases").display()))
        .arg("--dhcp-range=192.0.2.50,192.0.2.90,255.255.255.0,10m");
    for (name, address) in [NAME, REBINDING, TRUSTED] {
        command.arg(format!("--address=/{name}/{address}"));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().context("start the provider's dnsmasq")
}
