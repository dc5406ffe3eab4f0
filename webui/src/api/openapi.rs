//! The OpenAPI 3.1 document, made from the table and the schemas.

use std::sync::LazyLock;

use axum::http::{Method, StatusCode};
use kith_model::caller::Scope;
use kith_model::command::Right;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Failure, text};
use crate::api::schema::{self, Variant};
use crate::api::table::{ENDPOINTS, Endpoint};
use crate::ask::Ask;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

#[expect(clippy::unused_async, reason = "the table holds async functions")]
pub(crate) async fn show(_ask: Ask) -> Result<Answer, Failure> {
    Ok(text(StatusCode::OK, "application/json", DOCUMENT.clone()))
}

fn document() -> Value {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        add(&mut paths, endpoint.path, &endpoint.method, operation(endpoint));
    }
    for (path, method, operation) in by_hand() {
        add(&mut paths, path, &method, operation);
    }
    let mut schemas = schema::definitions();
    schemas.insert("Problem".into(), problem());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Kith",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Everything the panel does. Times are milliseconds since 1970 in UTC, sizes are bytes. \
                Programs send a bearer token and no cookie; scripts in the panel send the session cookie and its form token in X-Kith-Token. \
                Paths of files keep their slashes.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" }
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "responses": { "Problem": {
                "description": "Not done, and why",
                "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
            } }
        }
    })
}

fn add(paths: &mut Map<String, Value>, path: &str, method: &Method, operation: Value) {
    let item = paths.entry(path.replace("{*", "{")).or_insert_with(|| json!({}));
    if let Some(item) = item.as_object_mut() {
        item.insert(method.as_str().to_ascii_lowercase(), operation);
    }
}

fn operation(endpoint: &Endpoint) -> Value {
    let fallback = Variant::default();
    let variant = schema::command(endpoint.command).unwrap_or(&fallback);
    let places: Vec<&str> = schema::places(endpoint.path).collect();
    let in_body = endpoint.method == Method::POST || endpoint.method == Method::PUT;
    let mut parameters: Vec<Value> = places.iter().map(|name| path_parameter(name)).collect();
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, schema) in variant.fields.iter().filter(|(name, _)| !places.contains(&name.as_str()))
    {
        let needed = variant.required.contains(name) && name != "agent";
        if in_body {
            properties.insert(name.clone(), schema.clone());
            required.extend(needed.then(|| json!(name)));
        } else {
            parameters
                .push(json!({ "name": name, "in": "query", "required": needed, "schema": schema }));
        }
    }
    let mut operation = json!({
        "operationId": format!("{}_{}", endpoint.method.as_str().to_ascii_lowercase(), endpoint.command),
        "summary": endpoint.summary,
        "description": variant.description,
        "parameters": parameters,
        "responses": { "default": { "$ref": "#/components/responses/Problem" } },
    });
    if in_body {
        let schema = json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    let (status, done) = match endpoint.reply.and_then(schema::reply) {
        Some(schema) => (
            "200",
            json!({ "description": "Done", "content": { "application/json": { "schema": schema } } }),
        ),
        None => ("204", json!({ "description": "Done, and durable" })),
    };
    operation["responses"][status] = done;
    operation["security"] =
        security(schema::sample(endpoint.command).map(|command| command.right()));
    operation
}

fn security(needed: Option<(Right, Scope)>) -> Value {
    let Some((right, scope)) = needed else { return json!([]) };
    let scope = serde_json::to_value(scope).unwrap_or_default();
    match right {
        Right::Anyone => json!([]),
        Right::Reader => json!([{}, { "token": [scope] }]),
        Right::Account | Right::BoxOwner => json!([{ "token": [scope] }]),
    }
}

fn path_parameter(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}

