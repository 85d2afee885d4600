//! Reading a row.

use larder_core::Value;
use larder_core::request::clip;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

use super::config::SqliteConfig;
use super::schema::Table;
use super::{failure, row};
use crate::OriginError;

/// What bounds a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) timeout_ms: u64,
    pub(super) max_bytes: u64,
}

impl Limits {
    pub(super) fn of(config: &SqliteConfig) -> Self {
        Self {
            timeout_ms: u64::try_from(config.timeout.as_millis()).unwrap_or(u64::MAX),
            max_bytes: config.max_bytes,
        }
    }
}

/// The row under `id`, or the columns of it that are to be shown.
pub(super) fn load(
    db: &Connection,
    table: &Table,
    (id, shown): (&str, Option<&[usize]>),
    limits: Limits,
) -> Result<Option<Value>, OriginError> {
    let failed = |error| failure::of_reading(&error, limits);
    let mut statement = db.prepare_cached(&table.select(shown)).map_err(failed)?;
    let mut rows = statement
        .query(params_from_iter(spellings(id)))
        .map_err(failed)?;
    let Some(row) = rows.next().map_err(failed)? else {
        return Ok(None);
    };
    let json = row::to_json(row, (table, shown), limits.max_bytes)?;
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
