//! A setting can never lock its owner out: whatever was applied, whatever happens to the role or the box
//! at whichever step, the owner's devices reach the panel again, exactly when they should.

use std::sync::OnceLock;
use std::time::Duration;

use kith_core::time::Instant;
use kith_model::network::ask::NetworkAsk;
use kith_model::network::change::{ChangeState, ChangeStatus};
use kith_model::settings::differ::revision;

use super::bad::{self, Dice, GOOD};
use super::reach::{Device, cut_off, devices};
use super::rig::{BOOT, Fault, RESTART, Rig};

/// For how long a change waits here.
const WAIT: Duration = Duration::from_secs(20);

/// What is left to do after a change has been taken back: steps, and daemons that begin.
const STEPS: Duration = Duration::from_secs(2);

/// A mesh and Wi-Fi are joined again after that.
const AIR: Duration = Duration::from_secs(8);

/// A box whose good settings are in force, right after its role was started, and the owner's devices, all
/// of which reach it.
pub(crate) fn settled() -> (Rig, Vec<Device>) {
    static BASE: OnceLock<(Rig, Vec<Device>)> = OnceLock::new();
    let (base, devices) = BASE.get_or_init(|| {
        let mut rig = Rig::fresh(1);
        rig.world.set_mesh_secret(bad::SECRET);
        rig.run(Duration::from_secs(2));
        rig.identify();
        rig.run(Duration::from_secs(5));
        rig.settle(GOOD);
        rig.run(Duration::from_secs(70));
        let devices = devices(&rig.world);
        assert_eq!(cut_off(&devices, &rig.world, rig.now), Vec::<&str>::new(), "before");
        (rig, devices)
    });
    let mut rig = base.twin();
    rig.run(Duration::from_secs(1));
    (rig, devices.clone())
}

/// How one trial went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Trial {
    /// Outputs of the machine from the order to apply until all was applied.
    outputs: usize,
    /// Whether somebody was cut off meanwhile.
    cut: bool,
    /// Whether the settings were refused.
    refused: bool,
    /// Whether the fault has struck.
    struck: bool,
}

/// What went wrong, in words for whoever reads the failing test.
type Wrong = String;

/// Applies `text`, lets `fault` strike at the `at`th output, waits, and looks who reaches the box.
fn trial(text: &str, fault: Option<(usize, Fault)>) -> Result<Trial, Wrong> {
    let (mut rig, devices) = settled();
    let devices = &devices[..];
    let mut done = Trial::default();
    if rig.ask("ada", NetworkAsk::DraftReplace { text: text.to_owned() }).is_err() {
        return Ok(Trial { refused: true, ..done });
    }
    let digest = rig.review("ada").digest;
    rig.outputs = 0;
    if let Some((at, fault)) = fault {
        rig.arm_fault(at, fault);
    }
    let asked = rig.now;
    let seconds = u32::try_from(WAIT.as_secs()).unwrap();
    match rig.apply_reviewed("ada", digest, Some(seconds)) {
        Some(Ok(None)) => return Ok(Trial { refused: true, ..done }),
        Some(Err(_)) => return Ok(Trial { refused: true, ..done }),
        Some(Ok(Some(_))) | None => {}
    }
    let deadline = asked + WAIT;
    // Until all of it has been tried and somebody is cut off, or the fault has struck.
    while rig.now + Duration::from_millis(1_100) < deadline && rig.control.is_some() {
        rig.run(Duration::from_millis(500));
        let applied = rig.control.is_some()
            && rig.change().is_some_and(|change| change.state == ChangeState::Applied);
        if applied && done.outputs == 0 {
            done.outputs = rig.outputs;
        }
        if fault.is_none() {
            done.cut |= !cut_off(devices, &rig.world, rig.now).is_empty();
        }
        if applied && (done.cut || fault.is_some() && !rig.fault_pending()) {
            break;
        }
    }
    judge(rig, devices, (deadline, fault.map(|(_, fault)| fault)), done)
}

/// When the owner's devices have to reach the box again at the latest.
fn due(rig: &Rig, deadline: Instant, fault: Option<Fault>) -> Instant {
    match fault.filter(|_| !rig.fault_pending()) {
        Some(Fault::Reboot | Fault::PowerCut(_)) => rig.now + BOOT,
        Some(Fault::Kill) | None => deadline.max(rig.now),
    }
}

