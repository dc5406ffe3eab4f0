//! What processes have cost so far, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Ticks of the kernel's accounting in a second; fixed by Linux for user space.
const TICKS: u64 = 100;

/// Seconds of CPU of these processes and of children they have waited for.
pub(super) fn cpu(pids: &[u32]) -> Result<f64> {
    let mut ticks = 0;
    for pid in pids {
        let stat = read(*pid, "stat")?;
        let after_name = stat.rsplit_once(')').context("a process's name")?.1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // utime, stime, cutime, cstime are fields 14 to 17 of proc(5), which counts from 1.
        ticks += fields[11..15].iter().filter_map(|f| f.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(Duration::from_millis(ticks * 1_000 / TICKS).as_secs_f64())
}

/// MiB of memory, shared pages counted by their share.
pub(super) fn pss(pids: &[u32]) -> Result<f64> {
    sum(pids, "smaps_rollup", "Pss:").map(|kib| kib / 1024.0)
}

/// MiB of the largest memory of any one of these so far.
pub(super) fn high_water(pids: &[u32]) -> Result<f64> {
    let each: Result<Vec<f64>> = pids.iter().map(|p| sum(&[*p], "status", "VmHWM:")).collect();
    Ok(each?.into_iter().fold(0.0, f64::max) / 1024.0)
}

/// Forgets the high-water marks, so that a later reading is of what comes from here on.
pub(super) fn forget_high_water(pids: &[u32]) -> Result<()> {
    for pid in pids {
        fs::write(format!("/proc/{pid}/clear_refs"), "5").context("forget the high-water mark")?;
    }
    Ok(())
}

/// Touches so many bytes of memory and lets go of them, so that what is measured next does not pay for
/// their first use: virtual machines give pages back to their host and get them again slowly, which
/// makes the first of two equal runs several times as dear as the second.
pub(super) fn warm_memory(bytes: u64) {
    const PAGE: usize = 4_096;
    const PIECE: usize = 64 << 20;
    let mut pieces = Vec::new();
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
    while left > 0 {
        let mut piece = vec![0_u8; left.min(PIECE)];
        piece.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
        left -= piece.len();
        pieces.push(std::hint::black_box(piece));
    }
}

/// Bytes these processes have caused to be written to the disk.
pub(super) fn written(pids: &[u32]) -> Result<f64> {
    sum(pids, "io", "write_bytes:")
}

fn sum(pids: &[u32], file: &str, key: &str) -> Result<f64> {
    let mut total = 0.0;
    for pid in pids {
        let text = read(*pid, file)?;
        let line = text.lines().find_map(|l| l.strip_prefix(key));
        let value =
            line.and_then(|l| l.split_whitespace().next()).and_then(|v| v.parse::<f64>().ok());
        total += value.with_context(|| format!("no {key} in {file}"))?;
    }
    Ok(total)
}

fn read(pid: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).with_context(|| format!("read {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_costs_something() {
        let pid = [std::process::id()];
        assert!(pss(&pid).unwrap() > 0.1);
        assert!(high_water(&pid).unwrap() > 1.0);
        assert!(cpu(&pid).unwrap() >= 0.0);
        assert!(cpu(&[u32::MAX]).is_err());
    }
}
