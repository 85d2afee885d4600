//! What an HTTP origin says reaches the client: on the miss, on the hit, and where it is no value.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use larder::Route;
use reqwest::Method;
use serde_json::json;

use crate::client::{Answer, send};
use crate::clock::StoppedClock;
use crate::guests::shipped;
use crate::running::{Running, Setup, http_origin};
use crate::service::{Reply, Server, answer};

const ENTRY: &str = "/v1/entries/product/1";
/// What Larder says itself, anew for each answer, and what the first to ask has alone.
const OWN: [&str; 7] = [
    "age",
    "cache-control",
    "cache-status",
    "larder-decision-id",
    "larder-policy",
    "set-cookie",
    "vary",
];

async fn over(service: &Server) -> (Running, Arc<StoppedClock>) {
    let origin = http_origin(&service.base, Duration::from_secs(5));
    let settings = json!({"default_ttl": "10s", "stale_while_revalidate": "0s",
        "stale_if_error": "5m", "jitter_percent": 0, "early_refresh": 0.0});
    let mut setup = Setup::standard_over(origin, settings);
    let clock = Arc::new(StoppedClock::new());
    setup.clock = clock.clone();
    (setup.start().await, clock)
}

/// A service whose answers are these, one after the other, the last for ever.
async fn says(answers: Vec<Vec<u8>>) -> Server {
    let next = AtomicUsize::new(0);
    Server::start(move |_| {
        let at = next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        Reply::Keep(answers[at].clone())
    })
    .await
}

