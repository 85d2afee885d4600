//! `[origin.NAME]`: the truth behind a route.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use larder::origin::{HttpConfig, PostgresConfig, SqliteConfig, service_sees, table_sees};
use larder::{BreakerConfig, OriginLimits};
use serde::Deserialize;
use toml::{Table, Value};

use super::outbox::{self, OutboxConfig};
use super::{Problems, relative};
use crate::units::{Size, Span};

/// One origin and how it is protected.
#[derive(Clone, Debug)]
pub(crate) struct OriginConfig {
    pub(crate) kind: OriginKind,
    pub(crate) limits: OriginLimits,
    /// For how long after a write nothing is stored of it, in milliseconds.
    pub(crate) write_hold_ms: u64,
    /// The table in which the database says what others change; none where nobody does.
    pub(crate) outbox: Option<OutboxConfig>,
}

/// Where the truth is.
#[derive(Clone, Debug)]
pub(crate) enum OriginKind {
    /// A table of a SQLite database.
    Sqlite(SqliteConfig),
    /// A table of a PostgreSQL database.
    Postgres(PostgresConfig),
    /// An HTTP service.
    Http(HttpConfig),
}

impl OriginKind {
    /// Whether what it answers can depend on a class of attributes.
    pub(crate) fn sees(&self, class: &str) -> bool {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) => table_sees(class),
            Self::Http(_) => service_sees(class),
        }
    }

    /// Whether it is a table without a column for the order of queued writes.
    pub(crate) const fn is_unordered(&self) -> bool {
        match self {
            Self::Sqlite(table) => table.sequence.is_none(),
            Self::Postgres(table) => table.sequence.is_none(),
            Self::Http(_) => false,
        }
    }
}

/// What every origin has, beside its `type`: "sqlite", "postgres" or "http".
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    /// For how long after a write nothing that was loaded is stored, for origins whose replicas
    /// lag. Default: `"0s"`.
    write_hold: Option<Span>,
}

impl OriginKind {
    /// Whether its settings make sense, as its own type says; the file calls one of them otherwise.
    fn check(&self) -> Result<(), String> {
        let checked = match self {
            Self::Sqlite(config) => config.check(),
            Self::Postgres(config) => config.check(),
            Self::Http(config) => config.check(),
        };
        checked.map_err(|error| error.to_string().replace("`max_bytes`", "`value_max`"))
    }
}

/// A table of a SQLite database.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sqlite {
    /// The database file.
    path: PathBuf,
    /// The table or view.
    table: String,
    /// The column that holds the id.
    key: String,
    /// A column that changes with each change of a row.
    version: Option<String>,
    /// A whole-number column for the order of queued writes; without it one that comes late
    /// overwrites a newer one.
    sequence: Option<String>,
    /// A column that marks a row as deleted instead of removing it.
    deleted: Option<String>,
    /// Whether the file is switched to WAL, which lets others read while it is written. Default:
    /// `false`.
    #[serde(default)]
    wal: bool,
    /// How long a call may take. Default: `"2s"`.
    timeout: Option<Span>,
    /// The largest row as JSON. Default: `"8MiB"`.
    value_max: Option<Size>,
}

/// A table of a PostgreSQL database.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Postgres {
    /// Where the database is, with user and password.
    url: String,
    /// The table or view.
    table: String,
    /// The column that holds the id.
    key: String,
    /// The one column that is the value; without it the value is the row.
    column: Option<String>,
    /// A column that changes with each change of a row.
    version: Option<String>,
    /// A whole-number column for the order of queued writes; without it one that comes late
    /// overwrites a newer one.
    sequence: Option<String>,
    /// A column that marks a row as deleted instead of removing it.
    deleted: Option<String>,
    /// The most connections. Default: `16`.
    connections: Option<usize>,
    /// How long a call may take. Default: `"5s"`.
    timeout: Option<Span>,
    /// How long connecting may take. Default: `"2s"`.
    connect_timeout: Option<Span>,
    /// The largest row as JSON. Default: `"8MiB"`.
    value_max: Option<Size>,
    /// Certificates that the server's is checked against besides those of the system.
    ca: Option<PathBuf>,
}

/// An HTTP service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    /// Where the service is.
    base_url: String,
    /// The path of a row below that. Default: `"/{resource}/{id}"`.
    path: Option<String>,
    /// How long a call may take.
    timeout: Option<Span>,
    /// How long connecting may take.
    connect_timeout: Option<Span>,
    /// The largest answer. Default: `"8MiB"`.
    value_max: Option<Size>,
    /// Headers of every call.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

/// How an origin is protected from too many calls.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    /// The most calls at once; 0 sets no limit. Default: `64`.
    concurrency: Option<u32>,
    /// The most of them for one tenant; 0 sets no limit. Default: `32`.
    tenant_concurrency: Option<u32>,
    /// How long a call waits for its place. Default: `"1s"`.
    wait: Option<Span>,
    /// When the origin is left alone.
    breaker: Breaker,
}

/// When an origin is left alone because it keeps failing.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Breaker {
    /// At which share of failed calls it is left alone, in percent. Default: `50`.
    failure_percent: Option<u8>,
    /// How many calls there must have been for that. Default: `20`.
    minimum_calls: Option<u32>,
    /// Over how long calls are counted. Default: `"10s"`.
    window: Option<Span>,
    /// For how long it is left alone before one call tries again. Default: `"5s"`.
    open: Option<Span>,
}

