//! The contract: for each origin and each strategy, on every level of the queue.

use std::sync::Arc;

use larder::core::Strategy;
use larder::origin::{Origin, PutMeaning, Wanted};
use larder::store::queue::Queue;
use larder::store::testing::Server;
use larder::store::{LocalQueue, LocalQueueConfig, RedisConfig, RedisQueue, RedisQueueConfig};
use larder::{Engine, Request, Value};
use tempfile::TempDir;

use super::place::{Place, engine, flushed, json, request};

/// What is done to a row, one after the other: what is put, or a delete. The first is done to the
/// origin itself, before.
const STORIES: &[&[&str]] = &[
    &[ROW, r#"{"price":5.5}"#, r#"{"stock":3}"#],
    &[ROW, r#"{"price":5.5,"stock":1}"#, r#"{"price":6.5}"#],
    &[ROW, r#"{"note":null}"#],
    &[ROW, r#"{"big":9007199254740993}"#, r#"{"price":0.25}"#],
    &[ROW, ROW_OF_ALL],
    &[ROW, r#"{"price":5.5}"#, ROW_OF_ALL, r#"{"note":"last"}"#],
    &[ROW, "delete"],
    &[ROW, r#"{"price":5.5}"#, "delete"],
    &[ROW, "delete", r#"{"price":5.5}"#],
    &[
        ROW,
        r#"{"note":"x"}"#,
        "delete",
        r#"{"price":5.5}"#,
        r#"{"big":2}"#,
    ],
    &[ROW, "delete", "delete", ROW_OF_ALL],
    &["delete", r#"{"price":5.5}"#],
    &["delete", r#"{"price":5.5}"#, r#"{"stock":3}"#],
    &["delete", ROW_OF_ALL],
    &["delete", ROW_OF_ALL, r#"{"stock":3}"#],
    &[ROW, "{}"],
];
const ROW: &str = r#"{"price":1.5,"stock":1,"note":"n","big":1}"#;
const ROW_OF_ALL: &str = r#"{"big":18,"price":2.5,"stock":4,"note":"all"}"#;

fn wanted(id: &str) -> Wanted<'_> {
    Wanted {
        tenant: "",
        resource: "cart",
        id,
        attributes: &[],
    }
}

/// Does one step to the origin itself.
async fn directly(origin: &dyn Origin, id: &str, step: &'static str) {
    let done = match step {
        "delete" => origin.delete(wanted(id)).await,
        body => origin.write(wanted(id), &Value::json(body)).await,
    };
    done.expect("it is done");
}

/// What the origin holds, the key left out.
async fn holds(origin: &dyn Origin, id: &str) -> Option<serde_json::Value> {
    let fetched = origin.load(wanted(id)).await.expect("it is loaded");
    without_key(fetched.value.as_ref())
}

fn without_key(value: Option<&Value>) -> Option<serde_json::Value> {
    let mut row = json(value)?;
    row.as_object_mut().expect("is an object").remove("id");
    Some(row)
}

async fn told(engine: &Engine, id: &str, step: &'static str, by: &str) {
    let done = match step {
        "delete" => {
            engine
                .delete(Request::delete("cart", id).with("by", by))
                .await
        }
        body => {
            let request = Request::write("cart", id).with("by", by);
            engine.write(request, Value::json(body)).await
        }
    };
    done.expect("it is done");
}

async fn every_strategy_means_what_the_origin_means(place: Place, queue: Arc<dyn Queue>) {
    let (engine, faucet) = (engine(&place, queue), &place.faucet);
    let origin = &*faucet.origin;
    for (number, story) in STORIES.iter().enumerate() {
        let directly_told = format!("direct-{number}");
        for step in *story {
            directly(origin, &directly_told, step).await;
        }
        let expected = holds(origin, &directly_told).await;
        for strategy in Strategy::ALL {
            let by = strategy.as_str();
            let id = format!("{by}-{number}");
            let (first, steps) = story.split_first().expect("it begins");
            directly(origin, &id, first).await;
            // What is cached before must not show through.
            let _ = engine.read(request(&id, by)).await;
            if strategy == Strategy::WriteBehind {
                faucet.shut();
            }
            for step in steps {
                told(&engine, &id, step, by).await;
            }
            let what = format!("{story:?} by {by}");
            if strategy == Strategy::WriteBehind {
                before_the_flush(&engine, &id, expected.as_ref(), &what).await;
                faucet.open();
                flushed(&engine).await;
            }
            assert_eq!(holds(origin, &id).await, expected, "{what}");
            let by = if by == "cache_aside" {
                "read_through"
            } else {
                by
            };
            let read = engine.read(request(&id, by)).await.expect("it is read");
            assert_eq!(
                without_key(read.value.as_ref()),
                expected,
                "{what}, as read"
            );
        }
    }
}

/// A read sees the row as it will be, or says that it cannot.
async fn before_the_flush(
    engine: &Engine,
    id: &str,
    expected: Option<&serde_json::Value>,
    what: &str,
) {
    for by in ["write_behind", "bypass"] {
        match engine.read(request(id, by)).await {
            Ok(read) => {
                let read = without_key(read.value.as_ref());
                assert_eq!(read.as_ref(), expected, "{what}, before the flush");
            }
            Err(error) => assert_eq!(error.code(), "partly_queued", "{what}: {error}"),
        }
    }
}

fn local() -> (TempDir, Arc<dyn Queue>) {
    let folder = TempDir::new().expect("a folder");
    let queue = LocalQueue::open(LocalQueueConfig::new(folder.path().join("queue")));
    (folder, Arc::new(queue.expect("it opens")))
}

async fn redis() -> Arc<dyn Queue> {
    let redis = RedisConfig {
        url: Some(Server::shared().await),
        prefix: format!("rows-{:x}", fastrand::u64(..)),
        timeout_ms: 10_000,
        ..RedisConfig::default()
    };
    let queue = RedisQueue::connect(RedisQueueConfig {
        redis,
        // This server ends with the run.
        accept_loss: true,
        ..RedisQueueConfig::default()
    });
    Arc::new(queue.await.expect("it connects"))
}

/// The same on every level of the queue.
async fn on_local(place: Place) {
    let (_folder, queue) = local();
    every_strategy_means_what_the_origin_means(place, queue).await;
}

async fn on_redis(place: Place) {
    every_strategy_means_what_the_origin_means(place, redis().await).await;
}

macro_rules! every_place {
    ($($module:ident: $place:expr, $meaning:ident;)+) => { $(
        mod $module {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn every_strategy_means_what_the_origin_means() {
                let place: Place = $place.await;
                assert_eq!(place.faucet.put_meaning(), PutMeaning::$meaning);
                on_local(place).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn every_strategy_means_what_the_origin_means_over_redis() {
                on_redis($place.await).await;
            }
        }
    )+ };
}

every_place! {
    sqlite: Place::sqlite("carts"), Merge;
    sqlite_with_sequences_and_marks: Place::sqlite("kept"), Merge;
    postgres: Place::postgres("carts"), Merge;
    postgres_with_sequences_and_marks: Place::postgres("kept"), Merge;
    http: Place::http(), Replace;
}
