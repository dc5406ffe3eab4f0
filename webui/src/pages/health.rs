//! Health: checks in sentences, each with what to do, and how the processes are.

use askama::Template;
use kith_model::command::Command;
use kith_model::network::ask::{NetworkAsk, NetworkReply};
use kith_model::network::status::{Daemon, DaemonHealth, Internet, NetworkStatus};
use kith_model::reply::Reply;
use kith_model::role::{RoleState, RoleStatus, Supervision};

use crate::answer::{Answer, Failure, page};
use crate::ask::Ask;
use crate::lang::msg;
use crate::view::{Markup, Nav, View};

#[derive(Template)]
#[template(path = "health.html")]
struct Page {
    v: View,
    checks: Vec<Check>,
    supervision: Option<Supervision>,
    network: Option<NetworkStatus>,
}

/// One thing that was looked at.
struct Check {
    good: bool,
    text: Markup,
    /// Where to do something about it.
    mend: Option<(&'static str, &'static str)>,
}

pub(crate) async fn show(ask: Ask) -> Result<Answer, Failure> {
    let v = View::new(&ask, Nav::Health);
    let (supervision, network) = tokio::join!(
        ask.call(Command::Supervision),
        ask.call(Command::Network(NetworkAsk::Status))
    );
    let supervision = match supervision {
        Ok(Reply::Supervision(supervision)) => Some(supervision),
        Ok(_) | Err(_) => None,
    };
    let network = match network {
        Ok(Reply::Network(NetworkReply::Status(status))) => Some(*status),
        Ok(_) | Err(_) => None,
    };
    let checks = checks(&v, supervision.as_ref(), network.as_ref());
    Ok(page(&Page { v, checks, supervision, network }))
}

fn checks(v: &View, roles: Option<&Supervision>, network: Option<&NetworkStatus>) -> Vec<Check> {
    let plain = |text: &'static str| Markup(crate::view::escape(&v.t(text)));
    let mut checks = vec![disk(v, plain), clock(v, plain)];
    let down = roles.map(|roles| roles.roles.iter().any(|role| role.state != RoleState::Ready));
    checks.push(Check {
        good: down == Some(false),
        text: match down {
            Some(false) => plain(msg("All parts of the box run.")),
            Some(true) => plain(msg("A part of the box is down or being started again.")),
            None => plain(msg("The supervisor does not answer.")),
        },
        mend: None,
    });
    let Some(network) = network else { return checks };
    let sick = network.daemons.iter().filter(|daemon| daemon.state != DaemonHealth::Running);
    for daemon in sick {
        let text =
            v.say2("{0} for {1} does not run as it should.", &daemon.program, &daemon.instance);
        checks.push(Check { good: false, text, mend: Some(("/logs", msg("See the log"))) });
    }
    let online = matches!(network.internet, Internet::Own | Internet::Shared);
    checks.push(Check {
        good: online,
        text: if online {
            plain(msg("The internet is reached."))
        } else {
            plain(msg("The internet is not reached; what is on the boxes still is."))
        },
        mend: (!online).then_some(("/internet", msg("Look at the ways there"))),
    });
    for problem in &network.problems {
        let text = v.told(&problem.message);
        checks.push(Check { good: false, text, mend: Some(("/wifi", msg("Look at the radios"))) });
    }
    checks
}

fn disk(v: &View, plain: impl Fn(&'static str) -> Markup) -> Check {
    let store = &v.status.store;
    let little = store.free_bytes.is_some_and(|free| free < 256 << 20);
    let text = match store.free_bytes {
        _ if v
            .status
            .alerts
            .iter()
            .any(|alert| alert.kind == kith_model::status::AlertKind::DiskFailed) =>
        {
            return Check {
                good: false,
                text: plain(msg("The disk does not take what is written")),
                mend: None,
            };
        }
        Some(free) => Markup(crate::view::escape(&v.t1("{0} are free.", v.size(&free)))),
        None => plain(msg("Nobody knows how much room is left on the disk.")),
    };
    Check {
        good: !little,
        text,
        mend: little.then_some(("/files", msg("Remove what nobody needs"))),
    }
}

fn clock(v: &View, plain: impl Fn(&'static str) -> Markup) -> Check {
    let good = v.status.time_trusted;
    let text = if good {
        plain(msg("The clock is confirmed."))
    } else {
        plain(msg("The clock is not confirmed yet; times may be off."))
    };
    Check { good, text, mend: None }
}

impl Page {
    fn role(role: &RoleStatus) -> &'static str {
        match role.state {
            RoleState::Starting => msg("starting"),
            RoleState::Ready => msg("runs"),
            RoleState::Waiting => msg("starts again in a moment"),
            RoleState::Stopping => msg("stopping"),
            RoleState::GivenUp => msg("given up"),
        }
    }

    fn daemon(daemon: &Daemon) -> &'static str {
        match daemon.state {
            DaemonHealth::Starting => msg("starting"),
            DaemonHealth::Running => msg("runs"),
            DaemonHealth::Hung => msg("does not answer and is replaced"),
            DaemonHealth::Waiting => msg("starts again in a moment"),
            DaemonHealth::Missing => msg("is not on this machine"),
            DaemonHealth::Failing => msg("fails; tried once a minute"),
        }
    }

    fn what(role: &RoleStatus) -> &'static str {
        match role.role.as_str() {
            "node" => msg("Content, peers and these pages"),
            "link" => msg("The network of the box"),
            _ => msg("A part of the box"),
        }
    }
}
