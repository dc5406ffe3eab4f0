//! Daemons and what they read: which stop, which read again, which start.

use std::collections::BTreeMap;

use kith_model::daemon::{DaemonId, DaemonWish, Program};
use kith_model::network::status::DaemonHealth;

use super::Scene;
use crate::desired::{LinkKind, OnChange, WifiMode};
use crate::names;
use crate::seen::SeenKind;
use crate::step::Step;

/// Daemons that shall not be, stopped before what they use goes; with `changed`, those that start anew
/// later as well, since their interfaces may go.
pub(super) fn stop(scene: &Scene<'_>, changed: bool) -> Option<Step> {
    let now = running(scene);
    let stay: BTreeMap<_, _> = now
        .iter()
        .filter(|(id, generation)| match scene.desired.daemons.get(*id) {
            Some(wanted) => !changed || wanted == *generation,
            None => false,
        })
        .map(|(id, generation)| (id.clone(), *generation))
        .collect();
    (stay != now).then(|| wish(&stay))
}

/// All daemons that shall run, when the supervisor does not know yet.
pub(super) fn start(scene: &Scene<'_>) -> Option<Step> {
    (running(scene) != scene.desired.daemons).then(|| wish(&scene.desired.daemons))
}

fn running(scene: &Scene<'_>) -> BTreeMap<DaemonId, u64> {
    let daemons = scene.seen.daemons.iter();
    daemons.map(|(id, daemon)| (id.clone(), daemon.generation)).collect()
}

fn wish(daemons: &BTreeMap<DaemonId, u64>) -> Step {
    let wish = |(id, generation): (&DaemonId, &u64)| DaemonWish {
        id: id.clone(),
        generation: *generation,
    };
    Step::WishDaemons(daemons.iter().map(wish).collect())
}

/// Whether the daemon of a radio or interface runs as it shall, so that it will not switch it on again.
pub(super) fn serves(scene: &Scene<'_>, instance: &str) -> bool {
    let of_wifi = |program| matches!(program, Program::Hostapd | Program::WpaSupplicant);
    let daemons = scene.seen.daemons.iter();
    let mut mine =
        daemons.filter(|(id, _)| id.instance.as_str() == instance && of_wifi(id.program));
    mine.any(|(id, daemon)| {
        daemon.state == DaemonHealth::Running
            && scene.desired.daemons.get(id) == Some(&daemon.generation)
    })
}

/// Files that are missing or differ.
pub(super) fn files(scene: &Scene<'_>) -> Vec<Step> {
    let differ = scene.desired.files.iter();
    differ
        .filter(|(path, file)| scene.seen.files.get(*path) != Some(&file.content))
        .map(|(path, file)| Step::WriteFile { path: path.clone(), file: file.clone() })
        .collect()
}

/// Daemons that keep running and shall read what has changed.
pub(super) fn reload(scene: &Scene<'_>) -> Vec<Step> {
    let changed = scene
        .desired
        .files
        .iter()
        .filter(|(path, file)| scene.seen.files.get(*path) != Some(&file.content));
    let told = changed.filter_map(|(_, file)| match &file.on_change {
        OnChange::Reload(id) => Some(id),
        OnChange::Restart | OnChange::Noticed => None,
    });
    let stays = |id: &&DaemonId| {
        let daemon = scene.seen.daemons.get(*id);
        daemon.is_some_and(|daemon| {
            daemon.pid.is_some() && scene.desired.daemons.get(*id) == Some(&daemon.generation)
        })
    };
    told.filter(stays).cloned().map(Step::Reload).collect()
}

/// Supplicants whose mesh interface is switched on again by this plan: they never rejoin by themselves.
pub(super) fn rejoin(scene: &Scene<'_>) -> Vec<Step> {
    let meshes = scene.desired.links.iter().filter(|(name, link)| {
        let mesh = matches!(link.kind, LinkKind::Wifi { mode: WifiMode::MeshPoint, .. });
        let down = scene.seen.links.get(*name).is_some_and(|seen| {
            !seen.up && matches!(seen.kind, SeenKind::Wifi { mode: Some(WifiMode::MeshPoint), .. })
        });
        mesh && down && serves(scene, name)
    });
    let id = |name: &String| {
        Some(DaemonId { program: Program::WpaSupplicant, instance: name.parse().ok()? })
    };
    meshes.filter_map(|(name, _)| id(name)).map(Step::Rejoin).collect()
}

/// Files of the box that no daemon reads any more. What daemons make themselves is theirs.
pub(super) fn stale_files(scene: &Scene<'_>) -> Vec<Step> {
    let theirs = |path: &str| {
        let control = path.strip_prefix(names::CONTROL).is_some_and(|rest| rest.starts_with('/'));
        control
            || path.starts_with(names::LEASES)
            || [names::DHCP_SOCKET, names::OFFERS].contains(&path)
    };
    let stale = scene.seen.files.keys().filter(|path| !scene.desired.files.contains_key(*path));
    stale.filter(|path| !theirs(path)).map(|path| Step::RemoveFile { path: path.clone() }).collect()
}
