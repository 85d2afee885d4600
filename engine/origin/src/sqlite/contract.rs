//! The contract, kept by tables that keep more and less beside their values.

use larder_core::Value;
use serde_json::json;

use super::SqliteOrigin;
use super::tests::Shop;
use crate::contract::{Keeps, Subject};

fn row(id: &str, version: u32) -> Value {
    Value::json(json!({"id": id, "name": format!("of {id}"), "n": version}).to_string())
}

async fn rows_of(table: &'static str, keeps: Keeps) -> (Shop, Subject) {
    let shop = Shop::new();
    let origin = SqliteOrigin::open(shop.keeping(table, keeps));
    let subject = Subject {
        origin: Box::new(origin.expect("the table is there")),
        keeps,
        value: row,
        poison: Value::json(r#"{"n":999}"#),
        field: Some("n"),
        alter: Some(shop.altering(table)),
    };
    (shop, subject)
}

const VERSION: Keeps = Keeps {
    version: true,
    sequence: false,
    deleted: false,
};
const SEQUENCE: Keeps = Keeps {
    version: false,
    sequence: true,
    deleted: false,
};

crate::contract::on_tables! {
    plain: "items" keeps Keeps::default();
    with_triggers_and_generated_columns: "stirred" keeps Keeps::default();
    with_version_sequence_and_mark: "kept" keeps Keeps { deleted: true, sequence: true, ..VERSION };
    with_sequence: "kept" keeps SEQUENCE;
    with_sequence_and_mark: "kept" keeps Keeps { deleted: true, ..SEQUENCE };
    strict_with_version_sequence_and_mark: "strict" keeps Keeps { deleted: true, sequence: true, ..VERSION };
    strict_with_version: "strict" keeps VERSION;
    strict_with_version_and_mark: "strict" keeps Keeps { deleted: true, ..VERSION };
    strict_with_version_and_sequence: "strict" keeps Keeps { sequence: true, ..VERSION };
}
