//! The schemas of commands and replies (JSON Schema 2020-12, which OpenAPI 3.1 uses), taken apart.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use kith_model::command::Command;
use kith_model::refusal::Refusal;
use kith_model::reply::Reply;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The family of commands about the network.
const NETWORK: &str = "network";

/// The fields of a command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variant {
    pub(crate) description: String,
    pub(crate) fields: BTreeMap<String, Value>,
    pub(crate) required: Vec<String>,
    /// Whether it has no fields and is written as a mere string.
    pub(crate) unit: bool,
}

struct Schemas {
    commands: BTreeMap<String, Variant>,
    replies: BTreeMap<String, Value>,
    definitions: Map<String, Value>,
}

static SCHEMAS: LazyLock<Schemas> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    generator.subschema_for::<Command>();
    generator.subschema_for::<Reply>();
    generator.subschema_for::<Refusal>();
    let mut definitions = generator.take_definitions(true);
    let mut commands = variants(definitions.remove("Command").as_ref());
    let mut replies = variants(definitions.remove("Reply").as_ref());
    // Commands about the network come in a family of their own: `network.status`.
    nest(&mut commands, definitions.remove("NetworkAsk").as_ref());
    nest(&mut replies, definitions.remove("NetworkReply").as_ref());
    Schemas {
        commands: commands.into_iter().map(|(tag, schema)| (tag, variant(&schema))).collect(),
        replies,
        definitions,
    }
});

/// The command with this tag.
pub(crate) fn command(tag: &str) -> Option<&'static Variant> {
    SCHEMAS.commands.get(tag)
}

/// The tags of all commands.
#[cfg(test)]
pub(crate) fn commands() -> impl Iterator<Item = String> {
    SCHEMAS.commands.keys().cloned()
}

/// The schema of what a reply holds.
pub(crate) fn reply(tag: &str) -> Option<Value> {
    let inner = SCHEMAS.replies.get(tag)?.get("properties")?.get(leaf(tag))?;
    Some(inner.clone())
}

/// The family and the name in a tag: `network` and `status` in `network.status`.
pub(crate) fn family(tag: &str) -> (Option<&str>, &str) {
    tag.split_once('.').map_or((None, tag), |(family, name)| (Some(family), name))
}

fn leaf(tag: &str) -> &str {
    family(tag).1
}

/// A command's JSON, in its family if it has one.
pub(crate) fn whole(tag: &str, unit: bool, fields: Map<String, Value>) -> Value {
    let (family, name) = family(tag);
    let inner = if unit { json!(name) } else { json!({ name: fields }) };
    family.map_or(inner.clone(), |family| json!({ family: inner }))
}

/// What a reply's JSON holds, if it is the reply of this tag.
pub(crate) fn content<'a>(tag: &str, reply: &'a Value) -> Option<&'a Value> {
    let (family, name) = family(tag);
    family.map_or(Some(reply), |family| reply.get(family))?.get(name)
}

fn nest(all: &mut BTreeMap<String, Value>, family: Option<&Value>) {
    all.remove(NETWORK);
    let members = variants(family).into_iter();
    all.extend(members.map(|(tag, schema)| (format!("{NETWORK}.{tag}"), schema)));
}

/// The schemas that others refer to.
pub(crate) fn definitions() -> Map<String, Value> {
    SCHEMAS.definitions.clone()
}

/// Some command of this tag, to ask what right it needs.
pub(crate) fn sample(tag: &str) -> Option<Command> {
    let variant = command(tag)?;
    let fields = variant.required.iter().map(|name| (name.clone(), example(&variant.fields[name])));
    serde_json::from_value(whole(tag, variant.unit, fields.collect())).ok()
}

/// The JSON type of a field, where it has one besides null.
pub(crate) fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// The names in the braces of a path.
pub(crate) fn places(path: &str) -> impl Iterator<Item = &str> {
    path.split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .map(|name| name.trim_start_matches('*'))
}

fn example(schema: &Value) -> Value {
    if let Some(first) = schema.get("examples").and_then(|all| all.get(0)) {
        return first.clone();
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let name = target.rsplit('/').next().unwrap_or_default();
        return SCHEMAS.definitions.get(name).map_or(Value::Null, example);
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        return choices.first().cloned().unwrap_or_default();
    }
    if let Some(first) = schema.get("oneOf").and_then(|choices| choices.get(0)) {
        return first.get("const").cloned().unwrap_or_else(|| example(first));
    }
    match type_of(schema) {
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        Some(_) | None => json!("x"),
    }
}

/// Tag and schema of each variant of an enum.
fn variants(schema: Option<&Value>) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let choices = schema.and_then(|schema| schema.get("oneOf")).and_then(Value::as_array);
    for choice in choices.into_iter().flatten() {
        let description = choice.get("description").cloned().unwrap_or_default();
        let unit = |tag: &Value| {
            Some((tag.as_str()?.to_owned(), json!({ "const": tag, "description": description })))
        };
        let single = choice.get("const").and_then(unit);
        let several = choice.get("enum").and_then(Value::as_array);
        let keyed =
            choice.get("required").and_then(|required| required.get(0)).and_then(Value::as_str);
        found.extend(single);
        found.extend(several.into_iter().flatten().filter_map(unit));
        found.extend(keyed.map(|tag| (tag.to_owned(), choice.clone())));
    }
    found
}

fn variant(schema: &Value) -> Variant {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let description = text(schema.get("description"));
    let Some(inner) =
        schema.get("properties").and_then(Value::as_object).and_then(|all| all.values().next())
    else {
        return Variant { description, unit: true, ..Variant::default() };
    };
    let fields = inner.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let required = inner.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    Variant {
        description,
        fields: fields.into_iter().collect(),
        required: required.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        unit: false,
    }
}
