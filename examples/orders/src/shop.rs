//! The shop: takes orders until it is killed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use larder::origin::{SqliteConfig, SqliteOrigin};
use larder::store::{LocalQueue, LocalQueueConfig, MemoryConfig, MemoryStore};
use larder::{Engine, QueueTuning, Request, Route, Value};
use rusqlite::Connection;

use crate::policy::Native;

/// Customers who order at the same time.
const CUSTOMERS: u32 = 32;

pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("shop.db")
}

/// Makes the database, if it is not there.
pub(crate) fn open(folder: &Path) -> Result<Connection> {
    let db = Connection::open(database(folder))?;
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS orders (
             id       TEXT PRIMARY KEY,
             item     TEXT NOT NULL,
             version  INTEGER NOT NULL,
             sequence INTEGER NOT NULL
         )",
    )?;
    Ok(db)
}

fn engine(folder: &Path) -> Result<Engine> {
    drop(open(folder)?);
    let config = SqliteConfig {
        // A delivery that is repeated after a crash is not taken again,
        sequence: Some("sequence".into()),
        // and this counts how often an order was.
        version: Some("version".into()),
        ..SqliteConfig::new(database(folder), "orders", "id")
    };
    let queue = LocalQueue::open(LocalQueueConfig::new(folder.join("queue")))?;
    let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
    let engine = Engine::builder(Arc::new(Native::new()), store)
        .origin("shop", Arc::new(SqliteOrigin::open(config)?))
        .route(Route::new("order", "orders").origin("shop"))
        .queue(Arc::new(queue), QueueTuning::default())
        .build()?;
    Ok(engine)
}

/// Takes orders from many customers and prints the id of each as soon as it is acknowledged.
pub(crate) async fn take_orders(folder: &Path) -> Result<()> {
    let engine = engine(folder)?;
    let customers: Vec<_> = (0..CUSTOMERS)
        .map(|_| tokio::spawn(customer(engine.clone())))
        .collect();
    for customer in customers {
        customer.await??;
    }
    Ok(())
}

async fn customer(engine: Engine) -> Result<()> {
    loop {
        let id = format!("{:016x}", fastrand::u64(..));
        let order = Request::write("order", id.clone());
        let value = Value::json(format!("{{\"item\": \"item of {id}\"}}"));
        // The id of the order names the operation: whoever got no answer may repeat it.
        let written = engine.write_once(order, value, &id).await?;
        ensure!(written.queued.is_some(), "the order {id} was not queued");
        writeln!(std::io::stdout(), "{id}")?;
    }
}

/// Delivers what earlier runs have left in the queue.
pub(crate) async fn finish(folder: &Path) -> Result<()> {
    let ends = Duration::from_secs(60);
    let engine = engine(folder)?;
    let drained = engine.drain(tokio::time::Instant::now() + ends).await?;
    ensure!(
        drained.left == 0,
        "{} orders still wait after {ends:?}",
        drained.left
    );
    Ok(())
}
