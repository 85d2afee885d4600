//! Writes, from the table as it is known to what the cache may take.

use std::sync::Arc;

use larder_core::Value;
use tokio::time::{Instant, timeout_at};

use super::PostgresOrigin;
use super::batch::{nothing, unanswered};
use super::rows::{Found, Rows};
use crate::{Change, OriginError, Wanted, Written, fields};

type Answer = Result<Written, OriginError>;

/// What is asked of one row.
#[derive(Clone, Copy)]
enum Call<'a> {
    /// Its value, or these fields of it.
    Find(&'a str, &'a [String]),
    Change(&'a Change<'a>),
}

/// What a call comes to on the table as it is known.
enum Outcome {
    Answer(Answer),
    /// The key cannot have the id, so there is no such row, as long as the key is what it was.
    Never,
}

impl Outcome {
    /// To read or delete what no row can be called is no error.
    fn settled(self) -> Answer {
        match self {
            Self::Answer(answer) => answer,
            Self::Never => Ok(nothing()),
        }
    }

    /// Whether a table of another make might have answered otherwise.
    fn is_doubtful(&self) -> bool {
        matches!(
            self,
            Self::Never | Self::Answer(Err(OriginError::Rejected(_)))
        )
    }
}

impl Call<'_> {
    async fn on(self, rows: &Rows) -> Outcome {
        match self.asked(rows).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Answer(Err(error)),
        }
    }

    async fn asked(self, rows: &Rows) -> Result<Outcome, OriginError> {
        let change = match self {
            Call::Find(id, asked) => {
                return Ok(match rows.find(id, asked).await? {
                    Found::Never => Outcome::Never,
                    Found::Now(value) => Outcome::Answer(Ok(Written {
                        value,
                        ..Written::default()
                    })),
                });
            }
            Call::Change(change) => change,
        };
        rows.check_fields(change)?;
        let answer = rows.one(change).await;
        let refused = matches!(answer, Err(OriginError::Rejected(_)));
        let never = refused && change.value.is_none() && !rows.takes(change.wanted.id).await?;
        Ok(match never {
            true => Outcome::Never,
            false => Outcome::Answer(answer),
        })
    }
}

impl PostgresOrigin {
    /// Makes a call on the table as it is known, and once more where that turns out to be no longer
    /// how it is. A statement that failed for that has done nothing.
    async fn call(&self, call: Call<'_>) -> Answer {
        let rows = self.inspected.rows().await?;
        let outcome = call.on(&rows).await;
        let doubtful = outcome.is_doubtful();
        let outdated = matches!(outcome, Outcome::Answer(Err(OriginError::Schema(_))));
        let again = outdated || doubtful && !self.inspected.is_recent();
        if !again {
            return outcome.settled();
        }
        match self.inspected.again(&rows).await {
            Ok(now) if doubtful && Arc::ptr_eq(&now, &rows) => outcome.settled(),
            Ok(now) => call.on(&now).await.settled().map_err(not_the_table),
            Err(OriginError::Schema(why)) => Err(OriginError::Schema(why)),
            Err(error) => match outcome {
                Outcome::Answer(refusal) if doubtful => refusal,
                _ => Err(error),
            },
        }
    }

    /// The value, or the fields of it that are asked for.
    pub(super) async fn find(&self, wanted: Wanted<'_>) -> Result<Option<Value>, OriginError> {
        let asked = fields::asked(&wanted);
        let find = self.call(Call::Find(wanted.id, &asked));
        Ok(self.sessions.bounded(find).await?.value)
    }

    /// One write that is not queued.
    pub(super) async fn change(&self, wanted: Wanted<'_>, value: Option<&Value>) -> Answer {
        let change = Change {
            wanted,
            value,
            sequence: 0,
            operation: "",
        };
        let deadline = Instant::now() + self.sessions.timeout();
        let written = self.sessions.bounded(self.call(Call::Change(&change)));
        let mut written = written.await?;
        if written.value.is_some() {
            let now = timeout_at(deadline, self.find(wanted)).await;
            written.value = now.ok().and_then(Result::ok).flatten();
        }
        Ok(written)
    }

