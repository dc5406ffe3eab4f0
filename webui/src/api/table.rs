//! Which method on which path gives which command.

use std::sync::LazyLock;

use axum::http::Method;

use crate::api::schema;
use crate::routes::{Handler, Kind, Route};

/// A row of the table.
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// The command's tag in JSON.
    pub(crate) command: &'static str,
    /// The tag of the reply whose content is answered; nothing for 204.
    pub(crate) reply: Option<&'static str>,
    pub(crate) summary: &'static str,
}

macro_rules! endpoint {
    ($method:ident $path:literal $command:literal -> $reply:literal, $summary:literal) => {
        Endpoint {
            method: Method::$method,
            path: $path,
            command: $command,
            reply: Some($reply),
            summary: $summary,
        }
    };
    ($method:ident $path:literal $command:literal, $summary:literal) => {
        Endpoint {
            method: Method::$method,
            path: $path,
            command: $command,
            reply: None,
            summary: $summary,
        }
    };
}

pub(crate) static ENDPOINTS: &[Endpoint] = &[
    endpoint!(GET "/api/v1/status" "status" -> "status", "The box at a glance"),
    endpoint!(GET "/api/v1/me" "who_am_i" -> "principal", "Who the credential turned out to be"),
    endpoint!(POST "/api/v1/claim" "claim" -> "logged_in", "Makes the first person the owner"),
    endpoint!(POST "/api/v1/passphrase" "passphrase", "Changes the caller's passphrase"),
    endpoint!(GET "/api/v1/sessions" "sessions" -> "sessions", "Open sessions"),
    endpoint!(POST "/api/v1/sessions" "login" -> "logged_in", "Opens a session"),
    endpoint!(DELETE "/api/v1/sessions" "logout", "Ends the session that asks"),
    endpoint!(DELETE "/api/v1/sessions/{id}" "session_revoke", "Ends a session"),
    endpoint!(GET "/api/v1/accounts" "accounts" -> "accounts", "Everybody with an account"),
    endpoint!(POST "/api/v1/accounts" "account_join" -> "logged_in", "Uses an account link"),
    endpoint!(POST "/api/v1/accounts/links" "account_invite" -> "account_invite", "Makes an account link"),
    endpoint!(PUT "/api/v1/accounts/{name}/role" "account_role", "Changes an account's role"),
    endpoint!(DELETE "/api/v1/accounts/{name}" "account_remove", "Removes an account"),
    endpoint!(GET "/api/v1/tokens" "tokens" -> "tokens", "The caller's API tokens"),
    endpoint!(POST "/api/v1/tokens" "token_create" -> "token_created", "Makes an API token"),
    endpoint!(DELETE "/api/v1/tokens/{id}" "token_revoke", "Ends an API token"),
    endpoint!(GET "/api/v1/spaces" "spaces" -> "spaces", "The spaces of the box"),
    endpoint!(POST "/api/v1/spaces" "space_create" -> "space", "Makes a space"),
    endpoint!(GET "/api/v1/members" "members" -> "members", "Who is in a space"),
    endpoint!(PUT "/api/v1/members/{member}" "member_set", "Gives a member another role"),
    endpoint!(DELETE "/api/v1/members/{member}" "member_remove", "Removes a member"),
    endpoint!(PUT "/api/v1/policy" "policy_set", "Says what visitors may read"),
    endpoint!(POST "/api/v1/invites" "invite" -> "invite", "Makes an invite code"),
    endpoint!(POST "/api/v1/join" "join" -> "space", "Joins the space of an invite code"),
    endpoint!(GET "/api/v1/peers" "peers" -> "peers", "The other boxes"),
    endpoint!(POST "/api/v1/peers" "peer_add", "Keeps an address to dial always"),
    endpoint!(DELETE "/api/v1/peers/{peer}" "peer_forget", "Forgets a box or an address"),
    endpoint!(GET "/api/v1/posts" "posts" -> "posts", "Notices, newest first"),
    endpoint!(POST "/api/v1/posts" "post" -> "posted", "Puts up a notice or a reply"),
    endpoint!(DELETE "/api/v1/posts/{id}" "post_remove", "Takes a notice back"),
    endpoint!(GET "/api/v1/collections" "collections" -> "collections", "The collections of a space"),
    endpoint!(GET "/api/v1/files/{collection}" "files" -> "files", "What is in a folder (`path`)"),
    endpoint!(GET "/api/v1/entries/{collection}/{*path}" "file" -> "file", "One file or folder"),
    endpoint!(PUT "/api/v1/entries/{collection}/{*path}" "file_put" -> "file", "Names content that is in the store"),
    endpoint!(DELETE "/api/v1/entries/{collection}/{*path}" "file_remove" -> "file", "Removes a file or folder"),
    endpoint!(GET "/api/v1/roles" "supervision" -> "supervision", "How the processes of the box are"),
    endpoint!(GET "/api/v1/logs" "logs" -> "logs", "What the processes said lately"),
    endpoint!(POST "/api/v1/handover" "hand_over" -> "hand_over", "Makes a ticket to go on at another address"),
    endpoint!(POST "/api/v1/takeover" "take_over" -> "logged_in", "Uses such a ticket"),
    endpoint!(GET "/api/v1/network" "network.status" -> "network.status", "The network as it is"),
    endpoint!(GET "/api/v1/network/settings" "network.settings" -> "network.settings", "The settings in force"),
    endpoint!(GET "/api/v1/network/draft" "network.draft" -> "network.settings", "The caller's draft"),
    endpoint!(POST "/api/v1/network/draft" "network.draft_set" -> "network.settings", "Puts values into the caller's draft"),
    endpoint!(PUT "/api/v1/network/draft" "network.draft_replace" -> "network.settings", "Replaces the caller's draft"),
    endpoint!(DELETE "/api/v1/network/draft" "network.draft_discard", "Throws the caller's draft away"),
    endpoint!(GET "/api/v1/network/review" "network.review" -> "network.review", "What the draft would change"),
    endpoint!(POST "/api/v1/network/check" "network.check" -> "network.review", "What a document would change, and what is wrong with it"),
    endpoint!(GET "/api/v1/network/change" "network.change" -> "network.change", "The change under way, or the last one"),
    endpoint!(POST "/api/v1/network/change" "network.apply" -> "network.applied", "Carries out what was reviewed"),
    endpoint!(POST "/api/v1/network/change/confirm" "network.confirm" -> "network.change", "Keeps the change that waits"),
    endpoint!(POST "/api/v1/network/change/extend" "network.extend" -> "network.change", "Waits a little longer"),
    endpoint!(DELETE "/api/v1/network/change" "network.revert" -> "network.change", "Takes the change that waits back"),
    endpoint!(GET "/api/v1/network/history" "network.history" -> "network.history", "Settings that were in force"),
    endpoint!(POST "/api/v1/network/history/{revision}" "network.restore" -> "network.settings", "Makes past settings the draft"),
    endpoint!(GET "/api/v1/network/survey" "network.surveyed" -> "network.surveyed", "What the radios heard last"),
    endpoint!(POST "/api/v1/network/survey" "network.survey" -> "network.surveyed", "Begins to listen for networks"),
    endpoint!(POST "/api/v1/network/ping" "network.ping", "Asks a box of the mesh for signs of life"),
    endpoint!(GET "/api/v1/network/aim" "network.aim" -> "network.status", "Looks at neighbours once a second for a minute"),
    endpoint!(GET "/api/v1/network/graphs" "network.graphs" -> "network.graphs", "The last 24 hours"),
    endpoint!(PUT "/api/v1/network/clients/{mac}" "network.client_set", "Names, fixes or pauses a device"),
    endpoint!(GET "/api/v1/activity" "activity" -> "activity", "What happened lately"),
];

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let route = |endpoint: &'static Endpoint| {
        let command = schema::sample(endpoint.command)?;
        Some(Route {
            method: endpoint.method.clone(),
            path: endpoint.path,
            right: command.right().0,
            kind: Kind::Api,
            handler: Handler::Endpoint(endpoint),
        })
    };
    ENDPOINTS.iter().filter_map(route).collect()
});

/// The routes of the table.
pub(crate) fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_names_a_command_and_a_reply() {
        assert_eq!(routes().count(), ENDPOINTS.len());
        for endpoint in ENDPOINTS {
            if let Some(reply) = endpoint.reply {
                assert!(schema::reply(reply).is_some(), "{reply}");
            }
            let command = schema::command(endpoint.command).unwrap();
            for name in schema::places(endpoint.path) {
                assert!(command.fields.contains_key(name), "{} has no {name}", endpoint.path);
            }
        }
    }

    #[test]
    fn every_command_but_metrics_and_what_only_the_node_says_has_a_row() {
        let missing: Vec<String> = schema::commands()
            .filter(|tag| {
                !["metrics", "network.identify"].contains(&tag.as_str())
                    && !ENDPOINTS.iter().any(|endpoint| endpoint.command == tag)
            })
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
