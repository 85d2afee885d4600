mod absent;
mod as_read;
mod blame;
mod changed;
mod fields;
mod kept;
mod pooled;
mod refused;
mod tls;
mod triggers;

use std::time::Duration;

use larder_core::Value;

use super::*;
use crate::contract::{Keeps, queued};
use crate::testing::{Database, Durability, Postgres};

const SHOP: &str = "
    CREATE TABLE items (id text PRIMARY KEY, name text, n int CHECK (n < 999));
    CREATE TABLE kept (
        id text PRIMARY KEY, value jsonb CHECK (value->>'n' <> '999'),
        v bigint, s bigint NOT NULL DEFAULT 0, gone boolean
    );
    CREATE TABLE blobs (id text PRIMARY KEY, value bytea CHECK (value <> 'poison'));
    CREATE TABLE products (id bigint PRIMARY KEY, name text NOT NULL UNIQUE, price numeric, sold boolean);
    INSERT INTO products VALUES (42, 'Tea \"best\"', 3.50, true);
    CREATE TABLE stirred (id text PRIMARY KEY, name text, n int CHECK (n < 999), total int,
        twice int GENERATED ALWAYS AS (n * 2) STORED, number bigint GENERATED ALWAYS AS IDENTITY);
    CREATE FUNCTION stir() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN UPDATE stirred SET total = n * 3 WHERE id = NEW.id; RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER stir AFTER INSERT OR UPDATE OF n ON stirred
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stir();
    CREATE TABLE bare (id text, name text);
    CREATE VIEW cheap AS SELECT * FROM products;
    CREATE SCHEMA other; CREATE TABLE other.\"Odd \"\"name\" (\"The id\" uuid PRIMARY KEY, a int);
";

pub(super) struct Shop(pub(super) Database);

impl Shop {
    pub(super) async fn new() -> Self {
        let database = Database::create().await;
        database.ask(SHOP).await.unwrap();
        Self(database)
    }

    pub(super) fn config(&self, table: &str) -> PostgresConfig {
        config(self.0.url(), table)
    }

    /// Changes a table by a connection of its own.
    pub(super) fn altering(&self, table: &'static str) -> crate::contract::Altering {
        let url = self.0.url();
        Box::new(move |alter| {
            let url = url.clone();
            Box::pin(async move {
                let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
                    .await
                    .unwrap();
                tokio::spawn(connection);
                client.batch_execute(&alter.sql(table)).await.unwrap();
            })
        })
    }

    /// With the columns for what is to be kept.
    pub(super) fn keeping(&self, table: &str, keeps: Keeps) -> PostgresConfig {
        let mut config = self.config(table);
        config.column = (table == "kept").then(|| "value".into());
        config.version = keeps.version.then(|| "v".into());
        config.sequence = keeps.sequence.then(|| "s".into());
        config.deleted = keeps.deleted.then(|| "gone".into());
        config
    }
}

fn config(url: String, table: &str) -> PostgresConfig {
    let mut config = PostgresConfig::new(url, table, "id");
    config.connections = 4;
    config
}

/// A server with the tables, which keeps what was committed when it is killed.
async fn server() -> Postgres {
    let server = Postgres::with(Durability::Full).await;
    server.ask(SHOP).await.unwrap();
    server
}

pub(super) async fn open(config: PostgresConfig) -> PostgresOrigin {
    PostgresOrigin::open(config).await.unwrap()
}

fn wanted(id: &str) -> Wanted<'_> {
    Wanted {
        tenant: "",
        resource: "product",
        id,
        attributes: &[],
    }
}

async fn text(origin: &PostgresOrigin, id: &str) -> Option<String> {
    let value = origin.load(wanted(id)).await.unwrap().value?;
    Some(String::from_utf8(value.bytes.to_vec()).unwrap())
}

async fn write(origin: &PostgresOrigin, id: &str, body: &str) -> Result<Written, OriginError> {
    origin
        .write(wanted(id), &Value::json(body.to_owned()))
        .await
}

