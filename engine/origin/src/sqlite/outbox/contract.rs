//! The contract, kept by the outbox of an SQLite database.

use super::tests::File;
use super::{SqliteOutbox, TABLE};

async fn empty() -> (File, SqliteOutbox) {
    let file = File::new(TABLE);
    let outbox = file.open();
    (file, outbox)
}

crate::outbox_contract!(empty());
