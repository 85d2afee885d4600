//! `[store]`: where entries live.

use std::path::{Path, PathBuf};

use larder::store::{MemoryConfig, RedisConfig, SentinelConfig, TieredConfig};
use serde::Deserialize;
use toml::{Table, Value};

use super::Problems;
use super::origin::fields;
use crate::units::{Size, Span};

/// Where entries live.
#[derive(Debug)]
pub(crate) enum StoreConfig {
    Memory(MemoryConfig),
    Redis(RedisConfig),
    Tiered(TieredConfig),
}

/// Entries in the memory of this process. `type` is `"memory"` where it is left out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    /// How much it keeps. Default: `"256MiB"`.
    capacity: Option<Size>,
}

/// A shared store; `capacity` and `silence` belong to the memory in front of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shared {
    /// How much the memory in front of Redis keeps (tiered alone); 256MiB where it is left out.
    capacity: Option<Size>,
    /// How long a copy is served without word of Redis (tiered alone); 1.5 s where it is left out.
    silence: Option<Span>,
    /// Where Redis is; or `cluster`, or `sentinel`.
    url: Option<String>,
    /// Nodes of a Cluster.
    #[serde(default)]
    cluster: Vec<String>,
    /// Where sentinels name the master: `urls` and `master`; `user`, `password`, `db` and `tls` are
    /// those of the master.
    sentinel: Option<SentinelConfig>,
    /// What all keys begin with. Default: `"larder"`.
    prefix: Option<String>,
    /// Certificates that the server's is checked against.
    ca_file: Option<PathBuf>,
    /// How long connecting may take. Default: `"1s"`.
    connect_timeout: Option<Span>,
    /// How long a call may take. Default: `"500ms"`.
    timeout: Option<Span>,
    /// How often is looked whether it is there. Default: `"500ms"`.
    check_every: Option<Span>,
    /// The largest entry. Default: `"8MiB"`.
    max_entry: Option<Size>,
    /// How long versions of tags are kept after their last use. Default: `"30d"`.
    versions_keep: Option<Span>,
    /// Whether a Redis is taken whose eviction policy is not known to be safe. Default: `false`.
    #[serde(default)]
    accept_eviction: bool,
}

/// The store, unless it is wrong.
pub(super) fn read(
    table: Table,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<StoreConfig> {
    match one(table, folder) {
        Ok(store) => Some(store),
        Err(why) => {
            problems.add_at(&["store"], &why);
            None
        }
    }
}

fn one(mut table: Table, folder: &Path) -> Result<StoreConfig, String> {
    let known = "write \"memory\", \"redis\" or \"tiered\"";
    let kind = match table.remove("type") {
        None => "memory".to_owned(),
        Some(Value::String(kind)) => kind,
        Some(_) => return Err(format!("`type` is not a text; {known}")),
    };
    match kind.as_str() {
        "memory" => Ok(StoreConfig::Memory(memory(&fields(table)?)?)),
        "redis" => Ok(StoreConfig::Redis(redis(fields(table)?, folder)?)),
        "tiered" => Ok(StoreConfig::Tiered(tiered(fields(table)?, folder)?)),
        other => Err(format!("unknown type `{}`; {known}", other.escape_debug())),
    }
}

fn memory(own: &Memory) -> Result<MemoryConfig, String> {
    let mut store = MemoryConfig::default();
    if let Some(capacity) = &own.capacity {
        store.capacity_bytes = more_than_nothing(capacity)?;
    }
    Ok(store)
}

fn redis(own: Shared, folder: &Path) -> Result<RedisConfig, String> {
    let nearby = [
        ("capacity", own.capacity.is_some()),
        ("silence", own.silence.is_some()),
    ];
    if let Some((name, _)) = nearby.iter().find(|(_, given)| *given) {
        return Err(format!(
            "`{name}` is for the memory in front of Redis; write `type = \"tiered\"`, or leave it out"
        ));
    }
    let store = shared(own, folder);
    store.validate().map_err(|error| error.to_string())?;
    Ok(store)
}

fn tiered(own: Shared, folder: &Path) -> Result<TieredConfig, String> {
    let mut store = TieredConfig::default();
    if let Some(capacity) = &own.capacity {
        store.capacity_bytes = more_than_nothing(capacity)?;
    }
    if let Some(silence) = own.silence {
        store.silence_ms = silence.ms();
    }
    store.redis = shared(own, folder);
    store.validate().map_err(|error| error.to_string())?;
    Ok(store)
}

fn shared(own: Shared, folder: &Path) -> RedisConfig {
    let base = RedisConfig::default();
    let ms = |span: Option<Span>, default| span.map_or(default, Span::ms);
    RedisConfig {
        url: own.url,
        cluster: own.cluster,
        sentinel: own.sentinel,
        prefix: own.prefix.unwrap_or(base.prefix),
        ca_file: own.ca_file.map(|file| super::relative(folder, &file)),
        connect_timeout_ms: ms(own.connect_timeout, base.connect_timeout_ms),
        timeout_ms: ms(own.timeout, base.timeout_ms),
        check_every_ms: ms(own.check_every, base.check_every_ms),
        max_entry_bytes: own.max_entry.map_or(base.max_entry_bytes, |size| size.0),
        versions_keep_ms: ms(own.versions_keep, base.versions_keep_ms),
        accept_eviction: own.accept_eviction,
    }
}

fn more_than_nothing(capacity: &Size) -> Result<u64, String> {
    match capacity.0 {
        0 => Err("`capacity` is 0, so nothing could be kept; leave it out for 256MiB".to_owned()),
        bytes => Ok(bytes),
    }
}
