//! The router in a house of network namespaces: who may talk to whom, and what the standards ask of its NAT
//! and its firewall, packet by packet.
//!
//! Each line names the requirement, the packet that was sent, and what was seen of it at every network at
//! once. A packet that shall not pass has a control beside it that does. What is knowingly otherwise is on
//! the list in [`exceptions`], with its reason; a line that fails and is not there fails the lab.

mod controls;
mod exceptions;
mod host;
mod houses;
mod ipv6;
mod matrix;
mod nat;
mod packet;
mod row;
mod scan;
mod town;

use std::time::Instant;

use anyhow::Result;

use super::report::Report;
use super::{Wishes, installed};
use row::Lab;
use town::{House, Town};

/// Runs all lines, or those of one group: `matrix`, `nat`, `ipv6`, `controls`, `houses`, `scan`.
#[must_use]
pub fn run(wishes: &Wishes) -> Report {
    for program in ["ip", "bridge", "nft"] {
        if !installed(program) {
            return Report::skipped("router", format!("needs {program}"));
        }
    }
    played(wishes).unwrap_or_else(|why| {
        let mut report = Report::default();
        report.note("router", Err(why));
        report
    })
}

fn played(wishes: &Wishes) -> Result<Report> {
    let started = Instant::now();
    let house = House::new()?;
    let mut lab = Lab::new(Town::build(&house, wishes.seed)?);
    if wishes.wants("matrix") {
        matrix::run(&mut lab);
    }
    if wishes.wants("nat") {
        nat::run(&mut lab);
    }
    if wishes.wants("ipv6") {
        ipv6::run(&mut lab);
    }
    if wishes.wants("controls") {
        controls::run(&mut lab, &house);
    }
    if wishes.wants("houses") {
        houses::others(&mut lab, &house);
    }
    if wishes.wants("scan") {
        houses::scans(&mut lab, &house);
    }
    println!("{} lines in {:.1?}", lab.lines, started.elapsed());
    Ok(lab.end(wishes.scenario.is_none()))
}
