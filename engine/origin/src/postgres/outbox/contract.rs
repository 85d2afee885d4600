//! The contract, kept by the outbox of a PostgreSQL database.

use super::PostgresOutbox;
use super::tests::{database, open};
use crate::testing::Database;

async fn empty() -> (Database, PostgresOutbox) {
    let database = database().await;
    let outbox = open(database.url()).await;
    (database, outbox)
}

crate::outbox_contract!(empty());
