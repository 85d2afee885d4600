//! Whether a server may evict what has no end, and what it keeps on disk.

use std::collections::HashMap;

use redis::{Cmd, FromRedisValue, Value};

use super::super::error::ConnectError;
use super::check::not_ready;
use super::wire::{Failure, Wire};
use crate::store::StoreError;

/// The policies that evict nothing, or only keys that have an end: all that Redis and Valkey have
/// of the kind. Any other name is of a policy that nobody here knows, so it may evict anything.
const SAFE: [&str; 6] = [
    "noeviction",
    "volatile-lru",
    "volatile-lfu",
    "volatile-lrm",
    "volatile-random",
    "volatile-ttl",
];

/// What a server says of its memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// The name of its eviction policy; none where it does not tell, or the user may not ask.
    policy: Option<String>,
    /// In words.
    persistence: &'static str,
    /// Why it could not be asked, where a permission is what is lacking.
    forbidden: Option<ConnectError>,
}

impl Memory {
    pub(super) fn words(&self) -> String {
        let policy = self.policy.as_deref().unwrap_or("not told");
        format!("maxmemory-policy {policy}, {}", self.persistence)
    }

    /// That the server does not evict what has no end.
    pub(super) fn keeps_bans(&self, address: &str) -> Result<(), ConnectError> {
        let address = address.to_owned();
        match (&self.policy, &self.forbidden) {
            (Some(policy), _) if SAFE.contains(&policy.as_str()) => Ok(()),
            (Some(policy), _) => Err(ConnectError::Evicts {
                address,
                policy: policy.clone(),
            }),
            (None, Some(forbidden)) => Err(forbidden.clone()),
            (None, None) => Err(ConnectError::EvictsPerhaps { address }),
        }
    }

    /// That nobody has let the server evict what has no end since it was reached.
    pub(super) fn still_keeps_bans(&self, address: &str) -> Result<(), ConnectError> {
        match &self.policy {
            Some(_) => self.keeps_bans(address),
            None => Ok(()),
        }
    }
}

/// Asks a server. INFO tells all; where it is forbidden, unknown or silent on the policy, CONFIG
/// GET tells that.
pub(super) async fn memory(wire: &Wire) -> Result<Memory, ConnectError> {
    let mut info = redis::cmd("INFO");
    info.arg("memory").arg("persistence");
    let (info, forbidden) = asked(wire, &info).await?;
    let info = info.and_then(|told| String::from_redis_value(told).ok());
    let told = Memory {
        forbidden,
        ..read_info(info.as_deref())
    };
    if told.policy.is_some() {
        return Ok(told);
    }
    let mut config = redis::cmd("CONFIG");
    config.arg("GET").arg("maxmemory-policy");
    let (settings, forbidden) = asked(wire, &config).await?;
    let settings = settings.and_then(|told| HashMap::<String, String>::from_redis_value(told).ok());
    Ok(Memory {
        policy: settings.and_then(|mut all| name(&all.remove("maxmemory-policy")?)),
        forbidden: told.forbidden.or(forbidden),
        ..told
    })
}

/// The answer; none where the server does not know the command or the user may not send it, which
/// is told beside it.
async fn asked(
    wire: &Wire,
    command: &Cmd,
) -> Result<(Option<Value>, Option<ConnectError>), ConnectError> {
    match wire.send(command).await {
        Ok(answer) => Ok((Some(answer), None)),
        Err(denied @ Failure::Denied { .. }) => Ok((None, Some(not_ready(wire, denied)))),
        Err(Failure::Store(StoreError::Refused(_))) => Ok((None, None)),
        Err(failure) => Err(not_ready(wire, failure)),
    }
}

fn read_info(info: Option<&str>) -> Memory {
    let field = |wanted: &str| {
        let mut lines = info?.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| *key == wanted);
        found.and_then(|(_, value)| name(value))
    };
    Memory {
        policy: field("maxmemory_policy"),
        persistence: match field("aof_enabled").as_deref() {
            Some("1") => "append-only file",
            Some(_) => "no append-only file",
            None => "persistence not told",
        },
        forbidden: None,
    }
}

fn name(told: &str) -> Option<String> {
    let told = told.trim();
    (!told.is_empty()).then(|| told.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_tells_policy_and_persistence() {
        let info = "# Memory\r\nmaxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\n";
        let told = read_info(Some(info));
        assert_eq!(
            told.words(),
            "maxmemory-policy noeviction, append-only file"
        );
        let nothing = "maxmemory-policy not told, persistence not told";
        assert_eq!(read_info(None).words(), nothing);
        assert_eq!(read_info(Some("maxmemory_policy: \r\n")).words(), nothing);
    }

    #[test]
    fn only_what_is_known_to_be_safe_is_taken() {
        let judged = |policy: Option<&str>| {
            let policy = policy.map(str::to_owned);
            let memory = Memory {
                policy,
                ..Memory::default()
            };
            memory.keeps_bans("h:1").map_err(|error| error.to_string())
        };
        for policy in SAFE {
            assert_eq!(judged(Some(policy)), Ok(()), "{policy}");
        }
        let others = ["allkeys-lru", "allkeys-lrm", "eviction", "cache", "lru"];
        for policy in others.into_iter().chain(["volatile", "NOEVICTION?"]) {
            let why = judged(Some(policy)).expect_err(policy);
            assert!(
                why.contains(policy) && why.contains("volatile-lru"),
                "{why}"
            );
        }
        let why = judged(None).expect_err("it is not known");
        assert!(why.contains("does not tell"), "{why}");
    }
}
