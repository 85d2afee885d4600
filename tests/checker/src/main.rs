//! Runs the checker as long as it is told to.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use larder::store::{
    MemoryConfig, MemoryStore, RedisConfig, RedisStore, Store, TieredConfig, TieredStore,
};
use larder_checker::proxy::Proxy;
use larder_checker::run::{Plan, run};
use larder_checker::subject::{Larder, Naive, Subject};
use larder_checker::truth::Truth;
use larder_store::testing::Server;

/// Checks the promise under load, on a Redis that it starts itself. Ends with 1 if it is broken.
#[derive(Debug, Parser)]
struct Args {
    /// Reads, writes and invalidations in all
    #[arg(long, default_value_t = 1_000_000)]
    operations: u64,
    /// Nodes over the one store
    #[arg(long, default_value_t = 2)]
    engines: usize,
    /// Clients at once
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Keys
    #[arg(long, default_value_t = 100)]
    keys: usize,
    /// The longest that half a load or a write takes, in microseconds
    #[arg(long, default_value_t = 2_000)]
    pause_us: u64,
    /// What is checked
    #[arg(long, default_value = "tiered")]
    subject: Kind,
    /// Breaks the network while it runs
    #[arg(long)]
    faults: bool,
    /// Replays the choices of a run
    #[arg(long)]
    seed: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Kind {
    /// Larder in memory; its engines share it
    Memory,
    /// Larder on Redis
    Redis,
    /// Larder in memory in front of Redis
    Tiered,
    /// Cache-aside on Redis as it is commonly written
    Naive,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let plan = Plan {
        operations: args.operations,
        engines: args.engines.max(1),
        clients: args.clients.max(1),
        keys: args.keys.max(1),
        seed: args.seed.unwrap_or_else(|| fastrand::u64(..)),
    };
    let truth = Arc::new(Truth::new(plan.keys, plan.engines, args.pause_us));
    let server = Server::start().await;
    let proxy = match args.faults {
        true => Some(Arc::new(Proxy::start(server.address()).await?)),
        false => None,
    };
    let url = match &proxy {
        Some(proxy) => format!("redis://{}", proxy.address()),
        None => server.url(),
    };
    let subject: Arc<dyn Subject> = match args.subject {
        Kind::Naive => Arc::new(Naive::new(&url, Arc::clone(&truth)).await?),
        kind => Arc::new(Larder::new(
            stores(kind, &url, plan.engines).await?,
            &truth,
        )?),
    };
    let report = run(&plan, subject, truth, proxy).await;
    #[allow(clippy::print_stdout, reason = "what the command is for")]
    {
        println!("{args:?}\n{report}");
    }
    let broken = report.violations() > 0 && args.subject != Kind::Naive;
    Ok(ExitCode::from(u8::from(broken)))
}

async fn stores(kind: Kind, url: &str, count: usize) -> Result<Vec<Arc<dyn Store>>> {
    let redis = RedisConfig {
        url: Some(url.to_owned()),
        ..RedisConfig::default()
    };
    if kind == Kind::Memory {
        let store = Arc::new(MemoryStore::new(MemoryConfig::default()));
        return Ok(vec![store; count]);
    }
    let mut all: Vec<Arc<dyn Store>> = Vec::new();
    for _ in 0..count {
        let redis = redis.clone();
        all.push(match kind {
            Kind::Redis => Arc::new(RedisStore::connect(redis).await.context("Redis")?),
            _ => {
                let config = TieredConfig {
                    redis,
                    ..TieredConfig::default()
                };
                Arc::new(TieredStore::connect(config).await.context("Redis")?)
            }
        });
    }
    Ok(all)
}
