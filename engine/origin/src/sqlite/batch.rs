//! Many edits in one transaction, so that they are synced to the disk once.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::edit::{self, Edit};
use super::failure;
use super::look::Look;
use super::schema::Table;
use super::statement::{Limits, load};
use crate::{OriginError, Written};

type Answer = Result<Written, OriginError>;

/// What one transaction came to.
enum End {
    /// All that is not answered yet is done.
    Committed(Vec<(usize, Written)>),
    /// One edit has undone the others, as triggers and constraints can, and is answered. These
    /// are left.
    Undone(Vec<usize>),
    /// Nothing of these is done.
    Failed(OriginError, Vec<usize>),
}

/// Makes the edits, each in its place and on its own: one that is refused leaves nothing behind
/// and the others alone. Nothing is committed unless `may_commit` agrees.
pub(super) fn apply(
    (db, number): (&mut Connection, u64),
    look: &mut Look,
    edits: &[Edit],
    (limits, may_commit): (Limits, &dyn Fn() -> bool),
) -> Vec<Answer> {
    let mut answers: Vec<Option<Answer>> = vec![None; edits.len()];
    let mut settle = |place: usize, answer| {
        if let Some(slot) = answers.get_mut(place) {
            *slot = Some(answer);
        }
    };
    let mut waiting = vec![(0..edits.len()).collect::<Vec<_>>()];
    while let Some(places) = waiting.pop() {
        if places.is_empty() {
            continue;
        }
        let some = places
            .iter()
            .filter_map(|place| Some((*place, edits.get(*place)?)))
            .collect::<Vec<_>>();
        match attempt((db, number), look, &some, (limits, may_commit), &mut settle) {
            End::Committed(done) => {
                for (place, written) in done {
                    settle(place, Ok(written));
                }
            }
            End::Undone(left) => waiting.push(left),
            // Whose fault it is what the commit refuses, only trying them apart can tell.
            End::Failed(error, mut left) if error.is_permanent() && left.len() > 1 => {
                let second = left.split_off(left.len() / 2);
                waiting.extend([second, left]);
            }
            End::Failed(error, left) => {
                for place in left {
                    settle(place, Err(error.clone()));
                }
            }
        }
    }
    let missed = || Err(OriginError::Broken("the change was left out".into()));
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(missed))
        .collect()
}

fn attempt(
    (db, number): (&mut Connection, u64),
    look: &mut Look,
    edits: &[(usize, &Edit)],
    (limits, may_commit): (Limits, &dyn Fn() -> bool),
    settle: &mut dyn FnMut(usize, Answer),
) -> End {
    let places = |edits: &[(usize, &Edit)]| edits.iter().map(|(place, _)| *place).collect();
    // A deferred transaction that turns into a write may fail at once instead of waiting.
    let begun = db.transaction_with_behavior(TransactionBehavior::Immediate);
    let mut transaction = match begun {
        Ok(transaction) => transaction,
        Err(error) => return End::Failed(failure::of_preparing(&error, limits), places(edits)),
    };
    let table = match look.table(&transaction, number, limits) {
        Ok(table) => table,
        Err(error) => return End::Failed(error, places(edits)),
    };
    let mut done: Vec<(usize, Written)> = Vec::new();
    let left = |done: Vec<(usize, Written)>, rest| -> Vec<usize> {
        let done = done.into_iter().map(|(place, _)| place);
        done.chain(places(rest)).collect()
    };
    for (at, (place, edit)) in edits.iter().enumerate() {
        let rest = edits.get(at..).unwrap_or_default();
        let one = match may_commit() {
            true => alone(&mut transaction, &table, edit, limits),
            false => Err(late(limits)),
        };
        match one {
            Err(error @ OriginError::Timeout { .. }) => {
                return End::Failed(error, left(done, rest));
            }
            one if transaction.is_autocommit() => {
                settle(*place, one);
                return End::Undone(left(done, rest.get(1..).unwrap_or_default()));
            }
            Ok(written) => done.push((*place, written)),
            Err(error) => settle(*place, Err(error)),
        }
    }
    if done.len() > 1 && table.stirs {
        read_again(&transaction, &table, edits, (&mut done, limits));
    }
    match commit(transaction, limits, may_commit) {
        Ok(()) => End::Committed(done),
        Err(error) => End::Failed(error, left(done, &[])),
    }
}

/// What later edits of the batch, and their triggers, have made of the rows. What cannot be read
/// is not known.
fn read_again(
    db: &Connection,
    table: &Table,
    edits: &[(usize, &Edit)],
    (done, limits): (&mut [(usize, Written)], Limits),
) {
    for (place, written) in done
        .iter_mut()
        .filter(|(_, written)| written.value.is_some())
    {
        let edit = edits.iter().find(|(at, _)| at == place);
        let again = edit.map(|(_, edit)| {
            let shown = edit.shown(table)?;
            load(db, table, (&edit.id, shown.as_deref()), limits)
        });
        written.value = again.and_then(Result::ok).flatten();
    }
}

/// One edit, undone if it fails.
fn alone(transaction: &mut Transaction<'_>, table: &Table, edit: &Edit, limits: Limits) -> Answer {
    let failed = |error| failure::of_writing(&error, limits);
    let savepoint = transaction.savepoint().map_err(failed)?;
    let made = edit::make(&savepoint, table, edit, limits)?;
    if made.keep {
        savepoint.commit().map_err(failed)?;
    }
    Ok(made.written)
}

/// The caller has been told of a timeout when `may_commit` says no: what it does next, such as
/// loading again, must not be overtaken by a write that it was told had failed.
fn commit(
    transaction: Transaction<'_>,
    limits: Limits,
    may_commit: &dyn Fn() -> bool,
) -> Result<(), OriginError> {
    if !may_commit() {
        return Err(late(limits));
    }
    transaction
        .commit()
        .map_err(|error| failure::of_writing(&error, limits))
}

fn late(limits: Limits) -> OriginError {
    OriginError::Timeout {
        limit_ms: limits.timeout_ms,
    }
}
