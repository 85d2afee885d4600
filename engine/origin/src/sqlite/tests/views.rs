//! Fields, JSON, and rows that cannot be computed.

use super::*;

fn field<'a>(id: &'a str, attributes: &'a [(String, String)]) -> Wanted<'a> {
    Wanted {
        attributes,
        ..wanted(id)
    }
}

fn named(names: &[&str]) -> Vec<(String, String)> {
    let named = names
        .iter()
        .map(|name| ("query.field".to_owned(), (*name).to_owned()));
    named.collect()
}

fn spelled(value: Option<Value>) -> Option<String> {
    value.map(|value| String::from_utf8(value.bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn what_a_view_cannot_compute_is_a_failure_and_no_absence() {
    let shop = Shop::new();
    shop.run(
        "CREATE TABLE raw (id TEXT PRIMARY KEY, doc TEXT);
         INSERT INTO raw VALUES ('good', '{\"a\":1}'), ('bad', '{');
         CREATE VIEW parsed AS SELECT id, json_extract(doc, '$.a') AS a FROM raw;
         CREATE VIEW sums AS SELECT id, abs(-9223372036854775807 - (id = 'bad')) AS n FROM raw;",
    );
    for (view, words) in [("parsed", "malformed JSON"), ("sums", "overflow")] {
        let origin = shop.origin(view);
        assert!(text(&origin, "good").await.is_some(), "{view}");
        let error = origin.load(wanted("bad")).await.unwrap_err();
        assert_eq!(error.as_str(), "failed", "{view}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(text(&origin, "none").await, None, "{view}");
    }
}

#[tokio::test]
async fn what_its_own_values_lead_to_is_the_writers_fault() {
    let shop = Shop::new();
    shop.run(
        "CREATE TABLE lines (id TEXT PRIMARY KEY, product INTEGER REFERENCES products (id),
             doc TEXT, kind TEXT CHECK (kind IN ('a', 'b')));
         CREATE TRIGGER read_doc AFTER INSERT ON lines WHEN NEW.doc IS NOT NULL
             BEGIN SELECT json_extract(NEW.doc, '$.a'); END;
         CREATE TABLE exact (id TEXT PRIMARY KEY, n INTEGER) STRICT;
         CREATE VIEW names AS SELECT id, name FROM products;",
    );
    for (table, body, words) in [
        ("lines", json!({"product": 1}), "FOREIGN KEY"),
        ("lines", json!({"doc": "{"}), "malformed JSON"),
        ("lines", json!({"kind": "c"}), "CHECK"),
        ("lines", json!({"colour": "red"}), "no column `colour`"),
        ("exact", json!({"n": "x"}), "INTEGER"),
        ("names", json!({"name": "x"}), "because it is a view"),
    ] {
        let origin = shop.origin(table);
        let error = write(&origin, "42", &body).await.unwrap_err();
        assert_eq!(
            error.class(),
            crate::Class::Refused,
            "{table} {body}: {error}"
        );
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = shop.origin("names").delete(wanted("42")).await.unwrap_err();
    assert_eq!(error.as_str(), "rejected");
}

#[tokio::test]
async fn a_field_is_that_field_alone() {
    let shop = Shop::new();
    let origin = shop.origin("products");
    for (names, row) in [
        (&["price"][..], r#"{"price":3.5}"#),
        (&["sold", "id"][..], r#"{"id":42,"sold":true}"#),
        (&["price,sold"][..], r#"{"price":3.5,"sold":true}"#),
    ] {
        let attributes = named(names);
        let value = origin.load(field("42", &attributes)).await.unwrap().value;
        assert_eq!(spelled(value).as_deref(), Some(row));
        let absent = origin.load(field("43", &attributes)).await.unwrap();
        assert_eq!(absent.value, None);
    }
    let attributes = named(&["colour"]);
    let error = origin.load(field("42", &attributes)).await.unwrap_err();
    assert_eq!(error.as_str(), "rejected");
    let says = "no column `colour`; `field` may name: id, name, price, sold, photo";
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn a_field_is_written_alone_and_answered_alone() {
    let shop = Shop::new();
    let origin = shop.origin("products");
    let attributes = named(&["price"]);
    let price = field("42", &attributes);
    let written = origin
        .write(price, &Value::json(r#"{"price":9.5}"#))
        .await
        .unwrap();
    assert_eq!(spelled(written.value).as_deref(), Some(r#"{"price":9.5}"#));
    let body = Value::json(r#"{"price":1,"name":"x"}"#);
    let error = origin.write(price, &body).await.unwrap_err();
    assert!(error.to_string().contains("writes `name`"), "{error}");
    let error = origin.delete(price).await.unwrap_err();
    assert_eq!(error.as_str(), "rejected", "{error}");
    assert!(
        text(&origin, "42").await.unwrap().contains("9.5"),
        "the row is still there"
    );
    let changes = [Change {
        wanted: price,
        ..queued("42", None, 1)
    }];
    assert_eq!(
        origin.apply(&changes).await.remove(0).unwrap_err().as_str(),
        "rejected"
    );
}

#[tokio::test]
async fn columns_of_json_are_json_both_ways() {
    let shop = Shop::new();
    shop.run(
        "CREATE TABLE docs (id TEXT PRIMARY KEY, doc JSON, bin JSONB, plain TEXT);
         INSERT INTO docs VALUES ('old', '{\"a\": [1, 2]}', jsonb('{\"b\":null}'), '{}');
         INSERT INTO docs VALUES ('odd', 'no JSON', NULL, NULL);",
    );
    let origin = shop.origin("docs");
    assert_eq!(
        text(&origin, "old").await.unwrap(),
        r#"{"id":"old","doc":{"a": [1, 2]},"bin":{"b":null},"plain":"{}"}"#
    );
    assert!(
        text(&origin, "odd")
            .await
            .unwrap()
            .contains(r#""doc":"no JSON""#)
    );
    for doc in [
        r#"{"z":1,"a":{"deep":[true,null,1.50]}}"#,
        "[]",
        "\"a text\"",
        "\"5\"",
        "true",
        "5",
        "-1.5",
        "null",
    ] {
        let body = format!(r#"{{"doc":{doc},"bin":{doc}}}"#);
        let written = origin
            .write(wanted("new"), &Value::json(body))
            .await
            .unwrap();
        let row = format!(r#"{{"id":"new","doc":{doc},"bin":{doc},"plain":null}}"#);
        assert_eq!(written.value, Some(Value::json(row.clone())));
        let again = origin
            .write(wanted("new"), &Value::json(row.clone()))
            .await
            .unwrap();
        assert_eq!(
            again.value,
            Some(Value::json(row)),
            "written as it was read"
        );
    }
    let doc = "SELECT json_extract(doc, '$.a.deep[2]') FROM docs WHERE id = 'new'";
    write(&origin, "new", &json!({"doc": {"a": {"deep": [0, 0, 7]}}}))
        .await
        .unwrap();
    assert_eq!(shop.ask(doc), Some("7".into()));
}
