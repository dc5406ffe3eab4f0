//! One row of the table at work: request to command, reply to JSON.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use kith_model::command::Command;
use kith_model::refusal::RefusalKind;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Failure, refuse, text};
use crate::api::schema::{self, Variant};
use crate::api::table::Endpoint;
use crate::ask::Ask;
use crate::dispatch::agent;

/// Gives the row's command and answers its reply.
pub(crate) async fn answer(endpoint: &'static Endpoint, ask: Ask) -> Result<Answer, Failure> {
    let command = command(endpoint, &ask)?;
    let reply = ask.call(command).await?;
    let value = serde_json::to_value(&reply)
        .map_err(|error| refuse(RefusalKind::Internal, error.to_string()))?;
    let Some(tag) = endpoint.reply else {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        return Ok(answer);
    };
    let inner = schema::content(tag, &value).ok_or_else(|| crate::ask::mismatch(tag, &reply))?;
    Ok(text(StatusCode::OK, "application/json", inner.to_string()))
}

fn command(endpoint: &Endpoint, ask: &Ask) -> Result<Command, Failure> {
    let invalid = |message: String| refuse(RefusalKind::Invalid, message);
    let variant = schema::command(endpoint.command)
        .ok_or_else(|| refuse(RefusalKind::Internal, "the table names no such command"))?;
    let mut fields = body(ask)?;
    for (name, value) in &ask.query.0 {
        fields.insert(name.clone(), typed(variant, name, value).map_err(invalid)?);
    }
    // The path says what is meant, whatever else stands in the body.
    for (name, value) in &ask.params {
        fields.insert(name.clone(), json!(value));
    }
    if variant.fields.contains_key("agent") && !fields.contains_key("agent") {
        fields.insert("agent".into(), json!(agent(&ask.headers)));
    }
    if let Some(unknown) = fields.keys().find(|name| !variant.fields.contains_key(*name)) {
        let known: Vec<&str> = variant.fields.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "nothing".into() } else { known.join(", ") };
        let unknown: String = unknown.chars().take(60).collect();
        return Err(invalid(format!("“{unknown}” is not known here; this takes {known}")));
    }
    serde_json::from_value(schema::whole(endpoint.command, variant.unit, fields))
        .map_err(|error| invalid(format!("the request does not fit: {error}")))
}

fn body(ask: &Ask) -> Result<Map<String, Value>, Failure> {
    if ask.json.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&ask.json).map_err(|error| {
        refuse(RefusalKind::Invalid, format!("the body is no JSON object: {error}"))
    })
}

/// A value of a query in the type its field has.
fn typed(variant: &Variant, name: &str, value: &str) -> Result<Value, String> {
    match variant.fields.get(name).and_then(schema::type_of) {
        Some("integer") => value
            .parse::<u64>()
            .map(Value::from)
            .map_err(|_| format!("{name} takes a whole number")),
        Some("boolean") => value
            .parse::<bool>()
            .map(Value::from)
            .map_err(|_| format!("{name} takes true or false")),
        Some(_) | None => Ok(json!(value)),
    }
}
