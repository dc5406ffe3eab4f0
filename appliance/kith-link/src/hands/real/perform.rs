//! Carrying out steps. Each finds out by itself whether it is done already.

use kith_model::daemon::DaemonWish;
use kith_model::role::Report;

use super::links::{self, Kind, Link};
use super::netlink::NetlinkError;
use super::{RealHands, addresses, batadv, conntrack, ctrl, routes, wifi, words};
use crate::desired::{Batadv, RouteSpec};
use crate::hands::HandsError;
use crate::step::Step;

impl RealHands {
    /// Does one step.
    pub(super) async fn do_step(&mut self, step: &Step) -> Result<(), HandsError> {
        match step {
            Step::LoadRuleset(text) => self.nft.load(text).await,
            Step::SetSysctl { path, value } => self.sysctls.set(path, value),
            Step::SetCountry(country) => {
                wifi::set_country(&mut self.generic, country.as_ref()).await
            }
            Step::ForgetFlows(flows) => conntrack::forget(flows).await,
            Step::SetPower { radio, dbm } => wifi::set_power(&mut self.generic, radio, *dbm).await,
            Step::WriteFile { path, file } => self.files.write(path, file),
            Step::RemoveFile { path } => self.files.remove(path),
            Step::AddBridge { name } => {
                links::add_bridge(&mut self.route, name).await.map_err(words)?;
                self.expect(name, Kind::Bridge).await
            }
            Step::AddBatadv { name } => self.add_batadv(name).await,
            Step::AddWifi { name, radio, mode } => {
                wifi::add(&mut self.generic, &mut self.route, name, (radio, *mode)).await
            }
            Step::RemoveLink { name } => self.remove_link(name).await,
            Step::SetBatadv { name, settings } => self.set_batadv(name, settings).await,
            Step::SetMtu { name, mtu } => {
                let index = self.index(name).await?;
                links::set_mtu(&mut self.route, index, *mtu).await.map_err(words)
            }
            Step::SetMaster { name, master } => self.set_master(name, master.as_deref()).await,
            Step::SetIsolated { name, isolated } => self.set_isolated(name, *isolated).await,
            Step::SetUp { name, up } => {
                let index = self.index(name).await?;
                links::set_up(&mut self.route, index, *up).await.map_err(words)
            }
            Step::AddAddress { device, address } => {
                let link = self.link(device).await?;
                let ours = matches!(link.kind, Kind::Bridge | Kind::Batadv);
                addresses::add(&mut self.route, link.index, *address, ours).await.map_err(words)
            }
            Step::RemoveAddress { device, address } => match self.find(device).await? {
                Some(link) => {
                    addresses::remove(&mut self.route, link.index, *address).await.map_err(words)
                }
                None => Ok(()),
            },
            Step::AddRoute(route) => self.add_route(route).await,
            Step::RemoveRoute(route) => self.remove_route(route).await,
            Step::Reload(daemon) => {
                ctrl::reload(&self.files, daemon).await?;
                self.files.told(&daemon.file())
            }
            Step::Rejoin(daemon) => ctrl::rejoin(&self.files, daemon).await,
            Step::WishDaemons(wishes) => self.wish(wishes).await,
        }
    }

    async fn find(&mut self, name: &str) -> Result<Option<Link>, HandsError> {
        links::find(&mut self.route, name).await.map_err(words)
    }

    async fn link(&mut self, name: &str) -> Result<Link, HandsError> {
        let gone =
            || HandsError::Missing(format!("there is no interface {name}: is it plugged in?"));
        self.find(name).await?.ok_or_else(gone)
    }

    async fn index(&mut self, name: &str) -> Result<u32, HandsError> {
        Ok(self.link(name).await?.index)
    }

    /// Something else of the name of what was made is in its way.
    async fn expect(&mut self, name: &str, kind: Kind) -> Result<(), HandsError> {
        if self.link(name).await?.kind == kind {
            return Ok(());
        }
        Err(HandsError::Refused(format!(
            "{name} is there already and is something else: remove it"
        )))
    }

