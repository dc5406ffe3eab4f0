//! `kith network`: the network of the box in sentences.

use clap::Args;
use kith_model::network::ask::{NetworkAsk, NetworkReply};
use kith_model::network::status::{DaemonHealth, Internet, Mesh, NetworkStatus, Radio, Uplink};

use super::Desk;
use crate::failure::{Failure, Outcome};
use crate::show;

/// How the network is
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kith network\n  kith network --json | jq .uplinks")]
pub(crate) struct Network {}

impl Network {
    pub(crate) async fn carry_out(self, desk: &Desk) -> Outcome {
        let NetworkReply::Status(status) = desk.link().await?.ask(NetworkAsk::Status).await? else {
            return Err(Failure::off_topic());
        };
        if desk.json {
            return show::print_json(&status);
        }
        show::print(&show::plain(&sentences(&status)))
    }
}

fn sentences(status: &NetworkStatus) -> String {
    let mut lines = Vec::new();
    if status.simulated {
        lines.push("Radios and ports are simulated: nothing of this is real.".to_owned());
    }
    if let Some(why) = &status.safe_mode {
        lines.push(format!("Safe mode: {why}."));
    }
    lines.push(internet(status));
    lines.extend(status.uplinks.iter().map(|uplink| format!("  {}", uplink_words(uplink))));
    if status.radios.is_empty() {
        lines.push("Wi-Fi: no radio found.".to_owned());
    }
    lines.extend(status.radios.iter().map(radio));
    lines.push(mesh(&status.mesh));
    let here = status.clients.iter().filter(|client| client.here).count() as u64;
    lines.push(format!("Devices: {} here.", show::count(here, "is", "are")));
    let sick = status.daemons.iter().filter(|daemon| daemon.state != DaemonHealth::Running);
    lines.extend(sick.map(|daemon| {
        let why = daemon.error.as_ref().map_or(String::new(), |error| format!(": {error}"));
        format!("! {} for {} is not running{why}.", daemon.program, daemon.instance)
    }));
    lines.extend(status.problems.iter().map(|problem| format!("! {}", problem.message)));
    lines.into_iter().map(|line| line.replace('\n', " ") + "\n").collect()
}

fn internet(status: &NetworkStatus) -> String {
    let words = match status.internet {
        Internet::Unknown => "nobody knows yet",
        Internet::Own => "reached by this box's own uplink",
        Internet::Shared => "reached through the mesh, by somebody who shares theirs",
        Internet::None => "not reached; the box and its neighbours work without it",
    };
    format!("Internet: {words}.")
}

fn uplink_words(uplink: &Uplink) -> String {
    let state = match (&uplink.error, uplink.in_use, uplink.healthy, uplink.carrier) {
        (Some(error), ..) => error.clone(),
        (None, true, ..) => "in use".to_owned(),
        (None, false, true, _) => "ready".to_owned(),
        (None, false, false, true) => "does not reach the internet".to_owned(),
        (None, false, false, false) => "no plug or signal".to_owned(),
    };
    let addresses = match uplink.addresses.as_slice() {
        [] => String::new(),
        addresses => format!(", {}", addresses.join(", ")),
    };
    let rtt = uplink.rtt_us.map_or(String::new(), |us| format!(", {} ms", us / 1_000));
    format!("{}: {state}{addresses}{rtt}", uplink.device)
}

fn radio(radio: &Radio) -> String {
    let channel =
        radio.channel.map_or("no channel".to_owned(), |channel| format!("channel {channel}"));
    let used: Vec<&str> = radio.interfaces.iter().map(|(_, what)| what.as_str()).collect();
    let used = if used.is_empty() { "unused".to_owned() } else { used.join(" and ") };
    let busy = radio.busy_percent.map_or(String::new(), |percent| format!(", {percent} % busy"));
    format!("Wi-Fi: {} is {used} on {channel}{busy}.", radio.name)
}

fn mesh(mesh: &Mesh) -> String {
    if !mesh.enabled {
        return "Mesh: this box takes part in none.".to_owned();
    }
    let heard = show::count(mesh.neighbours.len() as u64, "box", "boxes");
    let behind = mesh.nodes.len() as u64;
    let name = mesh.id.as_deref().unwrap_or("without a name");
    let sharing = if mesh.sharing { "; this box shares its way to the internet" } else { "" };
    format!("Mesh: {name}, {heard} heard directly, {behind} known{sharing}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_without_anything_says_so() {
        let expected = "Internet: nobody knows yet.\nWi-Fi: no radio found.\nMesh: this box takes part in none.\n\
                        Devices: 0 are here.\n";
        assert_eq!(sentences(&NetworkStatus::default()), expected);
    }

    #[test]
    fn uplinks_say_why_they_do_not_work() {
        let uplink = Uplink { device: "wan".to_owned(), carrier: true, ..Uplink::default() };
        assert_eq!(uplink_words(&uplink), "wan: does not reach the internet");
        let uplink = Uplink { error: Some("no answer by DHCP".to_owned()), ..uplink };
        assert_eq!(uplink_words(&uplink), "wan: no answer by DHCP");
        let used = Uplink {
            device: "wan".to_owned(),
            in_use: true,
            addresses: vec!["198.51.100.7/24".to_owned()],
            rtt_us: Some(12_345),
            ..Uplink::default()
        };
        assert_eq!(uplink_words(&used), "wan: in use, 198.51.100.7/24, 12 ms");
    }
}
