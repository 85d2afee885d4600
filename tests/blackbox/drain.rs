//! The end: what is under way ends with its answer, what is new is refused.

use std::time::Duration;

use larder_server::ServeError;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{Answer, Client};
use crate::running::{Running, Setup, eventually, http_origin};

/// A read that hangs at an origin which answers only when it is told to.
struct UnderWay {
    read: JoinHandle<Answer>,
    answer: oneshot::Sender<()>,
}

async fn under_way(drain: Duration) -> (Running, UnderWay) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (answer, answered) = oneshot::channel::<()>();
    let (asked, was_asked) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        asked.send(()).unwrap();
        if answered.await.is_ok() {
            let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nvalue";
            stream.write_all(whole).await.unwrap();
        }
        std::future::pending::<()>().await;
    });
    let origin = http_origin(&base, Duration::from_secs(60));
    let mut setup = Setup::standard_over(origin, json!({}));
    setup.settings.drain = drain;
    let running = setup.start().await;
    let data = running.data.clone();
    let read = tokio::spawn(async move { data.get("/v1/entries/product/1").await });
    was_asked.await.unwrap();
    (running, UnderWay { read, answer })
}

async fn refuses_connections(running: &Running) {
    eventually("a refused connection", async || {
        TcpStream::connect(running.address).await.err().map(drop)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_under_way_ends_with_its_answer() {
    let (mut running, under_way) = under_way(Duration::from_secs(20)).await;
    running.admin.get("/health/ready").await.expect(200);
    running.stop();
    refuses_connections(&running).await;
    let ready = running.admin.get("/health/ready").await;
    ready.expect_problem(503, "not_ready", "shutting down");
    running.admin.get("/health/live").await.expect(200);
    assert!(!under_way.read.is_finished());
    under_way.answer.send(()).unwrap();
    let answer = under_way.read.await.unwrap();
    assert_eq!(answer.expect(200).text(), "value");
    running.ended().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_end_in_time_is_cut_off_and_reported() {
    let (mut running, _under_way) = under_way(Duration::from_millis(100)).await;
    running.stop();
    let error = running.ended().await.unwrap_err();
    assert!(matches!(error, ServeError::Drain(_)), "{error}");
    assert!(
        error.to_string().contains("100ms after shutdown began"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_a_request_do_not_hold_up_the_end() {
    let mut setup = Setup::standard(json!({}));
    setup.settings.drain = Duration::from_secs(5);
    let mut running = setup.start().await;
    running.data.decide("product").await.expect(200);
    // One that has been used and is kept alive, and one that has said nothing.
    let _kept: Client = running.data.clone();
    let _silent = TcpStream::connect(running.address).await.unwrap();
    running.stop();
    running.ended().await.unwrap();
    refuses_connections(&running).await;
}
