//! The table as it was when it was last looked at: when the server is first reached, when a
//! connection is new, now and then, and as soon as a statement no longer fits it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Mutex as Turns;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::config::PostgresConfig;
use super::failure;
use super::rows::Rows;
use super::schema::Table;
use super::session::Sessions;
use crate::{OpenError, OriginError};

/// How often the table is looked at: so soon a new column is shown.
pub(super) const LOOK: Duration = Duration::from_secs(5);

/// How often it is while its trouble may be over.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// A refusal or an absence is taken for what the table says while it was looked at so recently:
/// what clients get wrong has it looked at ten times a second at most.
const RECENT: Duration = Duration::from_millis(100);

/// The rows, as soon as it is known how the table that holds them is made.
pub(super) struct Inspected {
    looker: Arc<Looker>,
    watch: JoinHandle<()>,
}

struct Looker {
    config: PostgresConfig,
    sessions: Sessions,
    database: String,
    known: Mutex<Known>,
    /// Whose turn it is to look.
    turns: Turns<()>,
    /// How many looks have begun, and which was the last to end.
    begun: AtomicU64,
    ended: AtomicU64,
}

#[derive(Default)]
struct Known {
    rows: Option<Arc<Rows>>,
    /// When the look began that found them.
    at: Option<Instant>,
    /// Why they are not known.
    wrong: Option<OpenError>,
}

impl Inspected {
    /// Looks for the first time. That the server cannot be reached is no error.
    pub(super) async fn open(
        config: PostgresConfig,
        sessions: Sessions,
        database: String,
    ) -> Result<Self, OpenError> {
        let looker = Arc::new(Looker {
            config,
            sessions,
            database,
            known: Mutex::default(),
            turns: Turns::default(),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        });
        match looker.look().await {
            Err(OpenError::Unreachable { .. }) => {}
            looked => looked?,
        }
        let weak = Arc::downgrade(&looker);
        let watch = tokio::spawn(async move {
            let mut pause = LOOK;
            loop {
                tokio::time::sleep(pause).await;
                let Some(looker) = weak.upgrade() else { return };
                let _turn = looker.turns.lock().await;
                let _ = looker.look().await;
                let well = looker.known.lock().wrong.is_none();
                pause = if well { LOOK } else { LOOK_AFTER };
            }
        });
        Ok(Self { looker, watch })
    }

    /// The rows. Those who ask while somebody looks are given what he finds.
    pub(super) async fn rows(&self) -> Result<Arc<Rows>, OriginError> {
        match self.known() {
            Some(rows) if !self.looker.sessions.has_new() => Ok(rows),
            known => self.looker.again(known.as_ref()).await,
        }
    }

    /// The rows, if they are known by now.
    pub(super) fn known(&self) -> Option<Arc<Rows>> {
        self.looker.known.lock().rows.clone()
    }

    /// The rows as they are now, after `since` failed for how the table is made.
    pub(super) async fn again(&self, since: &Arc<Rows>) -> Result<Arc<Rows>, OriginError> {
        match self.known() {
            Some(rows) if !Arc::ptr_eq(&rows, since) => Ok(rows),
            known => self.looker.again(known.as_ref()).await,
        }
    }

    /// Whether the table was looked at so recently that what it refuses is refused.
    pub(super) fn is_recent(&self) -> bool {
        let at = self.looker.known.lock().at;
        at.is_some_and(|at| at.elapsed() < RECENT)
    }

    /// Whether the server was reached, and what it has is not what is configured.
    pub(super) fn is_unfit(&self) -> bool {
        let known = self.looker.known.lock();
        let wrong = known.wrong.as_ref();
        wrong.is_some_and(|wrong| !matches!(wrong, OpenError::Unreachable { .. }))
    }

    /// Why no call can succeed.
    pub(super) fn trouble(&self) -> Option<String> {
        let known = self.looker.known.lock();
        known.wrong.as_ref().map(ToString::to_string)
    }
}

