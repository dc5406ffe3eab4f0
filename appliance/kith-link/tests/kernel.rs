//! What the real hands do to a kernel, each test in a network namespace of its own: it runs itself once more
//! under `unshare -rn`. Where that is not allowed it is skipped, and said; with `KITH_PROGRAMS=all` nothing
//! may be skipped.
#![expect(clippy::unwrap_used, reason = "a test may fail at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "a test starts programs and waits for the kernel")]
#![expect(clippy::print_stdout, reason = "what is skipped is said")]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use kith_link::flows::Flows;
use kith_link::hands::Hands as _;
use kith_link::hands::real::{RealHands, Setup};
use kith_link::step::Step;
use kith_model::settings::Protocol;
use kith_model::settings::values::Mac;
use kith_role::clock::SystemClock;

/// Says that this process is in its namespace.
const INSIDE: &str = "KITH_INSIDE";

/// Whether this process is in a namespace of its own; if not, the test is played in one.
fn inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let all = std::env::var_os("KITH_PROGRAMS").is_some_and(|value| value == "all");
    let needed = "ip -V && nft --version && grep -q . /proc/sys/net/ipv4/ip_forward";
    let can = Command::new("unshare").args(["-rn", "sh", "-c", needed]).output();
    let can = can.is_ok_and(|output| output.status.success());
    assert!(can || !all, "ip, nft or unshare is not installed, or user namespaces are not allowed");
    if !can {
        println!(
            "skipped: ip, nft or unshare is not installed, or user namespaces are not allowed"
        );
        return false;
    }
    let output = Command::new("unshare")
        .arg("-rn")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    false
}

fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments}: {said}");
}

async fn hands() -> (RealHands, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let clock = SystemClock::start();
    let setup = Setup { folder: folder.path(), groups: BTreeMap::new(), supervisor: None, clock };
    (RealHands::start(setup).await.unwrap(), folder)
}

const OTHER: Mac = Mac([0x02, 0, 0, 0, 0, 0x42]);

/// A cable for a mesh, with another box at its end that has 10.217.1.2.
fn mesh() {
    run("ip", "link set lo up");
    run("ip", "link add bat0 type veth peer name other");
    run("ip", &format!("link set other address {OTHER} up"));
    run("ip", "link set bat0 up");
    run("ip", "address add 10.217.1.2/16 dev other");
    // The household's, which is the same in every house.
    run("ip", "address add 192.168.77.1/24 dev lo");
}

/// Looks until somebody has answered for `address`, so many times with 50 ms between them.
async fn answered(hands: &mut RealHands, address: Ipv4Addr, looks: u32) -> Option<Mac> {
    for _ in 0..looks {
        let seen = hands.look().await.unwrap();
        if let Some(mac) = seen.mesh_arp.get(&address) {
            return Some(*mac);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    None
}

#[tokio::test]
async fn whoever_has_an_address_of_the_mesh_answers_when_asked() {
    if !inside("whoever_has_an_address_of_the_mesh_answers_when_asked") {
        return;
    }
    mesh();
    let (mut hands, _folder) = hands().await;
    let address = Ipv4Addr::new(10, 217, 1, 2);
    hands.ask_for(Ipv4Addr::new(10, 217, 9, 9)).await.unwrap();
    hands.ask_for(address).await.unwrap();
    assert_eq!(answered(&mut hands, address, 60).await, Some(OTHER));
    // Twice is fine, and what nobody has nobody answers for.
    hands.ask_for(address).await.unwrap();
    assert_eq!(answered(&mut hands, address, 60).await, Some(OTHER));
    assert_eq!(hands.look().await.unwrap().mesh_arp.len(), 1);
}

#[tokio::test]
async fn control_a_question_that_names_a_sender_is_not_answered() {
    if !inside("control_a_question_that_names_a_sender_is_not_answered") {
        return;
    }
    mesh();
    let (mut hands, _folder) = hands().await;
    run("ip", "neighbour add 10.217.1.2 dev bat0 use");
    assert_eq!(answered(&mut hands, Ipv4Addr::new(10, 217, 1, 2), 10).await, None);
}

/// Connections that the kernel knows.
fn known() -> u32 {
    let path = "/proc/sys/net/netfilter/nf_conntrack_count";
    std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn only_the_connections_that_are_meant_are_forgotten() {
    if !inside("only_the_connections_that_are_meant_are_forgotten") {
        return;
    }
    run("ip", "link set lo up");
    run("nft", "add table ip nat");
    run("nft", "add chain ip nat output { type nat hook output priority -100 ; }");
    run("nft", "add rule ip nat output udp dport 8080 dnat to 127.0.0.3:80");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let peers: Vec<UdpSocket> = ["127.0.0.2:53", "127.0.0.4:53", "127.0.0.3:80"]
        .into_iter()
        .map(|address| UdpSocket::bind(address).unwrap())
        .collect();
    for to in ["127.0.0.2:53", "127.0.0.4:53", "127.0.0.2:8080"] {
        socket.send_to(b"x", to).unwrap();
    }
    assert_eq!(known(), 3);
    let (mut hands, _folder) = hands().await;
    let to = Ipv4Addr::new(127, 0, 0, 3);
    let forward = |port| Flows::Forward { protocol: Protocol::Udp, port, to, to_port: 80 };
    let forget = |flows: Flows| Step::ForgetFlows([flows].into());
    hands.perform(&forget(forward(8_081))).await.unwrap();
    assert_eq!(known(), 3, "another forward");
    hands.perform(&forget(forward(8_080))).await.unwrap();
    assert_eq!(known(), 2);
    hands.perform(&forget(Flows::Of([127, 0, 0, 4].into()))).await.unwrap();
    assert_eq!(known(), 1);
    hands.perform(&forget(Flows::All)).await.unwrap();
    assert_eq!(known(), 0);
    hands.perform(&forget(Flows::All)).await.unwrap();
    drop(peers);
}
