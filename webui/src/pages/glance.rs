//! The network of the box in four sentences with their curves, for the overview and the landing page.

use kith_model::command::Command;
use kith_model::network::ask::{NetworkAsk, NetworkReply};
use kith_model::network::status::Internet;
use kith_model::refusal::Refusal;
use kith_model::reply::Reply;
use kith_model::status::NetworkGlance;

use crate::ask::Ask;
use crate::lang::msg;
use crate::spark::Curves;
use crate::view::{Markup, View, escape};

/// A sentence, what it is about, and its curve.
pub(crate) struct Sentence {
    pub(crate) icon: &'static str,
    pub(crate) href: &'static str,
    pub(crate) title: &'static str,
    pub(crate) text: Markup,
    pub(crate) curve: Option<Markup>,
}

/// The four sentences; nothing where nobody drives the network.
pub(crate) fn sentences(v: &View, curves: &Curves) -> Vec<Sentence> {
    let Some(glance) = v.status.network.clone().filter(|glance| glance.managed) else {
        return Vec::new();
    };
    let curve = |name: &str| {
        let found = curves.iter().find(|(known, _)| known == name);
        found.map(|(_, curve)| curve.clone())
    };
    let plain = |text: &'static str| Markup(escape(&v.t(text)));
    vec![
        Sentence {
            icon: "globe",
            href: "/internet",
            title: msg("Internet"),
            text: plain(internet(glance.internet)),
            curve: curve("internet"),
        },
        Sentence {
            icon: "wifi",
            href: "/clients",
            title: msg("Wi-Fi"),
            text: wifi(v, &glance),
            curve: curve("wifi"),
        },
        Sentence {
            icon: "mesh",
            href: "/mesh",
            title: msg("Mesh"),
            text: mesh(v, &glance),
            curve: curve("mesh"),
        },
        Sentence {
            icon: "activity",
            href: "/health",
            title: msg("Health"),
            text: health(v, &glance),
            curve: curve("health"),
        },
    ]
}

/// The curves of the last day; none where nobody drives the network.
///
/// # Errors
/// Never; it stands beside questions that may fail.
pub(crate) async fn curves(ask: &Ask) -> Result<Curves, Refusal> {
    let now = ask.app.now();
    if ask.status().network.is_none() {
        return Ok(Curves::default());
    }
    if let Some(curves) = ask.app.drawn.fresh(now) {
        return Ok(curves);
    }
    match ask.call(Command::Network(NetworkAsk::Graphs)).await {
        Ok(Reply::Network(NetworkReply::Graphs(graphs))) => Ok(ask.app.drawn.keep(now, &graphs)),
        Ok(_) | Err(_) => Ok(ask.app.drawn.keep(now, &[])),
    }
}

/// Whether the internet is reached, in a sentence.
pub(crate) const fn internet(internet: Internet) -> &'static str {
    match internet {
        Internet::Own => msg("The internet is reached, through this box’s own way."),
        Internet::Shared => msg("The internet is reached, through a neighbour who shares theirs."),
        Internet::None => {
            msg("No way to the internet right now. Everything between the boxes still works.")
        }
        Internet::Unknown => msg("The box is finding out whether it reaches the internet."),
    }
}

fn wifi(v: &View, glance: &NetworkGlance) -> Markup {
    if glance.radios == 0 {
        return Markup(escape(&v.t("No radio found.")));
    }
    let home = v.tn(
        "{0} device of the household is here.",
        "{0} devices of the household are here.",
        glance.devices,
    );
    let text = match glance.visitors {
        0 => home,
        visitors => {
            let more =
                v.tn("{0} device of visitors too.", "{0} devices of visitors too.", visitors);
            format!("{home} {more}")
        }
    };
    Markup(escape(&text))
}

fn mesh(v: &View, glance: &NetworkGlance) -> Markup {
    match (&glance.mesh, glance.neighbours) {
        (None, _) => Markup(escape(&v.t("This box takes part in no mesh."))),
        (Some(id), 0) => v.say("Alone in {0} right now.", id),
        (Some(id), neighbours) => {
            let heard =
                v.tn("{0} box is heard directly", "{0} boxes are heard directly", neighbours);
            Markup(format!("{} {}", v.say("In {0}:", id), escape(&heard)))
        }
    }
}

fn health(v: &View, glance: &NetworkGlance) -> Markup {
    let text = if glance.safe_mode {
        v.t("Safe mode: none of your settings are applied").into_owned()
    } else if glance.waiting {
        v.t("A change waits to be kept.").into_owned()
    } else {
        match glance.problems {
            0 => v.t("All is as its settings say.").into_owned(),
            problems => v.tn(
                "{0} thing cannot be as you want it.",
                "{0} things cannot be as you want them.",
                problems,
            ),
        }
    };
    Markup(escape(&text))
}
