//! The contract, kept by a tiered store: with and without word of changes, by two engines, and over
//! a real Redis.

use std::sync::Arc;

use super::TieredStore;
use super::near::Near;
use super::tests::Node;
use super::tests::far::Far;
use super::tests::over_redis::{config, node};
use super::tests::pair::Pair;
use crate::contract::ROUNDS;
use crate::redis::RedisConfig;
use crate::redis::link::Link;
use crate::store::Store;
use crate::testing::Server;

async fn told_of_changes() -> Arc<dyn Store> {
    Arc::new(Node::over(&Far::new()).store)
}

crate::store_contract!(told_of_changes(), rounds: ROUNDS);

async fn told_of_nothing() -> Arc<dyn Store> {
    let near = Arc::new(Near::new(8 << 20));
    Arc::new(TieredStore::over(Far::new(), near, None))
}

mod without_a_tracking_link {
    use super::{ROUNDS, told_of_nothing};

    crate::store_contract!(told_of_nothing(), rounds: ROUNDS);
}

/// As far as each is told of what the other does.
async fn pair() -> Arc<dyn Store> {
    Arc::new(Pair::new())
}

mod of_two_engines {
    use super::{ROUNDS, pair};

    crate::store_contract!(pair(), rounds: ROUNDS);
}

async fn on_one_server() -> Arc<dyn Store> {
    let config = RedisConfig {
        prefix: format!("p{:x}", fastrand::u64(..)),
        timeout_ms: 5_000,
        max_entry_bytes: 100_000,
        ..config(Server::shared().await)
    };
    let link = Link::connect(&config).await.expect("it listens");
    Arc::new(node(&link, &config).store)
}

mod over_redis {
    use super::on_one_server;

    crate::store_contract!(on_one_server(), rounds: 1_000);
}
