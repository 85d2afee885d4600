//! What other nodes are shown follows what there is.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use futures_util::future::join_all;

use super::{MirroredQueue, TURNS};
use crate::queue::{LetterId, LocalQueue, Partition, Queue, QueueError, Queued, Row};
use crate::redis::News;

/// How many rows are shown or hidden side by side.
const SIDE_BY_SIDE: usize = 64;

#[derive(Default)]
pub(super) struct State {
    /// The row of every change, by its number.
    pub(super) rows: HashMap<Partition, HashMap<u64, Row>>,
    /// Origins that the mirror knows.
    origins: HashSet<Arc<str>>,
    /// The numbers of what is shown of each row, where that is known.
    shown: HashMap<Row, Vec<u64>>,
    /// Rows that are not shown as they are.
    pub(super) owed: HashSet<Row>,
    /// Whether what this node showed before it started is among them.
    listed: bool,
}

impl State {
    /// Of a queue that was just opened.
    pub(super) fn of(local: &LocalQueue) -> Self {
        let mut state = Self::default();
        for queued in local.all() {
            let row = queued.change.row.clone();
            let of = state.rows.entry(row.partition()).or_default();
            of.insert(queued.sequence, row);
        }
        state
    }
}

impl MirroredQueue {
    /// Has the mirror show what there is of a row. Every change of the row is followed by this, so
    /// what is shown last is what there was last.
    pub(super) async fn sync(&self, row: &Row) -> Result<(), QueueError> {
        let turn = self.hasher.hash_one(row) as usize % TURNS;
        let _turn = self.turns[turn].lock().await;
        // Here too: whoever had the turn before may have settled an older state.
        self.state.lock().owed.insert(row.clone());
        let pending = self.readable(row).await?;
        // What a call that fails here leaves shown is not known.
        let shown = self.state.lock().shown.remove(row);
        if pending.is_empty() {
            self.mirror.hide(&self.node, row).await?;
        } else {
            if !self.state.lock().origins.contains(&row.origin) {
                self.mirror.know(&row.origin).await?;
                self.state.lock().origins.insert(row.origin.clone());
            }
            let news = News::of(shown.as_deref(), &pending);
            self.mirror.show(&self.node, row, &news).await?;
            let numbers = pending.iter().map(|queued| queued.sequence).collect();
            self.state.lock().shown.insert(row.clone(), numbers);
        }
        self.state.lock().owed.remove(row);
        Ok(())
    }

    /// What can be shown of a row: where one of its changes cannot be read, the newest.
    async fn readable(&self, row: &Row) -> Result<Vec<Arc<Queued>>, QueueError> {
        match self.local.pending(row).await {
            Err(error) => match self.local.unflushed(row).await? {
                Some(newest) => Ok(vec![newest]),
                None => Err(error),
            },
            pending => pending,
        }
    }

    /// As [`MirroredQueue::sync`] for many rows; what fails is tried again later.
    async fn sync_all(&self, rows: &[Row]) {
        self.state.lock().owed.extend(rows.iter().cloned());
        for some in rows.chunks(SIDE_BY_SIDE) {
            let synced = join_all(some.iter().map(|row| self.sync(row))).await;
            if let Some(error) = synced.into_iter().find_map(Result::err) {
                tracing::warn!(%error, "other nodes see changes that are not queued any more, or miss some");
                return;
            }
        }
    }

    /// Tries again what failed before, once Redis is there.
    pub(super) async fn settle(&self) {
        let Some(news) = self.mirror.news() else {
            return;
        };
        if news {
            self.owe_all();
        }
        if !self.state.lock().listed {
            match self.mirror.rows(&self.node).await {
                Ok(rows) => {
                    let mut state = self.state.lock();
                    state.owed.extend(rows);
                    state.listed = true;
                }
                Err(error) => {
                    tracing::warn!(%error, "other nodes may see changes from before this start");
                    return;
                }
            }
        }
        let owed: Vec<Row> = self.state.lock().owed.iter().cloned().collect();
        self.sync_all(&owed).await;
    }

    /// Redis may have lost what was shown, or have taken over without it.
    fn owe_all(&self) {
        let state = &mut *self.state.lock();
        let rows = state.rows.values().flat_map(HashMap::values).cloned();
        state.owed.extend(rows);
        state.origins.clear();
        state.shown.clear();
        state.listed = false;
    }

    /// These changes are there no longer.
    pub(super) async fn hide(&self, gone: &[LetterId]) {
        let rows: HashSet<Row> = {
            let mut state = self.state.lock();
            let row = |id: &LetterId| state.rows.get_mut(&id.partition)?.remove(&id.sequence);
            gone.iter().filter_map(row).collect()
        };
        self.sync_all(&Vec::from_iter(rows)).await;
    }
}
