//! The three statements, each on a connection of its worker.

use larder_core::Value;
use larder_core::request::clip;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params_from_iter};

use super::row::{self, Fields};
use super::schema::Table;
use crate::{OriginError, Written};

/// What bounds a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) timeout_ms: u64,
    pub(super) max_bytes: u64,
}

/// The row under `id`.
pub(super) fn load(
    db: &Connection,
    table: &Table,
    id: &str,
    limits: Limits,
) -> Result<Option<Value>, OriginError> {
    let failed = |error| failure(&error, limits);
    let mut statement = db.prepare_cached(&table.select).map_err(failed)?;
    let mut rows = statement
        .query(params_from_iter(spellings(id)))
        .map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else {
        return Ok(None);
    };
    let json = row::to_json(row, table, limits.max_bytes)?;
    if rows.next().map_err(failed)?.is_some() {
        return Err(OriginError::Failed(format!(
            "more than one row has the id `{}`: give column `{}` a unique index",
            clip(id),
            table.key_name()
        )));
    }
    Ok(Some(Value::json(json)))
}

/// Updates the row under `id`, or inserts it, and reads it back before the commit. Nothing is
/// committed unless `may_commit` agrees.
pub(super) fn write(
    db: &mut Connection,
    table: &Table,
    (id, body): (&str, &[u8]),
    limits: Limits,
    may_commit: impl Fn() -> bool,
) -> Result<Written, OriginError> {
    let fields = row::from_json(body, id, table)?;
    let transaction = begin(db, limits)?;
    // A row that cannot be answered may still be replaced by one that can.
    let existed = match load(&transaction, table, id, limits) {
        Err(OriginError::TooLarge { .. } | OriginError::Broken(_)) => true,
        found => found?.is_some(),
    };
    store(&transaction, table, id, fields, existed).map_err(|error| failure(&error, limits))?;
    let Some(value) = load(&transaction, table, id, limits)? else {
        return Err(OriginError::Rejected(format!(
            "column `{}` does not keep the id as `{}`: use the spelling that the column has",
            table.key_name(),
            clip(id)
        )));
    };
    commit(transaction, limits, may_commit)?;
    Ok(Written {
        value: Some(value),
        existed: Some(existed),
        version: None,
    })
}

/// Deletes the row under `id`.
pub(super) fn delete(
    db: &mut Connection,
    table: &Table,
    id: &str,
    limits: Limits,
    may_commit: impl Fn() -> bool,
) -> Result<Written, OriginError> {
    let transaction = begin(db, limits)?;
    let rows = transaction
        .prepare_cached(&table.delete)
        .and_then(|mut statement| statement.execute(params_from_iter(spellings(id))))
        .map_err(|error| failure(&error, limits))?;
    if rows > 1 {
        return Err(OriginError::Rejected(format!(
            "{rows} rows have the id `{}`: give column `{}` a unique index",
            clip(id),
            table.key_name()
        )));
    }
    commit(transaction, limits, may_commit)?;
    Ok(Written {
        value: None,
        existed: Some(rows == 1),
        version: None,
    })
}

fn store(
    db: &Connection,
    table: &Table,
    id: &str,
    fields: Fields,
    existed: bool,
) -> rusqlite::Result<()> {
    let Fields {
        mut columns,
        mut values,
        key,
    } = fields;
    if !existed {
        columns.insert(0, table.key);
        values.insert(0, key.unwrap_or_else(|| Sql::Text(id.into())));
        db.prepare_cached(&table.insert(&columns))?
            .execute(params_from_iter(values))?;
    } else if !columns.is_empty() {
        db.prepare_cached(&table.update(&columns))?
            .execute(params_from_iter(spellings(id).into_iter().chain(values)))?;
    }
    Ok(())
}

fn begin(db: &mut Connection, limits: Limits) -> Result<Transaction<'_>, OriginError> {
    // A deferred transaction that turns into a write may fail at once instead of waiting.
    db.transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| failure(&error, limits))
}

/// The caller has been told of a timeout when `may_commit` says no: what it does next, such as
/// loading again, must not be overtaken by a write that it was told had failed.
fn commit(
    transaction: Transaction<'_>,
    limits: Limits,
    may_commit: impl Fn() -> bool,
) -> Result<(), OriginError> {
    if !may_commit() {
        return Err(OriginError::Timeout {
            limit_ms: limits.timeout_ms,
        });
    }
    transaction
        .commit()
        .map_err(|error| failure(&error, limits))
}

/// The id as text, and as an integer where it is the one spelling of one, since columns without
/// a type do not compare the two as equal.
fn spellings(id: &str) -> [Sql; 2] {
    let integer = id
        .parse::<i64>()
        .ok()
        .filter(|n| n.to_string() == id)
        .map_or(Sql::Null, Sql::Integer);
    [Sql::Text(id.into()), integer]
}

fn failure(error: &rusqlite::Error, limits: Limits) -> OriginError {
    let code = error.sqlite_error_code();
    let why = error.to_string();
    match code {
        Some(
            ErrorCode::OperationInterrupted | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked,
        ) => OriginError::Timeout {
            limit_ms: limits.timeout_ms,
        },
        Some(ErrorCode::TooBig) => OriginError::TooLarge {
            limit_bytes: limits.max_bytes,
        },
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch) => {
            OriginError::Rejected(why)
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => OriginError::Broken(why),
        Some(ErrorCode::CannotOpen) => OriginError::Unreachable(why),
        _ => OriginError::Failed(why),
    }
}
