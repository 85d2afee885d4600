//! Fields of one row that wait together, and what reads show of it meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use larder::core::Head;
use larder::store::queue::{Letters, Queue};
use larder::store::testing::Server;
use larder::store::{LocalQueue, LocalQueueConfig, Mirror, MirroredQueue, RedisConfig};
use larder::{Engine, Error, Reading, Request, Value};
use serde_json::json;
use tempfile::TempDir;

use super::place::{Place, engine, engine_of, flushed, json, request};
use crate::kit::Shelter;

const ROW: &str = r#"{"price":1.5,"stock":1,"note":"n","big":1}"#;

async fn put(engine: &Engine, id: &str, body: &'static str) {
    let done = engine.write(Request::write("cart", id), Value::json(body));
    let writing = done.await.expect("it is queued");
    assert!(writing.queued.is_some());
}

async fn look(engine: &Engine, id: &str) -> Result<Reading, Error> {
    engine.read(request(id, "write_behind")).await
}

/// A row as a read shows it.
async fn row(engine: &Engine, id: &str) -> Option<serde_json::Value> {
    let reading = look(engine, id).await.expect("it is read");
    json(reading.value.as_ref())
}

/// A queue of this process, and one over the folder of a queue that is no longer open.
fn local(folder: &TempDir) -> Arc<dyn Queue> {
    let config = LocalQueueConfig::new(folder.path().join("queue"));
    Arc::new(LocalQueue::open(config).expect("it opens"))
}

fn shelter() -> Arc<dyn Queue> {
    Arc::new(Shelter::default())
}

async fn in_place(place: &Place, id: &str) {
    let engine = engine(place, shelter());
    put(&engine, id, ROW).await;
    flushed(&engine).await;
}

