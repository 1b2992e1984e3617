//! The reference of a scenario's keys, as Markdown tables, from the schema.

use std::fmt::Write;

use serde_json::{Map, Value};

/// Every table of a scenario with its keys: value, default, meaning.
pub fn reference() -> String {
    let schema = super::generated(true);
    let mut text = String::new();
    let root = &schema["properties"];
    section(
        &mut text,
        "At the top",
        &schema,
        &[
            "workload", "model", "topology", "node", "switch", "link", "plan", "load", "probe", "fault", "chaos",
            "expect",
        ],
    );
    kinds(&mut text, "workload", "`[workload]`", &root["workload"]);
    section(&mut text, "`[model]`", &root["model"], &[]);
    kinds(&mut text, "topology", "`[topology]`", &root["topology"]);
    let topologies = root["topology"]["oneOf"].as_array().map_or(&[][..], Vec::as_slice);
    if let Some(classes) = topologies.iter().find(|kind| kind["properties"].get("pair").is_some()) {
        section(&mut text, "`[[topology.class]]` of classes", &classes["properties"]["class"]["items"], &[]);
        section(&mut text, "`[[topology.pair]]` of classes", &classes["properties"]["pair"]["items"], &[]);
    }
    let node = &root["node"]["anyOf"];
    section(&mut text, "`[node]`, `[node.NAME]`, `[node.client]`, `[node.dispatcher]`, `[node.worker]`", &node[0], &[]);
    kinds(&mut text, "ready", "`ready` of a node", &node[0]["properties"]["ready"]);
    section(&mut text, "`[[node]]` of a graph", &node[1]["items"], &[]);
    section(&mut text, "`[[switch]]` of a graph", &root["switch"]["items"], &[]);
    section(&mut text, "`[[link]]` of a graph", &root["link"]["items"], SHAPE);
    shape(&mut text, &root["link"]["items"]);
    section(&mut text, "`[plan]`", &root["plan"], &[]);
    kinds(&mut text, "load", "`[load]`", &root["load"]);
    kinds(&mut text, "probe", "`[[probe]]`", &root["probe"]["items"]);
    kinds(&mut text, "fault", "`[[fault]]`", &root["fault"]["items"]);
    section(&mut text, "`[chaos]`", &root["chaos"], &[]);
    section(&mut text, "`[expect]`", &root["expect"], &[]);
    text
}

/// The keys of shapes, which are shown once.
const SHAPE: &[&str] = &[
    "rate",
    "delay",
    "jitter",
    "jitter_correlation",
    "distribution",
    "loss",
    "reorder",
    "reorder_gap",
    "duplicate",
    "corrupt",
    "queue",
    "aqm",
];

fn section(text: &mut String, title: &str, schema: &Value, without: &[&str]) {
    let description = schema["description"].as_str().unwrap_or_default();
    let _ = write!(text, "### {title}\n\n{description}\n\n");
    table(text, schema, without);
}

fn shape(text: &mut String, link: &Value) {
    text.push_str("### Shape: what happens to packets\n\n");
    text.push_str("In every topology (`wifi`, `matrix` and `classes` have no `rate` of their own), in `[[link]]`, in `up`, `down`, `a_to_b` and `b_to_a`, and in faults of kind `degrade`.\n\n");
    let others: Vec<&str> =
        properties(link).map(|(name, _)| name.as_str()).filter(|name| !SHAPE.contains(name)).collect();
    table(text, link, &others);
}

fn kinds(text: &mut String, of: &str, title: &str, schema: &Value) {
    let _ = write!(text, "### {title}\n\n{}\n\n", schema["description"].as_str().unwrap_or_default());
    for kind in schema["oneOf"].as_array().into_iter().flatten() {
        let name = kind["properties"]["kind"]["const"].as_str().unwrap_or_default();
        let shaped = kind["properties"].get("jitter").is_some();
        let _ = write!(text, "#### {of}: `kind = \"{name}\"`\n\n{}", kind["description"].as_str().unwrap_or_default());
        text.push_str(if shaped { " Shape keys besides:\n\n" } else { "\n\n" });
        let mut without = vec!["kind"];
        without.extend(SHAPE.iter().filter(|_| shaped));
        table(text, kind, &without);
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flat_map(Map::iter)
}

fn table(text: &mut String, schema: &Value, without: &[&str]) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut keys: Vec<_> = properties(schema).filter(|(name, _)| !without.contains(&name.as_str())).collect();
    if keys.is_empty() {
        return;
    }
    // What must be there comes first; otherwise in the order of the structs.
    keys.sort_by_key(|(name, key)| (!required.contains(&name.as_str()), key[super::POSITION].as_u64()));
    text.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
    for (name, key) in keys {
        let default = match key.get("default") {
            Some(default) => format!("`{default}`"),
            None if required.contains(&name.as_str()) => "**required**".to_owned(),
            None => String::new(),
        };
        let meaning = key["description"].as_str().unwrap_or_default().replace('|', "\\|");
        let _ = writeln!(text, "| `{name}` | {} | {default} | {meaning} |", value(key));
    }
    text.push('\n');
}

/// What a key takes, in a few words.
fn value(key: &Value) -> String {
    if let Some(words) = key["enum"].as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        return words.join(", ");
    }
    let title = key["title"].as_str().unwrap_or("table");
    let bounds = match (key["minimum"].as_u64(), key["maximum"].as_u64()) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        _ => String::new(),
    };
    format!("{title}{bounds}")
}
