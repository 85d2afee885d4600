//! Queued writes that are handed over twice: the origin has them, and the program is killed before
//! its queue has noted it.

use std::fs;
use std::path::Path;

use reqwest::StatusCode;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::client::Client;
use crate::guests::shipped;
use crate::running::eventually;
use crate::serving::{client, serve_in};

/// A folder with a configuration whose carts are written behind, and their table.
struct Place(TempDir);

impl Place {
    fn new(kept: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path().join("policies")).unwrap();
        let module = place.path().join("policies/standard.wasm");
        fs::write(module, shipped("standard")).unwrap();
        let config = format!(
            "[[policy]]\nname = \"carts\"\nmodule = \"standard\"\n\
             [policy.limits]\ndeadline = \"5s\"\n\
             [policy.settings]\nstrategy = \"write_behind\"\ndefault_ttl = \"1m\"\n\
             [[route]]\nresource = \"cart\"\npolicy = \"carts\"\norigin = \"carts\"\n\
             [write_behind]\nlevel = \"local\"\ndir = \"queue\"\n\
             [origin.carts]\ntype = \"sqlite\"\npath = \"carts.db\"\ntable = \"carts\"\n\
             key = \"id\"\nversion = \"version\"\ntimeout = \"200ms\"\n{kept}"
        );
        fs::write(place.path().join("larder.toml"), config).unwrap();
        place
            .db()
            .execute_batch(
                "CREATE TABLE carts (id TEXT PRIMARY KEY, items TEXT, version INTEGER,
                     sequence INTEGER, deleted BOOLEAN)",
            )
            .unwrap();
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn db(&self) -> Connection {
        Connection::open(self.path().join("carts.db")).unwrap()
    }

    /// The version of a row, dead or alive.
    fn version(&self, id: &str) -> Option<u32> {
        let sql = "SELECT (SELECT version FROM carts WHERE id = ?1)";
        self.db().query_row(sql, [id], |row| row.get(0)).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

async fn flushed(admin: &Client) {
    eventually("an empty queue", async || {
        let queue = admin.get("/v1/queue").await.expect(200).json();
        (queue["waiting"] == 0).then_some(())
    })
    .await;
}

/// Lets the table take what is queued, and starts the program again with the queue as it was
/// before. Answers the versions of the three carts after each of the two.
async fn twice(kept: &str) -> [[Option<u32>; 3]; 2] {
    let place = Place::new(kept);
    let (queue, before) = (place.path().join("queue"), place.path().join("before"));
    let mut serving = serve_in(place.path()).await;
    let data = client(&serving.data);
    let accepted = StatusCode::ACCEPTED.as_u16();

    let closed = place.db();
    closed.execute_batch("BEGIN IMMEDIATE").unwrap();
    let put = async |id: &str, items: &str| {
        let path = format!("/v1/entries/cart/{id}");
        let body = format!("{{\"items\": \"{items}\"}}");
        data.put(&path, body).await.expect(accepted);
    };
    put("ada", "tea").await;
    put("bob", "rum").await;
    put("bob", "jam").await;
    put("eve", "gin").await;
    data.delete("/v1/entries/cart/eve").await.expect(accepted);
    copy(&queue, &before);
    closed.execute_batch("ROLLBACK").unwrap();
    flushed(&client(&serving.admin)).await;
    let once = ["ada", "bob", "eve"].map(|id| place.version(id));
    assert!(once[0] >= Some(1), "{once:?}");
    serving.kill().await;

    copy(&before, &queue);
    let serving = serve_in(place.path()).await;
    flushed(&client(&serving.admin)).await;
    let data = client(&serving.data);
    for (id, items) in [("ada", "tea"), ("bob", "jam")] {
        let cart = data.get(&format!("/v1/entries/cart/{id}")).await;
        assert_eq!(cart.expect(200).json()["items"], items);
    }
    data.get("/v1/entries/cart/eve").await.expect(404);
    [once, ["ada", "bob", "eve"].map(|id| place.version(id))]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_handed_over_twice_takes_effect_once_in_a_table_that_keeps_sequences() {
    let kept = "sequence = \"sequence\"\ndeleted = \"deleted\"\n";
    let [once, again] = twice(kept).await;
    assert_eq!(again, once);
    // Nothing else keeps it from taking effect again, nor a call that was given up and arrived.
    let [once, again] = twice("").await;
    assert!(
        again[0] > once[0] && again[1] > once[1],
        "{once:?} {again:?}"
    );
    assert_eq!(again[2], None);
}
