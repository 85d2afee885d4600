//! What the README of `standard` says.

use std::time::Duration;

use serde_json::json;

use super::every_claim_is_tried;
use crate::running::{Running, Setup, http_origin};
use crate::service::{Reply, Server, answer};
use crate::shop::Shop;

const README: &str = include_str!("../../../policies/standard/README.md");
const HERE: &str = include_str!("standard.rs");
const THERE: &str = include_str!("../../../policies/standard/src/lib.rs");

#[test]
fn every_claim_has_a_test() {
    let keys = "reads_have_a_key_a_ttl_and_two_tags";
    let defaults = "without_settings_the_default_ttl_holds";
    every_claim_is_tried(
        README,
        &[HERE, THERE],
        &[
            (
                "For ordinary entities",
                "a_row_is_whole_and_a_field_is_that_field",
            ),
            ("| `product/42` ", keys),
            ("| `product/42?field=name`", keys),
            ("| `product/42?field=price`", keys),
            ("A `:` in an id or a field", keys),
            (
                "A row that is read whole",
                "a_row_is_whole_and_a_field_is_that_field",
            ),
            (
                "How long a response",
                "what_a_response_says_of_its_caching_does_not_count",
            ),
            ("| `strategy`", defaults),
            ("| `default_ttl`", defaults),
            ("| `volatile` ", defaults),
            ("| `volatile_ttl`", keys),
            ("| `jitter_percent`", defaults),
            (
                "| `stale_while_revalidate`",
                "the_stale_window_is_no_longer_than_the_ttl",
            ),
            ("| `stale_if_error`", defaults),
            ("| `negative_ttl`", defaults),
            ("| `early_refresh`", defaults),
            ("| `stampede`", defaults),
            (
                "| `write_invalidates`",
                "writes_and_deletes_invalidate_the_row_and_the_entity",
            ),
            (
                "A write or delete invalidates",
                "a_write_costs_its_row_and_by_default_the_others",
            ),
            (
                "The entity's tag is what lists",
                "a_write_costs_its_row_and_by_default_the_others",
            ),
            (
                "But every other row carries it",
                "a_write_costs_its_row_and_by_default_the_others",
            ),
            (
                "That is right by default",
                "a_write_costs_its_row_and_by_default_the_others",
            ),
            (
                "Where lists are not cached",
                "a_write_costs_its_row_and_by_default_the_others",
            ),
        ],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_whole_and_a_field_is_that_field() {
    let shop = Shop::new();
    let settings = json!({"volatile": ["price"], "jitter_percent": 0});
    let running = Setup::standard_over(shop.origin(), settings).start().await;
    let entry = "/v1/entries/product/42";
    let (whole, ttl) = read(&running, entry).await;
    assert_eq!(whole, json!({"id": 42, "name": "product 42", "price": 42}));
    assert_eq!(ttl, 3_600, "though it holds a volatile field");
    let (name, ttl) = read(&running, &format!("{entry}?field=name")).await;
    assert_eq!((name, ttl), (json!({"name": "product 42"}), 3_600));
    let (price, ttl) = read(&running, &format!("{entry}?field=price")).await;
    assert_eq!((price, ttl), (json!({"price": 42}), 300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_response_says_of_its_caching_does_not_count() {
    let lines = "cache-control: private, no-store\r\n";
    let service = Server::start(|_| Reply::Keep(answer("200 OK", lines, b"{}"))).await;
    let origin = http_origin(&service.base, Duration::from_secs(5));
    let running = Setup::standard_over(origin, json!({})).start().await;
    for expected in ["Larder; fwd=uri-miss; stored", "Larder; hit"] {
        let read = running.data.get("/v1/entries/product/42").await;
        let said = read.header("cache-status");
        assert!(said.starts_with(expected), "{said}");
        // Caches around Larder heed it all the same.
        assert_eq!(read.header("cache-control"), "private, no-store");
    }
}

/// The value, and for how many seconds it was stored: what is left of them, and what the answer took.
async fn read(running: &Running, path: &str) -> (serde_json::Value, u64) {
    let answer = running.data.get(path).await;
    let status = answer.expect(200).header("cache-status").to_owned();
    let ttl = status.split("ttl=").nth(1).unwrap();
    let digits: String = ttl.chars().take_while(char::is_ascii_digit).collect();
    let left: u64 = digits.parse().unwrap();
    (answer.json(), left.div_ceil(60) * 60)
}

/// Another row stands for all that carries the entity's tag, lists among it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_costs_its_row_and_by_default_the_others() {
    for (settings, others) in [
        (json!({"jitter_percent": 0}), "fwd=uri-miss"),
        (
            json!({"jitter_percent": 0, "write_invalidates": "row"}),
            "hit",
        ),
    ] {
        let shop = Shop::new();
        let setup = Setup::standard_over(shop.origin(), settings.clone());
        let running = setup.start().await;
        let all = ["42", "42?field=name", "42?field=price", "7"];
        let path = |name: &str| format!("/v1/entries/product/{name}");
        for name in all {
            running.data.get(&path(name)).await.expect(200);
            let again = running.data.get(&path(name)).await;
            assert!(again.header("cache-status").contains("hit"), "{again:?}");
        }
        let written = running.data.put(&path("42"), r#"{"price": 43}"#).await;
        written.expect(200);
        for name in all {
            let answer = running.data.get(&path(name)).await;
            let status = answer.expect(200).header("cache-status");
            let expected = if name == "7" { others } else { "fwd=uri-miss" };
            assert!(status.contains(expected), "{settings} {name}: {status}");
        }
        assert_eq!(
            running.data.get(&path("42?field=price")).await.json()["price"],
            43
        );
    }
}
