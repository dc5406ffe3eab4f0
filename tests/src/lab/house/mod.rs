//! The whole product in a house of network namespaces: it is claimed from a device, gives addresses, names and
//! a way out to stock programs, and is looked at from the cables alone.
//!
//! ```text
//! home       the box, its wires; provider, provider6   the internet;   device   stock programs
//! frame, dhcp, beat, advert   what no stock program sends: many devices, many questions, bad ones
//! clients, rate, ipv6, wire, storm, lockouts   the lines of the table
//! ```
//!
//! Radios and privileges are not to be had here; the lab `vm` has them.

mod advert;
mod beat;
#[path = "../../../../appliance/kith-link/tests/control/by_hand.rs"]
mod by_hand;
mod clients;
mod device;
mod dhcp;
mod frame;
mod home;
mod ipv6;
mod lockouts;
mod provider;
mod provider6;
mod rate;
mod row;
mod storm;
mod wire;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};

use super::namespace::call;
use super::report::Report;
use super::{Wishes, installed, scratch};
use home::Home;
use provider::Provider;
use row::Rows;

const PROGRAMS: [&str; 9] =
    ["ip", "nft", "nsenter", "unshare", "dnsmasq", "dhcpcd", "busybox", "dig", "ping"];

/// Runs all lines, or those of one group: `clients`, `rate`, `ipv6`, `wire`, `storm`, `lockouts`.
#[must_use]
pub fn run(wishes: &Wishes) -> Report {
    if let Some(program) = PROGRAMS.into_iter().find(|program| !installed(program)) {
        return Report::skipped("house", format!("needs {program}"));
    }
    let mut rows = Rows::new();
    if let Err(why) = played(wishes, &mut rows) {
        rows.failed("begins", why);
    }
    rows.end()
}

fn played(wishes: &Wishes, rows: &mut Rows) -> Result<()> {
    let folder = scratch("house")?;
    hide(folder.path())?;
    // A thousand devices mostly wait; what is measured by the second comes when they are done.
    let family = std::thread::scope(|scope| {
        let street = scope.spawn(|| street(wishes, folder.path()));
        let family = family(wishes, rows, folder.path());
        match street.join() {
            Ok(street) => rows.add(street),
            Err(_) => rows.failed("storm", anyhow!("it came to an end by itself")),
        }
        family
    });
    if let Some((mut home, _provider)) = family?
        && wishes.wants("rate")
    {
        rate::names(rows, &mut home);
        rate::pings(rows, &mut home);
    }
    if wishes.wants("lockouts") {
        lockouts::run(rows, folder.path(), wishes.seed);
    }
    Ok(())
}

/// What happens in a house of its own, while nothing is measured in the other one.
fn street(wishes: &Wishes, folder: &Path) -> Rows {
    let mut rows = Rows::new();
    if wishes.wants("storm") {
        match begun(&mut rows, folder, "storm") {
            Ok((home, _provider)) => storm::run(&mut rows, &home, wishes.seed),
            Err(why) => rows.failed("storm", why),
        }
    }
    rows
}

/// What happens in one house, which is there for what follows.
fn family(wishes: &Wishes, rows: &mut Rows, folder: &Path) -> Result<Option<(Home, Provider)>> {
    if !["clients", "rate", "ipv6", "wire"].iter().any(|group| wishes.wants(group)) {
        return Ok(None);
    }
    let (mut home, provider) = begun(rows, folder, "house")?;
    if wishes.wants("clients") {
        clients::run_all(rows, &home);
    }
    if wishes.wants("ipv6") {
        ipv6::run_all(rows, &mut home);
    }
    if wishes.wants("wire") {
        wire::run_all(rows, &home, wishes.seed);
    }
    Ok(Some((home, provider)))
}

/// A box in a house as its owner wants it, from the first start to the internet.
fn begun(rows: &mut Rows, folder: &Path, name: &str) -> Result<(Home, Provider)> {
    let mut home = Home::build(name, folder)?;
    place_script(&home.file(""))?;
    home.claim().with_context(|| home.log())?;
    let mut provider = None;
    let done = "claimed in the panel from a LAN port, kith set uplink, apply, confirm";
    rows.row(&format!("{name}: from the first start to the internet"), done, "its own", || {
        home.change(&[("uplink.+", "{ device = 'wan' }")])?;
        provider = Some(Provider::start(&home)?);
        let took = home.settles("the internet is reached", |seen| seen["internet"] == "own")?;
        let outer = clients::ipv4_of(&home, "wan")?;
        ensure!(outer.starts_with("192.0.2."), "{outer}");
        Ok(format!("{outer} after {:.1} s", took.as_secs_f32()))
    });
    let provider = provider.context("the provider did not begin")?;
    Ok((home, provider))
}

/// Hides from this lab's daemons what belongs to the machine, and from dhcpcd that there is only one user:
/// it would become another one, of which there are none here.
fn hide(folder: &Path) -> Result<()> {
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path in UTF-8");
    for (file, content) in
        [("/etc/passwd", "root:x:0:0:root:/:/bin/false\n"), ("/etc/resolv.conf", "")]
    {
        let own = folder.join(Path::new(file).file_name().context("a name")?);
        std::fs::write(&own, content).context("write it")?;
        if Path::new(file).exists() {
            call("mount", &["--bind", &text(&own)?, file])?;
        }
    }
    for path in home::HIDDEN.iter().filter(|path| Path::new(path).is_dir()) {
        call("mount", &["-t", "tmpfs", "tmpfs", *path])?;
    }
    Ok(())
}

/// The script that DHCP clients call, in the folder of a house.
fn place_script(folder: &Path) -> Result<()> {
    let script = folder.join("lease.sh");
    std::fs::write(&script, include_str!("lease.sh")).context("write the clients' script")?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).context("its mode")
}
