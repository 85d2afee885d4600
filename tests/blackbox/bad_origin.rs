//! Origins that are down, slow, or break off in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpListener;

use crate::clock::StoppedClock;
use crate::running::{Running, Setup, http_origin};
use crate::service::{Reply, Server, answer};

const ENTRY: &str = "/v1/entries/product/1";

async fn over(service: &Server, timeout_ms: u64) -> Running {
    let origin = http_origin(&service.base, Duration::from_millis(timeout_ms));
    Setup::standard_over(origin, json!({})).start().await
}

/// Reads and writes, both of which have to fail so.
async fn fails(running: &Running, status: u16, code: &str, words: &str) {
    let read = running.data.get(ENTRY).await;
    read.expect_problem(status, code, words);
    let write = running.data.put(ENTRY, "x").await;
    write.expect_problem(status, code, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_is_down() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let origin = http_origin(&base, Duration::from_secs(5));
    let running = Setup::standard_over(origin, json!({})).start().await;
    fails(
        &running,
        502,
        "origin_unreachable",
        "the origin cannot be reached",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_never_answers() {
    let service = Server::start(|_| Reply::Hang(Vec::new())).await;
    let running = over(&service, 150).await;
    let began = Instant::now();
    fails(
        &running,
        504,
        "origin_timeout",
        "did not answer within 150 ms",
    )
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_stops_in_the_middle_of_a_value() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf";
    let service = Server::start(|_| Reply::Hang(half.to_vec())).await;
    let running = over(&service, 150).await;
    let read = running.data.get(ENTRY).await;
    read.expect_problem(504, "origin_timeout", "did not answer within 150 ms");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_value_is_never_served_and_never_stored() {
    let whole = Arc::new(AtomicBool::new(false));
    let is_whole = whole.clone();
    let service = Server::start(move |_| match is_whole.load(Ordering::SeqCst) {
        true => Reply::Keep(answer("200 OK", "", b"whole")),
        false => Reply::Close(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwho".to_vec()),
    })
    .await;
    let running = over(&service, 5_000).await;
    let read = running.data.get(ENTRY).await;
    read.expect_problem(502, "origin_broken", "the origin's answer is broken");
    whole.store(true, Ordering::SeqCst);
    assert_eq!(running.data.get(ENTRY).await.expect(200).text(), "whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_talks_nonsense_or_fails() {
    for (reply, status, code) in [
        (b"SSH-2.0-OpenSSH_9.0\r\n".to_vec(), 502, "origin_broken"),
        (
            answer("500 Internal Server Error", "", b""),
            500,
            "origin_failed",
        ),
        (
            answer("429 Too Many Requests", "", b""),
            429,
            "origin_rejected",
        ),
        (
            answer("302 Found", "location: /elsewhere\r\n", b""),
            502,
            "origin_failed",
        ),
        (answer("403 Forbidden", "", b""), 403, "origin_rejected"),
    ] {
        let service = Server::start(move |_| match reply.starts_with(b"HTTP") {
            true => Reply::Keep(reply.clone()),
            false => Reply::Close(reply.clone()),
        })
        .await;
        let running = over(&service, 5_000).await;
        fails(&running, status, code, "the origin").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_larger_than_the_origin_allows() {
    let service = Server::start(|_| Reply::Keep(answer("200 OK", "", &[b'x'; 2000]))).await;
    let mut config = larder::origin::HttpConfig::new(&service.base);
    config.max_bytes = 1000;
    let origin = Arc::new(larder::origin::HttpOrigin::new(config).unwrap());
    let running = Setup::standard_over(origin, json!({})).start().await;
    let read = running.data.get(ENTRY).await;
    read.expect_problem(502, "origin_too_large", "larger than 1000 bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_origin_is_covered_by_what_is_stale() {
    let fails = Arc::new(AtomicBool::new(false));
    let is_failing = fails.clone();
    let service = Server::start(move |_| match is_failing.load(Ordering::SeqCst) {
        true => Reply::Keep(answer("503 Service Unavailable", "", b"")),
        false => Reply::Keep(answer("200 OK", "", b"value")),
    })
    .await;
    let clock = Arc::new(StoppedClock::new());
    let settings = json!({"default_ttl": "1m", "stale_while_revalidate": "0s", "stale_if_error": "10m",
        "jitter_percent": 0, "early_refresh": 0.0});
    let origin = http_origin(&service.base, Duration::from_secs(5));
    let mut setup = Setup::standard_over(origin, settings);
    setup.clock = clock.clone();
    let running = setup.start().await;
    running.data.get(ENTRY).await.expect(200);
    fails.store(true, Ordering::SeqCst);
    clock.advance(61_000);
    let stale = running.data.get(ENTRY).await;
    assert_eq!(stale.expect(200).text(), "value");
    assert_eq!(
        stale.header("cache-status"),
        "Larder; fwd=stale; detail=stale_on_error"
    );
    assert_eq!(stale.header("age"), "61");
    let asked = service.seen.lock().len();
    running.data.get(ENTRY).await.expect(200);
    assert_eq!(
        service.seen.lock().len(),
        asked,
        "a failing origin is not asked on every read"
    );
    clock.advance(11 * 60_000);
    let gone = running.data.get(ENTRY).await;
    gone.expect_problem(503, "origin_failed", "503");
}
