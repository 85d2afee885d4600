//! A batch on its way: handed over, judged, made stale, taken off the queue.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use larder_core::{Key, Timestamp, Value};
use larder_origin::{Change, OriginError, PutMeaning, Wanted, Written};
use larder_store::queue::{Claim, QueueError, Queued};

use super::coalesce::Run;
use super::fate::{Answer, Fate, fates, is_blamed};
use super::fields;
use super::lane::{Lane, Next};
use super::overlay::in_words;
use super::renew::Outdated;
use super::stale;
use crate::backoff;
use crate::deadline::in_ms;
use crate::engine::Inner;
use crate::error::Error;
use crate::invalidate::Invalidation;
use crate::vault::Closed;

/// How long a row is left alone that this node cannot read, in milliseconds.
const UNREADABLE_MS: u64 = 30_000;

/// How often an entry that the origin may have changed is tried to be removed when it has the
/// change. After that it lives until its ttl ends.
const DROPS: u32 = 8;

/// A run that is ready to be handed over.
struct Parcel {
    run: Run,
    last: Arc<Queued>,
    value: Option<Value>,
    stale: Vec<Invalidation>,
}

type Answered = Result<Written, OriginError>;

/// Why a change cannot be handed over.
enum Unfit {
    /// Not by this node, or not yet.
    Wait(String),
    /// Not together: not all of them are objects.
    Apart,
    /// Never.
    Bury(String),
}

impl Lane {
    /// Hands the runs over and settles what came of it.
    pub(super) async fn flush(
        &mut self,
        inner: &Inner,
        claim: &Claim,
        (runs, alone): (Vec<Run>, bool),
    ) -> Result<Next, QueueError> {
        let parcels = self.pack(inner, claim, runs).await?;
        if parcels.is_empty() {
            return Ok(Next::More);
        }
        let answers = match self.hand_over(inner, claim, &parcels).await {
            Ok(answers) => answers,
            Err(error) => {
                self.meters.again(parcels.len());
                let at_least = error.retry_after_ms().unwrap_or_default();
                return Ok(self.failed(&error.to_string(), at_least));
            }
        };
        if !alone {
            self.pace.note(&answers, self.tuning().batch_max);
        }
        let oldest = self.oldest(&answers).await?;
        let judged: Vec<_> = parcels
            .iter()
            .zip(&answers)
            .map(|(parcel, answer)| Answer {
                error: answer.as_ref().err(),
                changes: parcel.run.len(),
                older: oldest.is_some_and(|oldest| oldest < parcel.last.at),
                attempts: self.attempts(&parcel.last.change.row),
                others: self.others_pass(&parcel.last.change.row),
            })
            .collect();
        let fates = fates(&judged, self.tuning().attempts_max);
        self.settle(inner, claim, &parcels, &answers, &fates).await
    }

    /// When the oldest change was taken that waits in the whole queue, where that is of matter.
    async fn oldest(&self, answers: &[Answered]) -> Result<Option<Timestamp>, QueueError> {
        let refused = |answer: &Answered| matches!(answer, Err(OriginError::Rejected(_)));
        match answers.iter().any(refused) {
            true => Ok(self.queue.depth().await?.oldest),
            false => Ok(None),
        }
    }

    /// Opens the values. What cannot be read is no reason to keep others waiting.
    async fn pack(
        &mut self,
        inner: &Inner,
        claim: &Claim,
        runs: Vec<Run>,
    ) -> Result<Vec<Parcel>, QueueError> {
        let mut parcels = Vec::with_capacity(runs.len());
        for run in runs {
            let Some(last) = run.last().map(Arc::clone) else {
                continue;
            };
            match unpack(inner, &run, self.origin.put_meaning()) {
                Ok((value, stale)) => parcels.push(Parcel {
                    run,
                    last,
                    value,
                    stale,
                }),
                Err(Unfit::Wait(why)) => {
                    let row = &last.change.row;
                    tracing::error!(
                        row = in_words(row),
                        "a queued write stays where it is: {why}"
                    );
                    self.trouble(row).until = Some(in_ms(UNREADABLE_MS));
                }
                Err(Unfit::Apart) => self.singly(&last.change.row),
                Err(Unfit::Bury(_)) if run.len() > 1 => self.singly(&last.change.row),
                Err(Unfit::Bury(why)) => self.bury(inner, claim, &last, &why).await?,
            }
        }
        Ok(parcels)
    }