#[tokio::test]
async fn rows_are_json_and_ids_have_one_spelling() {
    let shop = Shop::new().await;
    let origin = open(shop.config("products")).await;
    let row = r#"{"id":42,"name":"Tea \"best\"","price":3.50,"sold":true}"#;
    assert_eq!(text(&origin, "42").await.unwrap(), row);
    for id in [
        "042",
        "42.0",
        " 42",
        "+42",
        "",
        "x",
        "42\0",
        "9223372036854775808",
    ] {
        assert_eq!(text(&origin, id).await, None, "`{id}`");
        let deleted = origin.delete(wanted(id)).await.unwrap();
        assert_eq!(deleted.existed, Some(false), "`{id}`");
    }
    let written = write(&origin, "42", r#"{"sold":false}"#).await.unwrap();
    assert_eq!(written.existed, Some(true));
    assert_eq!(
        written.value,
        Some(Value::json(row.replace("true", "false")))
    );
    write(&origin, "7", r#"{"name":"Jam"}"#).await.unwrap();
    for (id, body, message) in [
        ("042", "{}", "does not keep the id"),
        ("42", "[1]", "JSON object"),
        ("42", r#"{"nam":1}"#, "no column `nam`"),
        ("42", r#"{"id":43}"#, "is not the id"),
        ("42", r#"{"name":"Jam"}"#, "products_name_key"),
        ("42", r#"{"price":"x"}"#, "numeric"),
        ("8", r#"{"price":1}"#, "null value"),
        ("42", r#"{"name":"a\u0000"}"#, "NUL"),
    ] {
        let error = write(&origin, id, body).await.unwrap_err();
        assert_eq!(error.as_str(), "rejected", "{body}: {error}");
        let said = error.to_string();
        assert!(said.contains(message) || message == "NUL", "{error}");
    }
    let view = open(shop.config("cheap")).await;
    assert!(text(&view, "42").await.is_some());
    assert_eq!(
        write(&view, "42", "{}").await.unwrap_err().as_str(),
        "rejected"
    );
}

#[tokio::test]
async fn what_is_missing_is_named_and_no_password_is_shown() {
    let shop = Shop::new().await;
    let refused = async |config| {
        PostgresOrigin::open(config)
            .await
            .err()
            .unwrap()
            .to_string()
    };
    let error = refused(shop.config("product")).await;
    assert!(
        error.contains("no table `product`") && error.contains("items, kept, other."),
        "{error}"
    );
    let mut config = shop.config("items");
    config.key = "key".into();
    let error = refused(config).await;
    assert!(error.ends_with("it has: id, name, n"), "{error}");
    let error = refused(shop.config("bare")).await;
    assert!(
        error.contains(r#"CREATE UNIQUE INDEX ON "public"."bare" ("id")"#),
        "{error}"
    );
    let mut config = shop.config("items");
    config.version = Some("n".into());
    assert!(refused(config).await.contains("must be bigint"));
    let mut config = shop.config("items");
    config.url = "postgres://u:p?secret@h/x".into();
    let said = match PostgresOrigin::open(config).await {
        Ok(origin) => format!("{:?} {}", origin.trouble(), origin.summary()),
        Err(error) => error.to_string(),
    };
    assert!(!said.contains("secret"), "{said}");
    let mut odd = shop.config("other.Odd \"name");
    odd.key = "The id".into();
    let origin = open(odd).await;
    let id = "00000000-0000-0000-0000-00000000000a";
    write(&origin, id, r#"{"a":1}"#).await.unwrap();
    assert!(text(&origin, id).await.is_some());
    assert_eq!(text(&origin, &id.to_uppercase()).await, None);
    assert!(!origin.summary().contains("secret"), "{}", origin.summary());
}

#[tokio::test]
async fn a_silent_or_killed_server_is_an_error_in_time_and_then_found_again() {
    let mut server = server().await;
    let mut config = config(server.url(), "products");
    config.timeout = Duration::from_millis(500);
    let origin = open(config).await;
    server.stop_replying();
    let error = origin.load(wanted("42")).await.unwrap_err();
    assert_eq!(error, OriginError::Timeout { limit_ms: 500 });
    server.go_on();
    server.kill();
    let error = origin.load(wanted("42")).await.unwrap_err();
    assert_eq!(error.as_str(), "unreachable", "{error}");
    server.restart().await;
    assert!(text(&origin, "42").await.is_some());
}

#[tokio::test]
async fn a_poison_row_fails_alone() {
    let shop = Shop::new().await;
    let origin = open(shop.config("products")).await;
    let ids: Vec<String> = (100..150).map(|n| n.to_string()).collect();
    let body = |id: &String| match id.as_str() {
        "113" => Value::json(r#"{"name":null}"#),
        "131" => Value::json(r#"{"name":"Tea \"best\""}"#),
        "140" => Value::json(r#"{"nam":"x"}"#),
        id => Value::json(format!(r#"{{"name":"of {id}"}}"#)),
    };
    let values: Vec<Value> = ids.iter().map(body).collect();
    let changes: Vec<Change<'_>> = ids
        .iter()
        .zip(&values)
        .map(|(id, value)| queued(id, Some(value), 1))
        .collect();
    for (id, answer) in ids.iter().zip(origin.apply(&changes).await) {
        let poison = ["113", "131", "140"].contains(&id.as_str());
        assert_eq!(answer.is_err_and(|e| e.is_permanent()), poison, "{id}");
        assert_eq!(text(&origin, id).await.is_some(), !poison, "{id}");
    }
}
