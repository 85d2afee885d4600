//! What is looked at before a queue is used.

use std::sync::Arc;

use super::super::config::RedisConfig;
use super::super::error::ConnectError;
use super::super::link::Link;
use super::super::link::endpoint::shown;
use super::super::reply::typed;
use super::config::RedisQueueConfig;
use super::durability::{Durability, Keeps, durability_of};
use super::names::Names;
use super::room::{Room, Used};
use super::scripts::Scripts;
use super::wait::Signals;
use super::{Inner, RedisQueue};
use crate::queue::QueueSummary;
use crate::store::StoreError;

/// The format of keys and changes that this build reads and writes. A build of another one would
/// not find what is where it does not look.
const FORMAT: u64 = 1;

impl RedisQueue {
    /// Connects, and checks that the servers keep what they are given.
    ///
    /// # Errors
    /// If they cannot be used; the message says what to change.
    pub async fn connect(mut config: RedisQueueConfig) -> Result<Self, ConnectError> {
        // What is queued has no copy elsewhere.
        config.redis.accept_eviction = false;
        let link = Link::connect(&config.redis).await.map_err(queue_evicts)?;
        let place = place(&config.redis);
        let names = Names::new(&config.redis.prefix);
        let (format, durability) = look(&link, &names)
            .await
            .map_err(|error| not_ready(&place, &error))?;
        if format.parse() != Ok(FORMAT) {
            return Err(ConnectError::OtherFormat {
                key: names.format(),
                found: format,
            });
        }
        if durability.keeps == Keeps::Nothing && !config.accept_loss {
            return Err(ConnectError::Forgets { place });
        }
        let summary = QueueSummary {
            level: "redis",
            place,
            can_lose: durability.can_lose(),
        };
        Ok(Self(Arc::new(Inner {
            link,
            names,
            scripts: Scripts::new(),
            room: Room::new(Used {
                changes: config.limit,
                bytes: config.limit_bytes,
            }),
            signals: Signals::default(),
            summary,
        })))
    }
}

/// The format of what is there, which from now on is this build's where there was nothing, and what
/// holds for all masters.
async fn look(link: &Link, names: &Names) -> Result<(String, Durability), StoreError> {
    let mut set = redis::cmd("SET");
    set.arg(names.format()).arg(FORMAT).arg("NX");
    link.query(set).await?;
    let mut get = redis::cmd("GET");
    get.arg(names.format());
    let format: Option<String> = typed(link.query(get).await?)?;
    let mut all = Durability {
        keeps: Keeps::All,
        replicated: false,
    };
    for node in link.masters().await? {
        all = all.and(durability_of(&node).await?);
    }
    Ok((format.unwrap_or_default(), all))
}

fn queue_evicts(error: ConnectError) -> ConnectError {
    match error {
        ConnectError::Evicts { address, policy } => ConnectError::EvictsQueue { address, policy },
        ConnectError::EvictsPerhaps { address } => ConnectError::EvictsQueuePerhaps { address },
        error => error,
    }
}

fn not_ready(place: &str, error: &StoreError) -> ConnectError {
    ConnectError::NotReady {
        address: place.to_owned(),
        why: error.to_string(),
    }
}

/// Where it is, without credentials.
pub(super) fn place(config: &RedisConfig) -> String {
    let all = |urls: &[String]| {
        let urls: Vec<_> = urls.iter().map(|url| shown(url)).collect();
        urls.join(", ")
    };
    match (&config.url, &config.sentinel) {
        (Some(url), _) => shown(url),
        (_, Some(sentinel)) => format!(
            "master {} of the sentinels at {}",
            sentinel.master,
            all(&sentinel.urls)
        ),
        _ => format!("the Cluster at {}", all(&config.cluster)),
    }
}