/// The headers but for those that Larder says anew, as lines.
fn others(answer: &Answer) -> Vec<String> {
    let headers = answer.headers.iter();
    let others = headers.filter(|(name, _)| !OWN.contains(&name.as_str()));
    let line = |(name, value): (_, &reqwest::header::HeaderValue)| {
        format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
    };
    let mut lines: Vec<_> = others.map(line).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hit_answers_what_the_miss_answered() {
    let headers = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"1\"\r\n\
                   Last-Modified: Sun, 06 Nov 1994 08:00:00 GMT\r\nLink: </a>; rel=next\r\n\
                   link: </b>; rel=prev\r\nContent-Language: de\r\n\
                   Content-Disposition: attachment; filename=x\r\n\
                   Access-Control-Allow-Origin: *\r\nX-Caf: caf\u{e9}\r\nAge: 30\r\n\
                   Cache-Status: Inner; hit\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\n\
                   Set-Cookie: session=secret\r\nLarder-Lease: forged\r\n\
                   Larder-Policy: forged\r\n";
    for (status, number, kind, body) in [
        ("200 OK", 200, "text/plain", "one"),
        (
            "203 Non-Authoritative Information",
            203,
            "text/html; charset=latin1",
            "two",
        ),
        ("200 OK", 200, "text/plain", ""),
        ("204 No Content", 204, "text/plain", ""),
    ] {
        let headers = format!("{headers}Content-Type: {kind}\r\n");
        let service = says(vec![answer(status, &headers, body.as_bytes())]).await;
        let (running, clock) = over(&service).await;
        let miss = running.data.get(ENTRY).await;
        clock.advance(4_000);
        let hit = running.data.get(ENTRY).await;
        assert_eq!((miss.status, miss.text()), (number, body));
        assert_eq!((hit.status, hit.text()), (number, body));
        assert_eq!(others(&hit), others(&miss));
        let expected = [
            "content-language: de",
            "content-disposition: attachment; filename=x",
            "access-control-allow-origin: *",
            "date: Sun, 06 Nov 1994 08:49:37 GMT",
            "etag: \"1\"",
            "last-modified: Sun, 06 Nov 1994 08:00:00 GMT",
            "link: </a>; rel=next",
            "link: </b>; rel=prev",
            "x-caf: caf\u{e9}",
            &format!("content-type: {kind}"),
        ];
        let lines = others(&hit);
        for line in expected {
            assert!(lines.iter().any(|known| known == line), "{line}: {lines:?}");
        }
        assert_eq!(miss.header("set-cookie"), "session=secret");
        for name in ["x-hop", "set-cookie", "larder-lease"] {
            assert_eq!(hit.header(name), "", "{name}");
        }
        assert!(hit.header("larder-policy").starts_with("\"standard\""));
        // It was thirty seconds old when it came.
        assert_eq!((miss.header("age"), hit.header("age")), ("30", "34"));
        let status = |answer: &Answer| {
            let members = answer.headers.get_all("cache-status").iter();
            let members = members.map(|member| member.to_str().unwrap().to_owned());
            members.collect::<Vec<_>>().join(", ")
        };
        assert!(
            status(&miss).starts_with("Inner; hit, Larder; fwd="),
            "{}",
            status(&miss)
        );
        assert!(status(&hit).starts_with("Larder; hit"), "{}", status(&hit));
        assert_eq!(service.seen.lock().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encoded_value_is_never_without_its_encoding() {
    let headers = "Content-Encoding: gzip\r\nContent-Type: text/plain\r\n";
    let service = says(vec![answer("200 OK", headers, b"\x1f\x8b...")]).await;
    let (running, _clock) = over(&service).await;
    for _ in 0..2 {
        let read = running.data.get(ENTRY).await;
        assert_eq!(&*read.body, b"\x1f\x8b...");
        assert_eq!(read.header("content-encoding"), "gzip");
        assert!(
            read.header("vary")
                .to_lowercase()
                .contains("accept-encoding")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_handed_on_and_not_hidden_by_what_was_stored() {
    let headers = "content-type: application/problem+json\r\n\
                   www-authenticate: Basic realm=\"shop\"\r\n";
    for (status, number) in [("403 Forbidden", 403), ("401 No", 401), ("451 No", 451)] {
        let service = says(vec![
            answer("200 OK", "", b"old"),
            answer(status, headers, b"{\"why\":1}"),
        ])
        .await;
        let (running, clock) = over(&service).await;
        running.data.get(ENTRY).await.expect(200);
        clock.advance(11_000);
        for _ in 0..2 {
            let read = running.data.get(ENTRY).await;
            assert_eq!((read.status, read.text()), (number, "{\"why\":1}"));
            assert_eq!(read.header("content-type"), "application/problem+json");
            assert_eq!(read.header("www-authenticate"), "Basic realm=\"shop\"");
            assert_eq!(read.header("larder-origin-status"), number.to_string());
            let expected = format!("Larder; fwd=miss; fwd-status={number}; detail=origin_rejected");
            assert_eq!(read.header("cache-status"), expected);
        }
        let write = running.data.put(ENTRY, "x").await;
        assert_eq!((write.status, write.text()), (number, "{\"why\":1}"));
        assert!(
            write
                .header("cache-status")
                .starts_with("Larder; fwd=method; ")
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_hidden_by_what_was_stored_and_else_handed_on() {
    let failed = answer(
        "503 Service Unavailable",
        "retry-after: 7\r\n",
        b"back soon",
    );
    let service = says(vec![answer("200 OK", "", b"old"), failed]).await;
    let (running, clock) = over(&service).await;
    running.data.get(ENTRY).await.expect(200);
    clock.advance(11_000);
    let stale = running.data.get(ENTRY).await;
    assert_eq!((stale.status, stale.text()), (200, "old"));
    assert!(stale.header("cache-status").contains("stale_on_error"));
    // The origin is left alone now: nobody asks for this one.
    let asked = service.seen.lock().len();
    let other = running.data.get("/v1/entries/product/2").await;
    other.expect_problem(503, "origin_resting", "Retry-After");
    let left: u64 = other.header("retry-after").parse().unwrap();
    assert!((1..=7).contains(&left), "{left}");
    assert_eq!(service.seen.lock().len(), asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_to_come_back_is_handed_on_as_the_origin_said_it() {
    for (status, number) in [("429 Too Many Requests", 429), ("503 No", 503)] {
        let headers = "retry-after: 86400\r\n";
        let service = says(vec![answer(status, headers, b"later")]).await;
        let (running, _clock) = over(&service).await;
        let read = running.data.get(ENTRY).await;
        assert_eq!((read.status, read.text()), (number, "later"));
        assert_eq!(read.header("retry-after"), "86400");
        // Nobody is kept out for so long by one answer.
        let other = running.data.get("/v1/entries/product/2").await;
        let left: u64 = other.header("retry-after").parse().unwrap();
        assert!(left <= 300, "{left}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_was_not_whole_is_replaced_by_a_problem_document() {
    let headers = "retry-after: 9\r\nx-why: because\r\n";
    let service = says(vec![answer("503 No", headers, &[b'x'; 70_000])]).await;
    let (running, _clock) = over(&service).await;
    let read = running.data.get(ENTRY).await;
    read.expect_problem(503, "origin_failed", "answered 503");
    assert_eq!(read.header("x-why"), "because");
    assert_eq!(read.headers.get_all("retry-after").iter().count(), 1);
    assert_eq!(read.header("retry-after"), "9");
    assert_eq!(read.header("larder-origin-status"), "503");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_absence_is_answered_as_it_was_told_on_the_hit_too() {
    for (status, number) in [("404 Not Found", 404), ("410 Gone", 410)] {
        let headers = "content-type: text/html\r\nlink: </new>\r\n";
        let service = says(vec![answer(status, headers, b"<p>gone</p>")]).await;
        let (running, _clock) = over(&service).await;
        let (miss, hit) = (running.data.get(ENTRY).await, running.data.get(ENTRY).await);
        for read in [&miss, &hit] {
            assert_eq!((read.status, read.text()), (number, "<p>gone</p>"));
            assert_eq!(read.header("link"), "</new>");
            assert_eq!(read.header("larder-origin-status"), number.to_string());
        }
        assert_eq!(others(&hit), others(&miss));
        assert!(hit.header("cache-status").contains("negative_hit"));
        assert_eq!(service.seen.lock().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_is_for_who_loaded_it_and_never_stored() {
    for (policy, head) in [
        ("standard", "200 OK"),
        ("standard", "404 Not Found"),
        ("api", "200 OK"),
    ] {
        let lines = "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\n";
        let service = Server::start(move |_| Reply::Keep(answer(head, lines, b"x"))).await;
        let running = Setup::new()
            .policy(policy, shipped(policy), json!({}))
            .origin(
                "service",
                http_origin(&service.base, Duration::from_secs(5)),
            )
            .route(Route::new("*", policy).origin("service"))
            .start()
            .await;
        for round in 0..2 {
            let read = running.data.get("/v1/entries/page/7").await;
            let is_hit = read.header("cache-status").starts_with("Larder; hit");
            assert_eq!(is_hit, policy == "standard" && round == 1, "{read:?}");
            let cookies: Vec<_> = read.headers.get_all("set-cookie").iter().collect();
            if is_hit {
                assert!(cookies.is_empty(), "{read:?}");
            } else {
                assert_eq!(cookies, ["a=1; Path=/", "b=2"]);
                assert_eq!(read.header("cache-control"), "private, no-store");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_promises_no_value_is_handed_on_and_not_stored() {
    for status in [
        "201 Created",
        "202 Accepted",
        "205 Reset Content",
        "207 Multi-Status",
        "208 Already Reported",
        "299 Something",
    ] {
        let body: &[u8] = if status.starts_with("205") { b"" } else { b"x" };
        let lines = "Cache-Control: max-age=60\r\n";
        let service = Server::start(move |_| Reply::Keep(answer(status, lines, body))).await;
        let (running, _) = over(&service).await;
        for _ in 0..2 {
            let read = running.data.get(ENTRY).await;
            assert_eq!(read.status.to_string(), status[..3], "{read:?}");
            let said = read.header("cache-status");
            assert!(said.ends_with("detail=status"), "{said}");
            assert_eq!(read.header("cache-control"), "private, no-store");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_not_handed_on() {
    let headers = "location: /elsewhere\r\n";
    let service = says(vec![answer("302 Found", headers, b"")]).await;
    let (running, _clock) = over(&service).await;
    let read = running.data.get(ENTRY).await;
    read.expect_problem(
        502,
        "origin_failed",
        "/elsewhere: redirects are not followed",
    );
    assert_eq!(read.header("location"), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_carries_what_describes_its_bytes_and_no_part_of_a_value() {
    let service = says(vec![answer("204 No Content", "", b"")]).await;
    let (running, _clock) = over(&service).await;
    let put = |name: &str, value: &str| {
        let request = running.data.request(Method::PUT, ENTRY).body("x");
        request
            .header(name, value)
            .header("content-type", "text/plain")
    };
    send(put("content-encoding", "gzip")).await.expect(200);
    let seen = service.seen.lock().pop().unwrap();
    assert_eq!(seen.headers["content-encoding"], "gzip");
    let part = send(put("content-range", "bytes 0-0/9")).await;
    part.expect_problem(400, "invalid_header", "Content-Range");
    assert!(service.seen.lock().is_empty());
}
