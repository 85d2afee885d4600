//! Policies that answer nonsense. What can be made safe is clamped and reported; the rest is
//! answered for by the fallback.

use larder::Route;
use larder::wasm::Limits;
use serde_json::{Value, json};

use crate::guest::Guest;
use crate::running::{Setup, patient};
use crate::shop::Shop;

/// What is decided about a read where the policy answers as `decide` says, and the answer to it.
async fn decided(decide: &'static str) -> Value {
    // Answers larger than any real one, so that the guard sees them.
    let limits = Limits {
        memory_bytes: 32 << 20,
        output_bytes: 32 << 20,
        ..patient()
    };
    let guest = Guest {
        decide,
        ..Guest::default()
    };
    let shop = Shop::new();
    let running = Setup::new()
        .policy_within("odd", guest.build(), json!({}), limits)
        .origin("shop", shop.origin())
        .route(Route::new("product", "odd").origin("shop"))
        .start()
        .await;
    let read = running.data.get("/v1/entries/product/7").await;
    assert_eq!(
        read.expect(200).json()["price"],
        7,
        "the value is served in any case"
    );
    running.data.decide("product").await.expect(200).json()
}

async fn refused(decide: &'static str, words: &str) {
    let decided = decided(decide).await;
    assert_eq!(decided["fallback"]["rule"], "bypass", "{decided}");
    assert_eq!(decided["fallback"]["failure"], "guard", "{decided}");
    let message = decided["fallback"]["message"].as_str().unwrap();
    assert!(message.contains(words), "`{words}` is not in `{message}`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_key_is_refused() {
    refused("(local.set $id_len (i32.const 0))", "answered an empty key").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_ten_megabytes_is_refused() {
    let decide = "(drop (memory.grow (i32.const 160))) (local.set $id (i32.const 4096))
        (local.set $id_len (i32.const 10000000))";
    refused(decide, "a key of 10000000 bytes; the guard allows 4096").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tags_are_refused() {
    let decide = "(drop (memory.grow (i32.const 1)))
        (i32.store offset=88 (local.get $r) (i32.const 65536))
        (i32.store offset=92 (local.get $r) (i32.const 1000))";
    refused(decide, "1000 tags; the guard allows 16").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ttl_of_zero_stores_nothing() {
    let decided = decided("(local.set $now (i64.const 0))").await;
    assert_eq!(decided["decision"]["freshness"]["ttl_ms"], 0);
    assert_eq!(
        (&decided["clamped"], &decided["fallback"]),
        (&json!([]), &Value::Null)
    );

    let shop = Shop::new();
    let settings = json!({"default_ttl": "0s", "stale_if_error": "0s"});
    let running = Setup::standard_over(shop.origin(), settings).start().await;
    for price in [7, 71] {
        shop.set_price(7, price);
        let read = running.data.get("/v1/entries/product/7").await;
        assert_eq!(read.expect(200).json()["price"], price, "{read:?}");
        assert_eq!(
            read.header("cache-status"),
            "Larder; fwd=uri-miss; detail=zero_ttl"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ttl_of_centuries_is_clamped_and_reported() {
    let decided = decided("(local.set $now (i64.const 9467280000000))").await;
    assert_eq!(decided["decision"]["freshness"]["ttl_ms"], 86_400_000);
    assert_eq!(decided["fallback"], Value::Null);
    let clamp = json!({"field": "ttl_ms", "asked": 9_467_280_000_000_u64, "given": 86_400_000, "rule": "ttl_max"});
    assert_eq!(decided["clamped"], json!([clamp]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longest_ttl_there_is_is_clamped_too() {
    let decided = decided("(local.set $now (i64.const -1))").await;
    assert_eq!(decided["decision"]["freshness"]["ttl_ms"], 86_400_000);
    assert_eq!(decided["clamped"][0]["asked"], u64::MAX);
}
