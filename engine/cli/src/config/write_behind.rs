//! `[write_behind]`: where writes wait for their origins.

use std::path::{Path, PathBuf};
use std::time::Duration;

use larder::store::{LocalQueueConfig, RedisConfig, RedisQueueConfig};
use larder::{OnFull, QueueTuning};
use serde::Deserialize;

use super::store::StoreConfig;
use super::{Problems, relative};
use crate::units::{Size, Span};

/// The shortest right to flush: below it a slow answer of the queue would lose it.
const CLAIM_MIN_MS: u64 = 1_000;

/// Where writes wait, and how they are flushed.
#[derive(Debug)]
pub(crate) struct WriteBehind {
    pub(crate) level: Level,
    pub(crate) tuning: QueueTuning,
    /// How long the queue is flushed at shutdown; none leaves it to the server.
    pub(crate) drain: Option<Duration>,
}

/// What acknowledged writes survive.
#[derive(Debug)]
pub(crate) enum Level {
    /// A folder of this machine. Where the store is shared, other nodes see what waits there.
    Local {
        queue: LocalQueueConfig,
        shown_in: Option<RedisConfig>,
    },
    /// Redis, for several nodes.
    Redis(RedisQueueConfig),
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LevelWord {
    #[default]
    Local,
    Redis,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnFullWord {
    #[default]
    WriteThrough,
    Refuse,
}

/// Where writes wait for their origins.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// What acknowledged writes survive: a folder of this machine, or a Redis. Default: `"local"`.
    #[serde(default)]
    level: LevelWord,
    /// The folder (local). Default: `"queue"`.
    dir: Option<PathBuf>,
    /// The Redis, where it is not that of the store (redis).
    url: Option<String>,
    /// Whether a Redis is taken that may lose what it acknowledged (redis). Default: `false`.
    #[serde(default)]
    accept_loss: bool,
    /// The most writes that wait. Default: `100000`.
    limit: Option<u64>,
    /// The most bytes that wait. Default: `"1GiB"`.
    limit_bytes: Option<Size>,
    /// What becomes of a write there is no room for. Default: `"write_through"`.
    #[serde(default)]
    on_full: OnFullWord,
    /// The most changes that are handed over together. Default: `500`.
    batch_max: Option<usize>,
    /// How long changes are gathered. Default: `"50ms"`.
    batch_age: Option<Span>,
    /// After how many failures of its own a change is given up. Default: `20`.
    attempts_max: Option<u32>,
    /// How long the right to flush a partition lasts unless it is renewed. Default: `"10s"`.
    claim_ttl: Option<Span>,
    /// How long the queue is flushed at shutdown. Default: `"10s"`.
    drain: Option<Span>,
}

/// The queue, if one is configured and fits the store.
pub(super) fn read(
    table: Option<Table>,
    store: Option<&StoreConfig>,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<WriteBehind> {
    let table = table?;
    let tuning = tuning(&table);
    let checked = check(&table);
    let drain = table.drain.map(|span| span.0);
    let level = match table.level {
        LevelWord::Local => Ok(local(table, store, folder)),
        LevelWord::Redis => redis(table, store).map(Level::Redis),
    };
    match checked.and(level) {
        Ok(level) => Some(WriteBehind {
            level,
            tuning,
            drain,
        }),
        Err(why) => {
            problems.add(format!("`[write_behind]`: {why}"));
            None
        }
    }
}

fn check(table: &Table) -> Result<(), String> {
    let misplaced = match table.level {
        LevelWord::Local if table.url.is_some() => Some(("url", "redis")),
        LevelWord::Local if table.accept_loss => Some(("accept_loss", "redis")),
        LevelWord::Redis if table.dir.is_some() => Some(("dir", "local")),
        _ => None,
    };
    if let Some((field, level)) = misplaced {
        return Err(format!(
            "`{field}` is for `level = \"{level}\"`; leave it out, or choose that level"
        ));
    }
    let nothing = table.limit == Some(0) || table.limit_bytes.is_some_and(|size| size.0 == 0);
    if nothing {
        return Err(
            "a limit is 0, so nothing could be queued; leave it out for 100000 writes and 1GiB"
                .to_owned(),
        );
    }
    if table.batch_max == Some(0) || table.attempts_max == Some(0) {
        return Err("`batch_max` and `attempts_max` are at least 1".to_owned());
    }
    if table.claim_ttl.is_some_and(|span| span.ms() < CLAIM_MIN_MS) {
        return Err(format!(
            "`claim_ttl` is at least {CLAIM_MIN_MS}ms: it has to outlast a slow batch between two \
             renewals"
        ));
    }
    Ok(())
}

fn tuning(table: &Table) -> QueueTuning {
    let base = QueueTuning::default();
    QueueTuning {
        on_full: match table.on_full {
            OnFullWord::WriteThrough => OnFull::WriteThrough,
            OnFullWord::Refuse => OnFull::Refuse,
        },
        batch_max: table.batch_max.unwrap_or(base.batch_max),
        batch_age_ms: table.batch_age.map_or(base.batch_age_ms, Span::ms),
        attempts_max: table.attempts_max.unwrap_or(base.attempts_max),
        claim_ttl_ms: table.claim_ttl.map_or(base.claim_ttl_ms, Span::ms),
    }
}

fn local(table: Table, store: Option<&StoreConfig>, folder: &Path) -> Level {
    let dir = table.dir.unwrap_or_else(|| "queue".into());
    let mut queue = LocalQueueConfig::new(relative(folder, &dir));
    queue.limit = table.limit.unwrap_or(queue.limit);
    queue.limit_bytes = table.limit_bytes.map_or(queue.limit_bytes, |size| size.0);
    Level::Local {
        queue,
        shown_in: store.and_then(shared).cloned(),
    }
}

fn redis(table: Table, store: Option<&StoreConfig>) -> Result<RedisQueueConfig, String> {
    let base = RedisQueueConfig::default();
    let redis = match (table.url, store.and_then(shared)) {
        (Some(url), like) => RedisConfig {
            url: Some(url),
            cluster: Vec::new(),
            sentinel: None,
            ..like.cloned().unwrap_or_default()
        },
        (None, Some(store)) => store.clone(),
        (None, None) => {
            return Err(
                "level \"redis\" needs a Redis, and the store is none: give `url`, or let \
                 `[store]` be \"redis\" or \"tiered\""
                    .to_owned(),
            );
        }
    };
    redis.validate().map_err(|error| error.to_string())?;
    Ok(RedisQueueConfig {
        redis,
        limit: table.limit.unwrap_or(base.limit),
        limit_bytes: table.limit_bytes.map_or(base.limit_bytes, |size| size.0),
        accept_loss: table.accept_loss,
    })
}

/// The Redis of a store that several nodes share.
fn shared(store: &StoreConfig) -> Option<&RedisConfig> {
    match store {
        StoreConfig::Memory(_) => None,
        StoreConfig::Redis(config) => Some(config),
        StoreConfig::Tiered(config) => Some(&config.redis),
    }
}
