//! `examples/quickstart` as its README says.

use std::fs;

use reqwest::Method;

use crate::client::send;
use crate::program::good;
use crate::serving::{client, serve_in};
use crate::workspace::root;

#[tokio::test]
async fn the_quickstart_does_what_its_page_says() {
    let example = root().join("examples/quickstart");
    let dir = tempfile::tempdir().unwrap();
    fs::copy(example.join("larder.toml"), dir.path().join("larder.toml")).unwrap();
    let policy = example.join("policy");
    let policy = policy.to_str().unwrap();
    good(dir.path(), &["build", policy, "--out", "policies"]);

    let serving = serve_in(dir.path()).await;
    let client = client(&serving.data);
    let article = "/v1/entries/article/42?lang=de";
    let missing = client.get(article).await;
    missing.expect_problem(404, "leased", "/v1/leases/");
    let lease = format!("/v1/leases/{}", missing.header("larder-lease"));
    client.put(&lease, "Guten Morgen").await.expect(200);
    let hit = client.get(article).await;
    assert_eq!(hit.expect(200).text(), "Guten Morgen");
    assert!(hit.header("cache-status").contains("hit"));

    let changed = client.request(Method::PUT, "/v1/entries/article/42");
    send(changed.body("Guten Abend")).await.expect(200);
    let missing = client.get(article).await;
    missing.expect_problem(404, "leased", "/v1/leases/");
}
