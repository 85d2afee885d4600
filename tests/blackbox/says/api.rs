//! What the README of `api` says.

use std::time::Duration;

use larder::Route;
use serde_json::json;

use super::every_claim_is_tried;
use crate::guests::shipped;
use crate::running::{Running, Setup, http_origin};
use crate::service::{Reply, Server, answer};

const README: &str = include_str!("../../../policies/api/README.md");
const HERE: &str = include_str!("api.rs");
const CLIENT: &str = include_str!("../http_client.rs");
const RULES: &str = include_str!("../../../policies/api/src/tests.rs");
const CONTROL: &str = include_str!("../../../policies/api/src/cache_control.rs");
const LIFETIME: &str = include_str!("../../../policies/api/src/lifetime.rs");

#[test]
fn every_claim_has_a_test() {
    let key = "every_declared_input_is_part_of_the_key";
    let passed = "headers_that_it_does_not_declare_do_not_reach_the_origin";
    let query = "every_query_reaches_the_origin_as_it_was_sent_and_has_an_entry_of_its_own";
    let bypass = "credentials_and_named_inputs_keep_a_request_out";
    let defaults = "without_settings_the_defaults_hold";
    let write = "a_write_makes_every_variant_stale_with_credentials_or_without";
    every_claim_is_tried(
        README,
        &[HERE, CLIENT, RULES, CONTROL, LIFETIME],
        &[
            ("For HTTP responses.", "the_response_says_for_how_long"),
            ("The key is the resource", key),
            ("**Query**", key),
            ("Every other parameter", query),
            ("**Headers**", key),
            ("Of these an HTTP origin", passed),
            ("Others do not reach", passed),
            ("A request with `Authorization`", bypass),
            ("Stored are the statuses", "the_statuses_that_are_stored"),
            ("Never stored", "what_the_response_forbids_is_not_stored"),
            ("The ttl is `s-maxage`", "the_response_says_for_how_long"),
            (
                "An `Expires` that is no date",
                "a_response_ends_when_it_says",
            ),
            (
                "`stale-while-revalidate` and",
                "what_forbids_storing_and_stale_use",
            ),
            (
                "What is stale when it comes",
                "a_response_that_expires_at_once_is_kept_for_no_time_and_no_error",
            ),
            ("| `strategy`", defaults),
            ("| `default_ttl`", defaults),
            ("| `max_ttl`", defaults),
            ("| `stale_while_revalidate`", defaults),
            ("| `stale_if_error`", defaults),
            ("| `negative_ttl`", defaults),
            ("| `bypass_on`", bypass),
            ("Entries carry the tags", key),
            ("A write invalidates the second", write),
        ],
    );
}

async fn over(service: &Server) -> Running {
    Setup::new()
        .policy("api", shipped("api"), json!({}))
        .origin(
            "service",
            http_origin(&service.base, Duration::from_secs(5)),
        )
        .route(Route::new("*", "api").origin("service"))
        .start()
        .await
}

/// What comes of a first and of a second read, and the headers of the second.
async fn twice(status: &'static str, headers: &str) -> (String, String) {
    let headers = headers.to_owned();
    let service = Server::start(move |_| Reply::Keep(answer(status, &headers, b"x"))).await;
    let running = over(&service).await;
    let first = running.data.get("/v1/entries/article/7").await;
    let again = running.data.get("/v1/entries/article/7").await;
    let said = |answer: &crate::client::Answer| answer.header("cache-status").to_owned();
    (said(&first), said(&again))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_response_says_for_how_long() {
    for (headers, ttl) in [
        ("", Some(60)),
        ("cache-control: max-age=600\r\n", Some(600)),
        ("cache-control: s-maxage=500, max-age=600\r\n", Some(500)),
        ("cache-control: max-age=600\r\nage: 100, 0\r\n", Some(500)),
        (
            "cache-control: max-age=600\r\nage: 100\r\nage: 0\r\n",
            Some(500),
        ),
        ("cache-control: max-age=600\r\nage: soon\r\n", Some(600)),
        ("cache-control: max-age=31536000\r\n", Some(86_400)),
        (
            "cache-control: max-age=600\r\ndate: Mon, 30 Nov 2020 23:50:00 GMT\r\n",
            None,
        ),
        (
            "date: Mon, 30 Nov 2020 23:50:00 GMT\r\nexpires: Tue, 01 Dec 2020 00:00:00 GMT\r\n",
            None,
        ),
        ("expires: 0\r\n", None),
        ("expires: Thu, 01 Jan 1970 00:00:00 GMT\r\n", None),
        ("expires: 0\r\ncache-control: max-age=30\r\n", Some(30)),
    ] {
        let (first, again) = twice("200 OK", headers).await;
        let Some(ttl) = ttl else {
            assert!(first.ends_with("detail=zero_ttl"), "{headers}: {first}");
            assert!(again.ends_with("detail=zero_ttl"), "{headers}: {again}");
            continue;
        };
        let given: u64 = first.split("ttl=").nth(1).unwrap().parse().unwrap();
        assert!((ttl - 5..=ttl).contains(&given), "{headers}: {first}");
        assert!(again.starts_with("Larder; hit"), "{headers}: {again}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_statuses_that_are_stored() {
    for (status, stored) in [
        ("200 OK", true),
        ("203 Non-Authoritative Information", true),
        ("204 No Content", true),
        ("300 Multiple Choices", false),
        ("301 Moved Permanently", false),
        ("308 Permanent Redirect", false),
        ("404 Not Found", true),
        ("410 Gone", true),
        ("201 Created", false),
        ("202 Accepted", false),
        ("302 Found", false),
        ("307 Temporary Redirect", false),
    ] {
        let service = Server::start(move |_| {
            // A 204 has no body.
            let body: &[u8] = if status.starts_with("204") { b"" } else { b"x" };
            Reply::Keep(answer(status, "", body))
        })
        .await;
        let running = over(&service).await;
        for round in [false, stored] {
            let read = running.data.get("/v1/entries/article/7").await;
            let said = read.header("cache-status");
            assert_eq!(said.contains("; hit"), round, "{status}: {read:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_it_does_not_declare_do_not_reach_the_origin() {
    let service = Server::start(|_| Reply::Keep(answer("200 OK", "", b"x"))).await;
    let running = over(&service).await;
    let request = running
        .data
        .request(reqwest::Method::GET, "/v1/entries/article/7");
    let request = request
        .header("accept-language", "de")
        .header("accept-encoding", "gzip, br")
        .header("x-tier", "gold");
    crate::client::send(request).await.expect(200);
    let seen = service.seen.lock().pop().unwrap();
    assert_eq!(seen.headers["accept-language"], "de");
    assert_eq!(seen.headers["accept-encoding"], "identity");
    assert!(!seen.headers.contains_key("x-tier"), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_settings_the_defaults_hold() {
    let service = Server::start(|_| Reply::Keep(answer("200 OK", "", b"x"))).await;
    let running = over(&service).await;
    let decision = running.data.decide("article").await.expect(200).json()["decision"].clone();
    assert_eq!(decision["strategy"], "read_through");
    let freshness = &decision["freshness"];
    for (name, ms) in [
        ("ttl_ms", 60_000),
        ("stale_while_revalidate_ms", 0),
        ("stale_if_error_ms", 300_000),
        ("negative_ttl_ms", 10_000),
    ] {
        assert_eq!(freshness[name], ms, "{name}");
    }
    let (first, _) = twice("200 OK", "cache-control: max-age=99999999\r\n").await;
    assert!(first.contains("ttl=86"), "a day: {first}");
}
