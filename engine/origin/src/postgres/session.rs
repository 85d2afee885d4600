//! Connections, each used for one statement at a time and only while nothing is left on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Client, Pool, PoolError};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};

use super::failure::{Failure, Verb};
use crate::{OpenError, OriginError};

/// A connection keeps so many prepared statements: callers choose which fields they write, and so
/// how many different statements there are.
const PREPARED: usize = 200;

/// The connections of an origin. Clones share them.
#[derive(Clone)]
pub(super) struct Sessions {
    pool: Pool,
    timeout: Duration,
    link: Arc<Link>,
}

/// A value of a statement, and its type.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// What is known of the connections, from the newest on.
#[derive(Debug, Default)]
pub(super) struct Link {
    new: AtomicBool,
    /// Whether a pooler stands between.
    pooled: AtomicBool,
}

impl Link {
    /// A connection was made, to the server or to a pooler before it.
    pub(super) fn is_made(&self, direct: bool) {
        let before = self.pooled.swap(!direct, Ordering::AcqRel);
        self.new.store(true, Ordering::Release);
        if !direct && !before {
            tracing::warn!(
                "a pooler stands before postgres: statements are not prepared, and the server does \
                 not end those that take longer than `timeout`; give the user a statement_timeout"
            );
        }
    }
}

impl Sessions {
    /// The connections of `pool`, which notes in `link` when it makes one.
    pub(super) fn new(pool: Pool, timeout: Duration, link: Arc<Link>) -> Self {
        Self {
            pool,
            timeout,
            link,
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn limit_ms(&self) -> u64 {
        u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether there is a connection from after [`Sessions::seen`]: what it leads to may be another
    /// database, after a failover or a restore.
    pub(super) fn has_new(&self) -> bool {
        self.link.new.load(Ordering::Acquire)
    }

    pub(super) fn seen(&self) {
        self.link.new.store(false, Ordering::Release);
    }

    /// A connection of the pool, with the driver's own error.
    pub(super) async fn connect(&self) -> Result<Session, PoolError> {
        Ok(Session(Some(self.pool.get().await?)))
    }

    /// One statement in one round trip, once the connection has prepared it. Through a pooler it is
    /// not: the name of what one session has prepared means something else to the next.
    pub(super) async fn query(
        &self,
        verb: Verb,
        text: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, OriginError> {
        let asked = self.ask(text, parameters).await;
        asked.map_err(|failure| failure.of(verb, self.limit_ms()))
    }

    /// As [`Sessions::query`], with the driver's own error. What the server has forgotten or no
    /// longer holds for valid is prepared again, once.
    pub(super) async fn ask(
        &self,
        text: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let session = self.connect().await.map_err(Failure::Connecting)?;
        let mut rows = self.once(&session, text, parameters).await;
        if matches!(&rows, Err(Failure::Statement(error)) if is_outdated(error)) {
            session.forget();
            rows = self.once(&session, text, parameters).await;
        }
        // After an error of the statement the connection is as good as before.
        let good = match &rows {
            Ok(_) => true,
            Err(Failure::Statement(error)) => error.as_db_error().is_none() || !is_outdated(error),
            Err(Failure::Preparing(error)) => error.as_db_error().is_some(),
            Err(Failure::Connecting(_)) => false,
        };
        if good {
            session.keep();
        }
        rows
    }

    async fn once(
        &self,
        session: &Session,
        text: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        if !self.link.pooled.load(Ordering::Acquire) {
            return session.prepared(text, parameters).await;
        }
        let client = session.0.as_ref();
        let client = client.ok_or(Failure::Connecting(PoolError::Closed))?;
        let rows = client.query_typed(text, parameters).await;
        rows.map_err(Failure::Statement)
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

/// Whether the statement itself is no longer what the server has, for whatever reason: nothing was
/// done.
fn is_outdated(error: &Error) -> bool {
    let code = error.code().map(tokio_postgres::error::SqlState::code);
    matches!(code, Some("0A000" | "26000"))
}

fn gone() -> OpenError {
    OpenError::Client("its connection is gone".into())
}

/// A connection that goes back to the pool by [`Session::keep`] alone: one whose caller went away
/// still has a statement on it, behind which the next caller would wait.
pub(super) struct Session(Option<Client>);

impl Session {
    pub(super) fn client(&self) -> Result<&Client, OpenError> {
        self.0.as_ref().ok_or_else(gone)
    }

    async fn prepared(
        &self,
        text: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let Some(client) = &self.0 else {
            return Err(Failure::Connecting(PoolError::Closed));
        };
        if client.statement_cache.size() >= PREPARED {
            client.statement_cache.clear();
        }
        let statement = client.prepare_cached(text).await;
        let statement = statement.map_err(Failure::Preparing)?;
        let values: Vec<_> = parameters.iter().map(|(value, _)| *value).collect();
        let rows = client.query(&statement, &values).await;
        rows.map_err(Failure::Statement)
    }

    fn forget(&self) {
        if let Some(client) = &self.0 {
            client.statement_cache.clear();
        }
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
