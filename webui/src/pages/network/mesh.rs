//! The mesh: who is heard, how the boxes hang together, and whether this box takes part.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use askama::Template;
use kith_model::command::Command;
use kith_model::network::ask::NetworkAsk;
use kith_model::network::status::{Mesh, MeshNode, Pinged};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::settings::values::{MeshId, Passphrase};

use super::{Net, Values, drafted, troubled};
use crate::answer::{Answer, Failure, page, page_with, refuse, see, status_of};
use crate::ask::Ask;
use crate::view::{Markup, Nav, View, escape};

/// The page's address.
const PATH: &str = "/mesh";

/// Boxes in the drawing; more would be a thicket, and the list has them all.
const DRAWN: usize = 40;

#[derive(Template)]
#[template(path = "network/mesh.html")]
struct Page {
    v: View,
    net: Net,
    drawing: Option<Markup>,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    Ok(page(&mesh(&ask, None).await?))
}

async fn mesh(ask: &Ask, refusal: Option<&Refusal>) -> Result<Page, Failure> {
    let v = troubled(View::new(ask, Nav::Network), refusal);
    let mut net = Net::load(ask, PATH).await?;
    net.status.mesh.neighbours.sort_by_key(|neighbour| std::cmp::Reverse(neighbour.quality));
    net.status.mesh.nodes.sort_by_key(|node| std::cmp::Reverse(node.quality));
    let drawing = draw(&net.status.mesh, &v.status.name, &v.t("How the boxes hang together"));
    Ok(Page { v, net, drawing })
}

/// Asks a box for signs of life; the page then shows how it goes.
pub(crate) async fn ping(ask: Ask) -> Result<Answer, Failure> {
    let mac = ask.form.text("mac").parse();
    let mac = mac.map_err(|_| refuse(RefusalKind::NotFound, "there is no such box"))?;
    match ask.call(Command::Network(NetworkAsk::Ping { mac })).await {
        Ok(_) => Ok(see("/mesh#pinged")),
        Err(refusal) if refusal.kind == RefusalKind::Unavailable => Err(refusal.into()),
        Err(refusal) => Ok(page_with(status_of(&refusal), &mesh(&ask, Some(&refusal)).await?)),
    }
}

/// Notes whether and how the box takes part.
pub(crate) async fn submit(ask: Ask) -> Result<Answer, Failure> {
    let mut values = Values::default();
    values.switch("mesh.enabled", ask.form.get("enabled").is_some());
    values.text("mesh.id", ask.form.get("id").unwrap_or_default().trim());
    values.text("mesh.secret", ask.form.get("secret").unwrap_or_default());
    values.list("mesh.ports", ask.form.all("port").iter().map(String::as_str));
    match drafted(&ask, values, PATH).await? {
        Ok(answer) => Ok(answer),
        Err(refusal) => Ok(page_with(status_of(&refusal), &mesh(&ask, Some(&refusal)).await?)),
    }
}

impl Page {
    fn id(&self) -> &str {
        self.net.settings.mesh.id.as_ref().map(MeshId::as_str).unwrap_or_default()
    }

    fn secret(&self) -> &str {
        self.net.settings.mesh.secret.as_ref().map(Passphrase::as_str).unwrap_or_default()
    }

    /// Ethernet ports, and whether each leads to other boxes.
    fn ports(&self) -> Vec<(&str, bool)> {
        let links = self.net.status.links.iter().filter(|link| link.kind == "ethernet");
        let chosen = |name: &str| self.net.settings.mesh.ports.iter().any(|p| p.as_str() == name);
        links.map(|link| (link.name.as_str(), chosen(&link.name))).collect()
    }

    /// Whether a box is asked for signs of life right now.
    fn asking(&self) -> bool {
        self.net.status.pinged.as_ref().is_some_and(|pinged| pinged.running)
    }

    /// What a box is called, by its address in the mesh.
    fn who(&self, mac: &str) -> String {
        let mesh = &self.net.status.mesh;
        let node = mesh.nodes.iter().find(|node| node.mac == mac).and_then(|n| n.name.as_ref());
        let near = || mesh.neighbours.iter().find(|n| n.mac == mac).and_then(|n| n.name.as_ref());
        called(node.or_else(near), mac)
    }

    /// The way to a box as far as this one knows it: the box, and through whom it is reached.
    fn way<'a>(&'a self, pinged: &Pinged) -> Option<&'a MeshNode> {
        self.net.status.mesh.nodes.iter().find(|node| node.mac == pinged.mac)
    }

    fn rtt(&self, micros: &u64) -> String {
        crate::figures::rtt(self.v.lang, *micros)
    }

    fn heard(&self, milliseconds: &u32) -> String {
        format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100)
    }
}

