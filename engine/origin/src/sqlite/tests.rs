mod as_read;
mod changed;
mod kept;
mod limits;
mod open;
mod read_only;
mod replaced;
mod together;
mod triggers;
mod views;

use std::path::PathBuf;
use std::time::Duration;

use larder_core::Value;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::contract::{Keeps, queued};

const SHOP: &str = "
    CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price REAL,
        sold BOOLEAN, photo BLOB);
    INSERT INTO products VALUES (42, 'Tea \"best\"', 3.5, 1, x'00ff'), (7, 'Jam', NULL, 0, NULL);
    CREATE TABLE items (id TEXT PRIMARY KEY COLLATE NOCASE, name TEXT, n INTEGER CHECK (n < 999));
    CREATE TABLE kept (id TEXT PRIMARY KEY, v INTEGER, name TEXT, s BIGINT NOT NULL,
        n INTEGER CHECK (n < 999), gone BOOLEAN);
    CREATE TABLE strict (s INTEGER, v INTEGER, gone INTEGER, id TEXT PRIMARY KEY, name TEXT,
        n INTEGER CHECK (n < 999)) STRICT, WITHOUT ROWID;
    CREATE TABLE stirred (id TEXT PRIMARY KEY, name TEXT, n INTEGER CHECK (n < 999), twice INTEGER AS (n * 2),
        half REAL AS (n / 2.0) STORED, total INTEGER, doc JSON DEFAULT '{\"a\":1}');
    CREATE TRIGGER stirred_in AFTER INSERT ON stirred
        BEGIN UPDATE stirred SET total = n * 3 WHERE id = NEW.id; END;
    CREATE TRIGGER stirred_up AFTER UPDATE OF n ON stirred
        BEGIN UPDATE stirred SET total = n * 3 WHERE id = NEW.id; END;
    CREATE TABLE untyped (id UNIQUE, name);
    INSERT INTO untyped VALUES (1, 'integer'), ('x', 'text');
    CREATE TABLE twins (id TEXT, name TEXT);
    INSERT INTO twins VALUES ('a', 'one'), ('a', 'two');
    CREATE TABLE \"odd \"\"name\" (\"the id\" TEXT, \"a \"\"b\" TEXT);
    INSERT INTO \"odd \"\"name\" VALUES ('1', 'found');
";

pub(super) struct Shop {
    path: PathBuf,
    _dir: TempDir,
}

impl Shop {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch(SHOP)
            .unwrap();
        Self { path, _dir: dir }
    }

    fn config(&self, table: &str) -> SqliteConfig {
        SqliteConfig::new(&self.path, table, "id")
    }

    /// With the columns for what is to be kept.
    pub(super) fn keeping(&self, table: &str, keeps: Keeps) -> SqliteConfig {
        let mut config = self.config(table);
        config.version = keeps.version.then(|| "v".into());
        config.sequence = keeps.sequence.then(|| "s".into());
        config.deleted = keeps.deleted.then(|| "gone".into());
        config
    }

    /// Changes a table by a connection of its own.
    pub(super) fn altering(&self, table: &'static str) -> crate::contract::Altering {
        let path = self.path.clone();
        Box::new(move |alter| {
            let db = Connection::open(&path).unwrap();
            db.execute_batch(&alter.sql(table)).unwrap();
            Box::pin(std::future::ready(()))
        })
    }

    fn run(&self, sql: &str) {
        Connection::open(&self.path)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }

    /// The first column of the first row, as text.
    fn ask(&self, sql: &str) -> Option<String> {
        let db = Connection::open(&self.path).unwrap();
        let sql = format!("SELECT CAST((SELECT * FROM ({sql}) LIMIT 1) AS TEXT)");
        db.query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    fn origin(&self, table: &str) -> SqliteOrigin {
        SqliteOrigin::open(self.config(table)).unwrap()
    }

    fn refused(&self, table: &str, key: &str) -> String {
        let config = SqliteConfig::new(&self.path, table, key);
        SqliteOrigin::open(config).err().unwrap().to_string()
    }
}

fn wanted(id: &str) -> Wanted<'_> {
    Wanted {
        tenant: "",
        resource: "product",
        id,
        attributes: &[],
    }
}

async fn text(origin: &SqliteOrigin, id: &str) -> Option<String> {
    let value = origin.load(wanted(id)).await.unwrap().value?;
    assert_eq!(value.content_type.as_deref(), Some("application/json"));
    Some(String::from_utf8(value.bytes.to_vec()).unwrap())
}

async fn write(
    origin: &SqliteOrigin,
    id: &str,
    body: &serde_json::Value,
) -> Result<Written, OriginError> {
    origin
        .write(wanted(id), &Value::json(body.to_string()))
        .await
}

#[tokio::test]
async fn rows_are_json_in_table_order() {
    let shop = Shop::new();
    let origin = shop.origin("products");
    assert_eq!(
        text(&origin, "42").await.unwrap(),
        r#"{"id":42,"name":"Tea \"best\"","price":3.5,"sold":true,"photo":"AP8="}"#
    );
    assert_eq!(
        text(&origin, "7").await.unwrap(),
        r#"{"id":7,"name":"Jam","price":null,"sold":false,"photo":null}"#
    );
}

