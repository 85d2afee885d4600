//! Short runs on every level: some kills each.

#![allow(clippy::expect_used, reason = "a run that cannot begin has failed")]

use std::time::Duration;

use larder_durability::load::Load;
use larder_durability::run::{Level, Plan, Report, run};
use larder_durability::victim::Schedule;

const KILLS: u32 = 10;
/// Fewer acknowledged writes would find too little.
const ACKNOWLEDGED: usize = 300;

fn plan(level: Level, writers: usize) -> Plan {
    Plan {
        level,
        load: Load {
            clients: 16,
            keys: 50,
            writers,
            once_percent: 30,
            pause: Duration::from_millis(20),
            filler: 0,
        },
        schedule: Schedule {
            kills: KILLS,
            acknowledged: ACKNOWLEDGED,
            lives: (Duration::from_millis(200), Duration::from_millis(1_500)),
            down: Duration::from_millis(300),
        },
        seed: fastrand::u64(..),
    }
}

async fn nothing_is_lost(level: Level, writers: usize) -> Report {
    let report = run(&plan(level, writers)).await.expect("all is healed");
    assert!(report.verdict.is_clean_but(&[]), "{report}");
    assert_eq!(report.dead, 0, "{report}");
    let kills: u32 = report.kills.values().map(|killed| killed.times).sum();
    assert!(kills >= KILLS, "{report}");
    assert!(
        report.acknowledged >= ACKNOWLEDGED,
        "too few to find anything: {report}"
    );
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_queue_loses_nothing_when_the_engine_and_postgres_are_killed() {
    nothing_is_lost(Level::Local, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_of_one_key_end_in_the_order_of_the_local_queue() {
    nothing_is_lost(Level::Local, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_in_redis_loses_nothing_when_two_engines_redis_and_postgres_are_killed() {
    nothing_is_lost(Level::RedisAlways, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_of_one_key_end_in_the_order_of_the_queue_in_redis() {
    nothing_is_lost(Level::RedisAlways, 2).await;
}
