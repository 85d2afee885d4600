//! Connections that end: before an answer, within it, or as its end.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A service that gives no answer to the `n`-th request and to all later ones while `silent` says so.
async fn silent(silent: impl Fn(usize) -> bool + Send + Sync + 'static) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |request| {
        let n = count.fetch_add(1, Ordering::SeqCst);
        match (silent(n), request.method.as_str()) {
            (true, _) => Reply::Close(Vec::new()),
            (false, "DELETE") => Reply::Keep(answer("404 Not Found", "", b"")),
            (false, _) => Reply::Keep(answer("200 OK", "", b"whole")),
        }
    })
    .await
}

#[tokio::test]
async fn what_an_idle_connection_loses_is_asked_once_more_on_a_new_one() {
    let server = silent(|n| n == 1).await;
    let origin = HttpOrigin::new(config(&server)).unwrap();
    for _ in 0..2 {
        let value = origin.load(wanted("42")).await.unwrap().value.unwrap();
        assert_eq!(value.bytes, "whole");
    }
    assert_eq!(server.seen.lock().len(), 3);
    assert_eq!(*server.connections.lock(), 2);
}

#[tokio::test]
async fn writes_that_may_be_repeated_are_and_no_more_than_once() {
    for method in ["PUT", "DELETE"] {
        let server = silent(|n| n == 1).await;
        let origin = HttpOrigin::new(config(&server)).unwrap();
        origin.load(wanted("42")).await.unwrap();
        let value = Value::new("x");
        let written = match method {
            "PUT" => origin.write(wanted("42"), &value).await,
            _ => origin.delete(wanted("42")).await,
        };
        // The first one may have removed it.
        assert_eq!(written.unwrap().existed, None, "{method}");
        let bodies: Vec<_> = server
            .seen
            .lock()
            .iter()
            .map(|seen| seen.body.len())
            .collect();
        assert_eq!(
            bodies,
            if method == "PUT" {
                [0, 1, 1]
            } else {
                [0, 0, 0]
            }
        );
    }
    let server = silent(|_| true).await;
    let origin = HttpOrigin::new(config(&server)).unwrap();
    let error = origin.load(wanted("42")).await.unwrap_err();
    assert_eq!(error.as_str(), "broken", "{error}");
    assert_eq!(server.seen.lock().len(), 2);
}

#[tokio::test]
async fn what_depends_on_the_first_time_is_not_repeated() {
    let server = silent(|n| n == 0).await;
    let mut config = config(&server);
    config.headers = vec![("If-Match".into(), "\"1\"".into())];
    let origin = HttpOrigin::new(config).unwrap();
    let error = origin.write(wanted("42"), &Value::new("x")).await;
    assert_eq!(error.unwrap_err().as_str(), "broken");
    assert_eq!(server.seen.lock().len(), 1);
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_its_connection() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
    ] {
        let whole = format!("{head}to the end").into_bytes();
        let server = Server::start(move |_| Reply::Close(whole.clone())).await;
        let origin = HttpOrigin::new(config(&server)).unwrap();
        let value = origin.load(wanted("42")).await.unwrap().value.unwrap();
        assert_eq!(value.bytes, "to the end", "{head}");
        assert_eq!(value.head, None, "{head}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_value() {
    for part in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
        "HTTP/1.1 200 OK\r\nContent-Le",
    ] {
        let server = Server::start(|_| Reply::Close(part.into())).await;
        let origin = HttpOrigin::new(config(&server)).unwrap();
        let error = origin.load(wanted("42")).await.unwrap_err();
        assert_eq!(error.as_str(), "broken", "{part}: {error}");
    }
    // A reset is no end: what came before it may be half of the body.
    let server = Server::start(|_| Reply::Reset(b"HTTP/1.1 200 OK\r\n\r\nhalf".to_vec())).await;
    let origin = HttpOrigin::new(config(&server)).unwrap();
    let error = origin.load(wanted("42")).await.unwrap_err();
    assert_eq!(error.as_str(), "broken", "{error}");
}

#[tokio::test]
async fn what_comes_before_the_answer_is_not_the_answer() {
    let whole = b"HTTP/1.1 103 Early Hints\r\nlink: </early>\r\n\r\n\
                  HTTP/1.1 100 Continue\r\n\r\n\
                  HTTP/1.1 200 OK\r\ncontent-length: 2\r\nlink: </late>\r\n\r\nok";
    let server = Server::start(move |_| Reply::Keep(whole.to_vec())).await;
    let origin = HttpOrigin::new(config(&server)).unwrap();
    let value = origin.load(wanted("42")).await.unwrap().value.unwrap();
    assert_eq!(value.bytes, "ok");
    let head = value.head.unwrap();
    assert_eq!(head.all("link").collect::<Vec<_>>(), ["</late>"]);
}
