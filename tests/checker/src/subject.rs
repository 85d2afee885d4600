//! What is checked: engines of Larder, or cache-aside as it is commonly written.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use larder::core::dependency::Mode;
use larder::core::{
    Decision, Identity, Manifest, Outcome, Policies, Policy, PolicyFailure, Stampede, Strategy,
    Timestamp,
};
use larder::store::Store;
use larder::{Engine, Invalidation, Request, Route, Value};
use redis::aio::MultiplexedConnection;

use crate::truth::{Truth, tenant};

/// How long an entry is kept, unless a run says otherwise.
pub const TTL: Duration = Duration::from_secs(60);
/// How long a key that is only expired may be answered as stale.
const WHILE_REVALIDATING: Duration = Duration::from_millis(100);

/// How an invalidation names the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Itself.
    Key,
    /// Its own tag.
    Tag,
    /// The tag of its group.
    Group,
    /// Its namespace.
    Namespace,
    /// A pattern.
    Pattern,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 5] = [
        Self::Key,
        Self::Tag,
        Self::Group,
        Self::Namespace,
        Self::Pattern,
    ];
}

/// What a read answered.
#[derive(Debug)]
pub struct Answer {
    /// The value.
    pub text: String,
    /// Whether it was said to be stale.
    pub stale: bool,
    /// Whether the cache had it.
    pub hit: bool,
}

/// Something that caches, on several nodes.
pub trait Subject: Send + Sync {
    /// Reads `key` on node `on`.
    fn read(&self, on: usize, key: usize) -> BoxFuture<'_, Result<Answer, String>>;
    /// Writes `key` through node `on`; answers the version that is settled, if any.
    fn write(&self, on: usize, key: usize) -> BoxFuture<'_, Result<(), String>>;
    /// Tells node `on` that `key` has changed.
    fn invalidate(
        &self,
        on: usize,
        key: usize,
        way: Way,
        mode: Mode,
    ) -> BoxFuture<'_, Result<(), String>>;
}

/// Whether `key` is only ever expired, and so may be served stale for a moment.
#[must_use]
pub fn only_expired(key: usize) -> bool {
    key.is_multiple_of(3)
}

/// Engines of Larder over one store.
pub struct Larder(pub Vec<Engine>);

impl Larder {
    /// An engine upon each of `stores`, all with the origin `truth`; entries end after `ttl`.
    ///
    /// # Errors
    /// If an engine cannot be built.
    pub fn new(
        stores: Vec<Arc<dyn Store>>,
        truth: &Arc<Truth>,
        ttl: Duration,
    ) -> Result<Self, larder::BuildError> {
        let build = |store| {
            Engine::builder(Arc::new(Checked::new(ttl)), store)
                .origin(
                    "truth",
                    Arc::clone(truth) as Arc<dyn larder::origin::Origin>,
                )
                .route(Route::new("item", "checked").origin("truth"))
                .build()
        };
        Ok(Self(
            stores.into_iter().map(build).collect::<Result<_, _>>()?,
        ))
    }
}

impl Subject for Larder {
    fn read(&self, on: usize, key: usize) -> BoxFuture<'_, Result<Answer, String>> {
        Box::pin(async move {
            let request = Request::read("item", key.to_string()).tenant(tenant(key));
            let reading = self.0[on].read(request).await;
            let reading = reading.map_err(|error| error.to_string())?;
            let bytes = reading.value.map(|value| value.bytes).unwrap_or_default();
            Ok(Answer {
                text: String::from_utf8_lossy(&bytes).into_owned(),
                stale: matches!(reading.outcome, Outcome::Stale | Outcome::StaleOnError),
                hit: reading.outcome == Outcome::Hit,
            })
        })
    }

    fn write(&self, on: usize, key: usize) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let request = Request::write("item", key.to_string()).tenant(tenant(key));
            let written = self.0[on].write(request, Value::new("")).await;
            written.map(drop).map_err(|error| error.to_string())
        })
    }

    fn invalidate(
        &self,
        on: usize,
        key: usize,
        way: Way,
        mode: Mode,
    ) -> BoxFuture<'_, Result<(), String>> {
        let mut what = Invalidation {
            tenant: tenant(key),
            mode,
            ..Invalidation::default()
        };
        let namespace = "item".to_owned();
        match way {
            Way::Key => what.keys.push((namespace, format!("item:{key}"))),
            Way::Tag => what.tags.push(format!("item:{key}")),
            Way::Group => what.tags.push(format!("group:{}", key % 10)),
            Way::Namespace => what.namespaces.push(namespace),
            Way::Pattern => what.patterns.push((namespace, format!("item:{key}*"))),
        }
        Box::pin(async move {
            let done = self.0[on].invalidate(&what).await;
            done.map(drop).map_err(|error| error.to_string())
        })
    }
}

