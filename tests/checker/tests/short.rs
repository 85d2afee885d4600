//! Short runs on every store, and of plain cache-aside, in which violations must be found.

#![allow(clippy::expect_used, reason = "a run that cannot begin has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larder::store::{
    Health, MemoryConfig, MemoryStore, RedisConfig, RedisStore, Store, TieredConfig, TieredStore,
};
use larder_checker::proxy::Proxy;
use larder_checker::report::Report;
use larder_checker::run::{Plan, run};
use larder_checker::subject::{Larder, Naive, Subject};
use larder_checker::truth::{BOUND, Truth};
use larder_store::testing::{Server, until};

const ENGINES: usize = 2;

fn plan(operations: u64) -> Plan {
    Plan {
        operations,
        engines: ENGINES,
        clients: 128,
        keys: 30,
        seed: fastrand::u64(..),
    }
}

async fn checked(
    operations: u64,
    stores: Vec<Arc<dyn Store>>,
    proxy: Option<Arc<Proxy>>,
) -> Report {
    let plan = plan(operations);
    let truth = Arc::new(Truth::new(plan.keys, ENGINES, 500));
    let larder = Larder::new(stores, &truth).expect("the parts fit");
    let report = run(&plan, Arc::new(larder), truth, proxy).await;
    assert_eq!(report.violations(), 0, "{report}");
    assert!(
        report.hits() > operations / 20,
        "too few to find anything: {report}"
    );
    report
}

fn at(url: String) -> RedisConfig {
    RedisConfig {
        url: Some(url),
        ..RedisConfig::default()
    }
}

async fn tiered(url: &str) -> Vec<Arc<dyn Store>> {
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..ENGINES {
        let config = TieredConfig {
            redis: at(url.to_owned()),
            ..TieredConfig::default()
        };
        stores.push(Arc::new(
            TieredStore::connect(config).await.expect("connects"),
        ));
    }
    stores
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_promise() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(MemoryConfig::default()));
    let report = checked(60_000, vec![store; ENGINES], None).await;
    assert_eq!(report.answered(), 60_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_keeps_the_promise() {
    let server = Server::start().await;
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..ENGINES {
        let store = RedisStore::connect(at(server.url())).await;
        stores.push(Arc::new(store.expect("connects")));
    }
    checked(30_000, stores, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_in_front_of_redis_keeps_the_promise() {
    let server = Server::start().await;
    checked(60_000, tiered(&server.url()).await, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_breaks_does_not_break_the_promise() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address()).await.expect("listens");
    let proxy = Arc::new(proxy);
    let stores = tiered(&format!("redis://{}", proxy.address())).await;
    let report = checked(20_000, stores, Some(proxy)).await;
    assert!(report.latest() <= BOUND, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_twenty_times_breaks_nothing() {
    let mut server = Server::start().await;
    let stores = tiered(&server.url()).await;
    let watched = Arc::clone(&stores[0]);
    let plan = plan(4_000);
    let truth = Arc::new(Truth::new(plan.keys, ENGINES, 500));
    let larder: Arc<dyn Subject> = Arc::new(Larder::new(stores, &truth).expect("the parts fit"));
    let over = AtomicBool::new(false);
    let killing = async {
        for _ in 0..20 {
            server.restart().await;
            tokio::time::sleep(Duration::from_millis(fastrand::u64(50..400))).await;
        }
        over.store(true, Ordering::Relaxed);
    };
    let working = async {
        while !over.load(Ordering::Relaxed) {
            let report = run(&plan, Arc::clone(&larder), Arc::clone(&truth), None).await;
            assert_eq!(report.violations(), 0, "{report}");
        }
    };
    tokio::join!(killing, working);
    until("the store is up again", async || {
        watched.health() == Health::Up
    })
    .await;
    let report = run(&plan, larder, truth, None).await;
    assert_eq!(report.violations(), 0, "{report}");
    assert_eq!(
        report.answered(),
        plan.operations,
        "nothing is refused: {report}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_cache_aside_breaks_it() {
    let server = Server::start().await;
    let plan = plan(30_000);
    let truth = Arc::new(Truth::new(plan.keys, ENGINES, 500));
    let naive = Naive::new(&server.url(), Arc::clone(&truth)).await;
    let report = run(&plan, Arc::new(naive.expect("connects")), truth, None).await;
    assert!(report.violations() > 0, "{report}");
}
