//! Rows changed behind the back of `larder serve`, by whoever uses the database, with the SQL of
//! the guide.

use larder_origin::outbox::contract::ODD_IDS;
use larder_origin::testing::{Durability, Postgres};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::guests::shipped;
use crate::program::bad;
use crate::running::eventually;
use crate::serving::{Serving, client, serve_in};
use crate::shop::Shop;

const POSTGRES: &str = include_str!("../../engine/origin/src/postgres/outbox.sql");
const POSTGRES_TRIGGER: &str = include_str!("../../engine/origin/src/postgres/trigger.sql");
const POSTGRES_NOTIFY: &str = include_str!("../../engine/origin/src/postgres/notify.sql");
const SQLITE: &str = include_str!("../../engine/origin/src/sqlite/outbox.sql");
const SQLITE_TRIGGER: &str = include_str!("../../engine/origin/src/sqlite/trigger.sql");

/// A folder to serve from: products of an origin, cached for an hour.
fn place(origin: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    std::fs::write(
        dir.path().join("policies/standard.wasm"),
        shipped("standard"),
    )
    .unwrap();
    let config = format!(
        "[[policy]]\nname = \"catalogue\"\nmodule = \"standard\"\n\
         [policy.settings]\nstrategy = \"read_through\"\ndefault_ttl = \"1h\"\n\
         [policy.limits]\ndeadline = \"5s\"\n\
         [[route]]\nresource = \"product\"\npolicy = \"catalogue\"\norigin = \"shop\"\n\
         [origin.shop]\ntable = \"products\"\nkey = \"id\"\n{origin}"
    );
    std::fs::write(dir.path().join("larder.toml"), config).unwrap();
    dir
}

async fn price(data: &Client, id: u32) -> Value {
    let answer = data.get(&format!("/v1/entries/product/{id}")).await;
    answer.expect(200).json()["price"].clone()
}

