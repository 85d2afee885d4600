//! Queued writes and writes under a hold, over HTTP.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::client::{Answer, Client, send};
use crate::guests::shipped;
use crate::running::eventually;
use crate::service::{Reply, Server, answer};
use crate::serving::{client, serve_in};

const CART: &str = "/v1/entries/cart/c1";

/// A folder with the policy `standard` for carts, and what more the configuration says.
fn place(strategy: &str, origin: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    let module = dir.path().join("policies/standard.wasm");
    fs::write(module, shipped("standard")).unwrap();
    let config = format!(
        "[[policy]]\nname = \"carts\"\nmodule = \"standard\"\n[policy.limits]\ndeadline = \"5s\"\n\
         [policy.settings]\nstrategy = \"{strategy}\"\n\
         [[route]]\nresource = \"*\"\npolicy = \"carts\"\norigin = \"carts\"\n\
         [write_behind]\nlevel = \"local\"\ndir = \"queue\"\n[origin.carts]\n{origin}"
    );
    fs::write(dir.path().join("larder.toml"), config).unwrap();
    dir
}

/// One over a table.
fn carts() -> (TempDir, Connection) {
    let origin = "type = \"sqlite\"\npath = \"carts.db\"\ntable = \"carts\"\nkey = \"id\"\n\
                  timeout = \"100ms\"\n";
    let dir = place("write_behind", origin);
    let db = Connection::open(dir.path().join("carts.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE carts (id TEXT PRIMARY KEY, price REAL, note TEXT);
         INSERT INTO carts VALUES ('c1', 1.0, 'n')",
    )
    .unwrap();
    (dir, db)
}

async fn with_key(data: &Client, (method, path): (Method, &str), body: &'static str) -> Answer {
    let request = data.request(method, path).header("idempotency-key", "k1");
    send(request.body(body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_another_request_had_is_refused_and_nothing_is_done() {
    let (dir, db) = carts();
    let serving = serve_in(dir.path()).await;
    let data = client(&serving.data);
    let first = with_key(&data, (Method::PUT, CART), r#"{"price":5}"#).await;
    assert_eq!(first.expect(202).json()["queued"]["repeated"], false);
    let again = with_key(&data, (Method::PUT, CART), r#"{"price":5}"#).await;
    assert_eq!(again.expect(202).json()["queued"]["repeated"], true);
    for (method, path, body) in [
        (Method::PUT, CART, r#"{"price":6}"#),
        (Method::PUT, "/v1/entries/cart/c2", r#"{"price":5}"#),
        (Method::PUT, "/v1/entries/basket/c1", r#"{"price":5}"#),
        (
            Method::PUT,
            "/v1/entries/cart/c1?field=price",
            r#"{"price":5}"#,
        ),
        (Method::DELETE, CART, ""),
    ] {
        let other = with_key(&data, (method, path), body).await;
        other.expect_problem(422, "idempotency_key_reused", "another request");
    }
    let rows = || -> (u32, f64) {
        db.query_row("SELECT count(*), max(price) FROM carts", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap()
    };
    eventually("the first write", async || {
        (rows() == (1, 5.0)).then_some(())
    })
    .await;
    let queue = client(&serving.admin).get("/v1/queue").await;
    assert_eq!(queue.expect(200).json()["dead"], 0);
}

/// A value that is spelled otherwise than its column keeps it is shown as it will be kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_shown_as_it_will_be_or_the_answer_says_that_it_cannot() {
    let (dir, db) = carts();
    let serving = serve_in(dir.path()).await;
    let data = client(&serving.data);
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    data.put(CART, r#"{"price":5}"#).await.expect(202);
    let shown = data.get(CART).await;
    assert_eq!(
        shown.expect(200).text(),
        r#"{"id":"c1","price":5.0,"note":"n"}"#
    );
    data.put("/v1/entries/cart/new", r#"{"price":5}"#)
        .await
        .expect(202);
    let new = data.get("/v1/entries/cart/new").await;
    new.expect_problem(503, "partly_queued", "some fields of `cart/new`");
    assert_eq!(new.header("retry-after"), "1");
    db.execute_batch("ROLLBACK").unwrap();
    eventually("the whole row", async || {
        let new = data.get("/v1/entries/cart/new").await;
        (new.status == 200).then(|| {
            assert_eq!(new.text(), r#"{"id":"new","price":5.0,"note":null}"#);
        })
    })
    .await;
}

/// A service whose replica shows the old value until it has caught up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_replica_answers_after_a_write_is_served_and_not_kept() {
    let caught_up = Arc::new(AtomicBool::new(false));
    let replica = Arc::clone(&caught_up);
    let service = Server::start(move |request| {
        let body: &[u8] = match (&*request.method, replica.load(Ordering::SeqCst)) {
            ("GET", false) => b"\"old\"",
            ("GET", true) => b"\"new\"",
            _ => b"",
        };
        Reply::Keep(answer("200 OK", "content-type: application/json\r\n", body))
    })
    .await;
    let origin = format!(
        "type = \"http\"\nbase_url = \"{}\"\nwrite_hold = \"1h\"\n",
        service.base
    );
    let dir = place("read_through", &origin);
    let serving = serve_in(dir.path()).await;
    let data = client(&serving.data);
    let read = async |path: &str| {
        let answer = data.get(path).await;
        let status = answer.expect(200).header("cache-status").to_owned();
        (answer.text().to_owned(), status)
    };
    let (_, stored) = read(CART).await;
    assert!(stored.contains("; stored"), "{stored}");
    data.put(CART, "\"new\"").await.expect(200);
    for _ in 0..2 {
        let (text, status) = read(CART).await;
        assert_eq!(text, "\"old\"");
        assert!(status.ends_with("detail=write_hold"), "{status}");
    }
    caught_up.store(true, Ordering::SeqCst);
    assert_eq!(read(CART).await.0, "\"new\"", "nothing older was kept");
}
