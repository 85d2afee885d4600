//! Who waits for what comes or goes.
//!
//! What this process does wakes its own waiters at once. What others do is found by asking, often
//! at first and then less so: a blocking read would take a connection for each partition.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use redis::Value;
use tokio::sync::watch;
use tokio::time::sleep;

use super::names::row_name;
use super::{Inner, typed};
use crate::queue::{Partition, QueueError, Row};

/// How long it waits before it asks a second time.
const PAUSE: Duration = Duration::from_millis(10);
/// The longest that it waits before it asks again.
const LONGEST: Duration = Duration::from_millis(250);

/// What this process did and saw.
#[derive(Default)]
pub(super) struct Signals {
    partitions: Mutex<HashMap<Partition, Signal>>,
}

#[derive(Default)]
struct Signal {
    came: watch::Sender<()>,
    went: watch::Sender<()>,
    /// What had arrived when the flusher of this process last looked.
    looked: Option<String>,
}

impl Signals {
    fn with<T>(&self, partition: &Partition, step: impl FnOnce(&mut Signal) -> T) -> T {
        let mut all = self.partitions.lock();
        match all.get_mut(partition) {
            Some(signal) => step(signal),
            None => step(all.entry(partition.clone()).or_default()),
        }
    }

    /// This process put something in.
    pub(super) fn came(&self, partition: &Partition) {
        self.with(partition, |signal| signal.came.send_replace(()));
    }

    /// This process took something out, or made a dead letter of it.
    pub(super) fn went(&self, partition: &Partition) {
        self.with(partition, |signal| signal.went.send_replace(()));
    }

    /// The flusher of this process looked when so much had arrived.
    pub(super) fn looked(&self, partition: &Partition, arrived: String) {
        self.with(partition, |signal| signal.looked = Some(arrived));
    }
}

impl Inner {
    /// What this process puts in counts from this call on, not from the first poll.
    pub(super) fn arrived<'a>(
        &'a self,
        partition: &'a Partition,
    ) -> impl Future<Output = ()> + Send + 'a {
        let mut came = self.signals.with(partition, |one| one.came.subscribe());
        async move {
            tokio::select! {
                _ = came.changed() => {}
                () = self.others_put(partition) => {}
            }
        }
    }

    async fn others_put(&self, partition: &Partition) {
        let mut pauses = Pauses::new();
        loop {
            let looked = self.signals.with(partition, |one| one.looked.clone());
            let arrived = self.arrived_by_now(partition).await;
            if arrived.is_ok_and(|arrived| looked.is_none_or(|looked| looked != arrived)) {
                return;
            }
            pauses.next().await;
        }
    }

    async fn arrived_by_now(&self, partition: &Partition) -> Result<String, QueueError> {
        let mut numbers = redis::cmd("HMGET");
        numbers.arg(self.names.meta(partition));
        numbers.arg("last").arg("opened");
        let (last, opened): (Option<String>, Option<String>) =
            typed(self.link.query(numbers).await?)?;
        let or_none = |number: Option<String>| number.unwrap_or_else(|| "0".to_owned());
        Ok(format!("{} {}", or_none(last), or_none(opened)))
    }

    /// As with [`Inner::arrived`], from this call on.
    pub(super) fn moved<'a>(&'a self, row: &'a Row) -> impl Future<Output = ()> + Send + 'a {
        let partition = row.partition();
        let mut went = self.signals.with(&partition, |one| one.went.subscribe());
        async move {
            tokio::select! {
                _ = went.changed() => {}
                () = self.others_took(row, &partition) => {}
            }
        }
    }

    /// Where nothing is left to wait for, or somebody has to look after the row, it ends too; not
    /// at once, since callers look again at once.
    async fn others_took(&self, row: &Row, partition: &Partition) {
        let (mut pauses, mut first) = (Pauses::new(), None);
        loop {
            if let Ok(stands) = self.stands(row, partition).await {
                let ended = stands.0 == 0 || stands.1 > 0;
                if first.is_some_and(|first| ended || first != stands) {
                    return;
                }
                first = Some(stands);
            }
            pauses.next().await;
        }
    }

    /// How many changes of a row there are, and how many of them are dead.
    async fn stands(&self, row: &Row, partition: &Partition) -> Result<(u64, u64), QueueError> {
        let name = row_name(row);
        let mut changes = redis::cmd("ZLEXCOUNT");
        changes.arg(self.names.rows(partition));
        changes.arg(format!("[{name} ")).arg(format!("[{name} ~"));
        let mut dead = redis::cmd("HGET");
        dead.arg(self.names.parked(partition)).arg(name);
        let told = self.link.query_all(vec![changes, dead]).await?;
        let (changes, dead): (u64, Option<u64>) = typed(Value::Array(told))?;
        Ok((changes, dead.unwrap_or(0)))
    }
}

/// The time until it is asked again. Where there is no answer it is asked on: whoever waits bounds
/// the wait.
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) fn new() -> Self {
        Self(PAUSE)
    }

    /// Those who wait for the same do not ask in step.
    pub(super) async fn next(&mut self) {
        sleep(self.0.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        self.0 = (self.0 * 3 / 2).min(LONGEST);
    }
}
