//! What is looked at before a server is used, and every time it is reached again.

use std::collections::HashMap;

use larder_core::Clock;
use redis::{Cmd, FromRedisValue, Value};

use super::super::error::ConnectError;
use super::clock::Reading;
use super::dial::by_code;
use super::eviction::{Memory, memory};
use super::wire::{Failure, Wire};
use crate::clock::SteadyClock;
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
    memory: Memory,
}

impl Found {
    /// In words, without the address.
    pub(super) fn words(&self) -> String {
        format!(
            "{} {}, {}, {}",
            self.server,
            self.version,
            self.mode,
            self.memory.words()
        )
    }
}

/// Whether the connection lives and leads to a master that serves. PING speaks for the data set
/// (it is refused while loading or cut off), HELLO for the role, which ROLE and INFO would tell only
/// with permissions that few users have. Tells what time it is there as well, if that may be asked.
pub(super) async fn beat(
    wire: &Wire,
) -> Result<(HashMap<String, Value>, Option<Reading>), ConnectError> {
    let commands = ["TIME", "PING", "HELLO"].map(redis::cmd);
    let asked = SteadyClock.now();
    let replies = wire.send_all(&commands.each_ref()).await;
    let mut replies = replies
        .map_err(|failure| broken(wire, failure))?
        .into_iter();
    let time = replies.next().and_then(Result::ok);
    let time = time.and_then(|answer| Reading::of(asked, answer));
    let mut hello = HashMap::new();
    for reply in replies {
        let reply = reply.map_err(|failure| not_ready(wire, failure))?;
        if let Ok(fields) = HashMap::<String, Value>::from_redis_value(reply) {
            hello = fields;
        }
    }
    match text(&hello, "role").as_str() {
        "master" | "" => Ok((hello, time)),
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
) -> Result<(Found, Option<Reading>), ConnectError> {
    let address = wire.to().address().to_string();
    let (hello, time) = beat(wire).await?;
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
    found.memory = memory(wire).await?;
    if !accept_eviction {
        found.memory.keeps_bans(&address)?;
    }
    Ok((found, time))
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
}
