//! The rows of a table that was found.

use std::borrow::Cow;
use std::collections::BTreeMap;

use larder_core::Value;
use larder_core::request::clip;
use serde::de::IgnoredAny;
use tokio_postgres::types::Type;

use super::failure::Verb;
use super::schema::Table;
use super::session::{Parameter, Sessions};
use super::{row, statement};
use crate::{Change, OriginError, fields};

/// The table, and what reads and writes it.
pub(super) struct Rows {
    pub(super) sessions: Sessions,
    pub(super) table: Table,
    select: String,
    pub(super) max_bytes: u64,
}

/// What the table says of an id.
pub(super) enum Found {
    /// What there is of it, if anything.
    Now(Option<Value>),
    /// The key's type, as it was looked at, has no such value.
    Never,
}

impl Rows {
    pub(super) fn new(sessions: Sessions, table: Table, max_bytes: u64) -> Self {
        Self {
            sessions,
            select: statement::select(&table, None),
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

    /// The value of the row, or the fields of it that are asked for, if there is one.
    pub(super) async fn find(&self, id: &str, asked: &[String]) -> Result<Found, OriginError> {
        let shown = self.shown(asked)?;
        if !row::fits(id, &self.table.key) {
            return Ok(Found::Never);
        }
        let select = match &shown {
            None => Cow::Borrowed(&self.select),
            Some(shown) => Cow::Owned(statement::select(&self.table, Some(shown))),
        };
        let max = i64::try_from(self.max_bytes).unwrap_or(i64::MAX);
        let given: [Parameter<'_>; 2] = [(&id, Type::TEXT), (&max, Type::INT8)];
        let rows = match self.sessions.ask(&select, &given).await {
            Err(failure) if failure.is_of_data() && !self.takes(id).await? => {
                return Ok(Found::Never);
            }
            rows => rows.map_err(|failure| failure.of(Verb::Read, self.sessions.limit_ms()))?,
        };
        let Some(first) = rows.first() else {
            return Ok(Found::Now(None));
        };
        if rows.len() > 1 {
            return Err(OriginError::Failed(format!(
                "more than one row has the id `{}`: give column `{}` a unique index",
                clip(id),
                self.table.key.name
            )));
        }
        let size: Option<i64> = first.try_get(0).map_err(|error| broken(&error))?;
        let bytes: Option<Vec<u8>> = first.try_get(1).map_err(|error| broken(&error))?;
        match (size, bytes) {
            (Some(_), None) => Err(OriginError::TooLarge {
                limit_bytes: self.max_bytes,
            }),
            (_, bytes) => Ok(Found::Now(bytes.map(|bytes| self.value(bytes)))),
        }
    }

    /// The values of many rows by their places, of those that are there.
    pub(super) async fn find_many(
        &self,
        ids: &[(usize, &str)],
    ) -> Result<Vec<(usize, Value)>, OriginError> {
        let asked = ids
            .iter()
            .map(|(n, id)| serde_json::json!({"n": n, "k": id}));
        let asked = serde_json::Value::Array(asked.collect()).to_string();
        let max = i64::try_from(self.max_bytes).unwrap_or(i64::MAX);
        let text = statement::select_many(&self.table);
        let rows = self
            .sessions
            .query(
                Verb::Read,
                &text,
                &[(&asked, Type::TEXT), (&max, Type::INT8)],
            )
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let place: i32 = row.try_get(0).map_err(|error| broken(&error))?;
            let bytes: Option<Vec<u8>> = row.try_get(1).map_err(|error| broken(&error))?;
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            found.extend(bytes.map(|bytes| (place, self.value(bytes))));
        }
        Ok(found)
    }

    /// Whether the key's type has this value at all; where it has not, no row has it.
    pub(super) async fn takes(&self, id: &str) -> Result<bool, OriginError> {
        if !row::fits(id, &self.table.key) {
            return Ok(false);
        }
        let probe = statement::probe(&self.table);
        match self.sessions.ask(&probe, &[(&id, Type::TEXT)]).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_of_data() => Ok(false),
            Err(failure) => Err(failure.of(Verb::Read, self.sessions.limit_ms())),
        }
    }

    /// The columns that are asked for; none where the whole value is.
    fn shown(&self, asked: &[String]) -> Result<Option<Vec<usize>>, OriginError> {
        if let (Some(_), Some(name)) = (self.table.column, asked.first()) {
            return Err(OriginError::Rejected(format!(
                "the value is one column, and no row with a field `{}`: leave `field` out",
                clip(name)
            )));
        }
        fields::places(asked, &self.table.names())
    }

    /// Refuses a write of single fields that names others, and a delete of some.
    pub(super) fn check_fields(&self, change: &Change<'_>) -> Result<(), OriginError> {
        let asked = fields::asked(&change.wanted);
        let shown = self.shown(&asked)?;
        if shown.is_none() {
            return Ok(());
        }
        let names = self.table.names();
        let written = change.value.map(|value| {
            let body = serde_json::from_slice::<BTreeMap<String, IgnoredAny>>(&value.bytes);
            let body = body.unwrap_or_default();
            let places = body.keys().filter(|name| **name != self.table.key.name);
            let place = |name: &String| names.iter().position(|known| known == name);
            places.filter_map(place).collect::<Vec<_>>()
        });
        fields::check(&asked, shown.as_deref(), written.as_deref(), &names)
    }
}

fn broken(error: &tokio_postgres::Error) -> OriginError {
    OriginError::Broken(error.to_string())
}
