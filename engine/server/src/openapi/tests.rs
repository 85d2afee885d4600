//! The document is valid, says what the server does, and is the one in `docs`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::describe;

fn document() -> Value {
    serde_json::to_value(describe()).unwrap()
}

/// Every call: its method, path and description.
fn calls(document: &Value) -> Vec<(String, String, &Map<String, Value>)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            let calls = item.as_object().unwrap().iter();
            calls.map(|(method, call)| (method.clone(), path.clone(), call.as_object().unwrap()))
        })
        .collect()
}

/// Every object of the document with where it is.
fn visit(at: &str, value: &Value, see: &mut impl FnMut(&str, &Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            see(at, object);
            for (name, inner) in object {
                visit(&format!("{at}/{name}"), inner, see);
            }
        }
        Value::Array(all) => {
            for (n, inner) in all.iter().enumerate() {
                visit(&format!("{at}/{n}"), inner, see);
            }
        }
        _ => {}
    }
}

#[test]
fn every_call_has_a_name_of_its_own_and_every_answer_a_description() {
    let document = document();
    let mut names = BTreeSet::new();
    assert!(calls(&document).len() > 20);
    for (method, path, call) in calls(&document) {
        let name = call["operationId"].as_str().unwrap();
        assert!(names.insert(name), "two calls are named `{name}`");
        assert!(call["summary"].is_string(), "{method} {path}");
        for (status, answer) in call["responses"].as_object().unwrap() {
            let words = answer["description"].as_str().unwrap_or_default();
            assert!(
                !words.is_empty(),
                "{method} {path} {status} is not described"
            );
            let fails = !status.starts_with('2');
            let body = answer["content"].as_object();
            assert_eq!(body.is_none(), status == "204", "{method} {path} {status}");
            let problem = body.is_some_and(|body| body.contains_key("application/problem+json"));
            assert_eq!(problem, fails, "{method} {path} {status}");
        }
    }
}

#[test]
fn parameters_are_those_of_the_path_and_never_null() {
    let document = document();
    for (method, path, call) in calls(&document) {
        let none = Vec::new();
        let all = call
            .get("parameters")
            .map_or(&none, |all| all.as_array().unwrap());
        let mut names = BTreeSet::new();
        for one in all {
            let (name, place) = (one["name"].as_str().unwrap(), one["in"].as_str().unwrap());
            assert!(
                names.insert((place, name)),
                "{method} {path}: `{name}` twice"
            );
            assert!(one["description"].is_string(), "{method} {path}: `{name}`");
            let kind = one["schema"]["type"].to_string();
            assert!(
                !kind.contains("null"),
                "{method} {path}: `{name}` is {kind}"
            );
            assert_eq!(
                one["required"] == true,
                place == "path",
                "{method} {path}: `{name}`"
            );
        }
        let in_path: BTreeSet<_> = path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .collect();
        let told = names.iter().filter(|(place, _)| *place == "path");
        assert_eq!(
            told.map(|(_, name)| *name).collect::<BTreeSet<_>>(),
            in_path,
            "{path}"
        );
        let has_body = call.contains_key("requestBody");
        assert!(
            !has_body || method != "get" && method != "delete",
            "{method} {path}"
        );
    }
}

#[test]
fn what_is_referred_to_and_required_is_there() {
    let document = document();
    let mut refs = 0;
    visit("", &document, &mut |at, object| {
        if let Some(Value::String(name)) = object.get("$ref") {
            let pointer = name.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{at}: {name}");
            refs += 1;
        }
        assert!(
            object.get("nullable").is_none_or(|one| !one.is_boolean()),
            "{at} is not 3.1"
        );
        let properties = object.get("properties").and_then(Value::as_object);
        if let (Some(Value::Array(required)), Some(properties)) =
            (object.get("required"), properties)
        {
            for name in required {
                assert!(
                    properties.contains_key(name.as_str().unwrap()),
                    "{at}: {name}"
                );
            }
        }
    });
    assert!(refs > 50, "{refs}");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    for name in schemas.keys() {
        let used = format!("\"#/components/schemas/{name}\"");
        assert!(text.contains(&used), "nothing uses `{name}`");
    }
}

/// What the server refuses, clients that go by the document do not send.
#[test]
fn limits_are_those_of_the_server() {
    let document = document();
    let schema = |name: &str, property: &str| {
        document["components"]["schemas"][name]["properties"][property].clone()
    };
    for (name, property, least, most) in [
        ("WireRequest", "resource", Some(1), Some(256)),
        ("WireRequest", "id", Some(1), Some(4096)),
        ("WireRequest", "tenant", None, Some(256)),
        ("RowName", "resource", Some(1), Some(256)),
        ("RowName", "id", Some(1), Some(4096)),
        ("KeyName", "namespace", Some(1), None),
        ("KeyName", "key", Some(1), None),
        ("PatternName", "pattern", Some(1), Some(256)),
    ] {
        let found = schema(name, property);
        let length = |which: &str| found[which].as_u64();
        assert_eq!(
            (length("minLength"), length("maxLength")),
            (least, most),
            "{name}.{property}"
        );
    }
    assert_eq!(document["components"]["schemas"]["Name"]["minLength"], 1);
    let required = &document["components"]["schemas"]["WireRequest"]["required"];
    assert_eq!(
        required,
        &serde_json::json!(["operation", "resource", "id"])
    );
    let read = &document["paths"]["/v1/entries/{resource}/{id}"]["get"];
    let timeout = read["parameters"].as_array().unwrap().iter();
    let timeout = timeout
        .clone()
        .find(|one| one["name"] == "Larder-Timeout-Ms")
        .unwrap();
    assert_eq!(
        timeout["schema"],
        serde_json::json!({"type": "integer", "minimum": 1, "maximum": u32::MAX})
    );
}

/// `LARDER_UPDATE=1 cargo test -p larder-server openapi` writes it anew.
#[test]
fn the_document_in_docs_is_this_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let now = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("LARDER_UPDATE").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == now,
        "docs/openapi.json is not what the server says; LARDER_UPDATE=1 writes it anew"
    );
}
