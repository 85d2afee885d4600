//! What the origin will not take.

use std::sync::Arc;

use futures_util::future::try_join_all;
use redis::Value;

use super::{Inner, stored, typed, used};
use crate::queue::{DeadLetter, LetterId, Letters, Partition, QueueError, Queued};

/// How many letters are read side by side: their values can be large.
const SIDE_BY_SIDE: usize = 16;
/// The most letters that are moved or removed in one step.
const STEP: usize = 100;

impl Inner {
    pub(super) async fn letters(
        &self,
        after: Option<&LetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, QueueError> {
        let ids = self.letter_ids(after, limit).await?;
        let mut letters = Vec::with_capacity(ids.len());
        for some in ids.chunks(SIDE_BY_SIDE) {
            let read = try_join_all(some.iter().map(|id| self.letter(id))).await?;
            // One that was retried or forgotten since is passed over.
            letters.extend(read.into_iter().flatten());
        }
        Ok(letters)
    }

    /// The names of dead letters by their numbers, over all partitions.
    async fn letter_ids(
        &self,
        after: Option<&LetterId>,
        limit: usize,
    ) -> Result<Vec<LetterId>, QueueError> {
        let partitions = self.partitions().await?;
        let least = after.map_or("-inf".to_owned(), |after| after.sequence.to_string());
        // Those with the number of `after` itself may be answered too, and are left out below.
        let most = i64::try_from(limit).map_or(-1, |limit| limit.saturating_add(1));
        let commands = partitions.iter().map(|partition| {
            let mut range = redis::cmd("ZRANGE");
            range.arg(self.names.dead(partition));
            range.arg(&least).arg("+inf").arg("BYSCORE");
            range.arg("LIMIT").arg(0).arg(most);
            range
        });
        let told = self.link.query_all(commands.collect()).await?;
        let mut ids = Vec::new();
        for (partition, numbers) in partitions.into_iter().zip(told) {
            for number in typed::<Vec<String>>(numbers)? {
                ids.push(LetterId {
                    sequence: self.sequence(&number)?,
                    partition: partition.clone(),
                });
            }
        }
        ids.retain(|id| after.is_none_or(|after| order(id) > order(after)));
        ids.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        ids.truncate(limit);
        Ok(ids)
    }

    pub(super) async fn letter(&self, id: &LetterId) -> Result<Option<DeadLetter>, QueueError> {
        let number = id.sequence.to_string();
        let args = [number.as_bytes()];
        let script = self.script(&self.scripts.letter, &id.partition, &[], &args);
        let Value::Array(found) = script.await? else {
            return Ok(None);
        };
        let (change, why): (Value, String) = typed(Value::Array(found))?;
        let (died, why) = why.split_once(' ').unwrap_or_default();
        let died = stored::moment(died.as_bytes()).unwrap_or_default();
        let (id, why) = (id.clone(), why.into());
        Ok(Some(match stored::read(id.sequence, change) {
            Ok(queued) => DeadLetter {
                id,
                queued,
                died,
                why,
                readable: true,
            },
            Err(damage) => DeadLetter::unreadable(id, damage.row, died, why),
        }))
    }

    pub(super) async fn retry(&self, which: &Letters) -> Result<u64, QueueError> {
        let mut count = 0;
        for (partition, numbers) in self.named(which).await? {
            for step in numbers.chunks(STEP) {
                let args: Vec<&[u8]> = step.iter().map(String::as_bytes).collect();
                let script = self.script(&self.scripts.retry, &partition, &[], &args);
                count += typed::<u64>(script.await?)?;
                self.signals.came(&partition);
                self.signals.went(&partition);
            }
        }
        Ok(count)
    }

    /// They are read before they are removed; answered are those that this call removed.
    pub(super) async fn forget(&self, which: &Letters) -> Result<Vec<Arc<Queued>>, QueueError> {
        let mut all = Vec::new();
        for (partition, numbers) in self.named(which).await? {
            for step in numbers.chunks(STEP) {
                all.extend(self.forget_step(&partition, step).await?);
            }
        }
        all.sort_unstable_by_key(|queued| queued.sequence);
        Ok(all)
    }

    async fn forget_step(
        &self,
        partition: &Partition,
        numbers: &[String],
    ) -> Result<Vec<Arc<Queued>>, QueueError> {
        let mut letters = Vec::with_capacity(numbers.len());
        for number in numbers {
            let id = LetterId {
                partition: partition.clone(),
                sequence: self.sequence(number)?,
            };
            letters.extend(self.letter(&id).await?.map(|letter| letter.queued));
        }
        let args: Vec<&[u8]> = numbers.iter().map(String::as_bytes).collect();
        let script = self.script(&self.scripts.forget, partition, &[], &args);
        let (left, gone): (Value, Vec<String>) = typed(script.await?)?;
        self.room.saw(partition, used(left)?);
        self.signals.came(partition);
        self.signals.went(partition);
        letters.retain(|letter| gone.contains(&letter.sequence.to_string()));
        Ok(letters)
    }

    /// The numbers of letters by partition. What dies later is not among them.
    async fn named(&self, which: &Letters) -> Result<Vec<(Partition, Vec<String>)>, QueueError> {
        let ids = match which {
            Letters::One(id) => vec![id.clone()],
            Letters::All => self.letter_ids(None, usize::MAX).await?,
        };
        let mut named: Vec<(Partition, Vec<String>)> = Vec::new();
        for id in ids {
            let number = id.sequence.to_string();
            match named.iter_mut().find(|(of, _)| *of == id.partition) {
                Some((_, numbers)) => numbers.push(number),
                None => named.push((id.partition, vec![number])),
            }
        }
        Ok(named)
    }
}

/// Numbers of different partitions may be the same.
fn order(id: &LetterId) -> (u64, &str, u16) {
    (id.sequence, &id.partition.origin, id.partition.number)
}
