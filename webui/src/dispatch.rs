//! From a request to its handler: who asks, may they, is it their own form, is the body what the route
//! takes. Everything is bounded before it is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::RequestPartsExt as _;
use axum::body::Body;
use axum::extract::{RawPathParams, Request};
use axum::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use kith_model::caller::{Credential, Principal};
use kith_model::command::{Command, Request as Order, Right};
use kith_model::refusal::{Refusal, RefusalKind};
use kith_model::reply::Reply;

use crate::Connection;
use crate::answer::{Answer, Failure, refuse, see};
use crate::api;
use crate::app::{App, random_token};
use crate::ask::{Ask, Fields, Theme, Visit};
use crate::backend::Side;
use crate::cookies::{self, Jar};
use crate::guard;
use crate::lang::Lang;
use crate::pages;
use crate::routes::{Handler, Kind, Route};
use crate::source;
use crate::urls;

/// The header in which a script with a session cookie sends the form token to the API.
pub(crate) const TOKEN_HEADER: &str = "x-kith-token";

/// Checks a request against its route and hands it on.
pub(crate) async fn dispatch(route: &'static Route, app: Arc<App>, request: Request) -> Answer {
    let (mut parts, body) = request.into_parts();
    if route.kind == Kind::Asset {
        return pages::asset(&parts.uri, &parts.headers);
    }
    let who = identify(&app, route.kind, &parts).await;
    let (visit, forget, fresh) = match who {
        Ok((visit, forget, fresh)) => (Arc::new(visit), forget, fresh),
        Err(refusal) => return api::problem::answer(&refusal),
    };
    let mut answer = match checked(route, &app, &visit, (&mut parts, body)).await {
        Ok(answer) => answer,
        Err(Failure::Made(answer)) => *answer,
        Err(Failure::Refused(refusal)) if route.kind.for_programs() => {
            api::problem::answer(&refusal)
        }
        Err(Failure::Refused(refusal)) => {
            let here = guard::safe(&parts.method).then_some(&parts.uri);
            pages::error::refused(&app, &visit, here, &refusal)
        }
    };
    let mut set = |jar, value: &str| {
        if let Some(cookie) = cookies::write(&app.config, jar, value) {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
    };
    // Only with a page: a form may just have opened a new session.
    if forget && route.kind == Kind::Page {
        set(Jar::Session, "");
    }
    if fresh && route.kind == Kind::Page {
        set(Jar::Visitor, &visit.token);
    }
    answer
}

/// Who asks; whether their session cookie is dead; and whether their form token is a fresh one.
async fn identify(app: &App, kind: Kind, parts: &Parts) -> Result<(Visit, bool, bool), Refusal> {
    let headers = &parts.headers;
    let connection = parts.extensions.get::<Connection>();
    let source = connection.map_or_else(|| "unknown".into(), |c| source::text(c.remote.ip()));
    let side = connection.map_or(Side::Household, |connection| connection.side);
    let home = side == Side::Household;
    let bearer = if home && kind.for_programs() { bearer(headers)? } else { None };
    // On a Wi-Fi that may be open to everybody, nobody is who their cookie says.
    let session = cookies::read(headers, &app.config, Jar::Session).filter(|_| home);
    let session = session.map(Credential::Session);
    let mut credential = bearer.or(session).unwrap_or(Credential::Visitor);
    let order =
        Order { credential: credential.clone(), source: source.clone(), command: Command::WhoAmI };
    let mut principal = match app.backend.call(order).await {
        Ok(Reply::Principal(principal)) => principal,
        Err(refusal) if matches!(credential, Credential::Bearer(_)) => return Err(refusal),
        Err(_) | Ok(_) => Principal::visitor(),
    };
    if matches!(credential, Credential::Bearer(_)) && !principal.signed_in() {
        return Err(Refusal::new(
            RefusalKind::WrongSecret,
            "this token is unknown or has expired: make a new one",
        ));
    }
    let forget = matches!(credential, Credential::Session(_)) && !principal.signed_in();
    if forget {
        credential = Credential::Visitor;
    }
    let kept = cookies::read(headers, &app.config, Jar::Visitor).filter(|token| token.len() == 22);
    let fresh = kept.is_none() && !principal.signed_in();
    let token = match principal.form_token.take() {
        Some(token) => token,
        None if principal.signed_in() => String::new(),
        None => kept.or_else(random_token).unwrap_or_default(),
    };
    let lang = language(headers, app);
    let theme = match cookies::read(headers, &app.config, Jar::Theme).as_deref() {
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        Some(_) | None => Theme::Auto,
    };
    Ok((Visit { credential, principal, source, token, lang, theme, side }, forget, fresh))
}

fn bearer(headers: &HeaderMap) -> Result<Option<Credential>, Refusal> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token {
        Some((scheme, token))
            if scheme.eq_ignore_ascii_case("bearer") && (1..=256).contains(&token.len()) =>
        {
            Ok(Some(Credential::Bearer(token.to_owned())))
        }
        Some(_) | None => Err(Refusal::new(
            RefusalKind::WrongSecret,
            "Authorization takes the form “Bearer TOKEN”",
        )),
    }
}

fn language(headers: &HeaderMap, app: &App) -> Lang {
    let chosen = cookies::read(headers, &app.config, Jar::Language);
    let wish =
        || headers.get(ACCEPT_LANGUAGE).and_then(|wish| wish.to_str().ok()).unwrap_or_default();
    chosen.and_then(|code| Lang::by_code(&code)).unwrap_or_else(|| Lang::accepted(wish()))
}