fn judge(
    mut rig: Rig,
    devices: &[Device],
    (deadline, fault): (Instant, Option<Fault>),
    mut done: Trial,
) -> Result<Trial, Wrong> {
    let pending = rig.fault_pending();
    let mut until = due(&rig, deadline, fault);
    if until == deadline {
        // Not a moment before: who still reaches the box has their time.
        rig.run_until(deadline - Duration::from_millis(600));
        let early = |change: ChangeStatus| change.state == ChangeState::Reverted;
        if rig.control.is_some() && rig.change().is_some_and(early) {
            return Err("taken back too early".to_owned());
        }
    }
    rig.run_until(until + RESTART + STEPS);
    if pending && !rig.fault_pending() {
        // It has struck while the change was taken back.
        until = due(&rig, deadline, fault);
        rig.run_until(until + RESTART + STEPS);
    }
    done.struck = fault.is_some() && !rig.fault_pending();
    rig.disarm_fault();
    let cut = cut_off(&devices[..1], &rig.world, rig.now);
    if !cut.is_empty() {
        return Err(format!("still cut off {STEPS:?} after it was due: {cut:?}"));
    }
    rig.run(AIR);
    let cut = cut_off(devices, &rig.world, rig.now);
    if !cut.is_empty() {
        return Err(format!("still cut off {AIR:?} later: {cut:?}"));
    }
    let kept = rig.kept();
    if kept.text != GOOD || kept.armed.is_some() {
        return Err("the settings on the disk are not those before".to_owned());
    }
    match rig.change() {
        Some(change) if change.state == ChangeState::Reverted => Ok(done),
        // It was gone before the change was durable, and nobody was told that it was.
        Some(change) if done.struck && change.state == ChangeState::Confirmed => Ok(done),
        other => Err(format!("not said to be taken back: {other:?}")),
    }
}

#[test]
fn sixty_by_hand_come_back_at_their_deadline() {
    let (mut harmless, mut refused) = (Vec::new(), Vec::new());
    for case in &bad::BY_HAND {
        let text = bad::by_hand(case);
        let done = trial(&text, None).unwrap_or_else(|wrong| panic!("{}: {wrong}", case.0));
        if done.refused {
            refused.push(case.0);
        } else if !done.cut {
            harmless.push(case.0);
        }
    }
    println!("refused: {refused:#?}\nharmless: {harmless:#?}");
    // A new address alone cuts off nobody, since the old one answers until all is confirmed.
    assert!(refused.len() <= 6, "too many are refused: {refused:?}");
    assert!(harmless.len() <= 14, "too many cut off nobody: {harmless:?}");
}

#[test]
fn sixty_by_hand_come_back_whatever_happens_at_each_step() {
    let all: Vec<usize> = (0..bad::BY_HAND.len()).collect();
    let failures = in_parallel(&all, |case| {
        let case = &bad::BY_HAND[*case];
        let text = bad::by_hand(case);
        let outputs = trial(&text, None).map_or(0, |done| done.outputs);
        let mut wrong = Vec::new();
        for at in 0..outputs {
            let seed = at as u64;
            for fault in [Fault::Kill, Fault::Reboot, Fault::PowerCut(seed)] {
                if let Err(why) = trial(&text, Some((at, fault))) {
                    wrong.push(format!("{} with {fault:?} at {at}: {why}", case.0));
                }
            }
        }
        wrong
    });
    assert!(
        failures.is_empty(),
        "{}:\n{}",
        failures.len(),
        failures[..failures.len().min(10)].join("\n")
    );
}

#[test]
fn a_thousand_random_ones_come_back() {
    let seeds: Vec<u64> = (0..1_000).collect();
    let failures = in_parallel(&seeds, |seed| {
        let mut dice = Dice(*seed);
        let text = std::iter::repeat_with(|| bad::random(&mut dice)).flatten().next();
        let Some(text) = text else { return Vec::new() };
        let at = usize::try_from(dice.roll(40)).unwrap();
        let fault = match dice.roll(4) {
            0 => None,
            1 => Some((at, Fault::Kill)),
            2 => Some((at, Fault::Reboot)),
            _ => Some((at, Fault::PowerCut(dice.next()))),
        };
        match trial(&text, fault) {
            Ok(_) => Vec::new(),
            Err(why) => vec![format!("seed {seed} with {fault:?}: {why}\n{text}")],
        }
    });
    assert!(
        failures.is_empty(),
        "{}:\n{}",
        failures.len(),
        failures[..failures.len().min(3)].join("\n")
    );
}

