//! A box that nobody owns yet: Wi-Fi to set it up with, for a quarter of an hour.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::home::BOX;
use super::product::Product;
use super::stage::{SETUP, Stage};
use crate::lab::vm::inside::lab::Lab;
use crate::lab::vm::inside::wait::{until, when};
use crate::lab::vm::inside::wpa::Role;

/// How much later than after a quarter of an hour its end may be seen.
const LATE: f64 = 30.0;
/// Longer than what is left of the quarter of an hour.
const LONG: Duration = Duration::from_secs(240);
const INTERFACE: &str = "/sys/class/net/kith-setup9";

/// The clock of D is such that the quarter of an hour is over soon; all that is left of it is real.
pub(super) fn told(lab: &Lab, stage: &Stage, fourth: &Product<'_>) -> Result<()> {
    let phone = stage.phones.get(3).context("a phone at D's")?;
    let uptime = || -> Result<f64> {
        let said = fourth.host.run("cat", &["/proc/uptime"])?;
        let first = said.split_whitespace().next().unwrap_or_default();
        first.parse().context("for how long D is on")
    };
    let mut joined = None;
    let done = "a phone joins D's open Wi-Fi, dhcpcd, the page to claim it with";
    lab.check("a new box is set up by Wi-Fi", done, "an address and the page", || {
        let (radio, took) = phone.join_as(Role::Guest)?;
        let status = radio.control.status()?;
        let ssid = status.get("ssid").cloned().unwrap_or_default();
        ensure!(ssid.starts_with("Kith setup "), "it joined {ssid:?}");
        phone.lease()?;
        let page = phone.ns.page(&format!("http://{BOX}:8480/claim"))?.context("no page")?;
        ensure!(page.contains("<form"), "the page is {page}");
        joined = Some(radio);
        let (took, at) = (took.as_secs_f32(), uptime()?);
        Ok(format!("{ssid} joined after {took:.1} s, {at:.0} s after power-on by D's clock"))
    })?;
    let done = "D's clock past fifteen minutes, nobody owns it";
    lab.check("that Wi-Fi is gone after 15 minutes", done, "there until then, then not", || {
        let joined = joined.context("nobody joined")?;
        let gone = || fourth.host.run("test", &["-e", INTERFACE]).is_err();
        let mut last_seen = 0.0;
        until(LONG, "it is gone", || {
            let now = uptime()?;
            if gone() {
                return Ok(Ok(()));
            }
            last_seen = now;
            Ok(Err(format!("there {now:.0} s after power-on")))
        })?;
        let (now, end) = (uptime()?, Duration::from_secs(SETUP).as_secs_f64());
        ensure!(
            last_seen >= end - 10.0,
            "it was there {last_seen:.0} s after power-on, and then not"
        );
        ensure!(now <= end + LATE, "it was there until {now:.0} s after power-on");
        until(LONG, "the phone is alone", || {
            let status = joined.control.status()?;
            let state = status.get("wpa_state").cloned().unwrap_or_default();
            Ok(when(state != "COMPLETED", (), || state))
        })?;
        Ok(format!("there at {last_seen:.0} s, gone at {now:.0} s"))
    })?;
    phone.forget()
}

/// Somebody owns it at last.
pub(super) fn claimed(lab: &Lab, fourth: &Product<'_>) -> Result<()> {
    let done = "the form of D's panel, then kith set, apply, confirm";
    lab.check("it can be claimed all the same", done, "and serves its household", || {
        fourth.claim()?;
        fourth.change(&[
            ("country", "FR"),
            ("radio.phy9.channel", "6"),
            ("wifi.household.enabled", "on"),
            ("wifi.household.ssid", "House D"),
            ("wifi.household.passphrase", super::home::FAMILY),
        ])?;
        let ((), took) = fourth.runs(2)?;
        Ok(format!("two daemons after {:.1} s", took.as_secs_f32()))
    })?;
    Ok(())
}
