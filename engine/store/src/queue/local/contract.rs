//! The contract, kept by the queue of one process.

use std::sync::Arc;

use super::tests::Folder;
use crate::queue::contract::Place;

async fn empty() -> Arc<dyn Place> {
    Arc::new(Folder::new())
}

crate::queue_contract!(empty());
