//! A street of people who do not exist, with what they share.

use std::sync::{Arc, Mutex};

use kith_core::cid::{Cid, Codec};
use kith_model::reply::*;
use kith_model::status::*;
use tokio::sync::watch;

use super::{Fake, HOUR, NOW, World};

impl Fake {
    fn with(world: World) -> Arc<Self> {
        let (status, _) = watch::channel(Arc::new(world.status.clone()));
        Arc::new(Self {
            world: Mutex::new(world),
            status,
            let_go: Arc::default(),
            gate: Mutex::default(),
            side: Mutex::new(kith_webui::backend::Side::Household),
        })
    }

    /// A box nobody owns yet.
    pub(crate) fn unclaimed() -> Arc<Self> {
        let status = Status { claimed: false, name: "maple-river".into(), ..status("maple-river") };
        Self::with(World { status, name: "Ada".into(), ..World::default() })
    }

    /// A claimed box without content.
    pub(crate) fn empty() -> Arc<Self> {
        let mut world =
            World { status: status("Ada’s box"), name: "Ada".into(), ..World::default() };
        world.status.peers_connected = 0;
        world.members.push(member("Ada", "owner"));
        world.activity.push(did("Ada", 2, Deed::MadeSpace { name: "Maple Street".into() }));
        Self::with(world)
    }

    /// A box with a lively neighbourhood.
    pub(crate) fn lively() -> Arc<Self> {
        Self::told("Ada")
    }

    /// The same, where everything that somebody may type is `text`.
    pub(crate) fn hostile(text: &str) -> Arc<Self> {
        let fake = Self::told(text);
        let mut world = fake.world.lock().unwrap();
        let typed = || text.to_owned();
        world.status.name = typed();
        world.status.transfers[0].path = typed();
        world.status.alerts.push(Alert { kind: AlertKind::Fork, message: typed(), since: NOW });
        for post in &mut world.posts {
            (post.text, post.author_name) = (typed(), typed());
        }
        for peer in &mut world.peers {
            (peer.name, peer.words, peer.error) = (Some(typed()), Some(typed()), Some(typed()));
            (peer.address, peer.spaces) = (Some(typed()), vec![typed()]);
        }
        for member in &mut world.members {
            (member.name, member.words, member.author) = (typed(), typed(), typed());
        }
        for done in &mut world.activity {
            done.who = typed();
        }
        world.activity.push(did(text, 1, Deed::PutFile { collection: typed(), path: typed() }));
        world.activity.push(did(text, 1, Deed::RemovedFile { collection: typed(), path: typed() }));
        world.activity.push(did(text, 1, Deed::Posted { text: typed(), id: typed() }));
        world.activity.push(did(text, 1, Deed::MadeSpace { name: typed() }));
        world.activity.push(did(text, 1, Deed::RemovedMember { name: typed() }));
        for entry in world.files.values_mut() {
            (entry.path, entry.author_name) = (typed(), Some(typed()));
        }
        fake.status.send_replace(Arc::new(world.status.clone()));
        drop(world);
        fake
    }

