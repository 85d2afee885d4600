//! The line through the house and back: decide, read, write, invalidate, delete.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::StoppedClock;
use crate::running::{Running, Setup, http_origin};
use crate::service::Server;
use crate::shop::Shop;

/// The paths of all fields, arrays by the fields of their elements.
fn fields(value: &Value, at: &str, all: &mut BTreeSet<String>) {
    let mut go = |name: &str, value| {
        let at = format!("{at}{}{name}", if at.is_empty() { "" } else { "." });
        fields(value, &at, all);
        all.insert(at);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| go(name, value)),
        Value::Array(list) => list.iter().for_each(|value| go("*", value)),
        _ => (),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_has_the_published_fields() {
    let running = Setup::standard(json!({"default_ttl": "10d", "jitter_percent": 0}))
        .start()
        .await;
    let reply = running.data.decide("product").await.expect(200).json();
    let mut found = BTreeSet::new();
    fields(&reply, "", &mut found);
    let published = "decision_id policy policy.name policy.version policy.revision policy.contract \
        policy.settings decision decision.strategy decision.key decision.namespace decision.freshness \
        decision.freshness.ttl_ms decision.freshness.jitter_percent \
        decision.freshness.stale_while_revalidate_ms decision.freshness.stale_if_error_ms \
        decision.freshness.time_to_idle_ms decision.freshness.negative_ttl_ms \
        decision.freshness.early_refresh_beta decision.tags decision.tags.* decision.placement \
        decision.encrypt decision.loading decision.loading.stampede \
        decision.loading.soft_timeout_ms decision.loading.hard_timeout_ms decision.invalidates \
        decision.reason clamped clamped.* clamped.*.field clamped.*.asked clamped.*.given \
        clamped.*.rule fallback metrics metrics.evaluate_ns";
    let published: BTreeSet<String> = published.split_whitespace().map(str::to_owned).collect();
    assert_eq!(found, published, "the fields are part of the API: {reply}");
    let decision = &reply["decision"];
    assert_eq!(decision["strategy"], "read_through");
    assert_eq!(decision["key"], "product:42");
    assert_eq!(decision["namespace"], "product");
    assert_eq!(decision["tags"], json!(["product", "product:42"]));
    assert_eq!(decision["placement"], "every_tier");
    assert_eq!(decision["loading"]["stampede"], "per_process");
    assert_eq!(reply["policy"]["name"], "standard");
    assert_eq!(reply["policy"]["contract"], "0.1.0");
    assert!(
        reply["policy"]["revision"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    assert_eq!(reply["fallback"], Value::Null);
    let clamp =
        json!({"field": "ttl_ms", "asked": 864_000_000, "given": 86_400_000, "rule": "ttl_max"});
    assert_eq!(reply["clamped"], json!([clamp]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_answers_in_order_and_a_failing_one_is_an_error_in_its_place() {
    let running = Setup::standard(json!({})).start().await;
    let one = |operation: &str, resource: &str, id: u32| json!({"request": {"operation": operation, "resource": resource, "id": id.to_string()}});
    let mut requests: Vec<_> = (0..40).map(|id| one("read", "product", id)).collect();
    requests[7] = one("read", "nothing", 7);
    requests[8] = one("fetch", "product", 8);
    requests[9] =
        json!({"policy": "standard", "request": {"operation": "read", "resource": "x", "id": "9"}});
    let batch = json!({"requests": requests});
    let answer = running.data.post_json("/v1/decide/batch", &batch).await;
    let results = answer.expect(200).json()["results"].clone();
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), 40);
    for (i, result) in results.iter().enumerate() {
        match i {
            7 => assert_eq!(result["error"]["code"], "no_route", "{result}"),
            8 => assert_eq!(result["error"]["code"], "invalid_request", "{result}"),
            9 => assert_eq!(result["decision"]["key"], "x:9", "{result}"),
            _ => assert_eq!(
                result["decision"]["key"],
                format!("product:{i}"),
                "{result}"
            ),
        }
    }
    let empty = running
        .data
        .post("/v1/decide/batch", r#"{"requests": []}"#)
        .await;
    assert_eq!(empty.expect(200).json(), json!({"results": []}));
}

/// The price that a read answers, and its Cache-Status.
async fn price(running: &Running, id: u32) -> (u64, String) {
    let answer = running.data.get(&format!("/v1/entries/product/{id}")).await;
    let price = answer.expect(200).json()["price"].as_u64().unwrap();
    (price, answer.header("cache-status").to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_is_a_miss_and_then_a_hit_that_says_its_age() {
    let shop = Shop::new();
    let clock = Arc::new(StoppedClock::new());
    let settings = json!({"jitter_percent": 0, "early_refresh": 0.0});
    let mut setup = Setup::standard_over(shop.origin(), settings);
    setup.clock = clock.clone();
    let running = setup.start().await;

    let miss = running.data.get("/v1/entries/product/7").await;
    assert_eq!(
        miss.expect(200).json(),
        json!({"id": 7, "name": "product 7", "price": 7})
    );
    assert_eq!(
        miss.header("cache-status"),
        "Larder; fwd=uri-miss; stored; ttl=3600"
    );
    assert_eq!(miss.header("age"), "");
    assert_eq!(miss.header("content-type"), "application/json");

    clock.advance(5_500);
    shop.set_price(7, 700);
    let hit = running.data.get("/v1/entries/product/7").await;
    assert_eq!(hit.expect(200).body, miss.body, "the origin was not asked");
    assert_eq!(hit.header("cache-status"), "Larder; hit; ttl=3594");
    assert_eq!(hit.header("age"), "5");
    assert_eq!(hit.header("content-type"), "application/json");
    let revision = running.policy("standard").await["current"]["revision"].clone();
    let policy = format!("\"standard\"; version=\"0.1.0\"; revision={revision}");
    assert_eq!(hit.header("larder-policy"), policy);
    assert_eq!(hit.header("larder-decision-id").len(), 36);
    assert_ne!(
        hit.header("larder-decision-id"),
        miss.header("larder-decision-id")
    );

    clock.advance(24 * 3600 * 1000);
    assert_eq!(
        price(&running, 7).await.0,
        700,
        "no entry outlives its ttl and its stale windows"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_reaches_the_origin_and_the_next_read_sees_it() {
    for strategy in ["read_through", "write_through", "bypass"] {
        let shop = Shop::new();
        let settings = json!({"strategy": strategy});
        let running = Setup::standard_over(shop.origin(), settings).start().await;
        assert_eq!(price(&running, 7).await.0, 7);
        price(&running, 7).await;
        let written = running
            .data
            .put("/v1/entries/product/7", r#"{"price": 71}"#)
            .await;
        let reply = written.expect(200).json();
        assert_eq!(reply["strategy"], strategy);
        assert_eq!(
            (&reply["written"], &reply["existed"]),
            (&json!(true), &json!(true)),
            "{reply}"
        );
        assert_eq!(reply["invalidated"]["complete"], true, "{reply}");
        assert_eq!(reply["stored"], strategy == "write_through", "{reply}");
        assert!(
            written
                .header("cache-status")
                .starts_with("Larder; fwd=method")
        );
        assert_eq!(shop.price(7), 71, "{strategy}");
        let (read, status) = price(&running, 7).await;
        assert_eq!(read, 71, "{strategy}: {status}");
        assert_eq!(
            status.contains("hit"),
            strategy == "write_through",
            "{strategy}: {status}"
        );

        let deleted = running.data.delete("/v1/entries/product/7").await;
        assert_eq!(deleted.expect(200).json()["written"], true);
        let gone = running.data.get("/v1/entries/product/7").await;
        gone.expect_problem(404, "not_found", "the origin has no such `product`");
        assert!(
            gone.header("cache-status").starts_with("Larder; "),
            "{gone:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_makes_every_field_of_its_row_stale() {
    let shop = Shop::new();
    let running = Setup::standard_over(shop.origin(), json!({})).start().await;
    let field = "/v1/entries/product/7?field=price";
    for _ in 0..2 {
        assert_eq!(running.data.get(field).await.expect(200).json()["price"], 7);
    }
    running
        .data
        .put("/v1/entries/product/7", r#"{"price": 8}"#)
        .await
        .expect(200);
    assert_eq!(running.data.get(field).await.expect(200).json()["price"], 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_behind_is_refused_and_nothing_is_written() {
    let shop = Shop::new();
    let settings = json!({"strategy": "write_behind"});
    let running = Setup::standard_over(shop.origin(), settings).start().await;
    let refused = running
        .data
        .put("/v1/entries/product/7", r#"{"price": 71}"#)
        .await;
    refused.expect_problem(501, "unsupported", "durable queue");
    assert_eq!(shop.price(7), 7);
    assert_eq!(price(&running, 7).await.0, 7, "reads go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http_origin_is_read_written_and_deleted() {
    let service = Server::of_values().await;
    let origin = http_origin(&service.base, Duration::from_secs(5));
    let running = Setup::standard_over(origin, json!({})).start().await;
    let path = "/v1/entries/product/a%2Fb";
    let absent = running.data.get(path).await;
    absent.expect(404);
    assert_eq!(absent.header("larder-origin-status"), "404");
    let value = running.data.request(reqwest::Method::PUT, path);
    let value = value.header("content-type", "text/x-tea").body("green");
    let written = crate::client::send(value).await;
    assert_eq!(written.expect(201).json()["existed"], false);
    for status in ["Larder; fwd=uri-miss; stored; ttl=", "Larder; hit; ttl="] {
        let read = running.data.get(path).await;
        assert_eq!(read.expect(200).text(), "green");
        assert_eq!(read.header("content-type"), "text/x-tea");
        assert!(read.header("cache-status").starts_with(status), "{read:?}");
    }
    running.data.delete(path).await.expect(200);
    let absent = running.data.get(path).await;
    absent.expect(404);
    assert_eq!(absent.header("larder-origin-status"), "404");
    let seen: Vec<_> = service
        .seen
        .lock()
        .iter()
        .map(|one| one.method.clone())
        .collect();
    assert_eq!(
        seen,
        ["GET", "PUT", "GET", "DELETE", "GET"],
        "hits ask nobody"
    );
    assert_eq!(service.seen.lock()[0].target, "/product/a%2Fb");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_readers_of_a_missing_value_cause_one_load() {
    let service = Server::of_values().await;
    let origin = http_origin(&service.base, Duration::from_secs(5));
    let running = Setup::standard_over(origin, json!({})).start().await;
    let readers = (0..50).map(|_| {
        let data = running.data.clone();
        tokio::spawn(async move { data.get("/v1/entries/product/1").await.status })
    });
    let readers: Vec<_> = readers.collect();
    for reader in readers {
        assert_eq!(reader.await.unwrap(), 404);
    }
    assert_eq!(
        service.seen.lock().len(),
        1,
        "absent values are remembered and loads shared"
    );
}