/// What a box is called: its name where known, else the end of its address.
pub(crate) fn called(name: Option<&String>, mac: &str) -> String {
    let tail = || mac.get(mac.len().saturating_sub(5)..).unwrap_or(mac).to_owned();
    name.filter(|name| !name.is_empty()).map_or_else(tail, |name| name.chars().take(24).collect())
}

/// A box in the drawing.
struct Dot {
    x: f32,
    y: f32,
    name: String,
}

/// The mesh as a picture: this box in the middle, those it hears around it, the others behind the
/// neighbour that leads to them. Everything in it is in the list as well.
fn draw(mesh: &Mesh, own: &str, label: &str) -> Option<Markup> {
    if mesh.neighbours.is_empty() {
        return None;
    }
    let mut dots: BTreeMap<&str, Dot> = BTreeMap::new();
    let mut lines = String::new();
    let count = mesh.neighbours.len().min(DRAWN);
    for (number, neighbour) in mesh.neighbours.iter().take(DRAWN).enumerate() {
        let (x, y) = around((200.0, 130.0), (105.0, 72.0), turn(number, count));
        line(&mut lines, (200.0, 130.0), (x, y), neighbour.quality);
        let name = called(neighbour.name.as_ref(), &neighbour.mac);
        dots.insert(&neighbour.mac, Dot { x, y, name });
    }
    let beyond = mesh.nodes.iter().filter(|node| node.through != node.mac);
    for (number, node) in beyond.take(DRAWN).enumerate() {
        let Some((hub_x, hub_y)) = dots.get(node.through.as_str()).map(|hub| (hub.x, hub.y)) else {
            continue;
        };
        if dots.contains_key(node.mac.as_str()) {
            continue;
        }
        let outwards = (hub_y - 130.0).atan2(hub_x - 200.0) + (turn(number, 5) / 8.0) - 0.35;
        let (x, y) = around((hub_x, hub_y), (62.0, 42.0), outwards);
        line(&mut lines, (hub_x, hub_y), (x, y), node.quality);
        let name = called(node.name.as_ref(), &node.mac);
        dots.insert(&node.mac, Dot { x, y, name });
    }
    let mut boxes = String::new();
    for Dot { x, y, name } in dots.values() {
        let name = escape(name);
        let _ = write!(
            boxes,
            "<circle cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"7\"/><text x=\"{x:.0}\" y=\"{:.0}\">{name}</text>",
            y + 20.0
        );
    }
    let own: String = own.chars().take(24).collect();
    Some(Markup(format!(
        "<svg class=\"topology\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 400 270\">{lines}{boxes}<circle class=\"self\" cx=\"200\" cy=\"130\" r=\"9\"/><text x=\"200\" y=\"152\">{}</text></svg>",
        escape(label),
        escape(&own)
    )))
}

#[expect(clippy::cast_precision_loss, reason = "a few dozen at most")]
fn turn(number: usize, of: usize) -> f32 {
    core::f32::consts::TAU * (number as f32) / (of.max(1) as f32) - core::f32::consts::FRAC_PI_2
}

fn around((x, y): (f32, f32), (rx, ry): (f32, f32), angle: f32) -> (f32, f32) {
    let (x, y) = (x + rx * angle.cos(), y + ry * angle.sin());
    (x.clamp(20.0, 380.0), y.clamp(14.0, 240.0))
}

fn line(lines: &mut String, from: (f32, f32), to: (f32, f32), quality: u8) {
    let class = match quality {
        200.. => "good",
        100..=199 => "fair",
        0..=99 => "poor",
    };
    let _ = write!(
        lines,
        "<line class=\"{class}\" x1=\"{:.0}\" y1=\"{:.0}\" x2=\"{:.0}\" y2=\"{:.0}\"/>",
        from.0, from.1, to.0, to.1
    );
}

#[cfg(test)]
mod tests {
    use kith_model::network::status::{MeshNeighbour, MeshNode};

    use super::*;

    #[test]
    fn names_of_others_stay_text_and_the_picture_stays_in_its_frame() {
        let neighbour = |number: u8| MeshNeighbour {
            mac: format!("02:00:00:00:00:{number:02x}"),
            name: Some("</text><script>".into()),
            quality: number,
            ..MeshNeighbour::default()
        };
        let node = MeshNode {
            mac: "02:00:00:00:01:00".into(),
            through: "02:00:00:00:00:01".into(),
            ..MeshNode::default()
        };
        let mesh = Mesh {
            neighbours: (0..100).map(neighbour).collect(),
            nodes: vec![node],
            ..Mesh::default()
        };
        let svg = draw(&mesh, "<b>", "x\"").unwrap().0;
        assert!(!svg.contains("<script") && !svg.contains("<b>"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), DRAWN + 2);
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn nobody_heard_is_no_picture() {
        assert_eq!(draw(&Mesh::default(), "Ours", "x"), None);
    }
}
