//! The contract, kept by the queue on Redis: on one server, on a Cluster, and behind sentinels.

use std::sync::Arc;

use super::tests::Spot;
use crate::queue::contract::Place;
use crate::redis::{RedisConfig, SentinelConfig};
use crate::testing::{Cluster, Sentinels};

async fn on_one_server() -> Arc<dyn Place> {
    Arc::new(Spot::shared().await)
}

crate::queue_contract!(on_one_server());

async fn among_many() -> Arc<dyn Place> {
    Arc::new(Spot::new(RedisConfig {
        cluster: Cluster::shared().await,
        ..RedisConfig::default()
    }))
}

mod on_a_cluster {
    use super::among_many;

    crate::queue_contract!(among_many());
}

async fn behind() -> Arc<dyn Place> {
    Arc::new(Spot::new(RedisConfig {
        sentinel: Some(SentinelConfig {
            urls: Sentinels::shared().await,
            master: Sentinels::NAME.to_owned(),
            ..SentinelConfig::default()
        }),
        ..RedisConfig::default()
    }))
}

mod behind_sentinels {
    use super::behind;

    crate::queue_contract!(behind());
}
