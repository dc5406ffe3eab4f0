//! Interfaces: which go, which come, whose they are.

use super::{Scene, daemons};
use crate::desired::{LinkKind, LinkSpec, WifiMode};
use crate::names;
use crate::seen::{SeenKind, SeenLink};
use crate::step::Step;

/// Whether the box makes such an interface itself.
pub(super) const fn is_made(kind: &LinkKind) -> bool {
    match kind {
        LinkKind::Port => false,
        LinkKind::Bridge | LinkKind::Batadv(_) | LinkKind::Wifi { .. } => true,
    }
}

/// Interfaces of the box's own that shall not be, or not like this: members before what they are part of.
pub(super) fn gone(scene: &Scene<'_>) -> Vec<String> {
    let own = scene.seen.links.iter().filter(|(name, link)| {
        names::is_own(name) && !matches!(link.kind, SeenKind::Port | SeenKind::Other)
    });
    let unwanted = own.filter(|(name, link)| {
        let wanted = scene.desired.links.get(*name);
        wanted.is_none_or(|wanted| !same_kind(&wanted.kind, &link.kind))
    });
    let mut gone: Vec<_> = unwanted.collect();
    gone.sort_by_key(|(_, link)| !matches!(link.kind, SeenKind::Wifi { .. }));
    gone.into_iter().map(|(name, _)| name.clone()).collect()
}

fn same_kind(wanted: &LinkKind, seen: &SeenKind) -> bool {
    match (wanted, seen) {
        (LinkKind::Port, SeenKind::Port)
        | (LinkKind::Bridge, SeenKind::Bridge)
        | (LinkKind::Batadv(_), SeenKind::Batadv(_)) => true,
        (LinkKind::Wifi { radio, mode }, SeenKind::Wifi { radio: on, mode: is }) => {
            radio == on && Some(*mode) == *is
        }
        (
            LinkKind::Port | LinkKind::Bridge | LinkKind::Batadv(_) | LinkKind::Wifi { .. },
            SeenKind::Port
            | SeenKind::Bridge
            | SeenKind::Batadv(_)
            | SeenKind::Wifi { .. }
            | SeenKind::Other,
        ) => false,
    }
}

/// Ports that shall not be part of the box's bridges and mesh any more.
pub(super) fn leave(scene: &Scene<'_>) -> Vec<Step> {
    let left = scene.seen.links.iter().filter(|(name, link)| {
        let wanted = scene.desired.links.get(*name);
        let of_ours = link.master.as_deref().is_some_and(names::is_own);
        match wanted {
            None => of_ours && !names::is_own(name),
            Some(wanted) => {
                link.master.is_some()
                    && wanted.master.is_none()
                    && same_kind(&wanted.kind, &link.kind)
            }
        }
    });
    left.map(|(name, _)| Step::SetMaster { name: name.clone(), master: None }).collect()
}

/// Makes what is missing and sets it up, bridges and mesh first, members afterwards.
pub(super) fn make(scene: &Scene<'_>) -> Vec<Step> {
    let mut links: Vec<(&String, &LinkSpec)> = scene.desired.links.iter().collect();
    links.sort_by_key(|(_, link)| link.master.is_some());
    links.into_iter().flat_map(|(name, wanted)| one(scene, name, wanted)).collect()
}

fn one(scene: &Scene<'_>, name: &str, wanted: &LinkSpec) -> Vec<Step> {
    let seen = as_it_is(scene, name, wanted);
    let mut steps = Vec::new();
    let name = || name.to_owned();
    match &wanted.kind {
        LinkKind::Port if seen.is_none() => return steps,
        LinkKind::Port => {}
        LinkKind::Bridge if seen.is_none() => steps.push(Step::AddBridge { name: name() }),
        LinkKind::Bridge => {}
        LinkKind::Batadv(settings) => {
            if seen.is_none() {
                steps.push(Step::AddBatadv { name: name() });
            }
            if seen.is_none_or(|seen| seen.kind != SeenKind::Batadv(*settings)) {
                steps.push(Step::SetBatadv { name: name(), settings: *settings });
            }
        }
        LinkKind::Wifi { radio, mode } => {
            if seen.is_none() {
                let radio = radio.clone();
                steps.push(Step::AddWifi { name: name(), radio, mode: *mode });
            }
        }
    }
    if let Some(mtu) = wanted.mtu.filter(|mtu| seen.is_none_or(|seen| seen.mtu != *mtu)) {
        steps.push(Step::SetMtu { name: name(), mtu });
    }
    let has = seen.and_then(|seen| seen.master.as_ref());
    let joins = wanted.master.is_some()
        && has != wanted.master.as_ref()
        && is_ours_to_move(scene, wanted, seen);
    if joins {
        steps.push(Step::SetMaster { name: name(), master: wanted.master.clone() });
    }
    let member = joins || wanted.master.is_some() && has == wanted.master.as_ref();
    let isolated = !joins && seen.is_some_and(|seen| seen.isolated);
    if member && isolated != wanted.isolated {
        steps.push(Step::SetIsolated { name: name(), isolated: wanted.isolated });
    }
    steps
}

/// The interface as it is, if it is one that stays.
fn as_it_is<'a>(scene: &Scene<'a>, name: &str, wanted: &LinkSpec) -> Option<&'a SeenLink> {
    scene.seen.links.get(name).filter(|seen| same_kind(&wanted.kind, &seen.kind))
}

/// Whether to put an interface into its bridge. An access point is put there by hostapd when it starts;
/// only one that serves outside of its bridge is put back.
fn is_ours_to_move(scene: &Scene<'_>, wanted: &LinkSpec, seen: Option<&SeenLink>) -> bool {
    match &wanted.kind {
        LinkKind::Port | LinkKind::Bridge | LinkKind::Batadv(_) => true,
        LinkKind::Wifi { mode: WifiMode::MeshPoint | WifiMode::Station, .. } => true,
        LinkKind::Wifi { radio, mode: WifiMode::AccessPoint } => {
            seen.is_some_and(|seen| seen.up) && daemons::serves(scene, radio)
        }
    }
}

/// Switches on what is off. What a daemon switches on at its start is left to it, unless it runs already.
pub(super) fn switch_on(scene: &Scene<'_>) -> Vec<Step> {
    let off = scene.desired.links.iter().filter(|(name, wanted)| {
        let seen = as_it_is(scene, name, wanted);
        if seen.is_some_and(|seen| seen.up) {
            return false;
        }
        match &wanted.kind {
            LinkKind::Port => seen.is_some(),
            LinkKind::Bridge | LinkKind::Batadv(_) => true,
            LinkKind::Wifi { radio, mode: WifiMode::AccessPoint } => {
                seen.is_some() && daemons::serves(scene, radio)
            }
            LinkKind::Wifi { mode: WifiMode::MeshPoint | WifiMode::Station, .. } => {
                seen.is_some() && daemons::serves(scene, name)
            }
        }
    });
    off.map(|(name, _)| Step::SetUp { name: name.clone(), up: true }).collect()
}
