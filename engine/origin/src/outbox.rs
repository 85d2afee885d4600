//! The seam to outboxes: tables in which a database says what its commits made stale.

#[cfg(any(test, feature = "contract"))]
pub mod contract;

use futures_util::future::BoxFuture;
use larder_core::Timestamp;

use crate::OriginError;

/// The table where nothing else is said.
pub const TABLE: &str = "larder_outbox";

/// A text of a row is answered with at most so many characters and one more, so that one row
/// cannot fill the memory.
pub const TEXT_MAX: usize = 8192;

/// Columns that a table of a build before rows were named by resource and id does not have.
pub(crate) const OF_ROWS: [&str; 2] = ["resource", "row_id"];

/// The columns of texts in the order of [`Row`].
pub(crate) const TEXTS: [&str; 7] = [
    "kind",
    "tenant",
    "resource",
    "row_id",
    "namespace",
    "target",
    "mode",
];

/// A place in the order in which rows come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The transaction that wrote the row, where the order of rows rests on it; else 0.
    pub transaction: u64,
    /// The number of the row.
    pub id: i64,
}

impl Place {
    /// Before every row.
    pub const START: Self = Self {
        transaction: 0,
        id: 0,
    };
}

/// A row as it was written. Whether it makes sense is for its reader to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Where it is.
    pub place: Place,
    /// `row`, `origin`, `key`, `tag`, `namespace` or `pattern`.
    pub kind: String,
    /// Whose entries; empty where the deployment has one tenant.
    pub tenant: String,
    /// The kind of thing that a row of the database is, as requests name it.
    pub resource: String,
    /// The id of that row.
    pub row_id: String,
    /// The namespace of a key or of a pattern.
    pub namespace: String,
    /// The key, tag, namespace or pattern.
    pub target: String,
    /// `purge` or `expire`.
    pub mode: String,
}

/// What there was to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Rows in order.
    pub rows: Vec<Row>,
    /// Whether the row is still there whose place was read on from; [`Place::START`] always is.
    /// Where it is not, somebody has emptied the table, or the database went back in time, and
    /// rows may be missing.
    pub intact: bool,
    /// The time of the database's clock, no later than the moment as of which it answers.
    pub now: Timestamp,
    /// How long ago the oldest row was written that is committed and cannot be read yet, in
    /// milliseconds; none where there is none.
    pub held_ms: Option<u64>,
}

/// Reads what a database says its commits made stale.
///
/// Implementations guarantee, and the contract suite checks: whoever reads on from the last row it
/// was given is given every committed row once, in one order, however long the row's transaction
/// took; what was rolled back never comes. No row is removed that was not asked to be, so the last
/// one stays. Every call ends within the database's timeout, and errors carry no credentials.
pub trait Outbox: Send + Sync {
    /// The first rows after `after`, at most `limit`; fewer than that are all that can be read now.
    fn read(&self, after: Place, limit: usize) -> BoxFuture<'_, Result<Page, OriginError>>;

    /// Removes the first rows before `before`, at most `limit`, and answers how many there were.
    fn remove(&self, before: Place, limit: usize) -> BoxFuture<'_, Result<u64, OriginError>>;

    /// Waits until there may be something new to read. It may return early, and it may miss what
    /// is new, so reading now and then goes on beside it. What comes while nobody waits counts
    /// once. Databases that give no hints never return.
    fn hint(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    /// What it is, for status pages and logs, without credentials.
    fn summary(&self) -> String;
}
