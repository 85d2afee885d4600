//! The table, looked at when the server is first reached.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Mutex as Turns;
use tokio::time::timeout;

use super::config::PostgresConfig;
use super::failure;
use super::rows::Rows;
use super::schema::Table;
use super::session::Sessions;
use crate::{OpenError, OriginError};

/// The rows, as soon as it is known how the table that holds them is made.
pub(super) struct Inspected {
    config: PostgresConfig,
    sessions: Sessions,
    database: String,
    rows: OnceLock<Rows>,
    /// Why they are not known.
    wrong: Mutex<Option<OpenError>>,
    /// Whose turn it is to look.
    turns: Turns<()>,
    /// How often it was looked.
    looked: AtomicU64,
}

impl Inspected {
    pub(super) fn new(config: PostgresConfig, sessions: Sessions, database: String) -> Self {
        Self {
            config,
            sessions,
            database,
            rows: OnceLock::new(),
            wrong: Mutex::default(),
            turns: Turns::default(),
            looked: AtomicU64::new(0),
        }
    }

    /// Looks for the first time. That the server cannot be reached is no error.
    pub(super) async fn open(&self) -> Result<(), OpenError> {
        match self.look().await {
            Err(error @ OpenError::Unreachable { .. }) => {
                self.note(error);
                Ok(())
            }
            looked => looked,
        }
    }

    /// The rows. Those who ask while somebody looks are given what he finds.
    pub(super) async fn rows(&self) -> Result<&Rows, OriginError> {
        if let Some(rows) = self.rows.get() {
            return Ok(rows);
        }
        let before = self.looked.load(Ordering::SeqCst);
        let turn = self.turns.lock().await;
        let is_first = self.looked.load(Ordering::SeqCst) == before;
        if is_first && let Err(error) = self.look().await {
            self.note(error);
        }
        drop(turn);
        self.rows.get().ok_or_else(|| self.answer())
    }

    /// The rows, if they are known by now.
    pub(super) fn known(&self) -> Option<&Rows> {
        self.rows.get()
    }

    /// Why no call can succeed.
    pub(super) fn trouble(&self) -> Option<String> {
        self.wrong.lock().as_ref().map(ToString::to_string)
    }

    async fn look(&self) -> Result<(), OpenError> {
        let late = || OpenError::Unreachable {
            database: self.database.clone(),
            why: format!("no answer within {} ms", self.sessions.limit_ms()),
        };
        let table = timeout(self.config.timeout, self.table()).await;
        let table = table.unwrap_or_else(|_| Err(late()));
        let found = table.map(|table| {
            let rows = Rows::new(self.sessions.clone(), table, self.config.max_bytes);
            // Whoever has the turn is alone.
            let _ = self.rows.set(rows);
            if self.wrong.lock().take().is_some() {
                let (database, table) = (&self.database, &self.config.table);
                tracing::info!(%database, %table, "postgres is reached, and the table is as it has to be");
            }
        });
        self.looked.fetch_add(1, Ordering::SeqCst);
        found
    }

    async fn table(&self) -> Result<Table, OpenError> {
        let session = self.sessions.connect().await;
        let session = session.map_err(|error| failure::of_connecting(&error, &self.database))?;
        let table = Table::inspect(session.client()?, &self.config, &self.database).await?;
        session.keep();
        Ok(table)
    }

    /// Remembers what is wrong, and says so where it was not known.
    fn note(&self, error: OpenError) {
        let mut wrong = self.wrong.lock();
        match (&error, &*wrong) {
            (OpenError::Unreachable { .. }, Some(OpenError::Unreachable { .. })) => {}
            (OpenError::Unreachable { .. }, _) => {
                let table = &self.config.table;
                tracing::warn!(%table, "{error}; its table is looked at when it can be");
            }
            (error, Some(known)) if error == known => {}
            _ => tracing::error!("every call to this origin fails until it is mended: {error}"),
        }
        *wrong = Some(error);
    }

    fn answer(&self) -> OriginError {
        match &*self.wrong.lock() {
            Some(OpenError::Unreachable { database, why }) => {
                OriginError::Unreachable(format!("{database}: {why}"))
            }
            Some(error) => OriginError::Failed(error.to_string()),
            None => OriginError::Unreachable(format!("{}: not asked yet", self.database)),
        }
    }
}
