//! The hands of the link role on radios and batman-adv: what they make is what they see, a mesh and an
//! access point on one radio, and daemons that are told by their control sockets.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kith_link::desired::{Batadv, GatewayMode, WifiMode};
use kith_link::hands::Hands as _;
use kith_link::names::{CONTROL, MESH};
use kith_link::seen::{Seen, SeenKind};
use kith_link::step::Step;
use kith_model::daemon::{DaemonId, Program};
use kith_model::network::ask::Heard;
use tokio::runtime::Runtime;

use crate::lab::hands::Rig;
use crate::lab::namespace::call;
use crate::lab::vm::inside::air::Air;
use crate::lab::vm::inside::control::Control;
use crate::lab::vm::inside::lab::Lab;
use crate::lab::vm::inside::ns::Ns;
use crate::lab::vm::inside::running::Running;
use crate::lab::vm::inside::wait::{throughout, until, when};
use crate::lab::vm::inside::wpa::{self, COUNTRY, Radio, Role};

const LONG: Duration = Duration::from_secs(120);
/// How long the supplicant is watched not joining again.
const WATCHED: Duration = Duration::from_secs(15);

const MESH_ROLE: Role<'_> = Role::Mesh { name: "valley", password: Some("radios of a laboratory") };
const CAFE: (&str, &str) = ("Cafe", "somebody elses door");
const HOME: (&str, &str) = ("Home", "a door of a laboratory");

/// The interfaces on the first radio.
const ON_MESH: &str = "kith-mesh0";
const AT_HOME: &str = "kith-ap0";

/// Everybody hears everybody.
const NEAR: u32 = 1;

pub(crate) fn play(lab: &Lab) -> Result<()> {
    let air = Air::new(4, COUNTRY)?;
    for phy in 0..4 {
        air.place(phy, NEAR)?;
    }
    let mut here = Here::start()?;
    radios(lab, &mut here)?;
    let neighbour = neighbour(&air)?;
    made(lab, &mut here)?;
    let mut mesh = None;
    lab.check(
        "a mesh is seen",
        "our supplicant and a neighbour's",
        "encrypted, with quality",
        || {
            mesh = Some(here.supplicant()?);
            meets(&mut here)
        },
    )?;
    gateways(lab, &mut here, &neighbour)?;
    if let Some(mesh) = &mesh {
        control(lab, &mut here, mesh)?;
    }
    hears(lab, &mut here, &air)?;
    serves(lab, &mut here, &air)
}

/// This machine with its hands.
struct Here {
    runtime: Runtime,
    rig: Rig,
}

