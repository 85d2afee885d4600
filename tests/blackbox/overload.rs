//! Too many requests at a time: some are refused at once, and the others keep their time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use larder_server::Token;
use larder_server::access::{Plane, Scope, TokenHash};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::send;
use crate::running::{Running, Setup, eventually, http_origin};
use crate::service::{Reply, Server, answer};

async fn limited(max: usize) -> Running {
    let mut setup = Setup::standard(json!({}));
    setup.settings.max_in_flight = max;
    setup.start().await
}

/// A request whose body never comes, which takes room until the connection is dropped. Ends once
/// the server says something: `100` when it waits for the body, or what it refuses with.
async fn unfinished(address: SocketAddr, path: &str, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n{headers}\
         content-length: 9\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; "HTTP/1.1 100".len()];
    stream.read_exact(&mut status).await.unwrap();
    let status = String::from_utf8(status.to_vec()).unwrap();
    (stream, status.replace("HTTP/1.1 ", ""))
}

/// A request that took room and keeps it.
async fn waiting(address: SocketAddr, path: &str, headers: &str) -> TcpStream {
    let (stream, status) = unfinished(address, path, headers).await;
    assert_eq!(status, "100");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn above_the_limit_all_routes_are_refused_and_operators_are_not() {
    let running = limited(2).await;
    // One limit for all routes and all connections.
    let one = waiting(running.address, "/v1/decide", "").await;
    let other = waiting(running.address, "/v1/invalidate", "").await;
    let began = Instant::now();
    for path in ["/openapi.json", "/v1/entries/product/1", "/nothing"] {
        let refused = running.data.get(path).await;
        refused.expect_problem(503, "overloaded", "limit of 2 requests at a time");
        assert_eq!(refused.header("retry-after"), "1");
    }
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "nothing was queued"
    );
    running.admin.get("/health/live").await.expect(200);
    running.admin.get("/health/ready").await.expect(200);
    running.admin.get("/v1/status").await.expect(200);
    let metrics = running.admin.get("/metrics").await;
    let metrics = metrics.expect(200).text();
    for line in [
        "larder_shed_requests_total ",
        "larder_http_errors_total{code=\"overloaded\"} ",
        "larder_requests_in_flight ",
        "# HELP larder_shed_requests_total ",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }

    // Who goes away leaves room, whether the request was answered or not.
    drop(one);
    eventually("room for one", async || {
        let answer = running.data.get("/openapi.json").await;
        (answer.status == 200).then_some(())
    })
    .await;
    for _ in 0..10 {
        running.data.get("/openapi.json").await.expect(200);
    }
    drop(other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_times_out_leaves_its_room() {
    let mut setup = Setup::standard(json!({}));
    setup.settings.max_in_flight = 1;
    setup.settings.request_timeout = Duration::from_millis(300);
    let running = setup.start().await;
    let _open = waiting(running.address, "/v1/decide", "").await;
    let refused = running.data.decide("product").await;
    refused.expect_problem(503, "overloaded", "limit of 1 requests at a time");
    eventually("room again", async || {
        let answer = running.data.decide("product").await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_take_no_room() {
    let mut setup = Setup::standard(json!({}));
    setup.settings.max_in_flight = 1;
    setup.settings.tokens = vec![Token {
        name: "app".to_owned(),
        hash: TokenHash::of("secret"),
        scope: Scope {
            planes: vec![Plane::Data],
            ..Scope::default()
        },
    }];
    let running = setup.start().await;
    let mut strangers = Vec::new();
    for _ in 0..5 {
        let (stream, status) = unfinished(running.address, "/v1/decide", "").await;
        assert_eq!(status, "401");
        strangers.push(stream);
    }
    let known = || running.data.request(reqwest::Method::GET, "/openapi.json");
    send(known().bearer_auth("secret")).await.expect(200);
    let head = "authorization: Bearer secret\r\n";
    let _full = waiting(running.address, "/v1/decide", head).await;
    send(known().bearer_auth("secret")).await.expect(503);
    running
        .data
        .get("/openapi.json")
        .await
        .expect_problem(401, "unauthenticated", "token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_answered_whole_and_the_origin_sees_no_more_than_the_limit() {
    // The origin answers nobody until the whole crowd but those who wait for it has its answer.
    let (open, opened) = tokio::sync::watch::channel(false);
    let service = Server::start(|_| Reply::Keep(answer("200 OK", "", b"tea"))).await;
    let base = gate(service.base.clone(), opened).await;
    let origin = http_origin(&base, Duration::from_secs(30));
    let mut setup = Setup::standard_over(origin, json!({}));
    setup.settings.max_in_flight = 4;
    let running = setup.start().await;
    let crowd: Vec<_> = (0..60)
        .map(|id| {
            let data = running.data.clone();
            tokio::spawn(async move { data.get(&format!("/v1/entries/product/{id}")).await })
        })
        .collect();
    eventually("all but four are refused", async || {
        let done = crowd.iter().filter(|one| one.is_finished()).count();
        (done == 56).then_some(())
    })
    .await;
    open.send(true).unwrap();
    let mut counts = (0, 0);
    for one in crowd {
        match one.await.unwrap() {
            answer if answer.status == 200 => counts.0 += 1,
            answer => {
                answer.expect_problem(503, "overloaded", "`max_in_flight` in [server]");
                counts.1 += 1;
            }
        }
    }
    assert_eq!(counts, (4, 56));
    assert_eq!(service.seen.lock().len(), 4);
    running.data.get("/v1/entries/product/99").await.expect(200);
}

/// A way to `base` that passes nothing on until it is opened.
async fn gate(base: String, opened: tokio::sync::watch::Receiver<bool>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = format!("http://{}", listener.local_addr().unwrap());
    let to = base.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let (to, mut opened) = (to.clone(), opened.clone());
            tokio::spawn(async move {
                opened.wait_for(|open| *open).await.unwrap();
                let mut to = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
            });
        }
    });
    way
}
