//! The contract, kept by tables that keep more and less beside their values.

use larder_core::Value;
use serde_json::json;

use super::tests::{Shop, open};
use crate::contract::{Keeps, Subject};
use crate::testing::Pooler;

fn row(id: &str, version: u32) -> Value {
    Value::json(json!({"id": id, "name": format!("of {id}"), "n": version}).to_string())
}

async fn rows_of(table: &'static str, keeps: Keeps) -> (Shop, Subject) {
    let shop = Shop::new().await;
    let subject = Subject {
        origin: Box::new(open(shop.keeping(table, keeps)).await),
        keeps,
        value: row,
        poison: Value::json(r#"{"n":999}"#),
        field: (table != "kept").then_some("n"),
        alter: Some(shop.altering(table)),
    };
    (shop, subject)
}

async fn bytes() -> (Shop, Subject) {
    let shop = Shop::new().await;
    let mut config = shop.config("blobs");
    config.column = Some("value".into());
    let subject = Subject {
        origin: Box::new(open(config).await),
        keeps: Keeps::default(),
        value: |id, version| Value::new(format!("\0{id} {version}")),
        poison: Value::new("poison"),
        field: None,
        alter: Some(shop.altering("blobs")),
    };
    (shop, subject)
}

crate::contract::on_tables! {
    plain: "items" keeps Keeps::default();
    with_triggers_and_generated_columns: "stirred" keeps Keeps::default();
    with_version_sequence_and_mark: "kept" keeps Keeps { version: true, sequence: true, deleted: true };
    with_sequence: "kept" keeps Keeps { version: false, sequence: true, deleted: false };
    with_version_and_mark: "kept" keeps Keeps { version: true, sequence: false, deleted: true };
}

/// Where each transaction is executed by another session.
async fn pooled() -> ((Pooler, Shop), Subject) {
    let shop = Shop::new().await;
    let (port, name) = shop.0.place();
    let pooler = Pooler::start(port, "ignore_startup_parameters = options").await;
    let keeps = Keeps {
        version: true,
        sequence: true,
        deleted: true,
    };
    let mut config = shop.keeping("kept", keeps);
    config.url = pooler.url(name);
    let subject = Subject {
        origin: Box::new(open(config).await),
        keeps,
        value: row,
        poison: Value::json(r#"{"n":999}"#),
        field: None,
        alter: Some(shop.altering("kept")),
    };
    ((pooler, shop), subject)
}

mod through_a_pooler {
    use super::pooled;

    crate::origin_contract!(pooled());
}

mod of_bytes {
    use super::bytes;

    crate::origin_contract!(bytes());
}