    async fn add_batadv(&mut self, name: &str) -> Result<(), HandsError> {
        use nix::errno::Errno;
        match batadv::add(&mut self.route, name).await {
            Err(error) if error.is(&[Errno::EOPNOTSUPP, Errno::EINVAL]) => {
                let without =
                    "this kernel has no batman-adv with BATMAN IV: load the module batman-adv";
                Err(HandsError::Missing(format!("{without} ({error})")))
            }
            Err(error) => Err(words(error)),
            Ok(()) => self.expect(name, Kind::Batadv).await,
        }
    }

    async fn set_batadv(&mut self, name: &str, settings: &Batadv) -> Result<(), HandsError> {
        let index = self.index(name).await?;
        let family = self.generic.family(batadv::FAMILY).await.map_err(words)?;
        let missing = || HandsError::Missing("the module batman-adv is not loaded".to_owned());
        let family = family.ok_or_else(missing)?;
        batadv::set(&mut self.generic, &family, index, settings).await.map_err(words)
    }

    /// Only what the box makes: a cable end that vanished would not come back.
    async fn remove_link(&mut self, name: &str) -> Result<(), HandsError> {
        let Some(link) = self.find(name).await? else { return Ok(()) };
        match link.kind {
            Kind::Bridge | Kind::Batadv => {
                links::remove(&mut self.route, link.index).await.map_err(words)
            }
            // One on a radio looks like a port here; a port is none to the radio's driver.
            Kind::Port | Kind::Other => match wifi::remove(&mut self.generic, link.index).await {
                Ok(()) => Ok(()),
                Err(error) => Err(HandsError::Refused(format!(
                    "{name} is a port and no interface that the box made: it stays ({error})"
                ))),
            },
        }
    }

    async fn set_master(&mut self, name: &str, master: Option<&str>) -> Result<(), HandsError> {
        let link = self.link(name).await?;
        let wanted = match master {
            Some(master) => Some(self.index(master).await?),
            None => None,
        };
        if link.master == wanted {
            return Ok(());
        }
        links::set_master(&mut self.route, link.index, wanted.unwrap_or(0)).await.map_err(words)
    }

    async fn set_isolated(&mut self, name: &str, isolated: bool) -> Result<(), HandsError> {
        let link = self.link(name).await?;
        if link.isolated == isolated {
            return Ok(());
        }
        links::set_isolated(&mut self.route, link.index, isolated).await.map_err(words)
    }

    async fn add_route(&mut self, route: &RouteSpec) -> Result<(), HandsError> {
        if route.metric == 0 && route.to.addr().is_ipv6() {
            // The kernel would make it 1024, and it would never be what was asked for.
            let refused = "an IPv6 route needs a metric above 0";
            return Err(HandsError::Refused(refused.into()));
        }
        let device = match &route.device {
            Some(device) => Some(self.index(device).await?),
            None => None,
        };
        routes::add(&mut self.route, route, device).await.map_err(words)
    }

    async fn remove_route(&mut self, route: &RouteSpec) -> Result<(), HandsError> {
        let device = match &route.device {
            Some(device) => match self.find(device).await? {
                Some(link) => Some(link.index),
                // It went with its interface.
                None => return Ok(()),
            },
            None => None,
        };
        let removed: Result<(), NetlinkError> =
            routes::remove(&mut self.route, route, device).await;
        removed.map_err(words)
    }

    /// Tells the supervisor, if there is one.
    /// Has these daemons run. Those that start anew read their files then.
    async fn wish(&self, wishes: &[DaemonWish]) -> Result<(), HandsError> {
        let running = self.daemons();
        self.report(Report::Daemons(wishes.to_vec())).await?;
        let starts = |wish: &&DaemonWish| {
            running.get(&wish.id).is_none_or(|daemon| daemon.generation != wish.generation)
        };
        wishes.iter().filter(starts).try_for_each(|wish| self.files.told(&wish.id.file()))
    }

    pub(super) async fn report(&self, report: Report) -> Result<(), HandsError> {
        let Some(supervisor) = &self.supervisor else {
            return Err(HandsError::Missing("no supervisor runs daemons here".into()));
        };
        let gone = |_| HandsError::Missing("the supervisor is gone".to_owned());
        supervisor.reports.send(report).await.map_err(gone)
    }
}
