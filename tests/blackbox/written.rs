//! What an HTTP origin says of a write reaches whoever wrote, and what it says of the row is heeded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::client::Answer;
use crate::running::{Running, Setup, http_origin};
use crate::service::{Reply, Server, answer};

const ENTRY: &str = "/v1/entries/product/1";
const STRATEGIES: [&str; 2] = ["read_through", "write_through"];

/// A service that answers reads with `value` and writes with `status`.
async fn service(status: &'static str, headers: &'static str) -> Server {
    Server::start(move |request| {
        Reply::Keep(match request.method.as_str() {
            "GET" => answer("200 OK", "", b"value"),
            _ => answer(status, headers, b""),
        })
    })
    .await
}

async fn over(service: &Server, strategy: &str) -> Running {
    let origin = http_origin(&service.base, Duration::from_secs(5));
    let settings = json!({"strategy": strategy, "jitter_percent": 0, "early_refresh": 0.0});
    Setup::standard_over(origin, settings).start().await
}

fn is_hit(answer: &Answer) -> bool {
    answer.header("cache-status").starts_with("Larder; hit")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_wrote_hears_what_the_origin_says() {
    let headers = "etag: \"v2\"\r\nlocation: /products/1\r\nlink: </a>; rel=self\r\n\
                   last-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\ncontent-language: de\r\n\
                   content-location: /products/1\r\ncache-control: max-age=60\r\nvary: accept\r\n\
                   set-cookie: a=b\r\nlarder-queue: forged\r\n";
    for (status, number, answered) in [
        ("200 OK", 200, 200),
        ("201 Created", 201, 201),
        ("202 Accepted", 202, 202),
        ("204 No Content", 204, 200),
    ] {
        for strategy in STRATEGIES {
            let service = service(status, headers).await;
            let running = over(&service, strategy).await;
            for written in [
                running.data.put(ENTRY, "new").await,
                running.data.delete(ENTRY).await,
            ] {
                let said = written.expect(answered).json();
                assert_eq!(said["origin_status"], number, "{written:?}");
                for (name, value) in [
                    ("etag", "\"v2\""),
                    ("location", "/products/1"),
                    ("link", "</a>; rel=self"),
                    ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
                    ("content-type", "application/json"),
                    ("cache-control", "private, no-store"),
                    ("content-language", ""),
                    ("content-location", ""),
                    ("vary", ""),
                    ("set-cookie", ""),
                    ("larder-queue", ""),
                ] {
                    assert_eq!(written.header(name), value, "{name}: {written:?}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_etag_of_a_write_is_good_for_the_next_one() {
    let service = Server::start(|request| {
        let known = request.headers.get("if-match").map(String::as_str);
        Reply::Keep(match known {
            Some("\"v1\"") => answer("412 Precondition Failed", "", b"newer"),
            _ => answer("200 OK", "etag: \"v2\"\r\n", b""),
        })
    })
    .await;
    let running = over(&service, "read_through").await;
    let write = async |tag: &str| {
        let request = running.data.request(reqwest::Method::PUT, ENTRY).body("x");
        crate::client::send(request.header("if-match", tag)).await
    };
    write("\"v1\"").await.expect(412);
    let tag = running.data.put(ENTRY, "x").await.header("etag").to_owned();
    write(&tag).await.expect(200);
}

/// A row that somebody else changed past this server, and whose writes are refused for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_refused_for_the_state_of_the_row_leaves_nothing_older_in_the_cache() {
    for (status, number, goes) in [
        ("404 Not Found", 404, true),
        ("409 Conflict", 409, true),
        ("410 Gone", 410, true),
        ("412 Precondition Failed", 412, true),
        ("400 Bad Request", 400, false),
        ("403 Forbidden", 403, false),
        ("422 Unprocessable Content", 422, false),
        ("428 Precondition Required", 428, false),
    ] {
        for strategy in STRATEGIES {
            let service = service(status, "").await;
            let running = over(&service, strategy).await;
            let (data, variant) = (&running.data, format!("{ENTRY}?page=2"));
            for path in [ENTRY, &variant] {
                data.get(path).await.expect(200);
                assert!(is_hit(&data.get(path).await));
            }
            data.put(ENTRY, "new").await.expect(number);
            let what = format!("{strategy} {status}");
            assert_eq!(!is_hit(&data.get(&variant).await), goes, "{what}");
            // Under write-through the key itself is given up before the origin is asked.
            let given_up = strategy == "write_through";
            assert_eq!(!is_hit(&data.get(ENTRY).await), goes || given_up, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_origin_will_do_later_is_not_taken_for_done() {
    for strategy in STRATEGIES {
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        let service = Server::start(move |request| {
            let gone = is_done.load(Ordering::SeqCst);
            Reply::Keep(match request.method.as_str() {
                "GET" if gone => answer("404 Not Found", "", b"gone"),
                "GET" => answer("200 OK", "", b"value"),
                _ => answer("202 Accepted", "", b""),
            })
        })
        .await;
        let running = over(&service, strategy).await;
        let data = &running.data;
        data.get(ENTRY).await.expect(200);
        let deleted = data.delete(ENTRY).await;
        assert_eq!(deleted.expect(202).json()["stored"], false, "{deleted:?}");
        let before = data.get(ENTRY).await;
        assert_eq!(before.expect(200).text(), "value", "no absence was made up");
        done.store(true, Ordering::SeqCst);
        let after = data.get(ENTRY).await;
        assert_eq!(after.expect(404).text(), "gone", "nothing older was kept");
    }
}
