//! Waiting for a state, never for a time.
//!
//! The machine runs three to five times slower under load than alone, so limits are generous: they
//! tell "never" from "late", and are no figures.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Between two looks. A look often starts a program, which costs tens of milliseconds here.
const PAUSE: Duration = Duration::from_millis(200);

/// What one look saw: what was waited for, or what there is instead.
pub(crate) type Look<T> = std::result::Result<T, String>;

/// Looks until it is there; answers it and how long that took.
///
/// # Errors
/// When `limit` passes first, with what was seen last, or when looking fails.
pub(crate) fn until<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Look<T>>,
) -> Result<(T, Duration)> {
    let start = Instant::now();
    loop {
        let seen = look().with_context(|| format!("while waiting until {what}"))?;
        let took = start.elapsed();
        match seen {
            Ok(found) => return Ok((found, took)),
            Err(instead) if took > limit => {
                bail!("after {} s still not: {what}; seen last: {instead}", took.as_secs())
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

/// Looks for as long as `time`: it must be so each time. Answers how often it was looked.
///
/// # Errors
/// At the first look that sees something else, or when looking fails.
pub(crate) fn throughout(
    time: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Look<()>>,
) -> Result<u32> {
    let start = Instant::now();
    let mut looks = 0;
    while start.elapsed() < time {
        if let Err(instead) = look()? {
            bail!("after {} s no longer: {what}; seen: {instead}", start.elapsed().as_secs());
        }
        looks += 1;
        std::thread::sleep(PAUSE);
    }
    Ok(looks)
}

/// `found` when it is so, else what there is instead.
pub(crate) fn when<T>(so: bool, found: T, instead: impl FnOnce() -> String) -> Look<T> {
    if so { Ok(found) } else { Err(instead()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_comes_is_told_with_what_was_there_instead() {
        let never = until(Duration::ZERO, "it rains", || Ok(Err::<(), _>("sun".into())));
        let told = format!("{:#}", never.unwrap_err());
        assert!(told.contains("it rains") && told.contains("sun"), "{told}");
        let (found, _) = until(Duration::ZERO, "it rains", || Ok(Ok(7))).unwrap();
        assert_eq!(found, 7);
    }

    #[test]
    fn what_ends_too_early_is_told() {
        let long = Duration::from_secs(60);
        let ended = throughout(long, "it rains", || Ok(Err("sun".into())));
        assert!(format!("{:#}", ended.unwrap_err()).contains("sun"));
    }
}