/// Tries all `of` on two threads.
fn in_parallel<T: Sync>(of: &[T], tried: impl Fn(&T) -> Vec<Wrong> + Sync) -> Vec<Wrong> {
    let (one, other) = of.split_at(of.len() / 2);
    std::thread::scope(|scope| {
        let tried = &tried;
        let first = scope.spawn(move || one.iter().flat_map(tried).collect::<Vec<_>>());
        let mut all: Vec<Wrong> = other.iter().flat_map(tried).collect();
        all.extend(first.join().unwrap());
        all
    })
}

/// The first that cuts off who sits at a LAN port.
fn cuts_the_cable() -> String {
    let case = bad::BY_HAND.iter().find(|case| case.0 == "no port belongs to the household");
    bad::by_hand(case.unwrap())
}

#[test]
fn control_without_the_deadline_nobody_comes_back() {
    let (mut rig, devices) = settled();
    rig.apply("ada", &cuts_the_cable(), Some(20)).unwrap();
    rig.run(Duration::from_secs(5));
    rig.deaf = true;
    rig.run(Duration::from_secs(60));
    assert!(cut_off(&devices, &rig.world, rig.now).contains(&"on a LAN port"));
    // It was only not told that time passes.
    rig.deaf = false;
    rig.run(Duration::from_secs(10));
    assert!(cut_off(&devices, &rig.world, rig.now).is_empty());
}

#[test]
fn control_a_start_that_believes_any_mark_goes_on_with_what_cut_off() {
    let (mut rig, devices) = settled();
    rig.apply("ada", &cuts_the_cable(), Some(20)).unwrap();
    rig.run(Duration::from_secs(3));
    rig.strike(Fault::Reboot);
    // As if the mark were of the boot that comes, with its deadline far ahead.
    let mut armed = rig.kept().armed.unwrap();
    armed.boot = "boot-2".to_owned();
    (armed.since_ms, armed.deadline_ms) = (0, 3_600_000);
    let order = kith_link::store::Order::Arm(armed);
    let folder = Rig::folder();
    kith_link::store::carry_out(&rig.files, folder, &order).unwrap();
    rig.run(BOOT + Duration::from_secs(10));
    assert!(cut_off(&devices, &rig.world, rig.now).contains(&"on a LAN port"));
}

#[test]
fn control_settings_that_replace_the_others_before_they_are_kept_survive_a_reboot() {
    let (mut rig, devices) = settled();
    rig.apply("ada", &cuts_the_cable(), Some(20)).unwrap();
    rig.run(Duration::from_secs(3));
    rig.strike(Fault::Reboot);
    let mut kept = rig.kept();
    let (text, current) = (cuts_the_cable(), kept.current.take().unwrap_or_default());
    assert_ne!(revision(&text), current.revision);
    let order = kith_link::store::Order::Revert { text, current };
    let folder = Rig::folder();
    kith_link::store::carry_out(&rig.files, folder, &order).unwrap();
    rig.run(BOOT + Duration::from_secs(60));
    assert!(cut_off(&devices, &rig.world, rig.now).contains(&"on a LAN port"));
}

#[test]
fn a_kill_between_a_file_and_telling_its_daemon_leaves_nobody_outside() {
    let text = GOOD.replace(bad::PASSPHRASE, "something else");
    for at in 0..12 {
        let (mut rig, devices) = settled();
        rig.apply("ada", &text, Some(20)).unwrap();
        rig.run(Duration::from_secs(5));
        rig.arm_fault(at, Fault::Kill);
        rig.ask_and_forget("ada", NetworkAsk::Revert);
        rig.run(Duration::from_secs(30));
        assert_eq!(cut_off(&devices[1..2], &rig.world, rig.now), Vec::<&str>::new(), "at {at}");
    }
}
