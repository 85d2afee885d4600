//! Tables that others change, and what clients and databases do wrong, over HTTP.

use std::sync::Arc;

use larder::origin::{Origin, PostgresConfig, PostgresOrigin, SqliteConfig, SqliteOrigin};
use larder_origin::testing::Database;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use crate::running::{Running, Setup, eventually};

const ENTRY: &str = "/v1/entries/product/1";

/// A table of products in a file, and a server over it.
struct Place {
    dir: TempDir,
    running: Running,
}

impl Place {
    async fn new(table: &str, settings: serde_json::Value) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch(table)
            .unwrap();
        let origin = SqliteOrigin::open(SqliteConfig::new(&path, "products", "id")).unwrap();
        let origin: Arc<dyn Origin> = Arc::new(origin);
        let running = Setup::standard_over(origin, settings).start().await;
        Self { dir, running }
    }

    fn run(&self, sql: &str) {
        let db = Connection::open(self.dir.path().join("shop.db")).unwrap();
        db.execute_batch(sql).unwrap();
    }
}

const PRODUCTS: &str = "
    CREATE TABLE products (id INTEGER PRIMARY KEY, price REAL, qty INTEGER, total REAL,
        half REAL AS (price / 2) STORED, doc JSON, gone BOOLEAN);
    CREATE TRIGGER total AFTER UPDATE OF price, qty ON products
        BEGIN UPDATE products SET total = price * qty WHERE id = NEW.id; END;
    INSERT INTO products (id, price, qty, doc) VALUES (1, 3.5, 2, '{\"a\":[1]}');";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_no_longer_fits_is_said_by_calls_and_by_health() {
    let place = Place::new(PRODUCTS, json!({"strategy": "bypass"})).await;
    let (data, admin) = (&place.running.data, &place.running.admin);
    data.get(ENTRY).await.expect(200);
    assert_eq!(
        admin.get("/health/ready").await.expect(200).text(),
        "ready\n"
    );
    place.run("ALTER TABLE products RENAME COLUMN id TO number");
    let words = "no column `id` in table `products`";
    for answer in [
        data.get(ENTRY).await,
        data.put(ENTRY, r#"{"price":1}"#).await,
        data.delete(ENTRY).await,
    ] {
        answer.expect_problem(502, "origin_schema", words);
    }
    let ready = admin.get("/health/ready").await;
    ready.expect_problem(503, "not_ready", words);
    place.run("ALTER TABLE products RENAME COLUMN number TO id");
    eventually("ready without a call", async || {
        let ready = admin.get("/health/ready").await;
        (ready.status == 200).then_some(())
    })
    .await;
    data.get(ENTRY).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_do_wrong_never_closes_the_way_to_the_origin() {
    let place = Place::new(PRODUCTS, json!({})).await;
    let data = &place.running.data;
    for _ in 0..30 {
        let answer = data.put(ENTRY, r#"{"colour":"red"}"#).await;
        answer.expect_problem(422, "origin_rejected", "no column `colour`");
        let answer = data.get("/v1/entries/product/1?field=colour").await;
        answer.expect_problem(422, "origin_rejected", "`field` may name: id, price");
    }
    let row = data.get(ENTRY).await.expect(200).json();
    for _ in 0..30 {
        data.put(ENTRY, row.to_string()).await.expect(200);
    }
    assert_eq!(
        data.get(ENTRY).await.expect(200).json()["half"],
        json!(1.75)
    );
    data.get("/v1/entries/product/none").await.expect(404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_write_through_the_cache_holds_what_triggers_made_of_the_row() {
    let place = Place::new(PRODUCTS, json!({"strategy": "write_through"})).await;
    let data = &place.running.data;
    data.put(ENTRY, r#"{"price":10}"#).await.expect(200);
    let read = data.get(ENTRY).await.expect(200).json();
    assert_eq!(read["total"], json!(20.0));
    assert_eq!(read["doc"], json!({"a": [1]}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_has_a_key_and_a_value_of_its_own() {
    let place = Place::new(PRODUCTS, json!({})).await;
    let data = &place.running.data;
    for _ in 0..2 {
        let price = data.get("/v1/entries/product/1?field=price").await;
        assert_eq!(price.expect(200).json(), json!({"price": 3.5}));
    }
    data.put("/v1/entries/product/1?field=price", r#"{"price":4}"#)
        .await
        .expect(200);
    let price = data.get("/v1/entries/product/1?field=price").await;
    assert_eq!(price.expect(200).json(), json!({"price": 4.0}));
    let deleted = data.delete("/v1/entries/product/1?field=price").await;
    deleted.expect_problem(422, "origin_rejected", "a row is deleted whole");
    assert_eq!(
        data.get(ENTRY).await.expect(200).json()["total"],
        json!(8.0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_of_postgres_that_cannot_compute_a_row_is_no_absence() {
    let database = Database::create().await;
    let table = "CREATE TABLE lots (id int PRIMARY KEY, price int, qty int, total int);
        INSERT INTO lots VALUES (1, 6, 2), (2, 6, 0);
        CREATE VIEW rates AS SELECT id, price / qty AS rate FROM lots;
        CREATE FUNCTION total() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN UPDATE lots SET total = price * qty WHERE id = NEW.id; RETURN NULL; END $$;
        CREATE TRIGGER total AFTER UPDATE OF price ON lots FOR EACH ROW EXECUTE FUNCTION total()";
    database.ask(table).await.unwrap();
    let over = async |table: &str, strategy: &str| {
        let config = PostgresConfig::new(database.url(), table, "id");
        let origin: Arc<dyn Origin> = Arc::new(PostgresOrigin::open(config).await.unwrap());
        Setup::standard_over(origin, json!({"strategy": strategy}))
            .start()
            .await
    };
    let rates = over("rates", "read_through").await;
    rates.data.get(ENTRY).await.expect(200);
    for _ in 0..2 {
        let answer = rates.data.get("/v1/entries/product/2").await;
        answer.expect_problem(502, "origin_failed", "division by zero");
    }
    database
        .ask("UPDATE lots SET qty = 3 WHERE id = 2")
        .await
        .unwrap();
    let rate = rates.data.get("/v1/entries/product/2").await;
    assert_eq!(rate.expect(200).json()["rate"], 2, "nothing was remembered");
    rates.data.get("/v1/entries/product/x").await.expect(404);

    let lots = over("lots", "write_through").await;
    lots.data.put(ENTRY, r#"{"price":10}"#).await.expect(200);
    assert_eq!(lots.data.get(ENTRY).await.expect(200).json()["total"], 20);
    database
        .ask("ALTER TABLE lots DROP COLUMN qty CASCADE")
        .await
        .unwrap();
    let answer = lots.data.get("/v1/entries/product/2").await;
    assert!(answer.expect(200).json().get("qty").is_none());
}
