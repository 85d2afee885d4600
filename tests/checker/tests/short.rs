//! Short runs on every store, of plain cache-aside, in which violations must be found, and of
//! subjects that break one promise each.

#![allow(clippy::expect_used, reason = "a run that cannot begin has failed")]

mod liars;

use std::sync::Arc;
use std::time::Duration;

use larder::store::{Health, MemoryConfig, MemoryStore, Store};
use larder_checker::failovers::Failovers;
use larder_checker::faults::Faults;
use larder_checker::ground::{Ground, Kind};
use larder_checker::network::Scope;
use larder_checker::report::Report;
use larder_checker::run::{Plan, run};
use larder_checker::servers::Servers;
use larder_checker::subject::{Larder, Naive, Subject, TTL};
use larder_checker::tags::measure;
use larder_checker::truth::{BOUND, Truth};
use larder_store::testing::until;

const ENGINES: usize = 2;

fn plan(operations: u64) -> Plan {
    Plan {
        operations,
        engines: ENGINES,
        clients: 128,
        keys: 30,
        changes: 200,
        seed: fastrand::u64(..),
        ttl: TTL,
    }
}

fn truth(plan: &Plan) -> Arc<Truth> {
    Arc::new(Truth::new(plan.keys, ENGINES, 500))
}

fn larder(stores: Vec<Arc<dyn Store>>, truth: &Arc<Truth>, plan: &Plan) -> Arc<dyn Subject> {
    Arc::new(Larder::new(stores, truth, plan.ttl).expect("the parts fit"))
}

async fn checked(
    operations: u64,
    stores: Vec<Arc<dyn Store>>,
    faults: Option<Box<dyn Faults>>,
) -> Report {
    keeps_its_promise(plan(operations), stores, faults).await
}

async fn keeps_its_promise(
    plan: Plan,
    stores: Vec<Arc<dyn Store>>,
    faults: Option<Box<dyn Faults>>,
) -> Report {
    let truth = truth(&plan);
    let larder = larder(stores, &truth, &plan);
    let report = run(&plan, larder, truth, faults).await;
    assert_eq!(report.violations(), 0, "{report}");
    assert!(
        report.hits() > report.answered() / 20,
        "too few to find anything: {report}"
    );
    report
}

