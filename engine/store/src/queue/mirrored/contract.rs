//! The contract, kept by a queue of one process that others see.

use std::sync::Arc;

use super::tests::{Node, redis};
use crate::queue::contract::Place;
use crate::testing::Server;

async fn empty() -> Arc<dyn Place> {
    Arc::new(Node::new(&redis(Server::shared().await)))
}

crate::queue_contract!(empty());
