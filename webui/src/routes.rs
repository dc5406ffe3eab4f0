//! The one list of what can be asked of the panel. It makes the router, and the security matrix is
//! generated from it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};
use futures_util::future::BoxFuture;
use kith_model::command::Right;

use crate::answer::{Answer, Failure};
use crate::api::{self, table::Endpoint};
use crate::app::App;
use crate::ask::Ask;
use crate::dispatch::dispatch;
use crate::{download, guard, live, pages, upload};

/// What kind of thing a route is; it decides which checks apply and how a refusal looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A page for people.
    Page,
    /// The bytes of a file, for people.
    Bytes,
    /// A form, URL-encoded.
    Form,
    /// A form with files.
    Upload,
    /// JSON for programs.
    Api,
    /// The bytes of a file, from a program.
    ApiUpload,
    /// A form with files, from a program.
    ApiForm,
    /// Server-sent events.
    Stream,
    /// Style sheet, script, icon.
    Asset,
}

impl Kind {
    /// Whether refusals are problem documents, and bearer tokens count.
    pub(crate) const fn for_programs(self) -> bool {
        matches!(self, Self::Api | Self::ApiUpload | Self::ApiForm | Self::Stream)
    }
}

/// Who answers.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// A function of its own.
    Page(fn(Ask) -> BoxFuture<'static, Result<Answer, Failure>>),
    /// A row of the API's table.
    Endpoint(&'static Endpoint),
}

/// A row of the table.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) right: Right,
    pub(crate) kind: Kind,
    pub(crate) handler: Handler,
}

/// The ways in: there is none from a visitors' network.
const ENTRANCES: [&str; 4] = ["/claim", "/login", "/join/{secret}", "/handover"];

impl Route {
    /// Whether it answers in a visitors' network too: what everybody may read, and how it looks.
    pub(crate) fn for_visitors(&self) -> bool {
        let open = match self.right {
            Right::Anyone | Right::Reader => !ENTRANCES.contains(&self.path),
            Right::Account | Right::BoxOwner => false,
        };
        let reads = match self.kind {
            Kind::Page | Kind::Bytes | Kind::Asset => guard::safe(&self.method),
            Kind::Form => self.path == "/taste",
            Kind::Upload | Kind::Api | Kind::ApiUpload | Kind::ApiForm | Kind::Stream => false,
        };
        open && reads
    }
}