async fn checked(
    route: &'static Route,
    app: &Arc<App>,
    visit: &Arc<Visit>,
    (parts, body): (&mut Parts, Body),
) -> Result<Answer, Failure> {
    allowed(route, visit, parts)?;
    let params = match parts.extract::<RawPathParams>().await {
        Ok(params) => {
            params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        }
        Err(_) => {
            return Err(refuse(
                RefusalKind::NotFound,
                "there is no such page: its address is damaged",
            ));
        }
    };
    check_type(route, &parts.headers)?;
    let (mut form, mut json, mut stream) = (Fields::default(), Vec::new(), None);
    let known = visit.principal.signed_in() && route.right != Right::Anyone;
    // Taken until the handler is done with what was in it.
    let mut room = None;
    match route.kind {
        Kind::Form => {
            let gathered = app.rooms.gather(&parts.headers, body, known).await?;
            form = Fields::parse(&gathered.bytes);
            room = Some(gathered.room);
            check_token(visit, form.get("token").unwrap_or_default())?;
        }
        Kind::Api if !guard::safe(&parts.method) => {
            check_header_token(visit, &parts.headers)?;
            let gathered = app.rooms.gather(&parts.headers, body, known).await?;
            (json, room) = (gathered.bytes, Some(gathered.room));
        }
        Kind::ApiUpload | Kind::ApiForm => {
            check_header_token(visit, &parts.headers)?;
            stream = Some(body);
        }
        // Its token is the first field of the body; the handler checks it before it takes a byte more.
        Kind::Upload => stream = Some(body),
        Kind::Page | Kind::Bytes | Kind::Api | Kind::Stream | Kind::Asset => {}
    }
    let ask = Ask {
        app: Arc::clone(app),
        visit: Arc::clone(visit),
        method: parts.method.clone(),
        target: parts.uri.path_and_query().map_or_else(|| "/".into(), ToString::to_string),
        headers: std::mem::take(&mut parts.headers),
        params: without_double_names(params),
        query: Fields::parse(parts.uri.query().unwrap_or_default().as_bytes()),
        form,
        json,
        body: std::sync::Mutex::new(stream),
    };
    let answer = match route.handler {
        Handler::Page(handler) => handler(ask).await,
        Handler::Endpoint(endpoint) => api::endpoint::answer(endpoint, ask).await,
    };
    drop(room);
    answer
}

fn without_double_names(params: Vec<(String, String)>) -> BTreeMap<String, String> {
    params.into_iter().collect()
}

fn allowed(route: &Route, visit: &Visit, parts: &Parts) -> Result<(), Failure> {
    if visit.side != Side::Household && !route.for_visitors() {
        return Err(refuse(
            RefusalKind::NotAllowed,
            "this network is for visitors: come from the household’s Wi-Fi or by cable",
        ));
    }
    let principal = &visit.principal;
    match route.right {
        Right::Anyone | Right::Reader => Ok(()),
        Right::Account | Right::BoxOwner if !principal.signed_in() => {
            if route.kind == Kind::Page {
                let here = parts.uri.path_and_query().map(ToString::to_string);
                return Err(see(&urls::with_query("/login", &[("next", here.as_deref())])).into());
            }
            Err(refuse(RefusalKind::SignIn, "sign in first, then do this again"))
        }
        Right::BoxOwner if !principal.is_owner() => Err(refuse(
            RefusalKind::NotAllowed,
            "only who looks after this box may do this: ask its owner",
        )),
        Right::Account | Right::BoxOwner => Ok(()),
    }
}

fn check_type(route: &Route, headers: &HeaderMap) -> Result<(), Failure> {
    let given = headers.get(CONTENT_TYPE).map(HeaderValue::to_str);
    let given = match given {
        None => "",
        Some(text) => text.unwrap_or("?").split(';').next().unwrap_or_default().trim(),
    };
    let wanted = match route.kind {
        Kind::Form => "application/x-www-form-urlencoded",
        Kind::Upload | Kind::ApiForm => "multipart/form-data",
        Kind::Api if route.method == axum::http::Method::DELETE && given.is_empty() => "",
        Kind::Api if !guard::safe(&route.method) => "application/json",
        Kind::ApiUpload if !given.is_empty() => "application/octet-stream",
        Kind::Page | Kind::Bytes | Kind::Api | Kind::ApiUpload | Kind::Stream | Kind::Asset => {
            return Ok(());
        }
    };
    if given.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    let refusal =
        Refusal::new(RefusalKind::Invalid, format!("send this with Content-Type: {wanted}"));
    Err(with_status(route, &refusal, StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

fn with_status(route: &Route, refusal: &Refusal, status: StatusCode) -> Failure {
    if route.kind.for_programs() {
        return api::problem::with_status(refusal, status).into();
    }
    Failure::from(refusal.clone())
}

fn check_header_token(visit: &Visit, headers: &HeaderMap) -> Result<(), Failure> {
    // A bearer token is no cookie: nothing sends it by itself.
    if !matches!(visit.credential, Credential::Session(_)) {
        return Ok(());
    }
    let token = headers.get(TOKEN_HEADER).and_then(|token| token.to_str().ok());
    check_token(visit, token.unwrap_or_default())
}

/// Whether a form is one that we gave to this very browser.
pub(crate) fn check_token(visit: &Visit, token: &str) -> Result<(), Failure> {
    // Differences are gathered, so the time it takes tells nothing about where they are.
    let same_length = token.len() == visit.token.len() && !token.is_empty();
    let differences = token.bytes().zip(visit.token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    if same_length && differences == 0 {
        return Ok(());
    }
    Err(refuse(
        RefusalKind::NotAllowed,
        "this form is out of date, perhaps because you signed in or out in another tab: go back, reload the page and try again",
    ))
}

/// What a browser calls itself, for the list of sessions.
pub(crate) fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("?");
    agent.chars().take(200).collect()
}
