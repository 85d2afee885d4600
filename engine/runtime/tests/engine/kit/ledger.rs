use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, ready};
use larder::core::Clock;
use larder::origin::OriginError;
use larder::origin::outbox::{Outbox, Page, Place, Row};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Hands;

/// An outbox in memory, with a clock of its own.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) clock: Hands,
    rows: Mutex<Vec<Row>>,
    last: Mutex<i64>,
    held_ms: Mutex<Option<u64>>,
    broken: Mutex<bool>,
    news: Notify,
    reads: AtomicUsize,
}

impl Ledger {
    /// Commits a row that names what is stale.
    pub(crate) fn put(&self, kind: &str, namespace: &str, target: &str) {
        self.commit(Row {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            target: target.to_owned(),
            ..Row::default()
        });
    }

    /// Commits a row that names what has changed.
    pub(crate) fn change(&self, resource: &str, id: &str) {
        self.commit(Row {
            kind: "row".to_owned(),
            resource: resource.to_owned(),
            row_id: id.to_owned(),
            ..Row::default()
        });
    }

    pub(crate) fn commit(&self, row: Row) {
        let mut last = self.last.lock();
        *last += 1;
        let place = Place {
            transaction: 0,
            id: *last,
        };
        self.rows.lock().push(Row { place, ..row });
    }

    pub(crate) fn hint_now(&self) {
        self.news.notify_one();
    }

    /// Holds what was committed back, or lets it go.
    pub(crate) fn hold(&self, ms: Option<u64>) {
        *self.held_ms.lock() = ms;
    }

    pub(crate) fn break_down(&self, broken: bool) {
        *self.broken.lock() = broken;
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.rows.lock().len()
    }

    /// Removes all rows, as an operator would.
    pub(crate) fn clear(&self) {
        self.rows.lock().clear();
    }

    /// Removes rows as another node would.
    pub(crate) fn remove_oldest(&self, rows: usize) {
        self.rows.lock().drain(..rows);
    }

    /// How often it was asked.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    fn act<T>(&self, act: impl FnOnce(&mut Vec<Row>) -> T) -> Result<T, OriginError> {
        match *self.broken.lock() {
            true => Err(OriginError::Unreachable("told to fail".into())),
            false => Ok(act(&mut self.rows.lock())),
        }
    }
}

impl Outbox for Ledger {
    fn read(&self, after: Place, limit: usize) -> BoxFuture<'_, Result<Page, OriginError>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let held_ms = *self.held_ms.lock();
        let now = self.clock.now();
        Box::pin(ready(self.act(|rows| {
            Page {
                intact: after == Place::START || rows.iter().any(|row| row.place == after),
                rows: rows
                    .iter()
                    .filter(|row| row.place > after && held_ms.is_none())
                    .take(limit)
                    .cloned()
                    .collect(),
                now,
                held_ms,
            }
        })))
    }

    fn remove(&self, before: Place, limit: usize) -> BoxFuture<'_, Result<u64, OriginError>> {
        Box::pin(ready(self.act(|rows| {
            let old = rows.iter().filter(|row| row.place < before).count();
            let gone = old.min(limit);
            rows.drain(..gone);
            gone as u64
        })))
    }

    fn hint(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.news.notified())
    }

    fn summary(&self) -> String {
        "a ledger in memory".into()
    }
}
