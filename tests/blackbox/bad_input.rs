//! Requests that are wrong, each answered by a problem document that says what to do.

use larder::Route;
use reqwest::Method;
use serde_json::json;

use crate::client::send;
use crate::running::{Running, Setup};
use crate::shop::Shop;

async fn running() -> Running {
    let mut setup = Setup::standard(json!({}));
    setup.settings.body_max_bytes = 100_000;
    setup.start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_decide_request_is_explained() {
    let running = running().await;
    let nested = "[".repeat(50_000);
    let long_id = format!(
        r#"{{"request": {{"operation": "read", "resource": "product", "id": "{}"}}}}"#,
        "x".repeat(5_000)
    );
    for (body, status, code, words) in [
        (
            r#"{"request": {"operation": "fetch", "resource": "product", "id": "1"}}"#,
            400,
            "invalid_request",
            "unknown operation `fetch`: use `read`, `write` or `delete`",
        ),
        (
            r#"{"request": {"operation": "read", "id": "1"}}"#,
            400,
            "invalid_request",
            "the request has no resource: give `resource`",
        ),
        (
            r#"{"request": {"operation": "read", "resource": "product"}}"#,
            400,
            "invalid_request",
            "the request has no id",
        ),
        (
            r#"{"request": {"resource": "product", "id": "1"}}"#,
            400,
            "invalid_body",
            "missing field `operation`",
        ),
        (
            r#"{"request": {"operation": "read", "resource": "product", "id": "a\u0000b"}}"#,
            400,
            "invalid_request",
            "control character",
        ),
        (
            &long_id,
            400,
            "invalid_request",
            "id has 5000 bytes; at most 4096 are taken",
        ),
        (
            r#"{"request": {"operation": "read", "resorce": "product", "id": "1"}}"#,
            400,
            "invalid_body",
            "unknown field `resorce`",
        ),
        (
            r#"{"request": {"operation": "read", "resource": "product", "id": "1", "attributes": {"a": 1}}}"#,
            400,
            "invalid_body",
            "invalid type: integer `1`, expected a string",
        ),
        (
            r#"{"request": {"operation": "read", "resource": "p", "id": "1", "attributes": {"a": "1", "a": "2"}}}"#,
            400,
            "invalid_body",
            "the attribute `a` is given twice",
        ),
        (
            r#"{"request": {"operation": "read", "resource": "product", "id": "1", "attributes": []}}"#,
            400,
            "invalid_body",
            "an object of texts",
        ),
        (
            r#"{"request": {"operation": "read", "resource": "nothing", "id": "1"}}"#,
            404,
            "no_route",
            "no route matches the resource `nothing`",
        ),
        (
            r#"{"policy": "nobody", "request": {"operation": "read", "resource": "product", "id": "1"}}"#,
            404,
            "no_policy",
            "there is no policy `nobody`",
        ),
        (
            "hello",
            400,
            "invalid_body",
            "the body is not a decide request: expected value at line 1 column 1",
        ),
        (r#"{"request": "#, 400, "invalid_body", "EOF while parsing"),
        (
            "",
            400,
            "invalid_body",
            "the body is empty; send a decide request as JSON",
        ),
        (
            "[]",
            400,
            "invalid_body",
            "the body is not a decide request",
        ),
        (
            &nested,
            400,
            "invalid_body",
            "the body is not a decide request",
        ),
    ] {
        let answer = running.data.post("/v1/decide", body.to_owned()).await;
        answer.expect_problem(status, code, words);
    }
    let answer = running
        .data
        .post("/v1/decide", b"{\"request\": \"\xff\"}".to_vec())
        .await;
    answer.expect_problem(
        400,
        "invalid_body",
        "the body is not UTF-8: byte 13 begins no character",
    );
    running.data.decide("product").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_too_large_is_refused_whole() {
    let running = Setup::standard(json!({})).start().await;
    let one = json!({"request": {"operation": "read", "resource": "product", "id": "1"}});
    let batch = json!({"requests": vec![one.clone(); 1001]});
    let answer = running.data.post_json("/v1/decide/batch", &batch).await;
    answer.expect_problem(
        400,
        "batch_too_large",
        "the batch has 1001 requests; at most 1000",
    );
    let batch = json!({"requests": vec![one; 1000]});
    let answer = running.data.post_json("/v1/decide/batch", &batch).await;
    assert_eq!(
        answer.expect(200).json()["results"]
            .as_array()
            .unwrap()
            .len(),
        1000
    );
    let answer = running.data.post("/v1/decide/batch", "[]").await;
    answer.expect_problem(
        400,
        "invalid_body",
        "the body is not a batch of decide requests",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_the_limit_is_refused_wherever_it_goes() {
    let shop = Shop::new();
    let mut setup = Setup::standard_over(shop.origin(), json!({}));
    setup.settings.body_max_bytes = 100_000;
    let running = setup.start().await;
    let large = vec![b' '; 100_001];
    for answer in [
        running.data.post("/v1/decide", large.clone()).await,
        running.data.post("/v1/decide/batch", large.clone()).await,
        running.data.post("/v1/invalidate", large.clone()).await,
        running
            .data
            .put("/v1/entries/product/7", large.clone())
            .await,
        running
            .admin
            .post("/v1/policies/standard/pin", large.clone())
            .await,
    ] {
        answer.expect_problem(413, "body_too_large", "more than 100000 bytes");
    }
    assert_eq!(shop.price(7), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_that_leads_nowhere_says_where_to_look() {
    let running = running().await;
    for (path, status, code, words) in [
        (
            "/",
            404,
            "no_such_path",
            "there is no `GET /` here; /openapi.json describes what there is",
        ),
        (
            "/v1/entries/product",
            404,
            "no_such_path",
            "an entry is /v1/entries/RESOURCE/ID",
        ),
        (
            "/v1/entries/product/",
            404,
            "no_such_path",
            "an entry is /v1/entries/RESOURCE/ID",
        ),
        (
            "/v1/policies",
            404,
            "no_such_path",
            "that is on the admin listener",
        ),
        (
            "/health/ready",
            404,
            "no_such_path",
            "that is on the admin listener",
        ),
        (
            "/metrics",
            404,
            "no_such_path",
            "that is on the admin listener",
        ),
        (
            "/v1/decide",
            405,
            "wrong_method",
            "`/v1/decide` does not take GET",
        ),
        (
            "/v1/invalidate",
            405,
            "wrong_method",
            "`/v1/invalidate` does not take GET",
        ),
        ("/v1/leases/x", 405, "wrong_method", "does not take GET"),
        ("/v1/entries/product/%FF", 400, "invalid_path", "in UTF-8"),
        ("/v1/entries/%FF/1", 400, "invalid_path", "in UTF-8"),
        (
            "/v1/entries/product/a%00b",
            400,
            "invalid_request",
            "control character",
        ),
        (
            "/v1/entries/nothing/1",
            404,
            "no_route",
            "no route matches the resource `nothing`",
        ),
    ] {
        running
            .data
            .get(path)
            .await
            .expect_problem(status, code, words);
    }
    let post = running.data.post("/v1/entries/product/1", "").await;
    post.expect_problem(405, "wrong_method", "does not take POST");
    let long = running.data.get(&format!("/{}", "x".repeat(20_000))).await;
    long.expect_problem(404, "no_such_path", "there is no `GET /xxx");
    for (path, status, code, words) in [
        (
            "/v1/decide",
            404,
            "no_such_path",
            "that is on the data listener",
        ),
        (
            "/v1/entries/product/1",
            404,
            "no_such_path",
            "that is on the data listener",
        ),
        ("/v1/none", 404, "no_such_path", "/openapi.json describes"),
        (
            "/v1/policies/nobody",
            404,
            "no_policy",
            "there is no policy `nobody`",
        ),
        ("/v1/policies/%FF", 400, "invalid_path", "UTF-8"),
    ] {
        running
            .admin
            .get(path)
            .await
            .expect_problem(status, code, words);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_and_queries_that_are_odd_are_taken_or_refused_in_words() {
    let shop = Shop::new();
    let running = Setup::standard_over(shop.origin(), json!({})).start().await;
    let with = |name: &str, value: &[u8]| {
        let request = running.data.request(Method::GET, "/v1/entries/product/7");
        send(request.header(name, value))
    };
    let context = with("larder-context-tier", b"%FF").await;
    context.expect_problem(
        400,
        "invalid_header",
        "`larder-context-tier` is not percent-encoded UTF-8",
    );
    let context = with("larder-context-tier", b"\xff").await;
    context.expect_problem(400, "invalid_header", "`larder-context-tier`");
    with("x-odd", b"\xff").await.expect(200);
    running
        .data
        .get("/v1/entries/product/7?%FF=%FF&&=&a")
        .await
        .expect(200);
    let many: Vec<String> = (0..200).map(|n| format!("a{n}=1")).collect();
    let many = running
        .data
        .get(&format!("/v1/entries/product/7?{}", many.join("&")))
        .await;
    many.expect_problem(400, "invalid_request", "attributes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_that_needs_an_origin_says_so() {
    let running = Setup::standard(json!({})).start().await;
    let read = running.data.get("/v1/entries/product/7").await;
    read.expect_problem(500, "no_origin", "add `origin = \"…\"` to the route");
    let write = running.data.put("/v1/entries/product/7", "{}").await;
    write.expect_problem(
        500,
        "no_origin",
        "the policy chose read_through for `product`",
    );
    let bypass = Setup::standard(json!({"strategy": "bypass"})).start().await;
    let read = bypass.data.get("/v1/entries/product/7").await;
    read.expect_problem(404, "bypassed", "load it yourself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_the_origin_refuses_changes_nothing() {
    let shop = Shop::new();
    let running = Setup::standard_over(shop.origin(), json!({})).start().await;
    for body in ["not json", r#"{"colour": "red"}"#, "[]"] {
        let answer = running.data.put("/v1/entries/product/7", body).await;
        answer.expect_problem(422, "origin_rejected", "the origin refused the request");
    }
    assert_eq!(shop.price(7), 7);
    let empty = Setup::new().route(Route::new("*", "nobody")).start().await;
    let decided = empty.data.decide("product").await.expect(200).json();
    assert_eq!(decided["fallback"]["failure"], "unavailable", "{decided}");
}
