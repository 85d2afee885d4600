//! What an acknowledged write can be lost by.

use std::collections::HashMap;

use redis::{FromRedisValue, Value};

use super::super::link::Node;
use crate::store::StoreError;

/// What a server keeps over a restart, from the most to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Keeps {
    /// All that it acknowledged: `appendfsync always`.
    All,
    /// All but the last second or two: `appendfsync everysec`.
    AllButSeconds,
    /// What the system found time to write: `appendfsync no`.
    WhatWasWritten,
    /// An append-only file, but how often it is synced is not told.
    Untold,
    /// The last snapshot: `appendonly no`, with `save`.
    Snapshots,
    /// Nothing, or nothing that it tells of.
    Nothing,
}

/// How well a server keeps things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Durability {
    pub(super) keeps: Keeps,
    /// Whether another server may take over from it.
    pub(super) replicated: bool,
}

impl Durability {
    /// What holds for both: the worse of each.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            keeps: self.keeps.max(other.keeps),
            replicated: self.replicated || other.replicated,
        }
    }

    /// What can be lost, in plain words.
    pub(super) fn can_lose(self) -> String {
        let stops = match self.keeps {
            Keeps::All => {
                "nothing when Redis crashes (appendfsync is always); in a power cut what the disk claims to have written and has not"
            }
            Keeps::AllButSeconds => {
                "up to about two seconds of acknowledged writes when Redis or its machine crashes (appendfsync is everysec)"
            }
            Keeps::WhatWasWritten => {
                "what the system has not written to the disk yet, often half a minute of acknowledged writes, when the machine of Redis crashes (appendfsync is no)"
            }
            Keeps::Untold => {
                "some acknowledged writes when Redis or its machine crashes; how many is not told to its user, who may not run CONFIG GET"
            }
            Keeps::Snapshots => {
                "everything since the last snapshot when Redis stops (appendonly is no)"
            }
            Keeps::Nothing => "everything that waits when Redis stops (it keeps nothing on disk)",
        };
        let failover = match self.replicated {
            true => {
                "; when a replica takes over, what it had not received yet (replication is asynchronous)"
            }
            false => "",
        };
        format!("{stops}{failover}")
    }
}

/// Asks a server.
pub(super) async fn durability_of(node: &Node) -> Result<Durability, StoreError> {
    let mut config = redis::cmd("CONFIG");
    config
        .arg("GET")
        .arg(&["appendonly", "appendfsync", "save"]);
    let settings = allowed(node.query(config).await)?;
    let mut info = redis::cmd("INFO");
    info.arg("persistence").arg("replication");
    let info = allowed(node.query(info).await)?;
    let settings = settings.and_then(|told| HashMap::from_redis_value(told).ok());
    let info = info.and_then(|told| String::from_redis_value(told).ok());
    Ok(read(settings.as_ref(), info.as_deref()))
}

/// The answer; none where the user may not ask.
fn allowed(answer: Result<Value, StoreError>) -> Result<Option<Value>, StoreError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(StoreError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// From the settings and from what INFO says, as far as each is told.
fn read(settings: Option<&HashMap<String, String>>, info: Option<&str>) -> Durability {
    let setting = |name: &str| settings?.get(name).map(String::as_str);
    let field = |name: &str| {
        let mut lines = info?.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim())
    };
    let appends = setting("appendonly")
        .map(|told| told == "yes")
        .or_else(|| field("aof_enabled").map(|told| told == "1"));
    let keeps = match (appends, setting("appendfsync"), setting("save")) {
        (Some(true), Some("always"), _) => Keeps::All,
        (Some(true), Some("everysec"), _) => Keeps::AllButSeconds,
        (Some(true), Some(_), _) => Keeps::WhatWasWritten,
        (Some(true), None, _) => Keeps::Untold,
        (_, _, Some(save)) if !save.is_empty() => Keeps::Snapshots,
        _ => Keeps::Nothing,
    };
    Durability {
        keeps,
        replicated: field("connected_slaves") != Some("0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(settings: &[(&str, &str)], info: Option<&str>) -> Keeps {
        let settings = settings.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        let settings: HashMap<String, String> = settings.collect();
        let settings = (!settings.is_empty()).then_some(&settings);
        read(settings, info).keeps
    }

    #[test]
    fn settings_tell_what_is_kept() {
        for (append, sync, save, expected) in [
            ("yes", "always", "", Keeps::All),
            ("yes", "everysec", "60 1", Keeps::AllButSeconds),
            ("yes", "no", "60 1", Keeps::WhatWasWritten),
            ("no", "always", "3600 1 300 100", Keeps::Snapshots),
            ("no", "everysec", "", Keeps::Nothing),
        ] {
            let settings = [
                ("appendonly", append),
                ("appendfsync", sync),
                ("save", save),
            ];
            assert_eq!(keeps(&settings, Some("aof_enabled:0\r\n")), expected);
        }
    }

    #[test]
    fn what_is_not_told_is_not_believed() {
        assert_eq!(keeps(&[], Some("aof_enabled:1\r\n")), Keeps::Untold);
        assert_eq!(keeps(&[], Some("aof_enabled:0\r\n")), Keeps::Nothing);
        assert_eq!(keeps(&[], None), Keeps::Nothing);
    }

    #[test]
    fn the_worst_of_all_servers_counts() {
        let alone = read(None, Some("aof_enabled:1\nconnected_slaves:0\r\n"));
        assert!(!alone.replicated);
        let worse = Durability {
            keeps: Keeps::Snapshots,
            replicated: true,
        };
        assert_eq!(alone.and(worse), worse);
        assert!(worse.can_lose().contains("a replica takes over"));
        assert!(!alone.can_lose().contains("a replica takes over"));
    }
}
