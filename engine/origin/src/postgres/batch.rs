//! Writes, one or many: rows that set the same columns share a statement.

use std::collections::BTreeMap;

use larder_core::request::clip;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row as Answer;
use tokio_postgres::types::Type;

use super::failure::Verb;
use super::row::{self, Row};
use super::rows::Rows;
use super::session::Parameter;
use super::statement;
use crate::{Change, OriginError, Written};

/// A statement takes rows of at most so many bytes together, so that a batch of large values does
/// not become one message of gigabytes.
const STATEMENT: usize = 8 << 20;

/// Rows of one statement: deletes, or writes of the same columns.
struct Group {
    /// None deletes.
    columns: Option<Vec<usize>>,
    /// Whether deletes leave a mark where there is no row.
    bury: bool,
    /// Each with its place in the batch.
    rows: Vec<(usize, Row)>,
}

/// Rows that set the same columns, in parts of a size that one statement takes.
type Parts = Vec<Vec<(usize, Row)>>;

type Results = Vec<Option<Result<Written, OriginError>>>;

impl Rows {
    /// A write that is not queued.
    pub(super) async fn one(&self, change: &Change<'_>) -> Result<Written, OriginError> {
        let wanted = (0, change.wanted.id, change.sequence);
        if change.value.is_none() && !row::fits(wanted.1, &self.table.key) {
            return Err(never(wanted.1));
        }
        let row = row::of(wanted, change.value, (&self.table, self.max_bytes))?;
        let columns = change.value.map(|_| row.columns.clone());
        let group = Group {
            columns,
            bury: false,
            rows: vec![(0, row)],
        };
        let mut results = vec![None];
        let run = self.run(&group, std::slice::from_ref(change), false, &mut results);
        run.await.map_err(|blamed| blamed.error)?;
        results.pop().flatten().unwrap_or_else(unanswered)
    }

    /// Many queued writes. What is permanently wrong with a statement is looked for in its halves,
    /// until the rows are alone that are to blame.
    pub(super) async fn many(
        &self,
        changes: &[Change<'_>],
        deadline: Instant,
    ) -> Vec<Result<Written, OriginError>> {
        let limit_ms = self.sessions.limit_ms();
        let mut results: Results = vec![None; changes.len()];
        let mut waiting = self.groups(changes, &mut results);
        let (mut failed, mut unclear) = (None, Unclear::default());
        while let Some(group) = waiting.pop() {
            let run = self.run(&group, changes, true, &mut results);
            let ended = timeout_at(deadline, run).await;
            let late = || Blamed {
                error: OriginError::Timeout { limit_ms },
                rows: false,
            };
            match ended.unwrap_or_else(|_| Err(late())) {
                Ok(()) => unclear.others = true,
                Err(Blamed { error, rows }) if !(rows || error.is_permanent()) => {
                    failed = Some(error);
                    break;
                }
                Err(Blamed { error, .. }) => match halves(group) {
                    Ok(halves) => waiting.extend(halves),
                    // Something forbids the mark. The row is as absent without it.
                    Err(group) if group.bury => waiting.push(Group {
                        bury: false,
                        ..group
                    }),
                    Err(group) if !error.is_permanent() => {
                        let places = group.rows.iter().map(|(place, _)| *place);
                        unclear
                            .alone
                            .extend(places.map(|place| (place, error.clone())));
                        if unclear.is_everybodys() {
                            failed = Some(error);
                            break;
                        }
                    }
                    Err(group) => {
                        for (place, _) in &group.rows {
                            settle(&mut results, *place, Err(error.clone()));
                        }
                    }
                },
            }
        }
        unclear.settle(&mut results);
        let rest = failed.map_or_else(unanswered, Err);
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(|| rest.clone()))
            .collect()
    }

