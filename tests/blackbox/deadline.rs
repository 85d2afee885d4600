//! Reads that may take no longer than their client waits, or than the server allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::client::{Answer, send};
use crate::clock::StoppedClock;
use crate::running::{Running, Setup, http_origin};
use crate::service::{Reply, Server, answer};

const ENTRY: &str = "/v1/entries/product/1";

/// Far beyond every limit here: an answer that waited for the origin comes with another code.
const ORIGIN_WAITS: Duration = Duration::from_secs(50);

/// A service that answers, until it is told to hang.
struct Slow {
    service: Server,
    hangs: Arc<AtomicBool>,
}

impl Slow {
    async fn start() -> Self {
        let hangs = Arc::new(AtomicBool::new(false));
        let hanging = hangs.clone();
        let service = Server::start(move |_| match hanging.load(Ordering::SeqCst) {
            true => Reply::Hang(Vec::new()),
            false => Reply::Keep(answer("200 OK", "", b"value")),
        });
        let service = service.await;
        Self { service, hangs }
    }

    fn hang(&self) {
        self.hangs.store(true, Ordering::SeqCst);
    }

    fn setup(&self) -> Setup {
        let settings = json!({"default_ttl": "1m", "stale_while_revalidate": "0s",
            "stale_if_error": "10m", "jitter_percent": 0, "early_refresh": 0.0});
        Setup::standard_over(http_origin(&self.service.base, ORIGIN_WAITS), settings)
    }
}

async fn get_within(running: &Running, ms: &str) -> Answer {
    let request = running.data.request(Method::GET, ENTRY);
    send(request.header("larder-timeout-ms", ms)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_less_has_its_answer_in_time() {
    let slow = Slow::start().await;
    slow.hang();
    let running = slow.setup().start().await;
    for _ in 0..2 {
        // The second joins the load that the first left behind, and waits no longer for it.
        let late = get_within(&running, "150").await;
        late.expect_problem(504, "deadline_exceeded", "");
    }
    assert_eq!(slow.service.seen.lock().len(), 1, "one load for both");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_waits_less_has_what_is_stale() {
    let slow = Slow::start().await;
    let clock = Arc::new(StoppedClock::new());
    let mut setup = slow.setup();
    setup.clock = clock.clone();
    let running = setup.start().await;
    get_within(&running, "10000").await.expect(200);
    slow.hang();
    let hit = get_within(&running, "1000").await;
    assert!(hit.expect(200).header("cache-status").contains("; hit"));
    clock.advance(61_000);
    let stale = get_within(&running, "150").await;
    assert_eq!(stale.expect(200).text(), "value");
    assert_eq!(
        stale.header("cache-status"),
        "Larder; fwd=stale; detail=stale_on_error"
    );
    assert_eq!(stale.header("age"), "61");
    clock.advance(11 * 60_000);
    let gone = get_within(&running, "150").await;
    gone.expect_problem(504, "deadline_exceeded", "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_own_limit_leaves_time_to_serve_what_is_stale() {
    let slow = Slow::start().await;
    let clock = Arc::new(StoppedClock::new());
    let mut setup = slow.setup();
    setup.clock = clock.clone();
    // Its reserve is 100 ms, in which a stale answer has to be written.
    setup.settings.request_timeout = Duration::from_secs(2);
    let running = setup.start().await;
    running.data.get(ENTRY).await.expect(200);
    slow.hang();
    clock.advance(61_000);
    let stale = get_within(&running, "4294967295").await;
    assert_eq!(stale.expect(200).text(), "value");
    let missing = running.data.get("/v1/entries/product/2").await;
    missing.expect_problem(504, "deadline_exceeded", "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_time_to_wait_is_refused() {
    let slow = Slow::start().await;
    let running = slow.setup().start().await;
    for ms in ["0", "-5", "1.5", "soon", "", "4294967296"] {
        let refused = get_within(&running, ms).await;
        refused.expect_problem(400, "invalid_header", "whole number of milliseconds");
    }
    let twice = running.data.request(Method::GET, ENTRY);
    let twice = twice.header("larder-timeout-ms", "100");
    let refused = send(twice.header("larder-timeout-ms", "200")).await;
    refused.expect_problem(400, "invalid_header", "larder-timeout-ms");
    assert_eq!(slow.service.seen.lock().len(), 0);
}
