//! What is asked of a world: that boxes agree, byte for byte, and hold what they should.

use super::net::Place;
use super::play::World;
use super::scenario::Scenario;

/// Between two looks, in microseconds.
const LOOK: u64 = 2_000_000;

/// Records of unknown authors that a machine may hold for one peer.
const MAX_WAITING: u64 = 1_000;

/// How a run ended well.
#[derive(Clone, Copy, Debug)]
pub struct Agreement {
    /// Seconds after the last step.
    pub after_s: u64,
    /// Records each box has.
    pub records: usize,
    /// Frames carried in all.
    pub frames: u64,
    /// Bytes of frames carried in all.
    pub bytes: u64,
}

/// Plays a scenario with one seed.
///
/// # Errors
/// Says with which seed and in what the boxes did not come to agree.
pub fn play(scenario: &Scenario, seed: u64) -> Result<(World, Agreement), String> {
    run(World::new(scenario.clone(), seed))
        .map_err(|why| format!("“{}” with seed {seed}: {why}", scenario.name))
}

/// Plays a world to its end.
///
/// # Errors
/// Says in what the boxes did not come to agree.
pub fn run(mut world: World) -> Result<(World, Agreement), String> {
    let last = world.scenario.steps.iter().map(|step| step.at_s).max().unwrap_or(0) * 1_000_000;
    let end = last + world.scenario.converge_s * 1_000_000;
    world.run_until(last + 1);
    loop {
        let look = (world.now + LOOK).min(end);
        world.run_until(look);
        match disagreement(&world) {
            None => break,
            Some(why) if world.now >= end => return Err(why),
            Some(_) => {}
        }
    }
    let most = world.nodes.iter().map(|n| n.most_waiting).max().unwrap_or(0);
    if most > MAX_WAITING * world.nodes.len() as u64 {
        return Err(format!("{most} records waited on one box"));
    }
    let records = world.nodes[0].disk.records.len();
    let after_s = (world.now - last) / 1_000_000;
    let agreement = Agreement { after_s, records, frames: world.frames, bytes: world.bytes };
    Ok((world, agreement))
}

/// The boxes that have to agree.
fn honest(world: &World) -> Vec<Place> {
    let out = |place: &Place| {
        world.nodes[*place].trick.is_some()
            || world.scenario.excluded.contains(place)
            || !world.nodes[*place].in_space
    };
    (0..world.nodes.len()).filter(|place| !out(place)).collect()
}

/// In what boxes differ, if they do.
#[must_use]
pub fn disagreement(world: &World) -> Option<String> {
    let honest = honest(world);
    let first = &world.nodes[*honest.first()?];
    for place in &honest {
        let node = &world.nodes[*place];
        if node.replica.is_none() {
            return Some(format!("box {place} is off"));
        }
        let (here, there) = (node.disk.records.len(), first.disk.records.len());
        if here != there || !node.disk.records.keys().eq(first.disk.records.keys()) {
            return Some(format!("box {place} has {here} records and box {} {there}", honest[0]));
        }
        if node.disk.rows != first.disk.rows {
            return Some(format!("rows of boxes {place} and {} differ", honest[0]));
        }
        let lacks = |root: &&kith_core::cid::Cid| !node.disk.is_complete(root);
        if let Some(root) = node.wanted.iter().find(lacks) {
            return Some(format!("box {place} lacks content below {root}"));
        }
        if node.joining.is_some() {
            return Some(format!("box {place} is still joining"));
        }
    }
    None
}
