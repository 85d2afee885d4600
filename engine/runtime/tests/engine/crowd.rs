//! Ten thousand clients of two nodes on one cold key, on every store.

use larder::core::{Clock, Key, Stampede, Strategy};
use larder::store::{LeaseRequest, Leased, Store};
use larder::{Error, Reading, Request};
use tokio::task::JoinHandle;

use crate::ground::Ground;
use crate::kit::{Call, Parts, Rig, policy, some, text, timed};

const CROWD: usize = 10_000;
const LIMIT_MS: u64 = 20_000;

fn guarded() -> Parts {
    Parts::new(policy(Strategy::ReadThrough, |_, decision| {
        decision.loading.stampede = Stampede::PerCluster;
    }))
}

async fn nodes(on: &Ground) -> [Rig; 2] {
    let nodes = on.pair(guarded).await;
    nodes.iter().for_each(|node| node.shop.set("42", "one"));
    nodes
}

fn loads(nodes: &[Rig; 2]) -> usize {
    nodes.iter().map(|node| node.shop.loads()).sum()
}

type Answers = Vec<JoinHandle<(Result<Reading, Error>, u64)>>;

fn crowd(nodes: &[Rig; 2], size: usize, limit_ms: u64) -> Answers {
    let request = || Request::read("product", "42");
    let engines = nodes.iter().map(|node| &node.engine).cycle().take(size);
    engines
        .map(|engine| timed(engine, request(), limit_ms))
        .collect()
}

async fn ten_thousand_clients_of_two_nodes_cause_one_load(on: Ground) {
    let nodes = nodes(&on).await;
    nodes.iter().for_each(|node| node.shop.slow_down(300));
    for answer in crowd(&nodes, CROWD, LIMIT_MS) {
        let reading = answer.await.expect("ends").0.expect("is read");
        assert_eq!(text(&reading.value), some("one"));
    }
    assert_eq!(loads(&nodes), 1);
}

async fn a_loader_that_dies_causes_two_loads_at_most_and_all_are_answered(on: Ground) {
    let nodes = nodes(&on).await;
    nodes[0].shop.panic_in_loads(true);
    let (first, gate) = nodes[0].stopped_read("42").await;
    let answers = crowd(&nodes, 1_000, LIMIT_MS);
    // Enough for all to have asked; whoever comes after the end begins a load of its own.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let second = nodes[1].shop.stop(Call::Load);
    gate.open();
    second.reached().await;
    second.open();
    assert!(first.await.expect("ends").is_err());
    for (at, answer) in answers.into_iter().enumerate() {
        match answer.await.expect("ends").0 {
            Ok(reading) => assert_eq!(text(&reading.value), some("one")),
            Err(error) => assert_eq!((error.code(), at % 2), ("loader_failed", 0)),
        }
    }
    assert_eq!(loads(&nodes), 2);
}

async fn nobody_waits_past_the_deadline_for_a_node_that_died(on: Ground) {
    let nodes = nodes(&on).await;
    let key = Key::new("", "product", "product:42");
    let wish = LeaseRequest {
        key: &key,
        ttl_ms: 60_000,
        share: false,
        seen: None,
        now: nodes[0].clock.now(),
    };
    let held = nodes[0].store.lease(wish).await;
    assert!(matches!(held, Ok(Leased::Granted(_))), "{held:?}");
    for answer in crowd(&nodes, 1_000, 3_000) {
        let (result, took) = answer.await.expect("ends");
        assert_eq!(text(&result.expect("is read").value), some("one"));
        // Far beyond the deadline, for the sake of a busy machine; far from the lease's end.
        assert!(took < 15_000, "{took} ms");
    }
    assert_eq!(loads(&nodes), 2);
}

crate::races! {
    ten_thousand_clients_of_two_nodes_cause_one_load,
    a_loader_that_dies_causes_two_loads_at_most_and_all_are_answered,
    nobody_waits_past_the_deadline_for_a_node_that_died,
}

/// More often than the list of scenarios does, for a machine that is busy otherwise.
mod again_and_again {
    macro_rules! grounds {
        ($($ground:ident),+) => {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "takes minutes; run it beside other work"]
                async fn $ground() {
                    for _ in 0..5 {
                        let ground = crate::ground::$ground().await;
                        super::ten_thousand_clients_of_two_nodes_cause_one_load(ground).await;
                    }
                }
            )+
        };
    }

    grounds! {
        on_redis,
        on_memory_in_front_of_redis,
        on_a_cluster,
        on_memory_in_front_of_a_cluster
    }
}
