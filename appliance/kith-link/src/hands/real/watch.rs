//! What says that it is worth looking: the kernel's multicast groups and the file of leases.
//!
//! What comes is not read, since looking costs little and misses nothing; it is only collected for a moment, so
//! that a burst is one look. After an overrun (`ENOBUFS`) one looks as well.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::inotify;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::generic::Generic;
use super::netlink::Ear;
use super::{batadv, wifi};
use crate::names::LEASES;

/// `RTNLGRP_*`: links, addresses and routes of both families.
const LINK: u32 = 1;
const IPV4_ADDRESS: u32 = 5;
const IPV4_ROUTE: u32 = 7;
const IPV6_ADDRESS: u32 = 9;
const IPV6_ROUTE: u32 = 11;
/// Neighbours.
const NEIGHBOUR: u32 = 3;
/// `NFNLGRP_NFTABLES`.
const NFTABLES: u32 = 7;

/// For how long events are collected into one look.
const SOON: Duration = Duration::from_millis(200);

/// The same for what changes all the time on a busy network, and what only the list of devices shows.
const LATER: Duration = Duration::from_secs(5);

/// Everything that is listened to.
#[derive(Debug)]
pub(crate) struct Watch {
    links: Option<Ear>,
    firewall: Option<Ear>,
    generic: Option<Ear>,
    neighbours: Option<Ear>,
    leases: Option<AsyncFd<OwnedFd>>,
    due: Option<Instant>,
}

impl Watch {
    /// Listens to all that is there; without one of them people wait longer, until the next look.
    pub(crate) async fn open(generic: &mut Generic, folder: BorrowedFd<'_>) -> Self {
        use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
        let links = [LINK, IPV4_ADDRESS, IPV4_ROUTE, IPV6_ADDRESS, IPV6_ROUTE];
        Self {
            links: noted("interfaces", Ear::open(NETLINK_ROUTE, &links)),
            firewall: noted("the firewall", Ear::open(NETLINK_NETFILTER, &[NFTABLES])),
            generic: generic_ear(generic).await,
            neighbours: noted("neighbours", Ear::open(NETLINK_ROUTE, &[NEIGHBOUR])),
            leases: noted("leases", watch_folder(folder)),
            due: None,
        }
    }

    /// Listens to radios and meshes too, if their modules have come since.
    pub(crate) async fn refresh(&mut self, generic: &mut Generic) {
        if self.generic.is_none() {
            self.generic = generic_ear(generic).await;
        }
    }

    /// Waits until it is worth looking. May be dropped while it waits, and forgets nothing by that.
    pub(crate) async fn listen(&mut self) {
        loop {
            let due = self.due;
            let wait = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let pause = tokio::select! {
                () = wait => {
                    self.due = None;
                    return;
                }
                () = hear(&mut self.links) => SOON,
                () = hear(&mut self.firewall) => SOON,
                () = hear(&mut self.generic) => SOON,
                () = hear(&mut self.neighbours) => LATER,
                () = hear_leases(&self.leases) => SOON,
            };
            let by = Instant::now() + pause;
            self.due = Some(due.map_or(by, |due| due.min(by)));
        }
    }
}

fn noted<T>(what: &str, opened: io::Result<T>) -> Option<T> {
    opened.inspect_err(|error| tracing::warn!(%error, "changes of {what} are noticed late")).ok()
}

async fn generic_ear(generic: &mut Generic) -> Option<Ear> {
    let mut groups = Vec::new();
    if let Ok(Some(family)) = wifi::family(generic).await {
        groups.extend(wifi::GROUPS.iter().filter_map(|name| family.groups.get(*name)));
    }
    if let Ok(Some(family)) = generic.family(batadv::FAMILY).await {
        groups.extend(family.groups.get(batadv::GROUP));
    }
    if groups.is_empty() {
        return None;
    }
    noted("radios", Ear::open(netlink_sys::protocols::NETLINK_GENERIC, &groups))
}

async fn hear(ear: &mut Option<Ear>) {
    let Some(heard) = ear else { return std::future::pending().await };
    if let Err(error) = heard.listen().await {
        tracing::error!(%error, "a netlink socket that listened failed");
        *ear = None;
    }
}

/// dnsmasq rewrites its file in place; only that name counts, since our own files are beside it.
fn watch_folder(folder: BorrowedFd<'_>) -> io::Result<AsyncFd<OwnedFd>> {
    use std::os::fd::AsRawFd as _;
    let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
    let fd = inotify::init(flags)?;
    let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
    let changes = inotify::WatchFlags::CLOSE_WRITE
        | inotify::WatchFlags::MODIFY
        | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&fd, path, changes)?;
    // Its successor is an unsafe function: it relies on the number staying what it is.
    #[expect(
        deprecated,
        reason = "an owned descriptor keeps its number; there is no safe way else"
    )]
    AsyncFd::new(fd)
}

async fn hear_leases(watch: &Option<AsyncFd<OwnedFd>>) {
    let Some(watch) = watch else { return std::future::pending().await };
    loop {
        let Ok(mut ready) = watch.readable().await else { return std::future::pending().await };
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4_096];
        let mut reader = inotify::Reader::new(watch.get_ref(), &mut buffer);
        let mut changed = false;
        while let Ok(event) = reader.next() {
            changed |= event.file_name().is_some_and(|n| n.to_bytes() == LEASES.as_bytes());
        }
        ready.clear_ready();
        if changed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    #[tokio::test]
    async fn a_new_lease_is_noticed_and_a_file_of_ours_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let open = std::fs::File::open(folder.path()).unwrap();
        let watch = Some(watch_folder(open.as_fd()).unwrap());
        std::fs::write(folder.path().join("dnsmasq-lan.conf"), "x").unwrap();
        let quick = Duration::from_millis(20);
        assert!(tokio::time::timeout(quick, hear_leases(&watch)).await.is_err());
        std::fs::write(folder.path().join(LEASES), "x").unwrap();
        tokio::time::timeout(Duration::from_secs(5), hear_leases(&watch)).await.unwrap();
    }

    #[tokio::test]
    async fn a_wait_that_is_dropped_forgets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let open = std::fs::File::open(folder.path()).unwrap();
        let mut watch = Watch::open(&mut Generic::open().unwrap(), open.as_fd()).await;
        std::fs::write(folder.path().join(LEASES), "x").unwrap();
        while watch.due.is_none() {
            tokio::select! {
                () = watch.listen() => panic!("not before the moment is over"),
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
        }
        watch.listen().await;
        assert_eq!(watch.due, None);
    }
}