async fn stores(ground: &Ground, kind: Kind) -> Vec<Arc<dyn Store>> {
    ground.stores(kind, ENGINES).await.expect("connects")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_promise() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(MemoryConfig::default()));
    let report = checked(40_000, vec![store; ENGINES], None).await;
    assert_eq!(report.answered(), 40_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_keeps_the_promise() {
    let ground = Ground::single().await.expect("listens");
    checked(20_000, stores(&ground, Kind::Redis).await, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_in_front_of_redis_keeps_the_promise() {
    let ground = Ground::single().await.expect("listens");
    checked(40_000, stores(&ground, Kind::Tiered).await, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_breaks_does_not_break_the_promise() {
    let ground = Ground::single().await.expect("listens");
    let faults = Box::new(ground.network(Scope::All, None));
    let stores = stores(&ground, Kind::Tiered).await;
    checked(15_000, stores, Some(faults)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_only_the_tracking_link_cut_reads_are_answered_and_nothing_is_older_than_the_bound() {
    let ground = Ground::single().await.expect("listens");
    let faults = Box::new(ground.network(Scope::Tracking, Some(6)));
    let stores = stores(&ground, Kind::Tiered).await;
    let plan = Plan {
        keys: 300,
        changes: 20,
        ..plan(u64::MAX)
    };
    let report = keeps_its_promise(plan, stores, Some(faults)).await;
    assert_eq!(report.done().faults, 6, "{report}");
    assert_eq!(report.refused_reads(), 0, "{report}");
    let behind = report.behind();
    assert!(behind.longest() <= BOUND, "{report}");
    assert!(behind.count() > 0, "no copy outlived its change: {report}");
}

mod a_cluster_whose_network_breaks_and_whose_masters_pause_keeps_the_promise {
    use super::*;

    async fn with(kind: Kind) {
        let ground = Ground::cluster().await.expect("listens");
        let faults = Box::new(ground.network(Scope::All, Some(5)));
        let stores = stores(&ground, kind).await;
        checked(u64::MAX, stores, Some(faults)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn to_redis() {
        with(Kind::Redis).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn to_memory_in_front_of_redis() {
        with(Kind::Tiered).await;
    }
}

/// A run without faults in which nothing is refused.
async fn all_is_well(plan: Plan, larder: Arc<dyn Subject>, truth: Arc<Truth>) {
    let plan = Plan {
        operations: 4_000,
        ..plan
    };
    let report = run(&plan, larder, truth, None).await;
    assert_eq!(report.violations(), 0, "{report}");
    let answered = report.answered();
    assert_eq!(answered, 4_000, "nothing is refused: {report}");
}

async fn failovers(ground: Ground, kind: Kind) {
    let plan = Plan {
        operations: u64::MAX,
        clients: 16,
        ttl: Duration::from_secs(2),
        ..plan(0)
    };
    let (truth, stores) = (truth(&plan), stores(&ground, kind).await);
    let larder = larder(stores.clone(), &truth, &plan);
    let faults = Failovers {
        servers: Arc::clone(&ground.servers),
        stores,
        subject: Arc::clone(&larder),
        times: 1,
    };
    let report = run(
        &plan,
        Arc::clone(&larder),
        truth.clone(),
        Some(Box::new(faults)),
    )
    .await;
    // On a machine with too much to do a master is taken for dead although it still answers.
    let unasked = report.done().unasked > 0;
    assert!(unasked || report.violations() == 0, "{report}");
    assert_eq!(
        report.refused_reads(),
        0,
        "every read is answered: {report}"
    );
    assert_eq!(report.done().recoveries.len(), 1, "{report}");
    // What was lost is gone once the entries are.
    tokio::time::sleep(plan.ttl).await;
    all_is_well(plan, larder, truth).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_of_a_cluster_that_is_killed_is_done_without() {
    failovers(Ground::failing_cluster().await, Kind::Tiered).await;
}

mod a_master_under_sentinels_that_is_killed_is_done_without {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn by_redis() {
        failovers(Ground::sentinels().await, Kind::Redis).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn by_memory_in_front_of_redis() {
        failovers(Ground::sentinels().await, Kind::Tiered).await;
    }
}

/// Kills a Redis that is alone so often, and ends the run.
struct Restarts(Arc<tokio::sync::Mutex<Servers>>, u64);

impl Faults for Restarts {
    fn run(
        self: Box<Self>,
        mut random: fastrand::Rng,
        _: Arc<larder_checker::faults::Course>,
    ) -> futures_util::future::BoxFuture<'static, larder_checker::faults::Done> {
        Box::pin(async move {
            for _ in 0..self.1 {
                self.0.lock().await.restore().await;
                tokio::time::sleep(Duration::from_millis(random.u64(50..400))).await;
            }
            larder_checker::faults::Done {
                faults: self.1,
                ..Default::default()
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_twenty_times_breaks_nothing() {
    let ground = Ground::single().await.expect("listens");
    let stores = stores(&ground, Kind::Tiered).await;
    let plan = plan(u64::MAX);
    let truth = truth(&plan);
    let larder = larder(stores.clone(), &truth, &plan);
    let faults = Box::new(Restarts(Arc::clone(&ground.servers), 20));
    let report = run(&plan, Arc::clone(&larder), Arc::clone(&truth), Some(faults)).await;
    assert_eq!(report.violations(), 0, "{report}");
    until("all stores are up again", async || {
        stores.iter().all(|store| store.health() == Health::Up)
    })
    .await;
    all_is_well(plan, larder, truth).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_cache_aside_breaks_it() {
    let ground = Ground::single().await.expect("listens");
    let url = ground.redis.url.clone().expect("is given");
    let plan = plan(20_000);
    let truth = truth(&plan);
    let naive = Naive::new(&url, Arc::clone(&truth)).await;
    let report = run(&plan, Arc::new(naive.expect("connects")), truth, None).await;
    assert!(report.violations() > 0, "{report}");
}

mod a_tag_is_gone_from_the_next_read_on_however_many_carry_it {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn in_memory() {
        let memory = MemoryStore::new(MemoryConfig::default());
        measure(&memory, 10, 5_000).await.expect("holds");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_redis() {
        let ground = Ground::single().await.expect("listens");
        for store in ground.stores(Kind::Redis, 1).await.expect("connects") {
            measure(&*store, 10, 5_000).await.expect("holds");
        }
    }
}
