//! `[origin.NAME]`: the truth behind a route.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use larder::origin::{HttpConfig, PostgresConfig, SqliteConfig};
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sqlite {
    path: PathBuf,
    table: String,
    key: String,
    version: Option<String>,
    sequence: Option<String>,
    deleted: Option<String>,
    #[serde(default)]
    wal: bool,
    timeout: Option<Span>,
    value_max: Option<Size>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Postgres {
    url: String,
    table: String,
    key: String,
    column: Option<String>,
    version: Option<String>,
    sequence: Option<String>,
    deleted: Option<String>,
    connections: Option<usize>,
    timeout: Option<Span>,
    connect_timeout: Option<Span>,
    value_max: Option<Size>,
    ca: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    base_url: String,
    path: Option<String>,
    timeout: Option<Span>,
    connect_timeout: Option<Span>,
    value_max: Option<Size>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    concurrency: Option<u32>,
    tenant_concurrency: Option<u32>,
    wait: Option<Span>,
    breaker: Breaker,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Breaker {
    failure_percent: Option<u8>,
    minimum_calls: Option<u32>,
    window: Option<Span>,
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
    problems: &mut Problems,
) -> BTreeMap<String, OriginConfig> {
    let mut origins = BTreeMap::new();
    for (name, table) in tables {
        match one(table, folder) {
            Ok(origin) => {
                origins.insert(name, origin);
            }
            Err(why) => problems.add(format!("`[origin.{name}]`: {why}")),
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
    let write_hold_ms = match table.remove("write_hold") {
        None => 0,
        Some(value) => {
            let span: Span = value
                .try_into()
                .map_err(|why| format!("`write_hold`: {}", one_line(&why)))?;
            span.ms()
        }
    };
    let outbox = outbox::read(table.remove("outbox"), &kind)?;
    let kind = match kind.as_str() {
        "sqlite" => sqlite(table, folder),
        "http" => http(table),
        "postgres" => postgres(table, folder),
        other => Err(format!("unknown type `{}`; {KINDS}", other.escape_debug())),
    }?;
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
