//! Cache-aside over HTTP: the application loads and fills under a lease.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::client::Answer;
use crate::clock::StoppedClock;
use crate::running::{Running, Setup};

const ENTRY: &str = "/v1/entries/product/42";

fn setup() -> Setup {
    let settings = json!({"strategy": "cache_aside", "jitter_percent": 0, "early_refresh": 0.0});
    let mut setup = Setup::standard(settings);
    setup.tuning.lease_wait_ms = 20_000;
    setup
}

/// Reads the entry, which has to be missing, and answers the path of the lease.
async fn lease(running: &Running) -> String {
    let miss = running.data.get(ENTRY).await;
    miss.expect_problem(404, "leased", "PUT it to /v1/leases/{Larder-Lease}");
    assert_eq!(miss.header("larder-lease-ttl-ms"), "10000");
    assert_eq!(
        miss.header("cache-status"),
        "Larder; fwd=uri-miss; detail=leased"
    );
    format!("/v1/leases/{}", miss.header("larder-lease"))
}

fn stored(answer: &Answer) -> (bool, Option<String>) {
    let reply = answer.expect(200).json();
    let why = reply["not_stored"].as_str().map(str::to_owned);
    (reply["stored"].as_bool().unwrap(), why)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miss_hands_out_a_lease_and_a_fill_makes_a_hit() {
    let running = setup().start().await;
    let lease = lease(&running).await;
    let fill = running.data.request(reqwest::Method::PUT, &lease);
    let fill = fill.header("content-type", "text/plain").body("tea");
    let filled = crate::client::send(fill).await;
    assert_eq!(filled.expect(200).json()["ttl_ms"], 3_600_000);
    assert_eq!(stored(&filled), (true, None));
    let hit = running.data.get(ENTRY).await;
    assert_eq!(hit.expect(200).text(), "tea");
    assert_eq!(hit.header("content-type"), "text/plain");
    assert!(
        hit.header("cache-status").starts_with("Larder; hit; ttl=3"),
        "{hit:?}"
    );
    let again = running.data.put(&lease, "coffee").await;
    assert_eq!(
        stored(&again),
        (false, Some("voided".into())),
        "a lease fills once"
    );
    assert_eq!(running.data.get(ENTRY).await.text(), "tea");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_voids_the_lease_of_an_older_load() {
    for what in [
        json!({"keys": [{"namespace": "product", "key": "product:42"}]}),
        json!({"tags": ["product:42"]}),
        json!({"namespaces": ["product"]}),
    ] {
        let running = setup().start().await;
        let lease = lease(&running).await;
        running
            .data
            .post_json("/v1/invalidate", &what)
            .await
            .expect(200);
        let late = running.data.put(&lease, "old").await;
        assert_eq!(stored(&late), (false, Some("voided".into())), "{what}");
        let next = running.data.get(ENTRY).await;
        next.expect_problem(404, "leased", "not in the cache");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_voids_the_lease_of_an_older_load() {
    let running = setup().start().await;
    let lease = lease(&running).await;
    let written = running.data.put(ENTRY, "new").await;
    assert_eq!(
        written.expect(200).json()["written"],
        false,
        "the application wrote"
    );
    let late = running.data.put(&lease, "old").await;
    assert_eq!(stored(&late), (false, Some("voided".into())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_reader_waits_for_the_fill() {
    let running = setup().start().await;
    let lease = lease(&running).await;
    let data = running.data.clone();
    let mut second = tokio::spawn(async move { data.get(ENTRY).await });
    let early = tokio::time::timeout(Duration::from_millis(150), &mut second).await;
    assert!(early.is_err(), "it did not wait: {early:?}");
    running.data.put(&lease, "tea").await.expect(200);
    let answer = second.await.unwrap();
    assert_eq!(answer.expect(200).text(), "tea");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_waited_in_vain_is_told_so() {
    let mut setup = setup();
    setup.tuning.lease_wait_ms = 30;
    let running = setup.start().await;
    lease(&running).await;
    let second = running.data.get(ENTRY).await;
    second.expect_problem(404, "leased_elsewhere", "somebody else is loading it");
    assert_eq!(second.header("larder-lease"), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_given_up_goes_to_the_reader_who_waits() {
    let running = setup().start().await;
    let first = lease(&running).await;
    let data = running.data.clone();
    let mut second = tokio::spawn(async move { data.get(ENTRY).await });
    let early = tokio::time::timeout(Duration::from_millis(150), &mut second).await;
    assert!(early.is_err(), "it did not wait: {early:?}");
    running.data.delete(&first).await.expect(204);
    let answer = second.await.unwrap();
    answer.expect_problem(404, "leased", "not in the cache");
    let lease = format!("/v1/leases/{}", answer.header("larder-lease"));
    assert!(!stored(&running.data.put(&first, "old").await).0);
    assert!(stored(&running.data.put(&lease, "tea").await).0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_ends_and_the_next_reader_gets_one() {
    let clock = Arc::new(StoppedClock::new());
    let mut setup = setup();
    setup.clock = clock.clone();
    let running = setup.start().await;
    let ended = lease(&running).await;
    clock.advance(10_001);
    let late = running.data.put(&ended, "old").await;
    assert_eq!(stored(&late), (false, Some("voided".into())));
    let next = lease(&running).await;
    assert_eq!(stored(&running.data.put(&next, "tea").await), (true, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_an_own_lease_is_taken() {
    let running = setup().start().await;
    let own = lease(&running).await;
    let stranger = lease(&setup().start().await).await;
    let middle = own.len() / 2;
    let flipped = if own.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    let forged = format!("{}{flipped}{}", &own[..middle], &own[middle + 1..]);
    let short = own[..20].to_owned();
    for wrong in [
        stranger,
        forged,
        short,
        "/v1/leases/no-lease!".into(),
        "/v1/leases/AAAA".into(),
    ] {
        for answer in [
            running.data.put(&wrong, "x").await,
            running.data.delete(&wrong).await,
        ] {
            answer.expect_problem(400, "invalid_lease", "pass `Larder-Lease` on as it is");
        }
    }
    let not_text = running.data.put("/v1/leases/%FF", "x").await;
    not_text.expect_problem(400, "invalid_path", "not UTF-8");
    let query = running
        .data
        .put(&format!("{own}?absent=perhaps"), "x")
        .await;
    query.expect_problem(400, "invalid_query", "`absent=perhaps`");
    assert_eq!(stored(&running.data.put(&own, "tea").await), (true, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_one_secret_read_each_others_leases() {
    let node = || {
        let mut setup = setup();
        setup.settings.lease_secret = Some(b"shared".to_vec());
        setup.start()
    };
    let (first, second) = (node().await, node().await);
    let lease = lease(&first).await;
    let foreign = stored(&second.data.put(&lease, "tea").await);
    assert_eq!(
        foreign,
        (false, Some("voided".into())),
        "read, but not of this node's store"
    );
    assert_eq!(stored(&first.data.put(&lease, "tea").await), (true, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_there_is_no_such_thing_is_remembered() {
    let running = setup().start().await;
    let lease = lease(&running).await;
    let filled = running.data.put(&format!("{lease}?absent=true"), "").await;
    assert_eq!(filled.expect(200).json()["ttl_ms"], 10_000);
    let read = running.data.get(ENTRY).await;
    read.expect_problem(404, "not_found", "no such `product`");
    assert_eq!(read.header("larder-lease"), "");
}