/// A row of the table, as tests see it.
#[derive(Clone, Debug)]
pub struct RouteInfo {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` and `{*rest}` in it.
    pub path: &'static str,
    /// The least one must be.
    pub right: Right,
    /// What kind of thing it is.
    pub kind: Kind,
}

macro_rules! route {
    ($method:ident $path:literal $right:ident $kind:ident $($handler:ident)::+) => {
        Route {
            method: Method::$method,
            path: $path,
            right: Right::$right,
            kind: Kind::$kind,
            handler: Handler::Page(|ask| Box::pin($($handler)::+(ask))),
        }
    };
}

static ROUTES: &[Route] = &[
    route!(GET "/" Anyone Page pages::home::show),
    route!(GET "/claim" Anyone Page pages::enter::claim),
    route!(POST "/claim" Anyone Form pages::enter::claim_submit),
    route!(GET "/login" Anyone Page pages::enter::login),
    route!(POST "/login" Anyone Form pages::enter::login_submit),
    route!(POST "/logout" Account Form pages::enter::logout_submit),
    route!(GET "/join/{secret}" Anyone Page pages::enter::join),
    route!(POST "/join/{secret}" Anyone Form pages::enter::join_submit),
    route!(POST "/taste" Anyone Form pages::taste::submit),
    route!(GET "/overview" Account Page pages::overview::show),
    route!(GET "/board" Reader Page pages::board::show),
    route!(POST "/board" Account Form pages::board::submit),
    route!(POST "/board/remove" Account Form pages::board::remove),
    route!(GET "/files" Reader Page pages::files::show),
    route!(GET "/files/{collection}" Reader Page pages::files::show),
    route!(GET "/files/{collection}/{*path}" Reader Page pages::files::show),
    route!(GET "/raw/{collection}/{*path}" Reader Bytes download::page),
    route!(POST "/upload" Account Upload upload::form),
    route!(POST "/file/remove" Account Form pages::files::remove),
    route!(POST "/file/restore" Account Form pages::files::restore),
    route!(GET "/peers" Account Page pages::peers::show),
    route!(POST "/peers/invite" Account Form pages::peers::invite),
    route!(GET "/peers/invite" Account Page pages::peers::invite_show),
    route!(POST "/peers/join" BoxOwner Form pages::peers::join),
    route!(POST "/peers/add" BoxOwner Form pages::peers::add),
    route!(POST "/peers/forget" BoxOwner Form pages::peers::forget),
    route!(GET "/people" Account Page pages::people::show),
    route!(POST "/people/role" BoxOwner Form pages::people::member_set),
    route!(POST "/people/remove" BoxOwner Form pages::people::member_remove),
    route!(POST "/people/visitors" BoxOwner Form pages::people::policy),
    route!(POST "/spaces" BoxOwner Form pages::people::space_create),
    route!(POST "/accounts/invite" BoxOwner Form pages::people::account_invite),
    route!(GET "/accounts/invite" BoxOwner Page pages::people::account_invite_show),
    route!(POST "/accounts/role" BoxOwner Form pages::people::account_role),
    route!(POST "/accounts/remove" BoxOwner Form pages::people::account_remove),
    route!(GET "/account" Account Page pages::account::show),
    route!(POST "/account/passphrase" Account Form pages::account::passphrase),
    route!(POST "/account/session" Account Form pages::account::session_revoke),
    route!(POST "/account/token" Account Form pages::account::token_create),
    route!(POST "/account/token/revoke" Account Form pages::account::token_revoke),
    route!(GET "/setup" BoxOwner Page pages::network::setup::begin),
    route!(GET "/setup/{step}" BoxOwner Page pages::network::setup::show),
    route!(POST "/setup/{step}" BoxOwner Form pages::network::setup::submit),
    route!(GET "/wifi" Account Page pages::network::wifi::show),
    route!(POST "/wifi/network" BoxOwner Form pages::network::wifi::network),
    route!(POST "/wifi/radio" BoxOwner Form pages::network::wifi::radio),
    route!(GET "/wifi/poster" BoxOwner Page pages::network::wifi::poster),
    route!(GET "/internet" Account Page pages::network::internet::show),
    route!(POST "/internet/add" BoxOwner Form pages::network::internet::add),
    route!(POST "/internet/remove" BoxOwner Form pages::network::internet::remove),
    route!(POST "/internet/share" BoxOwner Form pages::network::internet::share),
    route!(GET "/lan" Account Page pages::network::lan::show),
    route!(POST "/lan" BoxOwner Form pages::network::lan::submit),
    route!(POST "/lan/guest" BoxOwner Form pages::network::lan::guest),
    route!(GET "/clients" Account Page pages::network::clients::show),
    route!(POST "/clients" BoxOwner Form pages::network::clients::submit),
    route!(GET "/firewall" Account Page pages::network::firewall::show),
    route!(POST "/firewall/add" BoxOwner Form pages::network::firewall::add),
    route!(POST "/firewall/remove" BoxOwner Form pages::network::firewall::remove),
    route!(GET "/mesh" Account Page pages::network::mesh::show),
    route!(POST "/mesh" BoxOwner Form pages::network::mesh::submit),
    route!(POST "/mesh/ping" BoxOwner Form pages::network::mesh::ping),
    route!(GET "/aim" Account Page pages::network::aim::show),
    route!(GET "/health" Account Page pages::health::show),
    route!(GET "/logs" BoxOwner Page pages::logs::show),
    route!(GET "/logs/plain.txt" BoxOwner Bytes pages::logs::plain),
    route!(GET "/backup" Account Page pages::network::backup::show),
    route!(GET "/backup/settings.toml" BoxOwner Bytes pages::network::backup::download),
    route!(GET "/backup/kith-backup.tar.gz" BoxOwner Bytes pages::network::backup::archive),
    route!(POST "/backup" BoxOwner Form pages::network::backup::restore),
    route!(POST "/backup/file" BoxOwner Upload pages::network::backup::restore_file),
    route!(GET "/changes" Account Page pages::network::changes::show),
    route!(POST "/changes/apply" BoxOwner Form pages::network::changes::apply),
    route!(POST "/changes/keep" BoxOwner Form pages::network::changes::keep),
    route!(POST "/changes/undo" BoxOwner Form pages::network::changes::undo),
    route!(POST "/changes/longer" BoxOwner Form pages::network::changes::longer),
    route!(POST "/changes/discard" BoxOwner Form pages::network::changes::discard),
    route!(POST "/changes/restore" BoxOwner Form pages::network::changes::restore),
    route!(GET "/handover" Anyone Page pages::network::handover::show),
    route!(POST "/handover" Anyone Form pages::network::handover::submit),
    route!(GET "/activity" Reader Page pages::activity::show),
    route!(GET "/help" Anyone Page pages::manual::show),
    route!(GET "/help/{leaf}" Anyone Page pages::manual::show),
    route!(GET "/about" Anyone Page pages::manual::about),
    route!(GET "/events" Account Stream live::events),
    route!(GET "/assets/{name}" Anyone Asset pages::never),
    route!(GET "/metrics" Account Api api::metrics::show),
    route!(GET "/api/v1/openapi.json" Anyone Api api::openapi::show),
    route!(GET "/api/v1/events" Account Stream live::events),
    route!(GET "/api/v1/content/{collection}/{*path}" Reader Api download::program),
    route!(PUT "/api/v1/content/{collection}/{*path}" Account ApiUpload upload::program),
    route!(PUT "/api/v1/folders/{collection}/{*path}" Account ApiForm upload::program_folder),
];

/// What addresses that lead nowhere are.
pub(crate) static NOT_FOUND: Route = route!(GET "/" Anyone Page pages::error::not_found);

fn all() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().chain(api::table::routes())
}

/// Every row, for tests.
#[must_use]
pub fn route_table() -> Vec<RouteInfo> {
    let info = |route: &'static Route| RouteInfo {
        method: route.method.clone(),
        path: route.path,
        right: route.right,
        kind: route.kind,
    };
    all().map(info).collect()
}

pub(crate) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    for route in all() {
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else { continue };
        let app = Arc::clone(app);
        let handler = move |request: Request| dispatch(route, Arc::clone(&app), request);
        router = router.route(route.path, on(filter, handler));
    }
    let (lost, wrong) = (Arc::clone(app), Arc::clone(app));
    router
        .method_not_allowed_fallback(move |request: Request| {
            pages::error::wrong_method(Arc::clone(&wrong), request)
        })
        .fallback(move |request: Request| dispatch(&NOT_FOUND, Arc::clone(&lost), request))
        .layer(from_fn_with_state(Arc::clone(app), guard::stand))
}