impl Limits {
    fn over(self, base: OriginLimits) -> OriginLimits {
        let ms = |span: Option<Span>, default| span.map_or(default, Span::ms);
        let (own, breaker) = (self.breaker, base.breaker);
        OriginLimits {
            concurrency: self.concurrency.unwrap_or(base.concurrency),
            tenant_concurrency: self.tenant_concurrency.unwrap_or(base.tenant_concurrency),
            wait_ms: ms(self.wait, base.wait_ms),
            breaker: BreakerConfig {
                failure_percent: own.failure_percent.unwrap_or(breaker.failure_percent),
                minimum_calls: own.minimum_calls.unwrap_or(breaker.minimum_calls),
                window_ms: ms(own.window, breaker.window_ms),
                open_ms: ms(own.open, breaker.open_ms),
                ..breaker
            },
        }
    }
}

/// Reads all origins; those that are wrong are left out and named among the problems.
pub(super) fn read(
    tables: BTreeMap<String, Table>,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, OriginConfig> {
    let mut origins = BTreeMap::new();
    for (name, table) in tables {
        match one(table, folder) {
            Ok(origin) => {
                origins.insert(name, origin);
            }
            Err(why) => problems.add_at(&["origin", &name], &why),
        }
    }
    origins
}

fn one(mut table: Table, folder: &Path) -> Result<OriginConfig, String> {
    const KINDS: &str = "write \"postgres\", \"sqlite\" or \"http\"";
    let kind = match table.remove("type") {
        Some(Value::String(kind)) => kind,
        Some(_) => return Err(format!("`type` is not a text; {KINDS}")),
        None => return Err(format!("`type` is missing; {KINDS}")),
    };
    let limits = match table.remove("limits") {
        None => Limits::default(),
        Some(Value::Table(limits)) => fields(limits).map_err(|why| format!("`limits`: {why}"))?,
        Some(_) => return Err("`limits` is not a table".to_owned()),
    };
    const HOLD: &str = "write_hold";
    let common = table.remove(HOLD).into_iter();
    let common = common.map(|value| (HOLD.to_owned(), value)).collect();
    let common: Common = fields(common).map_err(|why| format!("`{HOLD}`: {why}"))?;
    let write_hold_ms = common.write_hold.map_or(0, Span::ms);
    let outbox = outbox::read(table.remove("outbox"), &kind)?;
    let kind = match kind.as_str() {
        "sqlite" => sqlite(table, folder),
        "http" => http(table),
        "postgres" => postgres(table, folder),
        other => Err(format!("unknown type `{}`; {KINDS}", other.escape_debug())),
    }?;
    kind.check()?;
    let limits = limits.over(OriginLimits::default());
    Ok(OriginConfig {
        kind,
        limits,
        write_hold_ms,
        outbox,
    })
}

fn sqlite(table: Table, folder: &Path) -> Result<OriginKind, String> {
    let own: Sqlite = fields(table)?;
    let base = SqliteConfig::new(relative(folder, &own.path), own.table, own.key);
    Ok(OriginKind::Sqlite(SqliteConfig {
        version: own.version,
        sequence: own.sequence,
        deleted: own.deleted,
        wal: own.wal,
        timeout: own.timeout.map_or(base.timeout, |span| span.0),
        max_bytes: own.value_max.map_or(base.max_bytes, |size| size.0),
        ..base
    }))
}

fn postgres(table: Table, folder: &Path) -> Result<OriginKind, String> {
    let own: Postgres = fields(table)?;
    let base = PostgresConfig::new(own.url, own.table, own.key);
    Ok(OriginKind::Postgres(PostgresConfig {
        column: own.column,
        version: own.version,
        sequence: own.sequence,
        deleted: own.deleted,
        connections: own.connections.unwrap_or(base.connections),
        timeout: own.timeout.map_or(base.timeout, |span| span.0),
        connect_timeout: own
            .connect_timeout
            .map_or(base.connect_timeout, |span| span.0),
        max_bytes: own.value_max.map_or(base.max_bytes, |size| size.0),
        ca: own.ca.map(|path| relative(folder, &path)),
        ..base
    }))
}

fn http(table: Table) -> Result<OriginKind, String> {
    let own: Http = fields(table)?;
    let mut config = HttpConfig::new(own.base_url);
    if let Some(path) = own.path {
        config.path = path;
    }
    if let Some(timeout) = own.timeout {
        config.timeout = timeout.0;
    }
    if let Some(timeout) = own.connect_timeout {
        config.connect_timeout = timeout.0;
    }
    if let Some(max) = own.value_max {
        config.max_bytes = max.0;
    }
    config.headers = own.headers.into_iter().collect();
    Ok(OriginKind::Http(config))
}

/// The fields of a table whose kind is known, or everything that is wrong with them.
pub(super) fn fields<T: for<'de> Deserialize<'de>>(mut table: Table) -> Result<T, String> {
    let mut problems = Vec::new();
    loop {
        let read = Value::Table(table.clone()).try_into::<T>();
        let error = match read {
            Ok(read) if problems.is_empty() => return Ok(read),
            Ok(_) => return Err(problems.join("; ")),
            Err(error) => one_line(&error),
        };
        // Without it the next one shows.
        let unknown = error.strip_prefix("unknown field `");
        let unknown = unknown.and_then(|rest| Some(rest.split_once('`')?.0.to_owned()));
        problems.push(error);
        if unknown.is_none_or(|name| table.remove(&name).is_none()) {
            return Err(problems.join("; "));
        }
    }
}

/// The error of a table that was no longer text, so that there is no line to show.
pub(super) fn one_line(error: &toml::de::Error) -> String {
    error.to_string().trim().replace('\n', " ")
}
