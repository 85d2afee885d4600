//! Who is let in: tokens, what they may do, and where none is needed.

use std::time::Duration;

use larder_server::Token;
use larder_server::access::{Ability, Pattern, Plane, Scope, TokenHash};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Answer, Client, send};
use crate::running::{Running, Setup, http_origin};
use crate::service;

const READ: &str = "/v1/entries/product/1";

/// A token whose text is `secret-` and its name.
fn token(name: &str, planes: &[Plane], change: impl FnOnce(&mut Scope)) -> Token {
    let mut scope = Scope {
        planes: planes.to_vec(),
        ..Scope::default()
    };
    change(&mut scope);
    Token {
        name: name.to_owned(),
        hash: TokenHash::of(&format!("secret-{name}")),
        scope,
    }
}

fn patterns<T>(all: &[&str], make: impl Fn(&str) -> T) -> Option<Vec<T>> {
    Some(all.iter().map(|one| make(one)).collect())
}

/// A server for `product` and `session` with tokens of all kinds, cache-aside.
async fn guarded() -> Running {
    use Ability::{Decide, Read};
    let data = &[Plane::Data];
    let mut setup = Setup::standard(json!({"strategy": "cache_aside"}))
        .route(larder::Route::new("session", "standard"));
    setup.settings.tokens = vec![
        token("app", data, |_| ()),
        token("operator", &[Plane::Admin], |_| ()),
        token("both", &[Plane::Data, Plane::Admin], |_| ()),
        token("product", data, |scope| {
            scope.resources = patterns(&["product*"], Pattern::new);
        }),
        token("purger", data, |scope| {
            scope.resources = patterns(&["product*"], Pattern::new);
            scope.invalidate = Some(true);
        }),
        token("reader", data, |scope| {
            scope.operations = Some(vec![Read, Decide]);
        }),
        token("acme", data, |scope| {
            scope.tenants = patterns(&["acme"], str::to_owned);
        }),
    ];
    setup.start().await
}

/// One call with a token, as a tenant.
struct Call<'a> {
    plane: &'a Client,
    name: &'a str,
    tenant: &'a str,
}

impl Call<'_> {
    async fn send(&self, method: Method, path: &str, body: &str) -> Answer {
        let request = self.plane.request(method, path).body(body.to_owned());
        let request = match self.tenant {
            "" => request,
            tenant => request.header("larder-tenant", tenant),
        };
        send(request.bearer_auth(format!("secret-{}", self.name))).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, "").await
    }
}

fn with<'a>(plane: &'a Client, name: &'a str) -> Call<'a> {
    Call {
        plane,
        name,
        tenant: "",
    }
}

