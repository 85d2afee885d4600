//! Connections, each used for one statement at a time and only while nothing is left on it.

use std::time::Duration;

use deadpool_postgres::{Client, Pool, PoolError};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::failure;
use crate::{OpenError, OriginError};

/// A connection keeps so many prepared statements: callers choose which fields they write, and so
/// how many different statements there are.
const PREPARED: usize = 200;

/// The connections of an origin. Clones share them.
#[derive(Clone)]
pub(super) struct Sessions {
    pool: Pool,
    timeout: Duration,
}

impl Sessions {
    pub(super) fn new(pool: Pool, timeout: Duration) -> Self {
        Self { pool, timeout }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn limit_ms(&self) -> u64 {
        u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX)
    }

    /// A connection of the pool.
    pub(super) async fn get(&self) -> Result<Session, OriginError> {
        let session = self.connect().await;
        session.map_err(|error| failure::of_pool(&error, self.limit_ms()))
    }

    /// As [`Sessions::get`], with the driver's own error.
    pub(super) async fn connect(&self) -> Result<Session, PoolError> {
        Ok(Session(Some(self.pool.get().await?)))
    }

    /// One statement in one round trip, once the connection has prepared it.
    pub(super) async fn query(
        &self,
        text: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, OriginError> {
        let session = self.get().await?;
        let client = session.0.as_ref().ok_or_else(gone)?;
        if client.statement_cache.size() >= PREPARED {
            client.statement_cache.clear();
        }
        let statement = client.prepare_cached(text).await;
        let statement = statement.map_err(|error| failure::of_prepare(&error, self.limit_ms()))?;
        let rows = client.query(&statement, parameters).await;
        // After an error of the statement the connection is as good as before, unless its
        // prepared statements no longer fit the table.
        let stale = |error: &tokio_postgres::Error| {
            error
                .code()
                .is_some_and(|code| matches!(code.code(), "0A000" | "26000"))
        };
        if !rows.as_ref().is_err_and(stale) {
            session.keep();
        }
        rows.map_err(|error| failure::of_statement(&error, self.limit_ms()))
    }

    /// Runs a call within the timeout.
    pub(super) async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, OriginError>>,
    ) -> Result<T, OriginError> {
        let limit_ms = self.limit_ms();
        tokio::time::timeout(self.timeout, call)
            .await
            .unwrap_or(Err(OriginError::Timeout { limit_ms }))
    }
}

fn gone() -> OriginError {
    OriginError::Failed("its connection is gone".into())
}

/// A connection that goes back to the pool by [`Session::keep`] alone: one whose caller went away
/// still has a statement on it, behind which the next caller would wait.
pub(super) struct Session(Option<Client>);

impl Session {
    pub(super) fn client(&self) -> Result<&Client, OpenError> {
        let gone = || OpenError::Client("its connection is gone".into());
        self.0.as_ref().ok_or_else(gone)
    }

    pub(super) fn keep(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Client::take(client));
        }
    }
}
