//! The rows of a table that was found.

use larder_core::Value;
use larder_core::request::clip;

use super::schema::Table;
use super::session::Sessions;
use super::{row, statement};
use crate::OriginError;

/// The table, and what reads and writes it.
pub(super) struct Rows {
    pub(super) sessions: Sessions,
    pub(super) table: Table,
    select: String,
    pub(super) max_bytes: u64,
}

impl Rows {
    pub(super) fn new(sessions: Sessions, table: Table, max_bytes: u64) -> Self {
        Self {
            sessions,
            select: statement::select(&table),
            table,
            max_bytes,
        }
    }

    pub(super) fn value(&self, bytes: Vec<u8>) -> Value {
        let column = self.table.column.and_then(|at| self.table.columns.get(at));
        match column {
            Some(column) if !column.kind.starts_with("json") => Value::new(bytes),
            _ => Value::json(bytes),
        }
    }

    /// The value of the row, if there is one.
    pub(super) async fn find(&self, id: &str) -> Result<Option<Value>, OriginError> {
        if !row::fits(id, &self.table.key) {
            return Ok(None);
        }
        let max = i64::try_from(self.max_bytes).unwrap_or(i64::MAX);
        let rows = match self.sessions.query(&self.select, &[&id, &max]).await {
            // The key's type has no such value, so no row has it.
            Err(OriginError::Rejected(_)) => return Ok(None),
            rows => rows?,
        };
        let Some(first) = rows.first() else {
            return Ok(None);
        };
        if rows.len() > 1 {
            return Err(OriginError::Failed(format!(
                "more than one row has the id `{}`: give column `{}` a unique index",
                clip(id),
                self.table.key.name
            )));
        }
        let broken = |error: tokio_postgres::Error| OriginError::Broken(error.to_string());
        let size: Option<i64> = first.try_get(0).map_err(broken)?;
        let bytes: Option<Vec<u8>> = first.try_get(1).map_err(broken)?;
        match (size, bytes) {
            (Some(_), None) => Err(OriginError::TooLarge {
                limit_bytes: self.max_bytes,
            }),
            (_, bytes) => Ok(bytes.map(|bytes| self.value(bytes))),
        }
    }
}
