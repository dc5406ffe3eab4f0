//! Ten thousand wrong passphrases, many at a time; the owner still gets in.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Watch;
use crate::lab::panel::{PASSPHRASE, Visitor, hidden};
use crate::lab::process::{Node, Plan};
use crate::lab::scratch;

const GUESSES: u32 = 10_000;
const AT_ONCE: u32 = 32;

pub(super) fn run() -> Result<String> {
    let folder = scratch("guesses")?;
    let mut node = Node::start(Plan::new("anna", folder.path()))?;
    let mut owner = Visitor::claim(&node)?;
    let right = owner.get("/overview")?;
    ensure!(right.status == 200, "the owner's overview answers {}", right.status);
    // Memory grows once by a password hash; what must not happen is that it grows by many.
    let watch = Watch::start(&node)?;
    let (refused, limited) = (AtomicU32::new(0), AtomicU32::new(0));
    let workers: Result<()> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..AT_ONCE)
            .map(|worker| {
                scope.spawn({
                    let n = &node;
                    let c = (&refused, &limited);
                    move || guess(n, worker, c)
                })
            })
            .collect();
        handles.into_iter().try_for_each(|h| h.join().map_err(|_| anyhow::anyhow!("broke"))?)
    });
    workers?;
    let seen = watch.check(&mut node)?;
    let (refused, limited) = (refused.into_inner(), limited.into_inner());
    ensure!(refused + limited == GUESSES, "{refused} refused and {limited} slowed of {GUESSES}");
    ensure!(limited > GUESSES * 9 / 10, "only {limited} of {GUESSES} were slowed down");

    let again = owner.get("/overview")?;
    ensure!(again.status == 200, "the owner's session was ended: {}", again.status);
    sign_in(&mut owner).context("the owner, in a known browser")?;
    node.stop()?;
    Ok(format!("{refused} refused, {limited} slowed down; {seen}; the owner signs in meanwhile"))
}

/// One of many who guess. A 429 is not waited for.
fn guess(node: &Node, worker: u32, counts: (&AtomicU32, &AtomicU32)) -> Result<()> {
    let mut visitor = Visitor::at(node);
    let fields = hidden(&visitor.get("/login")?.text(), "/login");
    for n in (worker..GUESSES).step_by(AT_ONCE as usize) {
        let wrong = format!("wrong guess number {n}");
        let answer =
            visitor.post("/login", &fields, &[("name", "Anna"), ("passphrase", &wrong)])?;
        match answer.status {
            401 => counts.0.fetch_add(1, Ordering::Relaxed),
            429 => counts.1.fetch_add(1, Ordering::Relaxed),
            other => anyhow::bail!("a wrong passphrase is answered {other}: {}", answer.text()),
        };
    }
    Ok(())
}

/// A browser with a known-device cookie has a bucket of its own.
fn sign_in(owner: &mut Visitor) -> Result<()> {
    let page = owner.get("/account")?;
    let left = owner.post("/logout", &hidden(&page.text(), "/logout"), &[])?;
    ensure!(left.status == 303, "signing out answers {}", left.status);
    let start = Instant::now();
    let fields = [("name", "Anna"), ("passphrase", PASSPHRASE)];
    let answer = owner.submit("/login", &fields)?;
    let took = start.elapsed();
    ensure!(answer.status == 303, "signing in answers {}: {}", answer.status, answer.text());
    ensure!(took < Duration::from_secs(5), "signing in takes {took:?}");
    Ok(())
}
