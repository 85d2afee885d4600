//! Changes come in, and are seen until the origin has them.

use std::sync::Arc;

use futures_util::future::try_join_all;
use larder_core::Timestamp;
use redis::Value;
use tokio::time::Instant;

use super::names::row_name;
use super::room::Used;
use super::{Inner, list, stored, typed, used};
use crate::queue::{Change, Depth, Enqueued, Fingerprint, Partition, QueueError, Queued, Row};

/// How long an operation is known, in milliseconds.
const KNOWN_MS: &[u8] = b"600000";

/// How full a partition is.
pub(super) struct Fill {
    partition: Partition,
    waiting: u64,
    bytes: u64,
    oldest: Option<Timestamp>,
    dead: u64,
    parked: u64,
    used: Used,
}

impl Inner {
    /// Whether there is room is judged here, but an operation that was taken before is known even
    /// where there is none.
    pub(super) async fn enqueue(
        &self,
        change: &Change,
        now: Timestamp,
    ) -> Result<Enqueued, QueueError> {
        self.claim_name(change).await?;
        let (row, text) = (&change.row, stored::text(change, now));
        let size = text.len() as u64;
        self.look(&row.origin, size).await?;
        let place = self.room.place(size);
        let full = if place.full { b"1" } else { b"0" };
        let (partition, operation) = (
            row.partition(),
            self.names.operation(row, &change.operation),
        );
        let args = [text.as_slice(), full, KNOWN_MS];
        let more = [&*operation];
        let script = self.script(&self.scripts.enqueue, &partition, &more, &args);
        let (number, repeated, all): (String, u8, Value) = typed(script.await?)?;
        self.room.saw(&partition, used(all)?);
        if number == "full" {
            return Err(self.room.refusal());
        }
        self.signals.came(&partition);
        Ok(Enqueued {
            sequence: self.sequence(&number)?,
            repeated: repeated == 1,
        })
    }

    /// Notes whose the name of an operation is, where a request chose it. It is in no slot of the
    /// partition's, since the name may come again with another row.
    async fn claim_name(&self, change: &Change) -> Result<(), QueueError> {
        let Some(request) = &change.request else {
            return Ok(());
        };
        let mut set = redis::cmd("SET");
        set.arg(self.names.request(&change.row.tenant, &change.operation));
        set.arg(request.digits()).arg("NX").arg("GET");
        set.arg("PX").arg(KNOWN_MS);
        let before: Option<String> = typed(self.link.query(set).await?)?;
        let before = before.and_then(|digits| Fingerprint::read(&digits));
        match before.is_none_or(|before| request.may_be(&before)) {
            true => Ok(()),
            false => Err(QueueError::Reused),
        }
    }

    /// Looks at what other nodes took, now and then. The origin is made known before the first
    /// change for it, since nothing else tells which partitions there are.
    async fn look(&self, origin: &Arc<str>, bytes: u64) -> Result<(), QueueError> {
        if !self.room.is_stale(origin, bytes, Instant::now()) {
            return Ok(());
        }
        let _looking = self.room.looking.lock().await;
        if !self.room.is_stale(origin, bytes, Instant::now()) {
            return Ok(());
        }
        let mut add = redis::cmd("SADD");
        add.arg(self.names.origins()).arg(&**origin);
        self.link.query(add).await?;
        let begun = Instant::now();
        let all = self.fill().await?;
        let all = all.into_iter().map(|fill| (fill.partition, fill.used));
        self.room.saw_all(origin, all, begun);
        Ok(())
    }

    pub(super) async fn unflushed(&self, row: &Row) -> Result<Option<Arc<Queued>>, QueueError> {
        let (partition, name) = (row.partition(), row_name(row));
        let args = [name.as_bytes()];
        let script = self.script(&self.scripts.unflushed, &partition, &[], &args);
        let Value::Array(found) = script.await? else {
            return Ok(None);
        };
        let newest = self.numbered(found)?.pop();
        let queued = newest.map(|(sequence, text)| stored::queued(sequence, text, &partition));
        queued.transpose()
    }

    pub(super) async fn pending(&self, row: &Row) -> Result<Vec<Arc<Queued>>, QueueError> {
        let (partition, name) = (row.partition(), row_name(row));
        let args = [name.as_bytes()];
        let script = self.script(&self.scripts.pending, &partition, &[], &args);
        let all = self.numbered(list(script.await?)?)?.into_iter();
        let queued = |(sequence, text)| stored::queued(sequence, text, &partition);
        all.map(queued).collect()
    }

    /// The numbers and texts of an answer in which they alternate.
    pub(super) fn numbered(&self, answer: Vec<Value>) -> Result<Vec<(u64, Value)>, QueueError> {
        let mut all = Vec::with_capacity(answer.len() / 2);
        let mut answer = answer.into_iter();
        while let (Some(number), Some(text)) = (answer.next(), answer.next()) {
            all.push((self.sequence(&typed::<String>(number)?)?, text));
        }
        Ok(all)
    }

    pub(super) fn sequence(&self, digits: &str) -> Result<u64, QueueError> {
        digits.parse().map_err(|_| {
            QueueError::Unusable(format!("it answered `{digits}` in place of a number"))
        })
    }

    /// Every partition there ever was.
    pub(super) async fn partitions(&self) -> Result<Vec<Partition>, QueueError> {
        let mut members = redis::cmd("SMEMBERS");
        members.arg(self.names.origins());
        let mut origins: Vec<String> = typed(self.link.query(members).await?)?;
        origins.sort_unstable();
        let origins = origins.into_iter().map(Arc::from);
        let each = origins.flat_map(|origin| Partition::all(&origin).collect::<Vec<_>>());
        Ok(each.collect())
    }

    async fn fill(&self) -> Result<Vec<Fill>, QueueError> {
        let partitions = self.partitions().await?;
        try_join_all(partitions.into_iter().map(|one| self.fill_of(one))).await
    }

    async fn fill_of(&self, partition: Partition) -> Result<Fill, QueueError> {
        let script = self.script(&self.scripts.depth, &partition, &[], &[]);
        let (waiting, bytes, oldest, dead, parked, all): (_, _, Vec<u8>, _, _, Value) =
            typed(script.await?)?;
        Ok(Fill {
            partition,
            waiting,
            bytes,
            oldest: stored::moment(&oldest),
            dead,
            parked,
            used: used(all)?,
        })
    }

    pub(super) async fn depth(&self) -> Result<Depth, QueueError> {
        let mut depth = Depth::default();
        for fill in self.fill().await? {
            depth.waiting += fill.waiting;
            depth.bytes += fill.bytes;
            depth.dead += fill.dead;
            depth.parked += fill.parked;
            depth.oldest = match (depth.oldest, fill.oldest) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            let origin = fill.partition.origin;
            match depth.origins.last_mut() {
                Some((last, waiting)) if *last == origin => *waiting += fill.waiting,
                _ => depth.origins.push((origin, fill.waiting)),
            }
        }
        depth.origins.retain(|(_, waiting)| *waiting > 0);
        Ok(depth)
    }
}
