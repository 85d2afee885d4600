use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, ready};
use larder::core::Timestamp;
use larder::store::queue::{
    Change, Claim, DeadLetter, Depth, Enqueued, Fingerprint, LetterId, Letters, Partition, Queue,
    QueueAnswer, QueueError, QueueSummary, Queued, Row,
};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// A queue in memory: durable only for as long as somebody holds it, so that a scenario can stop
/// an engine and start another one.
pub(crate) struct Shelter {
    state: Mutex<State>,
    limit: usize,
    news: Notify,
}

#[derive(Default)]
struct State {
    last: u64,
    waiting: BTreeMap<u64, Arc<Queued>>,
    dead: BTreeMap<u64, DeadLetter>,
    taken: HashMap<(Row, Arc<str>), u64>,
    named: HashMap<(Arc<str>, Arc<str>), Fingerprint>,
    claims: HashMap<Partition, (u64, Timestamp)>,
    broken: bool,
}

impl Default for Shelter {
    fn default() -> Self {
        Self::of(usize::MAX)
    }
}

impl Shelter {
    /// A queue with room for so many changes.
    pub(crate) fn of(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            limit,
            news: Notify::new(),
        }
    }

    /// Makes every call fail.
    pub(crate) fn break_down(&self, broken: bool) {
        self.state.lock().broken = broken;
    }

    /// What waits, oldest first.
    pub(crate) fn waiting(&self) -> Vec<Arc<Queued>> {
        self.state.lock().waiting.values().cloned().collect()
    }

    fn act<T>(
        &self,
        act: impl FnOnce(&mut State) -> Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        let mut state = self.state.lock();
        if state.broken {
            return Err(QueueError::Failed("told to fail".into()));
        }
        let before = (state.waiting.len(), state.dead.len());
        let done = act(&mut state);
        let changed = before != (state.waiting.len(), state.dead.len());
        drop(state);
        if changed {
            self.news.notify_waiters();
        }
        done
    }

    fn later<'a, T: Send + 'a>(
        &self,
        act: impl FnOnce(&mut State) -> Result<T, QueueError>,
    ) -> BoxFuture<'a, Result<T, QueueError>> {
        ready(self.act(act)).boxed()
    }
}

impl State {
    fn held(&self, claim: &Claim) -> Result<(), QueueError> {
        match self.claims.get(&claim.partition) {
            Some((token, _)) if *token == claim.token => Ok(()),
            _ => Err(QueueError::Lost(claim.partition.clone())),
        }
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn parked(&self, row: &Row) -> bool {
        let mut dead = self.dead.values();
        dead.any(|letter| letter.queued.change.row == *row)
    }

    fn die(&mut self, sequence: u64, why: &str, now: Timestamp) {
        if let Some(queued) = self.waiting.remove(&sequence) {
            let letter = DeadLetter {
                id: queued.letter_id(),
                queued,
                died: now,
                why: why.into(),
                readable: true,
            };
            self.dead.insert(sequence, letter);
        }
    }

    fn named(&self, which: &Letters) -> Vec<u64> {
        let dead = self.dead.iter();
        let named = dead.filter(|(_, letter)| match which {
            Letters::All => true,
            Letters::One(id) => letter.queued.letter_id() == *id,
        });
        named.map(|(sequence, _)| *sequence).collect()
    }
}

impl Queue for Shelter {
    fn enqueue(
        &self,
        change: Change,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Enqueued, QueueError>> {
        self.later(|state| {
            if let Some(request) = change.request {
                let name = (
                    Arc::clone(&change.row.tenant),
                    Arc::clone(&change.operation),
                );
                if !state.named.entry(name).or_insert(request).may_be(&request) {
                    return Err(QueueError::Reused);
                }
            }
            let name = (change.row.clone(), Arc::clone(&change.operation));
            if let Some(sequence) = state.taken.get(&name) {
                return Ok(Enqueued {
                    sequence: *sequence,
                    repeated: true,
                });
            }
            if state.waiting.len() >= self.limit {
                return Err(QueueError::Full("no room".into()));
            }
            let sequence = state.next();
            state.taken.insert(name, sequence);
            let queued = Queued {
                sequence,
                at: now,
                change,
            };
            state.waiting.insert(sequence, Arc::new(queued));
            Ok(Enqueued {
                sequence,
                repeated: false,
            })
        })
    }

    fn unflushed<'a>(&'a self, row: &'a Row) -> QueueAnswer<'a, Option<Arc<Queued>>> {
        Either::Left(ready(self.act(|state| {
            let dead = state.dead.values().map(|letter| &letter.queued);
            let all = state.waiting.values().chain(dead);
            let of_row = all.filter(|queued| queued.change.row == *row);
            Ok(of_row.max_by_key(|queued| queued.sequence).cloned())
        })))
    }

    fn pending<'a>(&'a self, row: &'a Row) -> QueueAnswer<'a, Vec<Arc<Queued>>> {
        Either::Left(ready(self.act(|state| {
            let dead = state.dead.values().map(|letter| &letter.queued);
            let all = state.waiting.values().chain(dead);
            let of_row = all.filter(|queued| queued.change.row == *row);
            let mut pending: Vec<_> = of_row.cloned().collect();
            pending.sort_unstable_by_key(|queued| queued.sequence);
            Ok(pending)
        })))
    }

    fn claim<'a>(
        &'a self,
        partition: &'a Partition,
        ttl_ms: u64,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Claim>, QueueError>> {
        self.later(|state| {
            let held = state.claims.get(partition);
            if held.is_some_and(|(_, until)| *until > now) {
                return Ok(None);
            }
            let token = state.next();
            let until = now.plus(ttl_ms);
            state.claims.insert(partition.clone(), (token, until));
            Ok(Some(Claim {
                partition: partition.clone(),
                token,
            }))
        })
    }

    fn extend<'a>(
        &'a self,
        claim: &'a Claim,
        ttl_ms: u64,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        self.later(|state| {
            state.held(claim)?;
            let until = (claim.token, now.plus(ttl_ms));
            state.claims.insert(claim.partition.clone(), until);
            Ok(())
        })
    }

