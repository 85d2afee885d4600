//! One write or delete, within a transaction of its caller.

use bytes::Bytes;
use larder_core::Value;
use larder_core::request::clip;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use super::failure;
use super::row::{self, Fields};
use super::schema::Table;
use super::sql::Onto;
use super::statement::{Limits, load, spellings, twins};
use crate::{OriginError, Written, fields};

/// A write or a delete, as a worker takes it over.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) id: String,
    /// None deletes.
    pub(super) body: Option<Bytes>,
    /// Its place among the queued writes of its row; none where it was not queued.
    pub(super) sequence: Option<u64>,
    /// The fields that the request names; none where it is about the whole row.
    pub(super) fields: Vec<String>,
}

impl Edit {
    /// The columns that its answer shows.
    pub(super) fn shown(&self, table: &Table) -> Result<Option<Vec<usize>>, OriginError> {
        fields::places(&self.fields, &table.names())
    }
}

/// A row that is there.
struct Found {
    live: bool,
    sequence: Option<i64>,
}

/// The table, and the place that an edit takes among those of its row, where the table keeps them.
struct Place<'a> {
    db: &'a Connection,
    table: &'a Table,
    id: &'a str,
    sequence: Option<i64>,
    shown: Option<Vec<usize>>,
    limits: Limits,
}

/// What an edit came to.
pub(super) struct Made {
    pub(super) written: Written,
    /// Whether it is to be kept; otherwise it has only tried something.
    pub(super) keep: bool,
}

impl Made {
    fn kept(written: Written) -> Self {
        let keep = true;
        Self { written, keep }
    }
}

/// Makes the edit and answers the row as it is then. What failed may have left traces, which the
/// caller undoes.
pub(super) fn make(
    db: &Connection,
    table: &Table,
    edit: &Edit,
    limits: Limits,
) -> Result<Made, OriginError> {
    let sequence = table.kept.sequence.as_ref().and(edit.sequence);
    let shown = edit.shown(table)?;
    let fields = match &edit.body {
        Some(body) => Some(row::from_json(body, &edit.id, table)?),
        None => None,
    };
    let written = fields.as_ref().map(|fields| fields.columns.as_slice());
    fields::check(&edit.fields, shown.as_deref(), written, &table.names())?;
    let place = Place {
        db,
        table,
        id: &edit.id,
        sequence: sequence.map(|sequence| i64::try_from(sequence).unwrap_or(i64::MAX)),
        shown,
        limits,
    };
    let found = place.look()?;
    if let (
        Some(own),
        Some(Found {
            sequence: Some(at), ..
        }),
    ) = (place.sequence, &found)
        && own <= *at
    {
        return Ok(Made::kept(Written {
            existed: Some(existed(found.as_ref())),
            ..Written::default()
        }));
    }
    match fields {
        Some(fields) => place.write(fields, found).map(Made::kept),
        None => place.delete(found),
    }
}