    /// Sorts the writes by what they set; those that cannot be sent are answered.
    fn groups(&self, changes: &[Change<'_>], results: &mut Results) -> Vec<Group> {
        let mut sorted: BTreeMap<Option<Vec<usize>>, Parts> = BTreeMap::new();
        for (place, change) in changes.iter().enumerate() {
            let id = change.wanted.id;
            if change.value.is_none() && !row::fits(id, &self.table.key) {
                settle(results, place, Err(never(id)));
                continue;
            }
            let wanted = (place, id, change.sequence);
            match row::of(wanted, change.value, (&self.table, self.max_bytes)) {
                Err(error) => settle(results, place, Err(error)),
                Ok(row) => {
                    let columns = change.value.map(|_| row.columns.clone());
                    push(sorted.entry(columns).or_default(), (place, row));
                }
            }
        }
        let groups = sorted.into_iter().flat_map(|(columns, parts)| {
            let bury = columns.is_none() && self.table.buries;
            let group = move |rows| Group {
                columns: columns.clone(),
                bury,
                rows,
            };
            parts.into_iter().map(group)
        });
        groups.collect()
    }

    /// Sends one statement and answers its rows. It is undone where a row would be larger than
    /// values may be.
    async fn run(
        &self,
        group: &Group,
        changes: &[Change<'_>],
        queued: bool,
        results: &mut Results,
    ) -> Result<(), Blamed> {
        let rows: Vec<&str> = group
            .rows
            .iter()
            .map(|(_, row)| row.json.as_str())
            .collect();
        let rows = format!("[{}]", rows.join(","));
        let max = i64::try_from(self.max_bytes).unwrap_or(i64::MAX);
        let answers = match &group.columns {
            Some(columns) => {
                let text = statement::upsert(&self.table, columns, queued);
                let given: [Parameter<'_>; 2] = [(&rows, Type::TEXT), (&max, Type::INT8)];
                self.sessions.ask(&text, &given).await
            }
            None => {
                let text = statement::delete(&self.table, queued, group.bury);
                self.sessions.ask(&text, &[(&rows, Type::TEXT)]).await
            }
        };
        let answers = answers.map_err(|failure| {
            let rows = failure.may_be_a_rows();
            let verb = if queued { Verb::Queued } else { Verb::Write };
            let error = match failure.of(verb, self.sessions.limit_ms()) {
                OriginError::Rejected(said) if said.contains(statement::TOO_LARGE) => {
                    OriginError::WriteTooLarge {
                        limit_bytes: self.max_bytes,
                    }
                }
                error => error,
            };
            Blamed { error, rows }
        })?;
        for answer in &answers {
            let (place, taken) = read(answer).map_err(|error| Blamed {
                error: OriginError::Broken(format!("what the write answered: {error}")),
                rows: false,
            })?;
            let id = changes.get(place).map_or("", |change| change.wanted.id);
            settle(results, place, self.written(taken, id, queued));
        }
        Ok(())
    }

    fn written(&self, taken: Taken, id: &str, queued: bool) -> Result<Written, OriginError> {
        if !taken.done && !taken.known && !queued {
            return Err(OriginError::Rejected(format!(
                "`{}` was not written: column `{}` takes it for another spelling of a key that is \
                 there, or a trigger keeps it out",
                clip(id),
                self.table.key.name
            )));
        }
        if !taken.done && !taken.known {
            return Err(OriginError::Failed(format!(
                "`{}` was written by somebody else at the same moment, or column `{}` takes it for \
                 another spelling of a key that is there",
                clip(id),
                self.table.key.name
            )));
        }
        Ok(Written {
            value: taken.value.map(|value| self.value(value)),
            existed: Some(taken.existed),
            version: taken
                .version
                .and_then(|version| u64::try_from(version).ok()),
            said: None,
        })
    }
}

/// A statement that failed.
struct Blamed {
    error: OriginError,
    /// Whether one of its rows may be to blame.
    rows: bool,
}

/// Rows that failed alone, of which the server does not say whose fault that is.
#[derive(Default)]
struct Unclear {
    alone: Vec<(usize, OriginError)>,
    /// Whether others were taken.
    others: bool,
}

impl Unclear {
    /// So many that fail alone, before any is taken, fail for what is none of theirs, as where the
    /// right to write is gone. Otherwise a batch would be tried row by row.
    const MOST: usize = 3;

    fn is_everybodys(&self) -> bool {
        !self.others && self.alone.len() >= Self::MOST
    }

    /// Where others were taken, each is to blame. One that took too long alone may have waited for
    /// somebody: it is tried again, and given up in the end.
    fn settle(self, results: &mut Results) {
        for (place, error) in self.alone {
            let error = match error {
                OriginError::Timeout { .. } if self.others => {
                    OriginError::Failed(format!("{error}, with this row alone"))
                }
                error if self.others => OriginError::Rejected(format!(
                    "this row fails alone while others are taken: {error}"
                )),
                error => error,
            };
            settle(results, place, Err(error));
        }
    }
}

/// What the statement says of one row.
struct Taken {
    /// There was a live row before.
    existed: bool,
    /// There was a row before, live or not.
    known: bool,
    done: bool,
    version: Option<i64>,
    value: Option<Vec<u8>>,
}

fn read(answer: &Answer) -> Result<(usize, Taken), tokio_postgres::Error> {
    let place: i32 = answer.try_get(0)?;
    let taken = Taken {
        existed: answer.try_get(1)?,
        known: answer.try_get(2)?,
        done: answer.try_get(3)?,
        version: answer.try_get(4)?,
        value: answer.try_get(5)?,
    };
    Ok((usize::try_from(place).unwrap_or(usize::MAX), taken))
}

fn push(parts: &mut Parts, row: (usize, Row)) {
    let size = |rows: &Vec<(usize, Row)>| rows.iter().map(|(_, row)| row.json.len()).sum::<usize>();
    match parts.last_mut() {
        Some(last) if size(last) + row.1.json.len() <= STATEMENT => last.push(row),
        _ => parts.push(vec![row]),
    }
}

/// Two groups of half the rows, or the group of the only one.
fn halves(mut group: Group) -> Result<[Group; 2], Group> {
    if group.rows.len() < 2 {
        return Err(group);
    }
    let rows = group.rows.split_off(group.rows.len() / 2);
    let columns = group.columns.clone();
    let bury = group.bury;
    Ok([
        Group {
            columns,
            bury,
            rows,
        },
        group,
    ])
}

fn settle(results: &mut Results, place: usize, result: Result<Written, OriginError>) {
    if let Some(slot) = results.get_mut(place) {
        *slot = Some(result);
    }
}

/// A delete of what no row can be called, as long as the key is what it was.
fn never(id: &str) -> OriginError {
    OriginError::Rejected(format!("no key is spelled `{}`", clip(id)))
}

pub(super) fn nothing() -> Written {
    Written {
        existed: Some(false),
        ..Written::default()
    }
}

pub(super) fn unanswered() -> Result<Written, OriginError> {
    Err(OriginError::Broken(
        "the statement left the row out of its answer".into(),
    ))
}