    fn told(name: &str) -> Arc<Self> {
        let mut world =
            World { status: status("Ada’s box"), name: name.into(), ..World::default() };
        world.network = super::network::Network::lively(name);
        world.status.network = Some(super::network::glance(name));
        world.status.transfers.push(Transfer {
            root: root("film"),
            path: "films/street-party.mp4".into(),
            here: 180_000_000,
            size: 412_000_000,
            peers: 2,
            stalled: None,
        });
        for (who, hours, text, re) in [
            (
                "Ada",
                1,
                "The bakery on the corner keeps its oven on until ten tonight. Bring your own dough!",
                None,
            ),
            (
                "Jonas",
                3,
                "Power is back at numbers 12 to 20. Number 14 still has water in the cellar: two people with buckets would help.\nI am there until six.",
                None,
            ),
            ("Mira", 2, "On my way with a pump.", Some("p1")),
            ("Ada", 2, "Tea at my place afterwards ☕", Some("p1")),
            ("Mira", 26, "Found: a blue bicycle lamp, on the bench by the fountain.", None),
            ("אורי", 49, "שיעור גיטרה ביום רביעי בשש, כולם מוזמנים.", None),
        ] {
            let id = format!("p{}", world.posts.len());
            world.posts.push(Post {
                id: id.clone(),
                text: text.into(),
                author: format!("did:key:z{who}"),
                author_name: who.into(),
                time: NOW - hours * HOUR,
                re: re.map(str::to_owned),
                cursor: id,
                removable: who == "Ada",
            });
        }
        for (path, size, who, complete) in [
            ("emergency/phone numbers.txt", 1_840, "Ada", true),
            ("emergency/water points.png", 214_000, "Jonas", true),
            ("street-party.mp4", 412_000_000, "Mira", false),
            ("map of the street.png", 96_400, "Ada", true),
            ("choir – Abendlied.pdf", 1_204_000, "אורי", true),
            ("photos/2026/fountain.jpg", 2_411_000, "Mira", true),
        ] {
            world.keep(path, size, who, complete);
        }
        world.peers = vec![
            peer("Jonas’ attic", PeerState::Connected, PeerVia::Lan, 0),
            peer("School library", PeerState::Connected, PeerVia::Incoming, 0),
            peer("Mira’s balcony", PeerState::Away, PeerVia::Invite, 30),
            peer("", PeerState::Stranger, PeerVia::Lan, 0),
        ];
        world.members = ["Ada", "Jonas", "Mira", "אורי"]
            .map(|who| member(who, if who == "Ada" { "owner" } else { "member" }))
            .into();
        world.activity = vec![
            did(
                "Ada",
                1,
                Deed::Posted {
                    text: "The bakery on the corner keeps its oven on …".into(),
                    id: "p0".into(),
                },
            ),
            did(
                "Mira",
                4,
                Deed::PutFile { collection: "shared".into(), path: "street-party.mp4".into() },
            ),
            did(
                "Jonas",
                5,
                Deed::PutFile {
                    collection: "shared".into(),
                    path: "emergency/water points.png".into(),
                },
            ),
            did("Mira", 20, Deed::Joined),
            did("Ada", 300, Deed::MadeSpace { name: "Maple Street".into() }),
        ];
        Self::with(world)
    }
}

fn status(name: &str) -> Status {
    Status {
        version: "0.1.0".into(),
        name: name.into(),
        node: "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK".into(),
        words: "maple river lantern otter hedge copper".into(),
        claimed: true,
        started: NOW - 76 * HOUR,
        time: NOW,
        time_trusted: true,
        peer_port: 7000,
        addresses: vec!["192.168.77.1:7000".into()],
        panel: "http://192.168.77.1:8480/".into(),
        peers_connected: 2,
        peers_heard: 3,
        store: StoreStatus {
            records: 812,
            blocks: 9_120,
            block_bytes: 4_210_000_000,
            free_bytes: Some(21_400_000_000),
            rebuilding: None,
        },
        ..Status::default()
    }
}

fn peer(name: &str, state: PeerState, via: PeerVia, hours: u64) -> Peer {
    let near = state == PeerState::Connected;
    Peer {
        node: Some("did:key:z6MkfPeer".into()),
        words: Some("amber willow gate thistle north drum".into()),
        name: (!name.is_empty()).then(|| name.into()),
        state,
        via,
        address: Some("192.168.77.40:7001".into()),
        rtt_us: near.then_some(3_400),
        seen: Some(NOW - hours * HOUR),
        spaces: if state == PeerState::Stranger { Vec::new() } else { vec!["Maple Street".into()] },
        in_sync: near.then_some(NOW - 4_000),
        sent_bytes: 120_400,
        received_bytes: 9_300_000,
        error: (state == PeerState::Away).then(|| "no answer within 5 s".into()),
    }
}

fn member(name: &str, role: &str) -> Member {
    Member {
        author: format!("did:key:z{name}"),
        name: name.into(),
        words: "plum harbour violet stone kite barn".into(),
        role: role.into(),
        since: NOW - 300 * HOUR,
        invited_by: None,
        removed: false,
    }
}

fn did(who: &str, hours: u64, what: Deed) -> Activity {
    Activity { time: NOW - hours * HOUR, who: who.into(), author: "did:key:z".into(), what }
}

fn root(content: &str) -> String {
    Cid::of(Codec::Raw, content.as_bytes()).to_string()
}