impl Here {
    fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let rig = runtime.block_on(Rig::start())?;
        Ok(Self { runtime, rig })
    }

    fn does(&mut self, step: &Step) -> Result<()> {
        self.runtime.block_on(self.rig.does(step))
    }

    fn sees(&mut self) -> Result<Seen> {
        self.runtime.block_on(self.rig.looks())
    }

    fn survey(&mut self) -> Result<Vec<Heard>> {
        Ok(self.runtime.block_on(self.rig.hands.survey())?)
    }

    fn answers(&mut self, daemon: &DaemonId) -> bool {
        self.runtime.block_on(self.rig.hands.answers(daemon))
    }

    /// The folder of a daemon's control sockets, as the supervisor makes it.
    fn sockets(&self, daemon: &DaemonId) -> Result<PathBuf> {
        let folder = self.rig.run.path().join("link").join(CONTROL).join(daemon.file());
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(folder)
    }

    /// Its beacons come as often as hostapd's: else the kernel refuses the second of the two, unless the
    /// radio's driver can do with different ones. Mesh points have ten times fewer by themselves.
    fn supplicant(&self) -> Result<Running> {
        let sockets = self.sockets(&supplicant()?)?;
        let file = self.rig.run.path().join("wpa.conf");
        let mesh = "ssid=\"valley\"\nmode=5\nfrequency=2412\nkey_mgmt=SAE\n\
                    sae_password=\"radios of a laboratory\"\nieee80211w=2\nmesh_fwding=0\n\
                    mesh_rssi_threshold=-90\nbeacon_int=100";
        let text = format!(
            "ctrl_interface={}\ncountry={COUNTRY}\nuser_mpm=1\nsae_pwe=2\nnetwork={{\n{mesh}\n}}\n",
            sockets.display()
        );
        fs::write(&file, text).context("write the supplicant's file")?;
        let mut command = Command::new("wpa_supplicant");
        command.args(["-Dnl80211", "-t", "-i", ON_MESH, "-c"]).arg(file);
        Running::start("supplicant-here", &mut command)
    }

    fn write_access_point(&self, ssid: &str) -> Result<PathBuf> {
        let sockets = self.sockets(&access_point()?)?;
        let file = self.rig.run.path().join("link/hostapd-phy0");
        let text = format!(
            "interface={AT_HOME}\ndriver=nl80211\nctrl_interface={}\nssid2=\"{ssid}\"\n\
             country_code={COUNTRY}\nieee80211d=1\nhw_mode=g\nchannel=1\nieee80211n=1\n\
             wmm_enabled=1\nbridge=br-lan\nwpa=2\nwpa_key_mgmt=SAE WPA-PSK\nrsn_pairwise=CCMP\n\
             ieee80211w=1\nsae_require_mfp=1\nsae_pwe=2\nwpa_passphrase={}\n",
            sockets.display(),
            HOME.1
        );
        fs::write(&file, text).context("write the access point's file")?;
        Ok(file)
    }
}

fn daemon(program: Program, instance: &str) -> Result<DaemonId> {
    Ok(DaemonId { program, instance: instance.parse().context("an instance")? })
}

fn supplicant() -> Result<DaemonId> {
    daemon(Program::WpaSupplicant, ON_MESH)
}

fn access_point() -> Result<DaemonId> {
    daemon(Program::Hostapd, "phy0")
}

fn radios(lab: &Lab, here: &mut Here) -> Result<()> {
    let done = "four simulated radios";
    lab.check("a radio's abilities are seen", done, "mesh and access point at once, SAE", || {
        let seen = here.sees()?;
        ensure!(seen.radios.len() == 4, "{:?}", seen.radios.keys());
        let radio = seen.radios.get("phy0").context("no phy0")?;
        let can = radio.can;
        ensure!(can.access_point && can.mesh_point && can.both && can.station, "{can:?}");
        ensure!(can.sae && can.pmf && can.band_2ghz && can.band_5ghz, "{can:?}");
        ensure!(radio.driver.as_deref() == Some("mac80211_hwsim"), "{:?}", radio.driver);
        let channel = |number| radio.channels.iter().find(move |c| c.number == number);
        ensure!(channel(1).is_some_and(|c| !c.disabled && !c.radar), "{:?}", channel(1));
        ensure!(channel(52).is_some_and(|c| c.radar), "{:?}", channel(52));
        Ok(format!("{can:?}, {} channels", radio.channels.len()))
    })?;
    let done = "DE, then the world domain, then FR again";
    lab.check(
        "the country is set and seen",
        done,
        "as set; a country that is none is refused",
        || {
            for wanted in [Some("DE"), None, Some("FR")] {
                let country = wanted.map(str::parse).transpose()?;
                here.does(&Step::SetCountry(country.clone()))?;
                let seen = here.sees()?.country;
                ensure!(seen == country, "{seen:?} instead of {country:?}");
            }
            let words = match here.does(&Step::SetCountry(Some("QQ".parse()?))) {
                Ok(()) => bail!("QQ was taken"),
                Err(error) => format!("{error:#}"),
            };
            here.does(&Step::SetCountry(Some("FR".parse()?)))?;
            Ok(words)
        },
    )?;
    Ok(())
}

fn settings(gateway: GatewayMode) -> Batadv {
    Batadv { gateway, bridge_loop_avoidance: true, isolation: true, originator_interval_ms: 2_000 }
}

