//! `larder serve` while its PostgreSQL is not there.

use larder_origin::testing::{Durability, Postgres};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::guests::shipped;
use crate::program::{bad, good};
use crate::running::eventually;
use crate::serving::{client, serve_in};

const ENTRY: &str = "/v1/entries/product/7";

fn folder(url: &str, table: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("policies")).unwrap();
    let module = dir.path().join("policies/standard.wasm");
    std::fs::write(module, shipped("standard")).unwrap();
    let config = format!(
        "[[policy]]\nname = \"catalogue\"\nmodule = \"standard\"\n\
         [policy.settings]\nstrategy = \"write_behind\"\n\
         [policy.limits]\ndeadline = \"5s\"\n\
         [[route]]\nresource = \"product\"\npolicy = \"catalogue\"\norigin = \"shop\"\n\
         [origin.shop]\ntype = \"postgres\"\nurl = \"{url}\"\ntable = \"{table}\"\nkey = \"id\"\n\
         [write_behind]\nlevel = \"local\"\ndir = \"queue\"\n"
    );
    std::fs::write(dir.path().join("larder.toml"), config).unwrap();
    dir
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_are_taken_while_postgres_is_away_and_delivered_when_it_comes() {
    // What is created has to outlive the kill.
    let mut postgres = Postgres::with(Durability::Full).await;
    let table = "CREATE TABLE products (id bigint PRIMARY KEY, price int)";
    postgres.ask(table).await.unwrap();
    let dir = folder(&postgres.url(), "products");
    postgres.kill();

    let serving = serve_in(dir.path()).await;
    let (data, admin) = (client(&serving.data), client(&serving.admin));
    data.put(ENTRY, r#"{"price":71}"#).await.expect(202);
    // Nobody has seen the table yet, so nobody can say what else the row has.
    let row = data.get(ENTRY).await;
    row.expect_problem(503, "partly_queued", "some fields of `product/7`");
    let other = data.get("/v1/entries/product/8").await;
    other.expect_problem(502, "origin_unreachable", "cannot be reached");

    let ready = admin.get("/health/ready").await;
    let words = "ready, with the origin `shop` not in use yet: PostgreSQL at 127.0.0.1:";
    assert!(ready.expect(200).text().starts_with(words), "{ready:?}");
    let status = admin.get("/v1/status").await.expect(200).json();
    let trouble = status["routes"][0]["origin_trouble"].as_str().unwrap();
    assert!(trouble.contains("cannot be reached"), "{status}");
    eventually("the queue says what it waits for", async || {
        let status = good(dir.path(), &["queue", "status", "--admin", &serving.admin]);
        status.contains("1, not flushed now: ").then_some(())
    })
    .await;

    postgres.restart().await;
    let price = async || {
        let price = postgres
            .ask("SELECT price FROM products WHERE id = 7")
            .await;
        price.unwrap()
    };
    eventually("the row", async || price().await).await;
    assert_eq!(price().await.as_deref(), Some("71"));
    let ready = admin.get("/health/ready").await;
    assert_eq!(ready.expect(200).text(), "ready\n");
    let status = admin.get("/v1/status").await.expect(200).json();
    assert_eq!(status["routes"][0]["origin_trouble"], Value::Null);
    // Until it is off the queue, reads answer it as it was written.
    let row = json!({"id": 7, "price": 71});
    eventually("the row as the origin has it", async || {
        (data.get(ENTRY).await.expect(200).json() == row).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_a_server_does_not_have_ends_the_program() {
    let postgres = Postgres::start().await;
    let dir = folder(&postgres.url(), "products");
    let serve = ["serve", "--config", "larder.toml"];
    bad(dir.path(), &serve, 2, "no table `products`");
}