#[tokio::test]
async fn fields_of_two_writes_arrive_and_a_read_before_the_flush_shows_the_whole_row() {
    let place = Place::sqlite("carts").await;
    in_place(&place, "c1").await;
    let engine = engine(&place, shelter());
    assert!(row(&engine, "c1").await.is_some(), "cached as it was");
    place.faucet.shut();
    put(&engine, "c1", r#"{"price":5.5}"#).await;
    put(&engine, "c1", r#"{"stock":3}"#).await;
    let whole = json!({"id": "c1", "price": 5.5, "stock": 3, "note": "n", "big": 1});
    for _ in 0..2 {
        assert_eq!(row(&engine, "c1").await, Some(whole.clone()));
    }
    place.faucet.open();
    flushed(&engine).await;
    assert_eq!(row(&engine, "c1").await, Some(whole));
}

#[tokio::test]
async fn fields_wait_together_through_a_restart() {
    let place = Place::sqlite("carts").await;
    in_place(&place, "c1").await;
    let folder = TempDir::new().expect("a folder");
    place.faucet.shut();
    let first = engine(&place, local(&folder));
    put(&first, "c1", r#"{"price":5.5}"#).await;
    put(&first, "c2", r#"{"price":5.5}"#).await;
    first
        .drain(tokio::time::Instant::now())
        .await
        .expect("it says what is left");
    drop(first);

    let second = loop {
        // The flushers of the first let the folder go when they have ended.
        match LocalQueue::open(LocalQueueConfig::new(folder.path().join("queue"))) {
            Ok(queue) => break engine(&place, Arc::new(queue)),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    };
    put(&second, "c1", r#"{"stock":3}"#).await;
    let whole = json!({"id": "c1", "price": 5.5, "stock": 3, "note": "n", "big": 1});
    assert_eq!(row(&second, "c1").await, Some(whole.clone()));
    place.faucet.open();
    flushed(&second).await;
    assert_eq!(row(&second, "c1").await, Some(whole));
    let defaults = json!({"id": "c2", "price": 5.5, "stock": 7, "note": null, "big": null});
    assert_eq!(row(&second, "c2").await, Some(defaults));
}

/// The number of a Redis or PostgreSQL column has digits that no machine's number has.
#[tokio::test]
async fn no_digit_is_lost_where_fields_come_together_for_postgres() {
    let place = Place::postgres("carts").await;
    in_place(&place, "c1").await;
    let engine = engine(&place, shelter());
    place.faucet.shut();
    put(
        &engine,
        "c1",
        r#"{"big":123456789012345678901234567890.12}"#,
    )
    .await;
    put(&engine, "c1", r#"{"price":0.10}"#).await;
    let text = |reading: Reading| {
        let value = reading.value.expect("it is there");
        String::from_utf8_lossy(&value.bytes).into_owned()
    };
    let spelled =
        r#"{"id":"c1","price":0.10,"stock":1,"note":"n","big":123456789012345678901234567890.12}"#;
    assert_eq!(text(look(&engine, "c1").await.expect("is read")), spelled);
    place.faucet.open();
    flushed(&engine).await;
    assert_eq!(text(look(&engine, "c1").await.expect("is read")), spelled);
}

#[tokio::test]
async fn while_the_origin_is_away_no_half_row_is_served() {
    let place = Place::sqlite("carts").await;
    in_place(&place, "c1").await;
    let engine = engine(&place, shelter());
    assert!(row(&engine, "c1").await.is_some(), "cached as it was");
    place.faucet.go_away();
    put(&engine, "c1", r#"{"price":5.5}"#).await;
    let error = look(&engine, "c1").await.expect_err("nobody has the rest");
    assert!(
        ["origin_unreachable", "origin_unavailable"].contains(&error.code()),
        "{error}"
    );
    // What names all of the row needs nobody: from the cache, and past it.
    put(&engine, "c2", ROW).await;
    put(&engine, "c2", r#"{"stock":3}"#).await;
    let whole = json!({"id": "c2", "price": 1.5, "stock": 3, "note": "n", "big": 1});
    for by in ["write_behind", "bypass"] {
        let reading = engine.read(request("c2", by)).await.expect("it is read");
        assert_eq!(json(reading.value.as_ref()), Some(whole.clone()), "{by}");
    }
    place.faucet.open();
    flushed(&engine).await;
    assert_eq!(row(&engine, "c2").await, Some(whole));
}

#[tokio::test]
async fn a_new_row_is_shown_as_the_origin_makes_it() {
    let place = Place::sqlite("carts").await;
    let engine = engine(&place, shelter());
    put(&engine, "new", r#"{"price":5.5}"#).await;
    let whole = json!({"id": "new", "price": 5.5, "stock": 7, "note": null, "big": null});
    assert_eq!(
        row(&engine, "new").await,
        Some(whole),
        "its flush was waited for"
    );

    place.faucet.shut();
    put(&engine, "later", r#"{"price":5.5}"#).await;
    let error = look(&engine, "later").await.expect_err("nobody can say");
    assert_eq!(error.code(), "partly_queued", "{error}");
    assert!(error.retry_after_ms().is_some());
}

#[tokio::test]
async fn what_the_origin_computes_from_queued_fields_is_not_served_as_it_was() {
    let place = Place::sqlite("totals").await;
    let engine = engine(&place, shelter());
    put(&engine, "t1", r#"{"price":1.5,"stock":2,"total":99}"#).await;
    flushed(&engine).await;
    place.faucet.shut();
    put(&engine, "t1", r#"{"price":2.5}"#).await;
    let error = look(&engine, "t1").await.expect_err("nobody can say");
    assert_eq!(error.code(), "partly_queued", "{error}");
    place.faucet.open();
    flushed(&engine).await;
    let whole = json!({"id": "t1", "price": 2.5, "stock": 2, "total": 5.0});
    assert_eq!(row(&engine, "t1").await, Some(whole));
}

/// What the origin is asked with other attributes it may show otherwise.
#[tokio::test]
async fn a_read_under_another_key_sees_what_is_queued() {
    let place = Place::sqlite("carts").await;
    in_place(&place, "c1").await;
    let engine = engine(&place, shelter());
    put(&engine, "c1", r#"{"price":5.5}"#).await;
    let other = request("c1", "write_behind").with("query.lang", "de");
    let reading = engine.read(other).await.expect("it is read");
    let price = json(reading.value.as_ref()).map(|row| row["price"].clone());
    assert_eq!(price, Some(json!(5.5)));
}

/// A service may make of the query what it likes, so what it will answer only it can say.
#[tokio::test]
async fn a_read_with_another_query_waits_for_what_is_queued_or_says_so() {
    let place = Place::http().await;
    let engine = engine(&place, shelter());
    let fields = || request("c1", "write_behind").with("query.fields", "price");
    put(&engine, "c1", r#"{"price":1}"#).await;
    flushed(&engine).await;
    let before = engine.read(fields()).await.expect("it is read");
    assert_eq!(json(before.value.as_ref()), Some(json!({"price": 1})));

    place.faucet.shut();
    put(&engine, "c1", r#"{"price":2}"#).await;
    assert_eq!(row(&engine, "c1").await, Some(json!({"price": 2})));
    let error = engine.read(fields()).await.expect_err("only it can say");
    assert_eq!(error.code(), "partly_queued", "{error}");
    assert!(error.retry_after_ms().is_some());
    place.faucet.open();
    flushed(&engine).await;
    put(&engine, "c1", r#"{"price":3}"#).await;
    let after = engine
        .read(fields())
        .await
        .expect("its flush is waited for");
    assert_eq!(json(after.value.as_ref()), Some(json!({"price": 3})));
}

/// The same bytes in another encoding are another value.
#[tokio::test]
async fn a_key_belongs_to_one_encoding() {
    let place = Place::http().await;
    let engine = engine(&place, shelter());
    place.faucet.shut();
    let put = async |key: &str, lines: &[&'static str]| {
        let lines = lines
            .iter()
            .map(|line| ("content-encoding", Bytes::from(*line)));
        let value = Value {
            head: Head::new(200, lines).expect("they are valid"),
            ..Value::json("1")
        };
        let writing = engine.write_once(Request::write("cart", "c1"), value, key);
        let queued = writing.await.map(|writing| writing.queued);
        queued.map(|queued| queued.is_some_and(|queued| queued.repeated))
    };
    for (key, first, same, other) in [
        ("plain", &[][..], &["identity"][..], &["gzip"][..]),
        ("packed", &["gzip"], &["GZIP"], &["br"]),
        ("twice", &["gzip", "br"], &["gzip, br"], &["br, gzip"]),
    ] {
        assert_eq!(put(key, first).await, Ok(false), "{key}");
        assert_eq!(put(key, same).await, Ok(true), "{key}");
        let error = put(key, other).await.expect_err("it is another request");
        assert_eq!(error.code(), "idempotency_key_reused", "{key}");
    }
}

/// A text for a number, a whole number for one with a point: what is kept is not what was spelled.
#[tokio::test]
async fn a_read_before_the_flush_shows_values_as_the_origin_will_keep_them() {
    let place = Place::sqlite("carts").await;
    in_place(&place, "c1").await;
    let engine = engine(&place, shelter());
    place.faucet.shut();
    put(&engine, "c1", r#"{"price":6,"note":7}"#).await;
    put(
        &engine,
        "c2",
        r#"{"price":6,"stock":1.0,"note":7,"big":true}"#,
    )
    .await;
    let merged = json!({"id": "c1", "price": 6.0, "stock": 1, "note": "7", "big": 1});
    let whole = json!({"id": "c2", "price": 6.0, "stock": 1, "note": "7", "big": 1});
    for _ in 0..2 {
        assert_eq!(row(&engine, "c1").await, Some(merged.clone()));
        assert_eq!(row(&engine, "c2").await, Some(whole.clone()));
        place.faucet.open();
        flushed(&engine).await;
    }
    place.faucet.shut();
    // A text that is a number is one for SQLite, and how it is spelled then SQLite says.
    put(&engine, "c1", r#"{"big":"0x10"}"#).await;
    put(&engine, "c2", r#"{"big":"1e2"}"#).await;
    let shown = row(&engine, "c1").await.map(|row| row["big"].clone());
    assert_eq!(shown, Some(json!("0x10")));
    let error = look(&engine, "c2").await.expect_err("only it can say");
    assert_eq!(error.code(), "partly_queued", "{error}");
}

/// A table has one row for each id, through whatever resource it is written.
#[tokio::test]
async fn two_resources_over_one_table_write_one_row_in_order() {
    let place = Place::sqlite("carts").await;
    let ids: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
    for id in &ids {
        in_place(&place, id).await;
    }
    let engine = engine_of(&place, shelter(), &["cart", "basket"]);
    place.faucet.shut();
    for id in &ids {
        for (resource, body) in [
            ("cart", r#"{"price":5.5}"#),
            ("basket", r#"{"price":6.5,"note":"m"}"#),
            ("cart", r#"{"note":"o"}"#),
        ] {
            let write = engine.write(Request::write(resource, id.as_str()), Value::json(body));
            assert!(write.await.expect("it is queued").queued.is_some());
        }
    }
    let whole = |id: &str| json!({"id": id, "price": 6.5, "stock": 1, "note": "o", "big": 1});
    let shown = async |resource: &str, id: &str| {
        let read = Request::read(resource, id).with("by", "bypass");
        let reading = engine.read(read).await.expect("it is read");
        json(reading.value.as_ref())
    };
    for resource in ["cart", "basket"] {
        assert_eq!(shown(resource, "c7").await, Some(whole("c7")), "{resource}");
    }
    place.faucet.open();
    flushed(&engine).await;
    for id in &ids {
        assert_eq!(shown("basket", id).await, Some(whole(id)));
    }
}

/// Parts of a queue are flushed beside each other, and after an outage at moments of their own.
#[tokio::test]
async fn a_row_that_needs_another_that_waits_is_no_dead_letter() {
    let place = Place::sqlite("slots").await;
    let engine = engine(&place, shelter());
    let pairs: Vec<(String, String)> = (0..12)
        .map(|n| (format!("old{n}"), format!("new{n}")))
        .collect();
    let put = async |id: &str, slot: usize| {
        let body = Value::json(format!(r#"{{"slot":{slot}}}"#));
        let writing = engine.write(Request::write("slot", id), body).await;
        assert!(writing.expect("it is queued").queued.is_some());
    };
    for (n, (old, _)) in pairs.iter().enumerate() {
        put(old, n).await;
    }
    flushed(&engine).await;
    place.faucet.shut();
    for (n, (old, new)) in pairs.iter().enumerate() {
        put(old, n + 100).await;
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        put(new, n).await;
    }
    place.faucet.open();
    flushed(&engine).await;
    let view = engine.queue().expect("there is one");
    assert_eq!(view.letters(None, 99).await, Ok(Vec::new()));

    // Nothing that waits can help this one.
    put("late", 100).await;
    flushed(&engine).await;
    let letters = view.letters(None, 99).await.expect("they are listed");
    assert_eq!(letters.len(), 1, "{letters:?}");
}

#[tokio::test]
async fn a_refused_field_is_one_dead_letter_and_the_row_is_shown_whole() {
    let place = Place::sqlite("carts").await;
    in_place(&place, "c1").await;
    let engine = engine(&place, shelter());
    place.faucet.shut();
    put(&engine, "c1", r#"{"price":5.5}"#).await;
    put(&engine, "c1", r#"{"stock":999}"#).await;
    put(&engine, "c1", r#"{"note":"m"}"#).await;
    place.faucet.open();
    flushed(&engine).await;
    let view = engine.queue().expect("there is one");
    let letters = view.letters(None, 9).await.expect("they are listed");
    assert_eq!(letters.len(), 2, "the refused one, and what follows it");
    let acknowledged = json!({"id": "c1", "price": 5.5, "stock": 999, "note": "m", "big": 1});
    assert_eq!(row(&engine, "c1").await, Some(acknowledged));

    // A row of which nobody but the origin knows the rest says so.
    put(&engine, "new", r#"{"stock":999}"#).await;
    flushed(&engine).await;
    let error = look(&engine, "new").await.expect_err("it is parked");
    assert_eq!(error.code(), "partly_queued", "{error}");
    assert!(error.to_string().contains("dead letter"), "{error}");

    assert_eq!(
        view.forget(&Letters::One(letters[0].id.clone())).await,
        Ok(1)
    );
    assert_eq!(
        view.retry(&Letters::One(letters[1].id.clone())).await,
        Ok(1)
    );
    flushed(&engine).await;
    let rest = json!({"id": "c1", "price": 5.5, "stock": 1, "note": "m", "big": 1});
    assert_eq!(row(&engine, "c1").await, Some(rest));
}

#[tokio::test]
async fn what_cannot_come_together_is_handed_over_one_after_the_other() {
    let place = Place::sqlite("carts").await;
    in_place(&place, "c1").await;
    let engine = engine(&place, shelter());
    place.faucet.shut();
    put(&engine, "c1", r#"{"price":5.5}"#).await;
    put(&engine, "c1", r#"["no","row"]"#).await;
    let error = look(&engine, "c1").await.expect_err("nobody can say");
    assert_eq!(error.code(), "partly_queued", "{error}");
    place.faucet.open();
    flushed(&engine).await;
    let view = engine.queue().expect("there is one");
    assert_eq!(
        view.letters(None, 9).await.expect("they are listed").len(),
        1
    );
    assert_eq!(view.forget(&Letters::All).await, Ok(1));
    let price = row(&engine, "c1").await.map(|row| row["price"].clone());
    assert_eq!(price, Some(json!(5.5)), "the one before arrived");
}

async fn mirrored(folder: &TempDir, redis: &RedisConfig) -> Arc<dyn Queue> {
    let config = LocalQueueConfig::new(folder.path().join("queue"));
    let local = LocalQueue::open(config).expect("it opens");
    let mirror = Mirror::connect(redis).await.expect("it connects");
    Arc::new(MirroredQueue::open(local, mirror).await.expect("it opens"))
}

#[tokio::test]
async fn nodes_with_queues_of_their_own_show_the_whole_row_over_redis() {
    let redis = RedisConfig {
        url: Some(Server::shared().await),
        prefix: format!("rows-{:x}", fastrand::u64(..)),
        timeout_ms: 10_000,
        ..RedisConfig::default()
    };
    for table in ["carts", "kept"] {
        let place = Place::sqlite(table).await;
        in_place(&place, "c1").await;
        let folders = [(); 2].map(|()| TempDir::new().expect("a folder"));
        let here = engine(&place, mirrored(&folders[0], &redis).await);
        let there = engine(&place, mirrored(&folders[1], &redis).await);
        place.faucet.shut();
        put(&here, "c1", r#"{"price":5.5}"#).await;
        put(&there, "c1", r#"{"stock":3}"#).await;
        put(&here, "c1", r#"{"note":"m"}"#).await;
        let whole = json!({"id": "c1", "price": 5.5, "stock": 3, "note": "m", "big": 1});
        for node in [&here, &there] {
            assert_eq!(row(node, "c1").await, Some(whole.clone()));
        }
        place.faucet.open();
        for node in [&here, &there] {
            flushed(node).await;
        }
        for node in [&here, &there] {
            let fresh = node
                .read(request("c1", "bypass"))
                .await
                .expect("it is read");
            assert_eq!(json(fresh.value.as_ref()), Some(whole.clone()), "{table}");
        }
    }
}
