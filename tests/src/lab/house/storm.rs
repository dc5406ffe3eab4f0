//! After an outage everybody comes at once: a thousand devices on one cable that all want an address.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::clients::lease;
use super::dhcp::{Device, Said, heard};
use super::frame::Cable;
use super::home::Home;
use super::row::Rows;
use crate::lab::process::each;

/// How many, and within which time they come.
const DEVICES: usize = 1_000;
const ARRIVE: Duration = Duration::from_secs(5);
/// When 99 of 100 have one, and when all have one.
const MOST: Duration = Duration::from_secs(60);
const ALL: Duration = Duration::from_secs(90);
/// RFC 2131, 4.1: 4 s, then twice as long each time, up to 64 s, give or take a second.
const FIRST: Duration = Duration::from_secs(4);
const LONGEST: Duration = Duration::from_secs(64);

/// A network with room for all of them.
const WIDE: &str = "10.77.0.1/20";

struct Waiting {
    device: Device,
    offered: Option<(Ipv4Addr, Ipv4Addr)>,
    next: Instant,
    pause: Duration,
    leased: Option<(Ipv4Addr, Duration)>,
}

/// Sends them all and counts.
pub(super) fn run(rows: &mut Rows, home: &Home, seed: u64) {
    let done = format!("{DEVICES} devices ask within {} s, in {WIDE}", ARRIVE.as_secs());
    rows.row("a thousand devices after an outage", &done, "99 % in 60 s, all in 90 s", || {
        home.change(&[("lan.address", WIDE)])?;
        let mut waiting = devices(seed);
        let took = played(&Cable::open(&home.lan())?, &mut waiting)?;
        let mut times: Vec<Duration> =
            waiting.iter().filter_map(|w| w.leased).map(|(_, took)| took).collect();
        times.sort_unstable();
        let in_time = times.iter().filter(|took| **took <= MOST).count();
        let mut addresses: Vec<_> = waiting.iter().filter_map(|w| w.leased).map(|l| l.0).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        let seen = format!(
            "{in_time} in 60 s, {} in all; half after {:.1?}, 99 % after {:.1?}, the last after {:.1?}",
            times.len(),
            at(50),
            at(99),
            times.last().copied().unwrap_or(took)
        );
        ensure!(in_time * 100 >= DEVICES * 99 && times.len() == DEVICES, "{seen}");
        ensure!(addresses.len() == DEVICES, "{seen}; only {} addresses", addresses.len());
        Ok(seen)
    });
    let done = "one more device, with udhcpc; kith clients --json";
    rows.row("the box with a thousand devices", done, "an address, and all are listed", || {
        let address = lease(&home.lan2(), home)?;
        ensure!(address.starts_with("10.77."), "{address}");
        let count = each(&home.json(&["clients"])?).count();
        ensure!(count > DEVICES, "only {count} devices are listed");
        Ok(format!("{address}; {count} devices"))
    });
}

fn devices(seed: u64) -> Vec<Waiting> {
    let now = Instant::now();
    let mut dice = seed;
    (0..DEVICES)
        .map(|number| {
            dice = dice
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let late = ARRIVE.mul_f64((dice >> 40) as f64 / f64::from(1 << 24));
            let [.., high, low] = number.to_be_bytes();
            let device = Device {
                mac: [2, 0x4b, 0x69, 0, high, low],
                transaction: u32::from_be_bytes([0x4b, 0x69, high, low]),
                // As Windows does it, and as Linux and phones do.
                broadcast: number % 4 == 0,
                name: format!("device-{number}").into_bytes(),
            };
            Waiting { device, offered: None, next: now + late, pause: FIRST, leased: None }
        })
        .collect()
}

fn played(cable: &Cable, waiting: &mut [Waiting]) -> Result<Duration> {
    let begin = Instant::now();
    let mut room = [0; 2_048];
    while waiting.iter().any(|w| w.leased.is_none()) && begin.elapsed() < ALL {
        for one in waiting.iter_mut().filter(|w| w.leased.is_none() && w.next <= Instant::now()) {
            let frame = match one.offered.take() {
                Some((address, server)) => one.device.request(address, server),
                None => one.device.discover(),
            };
            cable.send(&frame)?;
            one.next = Instant::now() + one.pause;
            one.pause = (one.pause * 2).min(LONGEST);
        }
        while let Some(frame) = cable.arrived(&mut room)? {
            let Some((transaction, said)) = heard(frame) else { continue };
            let [high, _, _, _] = transaction.to_be_bytes();
            let number = usize::try_from(transaction & 0xffff).unwrap_or(usize::MAX);
            let Some(one) = waiting.get_mut(number).filter(|_| high == 0x4b) else { continue };
            match said {
                Said::Offer(address, server) if one.leased.is_none() => {
                    one.offered = Some((address, server));
                    (one.next, one.pause) = (Instant::now(), FIRST);
                }
                Said::Ack(address) => {
                    one.leased = one.leased.or(Some((address, begin.elapsed())));
                }
                Said::Offer(..) | Said::Other => {}
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(begin.elapsed())
}