    /// Calls the origin, through its gate.
    async fn hand_over(
        &self,
        inner: &Inner,
        claim: &Claim,
        parcels: &[Parcel],
    ) -> Result<Vec<Answered>, Error> {
        let changes: Vec<_> = parcels.iter().map(Parcel::change).collect();
        let ends = in_ms(inner.tuning.load_timeout_ms);
        let calling = async {
            let pass = self.gate.enter_for_all(ends).await?;
            self.meters.handed_over(changes.len());
            let applied = AssertUnwindSafe(self.origin.apply(&changes)).catch_unwind();
            let mut answers = applied.await.unwrap_or_default();
            // One that panicked, or forgot some, may have taken them or not.
            let lost = || Err(OriginError::Failed("it panicked".to_owned()));
            answers.resize_with(changes.len(), lost);
            let waits = answers.iter().filter_map(|answer| answer.as_ref().err());
            pass.rest(waits.filter_map(OriginError::retry_after_ms).max());
            pass.end(&verdict(&answers));
            Ok(answers)
        };
        self.keeping(claim, &*inner.queue_clock, calling).await
    }

    /// Takes off the queue what the origin has, and notes what is in the way of the rest.
    async fn settle(
        &mut self,
        inner: &Inner,
        claim: &Claim,
        parcels: &[Parcel],
        answers: &[Answered],
        fates: &[Fate],
    ) -> Result<Next, QueueError> {
        let done: Vec<_> = parcels
            .iter()
            .zip(answers)
            .zip(fates)
            .filter(|(_, fate)| **fate == Fate::Done)
            .map(|((parcel, answer), _)| (parcel, answer))
            .collect();
        if let Err(next) = self.take_off(inner, claim, &done).await? {
            return Ok(next);
        }
        let alone = parcels.len() == 1;
        let mut next = Next::Gather;
        let mut why = None;
        for ((parcel, answer), fate) in parcels.iter().zip(answers).zip(fates) {
            let row = &parcel.last.change.row;
            let error = answer.as_ref().err();
            match fate {
                Fate::Done => self.passed(row),
                Fate::Singly => {
                    self.singly(row);
                    next = Next::More;
                }
                Fate::Later => {
                    self.meters.again(1);
                    self.later(
                        row,
                        alone,
                        error.is_some_and(|error| is_blamed(error, alone)),
                    );
                }
                Fate::Aside => {
                    self.meters.again(1);
                    self.later(row, alone, false);
                    why = error;
                }
                Fate::Again => {
                    self.meters.again(1);
                    why = error;
                }
                Fate::Bury => {
                    let text = error.map(ToString::to_string).unwrap_or_default();
                    self.bury(inner, claim, &parcel.last, &text).await?;
                }
            }
        }
        match why {
            Some(error) => Ok(self.failed(&error.to_string(), 0)),
            None => {
                self.works();
                Ok(next)
            }
        }
    }

