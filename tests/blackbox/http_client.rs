//! What an HTTP client sends reaches an HTTP origin, and what it does not say is not shared.

use std::sync::Arc;
use std::time::Duration;

use larder::origin::Origin;
use larder::{Route, Undeclared};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Answer, send};
use crate::guests;
use crate::running::{Running, Setup, http_origin};
use crate::service::{Reply, Server, answer};
use crate::shop::Shop;

/// A service whose answer is what it was asked for.
async fn echo(headers: &'static str) -> Server {
    Server::start(move |request| {
        let said = format!("{} {}", request.method, request.target);
        Reply::Keep(answer("200 OK", headers, said.as_bytes()))
    })
    .await
}

fn origin(service: &Server) -> Arc<dyn Origin> {
    http_origin(&service.base, Duration::from_secs(5))
}

async fn over(policy: &str, settings: Value, service: &Server, rule: Undeclared) -> Running {
    Setup::new()
        .policy(policy, guests::shipped(policy), settings)
        .origin("service", origin(service))
        .route(Route::new("*", policy).origin("service").undeclared(rule))
        .start()
        .await
}

fn asked(service: &Server) -> Vec<String> {
    let seen = service.seen.lock();
    let all = seen.iter();
    all.map(|request| format!("{} {}", request.method, request.target))
        .collect()
}