async fn becomes(data: &Client, id: u32, expected: u32) {
    eventually("the new price", async || {
        let answer = data.get(&format!("/v1/entries/product/{id}")).await;
        (answer.status == 200 && answer.json()["price"] == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_changed_in_sqlite_is_read_anew_within_the_poll() {
    let shop = Shop::new();
    let place = place(&format!(
        "type = \"sqlite\"\npath = {:?}\n[origin.shop.outbox]\npoll = \"50ms\"\n",
        shop.path
    ));
    let serve = ["serve", "--config", "larder.toml"];
    bad(place.path(), &serve, 2, "CREATE TABLE larder_outbox");
    let db = Connection::open(&shop.path).unwrap();
    db.execute_batch(SQLITE).unwrap();
    let serving = serve_in(place.path()).await;
    let data = client(&serving.data);
    assert_eq!(price(&data, 7).await, 7);
    shop.set_price(7, 71);
    assert_eq!(price(&data, 7).await, 7, "nobody has told it");

    db.execute_batch(SQLITE_TRIGGER).unwrap();
    shop.set_price(7, 72);
    becomes(&data, 7, 72).await;
    db.execute("DELETE FROM products WHERE id = 7", []).unwrap();
    eventually("the absence", async || {
        (data.get("/v1/entries/product/7").await.status == 404).then_some(())
    })
    .await;
}

async fn shop(outbox: &str) -> (Postgres, TempDir) {
    let server = Postgres::with(Durability::Full).await;
    for sql in [
        "CREATE TABLE products (id bigint PRIMARY KEY, name text, price int)",
        "INSERT INTO products SELECT n, 'product ' || n, n FROM generate_series(1, 50) AS n",
        POSTGRES,
        POSTGRES_NOTIFY,
    ] {
        server.ask(sql).await.unwrap();
    }
    let url = server.url();
    let place = place(&format!(
        "type = \"postgres\"\nurl = {url:?}\n[origin.shop.outbox]\n{outbox}"
    ));
    (server, place)
}

async fn set_price(server: &Postgres, id: u32, price: u32) {
    let sql = format!("UPDATE products SET price = {price} WHERE id = {id}");
    server.ask(&sql).await.unwrap();
}

/// Reads take a moment to go through again after the server was away.
async fn comes_back(serving: &Serving) {
    eventually("a read", async || {
        let answer = client(&serving.data).get("/v1/entries/product/50").await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_changed_in_postgresql_is_read_anew_at_a_hint() {
    // Only hints can be in time.
    let hints = "channel = \"larder_outbox\"\npoll = \"1h\"\nkeep = \"10h\"\n";
    let (mut server, place) = shop(hints).await;
    server.ask(POSTGRES_TRIGGER).await.unwrap();
    let serving = serve_in(place.path()).await;
    let (data, admin) = (client(&serving.data), client(&serving.admin));
    assert_eq!(price(&data, 7).await, 7);
    assert_eq!(price(&data, 8).await, 8);
    set_price(&server, 7, 71).await;
    becomes(&data, 7, 71).await;

    let status = admin.get("/v1/status").await.expect(200).json();
    assert_eq!(status["outboxes"][0]["origin"], "shop", "{status}");
    assert_eq!(status["outboxes"][0]["why"], Value::Null, "{status}");
    let metrics = admin.get("/metrics").await;
    let counted = "larder_outbox_rows_total{origin=\"shop\",kind=\"row\"} 1";
    assert!(metrics.expect(200).text().contains(counted), "{metrics:?}");

    server.kill();
    server.restart().await;
    set_price(&server, 7, 72).await;
    becomes(&data, 7, 72).await;
    comes_back(&serving).await;
    set_price(&server, 7, 73).await;
    becomes(&data, 7, 73).await;
    assert_eq!(price(&data, 8).await, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_before_the_start_and_a_slow_transaction_are_seen_by_polling() {
    let (server, place) = shop("poll = \"50ms\"\n").await;
    server.ask(POSTGRES_TRIGGER).await.unwrap();
    set_price(&server, 7, 70).await;
    let serving = serve_in(place.path()).await;
    let data = client(&serving.data);
    assert_eq!(price(&data, 7).await, 70);
    assert_eq!(price(&data, 8).await, 8);
    // It takes its place in the order first and commits last.
    let slow = "BEGIN; UPDATE products SET price = 71 WHERE id = 7; SELECT pg_sleep(0.5); COMMIT;";
    let fast = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        set_price(&server, 8, 81).await;
        becomes(&data, 8, 81).await;
    };
    let (slow, ()) = tokio::join!(server.ask(slow), fast);
    slow.unwrap();
    becomes(&data, 7, 71).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_of_the_engine_can_be_left_out_of_the_outbox() {
    let (server, place) = shop("poll = \"50ms\"\n").await;
    let left_out = "FOR EACH ROW\n    WHEN (current_setting('application_name') <> 'larder')";
    let trigger = POSTGRES_TRIGGER.replace("FOR EACH ROW", left_out);
    server.ask(&trigger).await.unwrap();
    let rows = async || {
        server
            .ask("SELECT count(*) FROM larder_outbox")
            .await
            .unwrap()
    };
    let serving = serve_in(place.path()).await;
    let data = client(&serving.data);
    assert_eq!(price(&data, 7).await, 7);
    data.put("/v1/entries/product/7", r#"{"price": 70}"#)
        .await
        .expect(200);
    assert_eq!(rows().await.as_deref(), Some("0"));
    assert_eq!(price(&data, 7).await, 70);
    set_price(&server, 7, 71).await;
    assert_eq!(rows().await.as_deref(), Some("1"));
    becomes(&data, 7, 71).await;
}

/// Ids that a path can name: no request takes those with a line break, and clients resolve `..`.
fn ids() -> impl Iterator<Item = &'static str> {
    let named = |id: &&str| !matches!(*id, "" | "..") && !id.contains(char::is_control);
    ODD_IDS.into_iter().filter(named)
}

fn path(id: &str) -> String {
    let escaped = id.bytes().map(|byte| format!("%{byte:02X}"));
    format!("/v1/entries/product/{}", escaped.collect::<String>())
}

/// Reads every row, lets them all be changed, and waits until each reads as changed.
async fn all_change(data: &Client, change: impl AsyncFn()) {
    for price in [1, 1] {
        for id in ids() {
            let answer = data.get(&path(id)).await;
            assert_eq!(answer.expect(200).json()["price"], price, "{id:?}");
        }
    }
    change().await;
    for id in ids() {
        eventually("the new price", async || {
            let answer = data.get(&path(id)).await;
            (answer.status == 200 && answer.json()["price"] == 2).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_any_characters_are_read_anew_from_sqlite() {
    let shop = Shop::new();
    let db = Connection::open(&shop.path).unwrap();
    db.execute_batch("DROP TABLE products; CREATE TABLE products (id TEXT PRIMARY KEY, price INT)")
        .unwrap();
    db.execute_batch(SQLITE).unwrap();
    db.execute_batch(SQLITE_TRIGGER).unwrap();
    for id in ids() {
        db.execute("INSERT INTO products VALUES (?1, 1)", [id])
            .unwrap();
    }
    let place = place(&format!(
        "type = \"sqlite\"\npath = {:?}\n[origin.shop.outbox]\npoll = \"50ms\"\n",
        shop.path
    ));
    let serving = serve_in(place.path()).await;
    let change = async || {
        let db = Connection::open(&shop.path).unwrap();
        db.execute("UPDATE products SET price = 2", []).unwrap();
    };
    all_change(&client(&serving.data), change).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_any_characters_are_read_anew_from_postgres() {
    let (server, place) = shop("poll = \"50ms\"\n").await;
    for sql in [
        "DROP TABLE products; CREATE TABLE products (id text PRIMARY KEY, price int)",
        POSTGRES_TRIGGER,
    ] {
        server.ask(sql).await.unwrap();
    }
    for id in ids() {
        let id = id.replace('\'', "''");
        let insert = format!("INSERT INTO products VALUES ('{id}', 1)");
        server.ask(&insert).await.unwrap();
    }
    let serving = serve_in(place.path()).await;
    let change = async || {
        let sql = "UPDATE products SET price = 2";
        server.ask(sql).await.unwrap();
    };
    all_change(&client(&serving.data), change).await;
    server.ask("TRUNCATE products").await.unwrap();
    eventually("the absence of all", async || {
        let answer = client(&serving.data).get(&path("50%")).await;
        (answer.status == 404).then_some(())
    })
    .await;
}
