//! From a configuration to an engine and the settings of its server.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use larder::core::Policies;
use larder::origin::{
    HttpOrigin, Origin, Outbox, PostgresOrigin, PostgresOutbox, SqliteOrigin, SqliteOutbox,
};
use larder::store::queue::Queue;
use larder::store::{
    LocalQueue, MemoryStore, Mirror, MirroredQueue, RedisQueue, RedisStore, Store, TieredStore,
};
use larder::wasm::Host;
use larder::{Engine, EngineBuilder, Rules};
use larder_server::{Metrics, Parts, Settings};
use tokio::time::Instant;

use crate::config::{Config, Level, OriginConfig, OriginKind, OutboxConfig, StoreConfig, Wrong};
use crate::sense;

/// How long outboxes may keep the ports closed.
const OUTBOX_WAIT: Duration = Duration::from_secs(5);

/// Reaches the store, opens the origins, loads the policies and builds the engine. Blocks while it
/// does; call it inside the runtime that is to sweep the store.
///
/// # Errors
/// Names the part of the configuration that does not work.
pub(crate) async fn assemble(config: Config, metrics: Metrics) -> Result<(Settings, Parts)> {
    let host = Host::start(config.host.clone())?;
    let policies: Arc<dyn Policies> = Arc::clone(&host) as _;
    let mut problems = sense::of_rules(&config, Arc::clone(&policies));
    problems.extend(sense::of_policies(&config, &*host, &host.status()));
    if !problems.is_empty() {
        return Err(Wrong(problems).into());
    }
    for warning in sense::warnings(&config, &*host) {
        tracing::warn!("{warning}");
    }
    let settings = settings(&config, None);
    let rules = rules(&config, policies, |_| true);
    let store = reach(config.store).await.context("[store]")?;
    let mut builder = Engine::builder(host.clone(), store).rules(rules);
    for (name, origin) in config.origins {
        builder = add(builder, &name, origin).await?;
    }
    if let Some(vault) = config.vault {
        tracing::info!(active = %vault.ring().active(), "values are encrypted where a policy or the guard asks for it");
        crate::keys::follow(&vault);
    }
    if let Some(behind) = config.write_behind {
        let queue = queue(behind.level).await.context("[write_behind]")?;
        let summary = queue.summary();
        tracing::info!(
            queue = summary.level,
            "{}: {}",
            summary.place,
            summary.can_lose
        );
        builder = builder.queue(queue, behind.tuning);
    }
    let engine = builder.build()?;
    for origin in engine.outboxes_read(Instant::now() + OUTBOX_WAIT).await {
        tracing::warn!(
            %origin,
            "serving begins before the outbox of this origin was read to its end; what a shared \
             store kept may be older than changes from when no engine ran"
        );
    }
    let parts = Parts {
        engine,
        policies: Some(host),
        metrics,
        reload: None,
    };
    Ok((settings, parts))
}

/// What the engine is to go by, as far as it can change while it runs; `is_open` says which origins
/// there are.
pub(crate) fn rules(
    config: &Config,
    policies: Arc<dyn Policies>,
    is_open: impl Fn(&String) -> bool,
) -> Rules {
    let limits = config.origins.iter().filter(|(name, _)| is_open(name));
    Rules {
        routes: config.routes.clone(),
        limits: limits
            .map(|(name, origin)| (name.clone(), origin.limits))
            .collect(),
        on_failure: config.on_failure.iter().cloned().collect(),
        guard: config.guard.clone(),
        vault: config.vault.clone(),
        retire: config.retire,
        ..Rules::new(policies)
    }
}

/// Opens an origin and the outbox beside it.
async fn add(builder: EngineBuilder, name: &str, origin: OriginConfig) -> Result<EngineBuilder> {
    let mut builder = builder.write_hold(name, origin.write_hold_ms);
    if let Some(config) = origin.outbox {
        let outbox = listen(&origin.kind, &config).await;
        let outbox = outbox.with_context(|| format!("[origin.{name}.outbox]"))?;
        if let Some(outbox) = outbox {
            builder = builder.outbox(name, outbox, config.tuning);
        }
    }
    let opened = open(origin.kind).await;
    let opened = opened.with_context(|| format!("[origin.{name}]"))?;
    tracing::info!(origin = name, "{}", opened.summary());
    Ok(builder.origin(name, opened))
}

async fn reach(store: StoreConfig) -> Result<Arc<dyn Store>> {
    Ok(match store {
        StoreConfig::Memory(config) => Arc::new(MemoryStore::new(config)),
        StoreConfig::Redis(config) => Arc::new(RedisStore::connect_or_wait(config).await?),
        StoreConfig::Tiered(config) => Arc::new(TieredStore::connect_or_wait(config).await?),
    })
}

async fn queue(level: Level) -> Result<Arc<dyn Queue>> {
    Ok(match level {
        Level::Local { queue, shown_in } => {
            let local = LocalQueue::open(queue)?;
            match shown_in {
                None => Arc::new(local),
                Some(redis) => {
                    let mirror = Mirror::connect(&redis).await?;
                    Arc::new(MirroredQueue::open(local, mirror).await?)
                }
            }
        }
        Level::Redis(config) => Arc::new(RedisQueue::connect(config).await?),
    })
}

/// The outbox beside an origin; services have none.
async fn listen(origin: &OriginKind, outbox: &OutboxConfig) -> Result<Option<Arc<dyn Outbox>>> {
    let table = &outbox.table;
    Ok(match origin {
        OriginKind::Sqlite(config) => Some(Arc::new(SqliteOutbox::open(config, table)?)),
        OriginKind::Postgres(config) => {
            let channel = outbox.channel.as_deref();
            Some(Arc::new(
                PostgresOutbox::open(config, table, channel).await?,
            ))
        }
        OriginKind::Http(_) => None,
    })
}

async fn open(origin: OriginKind) -> Result<Arc<dyn Origin>> {
    Ok(match origin {
        OriginKind::Sqlite(config) => Arc::new(SqliteOrigin::open(config)?),
        OriginKind::Postgres(config) => Arc::new(PostgresOrigin::open(config).await?),
        OriginKind::Http(config) => Arc::new(HttpOrigin::new(config)?),
    })
}

/// What the server is to go by. What it cannot change while it runs is as it is in `running`.
pub(crate) fn settings(config: &Config, running: Option<&Settings>) -> Settings {
    let (server, base) = (&config.server, Settings::default());
    let drain = config.write_behind.as_ref().and_then(|behind| behind.drain);
    let settings = Settings {
        listen: server.listen,
        admin: server.admin,
        tokens: server.tokens.clone(),
        max_in_flight: server.max_in_flight.unwrap_or(base.max_in_flight),
        body_max_bytes: server.body_max.unwrap_or(base.body_max_bytes),
        header_timeout: server.header_timeout.unwrap_or(base.header_timeout),
        request_timeout: server.request_timeout.unwrap_or(base.request_timeout),
        drain: server.drain.unwrap_or(base.drain),
        shared_max_age: server.shared_max_age.unwrap_or(base.shared_max_age),
        queue_drain: drain.unwrap_or(base.queue_drain),
        lease_secret: server.lease_secret.clone(),
    };
    match running {
        None => settings,
        Some(running) => Settings {
            listen: running.listen,
            admin: running.admin,
            queue_drain: running.queue_drain,
            lease_secret: running.lease_secret.clone(),
            ..settings
        },
    }
}
