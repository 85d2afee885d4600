//! Purge and expire by key, tag and namespace.

use serde_json::{Value, json};

use crate::running::{Running, Setup};
use crate::shop::Shop;

async fn price(running: &Running, id: u32) -> u64 {
    let answer = running.data.get(&format!("/v1/entries/product/{id}")).await;
    answer.expect(200).json()["price"].as_u64().unwrap()
}

/// Caches products 1 and 2, changes them behind the cache, invalidates, and reads them again.
async fn after(what: &Value) -> (Value, [u64; 2]) {
    let shop = Shop::new();
    let settings = json!({"early_refresh": 0.0});
    let running = Setup::standard_over(shop.origin(), settings).start().await;
    for id in [1, 2] {
        price(&running, id).await;
        shop.set_price(id, 100 + id);
        assert_eq!(price(&running, id).await, u64::from(id), "cached");
    }
    let reply = running.data.post_json("/v1/invalidate", what).await;
    let mut reply = reply.expect(200).json();
    assert!(reply["found"].is_object(), "{reply}");
    reply.as_object_mut().unwrap().remove("found");
    (reply, [price(&running, 1).await, price(&running, 2).await])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_reaches_what_it_names_and_nothing_else() {
    let done = |bumped: u32, removed: u32| {
        json!({
            "mode": "purge", "bumped": bumped, "removed": removed,
            "banned": 0, "complete": true, "sweeps": [],
        })
    };
    let banned = |removed: u32| {
        json!({
            "mode": "purge", "bumped": 0, "removed": removed,
            "banned": 1, "complete": true, "sweeps": [],
        })
    };
    let pattern = |pattern: &str| json!({"namespace": "product", "pattern": pattern});
    let key = |key: &str| json!({"namespace": "product", "key": key});
    for (what, reply, prices) in [
        (json!({"keys": [key("product:1")]}), done(0, 1), [101, 2]),
        (
            json!({"keys": [key("product:1"), key("product:9")]}),
            done(0, 1),
            [101, 2],
        ),
        (json!({"patterns": [pattern("*:1")]}), banned(1), [101, 2]),
        (
            json!({"patterns": [pattern("product:?")]}),
            banned(2),
            [101, 102],
        ),
        (json!({"patterns": [pattern("other:*")]}), banned(0), [1, 2]),
        (json!({"tags": ["product:2"]}), done(1, 0), [1, 102]),
        // Their row tags and the tag of all products, as a write of them would.
        (
            json!({"rows": [{"resource": "product", "id": "1"}, {"resource": "product", "id": "9"}]}),
            done(3, 1),
            [101, 102],
        ),
        (json!({"tags": ["product"]}), done(1, 0), [101, 102]),
        (json!({"namespaces": ["product"]}), done(1, 0), [101, 102]),
        (
            json!({"tags": ["other"], "namespaces": ["other"]}),
            done(2, 0),
            [1, 2],
        ),
        (
            json!({"tags": ["product"], "tenant": "acme"}),
            done(1, 0),
            [1, 2],
        ),
        (
            json!({"tags": ["product:1"], "keys": [key("product:2")], "mode": "purge"}),
            done(1, 1),
            [101, 102],
        ),
    ] {
        assert_eq!(after(&what).await, (reply, prices), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reply_says_what_was_there_of_each_name() {
    let shop = Shop::new();
    let settings = json!({"write_invalidates": "row"});
    let running = Setup::standard_over(shop.origin(), settings).start().await;
    price(&running, 1).await;
    price(&running, 2).await;
    let row = |id: &str| json!({"resource": "product", "id": id});
    let key = |key: &str| json!({"namespace": "product", "key": key});
    let what = json!({
        "rows": [row("1"), row("9")], "keys": [key("product:2"), key("product:9")],
        "tags": ["product", "produkt"], "namespaces": ["products"],
        "patterns": [{"namespace": "product", "pattern": "*:2"}],
    });
    let reply = running.data.post_json("/v1/invalidate", &what).await;
    let found = json!({
        "rows": [{"resource": "product", "id": "1", "removed": 1, "known": true},
                 {"resource": "product", "id": "9", "removed": 0, "known": false}],
        "keys": [{"namespace": "product", "key": "product:2", "removed": 1},
                 {"namespace": "product", "key": "product:9", "removed": 0}],
        "tags": [{"name": "product", "known": true}, {"name": "produkt", "known": false}],
        "namespaces": [{"name": "products", "known": false}],
        "patterns": [{"namespace": "product", "pattern": "*:2", "removed": 0}],
    });
    assert_eq!(reply.expect(200).json()["found"], found);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_whose_policy_fails_is_an_error_and_no_silence() {
    let running = Setup::standard(json!({})).start().await;
    let long = "x".repeat(300);
    let what = json!({"rows": [{"resource": "product", "id": long}]});
    let answer = running.data.post_json("/v1/invalidate", &what).await;
    answer.expect_problem(503, "row_undecided", "nothing was invalidated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expire_leaves_the_stale_window_and_refreshes_behind() {
    let shop = Shop::new();
    let running = Setup::standard_over(shop.origin(), json!({})).start().await;
    price(&running, 1).await;
    shop.set_price(1, 101);
    let what = json!({"tags": ["product"], "mode": "expire"});
    let reply = running.data.post_json("/v1/invalidate", &what).await;
    assert_eq!(reply.expect(200).json()["mode"], "expire");
    let stale = running.data.get("/v1/entries/product/1").await;
    assert_eq!(stale.expect(200).json()["price"], 1);
    assert_eq!(stale.header("cache-status"), "Larder; hit; detail=stale");
    crate::running::eventually("the refreshed price", async || {
        (price(&running, 1).await == 101).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_nobody_knows_is_named() {
    let running = Setup::standard(json!({})).start().await;
    let answer = running.data.get("/v1/invalidations/none").await;
    answer.expect_problem(404, "no_sweep", "knows no such sweep");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_invalidated_is_refused_in_words() {
    let running = Setup::standard(json!({})).start().await;
    let many: Vec<String> = (0..10_001).map(|n| n.to_string()).collect();
    for (body, status, code, words) in [
        (
            json!({"patterns": ["product:*"]}),
            400,
            "invalid_body",
            "an object like",
        ),
        (
            json!({"patterns": [{"namespace": "product", "pattern": "x".repeat(257)}]}),
            400,
            "invalid_pattern",
            "at most 256",
        ),
        (
            json!({}),
            400,
            "nothing_to_invalidate",
            "give `rows`, `keys`, `tags`, `namespaces` or `patterns`",
        ),
        (
            json!({"tags": []}),
            400,
            "nothing_to_invalidate",
            "give `rows`",
        ),
        (
            json!({"tags": [""]}),
            400,
            "empty_name",
            "has to name something",
        ),
        (
            json!({"tags": many}),
            400,
            "too_many_names",
            "10001 names in one call",
        ),
        (
            json!({"keys": ["product:42"]}),
            400,
            "invalid_body",
            "an object like {\"namespace\"",
        ),
        (
            json!({"keys": [{"key": "x"}]}),
            400,
            "invalid_body",
            "missing field `namespace`",
        ),
        (
            json!({"keys": [{"namespace": "", "key": "x"}]}),
            400,
            "empty_name",
            "empty",
        ),
        (
            json!({"rows": [{"resource": "", "id": "42"}]}),
            400,
            "invalid_request",
            "no resource",
        ),
        (
            json!({"rows": [{"resource": "product", "id": ""}]}),
            400,
            "invalid_request",
            "no id",
        ),
        (
            json!({"rows": [{"resource": "basket", "id": "1"}]}),
            404,
            "no_route",
            "`basket`",
        ),
        (
            json!({"rows": [{"resource": "product", "key": "42"}]}),
            400,
            "invalid_body",
            "unknown field `key`",
        ),
        (
            json!({"rows": ["product/42"]}),
            400,
            "invalid_body",
            "an object like {\"resource\"",
        ),
        (
            json!({"tag": ["x"]}),
            400,
            "invalid_body",
            "unknown field `tag`",
        ),
        (
            json!({"tags": ["x"], "mode": "soft"}),
            400,
            "invalid_body",
            "unknown variant `soft`",
        ),
        (
            json!({"tags": "x"}),
            400,
            "invalid_body",
            "expected a sequence",
        ),
    ] {
        let answer = running.data.post_json("/v1/invalidate", &body).await;
        answer.expect_problem(status, code, words);
    }
}