/// What is not JSON.
fn by_hand() -> Vec<(&'static str, Method, Value)> {
    let bytes = json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } });
    let place = json!([path_parameter("collection"), path_parameter("path"),
        { "name": "space", "in": "query", "required": false, "schema": { "type": "string" } }]);
    let problem = json!({ "$ref": "#/components/responses/Problem" });
    let plain = |summary: &str, mime: &str, scope: &str| {
        json!({ "summary": summary, "security": [{ "token": [scope] }], "responses": {
            "200": { "description": "Done", "content": { mime: { "schema": { "type": "string" } } } }, "default": problem } })
    };
    let content = "/api/v1/content/{collection}/{*path}";
    vec![
        (
            content,
            Method::GET,
            json!({
            "summary": "The bytes of a file; takes Range and If-None-Match, the ETag is the root's cid",
            "parameters": place, "security": [{}, { "token": ["read"] }],
            "responses": {
                "200": { "description": "All of it", "content": bytes },
                "206": { "description": "A part of it", "content": bytes },
                "304": { "description": "Unchanged" }, "416": { "description": "No such part" }, "default": problem } }),
        ),
        (
            content,
            Method::PUT,
            json!({
            "summary": "Puts a file's bytes at a path", "parameters": place, "security": [{ "token": ["write"] }],
            "requestBody": { "required": true, "content": bytes },
            "responses": { "201": { "description": "Done, and durable", "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/FileEntry" } } } }, "default": problem } }),
        ),
        ("/api/v1/folders/{collection}/{*path}", Method::PUT, put_folder(&place, &problem)),
        (
            "/api/v1/events",
            Method::GET,
            plain(
                "Server-sent events: counters that grow with every change",
                "text/event-stream",
                "read",
            ),
        ),
        (
            "/api/v1/openapi.json",
            Method::GET,
            json!({ "summary": "This document", "security": [], "responses": {
            "200": { "description": "Done", "content": { "application/json": { "schema": { "type": "object" } } } } } }),
        ),
        ("/metrics", Method::GET, plain("Counters for Prometheus", "text/plain", "metrics")),
    ]
}

fn put_folder(place: &Value, problem: &Value) -> Value {
    let files = json!({ "type": "array", "items": { "type": "string", "format": "binary" } });
    let form = json!({ "type": "object", "required": ["file"], "properties": { "file": files } });
    json!({
        "summary": "Puts a folder at a path, in place of what is there: one directory under one record",
        "description": "Each part of the form is a file; its filename is its path inside the folder, with slashes, \
            at most 64 folders deep and 50,000 files and folders in all. What breaks off leaves nothing.",
        "parameters": place, "security": [{ "token": ["write"] }],
        "requestBody": { "required": true, "content": { "multipart/form-data": { "schema": form } } },
        "responses": { "201": { "description": "Done, and durable", "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/FileEntry" } } } }, "default": problem } })
}

fn problem() -> Value {
    json!({
        "type": "object", "description": "RFC 9457, with the kind of refusal",
        "required": ["type", "title", "status", "detail", "kind"],
        "properties": {
            "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
            "detail": { "type": "string" }, "kind": { "$ref": "#/components/schemas/RefusalKind" },
            "retry_after": { "type": ["integer", "null"], "description": "Seconds" }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::route_table;

    #[test]
    fn every_route_of_the_api_is_in_the_document() {
        let document = document();
        let mut count = 0;
        for route in route_table()
            .iter()
            .filter(|route| route.path.starts_with("/api/") || route.path == "/metrics")
        {
            let path = route.path.replace("{*", "{");
            let method = route.method.as_str().to_ascii_lowercase();
            assert!(document["paths"][&path][&method].is_object(), "{method} {path}");
            count += 1;
        }
        assert!(count > 35, "{count}");
        let documented: usize = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .map(|item| item.as_object().unwrap().len())
            .sum();
        assert_eq!(documented, count);
    }

    #[test]
    fn every_reference_in_the_document_leads_somewhere() {
        let document = document();
        let (mut pending, mut references) = (vec![&document], 0);
        while let Some(value) = pending.pop() {
            if let Some(target) = value.get("$ref").and_then(Value::as_str) {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{target}");
                references += 1;
            }
            match value {
                Value::Object(fields) => pending.extend(fields.values()),
                Value::Array(items) => pending.extend(items),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        assert!(references > 50, "{references}");
    }

    #[test]
    fn parameters_and_bodies_come_from_the_commands() {
        let document = document();
        let posts = &document["paths"]["/api/v1/posts"];
        let names: Vec<_> = posts["get"]["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["before", "limit", "space"]);
        let body = &posts["post"]["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(body["required"], json!(["text"]));
        assert!(document["paths"]["/api/v1/posts/{id}"]["delete"].is_object());
    }
}