impl Place<'_> {
    fn look(&self) -> Result<Option<Found>, OriginError> {
        let failed = |error| failure::of_preparing(&error, self.limits);
        let mut look = self
            .db
            .prepare_cached(&self.table.sql.look)
            .map_err(failed)?;
        let found = look.query_map(params_from_iter(spellings(self.id)), |row| {
            Ok(Found {
                live: row.get(0)?,
                sequence: row.get(1)?,
            })
        });
        let found = found.and_then(|rows| rows.collect::<rusqlite::Result<Vec<_>>>());
        let mut found = found.map_err(failed)?;
        if found.len() > 1 {
            return Err(OriginError::Rejected(twins(self.table, self.id)));
        }
        Ok(found.pop())
    }

    fn write(&self, fields: Fields, found: Option<Found>) -> Result<Written, OriginError> {
        let existed = existed(found.as_ref());
        match found {
            None => self.insert(fields),
            Some(found) => self.update(fields, found.live),
        }?;
        let value = self.now()?;
        if value.is_none() {
            return Err(OriginError::Rejected(format!(
                "no row has the id `{}` after the write: column `{}` does not keep this spelling of \
                 it, or a trigger has put the row elsewhere",
                clip(self.id),
                self.table.key_name()
            )));
        }
        Ok(Written {
            value,
            existed: Some(existed),
            version: self.version()?,
            said: None,
        })
    }

    /// The row as the statement and its triggers have left it. The whole of it is measured, also
    /// where only fields are shown.
    fn now(&self) -> Result<Option<Value>, OriginError> {
        let load = |shown| load(self.db, self.table, (self.id, shown), self.limits);
        let row = load(None).map_err(|error| match error {
            OriginError::TooLarge { limit_bytes } => OriginError::WriteTooLarge { limit_bytes },
            error => error,
        })?;
        match self.shown.as_deref() {
            Some(shown) if row.is_some() => load(Some(shown)),
            _ => Ok(row),
        }
    }

    fn insert(&self, fields: Fields) -> Result<(), OriginError> {
        let Fields {
            mut columns,
            mut values,
            key,
        } = fields;
        columns.insert(0, self.table.key);
        values.insert(0, key.unwrap_or_else(|| Sql::Text(self.id.into())));
        values.extend(self.sequence.map(Sql::Integer));
        let queued = self.sequence.is_some();
        self.run(&self.table.insert(&columns, queued, false), values)
    }

    fn update(&self, fields: Fields, live: bool) -> Result<(), OriginError> {
        let onto = if live { Onto::Live } else { Onto::Dead };
        let queued = self.sequence.is_some();
        let Some(update) = self.table.update(&fields.columns, onto, queued) else {
            return Ok(());
        };
        let mut values = Vec::from(spellings(self.id));
        values.extend(fields.values);
        values.extend(self.sequence.map(Sql::Integer));
        self.run(&update, values)
    }

    fn delete(&self, found: Option<Found>) -> Result<Made, OriginError> {
        let existed = Some(existed(found.as_ref()));
        let queued = self.sequence.is_some();
        let marks = self.table.kept.deleted.is_some();
        let mut values = Vec::from(spellings(self.id));
        match found {
            Some(_) if !marks => self.run(&self.table.sql.delete, values)?,
            // A dead row takes the place of what was queued.
            Some(found) if found.live || queued => {
                values.extend(self.sequence.map(Sql::Integer));
                self.run(&self.table.mark(queued), values)?;
            }
            None if marks && queued => return self.bury(),
            _ => return Ok(Made::kept(nothing())),
        }
        let version = if marks { self.version()? } else { None };
        Ok(Made::kept(Written {
            existed,
            version,
            ..Written::default()
        }))
    }

    /// Leaves a mark where there is no row, so that an older write that is handed over late does
    /// not make one. A table that takes no row of a key alone gets none.
    fn bury(&self) -> Result<Made, OriginError> {
        let values = [Sql::Text(self.id.into())];
        let values = values.into_iter().chain(self.sequence.map(Sql::Integer));
        let insert = self.table.insert(&[self.table.key], true, true);
        match self.run(&insert, values.collect()) {
            Err(error) if !error.is_permanent() => return Err(error),
            // Kept in this spelling, it is found.
            Ok(()) if self.look()?.is_some() => {}
            _ => {
                let (written, keep) = (nothing(), false);
                return Ok(Made { written, keep });
            }
        }
        let version = self.version()?;
        Ok(Made::kept(Written {
            version,
            ..nothing()
        }))
    }

    fn version(&self) -> Result<Option<u64>, OriginError> {
        let Some(version) = &self.table.sql.version else {
            return Ok(None);
        };
        let failed = |error| failure::of_preparing(&error, self.limits);
        let mut version = self.db.prepare_cached(version).map_err(failed)?;
        let version = version
            .query_row(params_from_iter(spellings(self.id)), |row| {
                row.get::<_, Option<i64>>(0)
            })
            .optional()
            .map_err(failed)?;
        Ok(version
            .flatten()
            .and_then(|version| version.try_into().ok()))
    }

    fn run(&self, text: &str, values: Vec<Sql>) -> Result<(), OriginError> {
        let mut statement = self
            .db
            .prepare_cached(text)
            .map_err(|error| failure::of_preparing(&error, self.limits))?;
        let done = statement.execute(params_from_iter(values));
        done.map(drop)
            .map_err(|error| failure::of_writing(&error, self.limits))
    }
}

fn existed(found: Option<&Found>) -> bool {
    found.is_some_and(|found| found.live)
}

fn nothing() -> Written {
    Written {
        existed: Some(false),
        ..Written::default()
    }
}