    /// The order is what keeps caches right: first goes what a load may have cached from before
    /// the flush, then the changes leave the overlay, then go entries that may differ from what
    /// the origin has made of them. Where the first fails, the changes stay and are handed over
    /// once more. Answers what to do next where that is so.
    async fn take_off(
        &mut self,
        inner: &Inner,
        claim: &Claim,
        done: &[(&Parcel, &Answered)],
    ) -> Result<Result<(), Next>, QueueError> {
        if done.is_empty() {
            return Ok(Ok(()));
        }
        let stale = done.iter().flat_map(|(parcel, _)| &parcel.stale);
        let own: Vec<_> = done
            .iter()
            .map(|(parcel, _)| &parcel.last.change.key)
            .collect();
        let renewed = match Outdated::of(stale) {
            Ok(outdated) => inner
                .renew(&outdated, &own)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = renewed {
            return Ok(Err(self.failed(&why, 0)));
        }
        let sequences: Vec<u64> = done
            .iter()
            .flat_map(|(parcel, _)| parcel.run.iter().map(|queued| queued.sequence))
            .collect();
        let changed = self.changed(done);
        self.queue.flushed(claim, &sequences).await?;
        self.meters.flushed(sequences.len());
        self.took(sequences.len());
        drop_changed(inner, &changed).await;
        Ok(Ok(()))
    }

    /// The keys whose entries may show something else than the origin holds.
    fn changed(&self, done: &[(&Parcel, &Answered)]) -> Vec<Key> {
        let done = done.iter().filter(|(parcel, answer)| {
            let mut settled = false;
            for queued in &parcel.run {
                settled = self.settled.take(queued.sequence);
            }
            let as_written = match (&parcel.value, answer) {
                (Some(value), Ok(written)) => {
                    let whole = self.origin.whole(parcel.change().wanted, value);
                    whole.is_some() && written.value == whole
                }
                (None, answer) => answer.is_ok(),
                (Some(_), Err(_)) => false,
            };
            !(settled && as_written)
        });
        done.map(|(parcel, _)| parcel.last.change.key.clone())
            .collect()
    }

    /// Gives a change up.
    async fn bury(
        &mut self,
        inner: &Inner,
        claim: &Claim,
        queued: &Queued,
        why: &str,
    ) -> Result<(), QueueError> {
        let row = &queued.change.row;
        tracing::error!(
            row = in_words(row), letter = %queued.letter_id(),
            "a queued write is given up and its row is parked: {why}"
        );
        self.no_trouble(row);
        let now = inner.queue_clock.now();
        self.queue.bury(claim, queued.sequence, why, now).await
    }
}

impl Parcel {
    fn change(&self) -> Change<'_> {
        let change = &self.last.change;
        Change {
            wanted: Wanted {
                tenant: &change.row.tenant,
                resource: &change.row.resource,
                id: &change.row.id,
                attributes: &change.attributes,
            },
            value: self.value.as_ref(),
            sequence: self.last.sequence,
            operation: &change.operation,
        }
    }
}

/// What the changes of a run say together, and what all of them make stale.
fn unpack(
    inner: &Inner,
    run: &Run,
    meaning: PutMeaning,
) -> Result<(Option<Value>, Vec<Invalidation>), Unfit> {
    let value = value(inner, run, meaning)?;
    let stale = run.iter().map(|queued| {
        let (tenant, text) = (&queued.change.row.tenant, &queued.change.stale);
        let what = stale::read(tenant, text).map_err(|why| why.to_string());
        let checked = what.and_then(|what| match what.check() {
            Ok(()) => Ok(what),
            Err(why) => Err(why.to_string()),
        });
        checked.map_err(|why| {
            Unfit::Wait(format!(
                "this build does not understand what the write makes stale: {why}; run the build \
                 that queued it"
            ))
        })
    });
    Ok((value, stale.collect::<Result<_, _>>()?))
}

/// The value of the last change, or, where values name some fields, of all of them together.
fn value(inner: &Inner, run: &Run, meaning: PutMeaning) -> Result<Option<Value>, Unfit> {
    let open = |queued: &Arc<Queued>| {
        inner.seals.open_change(&queued.change).map_err(|why| {
            let text = why.in_words().to_owned();
            match why {
                Closed::UnknownKey => Unfit::Wait(text),
                Closed::DoesNotOpen => Unfit::Bury(text),
            }
        })
    };
    let deletes = run.last().is_none_or(|last| last.change.value.is_none());
    if deletes || meaning == PutMeaning::Replace {
        return run.last().map_or(Ok(None), open);
    }
    let values = run.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let values: Vec<Value> = values.into_iter().flatten().collect();
    fields::together(&values).map(Some).ok_or(Unfit::Apart)
}

/// What a batch says of the origin.
fn verdict(answers: &[Answered]) -> Result<(), Error> {
    let works = |answer: &Answered| {
        answer
            .as_ref()
            .map_or_else(OriginError::is_permanent, |_| true)
    };
    match answers.iter().find_map(|answer| answer.as_ref().err()) {
        Some(error) if !answers.iter().any(works) => Err(error.clone().into()),
        _ => Ok(()),
    }
}

async fn drop_changed(inner: &Inner, keys: &[Key]) {
    for attempt in 1..=DROPS {
        let Err(error) = inner.drop_entries(keys).await else {
            return;
        };
        tracing::warn!("entries of flushed writes cannot be invalidated: {error}");
        let delay = backoff::delay_ms(attempt, fastrand::f64());
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
}