#[tokio::test]
async fn an_id_fits_one_spelling_of_a_key() {
    let shop = Shop::new();
    let products = shop.origin("products");
    for id in [
        "042", "42abc", "42.0", " 42", "+42", "4e1", "0x2a", "", "42 ",
    ] {
        assert_eq!(text(&products, id).await, None, "`{id}`");
    }
    let items = shop.origin("items");
    write(&items, "abc", &json!({"name": "lower"}))
        .await
        .unwrap();
    assert_eq!(text(&items, "ABC").await, None);
    let untyped = shop.origin("untyped");
    assert_eq!(
        text(&untyped, "1").await.unwrap(),
        r#"{"id":1,"name":"integer"}"#
    );
    assert_eq!(
        text(&untyped, "x").await.unwrap(),
        r#"{"id":"x","name":"text"}"#
    );
    assert_eq!(text(&untyped, "01").await, None);
}

#[tokio::test]
async fn a_spelling_that_the_column_does_not_keep_is_not_written() {
    let shop = Shop::new();
    let products = shop.origin("products");
    for id in ["043", "abc"] {
        let error = write(&products, id, &json!({"name": "Rum"}))
            .await
            .unwrap_err();
        assert_eq!(error.as_str(), "rejected", "{error}");
    }
    assert_eq!(text(&products, "43").await, None, "nothing was committed");
    let items = shop.origin("items");
    write(&items, "abc", &json!({"name": "lower"}))
        .await
        .unwrap();
    let error = write(&items, "ABC", &json!({"name": "upper"}))
        .await
        .unwrap_err();
    assert_eq!(
        error.as_str(),
        "rejected",
        "the column takes both for one: {error}"
    );
}

#[tokio::test]
async fn writes_update_or_insert_and_answer_the_row() {
    let shop = Shop::new();
    let origin = shop.origin("products");
    let written = write(&origin, "42", &json!({"sold": false})).await.unwrap();
    assert_eq!(written.existed, Some(true));
    let row = r#"{"id":42,"name":"Tea \"best\"","price":3.5,"sold":false,"photo":"AP8="}"#;
    assert_eq!(written.value, Some(Value::json(row)));
    let whole: serde_json::Value = serde_json::from_str(row).unwrap();
    let again = write(&origin, "42", &whole).await.unwrap();
    assert_eq!(
        again.value,
        Some(Value::json(row)),
        "a loaded row can be written back"
    );
    let inserted = write(&origin, "8", &json!({"name": "Rum"})).await.unwrap();
    assert_eq!(inserted.existed, Some(false));
    let row = r#"{"id":8,"name":"Rum","price":null,"sold":null,"photo":null}"#;
    assert_eq!(inserted.value, Some(Value::json(row)));
}

#[tokio::test]
async fn bad_bodies_are_refused_by_name() {
    let shop = Shop::new();
    let origin = shop.origin("products");
    for (id, body, message) in [
        ("42", "[1]", "JSON object"),
        ("42", "{\"name\":", "JSON object"),
        (
            "42",
            r#"{"nam":"x"}"#,
            "no column `nam`; the table has: id, name, price, sold, photo",
        ),
        ("42", r#"{"name\" = 1; --":"x"}"#, "no column"),
        ("42", r#"{"id":43}"#, "`id` is not the id `42`"),
        ("42", r#"{"id":null}"#, "`id` is not the id"),
        ("42", r#"{"name":["x"]}"#, "column `name` takes no array"),
        ("42", r#"{"price":18446744073709551615}"#, "64 bits"),
        ("42", r#"{"photo":"?"}"#, "base64"),
        ("42", r#"{"name":null}"#, "NOT NULL"),
        ("42", r#"{"name":"Jam"}"#, "UNIQUE"),
    ] {
        let error = origin
            .write(wanted(id), &Value::json(body))
            .await
            .unwrap_err();
        assert_eq!(error.as_str(), "rejected", "{body}: {error}");
        assert!(error.to_string().contains(message), "{error}");
    }
}

#[tokio::test]
async fn statements_in_ids_are_only_text() {
    let shop = Shop::new();
    let origin = shop.origin("products");
    for id in [
        "42 OR 1=1",
        "' OR ''='",
        "42; DROP TABLE products",
        "?1",
        "id",
        "%",
        "42--",
    ] {
        assert_eq!(text(&origin, id).await, None, "{id}");
        let deleted = origin.delete(wanted(id)).await.unwrap();
        assert_eq!(deleted.existed, Some(false), "{id}");
    }
    assert!(text(&origin, "42").await.is_some());
    assert!(text(&origin, "7").await.is_some());
}

#[tokio::test]
async fn an_id_that_fits_two_rows_is_an_error() {
    let shop = Shop::new();
    let origin = shop.origin("twins");
    let error = origin.load(wanted("a")).await.unwrap_err().to_string();
    assert!(
        error.contains("more than one row has the id `a`"),
        "{error}"
    );
    assert!(write(&origin, "a", &json!({"name": "x"})).await.is_err());
    assert!(origin.delete(wanted("a")).await.is_err());
    assert!(
        origin.load(wanted("a")).await.is_err(),
        "both are still there"
    );
}

#[tokio::test]
async fn names_are_quoted() {
    let shop = Shop::new();
    let config = SqliteConfig::new(&shop.path, "odd \"name", "THE ID");
    let origin = SqliteOrigin::open(config).unwrap();
    let row = r#"{"the id":"1","a \"b":"found"}"#;
    assert_eq!(text(&origin, "1").await.unwrap(), row);
}