fn decide(resource: &str) -> String {
    json!({"request": {"operation": "read", "resource": resource, "id": "1"}}).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_nothing_answers_but_health() {
    let running = guarded().await;
    let decide = decide("product");
    for (plane, method, path) in [
        (&running.data, Method::POST, "/v1/decide"),
        (&running.data, Method::POST, "/v1/decide/batch"),
        (&running.data, Method::GET, READ),
        (&running.data, Method::PUT, READ),
        (&running.data, Method::DELETE, READ),
        (&running.data, Method::PUT, "/v1/leases/x"),
        (&running.data, Method::DELETE, "/v1/leases/x"),
        (&running.data, Method::POST, "/v1/invalidate"),
        (&running.data, Method::GET, "/openapi.json"),
        (&running.data, Method::GET, "/nothing"),
        (&running.data, Method::GET, "/health/live"),
        (&running.admin, Method::GET, "/v1/policies"),
        (&running.admin, Method::GET, "/v1/policies/standard"),
        (&running.admin, Method::POST, "/v1/policies/standard/reload"),
        (
            &running.admin,
            Method::POST,
            "/v1/policies/standard/rollback",
        ),
        (&running.admin, Method::POST, "/v1/policies/standard/pin"),
        (&running.admin, Method::GET, "/v1/status"),
        (&running.admin, Method::GET, "/metrics"),
        (&running.admin, Method::GET, "/openapi.json"),
    ] {
        let request = || plane.request(method.clone(), path).body(decide.clone());
        let none = send(request()).await;
        none.expect_problem(401, "unauthenticated", "plane needs a token");
        assert_eq!(none.header("www-authenticate"), "Bearer", "{path}");
        let unknown = send(request().bearer_auth("secret-nobody")).await;
        unknown.expect_problem(401, "unauthenticated", "not one of this server's");
        assert_eq!(unknown.header("www-authenticate"), "Bearer", "{path}");
        let basic = send(request().basic_auth("app", Some("secret-app"))).await;
        basic.expect_problem(401, "unauthenticated", "`Bearer TOKEN`");
    }
    running.admin.get("/health/live").await.expect(200);
    running.admin.get("/health/ready").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_opens_its_planes_and_no_other() {
    let running = guarded().await;
    for (name, data, admin) in [
        ("app", 200, 403),
        ("operator", 403, 200),
        ("both", 200, 200),
    ] {
        let answer = with(&running.data, name).get("/openapi.json").await;
        answer.expect(data);
        for path in ["/v1/policies", "/v1/status", "/metrics", "/openapi.json"] {
            let answer = with(&running.admin, name).get(path).await;
            if answer.expect(admin).status == 403 {
                let words = format!("the token `{name}` is not for the admin plane");
                answer.expect_problem(403, "forbidden", &words);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_holds_for_entries_leases_and_decisions() {
    let running = guarded().await;
    let product = with(&running.data, "product");
    let miss = product.get(READ).await;
    miss.expect_problem(404, "leased", "not in the cache");
    let session = product.get("/v1/entries/session/1").await;
    let words = "the token `product` may not touch the resource `session`";
    session.expect_problem(403, "forbidden", words);
    let encoded = product.get("/v1/entries/%73ession/1").await;
    encoded.expect_problem(403, "forbidden", words);
    let filled = format!("/v1/leases/{}", miss.header("larder-lease"));
    let filled = product.send(Method::PUT, &filled, "tea").await;
    assert_eq!(filled.expect(200).json()["stored"], true);
    assert_eq!(product.get(READ).await.expect(200).text(), "tea");

    // A lease of another's read is no way around.
    let app = with(&running.data, "app");
    let lease = app.get("/v1/entries/session/1").await;
    let lease = format!("/v1/leases/{}", lease.header("larder-lease"));
    for method in [Method::PUT, Method::DELETE] {
        let refused = product.send(method, &lease, "poison").await;
        refused.expect_problem(403, "forbidden", words);
    }
    app.send(Method::DELETE, &lease, "").await.expect(204);

    let reader = with(&running.data, "reader");
    assert_eq!(reader.get(READ).await.expect(200).text(), "tea");
    for method in [Method::PUT, Method::DELETE] {
        let refused = reader.send(method, READ, "coffee").await;
        refused.expect_problem(403, "forbidden", "may not write; `operations` says");
    }
    assert_eq!(reader.get(READ).await.expect(200).text(), "tea");

    let asked = product
        .send(Method::POST, "/v1/decide", &decide("product"))
        .await;
    asked.expect(200);
    let asked = product
        .send(Method::POST, "/v1/decide", &decide("session"))
        .await;
    asked.expect_problem(403, "forbidden", words);
    let parts =
        ["product", "session"].map(|one| serde_json::from_str::<Value>(&decide(one)).unwrap());
    let batch = json!({"requests": parts}).to_string();
    let batch = product.send(Method::POST, "/v1/decide/batch", &batch).await;
    let results = batch.expect(200).json()["results"].clone();
    assert_eq!(results[0]["decision"]["key"], "product:1", "{results}");
    assert_eq!(results[1]["error"]["code"], "forbidden", "{results}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_tenants_acts_for_them_alone() {
    let running = guarded().await;
    let acme = |tenant| Call {
        tenant,
        ..with(&running.data, "acme")
    };
    let miss = acme("acme").get(READ).await;
    miss.expect_problem(404, "leased", "not in the cache");
    let bolt = acme("bolt").get(READ).await;
    bolt.expect_problem(403, "forbidden", "for the tenant `bolt`; `tenants` says");
    let nobody = acme("").get(READ).await;
    nobody.expect_problem(403, "forbidden", "needs a tenant");

    let other = Call {
        tenant: "bolt",
        ..with(&running.data, "app")
    };
    let lease = other.get(READ).await;
    let lease = format!("/v1/leases/{}", lease.header("larder-lease"));
    let refused = acme("acme").send(Method::PUT, &lease, "poison").await;
    refused.expect_problem(403, "forbidden", "for the tenant `bolt`");
    for (tenant, status) in [("acme", 200), ("bolt", 403), ("", 403)] {
        let asked = json!({"tenant": tenant, "tags": ["product"]}).to_string();
        let asked = acme("").send(Method::POST, "/v1/invalidate", &asked).await;
        asked.expect(status);
        let asked = json!({"request": {"operation": "read", "tenant": tenant,
            "resource": "product", "id": "1"}});
        let asked = asked.to_string();
        let asked = acme("").send(Method::POST, "/v1/decide", &asked).await;
        asked.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_invalidate_what() {
    let running = guarded().await;
    let key = |namespace: &str| json!({"keys": [{"namespace": namespace, "key": "product:1"}]});
    for (name, asked, words) in [
        ("app", json!({"tags": ["session"]}), ""),
        (
            "reader",
            json!({"tags": ["x"]}),
            "may not invalidate; `operations`",
        ),
        (
            "product",
            json!({"tags": ["product"]}),
            "needs `invalidate = true`",
        ),
        ("product", key("product"), "needs `invalidate = true`"),
        (
            "purger",
            json!({"tags": ["product:1"], "namespaces": ["product"]}),
            "",
        ),
        ("purger", key("product"), ""),
        (
            "purger",
            key("session"),
            "may not touch the namespace `session`",
        ),
        (
            "purger",
            json!({"namespaces": ["session"]}),
            "the namespace `session`",
        ),
        (
            "purger",
            json!({"tags": ["product", "session"]}),
            "the tag `session`",
        ),
        (
            "purger",
            json!({"patterns": [{"namespace": "product", "pattern": "*"}]}),
            "may not invalidate by pattern",
        ),
    ] {
        let call = with(&running.data, name);
        let asked = asked.to_string();
        let answer = call.send(Method::POST, "/v1/invalidate", &asked).await;
        if words.is_empty() {
            answer.expect(200);
        } else {
            answer.expect_problem(403, "forbidden", words);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_reaches_neither_policies_nor_origins() {
    let service = service::Server::of_values().await;
    let origin = http_origin(&service.base, Duration::from_secs(5));
    // This policy declares the header, makes a private key of it, and the origin is sent it.
    let setup = || {
        Setup::new()
            .policy("api", crate::guests::shipped("api"), json!({}))
            .origin("service", origin.clone())
            .route(larder::Route::new("page", "api").origin("service"))
    };
    let sent = || {
        service
            .seen
            .lock()
            .last()
            .unwrap()
            .headers
            .get("authorization")
            .cloned()
    };
    let open = setup().start().await;
    let request = open.data.request(Method::GET, "/v1/entries/page/1");
    send(request.bearer_auth("of-a-user")).await;
    assert_eq!(
        sent().as_deref(),
        Some("Bearer of-a-user"),
        "it would be sent"
    );

    let mut closed = setup();
    closed.settings.tokens = vec![token("app", &[Plane::Data], |_| ())];
    let closed = closed.start().await;
    with(&closed.data, "app").get("/v1/entries/page/2").await;
    assert_eq!(service.seen.lock().last().unwrap().target, "/page/2");
    assert_eq!(sent(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_counted_under_the_name_of_the_token() {
    let running = guarded().await;
    with(&running.data, "reader")
        .send(Method::PUT, READ, "x")
        .await
        .expect(403);
    running.data.get(READ).await.expect(401);
    let text = with(&running.admin, "operator").get("/metrics").await;
    for line in [
        "larder_refused_requests_total{plane=\"data\",code=\"forbidden\",token=\"reader\"} ",
        "larder_refused_requests_total{plane=\"data\",code=\"unauthenticated\",token=\"\"} ",
        "# HELP larder_refused_requests_total ",
    ] {
        assert!(text.text().contains(line), "{line}\n{}", text.text());
    }
}
