//! Tenants share nothing, whatever key a policy answers.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::client::{Answer, send};
use crate::running::{Running, Setup};
use crate::service::{Reply, Server, answer};

async fn as_tenant(running: &Running, method: Method, path: &str, tenant: &str) -> Answer {
    let request = running.data.request(method, path);
    send(request.header("larder-tenant", tenant)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tenants_never_share_a_value_under_one_key() {
    let service =
        Server::start(|request| Reply::Keep(answer("200 OK", "", request.target.as_bytes()))).await;
    let mut config = larder::origin::HttpConfig::new(&service.base);
    config.path = "/{tenant}/{resource}/{id}".into();
    config.timeout = Duration::from_secs(5);
    let origin = std::sync::Arc::new(larder::origin::HttpOrigin::new(config).unwrap());
    let running = Setup::standard_over(origin, json!({})).start().await;
    let path = "/v1/entries/product/1";
    for round in 0..2 {
        // The last one is the name that would forge a key of `acme`, were it not escaped.
        for (tenant, seen) in [
            ("acme", "acme"),
            ("bolt", "bolt"),
            ("acme%3Aproduct", "acme%3Aproduct"),
        ] {
            let read = as_tenant(&running, Method::GET, path, tenant).await;
            assert_eq!(read.expect(200).text(), format!("/{seen}/product/1"));
            let hit = read.header("cache-status").contains("hit");
            assert_eq!(hit, round == 1, "{tenant}: {read:?}");
        }
    }
    assert_eq!(service.seen.lock().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fill_and_an_invalidation_stay_with_their_tenant() {
    let settings = json!({"strategy": "cache_aside"});
    let running = Setup::standard(settings).start().await;
    let path = "/v1/entries/product/1";
    for tenant in ["acme", "bolt"] {
        let miss = as_tenant(&running, Method::GET, path, tenant).await;
        miss.expect_problem(404, "leased", "not in the cache");
        let lease = format!("/v1/leases/{}", miss.header("larder-lease"));
        running.data.put(&lease, tenant).await.expect(200);
    }
    let what = json!({"tenant": "acme", "tags": ["product"], "namespaces": ["product"],
        "keys": [{"namespace": "product", "key": "product:1"}]});
    running
        .data
        .post_json("/v1/invalidate", &what)
        .await
        .expect(200);
    let bolt = as_tenant(&running, Method::GET, path, "bolt").await;
    assert_eq!(bolt.expect(200).text(), "bolt");
    let acme = as_tenant(&running, Method::GET, path, "acme").await;
    acme.expect_problem(404, "leased", "not in the cache");
    running
        .data
        .get(path)
        .await
        .expect_problem(404, "leased", "not in the cache");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_is_no_text_is_refused() {
    let running = Setup::standard(json!({})).start().await;
    let path = "/v1/entries/product/1";
    let wrong = as_tenant(&running, Method::GET, path, "%FF").await;
    wrong.expect_problem(
        400,
        "invalid_header",
        "`larder-tenant` is not percent-encoded UTF-8",
    );
    let control = as_tenant(&running, Method::GET, path, "a%0Ab").await;
    control.expect_problem(400, "invalid_request", "tenant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_in_a_header_is_not_passed_over_where_the_body_names_none() {
    let running = Setup::standard(json!({"strategy": "cache_aside"}))
        .start()
        .await;
    let path = "/v1/entries/product/1";
    let miss = as_tenant(&running, Method::GET, path, "acme").await;
    let lease = format!("/v1/leases/{}", miss.header("larder-lease"));
    running.data.put(&lease, "value").await.expect(200);
    let invalidate = async |body: serde_json::Value| {
        let call = running.data.request(Method::POST, "/v1/invalidate");
        send(call.header("larder-tenant", "acme").body(body.to_string())).await
    };
    let other = json!({"tenant": "bolt", "rows": [{"resource": "product", "id": "1"}]});
    let refused = invalidate(other).await;
    refused.expect_problem(
        400,
        "invalid_header",
        "names one tenant and the body another",
    );
    as_tenant(&running, Method::GET, path, "acme")
        .await
        .expect(200);
    let row = json!({"rows": [{"resource": "product", "id": "1"}]});
    assert_eq!(invalidate(row).await.expect(200).json()["removed"], 1);
    as_tenant(&running, Method::GET, path, "acme")
        .await
        .expect(404);
}
