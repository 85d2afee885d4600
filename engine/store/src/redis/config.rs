//! Where Redis is, and how long it may take.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::error::ConnectError;
use super::link::endpoint::{Endpoint, Secret, shown};

/// How to reach Redis. Exactly one of `url`, `cluster` and `sentinel` says where it is.
///
/// Its user needs PING and INFO (or CONFIG GET), in a Cluster also CLUSTER SLOTS and CLUSTER INFO.
///
/// `Debug` shows addresses, never a password.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// One server: `redis://user:password@host:port/db`, or `rediss://` for TLS.
    pub url: Option<String>,
    /// Some nodes of a Cluster, as urls without a db; the others are found from them. User,
    /// password and TLS of the first hold for all.
    pub cluster: Vec<String>,
    /// Sentinels that know where the master is.
    pub sentinel: Option<SentinelConfig>,
    /// What every key begins with. Default `larder`.
    pub prefix: String,
    /// A PEM file with the certificates that may sign the server's, in place of the public ones.
    pub ca_file: Option<PathBuf>,
    /// How long opening a connection may take, TLS and password included. Default 1000.
    pub connect_timeout_ms: u64,
    /// How long a command may take. Default 500.
    pub timeout_ms: u64,
    /// The largest entry that is stored, in bytes, names and tags included. Default 8 MiB.
    pub max_entry_bytes: u64,
    /// How long the version of a tag or a namespace is kept after it was made or changed, at
    /// least; entries that are older miss once. Default 30 days.
    pub versions_keep_ms: u64,
    /// How often each connection is asked whether it lives. Default 500.
    pub check_every_ms: u64,
    /// Connects although the server may evict keys that have no end, among them bans. Default
    /// false.
    pub accept_eviction: bool,
}

/// Sentinels, and how to log in to the master they name.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SentinelConfig {
    /// The sentinels, each with the user and password of its own where it wants them.
    pub urls: Vec<String>,
    /// The name of the master.
    pub master: String,
    /// The user at the master; none for the default user.
    pub user: Option<String>,
    /// The password at the master.
    pub password: Option<String>,
    /// The database. Default 0.
    pub db: i64,
    /// Whether the master speaks TLS. Default false.
    pub tls: bool,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: None,
            cluster: Vec::new(),
            sentinel: None,
            prefix: "larder".to_owned(),
            ca_file: None,
            connect_timeout_ms: 1000,
            timeout_ms: 500,
            check_every_ms: 500,
            max_entry_bytes: 8 << 20,
            versions_keep_ms: 30 * 24 * 60 * 60 * 1000,
            accept_eviction: false,
        }
    }
}

/// Where the masters are to be looked for.
#[derive(Clone, Debug)]
pub(crate) enum Seeds {
    Single(Endpoint),
    Cluster(Vec<Endpoint>),
    Sentinel {
        sentinels: Vec<Endpoint>,
        name: String,
        /// The credentials of the master; the address is a placeholder.
        master: Endpoint,
    },
}

impl RedisConfig {
    /// Whether the configuration makes sense, without connecting.
    ///
    /// # Errors
    /// [`ConnectError::Config`] says which setting to change.
    pub fn validate(&self) -> Result<(), ConnectError> {
        let limits = [
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("timeout_ms", self.timeout_ms),
            ("check_every_ms", self.check_every_ms),
        ];
        if let Some((name, _)) = limits.iter().find(|(_, ms)| *ms == 0) {
            return Err(config(format!("`{name}` is 0: give it at least 1")));
        }
        let odd = |c: char| "{}*?[]\\".contains(c) || c.is_whitespace() || c.is_control();
        if self.prefix.is_empty() || self.prefix.contains(odd) {
            return Err(config(
                "`prefix` must be a plain name without spaces, braces and wildcards".to_owned(),
            ));
        }
        self.seeds().map(drop)
    }

    pub(crate) fn seeds(&self) -> Result<Seeds, ConnectError> {
        match (&self.url, self.cluster.as_slice(), &self.sentinel) {
            (Some(url), [], None) => Ok(Seeds::Single(Endpoint::parse(url, "url")?)),
            (None, urls @ [_, ..], None) => {
                let seeds = parse_all(urls, "cluster")?;
                if seeds.iter().any(|seed| seed.db != 0) {
                    let why =
                        "a Cluster has no databases: remove the number from the urls in `cluster`";
                    return Err(config(why.to_owned()));
                }
                Ok(Seeds::Cluster(seeds))
            }
            (None, [], Some(sentinel)) => sentinel.seeds(),
            (None, [], None) => Err(config(
                "no server is named: set `url`, `cluster` or `sentinel`".to_owned(),
            )),
            _ => Err(config(
                "more than one of `url`, `cluster` and `sentinel` is set: keep one".to_owned(),
            )),
        }
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(crate) fn check_every(&self) -> Duration {
        Duration::from_millis(self.check_every_ms)
    }
}

impl SentinelConfig {
    fn seeds(&self) -> Result<Seeds, ConnectError> {
        if self.master.is_empty() {
            let why = "`sentinel.master` is empty: give the name from `sentinel monitor <name> …`";
            return Err(config(why.to_owned()));
        }
        if self.urls.is_empty() {
            let why = "`sentinel.urls` is empty: name at least one sentinel, better all";
            return Err(config(why.to_owned()));
        }
        Ok(Seeds::Sentinel {
            sentinels: parse_all(&self.urls, "sentinel.urls")?,
            name: self.master.clone(),
            master: Endpoint {
                host: String::new(),
                port: 0,
                tls: self.tls,
                user: self.user.clone(),
                password: self.password.as_deref().map(Secret::new),
                db: self.db,
            },
        })
    }
}

fn parse_all(urls: &[String], setting: &'static str) -> Result<Vec<Endpoint>, ConnectError> {
    urls.iter()
        .map(|url| Endpoint::parse(url, setting))
        .collect()
}

fn config(why: String) -> ConnectError {
    ConnectError::Config { why }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cluster: Vec<_> = self.cluster.iter().map(|url| shown(url)).collect();
        f.debug_struct("RedisConfig")
            .field("url", &self.url.as_deref().map(shown))
            .field("cluster", &cluster)
            .field("sentinel", &self.sentinel)
            .field("prefix", &self.prefix)
            .field("ca_file", &self.ca_file)
            .field("connect_timeout_ms", &self.connect_timeout_ms)
            .field("timeout_ms", &self.timeout_ms)
            .field("check_every_ms", &self.check_every_ms)
            .field("max_entry_bytes", &self.max_entry_bytes)
            .field("versions_keep_ms", &self.versions_keep_ms)
            .field("accept_eviction", &self.accept_eviction)
            .finish()
    }
}

impl fmt::Debug for SentinelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.urls.iter().map(|url| shown(url)).collect();
        f.debug_struct("SentinelConfig")
            .field("urls", &urls)
            .field("master", &self.master)
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("db", &self.db)
            .field("tls", &self.tls)
            .finish()
    }
}
