use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::get;
use http_body_util::BodyExt as _;
use larder::core::Timestamp;
use tower::ServiceExt as _;

use super::*;
use crate::app::Calls;

struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// The application behind the layer, with a clock that moves when told.
struct Rig {
    app: Router,
    calls: Calls,
    clock: Arc<Hands>,
}

impl Rig {
    fn new() -> Self {
        let calls = Calls::default();
        Self::around(app::router(calls.clone()), calls)
    }

    fn around(routes: Router, calls: Calls) -> Self {
        let clock = Arc::new(Hands(AtomicU64::new(1_800_000_000_000)));
        let engine = engine(clock.clone()).unwrap();
        let app = cached(routes, engine);
        Self { app, calls, clock }
    }

    async fn call(&self, method: &str, uri: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, uri: &str, headers: &[(&str, &str)]) -> (String, String) {
        let response = self.call("GET", uri, headers).await;
        let status = header(&response, "cache-status");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }
}

fn header(response: &Response<Body>, name: &str) -> String {
    let value = response.headers().get(name);
    value.map_or("", |text| text.to_str().unwrap()).to_owned()
}

const PAGE: &str = "/products/42";

#[tokio::test(start_paused = true)]
async fn the_second_get_comes_from_the_cache() {
    let rig = Rig::new();
    let miss = rig.call("GET", PAGE, &[]).await;
    assert_eq!(
        header(&miss, "cache-status"),
        "larder; fwd=uri-miss; stored; ttl=60"
    );
    assert_eq!(header(&miss, "vary"), "accept-language");
    let miss = miss.into_body().collect().await.unwrap().to_bytes();

    rig.clock.0.fetch_add(2_500, Ordering::SeqCst);
    let hit = rig.call("GET", PAGE, &[]).await;
    assert_eq!(hit.status(), StatusCode::OK);
    assert_eq!(header(&hit, "cache-status"), "larder; hit; ttl=57");
    assert_eq!(header(&hit, "age"), "2");
    assert_eq!(header(&hit, "content-type"), "application/json");
    let hit = hit.into_body().collect().await.unwrap().to_bytes();
    assert_eq!((hit, rig.calls.count()), (miss, 1));
}

#[tokio::test(start_paused = true)]
async fn path_query_and_declared_headers_tell_answers_apart() {
    let rig = Rig::new();
    let all: [(&str, &[(&str, &str)]); 6] = [
        ("/products/1", &[]),
        ("/products/2", &[]),
        ("/products/1?page=2", &[]),
        ("/products/1", &[("accept-language", "de")]),
        ("/products/1", &[("accept-language", "de\" header.x=\"y")]),
        ("/products/1%20header.accept-language=%22de%22", &[]),
    ];
    for (uri, headers) in all {
        let (status, _) = rig.get(uri, headers).await;
        assert!(status.contains("stored"), "{uri} {headers:?}: {status}");
    }
    for (uri, headers) in all {
        let (status, _) = rig.get(uri, headers).await;
        assert!(status.contains("hit"), "{uri} {headers:?}: {status}");
    }
    let (status, _) = rig.get("/products/1", &[("user-agent", "x")]).await;
    assert!(status.contains("hit"), "not declared: {status}");
}

#[tokio::test(start_paused = true)]
async fn requests_for_one_person_go_past_the_cache() {
    let rig = Rig::new();
    rig.get(PAGE, &[]).await;
    for (name, value, why) in [
        ("authorization", "Bearer x", "authorization"),
        ("cookie", "session=1", "cookie"),
        ("range", "bytes=0-1", "range"),
        ("cache-control", "max-age=0, No-Store", "no-store"),
    ] {
        let before = rig.calls.count();
        let (status, _) = rig.get(PAGE, &[(name, value)]).await;
        assert_eq!(status, format!("larder; fwd=bypass; detail={why}"));
        assert_eq!(rig.calls.count(), before + 1, "{name}");
    }
    // And nothing of theirs was stored.
    let (status, body) = rig.get(PAGE, &[]).await;
    assert!(
        status.contains("hit") && body.contains("\"call\":1"),
        "{body}"
    );
}

