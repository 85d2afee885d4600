//! `[store]`: where entries live.

use larder::store::MemoryConfig;
use serde::Deserialize;
use toml::{Table, Value};

use super::Problems;
use super::origin::fields;
use crate::units::Size;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    capacity: Option<Size>,
}

/// The store, unless it is wrong.
pub(super) fn read(table: Table, problems: &mut Problems) -> Option<MemoryConfig> {
    match one(table) {
        Ok(store) => Some(store),
        Err(why) => {
            problems.add(format!("`[store]`: {why}"));
            None
        }
    }
}

fn one(mut table: Table) -> Result<MemoryConfig, String> {
    let kind = match table.remove("type") {
        None => "memory".to_owned(),
        Some(Value::String(kind)) => kind,
        Some(_) => return Err("`type` is not a text; write \"memory\"".to_owned()),
    };
    match kind.as_str() {
        "memory" => {}
        "redis" | "tiered" => {
            return Err(format!(
                "`type = \"{kind}\"` is not in this version yet; write \"memory\""
            ));
        }
        other => {
            return Err(format!(
                "unknown type `{}`; write \"memory\"",
                other.escape_debug()
            ));
        }
    }
    let own: Memory = fields(table)?;
    let mut store = MemoryConfig::default();
    if let Some(capacity) = own.capacity {
        store.capacity_bytes = capacity.0;
    }
    if store.capacity_bytes == 0 {
        return Err(
            "`capacity` is 0, so nothing could be kept; leave it out for 256MiB".to_owned(),
        );
    }
    Ok(store)
}