fn steps() -> Vec<Step> {
    let name = |name: &str| name.to_owned();
    let wifi = |on: &str, mode| Step::AddWifi { name: name(on), radio: name("phy0"), mode };
    vec![
        Step::RemoveLink { name: name("wlan0") },
        wifi(ON_MESH, WifiMode::MeshPoint),
        wifi(AT_HOME, WifiMode::AccessPoint),
        Step::AddBridge { name: name("br-lan") },
        Step::SetUp { name: name("br-lan"), up: true },
        Step::AddBatadv { name: name(MESH) },
        Step::SetBatadv {
            name: name(MESH),
            settings: settings(GatewayMode::Client { selection_class: 20 }),
        },
        Step::SetMtu { name: name(ON_MESH), mtu: 1_560 },
        Step::SetMaster { name: name(ON_MESH), master: Some(name(MESH)) },
        Step::SetUp { name: name(MESH), up: true },
    ]
}

fn made(lab: &Lab, here: &mut Here) -> Result<()> {
    let done = "a mesh point and an access point on one radio, bat0, each step twice";
    lab.check("what is made is seen", done, "kinds, addresses, master, settings", || {
        for step in steps().iter().chain(&steps()) {
            here.does(step)?;
        }
        let seen = here.sees()?;
        let link = |name: &str| seen.links.get(name).with_context(|| format!("no {name}"));
        let (mesh, home, bat0) = (link(ON_MESH)?, link(AT_HOME)?, link(MESH)?);
        for (wifi, mode) in [(mesh, WifiMode::MeshPoint), (home, WifiMode::AccessPoint)] {
            let wanted = SeenKind::Wifi { radio: "phy0".into(), mode: Some(mode) };
            ensure!(wifi.kind == wanted, "{wifi:?}");
        }
        ensure!(mesh.mac != home.mac, "both have the address {:?}", mesh.mac);
        ensure!(mesh.master.as_deref() == Some(MESH) && mesh.mtu == 1_560, "{mesh:?}");
        let client = settings(GatewayMode::Client { selection_class: 20 });
        ensure!(bat0.kind == SeenKind::Batadv(client), "{bat0:?}");
        let server = settings(GatewayMode::Server { down: 500, up: 100 });
        here.does(&Step::SetBatadv { name: MESH.into(), settings: server })?;
        let seen = here.sees()?;
        ensure!(seen.mesh.sharing && seen.mesh.enabled, "{:?}", seen.mesh);
        here.does(&Step::SetBatadv { name: MESH.into(), settings: client })?;
        ensure!(!seen.links.contains_key("wlan0"), "wlan0 is still there");
        Ok(format!("{} steps", steps().len()))
    })?;
    Ok(())
}

/// Somebody else's box.
struct Neighbour {
    ns: Ns,
    _radio: Radio,
}

fn neighbour(air: &Air) -> Result<Neighbour> {
    let ns = Ns::new("neighbour")?;
    air.give(1, &ns)?;
    ns.ip("link add bat0 type batadv")?;
    let radio = wpa::supplicant(&ns, "wlan1", MESH_ROLE)?;
    ns.ip("link set wlan1 mtu 1560")?;
    ns.ip("link set wlan1 master bat0")?;
    ns.ip("link set bat0 up")?;
    ns.run("batctl", &["meshif", "bat0", "gw_mode", "server", "50mbit/10mbit"])?;
    Ok(Neighbour { ns, _radio: radio })
}

fn meets(here: &mut Here) -> Result<String> {
    let (neighbour, took) = until(LONG, "the neighbour is seen", || {
        let mesh = here.sees()?.mesh;
        let found = mesh.neighbours.iter().find(|n| n.quality > 100 && n.signal_dbm.is_some());
        Ok(found.cloned().ok_or_else(|| format!("{mesh:?}")))
    })?;
    ensure!(neighbour.secured && neighbour.device == ON_MESH, "{neighbour:?}");
    Ok(format!("after {:.1} s: {neighbour:?}", took.as_secs_f32()))
}