    fn let_go<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), QueueError>> {
        self.later(|state| {
            state.held(claim)?;
            state.claims.remove(&claim.partition);
            Ok(())
        })
    }

    fn head<'a>(
        &'a self,
        claim: &'a Claim,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Arc<Queued>>, QueueError>> {
        self.later(|state| {
            state.held(claim)?;
            let mut head = Vec::new();
            for (sequence, queued) in state.waiting.clone() {
                if head.len() == limit {
                    break;
                }
                if queued.change.row.partition() != claim.partition {
                    continue;
                }
                if state.parked(&queued.change.row) {
                    state.die(sequence, "follows a dead letter", now);
                } else {
                    head.push(queued);
                }
            }
            Ok(head)
        })
    }

    fn flushed<'a>(
        &'a self,
        claim: &'a Claim,
        sequences: &'a [u64],
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        self.later(|state| {
            state.held(claim)?;
            for sequence in sequences {
                state.waiting.remove(sequence);
            }
            Ok(())
        })
    }

    fn bury<'a>(
        &'a self,
        claim: &'a Claim,
        sequence: u64,
        why: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), QueueError>> {
        self.later(|state| {
            state.held(claim)?;
            state.die(sequence, why, now);
            Ok(())
        })
    }

    fn arrived<'a>(&'a self, _: &'a Partition) -> BoxFuture<'a, ()> {
        self.news.notified().boxed()
    }

    fn moved<'a>(&'a self, _: &'a Row) -> BoxFuture<'a, ()> {
        self.news.notified().boxed()
    }

    fn letters<'a>(
        &'a self,
        after: Option<&'a LetterId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, QueueError>> {
        self.later(|state| {
            let first = after.map_or(0, |id| id.sequence + 1);
            let letters = state.dead.range(first..).map(|(_, letter)| letter.clone());
            Ok(letters.take(limit).collect())
        })
    }

    fn letter<'a>(
        &'a self,
        id: &'a LetterId,
    ) -> BoxFuture<'a, Result<Option<DeadLetter>, QueueError>> {
        self.later(|state| {
            let letter = state.dead.get(&id.sequence);
            let letter = letter.filter(|letter| letter.queued.letter_id() == *id);
            Ok(letter.cloned())
        })
    }

    fn retry<'a>(&'a self, which: &'a Letters) -> BoxFuture<'a, Result<u64, QueueError>> {
        self.later(|state| {
            let named = state.named(which);
            let rows: Vec<_> = named
                .iter()
                .map(|sequence| state.dead[sequence].queued.change.row.clone())
                .collect();
            let before = state.dead.len();
            let (back, dead) = std::mem::take(&mut state.dead)
                .into_iter()
                .partition(|(_, letter)| rows.contains(&letter.queued.change.row));
            state.dead = dead;
            for (sequence, letter) in back {
                state.waiting.insert(sequence, letter.queued);
            }
            Ok((before - state.dead.len()) as u64)
        })
    }

    fn forget<'a>(
        &'a self,
        which: &'a Letters,
    ) -> BoxFuture<'a, Result<Vec<Arc<Queued>>, QueueError>> {
        self.later(|state| {
            let named = state.named(which).into_iter();
            Ok(named
                .filter_map(|sequence| state.dead.remove(&sequence))
                .map(|letter| letter.queued)
                .collect())
        })
    }

    fn depth(&self) -> BoxFuture<'_, Result<Depth, QueueError>> {
        self.later(|state| {
            let mut origins: BTreeMap<Arc<str>, u64> = BTreeMap::new();
            for queued in state.waiting.values() {
                *origins
                    .entry(Arc::clone(&queued.change.row.origin))
                    .or_default() += 1;
            }
            Ok(Depth {
                waiting: state.waiting.len() as u64,
                oldest: state.waiting.values().map(|queued| queued.at).min(),
                dead: state.dead.len() as u64,
                origins: origins.into_iter().collect(),
                ..Depth::default()
            })
        })
    }

    fn summary(&self) -> QueueSummary {
        QueueSummary {
            level: "memory",
            place: "this test".into(),
            can_lose: "everything".into(),
        }
    }
}
