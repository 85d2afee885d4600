//! Reading a row, and what SQLite says of what failed.

use larder_core::Value;
use larder_core::request::clip;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, ErrorCode, params_from_iter};

use super::row;
use super::schema::Table;
use crate::OriginError;

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
    let mut statement = db.prepare_cached(&table.sql.select).map_err(failed)?;
    let mut rows = statement
        .query(params_from_iter(spellings(id)))
        .map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else {
        return Ok(None);
    };
    let json = row::to_json(row, table, limits.max_bytes)?;
    if rows.next().map_err(failed)?.is_some() {
        return Err(OriginError::Failed(twins(table, id)));
    }
    Ok(Some(Value::json(json)))
}

pub(super) fn twins(table: &Table, id: &str) -> String {
    format!(
        "more than one row has the id `{}`: give column `{}` a unique index",
        clip(id),
        table.key_name()
    )
}

/// The id as text, and as an integer where it is the one spelling of one, since columns without
/// a type do not compare the two as equal.
pub(super) fn spellings(id: &str) -> [Sql; 2] {
    let integer = id
        .parse::<i64>()
        .ok()
        .filter(|n| n.to_string() == id)
        .map_or(Sql::Null, Sql::Integer);
    [Sql::Text(id.into()), integer]
}

pub(super) fn failure(error: &rusqlite::Error, limits: Limits) -> OriginError {
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