fn is_hit(answer: &Answer) -> bool {
    answer.header("cache-status").starts_with("Larder; hit")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_reaches_the_origin_as_it_was_sent_and_has_an_entry_of_its_own() {
    let queries = [
        "",
        "?",
        "?page=2",
        "?status=open&page=2",
        "?status=closed&page=2",
        "?page=2&status=closed",
        "?q=a&q=b",
        "?q=b&q=a",
        "?q=a%2Cb",
        "?q=a,b",
        "?q=a%2cb",
        "?q=a+b",
        "?q=a%20b",
        "?q",
        "?q=",
        "?tag=x&tag=y",
        "?tag=y&tag=x",
        "?tag=x,y",
        "?q=%FF",
        "?q=%FE",
        "?q=%EF%BF%BD",
        "?q=a&",
        "?filter%5Bname%5D=a",
        "?filter[name]=a",
    ];
    for policy in ["api", "standard"] {
        let service = echo("cache-control: max-age=60\r\n").await;
        let running = over(policy, json!({}), &service, Undeclared::Key).await;
        for round in [false, true] {
            for query in queries {
                let path = format!("/v1/entries/list/7{query}");
                let answer = running.data.get(&path).await;
                let expected = format!("GET /list/7{query}");
                assert_eq!(answer.expect(200).text(), expected, "{policy}");
                assert_eq!(is_hit(&answer), round, "{policy} {query}: {answer:?}");
            }
        }
        assert_eq!(asked(&service).len(), queries.len(), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_parameters_that_the_policy_declares_is_of_no_matter() {
    let service = echo("cache-control: max-age=60\r\n").await;
    let running = over("api", json!({}), &service, Undeclared::Key).await;
    running.data.get("/v1/entries/list/7?page=2&q=a").await;
    let again = running.data.get("/v1/entries/list/7?q=a&page=2").await;
    assert!(is_hit(again.expect(200)), "{again:?}");
    assert_eq!(asked(&service), ["GET /list/7?page=2&q=a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_a_key_stale_makes_its_variants_stale() {
    for strategy in ["read_through", "write_through"] {
        let service = echo("").await;
        let settings = json!({"strategy": strategy});
        let running = over("standard", settings, &service, Undeclared::Key).await;
        let (data, path) = (&running.data, "/v1/entries/product/7");
        let variants = ["", "?a=1", "?a=1&a=2", "?b"];
        let all_hit = async || {
            for query in variants {
                data.get(&format!("{path}{query}")).await.expect(200);
                let again = data.get(&format!("{path}{query}")).await;
                assert!(is_hit(&again), "{query}: {again:?}");
            }
        };
        let none_hit = async |what: &str| {
            for query in variants {
                let answer = data.get(&format!("{path}{query}")).await;
                assert!(!is_hit(answer.expect(200)), "{what} {query}: {answer:?}");
            }
        };
        all_hit().await;
        data.put(path, "x").await.expect(200);
        none_hit("a write").await;
        all_hit().await;
        data.put(&format!("{path}?c=3&c=4"), "x").await.expect(200);
        none_hit("a write with a query").await;
        all_hit().await;
        if strategy == "read_through" {
            data.delete(path).await.expect(200);
            none_hit("a delete").await;
        }
        for what in [
            json!({"keys": [{"namespace": "product", "key": "product:7"}]}),
            json!({"patterns": [{"namespace": "product", "pattern": "product:?"}]}),
            json!({"tags": ["product"]}),
            json!({"namespaces": ["product"]}),
        ] {
            all_hit().await;
            data.post_json("/v1/invalidate", &what).await.expect(200);
            none_hit(&what.to_string()).await;
        }
        assert!(asked(&service).contains(&"PUT /product/7?c=3&c=4".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_shows_the_key_that_is_used_and_an_invalidation_takes_it() {
    let service = echo("").await;
    let running = over("standard", json!({}), &service, Undeclared::Key).await;
    let data = &running.data;
    let key = async |attributes: Value| {
        let request = json!({"operation": "read", "resource": "product", "id": "7",
            "attributes": attributes});
        let answer = data
            .post_json("/v1/decide", &json!({"request": request}))
            .await;
        answer.expect(200).json()["decision"]["key"].clone()
    };
    assert_eq!(key(json!({})).await, "product:7");
    assert_eq!(key(json!({"query.a": "1"})).await, "product:7~?a=1");
    let sent = key(json!({"query.a": "1,2", "query": "a=1&a=2"})).await;
    assert_eq!(sent, "product:7~?a=1&a=2");

    for query in ["a=1", "a=1&a=2"] {
        data.get(&format!("/v1/entries/product/7?{query}"))
            .await
            .expect(200);
    }
    let what = json!({"keys": [{"namespace": "product", "key": sent}]});
    let removed = data.post_json("/v1/invalidate", &what).await;
    assert_eq!(removed.expect(200).json()["removed"], 1);
    for (query, hit) in [("a=1", true), ("a=1&a=2", false)] {
        let answer = data.get(&format!("/v1/entries/product/7?{query}")).await;
        assert_eq!(is_hit(&answer), hit, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_cannot_pretend_to_be_a_query() {
    let service = echo("").await;
    let running = over("standard", json!({}), &service, Undeclared::Key).await;
    for (path, expected) in [
        ("7?a=1", "GET /product/7?a=1"),
        ("7%3Fa=1", "GET /product/7%3Fa%3D1"),
        ("7~%3Fa=1", "GET /product/7~%3Fa%3D1"),
    ] {
        let answer = running
            .data
            .get(&format!("/v1/entries/product/{path}"))
            .await;
        assert_eq!(answer.expect(200).text(), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_can_keep_what_its_policy_does_not_declare_out_of_the_cache_or_away() {
    let service = echo("cache-control: max-age=60\r\n").await;
    let running = over("api", json!({}), &service, Undeclared::Bypass).await;
    for query in ["status=open", "q=a&q=b"] {
        for _ in 0..2 {
            let answer = running
                .data
                .get(&format!("/v1/entries/list/7?{query}"))
                .await;
            assert_eq!(answer.expect(200).text(), format!("GET /list/7?{query}"));
            let said = answer.header("cache-status");
            assert!(said.ends_with("detail=undeclared_query"), "{said}");
            assert_eq!(answer.header("cache-control"), "private, no-store");
        }
    }
    running
        .data
        .get("/v1/entries/list/7?q=a+b")
        .await
        .expect(200);
    let spelled = running.data.get("/v1/entries/list/7?q=a+b").await;
    assert!(
        is_hit(&spelled),
        "another spelling is no other parameter: {spelled:?}"
    );

    let service = echo("").await;
    let running = over("api", json!({}), &service, Undeclared::Refuse).await;
    for (query, words) in [
        ("page=2&status=open", "`status`"),
        ("q=a&q=b", "`q` more than once"),
    ] {
        let path = format!("/v1/entries/list/7?{query}");
        let read = running.data.get(&path).await;
        read.expect_problem(400, "undeclared_query", words);
        let write = running.data.put(&path, "x").await;
        write.expect_problem(400, "undeclared_query", words);
    }
    assert!(asked(&service).is_empty());
    running
        .data
        .get("/v1/entries/list/7?page=2")
        .await
        .expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_for_one_query() {
    let settings = json!({"strategy": "cache_aside"});
    let running = Setup::standard(settings).start().await;
    let data = &running.data;
    for query in ["?a=1", "?a=2", "?a=1&a=2", ""] {
        let path = format!("/v1/entries/product/7{query}");
        let missed = data.get(&path).await;
        missed.expect_problem(404, "leased", "");
        let lease = format!("/v1/leases/{}", missed.header("larder-lease"));
        data.put(&lease, query).await.expect(200);
        assert_eq!(data.get(&path).await.expect(200).text(), query);
    }
    assert_eq!(data.get("/v1/entries/product/7?a=1").await.text(), "?a=1");
    data.put("/v1/entries/product/7", "x").await.expect(200);
    data.get("/v1/entries/product/7?a=1").await.expect(404);
}

/// What a read with these headers answers; what is missing is filled with what it was asked under.
async fn aside(running: &Running, path: &str, headers: &[(&str, &str)]) -> String {
    let mut request = running.data.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = send(request).await;
    if answer.status == 200 {
        return answer.text().to_owned();
    }
    answer.expect_problem(404, "leased", "");
    let lease = format!("/v1/leases/{}", answer.header("larder-lease"));
    let loaded = format!("{path} {headers:?}");
    running.data.put(&lease, loaded.clone()).await.expect(200);
    loaded
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_application_loads_is_for_one_context_and_one_caller() {
    let settings = json!({"strategy": "cache_aside"});
    let running = Setup::standard(settings).start().await;
    let path = "/v1/entries/product/7";
    let all: [&[(&str, &str)]; 9] = [
        &[],
        &[("larder-context-tier", "gold")],
        &[("larder-context-tier", "basic")],
        &[("larder-context-tier", "")],
        &[("larder-context-role", "gold")],
        &[("larder-context-tier", "gold"), ("larder-context-a", "1")],
        &[("authorization", "Bearer one")],
        &[("authorization", "Bearer two")],
        &[("cookie", "session=one")],
    ];
    for round in 0..2 {
        for headers in all {
            let read = aside(&running, path, headers).await;
            assert_eq!(read, format!("{path} {headers:?}"), "round {round}");
        }
    }
    let swapped = [("larder-context-a", "1"), ("larder-context-tier", "gold")];
    let read = aside(&running, path, &swapped).await;
    assert!(read.contains("tier"), "their order is of no matter: {read}");
    let unheeded = [("user-agent", "x"), ("accept", "y"), ("traceparent", "z")];
    assert_eq!(aside(&running, path, &unheeded).await, format!("{path} []"));
    let one = json!({"keys": [{"namespace": "product", "key": "product:7~?#context.tier=gold"}]});
    running
        .data
        .post_json("/v1/invalidate", &one)
        .await
        .expect(200);
    let gold = running
        .data
        .request(Method::GET, path)
        .header("larder-context-tier", "gold");
    send(gold).await.expect_problem(404, "leased", "");
    let basic = aside(&running, path, all[2]).await;
    assert!(
        basic.contains("basic"),
        "only the one that was named: {basic}"
    );
    // What makes the row stale does so for everybody.
    running.data.put(path, "x").await.expect(200);
    for headers in &all[2..] {
        let mut request = running.data.request(Method::GET, path);
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        send(request).await.expect_problem(404, "leased", "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_that_the_policy_declares_is_for_its_key() {
    let running = Setup::new()
        .policy(
            "session",
            guests::shipped("session"),
            json!({"strategy": "cache_aside"}),
        )
        .route(Route::new("*", "session"))
        .start()
        .await;
    let decided = json!({"request": {"operation": "read", "resource": "s", "id": "1",
        "attributes": {"context.user": "7", "context.tier": "gold"}}});
    let reply = running.data.post_json("/v1/decide", &decided).await;
    let key = reply.expect(200).json()["decision"]["key"].clone();
    assert_eq!(key, "s::7:1~?#context.tier=gold");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_can_keep_undeclared_context_out_of_the_cache_or_away() {
    let start = async |rule| {
        Setup::new()
            .policy(
                "standard",
                guests::shipped("standard"),
                json!({"strategy": "cache_aside"}),
            )
            .route(Route::new("product", "standard").undeclared(rule))
            .start()
            .await
    };
    let get = async |running: &Running, name: &str| {
        let request = running.data.request(Method::GET, "/v1/entries/product/7");
        send(request.header(name, "gold")).await
    };
    let running = start(Undeclared::Bypass).await;
    let answer = get(&running, "larder-context-tier").await;
    answer.expect_problem(404, "bypassed", "context `tier`");
    let running = start(Undeclared::Refuse).await;
    let answer = get(&running, "larder-context-tier").await;
    answer.expect_problem(400, "undeclared_context", "`context.tier`");
    // Credentials are no context: each caller has entries of its own.
    let answer = get(&running, "authorization").await;
    answer.expect_problem(404, "leased", "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_over_a_database_is_for_one_query_and_one_context() {
    let shop = Shop::new();
    let settings = json!({"strategy": "cache_aside"});
    let running = Setup::standard_over(shop.origin(), settings).start().await;
    let path = "/v1/entries/product/7";
    for _ in 0..2 {
        for (query, headers) in [
            ("", &[][..]),
            ("?expand=reviews", &[]),
            ("", &[("larder-context-tier", "gold")]),
        ] {
            let path = format!("{path}{query}");
            let read = aside(&running, &path, headers).await;
            assert_eq!(read, format!("{path} {headers:?}"));
        }
    }
    running.data.delete(path).await.expect(200);
    let after = running.data.get(&format!("{path}?expand=reviews")).await;
    after.expect_problem(404, "leased", "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_database_have_no_query() {
    let shop = Shop::new();
    let running = Setup::standard_over(shop.origin(), json!({})).start().await;
    running.data.get("/v1/entries/product/7").await.expect(200);
    let other = running
        .data
        .get("/v1/entries/product/7?utm_source=x&a=1&a=2")
        .await;
    assert!(is_hit(other.expect(200)), "{other:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_varies_by_what_was_not_passed_is_not_stored() {
    for (headers, stored) in [
        ("vary: Accept-Encoding\r\n", true),
        ("vary: Cookie\r\n", false),
        ("vary: Accept-Encoding, X-Tier\r\n", false),
        ("vary: Accept-Encoding\r\nvary: Origin\r\n", false),
        ("vary: Accept-Language\r\n", false),
        ("vary: *\r\n", false),
    ] {
        let service = echo(headers).await;
        let running = over("standard", json!({}), &service, Undeclared::Key).await;
        running.data.get("/v1/entries/product/7").await.expect(200);
        let again = running.data.get("/v1/entries/product/7").await;
        assert_eq!(is_hit(again.expect(200)), stored, "{headers}: {again:?}");
        if !stored {
            let said = again.header("cache-status");
            assert!(said.ends_with("detail=varies"), "{said}");
            assert_eq!(again.header("cache-control"), "private, no-store");
        }
    }
    let service = echo("vary: Accept-Language\r\n").await;
    let running = over("api", json!({}), &service, Undeclared::Key).await;
    running.data.get("/v1/entries/product/7").await.expect(200);
    let again = running.data.get("/v1/entries/product/7").await;
    assert!(is_hit(&again), "the policy declares it: {again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preconditions_of_a_write_reach_the_origin_that_judges_them() {
    let service = Server::start(|request| {
        let refused = request.headers.keys().any(|name| name.starts_with("if-"));
        Reply::Keep(match refused {
            true => answer("412 Precondition Failed", "", b"not this one"),
            false => answer("200 OK", "", b""),
        })
    })
    .await;
    let running = over("standard", json!({}), &service, Undeclared::Key).await;
    for (name, value) in [
        ("if-match", "\"nope\""),
        ("if-match", "\"a\", \"b\""),
        ("if-none-match", "*"),
        ("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ] {
        for method in [Method::PUT, Method::DELETE] {
            let request = running
                .data
                .request(method.clone(), "/v1/entries/product/7");
            let answer = send(request.header(name, value).body("x")).await;
            assert!((400..500).contains(&answer.status), "{answer:?}");
            let seen = service.seen.lock().pop().unwrap();
            assert_eq!(
                (&*seen.method, &*seen.headers[name]),
                (method.as_str(), value)
            );
        }
    }
    let read = running.data.request(Method::GET, "/v1/entries/product/7");
    let read = read
        .header("if-none-match", "\"x\"")
        .header("range", "bytes=0-1");
    send(read.header("if-range", "\"x\"")).await.expect(200);
    let seen = service.seen.lock().pop().unwrap();
    assert!(
        !seen
            .headers
            .keys()
            .any(|name| name.starts_with("if-") || name == "range")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_under_a_condition_that_nobody_judges_is_not_done() {
    let shop = Shop::new();
    let over_sql = Setup::standard_over(shop.origin(), json!({})).start().await;
    let aside = Setup::standard(json!({"strategy": "cache_aside"}))
        .start()
        .await;
    for running in [&over_sql, &aside] {
        for (name, value) in [("If-Match", "\"nope\""), ("If-None-Match", "*")] {
            for method in [Method::PUT, Method::DELETE] {
                let request = running.data.request(method, "/v1/entries/product/7");
                let answer = send(request.header(name, value).body("{\"price\": 1}")).await;
                let words = format!("`{}`", name.to_ascii_lowercase());
                answer.expect_problem(501, "precondition_unsupported", &words);
            }
        }
    }
    let row = over_sql.data.get("/v1/entries/product/7").await;
    assert_eq!(row.expect(200).json()["price"], 7, "the row is as it was");
    let request = over_sql.data.request(Method::PUT, "/v1/entries/product/7");
    let since = request.header("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT");
    send(since.body("{\"price\": 8}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_of_a_value_is_neither_written_nor_answered() {
    let shop = Shop::new();
    let running = Setup::standard_over(shop.origin(), json!({})).start().await;
    let request = running.data.request(Method::PUT, "/v1/entries/product/7");
    let part = send(request.header("Content-Range", "bytes 0-1/9").body("{}")).await;
    part.expect_problem(400, "invalid_header", "`Content-Range`");
    let request = running.data.request(Method::GET, "/v1/entries/product/7");
    let whole = send(request.header("Range", "bytes=0-1")).await;
    assert_eq!(whole.expect(200).json()["price"], 7);
}

/// A request line and headers over a connection of their own, and all that comes back.
async fn raw(running: &Running, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(running.address)
        .await
        .unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_may_be_there_once_is_not_there_twice() {
    let running = Setup::standard(json!({"strategy": "cache_aside"}))
        .start()
        .await;
    for (first, second, name) in [
        ("Larder-Tenant: a", "Larder-Tenant: b", "larder-tenant"),
        ("Larder-Tenant: a", "LARDER-TENANT: a", "larder-tenant"),
        ("Larder-Tenant: a, b", "X: y", "larder-tenant"),
        (
            "Larder-Timeout-Ms: 5",
            "Larder-Timeout-Ms: 6",
            "larder-timeout-ms",
        ),
        (
            "Larder-Context-Tier: a",
            "larder-context-tier: b",
            "larder-context-tier",
        ),
        (
            "Idempotency-Key: a",
            "Idempotency-Key: b",
            "idempotency-key",
        ),
        (
            "Authorization: Bearer a",
            "Authorization: Bearer b",
            "authorization",
        ),
        ("Content-Type: a/b", "Content-Type: c/d", "content-type"),
        ("Host: a", "Host: b", "host"),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let request = format!(
                "{method} /v1/entries/product/7 HTTP/1.1\r\n{first}\r\n{second}\r\nConnection: \
                 close\r\n\r\nx"
            );
            let answer = raw(&running, &request).await;
            assert!(
                answer.starts_with("HTTP/1.1 400 "),
                "{method} {first}: {answer}"
            );
            assert!(answer.contains(&format!("`{name}`")), "{answer}");
            assert!(
                answer.contains("cache-control: private, no-store"),
                "{answer}"
            );
        }
    }
    // Two lengths that agree are one by RFC 9112, 6.3; two that do not leave nothing to answer to.
    let lengths = "PUT /v1/entries/product/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\
                   Content-Length: 2\r\nConnection: close\r\n\r\nxy";
    let answer = raw(&running, lengths).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let lists = "GET /v1/entries/product/7 HTTP/1.1\r\nHost: a\r\nAccept: a/b\r\nAccept: c/d\r\n\
                 If-None-Match: \"a\"\r\nIf-None-Match: \"b\"\r\nConnection: close\r\n\r\n";
    let answer = raw(&running, lists).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_to_be_told_to_go_on_is_told() {
    let shop = Shop::new();
    let running = Setup::standard_over(shop.origin(), json!({})).start().await;
    let head = "PUT /v1/entries/product/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\
                Expect: 100-continue\r\nConnection: close\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(running.address)
        .await
        .unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{\"price\": 9}").await.unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert!(rest.starts_with("HTTP/1.1 200 "), "{rest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn head_answers_as_get_does_and_changes_nothing() {
    let running = Setup::standard(json!({"strategy": "cache_aside"}))
        .start()
        .await;
    let (data, path) = (&running.data, "/v1/entries/product/7");
    let head = async |data: &crate::client::Client| {
        let answer = send(data.request(Method::HEAD, path)).await;
        assert!(answer.body.is_empty());
        answer
    };
    for _ in 0..2 {
        let missed = head(data).await;
        assert_eq!(missed.expect(404).header("larder-lease"), "");
        assert_eq!(missed.header("cache-control"), "private, no-store");
    }
    let lease = data.get(path).await;
    assert_ne!(
        lease.expect(404).header("larder-lease"),
        "",
        "it was there to be had"
    );
    head(data).await.expect(404);
    let lease = format!("/v1/leases/{}", lease.header("larder-lease"));
    data.put(&lease, "value").await.expect(200);
    let (got, looked) = (data.get(path).await, head(data).await);
    assert_eq!(looked.expect(200).header("content-length"), "5");
    for name in [
        "content-type",
        "cache-control",
        "age",
        "vary",
        "cache-status",
    ] {
        assert_eq!(looked.header(name), got.header(name), "{name}");
    }

    let service = echo("").await;
    let running = over("standard", json!({}), &service, Undeclared::Key).await;
    for count in [1, 2] {
        let looked = head(&running.data).await;
        assert_eq!(looked.expect(200).header("content-length"), "14");
        assert!(
            looked.header("cache-status").ends_with("detail=looked"),
            "{looked:?}"
        );
        assert_eq!(asked(&service).len(), count, "nothing was stored");
    }
    let got = running.data.get(path).await;
    assert!(!is_hit(got.expect(200)));
    assert!(is_hit(&head(&running.data).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_say_what_a_cache_in_front_may_do() {
    let running = Setup::standard(json!({"strategy": "cache_aside"}));
    let running = running.start().await;
    let (data, path) = (&running.data, "/v1/entries/product/7");
    let nobody = "private, no-store";
    let missed = data.get(path).await;
    assert_eq!(missed.expect(404).header("cache-control"), nobody);
    let lease = format!("/v1/leases/{}", missed.header("larder-lease"));
    let filled = data.put(&lease, "value").await;
    assert_eq!(filled.expect(200).header("cache-control"), nobody);

    let hit = data.get(path).await;
    let said = hit.expect(200).header("cache-control");
    let (max_age, shared) = said.split_once(", ").unwrap();
    let max_age: u64 = max_age.strip_prefix("max-age=").unwrap().parse().unwrap();
    assert!((3_200..=3_600).contains(&max_age), "{said}");
    assert_eq!(
        shared, "s-maxage=0",
        "no invalidation reaches a cache in front"
    );
    assert!(hit.header("vary").starts_with("larder-tenant"), "{hit:?}");

    for (name, value) in [
        ("larder-tenant", "acme"),
        ("larder-context-user", "ann"),
        ("authorization", "Bearer x"),
    ] {
        let request = data.request(Method::GET, path).header(name, value);
        assert_eq!(
            send(request).await.header("cache-control"),
            nobody,
            "{name}"
        );
    }
    for answer in [
        data.put(path, "x").await,
        data.delete(path).await,
        data.post_json("/v1/invalidate", &json!({"tags": ["a"]}))
            .await,
        data.decide("product").await,
        data.get("/v1/entries/nothing/7").await,
        data.get("/nowhere").await,
        data.get("/openapi.json").await,
        running.admin.get("/v1/status").await,
        running.admin.get("/v1/policies").await,
        running.admin.get("/health/ready").await,
        running.admin.get("/metrics").await,
    ] {
        assert_eq!(answer.header("cache-control"), nobody, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_in_front_that_many_ask_keeps_an_answer_as_long_as_it_is_let() {
    let service = echo("").await;
    let mut setup = Setup::standard_over(origin(&service), json!({"jitter_percent": 0}));
    setup.settings.shared_max_age = Duration::from_secs(10);
    let running = setup.start().await;
    let read = running.data.get("/v1/entries/product/7").await;
    let said = read.expect(200).header("cache-control");
    assert!(said.starts_with("max-age=3"), "{said}");
    assert!(
        said.ends_with(", s-maxage=10, stale-while-revalidate=0"),
        "{said}"
    );
    assert_eq!(read.header("x-accel-expires"), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_says_nothing_to_caches_in_front_past_larder() {
    for (name, lets, forbids) in [
        ("cdn-cache-control", "max-age=3600", "no-store"),
        ("cloudflare-cdn-cache-control", "max-age=3600", "private"),
        ("surrogate-control", "max-age=3600", "no-store"),
        ("edge-control", "cache-maxage=1h", "no-store"),
        ("x-accel-expires", "3600", "0"),
    ] {
        for (value, told) in [(lets, ""), (forbids, forbids)] {
            let header = format!("{name}: {value}\r\n");
            let service = echo(Box::leak(header.into_boxed_str())).await;
            let running = over("standard", json!({}), &service, Undeclared::Key).await;
            for _ in 0..2 {
                let read = running.data.get("/v1/entries/product/7").await;
                assert_eq!(read.expect(200).header(name), told, "{value}");
            }
            let written = running.data.put("/v1/entries/product/7", "x").await;
            assert_eq!(written.expect(200).header(name), told, "{value}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_wants_of_caches_is_left_out_of_account() {
    let service = echo("etag: \"v1\"\r\nlast-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n").await;
    let running = over("standard", json!({}), &service, Undeclared::Key).await;
    for (at, (name, value)) in [
        ("cache-control", "no-store"),
        ("cache-control", "no-cache"),
        ("cache-control", "max-age=0, min-fresh=99999"),
        ("cache-control", "only-if-cached"),
        ("pragma", "no-cache"),
        ("if-match", "\"other\""),
        ("if-unmodified-since", "Thu, 01 Jan 2015 00:00:00 GMT"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/v1/entries/product/{at}");
        for round in [false, true] {
            let asked = running.data.request(Method::GET, &path);
            let read = send(asked.header(name, value)).await;
            assert_eq!(is_hit(read.expect(200)), round, "{name}: {value}");
        }
    }
    let preflight = running
        .data
        .request(Method::OPTIONS, "/v1/entries/product/1");
    let preflight = send(preflight.header("origin", "http://a")).await;
    preflight.expect_problem(405, "wrong_method", "OPTIONS");
    assert_eq!(preflight.header("allow"), "GET,HEAD,PUT,DELETE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_has_the_value_is_told_so() {
    let service = echo("etag: \"v1\"\r\nlink: </next>; rel=next\r\n").await;
    let running = over("standard", json!({}), &service, Undeclared::Key).await;
    let ask = async |method: Method, name: &str, value: &str| {
        let request = running.data.request(method, "/v1/entries/product/7");
        send(request.header(name, value)).await
    };
    for round in [false, true] {
        let known = ask(Method::GET, "if-none-match", "\"v0\", W/\"v1\"").await;
        assert_eq!(known.expect(304).header("etag"), "\"v1\"");
        assert!(known.body.is_empty());
        assert_eq!(is_hit(&known), round, "{known:?}");
        assert_ne!(known.header("cache-control"), "");
    }
    ask(Method::HEAD, "if-none-match", "\"v1\"")
        .await
        .expect(304);
    let other = ask(Method::GET, "if-none-match", "\"v2\"").await;
    assert_eq!(other.expect(200).text(), "GET /product/7");
    assert_eq!(asked(&service).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_in_the_documentation_are_those_that_are_used() {
    let service = echo("").await;
    let running = over("api", json!({}), &service, Undeclared::Key).await;
    let page = std::fs::read_to_string(crate::workspace::root().join("docs/http.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: Vec<_> = rows
        .filter_map(|row| row.strip_suffix("` |")?.split_once("` | `"))
        .filter(|(_, key)| key.starts_with("product:7"))
        .collect();
    assert_eq!(rows.len(), 5);
    for (query, key) in rows {
        let attributes = larder::core::query::attributes(query).into_iter();
        let attributes: serde_json::Map<_, _> = attributes
            .map(|(name, value)| (name, Value::from(value)))
            .collect();
        let request = json!({"operation": "read", "resource": "product", "id": "7",
            "attributes": attributes});
        let asked = json!({"request": request});
        let decided = running.data.post_json("/v1/decide", &asked).await;
        let decided = decided.expect(200).json();
        assert_eq!(decided["decision"]["key"], key, "{query}");
    }
}