fn gateways(lab: &Lab, here: &mut Here, neighbour: &Neighbour) -> Result<()> {
    let done = "the neighbour shares 50/10 Mbit/s, and then nothing";
    lab.check("a shared uplink is seen", done, "its figures; gone when it ends", || {
        let (gateway, _) = until(LONG, "the gateway is seen", || {
            let mesh = here.sees()?.mesh;
            Ok(mesh.gateways.first().cloned().ok_or_else(|| format!("{mesh:?}")))
        })?;
        ensure!((gateway.down_kbit, gateway.up_kbit) == (50_000, 10_000), "{gateway:?}");
        neighbour.ns.run("batctl", &["meshif", "bat0", "gw_mode", "off"])?;
        let gone = until(LONG, "it is gone", || {
            let gateways = here.sees()?.mesh.gateways;
            Ok(when(gateways.is_empty(), (), || format!("{gateways:?}")))
        })?;
        Ok(format!("{gateway:?}; gone after {:.1} s", gone.1.as_secs_f32()))
    })?;
    Ok(())
}

fn control(lab: &Lab, here: &mut Here, mesh: &Running) -> Result<()> {
    let daemon = supplicant()?;
    let done = "wpa_supplicant stopped and continued";
    lab.check("a hung daemon is told from one that works", done, "no answer, then one", || {
        ensure!(here.answers(&daemon), "it does not answer: {}", mesh.said());
        mesh.signal("STOP")?;
        let hung = !here.answers(&daemon);
        mesh.signal("CONT")?;
        ensure!(hung, "it answers although it is stopped");
        until(LONG, "it answers again", || Ok(when(here.answers(&daemon), (), String::new)))?;
        Ok("PONG, nothing, PONG".into())
    })?;
    let done = "the mesh interface off and on, then the step Rejoin";
    lab.check("a mesh that was left is joined again", done, "no carrier until then", || {
        for up in [false, true] {
            here.does(&Step::SetUp { name: ON_MESH.into(), up })?;
        }
        throughout(WATCHED, "it has no carrier", || {
            let link = here.sees()?.links.get(ON_MESH).cloned().context("no interface")?;
            Ok(when(!link.carrier, (), || format!("{link:?}")))
        })?;
        here.does(&Step::Rejoin(daemon.clone()))?;
        let (_, took) = until(LONG, "it is linked again", || {
            let neighbours = here.sees()?.mesh.neighbours;
            let linked = neighbours.iter().any(|n| n.secured && n.heard_ms < 5_000);
            Ok(when(linked, (), || format!("{neighbours:?}; {}", mesh.said())))
        })?;
        Ok(format!("linked {:.1} s after", took.as_secs_f32()))
    })?;
    Ok(())
}

fn hears(lab: &Lab, here: &mut Here, air: &Air) -> Result<()> {
    let cafe = Ns::new("cafe")?;
    air.give(2, &cafe)?;
    cafe.ip("link add br0 type bridge")?;
    let _cafe = wpa::access_point(&cafe, "wlan2", "br0", CAFE)?;
    let done = "an access point and a mesh in reach";
    lab.check("networks are heard", done, "their names, channels and locks", || {
        let (heard, _) = until(LONG, "both are heard", || {
            let heard = here.survey()?;
            let has = |ssid: &str| heard.iter().any(|n| n.ssid == ssid);
            Ok(if has(CAFE.0) && has("valley") { Ok(heard) } else { Err(format!("{heard:?}")) })
        })?;
        let find = |ssid: &str| heard.iter().find(|n| n.ssid == ssid).context("gone");
        let (cafe, valley) = (find(CAFE.0)?, find("valley")?);
        ensure!(cafe.secured && !cafe.mesh && cafe.channel == 6, "{cafe:?}");
        ensure!(valley.secured && valley.mesh && valley.channel == 1, "{valley:?}");
        let left = call("ip", &["-o", "link"])?.stdout;
        let left = String::from_utf8_lossy(&left).into_owned();
        ensure!(!left.contains("kith-scan"), "the ear is still there: {left}");
        Ok(format!("{} networks", heard.len()))
    })?;
    Ok(())
}

