//! Clients that are slow on purpose, and ports that are taken.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use larder::Engine;
use larder::store::{MemoryConfig, MemoryStore};
use larder_server::{Parts, Server, Settings};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::running::{Running, Setup, metrics};

/// Far beyond every limit that is set here.
const PATIENCE: Duration = Duration::from_secs(10);

async fn running() -> Running {
    let mut setup = Setup::standard(json!({}));
    setup.settings.header_timeout = Duration::from_millis(300);
    setup.settings.request_timeout = Duration::from_millis(400);
    setup.start().await
}

/// Sends `first`, then one byte of `rest` every 20 ms, and reads until the server ends it.
/// Answers what came and how long it took.
async fn drip(address: SocketAddr, first: &[u8], rest: &'static [u8]) -> (String, Duration) {
    let began = Instant::now();
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut from, mut to) = stream.into_split();
    to.write_all(first).await.unwrap();
    let dripping = tokio::spawn(async move {
        for byte in rest {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if to.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
        // Held open: it is the server who has to end it.
        std::future::pending::<()>().await;
    });
    let mut answer = Vec::new();
    // A reset ends it as well.
    let ended = tokio::time::timeout(PATIENCE, from.read_to_end(&mut answer)).await;
    dripping.abort();
    let took = began.elapsed();
    assert!(
        ended.is_ok(),
        "the connection was still open after {took:?}"
    );
    (String::from_utf8(answer).unwrap(), took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_never_ends_is_cut_off() {
    let running = running().await;
    for (first, rest) in [
        (&b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n"[..], &b""[..]),
        (b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n", &[b'a'; 400]),
        (b"G", b""),
    ] {
        let (answer, took) = drip(running.address, first, rest).await;
        assert!(!answer.contains("200 OK"), "{answer}");
        assert!(took >= Duration::from_millis(250), "cut off after {took:?}");
    }
    running.data.decide("product").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_says_nothing_is_cut_off() {
    let running = running().await;
    for first in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n"] {
        let (answer, _) = drip(running.address, first, b"").await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_trickles_is_ended_by_the_request_timeout() {
    let running = running().await;
    let head = b"POST /v1/decide HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
    let (answer, took) = drip(running.address, head, &[b' '; 400]).await;
    assert!(
        answer.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"),
        "{answer}"
    );
    assert!(answer.contains("request_timeout"), "{answer}");
    assert!(
        answer.contains("the request did not end within 400 ms"),
        "{answer}"
    );
    assert!(took < PATIENCE, "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_off_writes_nothing() {
    let shop = crate::shop::Shop::new();
    let running = Setup::standard_over(shop.origin(), json!({})).start().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = b"PUT /v1/entries/product/7 HTTP/1.1\r\nhost: x\r\ncontent-length: 15\r\n\r\n{\"price\": 71}";
    stream.write_all(head).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(!answer.contains("200 OK"), "{answer}");
    assert_eq!(shop.price(7), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_is_refused_and_others_are_served() {
    let running = running().await;
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"hello\r\n\r\n",
        &[0; 64],
    ] {
        let (answer, _) = drip(running.address, nonsense, b"").await;
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    let mut head = b"GET / HTTP/1.1\r\nhost: x\r\nx: ".to_vec();
    head.resize(2 << 20, b'a');
    // The server may well stop reading before all of it is sent.
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let _ = stream.write_all(&head).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .unwrap();
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    running.data.decide("product").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_named() {
    struct Nobody;
    impl larder::core::Policies for Nobody {
        fn current(&self, _: &str) -> Option<std::sync::Arc<dyn larder::core::Policy>> {
            None
        }
    }
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = (taken.local_addr().unwrap(), taken);
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    for (listen, admin, plane) in [(taken.0, free, "data"), (free, taken.0, "admin")] {
        let store = std::sync::Arc::new(MemoryStore::new(MemoryConfig::default()));
        let engine = Engine::builder(std::sync::Arc::new(Nobody), store).build();
        let parts = Parts {
            engine: engine.unwrap(),
            policies: None,
            metrics: metrics(),
            reload: None,
        };
        let settings = Settings {
            listen,
            admin: Some(admin),
            ..Settings::default()
        };
        let error = Server::bind(settings, parts)
            .await
            .err()
            .unwrap()
            .to_string();
        let words = format!(
            "cannot listen on {} ({plane} plane): the port is in use",
            taken.0
        );
        assert!(error.contains(&words), "{error}");
    }
}
