//! The contract, kept by the memory store.

use std::sync::Arc;

use super::tests::store;
use crate::contract::ROUNDS;
use crate::store::Store;

async fn empty() -> Arc<dyn Store> {
    Arc::new(store())
}

crate::store_contract!(empty(), rounds: ROUNDS);