fn serves(lab: &Lab, here: &mut Here, air: &Air) -> Result<()> {
    let phone = Ns::new("phone")?;
    air.give(3, &phone)?;
    let mut command = Command::new("hostapd");
    command.arg("-t").arg(here.write_access_point(HOME.0)?);
    let hostapd = Running::start("hostapd-here", &mut command)?;
    let daemon = access_point()?;
    let mut joined = None;
    let done = "stock wpa_supplicant joins with WPA3, on the radio of the mesh";
    lab.check("a device by radio is seen", done, "its band, signal and rate", || {
        until(LONG, "hostapd answers", || Ok(when(here.answers(&daemon), (), || hostapd.said())))?;
        joined = Some(joins(&phone, HOME.0)?);
        let (client, _) = until(LONG, "the phone is seen", || {
            let clients = here.sees()?.clients;
            Ok(clients.iter().find(|c| c.here).cloned().ok_or_else(|| format!("{clients:?}")))
        })?;
        ensure!(client.device.as_deref() == Some(AT_HOME), "{client:?}");
        ensure!(client.band.as_deref() == Some("2.4 GHz"), "{client:?}");
        ensure!(client.signal_dbm.is_some() && client.since.is_some(), "{client:?}");
        let seen = here.sees()?;
        let radio = seen.radios.get("phy0").context("no phy0")?;
        ensure!(radio.channel == Some(1) && radio.power_dbm.is_some(), "{radio:?}");
        Ok(format!("{:?} dBm, {:?} kbit/s", client.signal_dbm, client.rate_kbit))
    })?;
    let done = "another name in hostapd's file, then the step Reload; the phone joins by it";
    lab.check("a name changes without a restart", done, "same interface and process", || {
        let before = here.sees()?.links;
        here.write_access_point("Home again")?;
        here.does(&Step::Reload(daemon.clone()))?;
        drop(joined.take());
        // The kernel goes on showing the first name; whoever joins knows.
        let (_phone, took) = joins(&phone, "Home again")?;
        let after = here.sees()?.links;
        for (name, link) in &before {
            let now = after.get(name).map(|link| link.index);
            ensure!(now == Some(link.index), "{name} is another: {now:?}");
        }
        ensure!(here.answers(&daemon), "hostapd does not answer");
        Ok(format!("joined {:.1} s after", took.as_secs_f32()))
    })?;
    Ok(())
}

/// A phone joins with WPA3 on the mesh's channel, and stays while what is answered is kept.
fn joins(phone: &Ns, ssid: &str) -> Result<(Running, Duration)> {
    let folder = PathBuf::from("/run/lab-phone");
    fs::create_dir_all(&folder).context("make the phone's folder")?;
    let network =
        format!("ssid=\"{ssid}\"\nkey_mgmt=SAE\npsk=\"{}\"\nieee80211w=2\nscan_freq=2412", HOME.1);
    let text = format!(
        "ctrl_interface={}\ncountry={COUNTRY}\nsae_pwe=2\nnetwork={{\n{network}\n}}\n",
        folder.display()
    );
    let file = folder.with_extension("conf");
    fs::write(&file, text).context("write the phone's file")?;
    let mut command = phone.command("wpa_supplicant");
    command.args(["-Dnl80211", "-t", "-i", "wlan3", "-c"]).arg(file);
    let supplicant = Running::start("phone", &mut command)?;
    let ((), took) = until(LONG, "the phone has joined", || {
        let status = Control::open(&folder.join("wlan3")).and_then(|control| control.status());
        let joined = |status: &std::collections::BTreeMap<String, String>| {
            let is = |key: &str, value: &str| status.get(key).is_some_and(|v| v == value);
            is("wpa_state", "COMPLETED") && is("ssid", ssid)
        };
        Ok(when(status.as_ref().is_ok_and(joined), (), || format!("{status:?}")))
    })?;
    Ok((supplicant, took))
}