    /// Many queued writes, each answered in its place.
    pub(super) async fn changes(&self, changes: &[Change<'_>]) -> Vec<Answer> {
        let deadline = Instant::now() + self.sessions.timeout();
        let mut answers = vec![unanswered(); changes.len()];
        let rows = match self.sessions.bounded(self.inspected.rows()).await {
            Ok(rows) => rows,
            Err(error) => return vec![Err(error); changes.len()],
        };
        hand_over(
            &rows,
            changes,
            (0..changes.len()).collect(),
            (&mut answers, deadline),
        )
        .await;
        let rows = self
            .over_again(rows, changes, (&mut answers, deadline))
            .await;
        let answers = answers
            .into_iter()
            .map(|answer| answer.map_err(not_the_table));
        let answers = absent(&rows, changes, answers.collect()).await;
        self.read_back(changes, answers, deadline).await
    }

    /// Hands over once more what the table as it was known could not take, and what it refused if it
    /// turns out to be another one by now. Answers the table as it is known then.
    async fn over_again(
        &self,
        rows: Arc<Rows>,
        changes: &[Change<'_>],
        (answers, deadline): (&mut Vec<Answer>, Instant),
    ) -> Arc<Rows> {
        let outdated = places(answers, |answer| {
            matches!(answer, Err(OriginError::Schema(_)))
        });
        let refused = places(answers, |answer| {
            matches!(answer, Err(OriginError::Rejected(_)))
        });
        let doubtful = !refused.is_empty() && !self.inspected.is_recent();
        if outdated.is_empty() && !doubtful {
            return rows;
        }
        match self.sessions.bounded(self.inspected.again(&rows)).await {
            Ok(now) => {
                let is_other = !Arc::ptr_eq(&now, &rows);
                let mut places = outdated;
                places.extend(refused.into_iter().filter(|_| is_other));
                hand_over(&now, changes, places, (answers, deadline)).await;
                now
            }
            // Of a refusal nobody can say now whether it still holds: it waits like the rest.
            Err(error) => {
                for at in outdated.into_iter().chain(refused) {
                    settle(answers, at, Err(error.clone()));
                }
                rows
            }
        }
    }

    /// What the cache may take of the rows is what a read brings after the commit: triggers and
    /// rules may have made something else of them than the statement was told. What cannot be read
    /// in time is not known.
    async fn read_back(
        &self,
        changes: &[Change<'_>],
        mut answers: Vec<Answer>,
        deadline: Instant,
    ) -> Vec<Answer> {
        let whole = |at: usize| {
            let change = changes.get(at)?;
            fields::asked(&change.wanted)
                .is_empty()
                .then_some((at, change.wanted.id))
        };
        let taken = places(&answers, |answer| {
            answer.as_ref().is_ok_and(|written| written.value.is_some())
        });
        for at in &taken {
            if let Some(Ok(written)) = answers.get_mut(*at) {
                written.value = None;
            }
        }
        let ids: Vec<(usize, &str)> = taken.into_iter().filter_map(whole).collect();
        if ids.is_empty() {
            return answers;
        }
        let found = async { self.inspected.rows().await?.find_many(&ids).await };
        let found = timeout_at(deadline, found).await;
        for (at, value) in found.ok().and_then(Result::ok).unwrap_or_default() {
            if let Some(Ok(written)) = answers.get_mut(at) {
                written.value = Some(value);
            }
        }
        answers
    }
}

/// Hands over the changes of these places.
async fn hand_over(
    rows: &Rows,
    changes: &[Change<'_>],
    places: Vec<usize>,
    (answers, deadline): (&mut [Answer], Instant),
) {
    let mut fit = Vec::with_capacity(places.len());
    for at in places {
        match changes.get(at).map(|change| rows.check_fields(change)) {
            Some(Err(error)) => settle(answers, at, Err(error)),
            _ => fit.push(at),
        }
    }
    let some: Vec<Change<'_>> = fit
        .iter()
        .filter_map(|at| changes.get(*at).copied())
        .collect();
    for (at, answer) in fit.into_iter().zip(rows.many(&some, deadline).await) {
        settle(answers, at, answer);
    }
}

/// To delete what no row can be called is no error.
async fn absent(rows: &Rows, changes: &[Change<'_>], mut answers: Vec<Answer>) -> Vec<Answer> {
    for (answer, change) in answers.iter_mut().zip(changes) {
        if change.value.is_none()
            && matches!(answer, Err(OriginError::Rejected(_)))
            && rows.check_fields(change).is_ok()
            && rows.takes(change.wanted.id).await == Ok(false)
        {
            *answer = Ok(nothing());
        }
    }
    answers
}

/// The table was looked at, and is as it has to be: what is wrong is something that it uses.
fn not_the_table(error: OriginError) -> OriginError {
    match error {
        OriginError::Schema(said) => OriginError::Failed(format!(
            "{said}: the table itself fits its configuration, so look at its triggers, rules and views"
        )),
        error => error,
    }
}

fn places(answers: &[Answer], fits: impl Fn(&Answer) -> bool) -> Vec<usize> {
    let all = answers.iter().enumerate();
    all.filter(|(_, answer)| fits(answer))
        .map(|(at, _)| at)
        .collect()
}

fn settle(answers: &mut [Answer], at: usize, answer: Answer) {
    if let Some(slot) = answers.get_mut(at) {
        *slot = answer;
    }
}
