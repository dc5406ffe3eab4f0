//! A folder of small files between two nodes, beside Syncthing, an rsync daemon and raw quinn.

use std::fs;

use anyhow::{Context, Result};

use super::Scale;
use super::table::{Goal, Table, median};
use super::{rsync, syncthing, transfer};
use crate::lab::{installed, scratch};

pub(super) fn measure(scale: Scale, table: &mut Table) -> Result<()> {
    let (mut ours, mut import) = (Vec::new(), Vec::new());
    let (mut quinn, mut st, mut rs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..scale.rounds {
        let folder = scratch("folder")?;
        let source = folder.path().join("source");
        fs::create_dir_all(&source).context("make the source")?;
        for n in 0..scale.small_files {
            let seed = u64::from(n) + 1_000_000 * round as u64 + 1;
            fs::write(source.join(format!("{n:05}.bin")), small(seed)).context("write a file")?;
        }
        // Nothing is deleted before the round is over: ext4 makes files slowly after many deletions.
        let run = transfer::kith(folder.path(), &source)?;
        ours.push(run.wall);
        import.push(run.import);
        quinn.push(transfer::raw_quinn(folder.path(), &source)?.0);
        if installed("rsync") {
            rs.push(rsync::transfer(folder.path(), &source)?);
        }
        if installed("syncthing") {
            st.push(syncthing::transfer(folder.path(), &source)?.pull);
        }
    }
    let ours = median(ours);
    let rate = |s: f64| f64::from(scale.small_files) / s;
    let detail = format!("{ours:.2} s; import {:.2} s", median(import));
    table.say("a folder of small files", rate(ours), "files/s", detail);
    table.say("… raw quinn, each file synced", rate(median(quinn)), "files/s", String::new());
    if st.is_empty() {
        table.skip("folder beside Syncthing: syncthing is not installed".into());
    } else {
        let st = median(st);
        let detail = format!("it takes {st:.2} s");
        let goal = (Goal::AtLeast, 8.0);
        syncthing::beside(table, "…", (st / ours, "x"), goal, &detail)?;
    }
    if rs.is_empty() {
        table.skip("folder beside rsync: rsync is not installed".into());
    } else {
        let rs = median(rs);
        let detail = format!("it takes {rs:.2} s, one sync at the end");
        table.judge("… / rsync daemon", (rs / ours, "x"), (Goal::AtLeast, 0.5), detail);
    }
    Ok(())
}

fn small(seed: u64) -> Vec<u8> {
    let word = |n: u64| (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (n << 40 | n)).to_le_bytes();
    (0..512).flat_map(word).collect()
}
