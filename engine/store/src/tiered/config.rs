//! Where the shared store is, and how much is kept in front of it.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::TieredStore;
use super::near::Near;
use super::tracking::Tracking;
use crate::redis::link::Link;
use crate::redis::{ConnectError, RedisConfig, RedisStore};

/// The shortest bound that leaves room for questions and answers, in milliseconds.
const LEAST_SILENCE_MS: u64 = 100;

/// How a [`TieredStore`] is made.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TieredConfig {
    /// Bytes of all copies together. Default 256 MiB. Entries beyond the share of one part, at
    /// least about 31 MiB, are served from the shared store alone.
    pub capacity_bytes: u64,
    /// How long the shared store may have been silent on outstanding changes before copies are no
    /// longer served, in milliseconds: the bound of staleness when the network fails. Default
    /// 1500, at least 100.
    pub silence_ms: u64,
    /// The shared store.
    pub redis: RedisConfig,
}

impl Default for TieredConfig {
    fn default() -> Self {
        Self {
            capacity_bytes: 256 << 20,
            silence_ms: 1_500,
            redis: RedisConfig::default(),
        }
    }
}

impl TieredConfig {
    /// Whether the configuration makes sense, without connecting.
    ///
    /// # Errors
    /// [`ConnectError::Config`] says which setting to change.
    pub fn validate(&self) -> Result<(), ConnectError> {
        if self.silence_ms < LEAST_SILENCE_MS {
            return Err(ConnectError::Config {
                why: format!("`silence_ms` is too short: give it at least {LEAST_SILENCE_MS}"),
            });
        }
        self.redis.validate()
    }
}

impl TieredStore {
    /// Connects to the shared store, and begins to follow its changes; until it does, every read
    /// asks the shared store.
    ///
    /// # Errors
    /// If it cannot be used; the message says what to change.
    pub async fn connect(config: TieredConfig) -> Result<Self, ConnectError> {
        config.validate()?;
        let link = Link::connect(&config.redis).await?;
        Ok(Self::behind(link, config))
    }

    /// As [`TieredStore::connect`], but a server that cannot be reached now is waited for as
    /// [`RedisStore::connect_or_wait`] does.
    ///
    /// # Errors
    /// What no waiting cures; the message says what to change.
    pub async fn connect_or_wait(config: TieredConfig) -> Result<Self, ConnectError> {
        config.validate()?;
        let link = Link::connect_or_wait(&config.redis).await?;
        Ok(Self::behind(link, config))
    }

    fn behind(link: Link, config: TieredConfig) -> Self {
        let near = Arc::new(Near::new(config.capacity_bytes));
        let far = RedisStore::over(link.clone(), &config.redis);
        let bound = Duration::from_millis(config.silence_ms);
        let tracking = Tracking::start(link, config.redis.prefix, Arc::clone(&near), bound);
        Self::over(Arc::new(far), near, Some(tracking))
    }
}
