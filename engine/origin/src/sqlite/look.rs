//! What is known of the table, and looked at again as soon as the schema has changed.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::config::SqliteConfig;
use super::failure;
use super::schema::Table;
use super::statement::Limits;
use crate::{OpenError, OriginError};

/// What all connections of an origin have seen of its table.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Why no call can succeed, as far as is known.
    trouble: Mutex<Option<String>>,
    /// The table as it was seen last.
    table: Mutex<Option<Arc<Table>>>,
}

impl Seen {
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    pub(super) fn table(&self) -> Option<Arc<Table>> {
        self.table.lock().clone()
    }

    /// Said once in the log.
    pub(super) fn begins(&self, why: String) {
        let mut known = self.trouble.lock();
        if known.as_ref() != Some(&why) {
            tracing::error!("every call to this origin fails until it is mended: {why}");
            *known = Some(why);
        }
    }

    pub(super) fn fits(&self, table: &Arc<Table>) {
        *self.table.lock() = Some(Arc::clone(table));
        self.ends();
    }

    pub(super) fn ends(&self) {
        if self.trouble.lock().take().is_some() {
            tracing::info!("the table is as it has to be again");
        }
    }
}

/// The table as one connection knows it.
pub(super) struct Look {
    config: Arc<SqliteConfig>,
    seen: Arc<Seen>,
    /// Of which connection, and by which number of the schema.
    known: Option<(u64, i64, Arc<Table>)>,
}

impl Look {
    pub(super) fn new(config: &Arc<SqliteConfig>, seen: &Arc<Seen>) -> Self {
        Self {
            config: Arc::clone(config),
            seen: Arc::clone(seen),
            known: None,
        }
    }

    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The table as the transaction on `db` sees it, of the connection of this `number`. SQLite
    /// counts every change of a schema, so what is known holds exactly as long as that count.
    pub(super) fn table(
        &mut self,
        db: &Connection,
        number: u64,
        limits: Limits,
    ) -> Result<Arc<Table>, OriginError> {
        let version: i64 = db
            .prepare_cached("PRAGMA schema_version")
            .and_then(|mut asked| asked.query_row([], |row| row.get(0)))
            .map_err(|error| failure::of_reading(&error, limits))?;
        if let Some((of, at, table)) = &self.known
            && (*of, *at) == (number, version)
        {
            return Ok(Arc::clone(table));
        }
        self.known = None;
        db.flush_prepared_statement_cache();
        let table = Table::inspect(db, &self.config).map_err(|error| self.wrong(error))?;
        let table = Arc::new(table);
        self.known = Some((number, version, Arc::clone(&table)));
        self.seen.fits(&table);
        Ok(table)
    }

    fn wrong(&self, error: OpenError) -> OriginError {
        match error {
            OpenError::Database { .. } => OriginError::Failed(error.to_string()),
            error => {
                let why = error.to_string();
                self.seen.begins(why.clone());
                OriginError::Schema(why)
            }
        }
    }
}