/// Decides by the number of the key, so that every pattern is mixed with every other.
#[derive(Clone)]
struct Checked {
    identity: Arc<Identity>,
    manifest: Manifest,
    ttl: Duration,
}

impl Checked {
    fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            identity: Arc::new(Identity {
                name: "checked".into(),
                version: "1.0.0".into(),
                revision: "native".into(),
                contract: "0.1.0".into(),
                settings: String::new(),
            }),
            manifest: Manifest::default(),
        }
    }
}

impl Policy for Checked {
    fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn decide(&self, request: &Request, _: Timestamp) -> Result<Decision, PolicyFailure> {
        let key: usize = request.id.parse().unwrap_or_default();
        let strategy = match key % 2 {
            0 => Strategy::ReadThrough,
            _ => Strategy::WriteThrough,
        };
        let mut decision = Decision::new(strategy, format!("item:{key}"));
        decision.freshness.ttl_ms = self.ttl.as_millis() as u64;
        decision.tags = vec![format!("item:{key}"), format!("group:{}", key % 10)];
        decision.loading.stampede = match key % 5 {
            0 => Stampede::PerCluster,
            1 => Stampede::Unguarded,
            _ => Stampede::PerProcess,
        };
        if only_expired(key) {
            decision.freshness.stale_while_revalidate_ms = WHILE_REVALIDATING.as_millis() as u64;
        }
        Ok(decision)
    }
}

impl Policies for Checked {
    fn current(&self, _: &str) -> Option<Arc<dyn Policy>> {
        Some(Arc::new(self.clone()))
    }
}

/// GET; on a miss load and SET; after a write DEL.
pub struct Naive {
    truth: Arc<Truth>,
    redis: MultiplexedConnection,
}

impl Naive {
    /// Over the Redis at `url`.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn new(url: &str, truth: Arc<Truth>) -> redis::RedisResult<Self> {
        let client = redis::Client::open(url)?;
        let redis = client.get_multiplexed_async_connection().await?;
        Ok(Self { truth, redis })
    }

    async fn forget(&self, key: usize) -> Result<(), String> {
        let mut redis = self.redis.clone();
        let deleted = redis::cmd("DEL").arg(key).exec_async(&mut redis).await;
        deleted.map_err(|error| error.to_string())
    }
}

impl Subject for Naive {
    fn read(&self, _: usize, key: usize) -> BoxFuture<'_, Result<Answer, String>> {
        Box::pin(async move {
            let mut redis = self.redis.clone();
            let error = |error: redis::RedisError| error.to_string();
            let mut get = redis::cmd("GET");
            get.arg(key);
            let found: Option<String> = get.query_async(&mut redis).await.map_err(error)?;
            let (text, hit) = match found {
                Some(text) => (text, true),
                None => {
                    let text = self.truth.load_value(key).await;
                    let mut set = redis::cmd("SET");
                    set.arg(key).arg(&text).arg("EX").arg(60);
                    set.exec_async(&mut redis).await.map_err(error)?;
                    (text, false)
                }
            };
            Ok(Answer {
                text,
                stale: false,
                hit,
            })
        })
    }

    fn write(&self, _: usize, key: usize) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            self.truth.commit(key);
            self.forget(key).await
        })
    }

    fn invalidate(
        &self,
        _: usize,
        key: usize,
        _: Way,
        _: Mode,
    ) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.forget(key))
    }
}
