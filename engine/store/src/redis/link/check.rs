//! What is looked at before a server is used, and every time it is reached again.

use std::collections::HashMap;

use redis::{Cmd, FromRedisValue, Value};

use super::super::error::ConnectError;
use super::dial::by_code;
use super::wire::{Failure, Wire};
use crate::store::StoreError;

/// What kind of server is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Single,
    Cluster,
}

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// `redis` or `valkey`.
    server: String,
    version: String,
    mode: String,
    policy: String,
    persistence: String,
}

impl Found {
    /// In words, without the address.
    pub(super) fn words(&self) -> String {
        format!(
            "{} {}, {}, maxmemory-policy {}, {}",
            self.server, self.version, self.mode, self.policy, self.persistence
        )
    }
}

/// Whether the connection lives and leads to a master that serves. PING speaks for the data set
/// (it is refused while loading or cut off), HELLO for the role, which ROLE and INFO would tell only
/// with permissions that few users have.
pub(super) async fn beat(wire: &Wire) -> Result<HashMap<String, Value>, ConnectError> {
    let (ping, hello) = (redis::cmd("PING"), redis::cmd("HELLO"));
    let replies = wire.send_all(&[&ping, &hello]).await;
    let mut hello = HashMap::new();
    for reply in replies.map_err(|failure| broken(wire, failure))? {
        let reply = reply.map_err(|failure| not_ready(wire, failure))?;
        if let Ok(fields) = HashMap::<String, Value>::from_redis_value(reply) {
            hello = fields;
        }
    }
    match text(&hello, "role").as_str() {
        "master" | "" => Ok(hello),
        _ => Err(ConnectError::IsReplica {
            address: wire.to().address().to_string(),
        }),
    }
}

/// The kind of server at the other end: `standalone`, `cluster` or `sentinel`.
pub(super) async fn mode_of(wire: &Wire) -> Result<String, ConnectError> {
    let reply = ask(wire, &redis::cmd("HELLO")).await?;
    let hello = HashMap::<String, Value>::from_redis_value(reply).unwrap_or_default();
    Ok(text(&hello, "mode"))
}

/// Checks a server that was just reached.
pub(super) async fn check(
    wire: &Wire,
    mode: Mode,
    accept_eviction: bool,
) -> Result<Found, ConnectError> {
    let address = wire.to().address().to_string();
    let hello = beat(wire).await?;
    let mut found = Found {
        server: text(&hello, "server"),
        version: text(&hello, "version"),
        mode: text(&hello, "mode"),
        ..Found::default()
    };
    match (found.mode.as_str(), mode) {
        ("sentinel", _) => return Err(ConnectError::IsSentinel { address }),
        ("cluster", Mode::Single) => return Err(ConnectError::IsCluster { address }),
        ("standalone", Mode::Cluster) => return Err(ConnectError::NotCluster { address }),
        _ => {}
    }
    if !new_enough(&found.version) {
        let version = found.version;
        return Err(ConnectError::TooOld { address, version });
    }
    (found.policy, found.persistence) = memory(wire, accept_eviction).await?;
    if found.policy.starts_with("allkeys-") && !accept_eviction {
        let policy = found.policy;
        return Err(ConnectError::Evicts { address, policy });
    }
    Ok(found)
}

/// The eviction policy and the kind of persistence. INFO tells both; where it is forbidden,
/// CONFIG GET tells the policy.
async fn memory(wire: &Wire, accept_eviction: bool) -> Result<(String, String), ConnectError> {
    let mut info = redis::cmd("INFO");
    info.arg("memory").arg("persistence");
    let refused = match ask(wire, &info).await {
        Ok(Value::BulkString(bytes)) => return Ok(read_info(&String::from_utf8_lossy(&bytes))),
        Ok(Value::VerbatimString { text, .. }) => return Ok(read_info(&text)),
        Ok(_) => None,
        Err(error @ ConnectError::Forbidden { .. }) => Some(error),
        Err(error) => return Err(error),
    };
    let mut config = redis::cmd("CONFIG");
    config.arg("GET").arg("maxmemory-policy");
    let policy = match ask(wire, &config).await {
        Ok(reply) => HashMap::<String, String>::from_redis_value(reply)
            .ok()
            .and_then(|mut settings| settings.remove("maxmemory-policy")),
        Err(ConnectError::Forbidden { .. }) => None,
        Err(error) => return Err(error),
    };
    let unknown = "persistence not told".to_owned();
    match (policy, refused) {
        (Some(policy), _) => Ok((policy, unknown)),
        (None, Some(error)) if !accept_eviction => Err(error),
        (None, _) => Ok(("not told".to_owned(), unknown)),
    }
}

fn read_info(info: &str) -> (String, String) {
    let field = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value.trim())
    };
    let persistence = if field("aof_enabled") == "1" {
        "append-only file"
    } else {
        "no append-only file"
    };
    (field("maxmemory_policy").to_owned(), persistence.to_owned())
}

pub(super) async fn ask(wire: &Wire, command: &Cmd) -> Result<Value, ConnectError> {
    let reply = wire.send(command).await;
    reply.map_err(|failure| not_ready(wire, failure))
}

fn new_enough(version: &str) -> bool {
    let major = version.split('.').next().unwrap_or_default();
    major.parse::<u32>().is_ok_and(|major| major >= 7)
}

fn text(fields: &HashMap<String, Value>, name: &str) -> String {
    let value = fields.get(name).cloned().unwrap_or(Value::Nil);
    String::from_redis_value(value).unwrap_or_default()
}

/// What is wrong with a server that answers, but with an error.
pub(super) fn not_ready(wire: &Wire, failure: Failure) -> ConnectError {
    match failure {
        Failure::Denied { said, .. } => by_code("NOPERM", said, wire.to()),
        failure => broken_off(wire, failure.into()),
    }
}

fn broken(wire: &Wire, failure: Failure) -> ConnectError {
    broken_off(wire, failure.into())
}

fn broken_off(wire: &Wire, error: StoreError) -> ConnectError {
    let address = wire.to().address().to_string();
    match error {
        StoreError::Timeout { limit_ms } => {
            let why = format!("no answer within {limit_ms} ms");
            ConnectError::Broken { address, why }
        }
        StoreError::Unavailable(why) | StoreError::Refused(why) => {
            let own = format!("{address}: ");
            let why = why.strip_prefix(&own).unwrap_or(&why).to_owned();
            ConnectError::NotReady { address, why }
        }
        StoreError::Corrupt { why, .. } => ConnectError::NotReady { address, why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_seven_on_are_taken() {
        for version in ["7.0.0", "7.0.15", "7.2.4", "8.1.0", "10.0"] {
            assert!(new_enough(version), "{version}");
        }
        for version in ["6.2.14", "5.0", "", "unstable"] {
            assert!(!new_enough(version), "{version}");
        }
    }

    #[test]
    fn info_tells_policy_and_persistence() {
        let info = "# Memory\r\nmaxmemory_policy:noeviction\r\n# Persistence\r\naof_enabled:1\r\n";
        let told = ("noeviction".to_owned(), "append-only file".to_owned());
        assert_eq!(read_info(info), told);
    }
}
