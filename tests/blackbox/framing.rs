//! Requests at the edges of HTTP itself: what is refused before anybody looks at it.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::running::{Running, Setup};
use crate::shop::Shop;

/// The whole answer to these bytes.
async fn raw(running: &Running, request: &str) -> String {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A connection that is closed with bytes unread may end in a reset behind the answer.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn put(headers: &str, body: &str) -> String {
    format!(
        "PUT /v1/entries/product/7 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_in_a_transfer_coding_that_nobody_undoes_is_refused() {
    let shop = Shop::new();
    let running = Setup::standard_over(shop.origin(), json!({})).start().await;
    let body = "c\r\n{\"price\": 9}\r\n0\r\n\r\n";
    for headers in [
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
    ] {
        let answer = raw(&running, &put(headers, body)).await;
        assert!(answer.starts_with("HTTP/1.1 501 "), "{headers}: {answer}");
        assert!(answer.contains("\"unsupported_transfer\""), "{answer}");
    }
    let answer = raw(&running, &put("Transfer-Encoding: Chunked\r\n", body)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_says_to_be_too_long_is_refused_before_it_is_sent() {
    let shop = Shop::new();
    let mut setup = Setup::standard_over(shop.origin(), json!({}));
    setup.settings.body_max_bytes = 100;
    let running = setup.start().await;
    let headers = "Content-Length: 101\r\nExpect: 100-continue\r\n";
    let answer = raw(&running, &put(headers, "")).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"body_too_large\""), "{answer}");
    let long = format!("65\r\n{}\r\n0\r\n\r\n", "x".repeat(101));
    let answer = raw(&running, &put("Transfer-Encoding: chunked\r\n", &long)).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_of_http_is_answered_by_a_status_alone() {
    let running = Setup::standard(json!({"strategy": "cache_aside"}))
        .start()
        .await;
    let page = std::fs::read_to_string(crate::workspace::root().join("docs/errors.md")).unwrap();
    let get = |target: &str, version: &str, headers: &str| {
        format!("GET {target} HTTP/{version}\r\nHost: a\r\nConnection: close\r\n{headers}\r\n")
    };
    let entry = "/v1/entries/product/7";
    let many = |count: usize| (0..count).map(|at| format!("x-{at}: 1\r\n")).collect();
    let (few, many): (String, String) = (many(90), many(101));
    for (request, status) in [
        (get(entry, "3.0", ""), 400),
        (get(entry, "1.1", "X-A: a\r\n b\r\n"), 400),
        (get(entry, "1.1", "X-A : a\r\n"), 400),
        (get(entry, "1.1", "Content-Length: +3\r\n"), 400),
        (get(&format!("/{}", "a".repeat(65_535)), "1.1", ""), 414),
        (get(entry, "1.1", &many), 431),
        (
            get(entry, "1.1", &format!("x: {}\r\n", "a".repeat(600_000))),
            431,
        ),
    ] {
        let answer = raw(&running, &request).await;
        let begun = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&begun), "{status}: {answer}");
        assert!(answer.ends_with("\r\n\r\n"), "no document: {answer}");
        assert!(page.contains(&format!("| {status} | ")), "{status}");
    }
    let answer = raw(&running, &get(entry, "1.1", &few)).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_before_the_end_of_the_body_says_that_the_connection_ends() {
    let shop = Shop::new();
    let mut setup = Setup::standard_over(shop.origin(), json!({}));
    setup.settings.body_max_bytes = 100;
    let running = setup.start().await;
    let put =
        |target: &str, headers: &str| format!("PUT {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    let entry = "/v1/entries/product/7";
    for (request, status) in [
        (put(entry, "Content-Length: 9000\r\n"), 413),
        (put("/nowhere", "Content-Length: 90\r\n"), 404),
        (
            put(
                entry,
                "Transfer-Encoding: chunked\r\nLarder-Timeout-Ms: 1\r\nLarder-Timeout-Ms: 1\r\n",
            ),
            400,
        ),
    ] {
        let answer = raw(&running, &request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
    let whole = format!("{}{{\"price\": 9}}", put(entry, "Content-Length: 12\r\n"));
    let last = format!("GET {entry} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let answers = raw(&running, &format!("{whole}{last}")).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2, "{answers}");
    assert_eq!(answers.matches("connection: close").count(), 1, "{answers}");
}