#[tokio::test(start_paused = true)]
async fn answers_that_must_not_be_stored_are_not() {
    let long = "x".repeat(64 * 1024 + 1);
    for (headers, status, body, why) in [
        (vec![("set-cookie", "a=1")], 200, "x", "set-cookie"),
        (
            vec![("cache-control", "private")],
            200,
            "x",
            "cache-control",
        ),
        (
            vec![("cache-control", "max-age=5, no-store")],
            200,
            "x",
            "cache-control",
        ),
        (
            vec![("cache-control", "Private=\"x-a\"")],
            200,
            "x",
            "cache-control",
        ),
        (
            vec![("cache-control", "public"), ("cache-control", "no-cache")],
            200,
            "x",
            "cache-control",
        ),
        (
            vec![("content-encoding", "gzip")],
            200,
            "x",
            "content-encoding",
        ),
        (vec![("vary", "Accept-Language, Cookie")], 200, "x", "vary"),
        (vec![("vary", "*")], 200, "x", "vary"),
        (vec![], 404, "x", "status"),
        (vec![], 500, "x", "status"),
        (vec![], 206, "x", "status"),
        (vec![], 200, long.as_str(), "length"),
    ] {
        let mut template = Response::builder().status(status);
        for (name, value) in &headers {
            template = template.header(*name, *value);
        }
        let (parts, ()) = template.body(()).unwrap().into_parts();
        let body = body.to_owned();
        let answer = move || async move { Response::from_parts(parts.clone(), Body::from(body)) };
        let rig = Rig::around(
            Router::new().route("/products/{id}", get(answer)),
            Calls::default(),
        );
        for _ in 0..2 {
            let response = rig.call("GET", PAGE, &[]).await;
            assert_eq!(response.status().as_u16(), status);
            let expected = format!("larder; fwd=uri-miss; detail={why}");
            assert_eq!(header(&response, "cache-status"), expected, "{headers:?}");
            for (name, _) in &headers {
                assert!(response.headers().contains_key(*name), "goes on as it was");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_unknown_length_goes_through_unread() {
    let stream = || async {
        let parts = futures_util::stream::iter([Ok::<_, std::io::Error>("a"), Ok("b")]);
        Body::from_stream(parts).into_response()
    };
    let rig = Rig::around(
        Router::new().route("/products/{id}", get(stream)),
        Calls::default(),
    );
    for _ in 0..2 {
        let (status, body) = rig.get(PAGE, &[]).await;
        assert_eq!(
            (status.as_str(), body.as_str()),
            ("larder; fwd=uri-miss; detail=length", "ab")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_makes_its_resource_stale_and_a_refused_one_does_not() {
    let rig = Rig::new();
    rig.get(PAGE, &[]).await;
    let refused = rig.call("PUT", "/products/none", &[]).await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    assert!(rig.get(PAGE, &[]).await.0.contains("hit"));

    let changed = rig
        .call("PUT", "/products/7", &[("authorization", "Bearer x")])
        .await;
    assert_eq!(changed.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&changed, "cache-status"), "larder; fwd=method");
    let (status, body) = rig.get(PAGE, &[]).await;
    assert!(
        status.contains("fwd=uri-miss") && body.contains("\"call\":2"),
        "{status}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_loaded_before_a_change_is_not_stored_after_it() {
    let (begun, gate) = (
        Arc::new(tokio::sync::Notify::new()),
        Arc::new(tokio::sync::Notify::new()),
    );
    let (began, opens) = (Arc::clone(&begun), Arc::clone(&gate));
    let slow = move || async move {
        began.notify_one();
        opens.notified().await;
        "old"
    };
    let change = || async { StatusCode::NO_CONTENT };
    let routes = Router::new().route("/products/{id}", get(slow).put(change));
    let rig = Arc::new(Rig::around(routes, Calls::default()));
    let reader = tokio::spawn({
        let rig = Arc::clone(&rig);
        async move { rig.get(PAGE, &[]).await }
    });
    begun.notified().await;
    rig.call("PUT", PAGE, &[]).await;
    gate.notify_one();
    let (status, _) = reader.await.unwrap();
    assert_eq!(status, "larder; fwd=uri-miss; detail=voided");
}

#[tokio::test(start_paused = true)]
async fn readers_at_the_same_time_are_one_call() {
    let rig = Arc::new(slow_rig());
    let reads = (0..50).map(|_| {
        let rig = Arc::clone(&rig);
        tokio::spawn(async move { rig.get(PAGE, &[]).await.1 })
    });
    for read in reads.collect::<Vec<_>>() {
        assert_eq!(read.await.unwrap(), "call 1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_who_goes_away_leaves_the_answer_behind() {
    let rig = slow_rig();
    let left = tokio::time::timeout(Duration::from_millis(10), rig.get(PAGE, &[])).await;
    assert!(left.is_err());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (status, body) = rig.get(PAGE, &[]).await;
    assert!(
        status.contains("hit") && body == "call 1",
        "{status} {body}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stale_answer_is_served_while_one_call_refreshes_it() {
    let rig = slow_rig();
    rig.get(PAGE, &[]).await;
    rig.clock.0.fetch_add(61_000, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(
            rig.get(PAGE, &[]).await,
            ("larder; hit".to_owned(), "call 1".to_owned())
        );
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let (status, body) = rig.get(PAGE, &[]).await;
    assert_eq!(
        (status.as_str(), body.as_str()),
        ("larder; hit; ttl=60", "call 2")
    );
}

#[tokio::test(start_paused = true)]
async fn what_has_no_resource_is_left_alone() {
    let rig = Rig::new();
    let response = rig.call("POST", "/login", &[]).await;
    assert_eq!(header(&response, "set-cookie"), "session=1; HttpOnly");
    assert_eq!(header(&response, "cache-status"), "");
    let head = rig.call("HEAD", PAGE, &[]).await;
    assert_eq!(header(&head, "cache-status"), "larder; fwd=method");
}

/// An application that takes 100 ms for each call.
fn slow_rig() -> Rig {
    let calls = Arc::new(AtomicU64::new(0));
    let slow = move || async move {
        let call = calls.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
        format!("call {call}")
    };
    Rig::around(
        Router::new().route("/products/{id}", get(slow)),
        Calls::default(),
    )
}
