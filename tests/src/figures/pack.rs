//! The baseline of small blocks: frames with a checksum in one file, made durable in batches.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Instant;

use anyhow::{Context, Result};

use super::Scale;
use super::table::{Table, median};
use crate::lab::scratch;

const BLOCK: usize = 4_096;
/// A batch is what one group commit takes in.
const BATCH: usize = 32 << 20;

pub(super) fn measure(scale: Scale, table: &mut Table) -> Result<()> {
    let rounds: Result<Vec<f64>> = (0..scale.rounds).map(|_| round(scale.small_files)).collect();
    let rate = f64::from(scale.small_files) / median(rounds?);
    let detail = "one file, CRC-32C, fdatasync a batch".into();
    table.say("pack segment, blocks of 4 KiB", rate, "blocks/s", detail);
    Ok(())
}

fn round(blocks: u32) -> Result<f64> {
    let folder = scratch("pack")?;
    let file = File::create(folder.path().join("segment")).context("make a segment")?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    let start = Instant::now();
    let mut since = 0;
    for n in 0..blocks {
        let block = [n.to_le_bytes()[0]; BLOCK];
        writer.write_all(&(BLOCK as u32).to_le_bytes()).context("write a frame")?;
        writer.write_all(&crc32c::crc32c(&block).to_le_bytes()).context("write a frame")?;
        writer.write_all(&block).context("write a frame")?;
        since += BLOCK;
        if since >= BATCH {
            writer.flush().context("write a batch")?;
            writer.get_ref().sync_data().context("sync a batch")?;
            since = 0;
        }
    }
    writer.flush().context("write a batch")?;
    writer.get_ref().sync_data().context("sync a batch")?;
    Ok(start.elapsed().as_secs_f64())
}
