//! Every page in every state that the network of a box can be in, in each language: whole, valid, small
//! enough, and with the policy that holds a browser back.

use std::sync::Arc;

use axum::http::{Method, StatusCode, header};
use kith_model::network::change::ChangeState;
use kith_model::network::status::Internet;
use kith_webui::{Kind, route_table};

use crate::client::{Panel, Who};
use crate::fake::Fake;
use crate::fake::network::Network;
use crate::html::Page;
use crate::sizes::{MAX_PAGE, packed};

/// What may be the matter with the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unclaimed,
    NoRadios,
    TryOut,
    Listening,
    Drafted,
    Carrying,
    Waiting,
    TakenBack,
    UplinkDead,
    Alone,
    SafeMode,
    Unmanaged,
    Silent,
}

const STATES: [State; 13] = [
    State::Unclaimed,
    State::NoRadios,
    State::TryOut,
    State::Listening,
    State::Drafted,
    State::Carrying,
    State::Waiting,
    State::TakenBack,
    State::UplinkDead,
    State::Alone,
    State::SafeMode,
    State::Unmanaged,
    State::Silent,
];

fn fake(state: State) -> Arc<Fake> {
    if state == State::Unclaimed {
        return Fake::unclaimed();
    }
    let fake = Fake::lively();
    let mut glance = fake.world.lock().unwrap().status.network.clone().unwrap_or_default();
    glance.simulated = state == State::TryOut;
    {
        let mut world = fake.world.lock().unwrap();
        let network = &mut world.network;
        network.status.simulated = state == State::TryOut;
        let change = |state| Some(Network::change(state));
        match state {
            State::Unclaimed | State::TryOut => {}
            State::NoRadios => {
                (network.status.radios, glance.radios) = (Vec::new(), 0);
                network.status.mesh = Default::default();
                network.surveyed = Default::default();
            }
            State::Listening => network.surveyed.listening = true,
            State::Drafted => network.draft = Some(network.text.replace("Home", "Valley")),
            State::Carrying => network.status.change = change(ChangeState::Armed),
            State::Waiting => network.status.change = change(ChangeState::Applied),
            State::TakenBack => network.status.change = change(ChangeState::Reverted),
            State::UplinkDead => {
                (network.status.internet, glance.internet) = (Internet::None, Internet::None);
                for uplink in &mut network.status.uplinks {
                    (uplink.healthy, uplink.in_use, uplink.rtt_us) = (false, false, None);
                    uplink.error = Some("its router does not answer".into());
                }
            }
            State::Alone => {
                network.status.mesh.neighbours.clear();
                network.status.mesh.nodes.clear();
                network.status.clients.clear();
                (glance.neighbours, glance.nodes, glance.devices) = (0, 0, 0);
            }
            State::SafeMode => {
                network.status.safe_mode = Some("the link failed 3 times".into());
                glance.safe_mode = true;
            }
            State::Unmanaged => (network.status.managed, glance.managed) = (false, false),
            State::Silent => network.silent = true,
        }
        glance.waiting = matches!(state, State::Carrying | State::Waiting);
    }
    fake.publish(|status| status.network = (state != State::Silent).then_some(glance));
    fake
}

fn pages() -> Vec<String> {
    let shown = |route: &kith_webui::RouteInfo| {
        route.method == Method::GET && route.kind == Kind::Page && route.path != "/account/invite"
    };
    let mut pages: Vec<String> =
        route_table().iter().filter(|route| shown(route)).map(crate::matrix::path).collect();
    let steps = ["internet", "wifi", "place", "review"].map(|step| format!("/setup/{step}"));
    pages.extend(steps);
    pages.extend(["/setup/mesh?listen=no".into(), "/wifi/poster?of=guest".into()]);
    pages
}

#[tokio::test]
async fn every_page_is_whole_in_every_state_and_language() {
    let mut seen_in_all = 0;
    for state in STATES {
        let panel = Panel::new(fake(state));
        for path in pages() {
            for language in ["en", "de"] {
                let who = if state == State::Unclaimed { Who::Visitor } else { Who::Owner };
                let seen = panel.get_with(who, &path, &[("accept-language", language)]).await;
                let what = format!("{path} in {state:?}, {language}: {}", seen.status);
                let policy = seen.header(header::CONTENT_SECURITY_POLICY);
                assert!(policy.contains("default-src 'none'"), "{what}");
                if seen.status.is_redirection() {
                    assert!(seen.header(header::LOCATION).starts_with('/'), "{what}");
                    continue;
                }
                let unavailable = seen.status == StatusCode::SERVICE_UNAVAILABLE;
                assert!(!seen.status.is_server_error() || unavailable, "{what}");
                assert_eq!(unavailable, unavailable && state == State::Silent, "{what}");
                let html = seen.text();
                assert!(html.contains(&format!("<html lang=\"{language}\"")), "{what}");
                Page::read(&html).check(&what);
                let size = packed(&seen.bytes);
                assert!(size <= MAX_PAGE, "{what}: {size} bytes packed");
                seen_in_all += 1;
            }
        }
    }
    assert!(seen_in_all > 700, "{seen_in_all}");
}

#[tokio::test]
async fn each_state_is_said_where_somebody_looks_for_it() {
    for (state, path, words) in [
        (State::NoRadios, "/wifi", "No radio found."),
        (State::TryOut, "/wifi", "the radios and ports on these pages are simulated"),
        (State::Listening, "/setup/mesh", "The box listens for its neighbours"),
        (State::Drafted, "/lan", "1 change noted, not applied yet."),
        (State::Carrying, "/changes", "The change is being carried out"),
        (State::Waiting, "/mesh", "A change waits to be kept."),
        (State::TakenBack, "/changes", "The last change was taken back"),
        (State::UplinkDead, "/internet", "No way to the internet right now."),
        (State::UplinkDead, "/internet", "its router does not answer"),
        (State::Alone, "/mesh", "Alone right now"),
        (State::SafeMode, "/clients", "Safe mode: none of your settings are applied"),
        (State::Unmanaged, "/wifi", "the box only looks on"),
        (State::Silent, "/wifi", "This part of the box does not run right now"),
    ] {
        let html = Panel::new(fake(state)).get(Who::Owner, path).await.text();
        assert!(html.contains(words), "{state:?} at {path} lacks “{words}”");
    }
    let landing = Panel::new(fake(State::UplinkDead)).get(Who::Visitor, "/").await.text();
    assert!(landing.contains("No way to the internet right now."));
}

#[tokio::test]
async fn a_part_that_is_silent_leaves_the_other_pages_as_they_are() {
    let panel = Panel::new(fake(State::Silent));
    for path in ["/overview", "/board", "/files", "/peers", "/people", "/health", "/account"] {
        assert_eq!(panel.get(Who::Owner, path).await.status, StatusCode::OK, "{path}");
    }
    let seen = panel.get(Who::Owner, "/mesh").await;
    assert_eq!(seen.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(seen.header(header::RETRY_AFTER), "5");
}