impl Drop for Inspected {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Looker {
    /// Looks, or waits for a look that begins from now on: one that is under way may have seen the
    /// table as it was before.
    async fn again(&self, known: Option<&Arc<Rows>>) -> Result<Arc<Rows>, OriginError> {
        let before = self.begun.load(Ordering::SeqCst);
        let turn = self.turns.lock().await;
        let mut looked = Ok(());
        if self.ended.load(Ordering::SeqCst) <= before {
            looked = self.look().await;
        }
        drop(turn);
        let now = self.known.lock().rows.clone();
        match (now, looked) {
            // It was known before, and cannot be asked now: neither can the table.
            (Some(_), Err(error)) if known.is_some() => Err(self.answer_of(&error)),
            (Some(rows), _) => Ok(rows),
            (None, _) => Err(self.answer()),
        }
    }

    async fn look(&self) -> Result<(), OpenError> {
        let late = || OpenError::Unreachable {
            database: self.database.clone(),
            why: format!("no answer within {} ms", self.sessions.limit_ms()),
        };
        let (which, at) = (
            self.begun.fetch_add(1, Ordering::SeqCst) + 1,
            Instant::now(),
        );
        let table = timeout(self.config.timeout, self.table()).await;
        let table = table.unwrap_or_else(|_| Err(late()));
        let found = match table {
            Ok(table) => {
                self.is(table, at);
                Ok(())
            }
            Err(error) => {
                self.note(error.clone());
                Err(error)
            }
        };
        self.ended.store(which, Ordering::SeqCst);
        found
    }

    async fn table(&self) -> Result<Table, OpenError> {
        let session = self.sessions.connect().await;
        let session = session.map_err(|error| failure::of_connecting(&error, &self.database))?;
        // What is found from here on is what the newest connection sees.
        self.sessions.seen();
        let table = Table::inspect(session.client()?, &self.config, &self.database).await;
        if !matches!(table, Err(OpenError::Unreachable { .. })) {
            session.keep();
        }
        table
    }

    fn is(&self, table: Table, at: Instant) {
        let mut known = self.known.lock();
        known.at = Some(at);
        if !known.rows.as_ref().is_some_and(|rows| rows.table == table) {
            let rows = Rows::new(self.sessions.clone(), table, self.config.max_bytes);
            known.rows = Some(Arc::new(rows));
        }
        if known.wrong.take().is_some() {
            let (database, table) = (&self.database, &self.config.table);
            tracing::info!(%database, %table, "postgres is reached, and the table is as it has to be");
        }
    }

    /// Remembers what is wrong, and says so where it was not known. A server that is away says
    /// nothing of its table.
    fn note(&self, error: OpenError) {
        let mut known = self.known.lock();
        match (&error, &known.wrong) {
            (OpenError::Unreachable { .. } | OpenError::Server { .. }, _)
                if known.rows.is_some() =>
            {
                return;
            }
            (OpenError::Unreachable { .. }, Some(OpenError::Unreachable { .. })) => {}
            (OpenError::Unreachable { .. }, _) => {
                let table = &self.config.table;
                tracing::warn!(%table, "{error}; its table is looked at when it can be");
            }
            (error, Some(known)) if error == known => {}
            _ => tracing::error!("every call to this origin fails until it is mended: {error}"),
        }
        known.rows = None;
        known.wrong = Some(error);
    }

    fn answer(&self) -> OriginError {
        match &self.known.lock().wrong {
            Some(error) => self.answer_of(error),
            None => OriginError::Unreachable(format!("{}: not asked yet", self.database)),
        }
    }

    fn answer_of(&self, error: &OpenError) -> OriginError {
        match error {
            OpenError::Unreachable { database, why } => {
                OriginError::Unreachable(format!("{database}: {why}"))
            }
            OpenError::NoTable { .. }
            | OpenError::NoColumn { .. }
            | OpenError::NoUnique { .. }
            | OpenError::Forbidden { .. }
            | OpenError::Setting { .. } => OriginError::Schema(error.to_string()),
            error => OriginError::Failed(error.to_string()),
        }
    }
}
